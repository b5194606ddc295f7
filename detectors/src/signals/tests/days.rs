//! Signals that take hours.

use super::*;

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
fn long_beacon() {
    // Half a second to half an hour, each length as often as twice that.
    let irregular = |nth: i64| 500 << (nth * nth * 7_919 % 13);
    check(
        SignalKind::LongBeacon,
        vec![
            ("two hours", even(2), &[]),
            ("seven hours", even(7), &[High]),
            ("all day", even(23), &[Critical]),
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
                &[High, Critical],
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
                &[Critical],
            ),
        ],
    );
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
    assert_eq!(rare.severity, Critical);
    assert!(rare.evidence.numbers.contains(&("rarity".into(), 0.15)));
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
