//! Every built-in rule: completes, out of its timespan, about another subject. And what repeats do.

mod floods;
mod logic;

use crate::config::{Count, RulesConfig, Suppression};
use crate::testing::{Flow, detections, findings, tcp};
use crate::{Config, Detection, Finding, Rule, Severity, SignalKind};

const MB: u64 = 1_000_000;

/// PORT_SCAN and CONNECTION_SPIKE, to an internal host.
fn scan(millis: i64, src: &str) -> Vec<Flow> {
    let to = |n: i64| {
        tcp(
            millis + n * 10,
            src,
            "10.0.9.9",
            2_000 + u16::try_from(n).unwrap(),
        )
    };
    (0..25).map(to).collect()
}

/// PRIVILEGED_ACCESS.
fn access(millis: i64, src: &str) -> Vec<Flow> {
    [22, 445]
        .map(|port| tcp(millis, src, "10.0.9.9", port))
        .into()
}

/// PERIODIC_BEACON and PERSISTENT_DESTINATION, without payload.
fn beacon(millis: i64, src: &str, dst: &str) -> Vec<Flow> {
    (0..6)
        .map(|n| tcp(millis + n * 20_000, src, dst, 443))
        .collect()
}

/// COMMAND_EXCHANGE.
fn exchange(millis: i64, src: &str, dst: &str) -> Vec<Flow> {
    (0..3)
        .map(|n| tcp(millis + n * 7_000 * (n + 1), src, dst, 443).moves(100, 300, 2_000))
        .collect()
}

/// DATA_STAGING.
fn staging(millis: i64, host: &str) -> Vec<Flow> {
    vec![tcp(millis, host, "10.0.9.9", 445).moves(1_000, 0, 600 * MB)]
}

/// OUTBOUND_SPIKE and DESTINATION_DIVERSITY.
fn upload(millis: i64, host: &str) -> Vec<Flow> {
    let to = |n: i64| tcp(millis, host, &format!("203.0.113.{n}"), 443).moves(1_000, 40 * MB, 0);
    (0..6).map(to).collect()
}

/// SYN_BURST at a destination, for so many milliseconds.
fn syns(millis: i64, dst: &str, lasting: i64) -> Vec<Flow> {
    let flow = |n: i64| tcp(millis + n * 10, &format!("2001:db8::{n:x}"), dst, 80).unanswered();
    (0..lasting / 10).map(flow).collect()
}

/// FAN_OUT_SCAN.
fn sweep(millis: i64, src: &str) -> Vec<Flow> {
    let to = |n: i64| tcp(millis + n, src, &format!("10.0.8.{n}"), 80).unanswered();
    (0..60).map(to).collect()
}

fn join(parts: &[Vec<Flow>]) -> Vec<Flow> {
    parts.concat()
}

/// The rules that made a detection, with its subject.
fn made(flows: &[Flow]) -> Vec<(String, String)> {
    let name = |detection: Detection| {
        let subject = detection.subject;
        let host = subject.src.or(subject.dst).unwrap();
        (detection.rule.id.clone(), host.to_string())
    };
    let of_kind = |finding| match finding {
        Finding::DetectionMade(detection) => Some(name(detection)),
        _ => None,
    };
    let all = findings(&Config::default(), crate::builtin_rules(), flows).into_iter();
    all.filter_map(of_kind).collect()
}

/// A name, what happens, and the rules it completes with the host they are about.
type Case = (
    &'static str,
    Vec<Flow>,
    &'static [(&'static str, &'static str)],
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn builtin_rules() {
    const MIN: i64 = 60_000;
    const A: &str = "10.0.0.1";
    const C: &str = "203.0.113.9";
    let (a, b, c) = (A, "10.0.0.2", C);
    let cases: [Case; 21] = [
        (
            "lateral movement",
            join(&[scan(0, a), access(5 * MIN, a)]),
            &[("LM-001", A)],
        ),
        (
            "access first",
            join(&[access(0, a), scan(5 * MIN, a)]),
            &[("LM-001", A)],
        ),
        (
            "access too late",
            join(&[scan(0, a), access(16 * MIN, a)]),
            &[],
        ),
        (
            "access by another",
            join(&[scan(0, a), access(5 * MIN, b)]),
            &[],
        ),
        (
            "ipv6",
            join(&[scan(0, "fd00::1"), access(MIN, "fd00::1")]),
            &[("LM-001", "fd00::1")],
        ),
        (
            "beaconing",
            join(&[beacon(0, a, c), exchange(3 * MIN, a, c)]),
            &[("C2-BEACON-001", A)],
        ),
        (
            "exchange too late",
            join(&[beacon(0, a, c), exchange(18 * MIN, a, c)]),
            &[],
        ),
        (
            "exchange elsewhere",
            join(&[beacon(0, a, c), exchange(3 * MIN, a, "8.8.8.8")]),
            &[],
        ),
        (
            "exchange by another",
            join(&[beacon(0, a, c), exchange(3 * MIN, b, c)]),
            &[],
        ),
        (
            "exfiltration",
            join(&[staging(0, a), upload(5 * MIN, a)]),
            &[("EXFIL-001", A)],
        ),
        (
            "upload too late",
            join(&[staging(0, a), upload(17 * MIN, a)]),
            &[],
        ),
        (
            "upload by another",
            join(&[staging(0, a), upload(5 * MIN, b)]),
            &[],
        ),
        ("flood", syns(0, a, 25_000), &[("DDOS-001", A)]),
        ("short flood", syns(0, a, 9_000), &[]),
        (
            "two short floods",
            join(&[syns(0, a, 7_000), syns(60_000, a, 7_000)]),
            &[],
        ),
        (
            "two targets in turn",
            join(&[syns(0, a, 9_000), syns(9_000, b, 9_000)]),
            &[],
        ),
        ("sweep", sweep(0, a), &[("RECON-001", A)]),
        ("sweep from outside", sweep(0, c), &[("RECON-001", C)]),
        ("small port scan", scan(0, a), &[]),
        (
            "large port scan",
            join(&[
                scan(0, a),
                (0..40).map(|n| tcp(0, a, "10.0.9.9", 5_000 + n)).collect(),
            ]),
            &[("RECON-001", A)],
        ),
        ("nothing", Vec::new(), &[]),
    ];
    for (name, flows, want) in cases {
        let got = made(&flows);
        let got: Vec<(&str, &str)> = got.iter().map(|(rule, host)| (&**rule, &**host)).collect();
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn a_detection_says_what_it_rests_on() {
    let flows = join(&[scan(0, "10.0.0.1"), access(60_000, "10.0.0.1")]);
    let detection = detections(&Config::default(), &flows).remove(0);
    assert_eq!(
        detection.summary,
        "10.0.0.1 scanned 25 ports on 1 host (vertical, limit 20 in 1min), \
         opened 25 connections (limit 19 in 1min), \
         and reached for 2 privileged services on 1 internal host in 1min."
    );
    let kinds: Vec<SignalKind> = detection.signals.iter().map(|signal| signal.kind).collect();
    let want = [
        SignalKind::PortScan,
        SignalKind::ConnectionSpike,
        SignalKind::PrivilegedAccess,
    ];
    assert_eq!(kinds, want);
    assert_eq!(
        (detection.severity, detection.count),
        (Severity::Critical, 1)
    );
    assert_eq!(detection.uids.len(), 10);
    assert_eq!(detection.rule.mitre, ["TA0008", "T1021", "TA0007", "T1046"]);
    assert_eq!(detection, detections(&Config::default(), &flows).remove(0));
}

#[test]
fn a_repeat_within_the_dedup_window_updates() {
    const MIN: i64 = 60_000;
    let again = |minutes: i64| {
        let flows = join(&[sweep(0, "10.0.0.1"), sweep(minutes * MIN, "10.0.0.1")]);
        let found = findings(&Config::default(), crate::builtin_rules(), &flows);
        let told = |finding: &Finding| match finding {
            Finding::DetectionMade(detection) => Some((detection.id, true, detection.count)),
            Finding::DetectionUpdated(detection) => Some((detection.id, false, detection.count)),
            _ => None,
        };
        found.iter().filter_map(told).collect::<Vec<_>>()
    };
    let within = again(30);
    assert!(
        within.iter().all(|(id, ..)| *id == within[0].0),
        "{within:?}"
    );
    assert_eq!(
        within.iter().filter(|(_, made, _)| *made).count(),
        1,
        "{within:?}"
    );
    assert_eq!(within.last().unwrap().2, 2);
    let after = again(62);
    assert_eq!(
        after.iter().filter(|(_, made, _)| *made).count(),
        2,
        "{after:?}"
    );
    assert_ne!(after[0].0, after.last().unwrap().0);
}

#[test]
fn a_rise_in_severity_is_no_repeat() {
    let to = |n: i64| {
        tcp(
            n * 5,
            "10.0.0.1",
            &format!("10.1.{}.{}", n / 200, n % 200),
            80,
        )
        .unanswered()
    };
    let flows: Vec<Flow> = (0..2_000).map(to).collect();
    let found = findings(&Config::default(), crate::builtin_rules(), &flows);
    let raised = found
        .iter()
        .filter(|f| matches!(f, Finding::SignalRaised(s) if s.kind == SignalKind::FanOutScan));
    assert_eq!(raised.count(), 2);
    let detections = detections(&Config::default(), &flows);
    assert!(
        detections.iter().all(|detection| detection.count == 1),
        "{detections:#?}"
    );
}

#[test]
fn suppressed_signals_are_kept_but_feed_no_rule() {
    let flows = join(&[scan(0, "10.0.0.1"), access(60_000, "10.0.0.1")]);
    let suppress = |signal, rule: Option<&str>| Config {
        suppressions: vec![Suppression {
            signal,
            rule: rule.map(str::to_owned),
            src: Some("10.0.0.0/24".parse().unwrap()),
            dst: None,
            src_role: None,
            dst_role: None,
            port: None,
            reason: "our scanner".to_owned(),
            expires: None,
        }],
        ..Config::default()
    };
    let by_signal = findings(
        &suppress(Some(SignalKind::PortScan), None),
        crate::builtin_rules(),
        &flows,
    );
    let marked = |finding: &&Finding| match finding {
        Finding::SignalOpened(signal) => signal.suppressed_by.as_deref() == Some("our scanner"),
        _ => false,
    };
    assert_eq!(by_signal.iter().filter(marked).count(), 1);
    assert!(
        !by_signal
            .iter()
            .any(|finding| matches!(finding, Finding::DetectionMade(_)))
    );
    let by_rule = detections(&suppress(None, Some("LM-001")), &flows);
    assert_eq!(by_rule[0].suppressed_by.as_deref(), Some("our scanner"));
}

#[test]
fn suppressions_may_be_of_roles() {
    let flows = join(&[scan(0, "10.0.0.1"), scan(0, "10.0.0.2")]);
    let config = |entry: &str| -> Config {
        let text = format!(
            r#"{{"roles": {{"scanner": ["10.0.0.1"], "resolver": ["10.0.9.9"]}}, "suppressions": [{entry}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let cases = [
        (r#"{"src_role": "scanner", "reason": "r"}"#, 2),
        (
            r#"{"src_role": "scanner", "signal": "PORT_SCAN", "reason": "r"}"#,
            1,
        ),
        (r#"{"src_role": "backup", "reason": "r"}"#, 0),
        // The subject of both signals is the source.
        (r#"{"dst_role": "resolver", "reason": "r"}"#, 0),
    ];
    for (entry, want) in cases {
        let found = findings(&config(entry), Vec::new(), &flows);
        let suppressed = found.iter().filter(|finding| match finding {
            Finding::SignalOpened(signal) => signal.suppressed_by.is_some(),
            _ => false,
        });
        assert_eq!(suppressed.count(), want, "{entry}");
    }
}

/// A rule over SYN_BURST and FAN_OUT_SCAN of one source, of some type.
fn rule(correlation: &str) -> Vec<Rule> {
    let yaml = format!(
        "title: T\nlevel: low\ncorrelation:\n{correlation}\n  group-by: [src_ip]\n  timespan: 10m\n\
         flowhawk: {{rule_id: T-1, detection_type: T, confidence: low, mitre: [], actions: []}}\n"
    );
    Rule::parse("t.yml", &yaml).unwrap()
}

#[test]
fn all_types_of_correlation() {
    let (scan_first, access_first) = (
        join(&[scan(0, "10.0.0.1"), access(120_000, "10.0.0.1")]),
        join(&[access(0, "10.0.0.1"), scan(120_000, "10.0.0.1")]),
    );
    let beacons = |count: i64| -> Vec<Flow> {
        (0..count)
            .flat_map(|n| beacon(n * 100, "10.0.0.1", &format!("203.0.113.{n}")))
            .collect()
    };
    let ordered = "  type: temporal_ordered\n  rules: [PORT_SCAN, PRIVILEGED_ACCESS]";
    let events = "  type: event_count\n  rules: [PERIODIC_BEACON]\n  condition: {gte: 3}";
    let values =
        "  type: value_count\n  rules: [PERIODIC_BEACON]\n  condition: {field: dst_ip, gt: 2}";
    let ports =
        "  type: value_count\n  rules: [PERIODIC_BEACON]\n  condition: {field: dst_port, gte: 2}";
    let cases = [
        ("in order", ordered, scan_first, 1),
        ("out of order", ordered, access_first, 0),
        ("too few events", events, beacons(2), 0),
        ("enough events", events, beacons(3), 1),
        ("too few values", values, beacons(2), 0),
        ("enough values", values, beacons(3), 1),
        ("all of one value", ports, beacons(5), 0),
    ];
    for (name, correlation, flows, want) in cases {
        let found = findings(&Config::default(), rule(correlation), &flows);
        let made = found
            .iter()
            .filter(|finding| matches!(finding, Finding::DetectionMade(_)));
        assert_eq!(made.count(), want, "{name}");
    }
}

#[test]
fn groups_are_bounded_and_expire() {
    let rules = RulesConfig {
        max_partial: Count::new(10),
        ..RulesConfig::default()
    };
    let config = Config {
        rules,
        ..Config::default()
    };
    let mut detectors = crate::Detectors::new(&config, crate::builtin_rules());
    let sources = (0..200_i64).flat_map(|n| access(n * 1_000, &format!("10.0.1.{n}")));
    let mut flows: Vec<Flow> = sources.collect();
    flows.extend(access(10_000_000, "10.0.0.1"));
    for event in crate::testing::events(&flows) {
        detectors.put(&event);
    }
    detectors.finish();
    let rules = detectors.counters().rules;
    let lateral = rules.iter().find(|rule| rule.rule_id == "LM-001").unwrap();
    assert_eq!(
        (lateral.evicted, lateral.expired + lateral.groups),
        (190, 11),
        "{lateral:?}"
    );
    assert!(lateral.expired > 0, "{lateral:?}");
}

#[test]
fn rules_that_stay_forget_nothing_and_others_begin() {
    let flows = || [scan(0, "10.0.0.5"), access(40_000, "10.0.0.5")].concat();
    let built_in = || -> Vec<Rule> {
        let rules = crate::BUILTIN_RULES.iter();
        rules
            .flat_map(|(name, text)| Rule::parse(name, text).unwrap())
            .collect()
    };
    let mut changed = built_in();
    for rule in &mut changed {
        rule.timespan = flow_table::Span::from_mins(9);
    }
    for (rules, kept) in [(built_in(), true), (changed, false), (Vec::new(), false)] {
        let config = Config::default();
        let mut detectors = crate::Detectors::new(&config, built_in());
        let (mut rules, mut made) = (Some(rules), Vec::new());
        for event in crate::testing::events(&flows()) {
            // Between the scan and what follows.
            if event.time >= crate::testing::at(20_000)
                && let Some(rules) = rules.take()
            {
                detectors.replace_rules(&config, rules);
            }
            detectors.put(&event);
            made.extend(detectors.drain());
        }
        detectors.finish();
        made.extend(detectors.drain());
        let is_lateral = |finding: &Finding| matches!(finding, Finding::DetectionMade(made) if made.rule.id == "LM-001");
        assert_eq!(made.iter().any(is_lateral), kept);
    }
}
