//! What rules can ask for: one of several, so many of them, in order, in any order, of other rules.

use super::*;
use crate::config::Suppression;
use crate::{Severity, chain_problems};

const A: &str = "10.0.0.1";

/// What a host does at some time.
type Act = fn(i64, &str) -> Vec<Flow>;

/// Rules over signals of one source, each by its own part of the file.
fn rules(parts: &[(&str, &str, &str)]) -> Vec<Rule> {
    let document = |(id, correlation, own): &(&str, &str, &str)| {
        format!(
            "title: T\nlevel: high\ncorrelation:\n  {correlation}\n  group-by: [src_ip]\n  \
             timespan: 10m\nflowhawk:\n  rule_id: {id}\n  detection_type: T\n  confidence: low\n  \
             mitre: []\n  actions: []\n  {own}\n"
        )
    };
    let file: Vec<String> = parts.iter().map(document).collect();
    Rule::parse("t.yml", &file.join("---\n")).unwrap()
}

/// How often each rule made a detection.
fn made_of(rules: Vec<Rule>, flows: &[Flow]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    let ids = rules.iter().map(|rule| (rule.info.id.clone(), 0));
    counts.extend(ids);
    for finding in findings(&Config::default(), rules, flows) {
        if let Finding::DetectionMade(made) = finding {
            let of_rule = counts.iter_mut().find(|(id, _)| *id == made.rule.id);
            of_rule.unwrap().1 += 1;
        }
    }
    counts
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn parts_in_order_in_any_order_and_so_many_of_them() {
    const MIN: i64 = 60_000;
    // PRIVILEGED_ACCESS; PORT_SCAN with CONNECTION_SPIKE; FAN_OUT_SCAN.
    let (access, scan, sweep): (Act, Act, Act) = (access, scan, sweep);
    let play = |acts: &[Act]| -> Vec<Flow> {
        let act = |(act, n): (&Act, i64)| act(n * 2 * MIN, A);
        acts.iter().zip(0..).flat_map(act).collect()
    };
    let all = "rules: [PRIVILEGED_ACCESS, PORT_SCAN, FAN_OUT_SCAN]";
    let ordered = format!("type: temporal_ordered\n  {all}");
    let temporal = format!("type: temporal\n  {all}");
    let first_two = "in_any_order: [[PRIVILEGED_ACCESS, PORT_SCAN]]";
    let last_two = "in_any_order: [[PORT_SCAN, FAN_OUT_SCAN]]";
    let one_of = "any_of: [[PRIVILEGED_ACCESS, PORT_SCAN]]";
    let cases: [(&str, &str, &str, &[Act], usize); 14] = [
        ("in order", &ordered, "", &[access, scan, sweep], 1),
        ("first two swapped", &ordered, "", &[scan, access, sweep], 0),
        (
            "first two in any order",
            &ordered,
            first_two,
            &[scan, access, sweep],
            1,
        ),
        (
            "first two in that order",
            &ordered,
            first_two,
            &[access, scan, sweep],
            1,
        ),
        (
            "the last comes between",
            &ordered,
            first_two,
            &[scan, sweep, access],
            0,
        ),
        (
            "the last comes first",
            &ordered,
            first_two,
            &[sweep, scan, access],
            0,
        ),
        (
            "last two in any order",
            &ordered,
            last_two,
            &[access, sweep, scan],
            1,
        ),
        (
            "last two before the first",
            &ordered,
            last_two,
            &[scan, sweep, access],
            0,
        ),
        ("one is missing", &ordered, first_two, &[scan, sweep], 0),
        ("one of two, in order", &ordered, one_of, &[scan, sweep], 1),
        (
            "one of two, out of order",
            &ordered,
            one_of,
            &[sweep, scan],
            0,
        ),
        (
            "two of three",
            &temporal,
            "at_least: 2",
            &[sweep, access],
            1,
        ),
        ("one of three", &temporal, "at_least: 2", &[sweep], 0),
        ("any of three", &temporal, "at_least: 1", &[sweep], 1),
    ];
    for (name, correlation, own, acts, want) in cases {
        let made = made_of(rules(&[("T-1", correlation, own)]), &play(acts));
        assert_eq!(made, [("T-1".to_owned(), want)], "{name}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let cases = [
        (
            "type: temporal",
            "at_least: 3",
            "at_least is 3, but 1 to 2 can be there",
        ),
        (
            "type: temporal",
            "at_least: 0",
            "at_least is 0, but 1 to 2 can be there",
        ),
        (
            "type: temporal_ordered",
            "at_least: 1",
            "at_least is for the type temporal",
        ),
        (
            "type: temporal",
            "in_any_order: [[STROBE]]",
            "in_any_order is for the type temporal_ordered",
        ),
        (
            "type: temporal_ordered",
            "in_any_order: [[LONG_BEACON]]",
            "in_any_order names \"LONG_BEACON\", which is not among the rules",
        ),
    ];
    for (kind, own, want) in cases {
        let yaml = format!(
            "title: T\nlevel: high\ncorrelation: {{{kind}, rules: [STROBE, PORT_SCAN], group-by: [src_ip], \
             timespan: 1m}}\nflowhawk: {{rule_id: T, detection_type: T, confidence: low, mitre: [], \
             actions: [], {own}}}\n"
        );
        let error = Rule::parse("t.yml", &yaml).unwrap_err();
        assert_eq!((error.problem.as_str(), error.line), (want, 4), "{own}");
    }
}

/// T-3 of T-1 and T-2, which is of PORT_SCAN.
fn chain() -> Vec<Rule> {
    rules(&[
        ("T-3", "type: temporal\n  rules: [T-1, T-2]", ""),
        ("T-2", "type: temporal\n  rules: [PORT_SCAN]", ""),
        ("T-1", "type: temporal\n  rules: [PRIVILEGED_ACCESS]", ""),
    ])
}

#[test]
fn rules_take_what_others_detect() {
    let counts = |flows: &[Flow], rules: Vec<Rule>| -> Vec<usize> {
        made_of(rules, flows)
            .into_iter()
            .map(|(_, count)| count)
            .collect()
    };
    let both = join(&[scan(0, A), access(300_000, A)]);
    assert_eq!(counts(&both, chain()), [1, 1, 1]);
    assert_eq!(counts(&scan(0, A), chain()), [0, 1, 0]);
    let apart = join(&[scan(0, A), access(300_000, "10.0.0.2")]);
    assert_eq!(counts(&apart, chain()), [0, 1, 1], "another source");
    let late = join(&[scan(0, A), access(720_000, A)]);
    assert_eq!(counts(&late, chain()), [0, 1, 1], "too late");
    let severe = rules(&[
        (
            "T-3",
            "type: temporal\n  rules: [T-1]",
            "minimum_severity: {T-1: critical}",
        ),
        ("T-1", "type: temporal\n  rules: [PRIVILEGED_ACCESS]", ""),
    ]);
    assert_eq!(counts(&both, severe), [0, 1], "not severe enough");

    let made = findings(&Config::default(), chain(), &both);
    let made: Vec<&Detection> = made
        .iter()
        .filter_map(|finding| match finding {
            Finding::DetectionMade(made) => Some(made),
            _ => None,
        })
        .collect();
    assert_eq!(made[2].rule.id, "T-3", "after those that it takes");
    let kinds: Vec<SignalKind> = made[2].signals.iter().map(|signal| signal.kind).collect();
    assert_eq!(kinds, [SignalKind::PortScan, SignalKind::PrivilegedAccess]);
    assert_eq!(made[2].severity, Severity::High);
}

#[test]
fn a_suppressed_detection_feeds_no_rule() {
    let config = Config {
        suppressions: vec![Suppression {
            rule: Some("T-1".to_owned()),
            ..serde_json::from_str(r#"{"reason": "known"}"#).unwrap()
        }],
        ..Config::default()
    };
    let flows = join(&[scan(0, A), access(300_000, A)]);
    let made = findings(&config, chain(), &flows);
    let ids = made.iter().filter_map(|finding| match finding {
        Finding::DetectionMade(made) => Some(made.rule.id.as_str()),
        _ => None,
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["T-2", "T-1"]);
}

#[test]
fn rules_that_do_not_fit_together_are_named() {
    let problems = |rules: &[Rule]| -> Vec<(String, String)> {
        { chain_problems(rules).into_iter() }
            .map(|problem| (problem.rule_id, problem.problem))
            .collect()
    };
    assert_eq!(problems(&chain()), []);
    let missing = rules(&[("T-1", "type: temporal\n  rules: [T-2, PORT_SCAN]", "")]);
    let want = [("T-1".to_owned(), "there is no rule T-2".to_owned())];
    assert_eq!(problems(&missing), want);
    let round = rules(&[
        ("T-1", "type: temporal\n  rules: [T-2]", ""),
        ("T-2", "type: temporal\n  rules: [T-1, PORT_SCAN]", ""),
        ("T-3", "type: temporal\n  rules: [T-3]", ""),
    ]);
    let found: Vec<String> = problems(&round).into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        found,
        [
            "T-1 waits for T-2, which waits for it",
            "T-2 waits for T-1, which waits for it",
            "T-3 waits for T-3, which waits for it",
        ]
    );
    // They do no harm: T-2 is never complete, as T-1 is not.
    assert_eq!(
        made_of(round, &scan(0, A)),
        [("T-1", 0), ("T-2", 0), ("T-3", 0)].map(|(id, n)| (id.to_owned(), n))
    );
}
