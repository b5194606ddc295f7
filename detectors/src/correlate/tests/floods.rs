//! Whoever fills what a rule keeps blinds it to nobody else.

use super::*;
use crate::Detectors;

const VICTIM: &str = "10.0.0.1";
const KEPT: u32 = 64;

/// Detectors whose rules keep `KEPT` groups, and what became of these flows.
fn play(flows: &[Flow]) -> (Vec<String>, crate::RuleCounters) {
    let config = Config {
        rules: RulesConfig {
            max_partial: Count::new(KEPT),
            ..RulesConfig::default()
        },
        ..Config::default()
    };
    let mut detectors = Detectors::new(&config, crate::builtin_rules());
    for event in crate::testing::events(flows) {
        detectors.put(&event);
    }
    detectors.finish();
    let victims = detectors.drain().filter_map(|finding| match finding {
        Finding::DetectionMade(made) if made.subject.src == VICTIM.parse().ok() => {
            Some(made.rule.id.clone())
        }
        _ => None,
    });
    let mut victims: Vec<String> = victims.collect();
    victims.retain(|rule| rule == "LM-001");
    let rules = detectors.counters().rules;
    let lateral = rules.into_iter().find(|rule| rule.rule_id == "LM-001");
    (victims, lateral.unwrap())
}

/// The same by ten times as many others as a rule keeps groups of.
fn others(from: i64, act: impl Fn(i64, &str) -> Vec<Flow>) -> Vec<Flow> {
    let other = |n: u32| {
        act(
            from + i64::from(n) * 100,
            &format!("10.3.{}.{}", n / 200, n % 200),
        )
    };
    (0..10 * KEPT).flat_map(other).collect()
}

/// PRIVILEGED_ACCESS that is medium: one service on three hosts.
fn medium_access(millis: i64, src: &str) -> Vec<Flow> {
    [1, 2, 3]
        .map(|n| tcp(millis, src, &format!("10.0.9.{n}"), 22))
        .into()
}

/// PRIVILEGED_ACCESS that is critical.
fn critical_access(millis: i64, src: &str) -> Vec<Flow> {
    [22, 445, 3389]
        .map(|port| tcp(millis, src, "10.0.9.9", port))
        .into()
}

#[test]
fn signals_that_are_less_severe_go_first() {
    let flows = join(&[
        critical_access(0, VICTIM),
        others(1_000, medium_access),
        scan(600_000, VICTIM),
    ]);
    let (victims, counters) = play(&flows);
    assert!(counters.evicted >= u64::from(9 * KEPT), "{counters:?}");
    assert_eq!(victims, ["LM-001"]);
}

#[test]
fn what_holds_one_part_goes_before_what_holds_two() {
    let spike_and_scan = |millis: i64, src: &str| scan(millis, src);
    let flows = join(&[
        spike_and_scan(0, VICTIM),
        others(1_000, critical_access),
        medium_access(600_000, VICTIM),
    ]);
    let (victims, counters) = play(&flows);
    assert!(counters.evicted >= u64::from(9 * KEPT), "{counters:?}");
    assert_eq!(victims, ["LM-001"]);
}

#[test]
fn what_begins_has_room_beside_what_is_worth_most() {
    let complete =
        |millis: i64, src: &str| join(&[scan(millis, src), critical_access(millis + 300, src)]);
    let all_at_once = others(1_000, complete);
    let flows = join(&[
        all_at_once,
        // When they are done the table is full of detections.
        medium_access(80_000, VICTIM),
        scan(80_100, VICTIM),
    ]);
    let (victims, counters) = play(&flows);
    assert!(counters.made >= u64::from(9 * KEPT), "{counters:?}");
    assert_eq!(victims, ["LM-001"]);
}
