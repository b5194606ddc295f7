//! Signals that take hours.

use flow_table::protocol::Record;
use flow_table::protocol::dns::Answer;

use super::*;
use crate::testing::question;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Calls by a host, with so many milliseconds before each, that send so much.
fn calls(src: &str, dst: &str, gaps: impl IntoIterator<Item = (i64, u64)>) -> Vec<Flow> {
    let mut at = 0;
    let call = |(gap, sent)| {
        at += gap;
        tcp(at, src, dst, 443).moves(200, sent, 2_000)
    };
    gaps.into_iter().map(call).collect()
}

/// Calls every five minutes, a third earlier or later, over so many hours.
fn jittered(hours: i64) -> Vec<Flow> {
    let gap = |nth: i64| 5 * MINUTE + (nth * 7_919 % 181 - 90) * 1_000;
    calls(
        "10.0.0.1",
        "203.0.113.5",
        (0..hours * 12).map(|nth| (gap(nth), 300)),
    )
}

fn even(hours: i64) -> Vec<Flow> {
    calls(
        "10.0.0.1",
        "203.0.113.5",
        (0..hours * 12).map(|_| (5 * MINUTE, 300)),
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn long_beacon() {
    // Half a second to half an hour, each length as often as twice that.
    let irregular = |nth: i64| 500 << (nth * nth * 7_919 % 13);
    check(
        SignalKind::LongBeacon,
        vec![
            ("two hours", even(2), &[]),
            ("seven hours", even(7), &[High]),
            ("all day", even(23), &[High]),
            ("all day with jitter", jittered(23), &[High]),
            (
                "by chance",
                calls(
                    "10.0.0.1",
                    "203.0.113.5",
                    (0..300).map(|nth| (irregular(nth), 100 << (nth.unsigned_abs() * 977 % 11))),
                ),
                &[],
            ),
            (
                "a working day, and another",
                {
                    let mut days = even(8);
                    let more = even(8).into_iter().map(|flow| flow.later(30 * HOUR));
                    days.extend(more);
                    days
                },
                &[High, High],
            ),
            (
                "a clock",
                each(even(23), |flow| flow.udp().with_port(123)),
                &[],
            ),
            (
                "inside",
                calls("10.0.0.1", "10.0.0.2", (0..280).map(|_| (5 * MINUTE, 300))),
                &[],
            ),
            (
                "ipv6",
                calls(
                    "fd00::1",
                    "2001:db8::1",
                    (0..280).map(|_| (5 * MINUTE, 300)),
                ),
                &[High],
            ),
            (
                "six times, on a port of its own",
                each(even(1), |flow| flow.with_port(4_444))[..6].to_vec(),
                &[Critical],
            ),
            (
                "five times",
                each(even(1), |flow| flow.with_port(4_444))[..5].to_vec(),
                &[],
            ),
            (
                "eleven times within five minutes",
                each(
                    calls("10.0.0.1", "203.0.113.5", (0..11).map(|_| (29_000, 300))),
                    |flow| flow.with_port(4_444),
                ),
                &[],
            ),
            (
                "one size and then another",
                each(
                    calls(
                        "10.0.0.1",
                        "203.0.113.5",
                        (0..11).map(|nth| (5 * MINUTE, 300 + nth % 2 * 300)),
                    ),
                    |flow| flow.with_port(4_444),
                ),
                &[],
            ),
            (
                "a keep-alive on a port of its own",
                each(even(23), |flow| flow.udp().with_port(32_100)),
                &[High],
            ),
            (
                "calls that say nothing",
                each(even(1), |flow| flow.with_port(4_444).moves(10, 0, 0)),
                &[],
            ),
        ],
    );
}

/// What LONG_BEACON counts when a beacon's first call is followed by those of so many other pairs,
/// one each, and they by the rest of its calls; and the signal of the beacon.
fn among(others: u32, memory: u64) -> (crate::SignalCounters, Signal) {
    let kind = SignalKind::LongBeacon;
    let mut config = Config {
        disabled_signals: SignalKind::ALL.to_vec(),
        ..Config::default()
    };
    config.disabled_signals.retain(|other| *other != kind);
    config.long_beacon.max_subjects = config::Count::new(others + 1);
    config.long_beacon.max_memory = config::Bytes::new(memory);
    let mut detectors = crate::Detectors::new(&config, Vec::new());
    let mut beacon = even(7).into_iter();
    let put = |detectors: &mut crate::Detectors, flows: &[Flow]| {
        for event in crate::testing::events(flows) {
            detectors.put(&event);
        }
    };
    put(&mut detectors, &[beacon.next().unwrap()]);
    for nth in 0..others {
        let (host, server) = (nth / 1_000, nth % 1_000);
        let src = format!("10.1.{}.{}", host / 250, host % 250);
        let dst = format!("198.18.{}.{}", server / 250, server % 250);
        put(&mut detectors, &[tcp(6 * MINUTE, &src, &dst, 443)]);
    }
    put(&mut detectors, &beacon.collect::<Vec<_>>());
    let mut counters = detectors.counters().signals.into_iter();
    let counters = counters.find(|counters| counters.kind == kind);
    detectors.finish();
    let closed = |finding| match finding {
        crate::Finding::SignalClosed(signal) => Some(signal),
        _ => None,
    };
    let signals = detectors.drain().filter_map(closed).collect();
    (counters.unwrap(), lone(signals))
}

/// A million pairs in 256 MiB, and here a sixteenth of both: nothing of the first is lost.
#[test]
fn long_beacon_holds_a_million_pairs() {
    holds_pairs(16);
}

#[test]
#[ignore = "takes a while unless optimised"]
fn long_beacon_holds_a_whole_million() {
    holds_pairs(1);
}

#[track_caller]
fn holds_pairs(part: u32) {
    let (pairs, memory) = (1_000_000 / part, (256 << 20) / u64::from(part));
    let (counters, signal) = among(pairs - 1, memory);
    assert_eq!(counters.evicted, 0);
    assert!(counters.subjects >= pairs.into(), "{counters:?}");
    assert!(counters.bytes <= memory, "{counters:?}");
    // All of them, when last judged: at the first in the last hour.
    let all = ("connections".into(), 72.0);
    assert!(signal.evidence.numbers.contains(&all), "{signal:#?}");
    let (counters, _) = among(pairs + pairs / 100, memory);
    assert!(counters.evicted > 0, "{counters:?}");
    assert!(counters.bytes <= memory, "{counters:?}");
}

#[test]
fn rare_destinations_weigh_more() {
    let mut flows = jittered(23);
    for host in 2..40 {
        let other = format!("10.0.0.{host}");
        flows.extend(calls(
            &other,
            "203.0.113.77",
            [(MINUTE, 100), (HOUR, 5_000)],
        ));
    }
    let alone = only(SignalKind::LongBeacon, &jittered(23));
    let rare = only(SignalKind::LongBeacon, &flows);
    assert!(rare.value > alone.value, "{} {}", rare.value, alone.value);
    assert_eq!(rare.severity, High);
    assert!(rare.evidence.numbers.contains(&("rarity".into(), 0.15)));
}

/// A host asks for a name and is told an address.
fn lookup(millis: i64, client: &str, name: &str, addr: &str) -> ProtocolRow {
    let mut row = question(millis, client, name, 1);
    if let Record::Dns(dns) = &mut row.record {
        let text = addr.as_bytes().into();
        dns.answers = vec![Answer { text, ttl: 60 }];
    }
    row
}

/// A network of twelve hosts, each of which goes by names, for a day and a half.
fn network() -> (Vec<Flow>, Vec<ProtocolRow>) {
    let (mut flows, mut rows) = (Vec::new(), Vec::new());
    for host in 1..=12 {
        let client = format!("10.0.0.{host}");
        for (n, hour) in (0..36).step_by(3).enumerate() {
            let (at, server) = (hour * HOUR, format!("198.51.100.{}", n + 1));
            rows.push(lookup(at, &client, &format!("www.site{n}.com"), &server));
            flows.push(tcp(at + 100, &client, &server, 443).moves(900, 900, 9_000));
        }
    }
    (flows, rows)
}

/// What happens, among what happens in [`network`].
fn in_network(cases: Vec<BothCase>) -> Vec<BothCase> {
    let among = |(name, mut flows, mut rows, want): BothCase| {
        let (others, lookups) = network();
        flows.extend(others);
        rows.extend(lookups);
        (name, flows, rows, want)
    };
    cases.into_iter().map(among).collect()
}

#[test]
fn what_makes_a_beacon_critical() {
    let exact = |hours: i64| even(hours);
    let after = |flows: Vec<Flow>, hours: i64| each(flows, |flow| flow.later(hours * HOUR));
    let named = |hours: i64| {
        vec![lookup(
            hours * HOUR,
            "10.0.0.1",
            "c2.evil.com",
            "203.0.113.5",
        )]
    };
    let by_others = |hours: i64| -> Vec<Flow> {
        let one = |host: i64| tcp(hours * HOUR, &format!("10.0.0.{host}"), "203.0.113.5", 443);
        (2..=4).map(one).collect()
    };
    let mut shared = after(jittered(5), 31);
    shared.extend(by_others(31));
    let cases: Vec<BothCase> = vec![
        ("without a name", after(exact(2), 31), vec![], &[Critical]),
        ("of four hosts", shared, vec![], &[]),
        (
            "new, with jitter, at first and after hours",
            after(jittered(4), 31),
            named(31),
            &[Critical, Critical],
        ),
        (
            "six times",
            after(jittered(1)[..6].to_vec(), 31),
            named(31),
            &[Critical],
        ),
        (
            "five times",
            after(jittered(1)[..5].to_vec(), 31),
            named(31),
            &[],
        ),
        (
            "new, like a clock",
            after(exact(4), 31),
            named(31),
            &[Medium],
        ),
        (
            "new, like a clock, on a port of its own",
            each(after(exact(2), 31), |flow| flow.with_port(4_444)),
            named(31),
            &[Critical],
        ),
        ("known from the start", after(jittered(4), 1), named(1), &[]),
    ];
    check_both(SignalKind::LongBeacon, in_network(cases));
}

/// Calls with these gaps to a name that leads to so many addresses, another each time.
fn turning(gaps: impl IntoIterator<Item = i64>, addresses: usize) -> (Vec<Flow>, Vec<ProtocolRow>) {
    let mut at = 31 * HOUR;
    let call = |(nth, gap)| {
        at += gap;
        let server = format!("203.0.113.{}", 5 + nth % addresses);
        let row = lookup(at - 50, "10.0.0.1", "c2.evil.com", &server);
        (
            tcp(at, "10.0.0.1", &server, 443).moves(200, 300, 2_000),
            row,
        )
    };
    gaps.into_iter().enumerate().map(call).unzip()
}

#[test]
fn a_name_that_turns_is_one_destination() {
    let jittered = |count: i64| (0..count).map(|nth| 5 * MINUTE + (nth * 7_919 % 181 - 90) * 1_000);
    let even = |count: i64| (0..count).map(|_| 5 * MINUTE);
    let cases = [
        ("two addresses", turning(jittered(6), 2), &[Critical][..]),
        ("sixteen", turning(jittered(6), 16), &[Critical]),
        ("for two hours", turning(jittered(24), 16), &[Critical]),
        ("five times", turning(jittered(5), 16), &[]),
        ("like a clock", turning(even(11), 16), &[]),
    ];
    for (name, (flows, rows), want) in cases {
        let by_address = vec![(name, flows.clone(), vec![], &[][..])];
        let by_name = vec![(name, flows, rows, want)];
        check_both(SignalKind::LongBeacon, in_network(by_name));
        check_both(SignalKind::LongBeacon, in_network(by_address));
    }
}

#[test]
fn names_weigh_in_short_beacons() {
    let beats = |count: i64, jitter: i64| {
        let gap = move |nth: i64| (20_000 + (nth * 7_919 % 181 - 90) * jitter, 300);
        let flows = calls("10.0.0.1", "203.0.113.5", (0..count).map(gap));
        each(flows, |flow| flow.later(31 * HOUR))
    };
    let named = || vec![lookup(31 * HOUR, "10.0.0.1", "www.poll.com", "203.0.113.5")];
    let cases: Vec<BothCase> = vec![
        ("without a name", beats(12, 0), vec![], &[Critical]),
        ("by name, like a clock", beats(12, 0), named(), &[Medium]),
        ("by name, with jitter", beats(12, 40), named(), &[High]),
        ("not for long", beats(9, 40), named(), &[Medium]),
    ];
    check_both(SignalKind::PeriodicBeacon, in_network(cases));
    let alone: Vec<BothCase> = vec![(
        "of a network of one host",
        beats(12, 0),
        named(),
        &[Critical],
    )];
    check_both(SignalKind::PeriodicBeacon, alone);
}

/// As where there is nothing but conn.log: what is new is what stands out.
#[test]
fn where_no_names_are_seen() {
    const GIGA: u64 = 1_000_000_000;
    let unseen = |cases: Vec<(&'static str, Vec<Flow>, &'static [Severity])>| {
        let cases = cases.into_iter();
        let among = cases.map(|(name, flows, want)| {
            let all = [flows, network().0].concat();
            (name, all, vec![], want)
        });
        among.collect::<Vec<BothCase>>()
    };
    let after = |flows: Vec<Flow>, hours: i64| each(flows, |flow| flow.later(hours * HOUR));
    let beacons = vec![
        ("new, with jitter", after(jittered(2), 31), &[Critical][..]),
        ("new, like a clock", after(even(4), 31), &[Medium]),
        ("always there", after(jittered(4), 1), &[]),
    ];
    check_both(SignalKind::LongBeacon, unseen(beacons));
    let upload = |hours: i64, sent: u64| {
        vec![tcp(hours * HOUR, "10.0.0.1", "203.0.113.5", 443).moves(HOUR, sent, 90)]
    };
    let uploads = vec![
        ("to what is new", upload(31, 4 * GIGA + 1), &[Critical][..]),
        ("less", upload(31, 4 * GIGA), &[Medium]),
        ("to what was always there", upload(1, 9 * GIGA), &[Medium]),
    ];
    check_both(SignalKind::RareUpload, unseen(uploads));
    let beats = |count: i64, jitter: i64| {
        let gap = move |nth: i64| (20_000 + (nth * 7_919 % 181 - 90) * jitter, 300);
        after(calls("10.0.0.1", "203.0.113.5", (0..count).map(gap)), 31)
    };
    let polls = vec![
        ("like a clock", beats(12, 0), &[Medium][..]),
        ("with jitter", beats(12, 40), &[High]),
    ];
    check_both(SignalKind::PeriodicBeacon, unseen(polls));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rare_upload() {
    const GIGA: u64 = 1_000_000_000;
    let upload = |hours: i64, sent: u64, received: u64| {
        vec![tcp(hours * HOUR, "10.0.0.1", "203.0.113.5", 443).moves(HOUR, sent, received)]
    };
    let pieces = (0..30).map(|n| {
        tcp(31 * HOUR + n * 10 * MINUTE, "10.0.0.1", "203.0.113.5", 443)
            .moves(MINUTE, 50_000_000, 90_000)
    });
    let named = |hours: i64| {
        vec![lookup(
            hours * HOUR,
            "10.0.0.1",
            "drop.evil.com",
            "203.0.113.5",
        )]
    };
    let mut shared = upload(31, 9 * GIGA, 90);
    shared.extend((2..=4).map(|host| {
        let client = format!("10.0.0.{host}");
        tcp(30 * HOUR, &client, "203.0.113.5", 443)
    }));
    let cases: Vec<BothCase> = vec![
        ("little", upload(31, GIGA / 2, 90), vec![], &[]),
        (
            "half a gigabyte",
            upload(31, GIGA / 2 + 1, 90),
            vec![],
            &[Medium],
        ),
        (
            "more, without a name",
            upload(31, GIGA + 1, 90),
            vec![],
            &[High],
        ),
        ("in pieces", pieces.collect(), vec![], &[High]),
        ("as much back", upload(31, 5 * GIGA, 5 * GIGA), vec![], &[]),
        ("of four hosts", shared, vec![], &[]),
        (
            "over UDP",
            each(upload(31, 9 * GIGA, 90), Flow::udp),
            vec![],
            &[Medium],
        ),
        (
            "to what is new",
            upload(31, 4 * GIGA + 1, 90),
            named(31),
            &[Critical],
        ),
        (
            "less, to what is new",
            upload(31, 4 * GIGA, 90),
            named(31),
            &[Medium],
        ),
        (
            "to what was always there",
            upload(1, 9 * GIGA, 90),
            named(1),
            &[Medium],
        ),
    ];
    check_both(SignalKind::RareUpload, in_network(cases));
}

#[test]
fn long_connection() {
    // It moves something when it is opened, and when it ends.
    let lasting =
        |hours: i64| vec![tcp(0, "10.0.0.1", "203.0.113.5", 443).moves(hours * HOUR, 900, 900)];
    check(
        SignalKind::LongConnection,
        vec![
            ("an hour", lasting(1), &[]),
            ("two", lasting(2), &[Low]),
            ("five", lasting(5), &[Medium]),
            ("nine", lasting(9), &[High]),
        ],
    );
}

#[test]
fn strobe() {
    let each_second = |count: i64| {
        let one = |n: i64| tcp(n * 999, "10.0.0.1", "203.0.113.5", 443);
        (0..count).map(one).collect::<Vec<_>>()
    };
    check(
        SignalKind::Strobe,
        vec![
            ("not for a day", each_second(80_000), &[]),
            ("for a day", each_second(86_400), &[High]),
        ],
    );
}
