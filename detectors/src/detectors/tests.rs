use flow_table::Span;
use proptest::prelude::*;

use super::*;
use crate::testing::{Flow, at, events, findings, tcp};
use crate::{Severity, SignalKind, builtin_rules};

/// A second of everything: scans, bursts, uploads, beacons, in an order of its own.
fn mixed() -> impl Strategy<Value = Vec<Flow>> {
    let flow = (0..1_200_i64, 0..4_u8, 0..80_u16, 0..6_u8, 1..400_u64).prop_map(
        |(time, src, port, kind, size)| {
            let (src, time) = (format!("10.0.0.{src}"), time * 250);
            match kind {
                0 => tcp(time, &src, &format!("10.0.1.{port}"), 22).unanswered(),
                1 => tcp(time, &src, "10.0.2.1", 1_000 + port),
                2 => tcp(time, &src, "203.0.113.1", 443).moves(300, size, size * 4),
                3 => tcp(time, &src, &format!("203.0.113.{}", port % 8), 443).moves(
                    9_000,
                    size * 1_000_000,
                    0,
                ),
                4 => {
                    tcp(time, &format!("2001:db8::{port}"), &src, 80).floods(500, size * 1_000, 60)
                }
                _ => tcp(time, "10.0.2.1", &src, 445).moves(2_000, size * 4_000_000, 100),
            }
        },
    );
    prop::collection::vec(flow, 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn findings_do_not_depend_on_when_time_is_advanced(
        flows in mixed(),
        steps in prop::collection::vec(0..3_000_i64, 0..200),
    ) {
        let plain = findings(&Config::default(), builtin_rules(), &flows);
        let mut detectors = Detectors::new(&Config::default(), builtin_rules());
        let mut found = Vec::new();
        let mut steps = steps.into_iter().cycle();
        let mut now = at(0);
        for event in events(&flows) {
            let next = now + Span::from_millis(steps.next().unwrap_or(0));
            detectors.advance(next.min(event.time));
            found.extend(detectors.drain());
            now = event.time;
            detectors.put(&event);
        }
        detectors.finish();
        found.extend(detectors.drain());
        prop_assert_eq!(plain, found);
    }

    #[test]
    fn signals_do_without_one_that_is_disabled(flows in mixed(), off in 0..SignalKind::ALL.len()) {
        let off = SignalKind::ALL[off];
        let config = Config {
            disabled_signals: vec![off],
            ..Config::default()
        };
        let signals = |config: &Config| -> Vec<Finding> {
            findings(config, Vec::new(), &flows)
        };
        let mut rest = signals(&Config::default());
        rest.retain(|finding| match finding {
            Finding::SignalOpened(signal)
            | Finding::SignalRaised(signal)
            | Finding::SignalClosed(signal) => signal.kind != off,
            Finding::DetectionMade(_) | Finding::DetectionUpdated(_) => true,
        });
        prop_assert_eq!(signals(&config), rest);
    }

    #[test]
    fn events_put_together_find_what_they_find_alone(flows in mixed(), size in 1..100_usize) {
        let plain = findings(&Config::default(), builtin_rules(), &flows);
        let mut detectors = Detectors::new(&Config::default(), builtin_rules());
        let events = events(&flows);
        let (mut found, mut before) = (Vec::new(), Vec::new());
        for some in events.chunks(size) {
            detectors.put_all(some, |detectors, event| {
                found.extend(detectors.drain());
                before.push(*event);
            });
        }
        detectors.finish();
        found.extend(detectors.drain());
        prop_assert_eq!(plain, found);
        prop_assert_eq!(before, events);
    }

    #[test]
    fn every_signal_opened_is_closed_once_and_never_falls(flows in mixed()) {
        let mut open = std::collections::BTreeMap::new();
        for finding in findings(&Config::default(), builtin_rules(), &flows) {
            match finding {
                Finding::SignalOpened(signal) => {
                    prop_assert!(open.insert(signal.id, signal).is_none());
                }
                Finding::SignalRaised(signal) => {
                    let before = open.insert(signal.id, signal.clone()).unwrap();
                    prop_assert!(before.severity < signal.severity);
                }
                Finding::SignalClosed(signal) => {
                    let before = open.remove(&signal.id).unwrap();
                    prop_assert!(before.severity <= signal.severity && before.window.end <= signal.window.end);
                }
                _ => {}
            }
        }
        prop_assert!(open.is_empty());
    }
}

fn told(finding: &Finding) -> Option<(&'static str, Severity, f64)> {
    match finding {
        Finding::SignalOpened(signal) if signal.kind == SignalKind::PortScan => {
            Some(("opened", signal.severity, signal.value))
        }
        Finding::SignalRaised(signal) if signal.kind == SignalKind::PortScan => {
            Some(("raised", signal.severity, signal.value))
        }
        Finding::SignalClosed(signal) if signal.kind == SignalKind::PortScan => {
            Some(("closed", signal.severity, signal.value))
        }
        _ => None,
    }
}

#[test]
fn a_signal_opens_rises_and_closes_with_its_peak() {
    let flows: Vec<Flow> = (0..60)
        .map(|n| tcp(i64::from(n) * 100, "10.0.0.1", "10.0.0.2", 1_000 + n).unanswered())
        .collect();
    let found = findings(&Config::default(), Vec::new(), &flows);
    let story: Vec<_> = found.iter().filter_map(told).collect();
    let want = [
        ("opened", Severity::Medium, 21.0),
        ("raised", Severity::High, 31.0),
        ("raised", Severity::Critical, 51.0),
        ("closed", Severity::Critical, 60.0),
    ];
    assert_eq!(story, want);
}

#[test]
fn a_signal_closes_one_window_after_it_was_last_over() {
    let mut detectors = Detectors::new(&Config::default(), Vec::new());
    let flows: Vec<Flow> = (0..21)
        .map(|n| tcp(0, "10.0.0.1", "10.0.0.2", 1_000 + n))
        .collect();
    for event in events(&flows) {
        detectors.put(&event);
    }
    detectors.advance(at(59_999));
    let before: Vec<Finding> = detectors.drain().collect();
    assert!(
        !before
            .iter()
            .any(|finding| matches!(finding, Finding::SignalClosed(_)))
    );
    detectors.advance(at(60_000));
    let closed = |finding: &Finding| matches!(finding, Finding::SignalClosed(signal) if signal.kind == SignalKind::PortScan);
    assert!(detectors.drain().any(|finding| closed(&finding)));
}

#[test]
fn late_events_count_within_the_allowed_lateness_and_are_told_beyond_it() {
    let mut flows: Vec<Flow> = (0..20)
        .map(|n| tcp(60_000, "10.0.0.1", "10.0.0.2", 1_000 + n))
        .collect();
    flows.push(tcp(58_000, "10.0.0.1", "10.0.0.2", 9_000));
    flows.push(tcp(57_999, "10.0.0.1", "10.0.0.2", 9_001));
    let mut opened: Vec<FlowEvent> = events(&flows)
        .into_iter()
        .filter(|event| event.seq == 0)
        .collect();
    opened.rotate_left(2);
    let mut detectors = Detectors::new(&Config::default(), Vec::new());
    for event in &opened {
        detectors.put(event);
    }
    detectors.finish();
    assert_eq!(
        (
            detectors.counters().events,
            detectors.counters().late_events
        ),
        (22, 1)
    );
    let found: Vec<Finding> = detectors.drain().collect();
    assert_eq!(
        found.iter().find_map(told),
        Some(("opened", Severity::Medium, 21.0))
    );
}

#[test]
fn too_many_open_signals_close_early() {
    let config = Config {
        max_open_signals: crate::config::Count::new(3),
        ..Config::default()
    };
    let flows: Vec<Flow> = (0..10_i64)
        .flat_map(|host| {
            let src = format!("10.0.0.{host}");
            [22, 445].map(|port| tcp(host * 100, &src, "10.0.1.1", port))
        })
        .collect();
    let found = findings(&config, Vec::new(), &flows);
    let opened = found
        .iter()
        .filter(|finding| matches!(finding, Finding::SignalOpened(_)));
    let closed = found
        .iter()
        .filter(|finding| matches!(finding, Finding::SignalClosed(_)));
    assert_eq!((opened.count(), closed.count()), (10, 10));
}

#[test]
fn time_at_its_end_does_no_harm() {
    let mut detectors = Detectors::new(&Config::default(), builtin_rules());
    let flows: Vec<Flow> = (0..600)
        .map(|n| tcp(0, "10.0.0.1", "10.0.0.2", n).unanswered())
        .collect();
    for mut event in events(&flows) {
        (event.time, event.since) = (Timestamp::MAX, Timestamp::ZERO);
        event.orig.bytes = u64::MAX;
        event.orig.packets = u64::MAX;
        event.resp.bytes = u64::MAX;
        detectors.put(&event);
    }
    detectors.finish();
    assert!(detectors.drain().count() > 0);
}

/// Flows that never share an address: some between hosts inside, some out of it, some into it.
fn strangers(from: u32, count: u32) -> Vec<Flow> {
    let flow = |n: u32| {
        let addr = |network: u32, n: u32| std::net::Ipv4Addr::from_bits(network | n).to_string();
        let (inside, outside) = (addr(0x0a00_0000, n), addr(0x5000_0000, n));
        let port = [443, 445, 22, 80][n as usize % 4];
        let (src, dst) = match n % 3 {
            0 => (inside, outside),
            1 => (outside, inside),
            _ => (inside, addr(0x0a80_0000, n)),
        };
        tcp(i64::from(n) / 100, &src, &dst, port).moves(1_500, 3_000_000, 3_000_000)
    };
    (from..from + count).map(flow).collect()
}

#[test]
fn what_strangers_make_it_hold_fits_its_budget() {
    for budget in [4 << 20, 16 << 20] {
        let mut config = Config::default();
        config.fit(budget, builtin_rules().len());
        let mut detectors = Detectors::new(&config, builtin_rules());
        let mut most = 0;
        for part in 0..60 {
            for event in events(&strangers(part * 1_000, 1_000)) {
                detectors.put(&event);
            }
            detectors.drain().for_each(drop);
            most = most.max(detectors.bytes());
            assert!(most <= budget, "{most} of {budget} after part {part}");
        }
        assert!(most > budget / 4, "{most} of {budget}");
        let counters = detectors.counters();
        assert!(
            counters
                .signals
                .iter()
                .filter(|signal| signal.evicted > 0)
                .count()
                > 8
        );
    }
}

#[test]
fn what_a_few_busy_hosts_make_it_hold_fits_its_budget() {
    let budget = 16 << 20;
    let mut config = Config::default();
    config.fit(budget, builtin_rules().len());
    let mut detectors = Detectors::new(&config, builtin_rules());
    for part in 0..40_u32 {
        let flow = |n: u32| {
            let n = part * 1_000 + n;
            let src = format!("10.0.0.{}", n % 200);
            let dst = std::net::Ipv4Addr::from_bits(0x0a80_0000 | (n / 7)).to_string();
            let port = u16::try_from(n % 50_000).unwrap_or_default();
            tcp(i64::from(n) / 10, &src, &dst, port).unanswered()
        };
        for event in events(&(0..1_000).map(flow).collect::<Vec<_>>()) {
            detectors.put(&event);
        }
        detectors.drain().for_each(drop);
        assert!(detectors.bytes() <= budget, "{}", detectors.bytes());
    }
}
