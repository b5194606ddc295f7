//! For every signal: over its limit, at it, split over the window's edge, and over IPv6.

mod days;
mod delivery;
mod names;
mod outside;
mod roles;
mod sign_ins;
mod strays;
mod threats;

use std::fmt::Write as _;

use flow_table::ProtocolRow;

use super::*;
use crate::testing::{Flow, signals, signals_of_both, tcp};
use crate::{Signal, config};

/// A named scenario and the severities it should give, in order of closing.
type Case = (&'static str, Vec<Flow>, &'static [Severity]);

use Severity::{Critical, High, Low, Medium};

#[track_caller]
fn check(kind: SignalKind, cases: Vec<Case>) {
    let found = |(name, flows, want): Case| (name, signals(&Config::default(), kind, &flows), want);
    compare(kind, cases.into_iter().map(found));
}

/// A scenario of flows and rows together.
type BothCase = (
    &'static str,
    Vec<Flow>,
    Vec<ProtocolRow>,
    &'static [Severity],
);

#[track_caller]
fn check_both(kind: SignalKind, cases: Vec<BothCase>) {
    let found = |(name, flows, rows, want): BothCase| {
        let found = signals_of_both(&Config::default(), kind, &flows, &rows);
        (name, found, want)
    };
    compare(kind, cases.into_iter().map(found));
}

/// What was found of a kind in each scenario, beside what should be; names all that is wrong.
#[track_caller]
fn compare(
    kind: SignalKind,
    cases: impl Iterator<Item = (&'static str, Vec<Signal>, &'static [Severity])>,
) {
    let mut wrong = String::new();
    for (name, found, want) in cases {
        let got: Vec<Severity> = found.iter().map(|signal| signal.severity).collect();
        if got != want {
            writeln!(wrong, "{name}: wanted {want:?}, got {got:?}: {found:#?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{kind}\n{wrong}");
}

fn only(kind: SignalKind, flows: &[Flow]) -> Signal {
    lone(signals(&Config::default(), kind, flows))
}

fn lone(mut found: Vec<Signal>) -> Signal {
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

/// Connections `gap` milliseconds apart to as many ports, from 1000 on.
fn ports(src: &str, dst: &str, count: u16, gap: i64) -> Vec<Flow> {
    (0..count)
        .map(|n| tcp(i64::from(n) * gap, src, dst, 1_000 + n))
        .collect()
}

/// Connections `gap` milliseconds apart to one port.
fn repeated(src: &str, dst: &str, count: i64, gap: i64) -> Vec<Flow> {
    (0..count).map(|n| tcp(n * gap, src, dst, 443)).collect()
}

/// A client of a peer-to-peer network tries so many peers of a network, each at a port of its own.
fn peers(network: &str, count: u16) -> Vec<Flow> {
    let peer = |n: u16| {
        tcp(
            i64::from(n) * 100,
            "10.0.0.1",
            &format!("{network}.{n}"),
            6_000 + n,
        )
    };
    (1..=count).map(|n| peer(n).unanswered()).collect()
}

fn each(flows: Vec<Flow>, change: impl Fn(Flow) -> Flow) -> Vec<Flow> {
    flows.into_iter().map(change).collect()
}

#[test]
fn port_scan() {
    let open = |count| ports("10.0.0.1", "10.0.0.2", count, 100);
    let scan = |count| each(open(count), Flow::unanswered);
    let partly_open = |count, completed: usize| {
        let mut flows = open(count);
        for flow in flows.iter_mut().skip(completed) {
            *flow = flow.clone().unanswered();
        }
        flows
    };
    check(
        SignalKind::PortScan,
        vec![
            ("conversations on many ports", open(100), &[Medium]),
            ("on most of them", partly_open(100, 71), &[Medium]),
            ("on half of them", partly_open(100, 50), &[Critical]),
            ("at the limit", scan(20), &[]),
            ("over", scan(21), &[Medium]),
            ("high", scan(31), &[High]),
            ("critical", scan(51), &[Critical]),
            ("peers outside", peers("198.51.100", 200), &[Medium]),
            ("ports of hosts inside", peers("10.0.1", 200), &[Critical]),
            (
                "split over the edge",
                ports("10.0.0.1", "10.0.0.2", 40, 3_100),
                &[],
            ),
            ("ipv6", ports("fd00::1", "2001:db8::1", 21, 100), &[Medium]),
            ("udp", each(scan(21), Flow::udp), &[Medium]),
            ("picked up midstream", each(scan(100), Flow::midstream), &[]),
            ("from outside", ports("8.8.8.8", "10.0.0.2", 100, 10), &[]),
            (
                "to multicast",
                each(ports("10.0.0.1", "239.0.0.1", 100, 10), Flow::udp),
                &[],
            ),
            ("one port", repeated("10.0.0.1", "10.0.0.2", 100, 100), &[]),
        ],
    );
    let signal = only(SignalKind::PortScan, &scan(25));
    assert_eq!(
        signal.evidence.measure,
        "scanned 25 ports on 1 host (vertical, limit 20 in 1min)"
    );
    assert_eq!((signal.value, signal.threshold), (25.0, 20.0));
    assert_eq!(signal.evidence.uids.len(), 10);
}

#[test]
fn connection_spike() {
    let burst = |count| repeated("10.0.0.1", "8.8.8.8", count, 100);
    check(
        SignalKind::ConnectionSpike,
        vec![
            ("at the prior's limit", burst(19), &[]),
            ("over", burst(20), &[Medium]),
            ("high", burst(23), &[High]),
            ("critical", burst(26), &[Critical]),
            (
                "split over the edge",
                repeated("10.0.0.1", "8.8.8.8", 38, 3_200),
                &[],
            ),
            ("ipv6", repeated("fe80::1", "fd00::2", 26, 100), &[Critical]),
            (
                "from outside",
                repeated("8.8.8.8", "10.0.0.1", 100, 100),
                &[],
            ),
        ],
    );
}

/// So many connections, a second apart from the start of each of so many minutes.
fn minutes(first: i64, minutes: i64, connections: i64) -> Vec<Flow> {
    let flow = |n: i64| {
        let (minute, second) = (first + n / connections, n % connections);
        tcp(minute * 60_000 + second * 1_000, "10.0.0.1", "8.8.8.8", 443)
    };
    (0..minutes * connections).map(flow).collect()
}

#[test]
fn connection_spike_learns_what_is_usual() {
    // Fifteen a minute for 40 minutes is over nothing; then 30 in one is over the learnt limit, 24.
    let mut flows = minutes(0, 40, 15);
    flows.extend(minutes(40, 1, 30));
    let signal = only(SignalKind::ConnectionSpike, &flows);
    let baseline = signal.evidence.baseline.unwrap();
    assert_eq!(
        (baseline.prior, baseline.mean, baseline.windows),
        (false, 15.0, 40)
    );
    assert!((signal.threshold - 24.0).abs() < 1e-9);
}

#[test]
fn what_is_usual_depends_on_the_hour_of_the_week() {
    // Fifteen a minute in the first hour of each week, two in the next but one; then fifteen in both.
    let week = 7 * 24 * 60;
    let mut flows = Vec::new();
    for begins in [0, week] {
        flows.extend(minutes(begins, 60, 15));
        flows.extend(minutes(begins + 120, 60, 2));
    }
    flows.extend(minutes(2 * week, 1, 15));
    flows.extend(minutes(2 * week + 120, 1, 15));
    let found = signals(&Config::default(), SignalKind::ConnectionSpike, &flows);
    let learnt: Vec<_> = { found.iter() }
        .map(|signal| signal.evidence.baseline.unwrap())
        .map(|known| (known.mean, known.windows, known.hour_of_week))
        .collect();
    // The test begins on a Wednesday, at midnight.
    assert_eq!(learnt, [(2.0, 120, Some(50))], "{found:#?}");
}

#[test]
fn what_happens_while_a_signal_is_open_is_not_learnt() {
    // Fifty a minute for two hours: one signal from the second minute on, and nothing learnt.
    let mut flows = minutes(0, 40, 12);
    flows.extend(minutes(40, 120, 50));
    flows.extend(minutes(170, 1, 50));
    let found = signals(&Config::default(), SignalKind::ConnectionSpike, &flows);
    assert_eq!(found.len(), 2, "{found:#?}");
    for signal in found {
        assert!((signal.evidence.baseline.unwrap().mean - 12.0).abs() < 1e-9);
    }
}

#[test]
fn privileged_access() {
    let reach = |targets: &[(&str, u16)], gap: i64| -> Vec<Flow> {
        let flow = |(n, (dst, port)): (i64, &(&str, u16))| tcp(n * gap, "10.0.0.1", dst, *port);
        (0..).zip(targets).map(flow).collect()
    };
    let three_hosts = [("10.0.0.2", 22), ("10.0.0.3", 22), ("10.0.0.4", 22)];
    check(
        SignalKind::PrivilegedAccess,
        vec![
            (
                "one service on two hosts",
                reach(&three_hosts[..2], 10),
                &[],
            ),
            (
                "one service on three hosts",
                reach(&three_hosts, 10),
                &[Medium],
            ),
            (
                "two services",
                reach(&[("10.0.0.2", 22), ("10.0.0.2", 445)], 10),
                &[High],
            ),
            (
                "three services",
                reach(
                    &[("10.0.0.2", 22), ("10.0.0.2", 445), ("10.0.0.3", 3389)],
                    10,
                ),
                &[Critical],
            ),
            ("split over the edge", reach(&three_hosts, 31_000), &[]),
            (
                "ipv6",
                reach(&[("fd00::2", 5985), ("fd00::2", 5986)], 10),
                &[High],
            ),
            (
                "outside",
                reach(&[("8.8.8.8", 22), ("8.8.8.8", 445)], 10),
                &[],
            ),
            (
                "unprivileged",
                reach(&[("10.0.0.2", 80), ("10.0.0.2", 443)], 10),
                &[],
            ),
        ],
    );
}

#[test]
fn periodic_beacon() {
    let beacon = |count, gap| repeated("10.0.0.1", "203.0.113.9", count, gap);
    let irregular =
        [0, 5, 50, 55, 120, 121, 200].map(|s| tcp(s * 1_000, "10.0.0.1", "203.0.113.9", 443));
    let parallel = (0..30)
        .map(|n| tcp(n * 20, "10.0.0.1", "203.0.113.9", 443))
        .collect();
    check(
        SignalKind::PeriodicBeacon,
        vec![
            ("two gaps", beacon(3, 30_000), &[]),
            ("three gaps", beacon(4, 30_000), &[Medium]),
            ("high", beacon(5, 30_000), &[High]),
            ("critical", beacon(10, 30_000), &[Critical]),
            ("split over the edge", beacon(10, 101_000), &[]),
            (
                "ipv6",
                repeated("fd00::1", "2001:db8::9", 4, 30_000),
                &[Medium],
            ),
            ("irregular", irregular.into(), &[]),
            ("a browser's parallel connections", parallel, &[]),
            ("inside", repeated("10.0.0.1", "10.0.0.2", 10, 30_000), &[]),
        ],
    );
    let signal = only(SignalKind::PeriodicBeacon, &beacon(10, 30_000));
    assert_eq!(
        signal.evidence.measure,
        "called 10 times every 30 s (variation 0, limit 0.3 in 5min)"
    );
}

#[test]
fn persistent_destination() {
    let calls = |count, gap| repeated("10.0.0.1", "203.0.113.9", count, gap);
    let crowd = |hosts: i64| -> Vec<Flow> {
        let visit = |n| tcp(n * 10, &format!("10.0.1.{n}"), "203.0.113.9", 443);
        let mut flows: Vec<Flow> = (1..=hosts).map(visit).collect();
        flows.extend(each(calls(10, 1_000), |flow| flow));
        flows
    };
    check(
        SignalKind::PersistentDestination,
        vec![
            ("four calls", calls(4, 1_000), &[]),
            ("five calls", calls(5, 1_000), &[Medium]),
            ("high", calls(10, 1_000), &[High]),
            ("critical", calls(20, 1_000), &[Critical]),
            ("split over the edge", calls(8, 151_000), &[]),
            (
                "ipv6",
                repeated("fd00::1", "2001:db8::9", 5, 1_000),
                &[Medium],
            ),
            ("inside", repeated("10.0.0.1", "10.0.0.2", 20, 1_000), &[]),
            ("five hosts contact it", crowd(5), &[]),
        ],
    );
}

#[test]
fn command_exchange() {
    let talk = |count, gap, sent, received| {
        each(repeated("10.0.0.1", "203.0.113.9", count, gap), |flow| {
            flow.moves(200, sent, received)
        })
    };
    check(
        SignalKind::CommandExchange,
        vec![
            ("two exchanges", talk(2, 10_000, 300, 1_200), &[]),
            ("three exchanges", talk(3, 10_000, 300, 1_200), &[Medium]),
            ("high", talk(5, 10_000, 300, 1_200), &[High]),
            ("critical", talk(10, 10_000, 300, 1_200), &[Critical]),
            ("long requests", talk(10, 10_000, 500, 5_000), &[]),
            ("short answers", talk(10, 10_000, 300, 900), &[]),
            (
                "just inside the gap",
                talk(3, 119_000, 300, 1_200),
                &[Medium],
            ),
            ("split over the edge", talk(10, 121_000, 300, 1_200), &[]),
            ("one way", talk(10, 10_000, 300, 0), &[]),
            (
                "questions to DNS",
                each(talk(10, 10_000, 300, 1_200), |flow| {
                    flow.udp().with_port(53)
                }),
                &[],
            ),
            (
                "ipv6",
                each(repeated("fd00::1", "2001:db8::9", 3, 10_000), |flow| {
                    flow.moves(200, 300, 1_200)
                }),
                &[Medium],
            ),
        ],
    );
}

#[test]
fn data_staging() {
    const MB: u64 = 1_000_000;
    let download =
        |flows: Vec<Flow>, each_mb: u64| each(flows, |flow| flow.moves(5_000, 1_000, each_mb * MB));
    let smb = |count: i64, gap| -> Vec<Flow> {
        (0..count)
            .map(|n| tcp(n * gap, "10.0.0.1", &format!("10.0.1.{n}"), 445))
            .collect()
    };
    let ftp = |control: bool| -> Vec<Flow> {
        let data = |n: i64| {
            tcp(2_000 + n, "10.0.0.1", "10.0.0.2", 50_000)
                .with_source_port(50_001)
                .moves(5_000, 0, 600 * MB)
        };
        let mut flows = vec![data(0)];
        if control {
            flows.push(tcp(0, "10.0.0.1", "10.0.0.2", 21).moves(60_000, 500, 500));
        }
        flows
    };
    let upload = vec![tcp(0, "10.0.0.2", "10.0.0.1", 445).moves(5_000, 501 * MB, 0)];
    check(
        SignalKind::DataStaging,
        vec![
            ("at the limit", download(smb(5, 1_000), 100), &[]),
            ("over", download(smb(6, 1_000), 100), &[Medium]),
            ("high", download(smb(11, 1_000), 100), &[High]),
            ("split over the edge", download(smb(9, 70_000), 100), &[]),
            (
                "small files",
                each(smb(200, 100), |flow| flow.moves(50, 0, 3 * MB / 4)),
                &[],
            ),
            ("uploaded to it", upload, &[Medium]),
            ("ftp data", ftp(true), &[Medium]),
            ("the same ports without ftp", ftp(false), &[]),
            (
                "ipv6",
                vec![tcp(0, "fd00::1", "fd00::2", 2049).moves(5_000, 0, 501 * MB)],
                &[Medium],
            ),
            (
                "from outside",
                vec![tcp(0, "10.0.0.1", "8.8.8.8", 22).moves(5_000, 0, 600 * MB)],
                &[],
            ),
        ],
    );
}

#[test]
fn outbound_spike() {
    const MB: u64 = 1_000_000;
    let send = |mb: u64| vec![tcp(0, "10.0.0.1", "8.8.8.8", 443).moves(5_000, mb * MB, mb * MB)];
    let two = |gap: i64| -> Vec<Flow> {
        (0..2)
            .map(|n| tcp(n * gap, "10.0.0.1", "8.8.8.8", 443).moves(5_000, 100 * MB, 100 * MB))
            .collect()
    };
    check(
        SignalKind::OutboundSpike,
        vec![
            ("at the prior's limit", send(125), &[]),
            ("over", send(126), &[Low]),
            ("medium", send(501), &[Medium]),
            ("high", send(1_001), &[High]),
            ("critical", send(2_001), &[Critical]),
            ("two in one window", two(10_000), &[Low]),
            ("split over the edge", two(301_000), &[]),
            (
                "mostly up",
                vec![tcp(0, "10.0.0.1", "8.8.8.8", 443).moves(5_000, 50 * MB, MB)],
                &[Low],
            ),
            (
                "mostly up but little",
                vec![tcp(0, "10.0.0.1", "8.8.8.8", 443).moves(5_000, 49 * MB, 0)],
                &[],
            ),
            (
                "as a server",
                vec![tcp(0, "8.8.8.8", "10.0.0.1", 443).moves(5_000, MB, 126 * MB)],
                &[Low],
            ),
            (
                "inside",
                vec![tcp(0, "10.0.0.1", "10.0.0.2", 443).moves(5_000, 900 * MB, 0)],
                &[],
            ),
            (
                "ipv6",
                vec![tcp(0, "fd00::1", "2001:db8::1", 443).moves(5_000, 126 * MB, 126 * MB)],
                &[Low],
            ),
        ],
    );
}

#[test]
fn destination_diversity() {
    const MB: u64 = 1_000_000;
    let upload = |count: i64, gap: i64, bytes: u64| -> Vec<Flow> {
        let to = |n| tcp(n * gap, "10.0.0.1", &format!("203.0.113.{n}"), 443).moves(500, bytes, 0);
        (0..count).map(to).collect()
    };
    let v6 =
        (0..5).map(|n| tcp(n, "fd00::1", &format!("2001:db8::{n}"), 443).moves(500, 11 * MB, 0));
    check(
        SignalKind::DestinationDiversity,
        vec![
            ("four destinations", upload(4, 1_000, 20 * MB), &[]),
            ("five destinations", upload(5, 1_000, 11 * MB), &[Low]),
            ("too little in all", upload(5, 1_000, 10 * MB), &[]),
            ("medium", upload(11, 1_000, 11 * MB), &[Medium]),
            ("high", upload(16, 1_000, 11 * MB), &[High]),
            ("too little each", upload(200, 100, 100_000), &[]),
            ("split over the edge", upload(8, 151_000, 20 * MB), &[]),
            ("ipv6", v6.collect(), &[Low]),
        ],
    );
}

/// So many sources, each with one flow of so many packets over a second.
fn flood(prefix: &str, dst: &str, sources: i64, packets: u64, ip_bytes: u64) -> Vec<Flow> {
    let flow = |n: i64| tcp(n, &format!("{prefix}{n:x}"), dst, 80).floods(1_000, packets, ip_bytes);
    (0..sources).map(flow).collect()
}

#[test]
fn fan_in_ddos() {
    let slowly = |packets| {
        let flow = |n: i64| tcp(n, &format!("2001:db8::{n:x}"), "10.0.0.1", 80);
        (0..100)
            .map(|n| flow(n).floods(20_000, packets, 60))
            .collect()
    };
    let many = |packets, bytes| flood("2001:db8::", "2001:db8:1::1", 100, packets, bytes);
    let apart = |gap: i64| -> Vec<Flow> {
        let flow = |n: i64| {
            tcp(n * gap, &format!("2001:db8::{n:x}"), "10.0.0.1", 80).floods(50, 1_001, 60)
        };
        (0..100).map(flow).collect()
    };
    check(
        SignalKind::FanInDdos,
        vec![
            (
                "too few sources",
                flood("2001:db8::", "10.0.0.1", 99, 5_000, 60),
                &[],
            ),
            ("at the packet limit", many(1_000, 60), &[]),
            ("over, ipv6", many(1_001, 60), &[Medium]),
            ("over, ipv4", apart(1), &[Medium]),
            ("by bytes", many(900, 1_400), &[Medium]),
            ("spread over its stretch", slowly(1_900), &[]),
            ("spread, but over", slowly(2_100), &[Medium]),
            ("high", many(2_000, 60), &[High]),
            ("critical", many(5_000, 60), &[Critical]),
            ("split over the edge", apart(200), &[]),
        ],
    );
}

#[test]
fn fan_in_ddos_above_what_is_usual() {
    // 100 sources of a packet each in every window, then of 200: 2 000 packets/s, 200 times as many.
    let wave = |start: i64, packets: u64| {
        let flow = move |n: i64| tcp(start + n, &format!("2001:db8::{n:x}"), "10.0.0.1", 80);
        (0..100).map(move |n| flow(n).floods(900, packets, 60))
    };
    let waves = |usual: i64| -> Vec<Flow> {
        let usual_waves = (0..usual).flat_map(|window| wave(window * 10_000, 1));
        usual_waves.chain(wave(usual * 10_000, 200)).collect()
    };
    let learnt = only(SignalKind::FanInDdos, &waves(40));
    assert_eq!(
        learnt.subject,
        Subject::destination("10.0.0.1".parse().unwrap())
    );
    assert!(
        learnt
            .evidence
            .baseline
            .is_some_and(|baseline| !baseline.prior)
    );
    check(
        SignalKind::FanInDdos,
        vec![("too short a history", waves(20), &[])],
    );
}

#[test]
fn fan_out_scan() {
    let scan = |count: i64, answering: i64, gap: i64| -> Vec<Flow> {
        let flow = |n: i64| {
            let flow = tcp(
                n * gap,
                "8.8.8.8",
                &format!("10.{}.{}.1", n / 256, n % 256),
                22,
            );
            if n < answering {
                flow
            } else {
                flow.unanswered()
            }
        };
        (0..count).map(flow).collect()
    };
    let v6 = (0..50).map(|n| tcp(n, "fd00::1", &format!("fd00::1:{n}"), 22).unanswered());
    check(
        SignalKind::FanOutScan,
        vec![
            ("49 destinations", scan(49, 0, 10), &[]),
            ("50 destinations", scan(50, 0, 10), &[Medium]),
            ("20 of 50 answer", scan(50, 20, 10), &[Medium]),
            ("21 of 50 answer", scan(50, 21, 10), &[]),
            (
                "a fast client whose servers answer",
                scan(1_000, 1_000, 1),
                &[],
            ),
            ("high", scan(251, 0, 10), &[High]),
            ("critical", scan(1_001, 0, 10), &[Critical]),
            ("peers outside", peers("198.51.100", 200), &[Low]),
            ("ports of hosts inside", peers("10.0.1", 200), &[Medium]),
            ("split over the edge", scan(90, 0, 1_300), &[]),
            ("ipv6", v6.collect(), &[Medium]),
        ],
    );
    check(SignalKind::FanOutScan, slow_scans());
    let signal = only(SignalKind::FanOutScan, &scan(50, 0, 10));
    let clause = "tried 50 destinations on 1 port, 100 % without answer (limit 50 in 1min)";
    assert_eq!(signal.evidence.measure, clause);
}

/// The long form of FAN_OUT_SCAN.
fn slow_scans() -> Vec<Case> {
    const HALF_MINUTE: i64 = 30_000;
    // A host tries one of `targets` after the other, and of those over and over.
    let search = |src: &'static str, count: i64, targets: i64| -> Vec<Flow> {
        let flow = |n: i64| {
            let (host, port) = (n % targets / 10 + 2, n % targets % 10 + 1);
            let port = u16::try_from(port).unwrap();
            tcp(n * HALF_MINUTE, src, &format!("10.0.0.{host}"), port)
                .unanswered()
                .moves(5_000, 0, 0)
        };
        (0..count).map(flow).collect()
    };
    let mostly_answered = {
        let mut flows = search("10.0.0.1", 90, 90);
        flows.extend((0..90).map(|n| {
            let dst = format!("10.1.0.{n}");
            tcp(n * HALF_MINUTE, "10.0.0.1", &dst, 80).moves(9, 9, 9)
        }));
        flows
    };
    vec![
        ("59 slowly", search("10.0.0.1", 59, 59), &[]),
        ("60 slowly", search("10.0.0.1", 60, 60), &[Medium]),
        (
            "slower than the window",
            each_nth(search("10.0.0.1", 900, 900), 5),
            &[],
        ),
        (
            "watching those that are down",
            search("10.0.0.1", 900, 40),
            &[],
        ),
        ("every other answers", mostly_answered, &[]),
        ("from outside", search("8.8.8.8", 90, 90), &[]),
        (
            "of the world",
            each(search("10.0.0.1", 90, 90), |flow| flow.to("203.0.113.1")),
            &[],
        ),
    ]
}

fn each_nth(flows: Vec<Flow>, nth: usize) -> Vec<Flow> {
    flows.into_iter().step_by(nth).collect()
}

#[test]
fn syn_burst() {
    // Sources differ, so that only the destination bursts.
    let burst = |count: i64, completing: i64, gap: i64| -> Vec<Flow> {
        let flow = |n: i64| {
            let flow = tcp(n * gap, &format!("2001:db8::{n:x}"), "fd00::1", 80);
            if n < completing {
                flow
            } else {
                flow.unanswered()
            }
        };
        (0..count).map(flow).collect()
    };
    let one_source = (0..500)
        .map(|n| tcp(n, "10.0.0.1", &format!("10.1.{}.{}", n / 200, n % 200), 80).unanswered());
    let pair = (0..500).map(|n| tcp(n, "10.0.0.1", "10.0.0.2", 80).unanswered());
    check(
        SignalKind::SynBurst,
        vec![
            ("499", burst(499, 0, 1), &[]),
            ("500, ipv6", burst(500, 0, 1), &[Medium]),
            ("100 of 500 complete", burst(500, 100, 1), &[Medium]),
            ("101 of 500 complete", burst(500, 101, 1), &[]),
            ("high", burst(1_000, 0, 1), &[High]),
            ("critical", burst(2_500, 0, 1), &[Critical]),
            ("split over the edge", burst(900, 0, 21), &[]),
            ("from one source", one_source.collect(), &[Medium]),
            ("source and destination", pair.collect(), &[Medium, Medium]),
        ],
    );
}

#[test]
fn a_burst_names_flows_that_were_judged() {
    let flow = |n: i64| tcp(n / 5, &format!("2001:db8::{n:x}"), "10.0.0.1", 80).unanswered();
    let flows: Vec<Flow> = (0..20_000).map(flow).collect();
    let signal = only(SignalKind::SynBurst, &flows);
    assert_eq!(signal.evidence.uids.len(), 10);
    let clause = "was sent 20000 SYNs, 100 % never completed (limit 500 in 10s)";
    assert_eq!(signal.evidence.measure, clause);
}

#[test]
fn a_window_counts_what_conn_log_has_between_its_ends() {
    let flows = ports("10.0.0.1", "10.0.0.2", 200, 1_700);
    let found = signals(&Config::default(), SignalKind::PortScan, &flows);
    assert_eq!(found.len(), 1);
    let number = |name| {
        let numbers = &found[0].evidence.numbers;
        numbers.iter().find(|(other, _)| other == name).unwrap().1
    };
    let (start, end) = (number("peak_window_start"), number("peak_window_end"));
    let starts = (0..200).map(|n| crate::testing::at(n * 1_700).as_secs_f64());
    let inside = starts.filter(|time| (start..=end).contains(time)).count();
    assert_eq!(found[0].value.to_string(), inside.to_string());
}

#[test]
fn a_million_sources_stay_within_bounds() {
    let config = Config {
        fan_in_ddos: config::FanInDdos {
            max_subjects: config::Count::new(1_000),
            ..Default::default()
        },
        syn_burst: config::SynBurst {
            max_memory: config::Bytes::new(1 << 20),
            ..Default::default()
        },
        ..Config::default()
    };
    let mut detectors = crate::Detectors::new(&config, Vec::new());
    let template = crate::testing::events(&[tcp(0, "2001:db8::1", "10.0.0.1", 80).unanswered()]);
    let mut event = template[0];
    for n in 0..1_000_000_u32 {
        event.time = crate::testing::at(i64::from(n) / 100);
        (event.since, event.start) = (event.time, event.time);
        event.uid = flow_table::Uid::from_bits(n.into());
        event.id.orig.addr = std::net::Ipv4Addr::from_bits(0x0800_0000 + n).into();
        detectors.put(&event);
    }
    detectors.finish();
    let counters = detectors.counters();
    for signal in &counters.signals {
        // FAN_OUT_SCAN's flows under judgement come on top: max_undecided of 96 bytes.
        assert!(signal.bytes <= 57 << 20, "{signal:?}");
    }
    let syn = counters
        .signals
        .iter()
        .find(|signal| signal.kind == SignalKind::SynBurst)
        .unwrap();
    assert!(syn.bytes <= 1 << 20 && syn.evicted > 900_000, "{syn:?}");
    let flooded = detectors.drain().any(|finding| {
        matches!(finding, crate::Finding::SignalOpened(signal) if signal.kind == SignalKind::SynBurst)
    });
    assert!(flooded, "evicting sources must not hide the destination");
}
