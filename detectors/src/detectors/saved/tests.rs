use std::sync::LazyLock;

use flow_table::protocol::dns::Answer;
use flow_table::protocol::echo::Echoes;
use flow_table::protocol::http::{BodyNote, HttpRecord};
use flow_table::protocol::{Record, Service, SignIn, SignInOutcome};
use flow_table::{FlowEvent, PerSide, ProtocolRow, Span};
use proptest::prelude::*;

use super::*;
use crate::config::Count;
use crate::testing::{Flow, at, events, question, row, tcp};
use crate::{Finding, builtin_rules};

/// What detectors are given, in its order.
#[derive(Clone, Debug)]
enum Step {
    Event(FlowEvent),
    Row(Box<ProtocolRow>),
}

/// One thing that happens: when, who, to what, and how much.
#[derive(Clone, Copy, Debug)]
struct Act {
    millis: i64,
    host: u8,
    kind: u8,
    which: u16,
    size: u64,
}

const KINDS: u8 = 14;

fn act() -> impl Strategy<Value = Act> {
    (0..1_200_i64, 0..4_u8, 0..KINDS, 0..80_u16, 1..400_u64).prop_map(
        |(time, host, kind, which, size)| Act {
            millis: time * 250,
            host,
            kind,
            which,
            size,
        },
    )
}

impl Act {
    fn flows(self) -> Vec<Flow> {
        let Self {
            millis: at,
            which,
            size,
            ..
        } = self;
        let src = format!("10.0.0.{}", self.host);
        match self.kind {
            0 => vec![tcp(at, &src, &format!("10.0.1.{which}"), 22).unanswered()],
            1 => vec![tcp(at, &src, "10.0.2.1", 1_000 + which)],
            2 => (0..6)
                .map(|n| tcp(at + n * 5_000, &src, "203.0.113.1", 443).moves(300, size, size * 4))
                .collect(),
            3 => {
                // Destinations with names, and without.
                ["203.0.113", "192.0.2"]
                    .map(|net| {
                        let dst = format!("{net}.{}", which % 8);
                        tcp(at, &src, &dst, 443).moves(9_000, size * 1_000_000, 0)
                    })
                    .into()
            }
            4 => {
                let from = format!("2001:db8::{which}");
                vec![tcp(at, &from, &src, 80).floods(500, size * 1_000, 60)]
            }
            5 => vec![tcp(at, "10.0.2.1", &src, 445).moves(2_000, size * 4_000_000, 100)],
            6 => vec![tcp(at, &src, "10.0.2.9", 3_389).moves(1_500, 900, 1_500)],
            7 => vec![tcp(at, &src, "10.0.2.2", 21).moves(20_000, 100, 100)],
            8 => (0..i64::from(which))
                .map(|n| tcp(at + n, &format!("198.51.100.{n}"), &src, 80).unanswered())
                .collect(),
            _ => Vec::new(),
        }
    }

    fn row(self) -> Option<ProtocolRow> {
        let Self { millis, which, .. } = self;
        let src = format!("10.0.0.{}", self.host);
        let outside = format!("203.0.113.{}", which % 8);
        Some(match self.kind {
            9 => {
                let name = format!(
                    "{:x}kq7vz0w5j3xn1m8ac4ue6{which}yb2.tunnel.example",
                    self.size
                );
                question(millis, &src, &name, 16)
            }
            10 => {
                let mut row = question(millis, &src, "get.evil.example", 1);
                if let Record::Dns(dns) = &mut row.record {
                    let text = outside.as_bytes().into();
                    dns.answers = vec![Answer { text, ttl: 60 }];
                }
                row
            }
            11 => row(millis, (&src, &outside, 80), Record::Http(program(millis))),
            12 => {
                let sign_in = SignIn {
                    service: Service("ssh"),
                    outcome: if which == 0 {
                        SignInOutcome::Accepted
                    } else {
                        SignInOutcome::Refused
                    },
                };
                row(
                    millis,
                    (&src, "10.0.2.3", 22),
                    Record::SignIn(Box::new(sign_in)),
                )
            }
            13 if which < 40 => {
                let echoes = Echoes {
                    last: at(millis),
                    messages: PerSide { orig: 4, resp: 4 },
                    bytes: 400,
                };
                row(
                    millis,
                    (&src, &outside, 0),
                    Record::Echoes(Box::new(echoes)),
                )
            }
            13 => row(
                millis,
                (&src, &outside, 4_444),
                Record::Misplaced(Box::new(Service("ssh"))),
            ),
            _ => return None,
        })
    }
}

fn program(millis: i64) -> Box<HttpRecord> {
    let text = |text: &str| Some(text.as_bytes().into());
    let mut http = HttpRecord::new(at(millis), 1);
    (http.method, http.host, http.uri) = (text("GET"), text("get.evil.example"), text("/a.exe"));
    (http.response_body_len, http.status_code) = (1_000, Some(200));
    http.resp_bodies = vec![BodyNote {
        number: 1,
        place: None,
        mime_type: Some("application/x-dosexec"),
        filename: None,
        content_type: text("image/png"),
    }];
    Box::new(http)
}

fn steps(acts: &[Act]) -> Vec<Step> {
    let flows: Vec<Flow> = acts.iter().flat_map(|act| act.flows()).collect();
    let rows = acts.iter().filter_map(|act| act.row());
    let mut steps: Vec<Step> = events(&flows).into_iter().map(Step::Event).collect();
    steps.extend(rows.map(|row| Step::Row(Box::new(row))));
    steps.sort_by_key(|step| match step {
        Step::Event(event) => (event.time, event.uid, event.seq),
        Step::Row(row) => (row.time, row.uid, row.seq),
    });
    steps
}

fn put(detectors: &mut Detectors, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Event(event) => detectors.put(event),
            Step::Row(row) => detectors.put_row(row),
        }
    }
}

/// Bounds that are never reached, and some that are.
fn configs() -> Vec<Config> {
    let mut tight = Config {
        max_exact: Count::new(20),
        max_open_signals: Count::new(3),
        ..Config::default()
    };
    tight.fit(1 << 20, builtin_rules().len());
    let mut tighter = tight.clone();
    tighter.fit(1 << 18, builtin_rules().len());
    vec![Config::default(), tight, tighter]
}

fn restored(config: &Config, snapshot: &[u8]) -> Detectors {
    let restored = Detectors::restore(config, builtin_rules(), snapshot).unwrap();
    assert_eq!(restored.counters().state_dropped, 0);
    assert!(restored.snapshot() == snapshot, "it is the same state");
    restored
}

/// Everything found, when the run is cut before these steps and goes on from a snapshot.
fn found(config: &Config, steps: &[Step], cuts: &[usize]) -> Vec<Finding> {
    let mut detectors = Detectors::new(config, builtin_rules());
    let (mut found, mut from) = (Vec::new(), 0);
    for cut in cuts {
        put(&mut detectors, &steps[from..*cut]);
        from = *cut;
        found.extend(detectors.drain());
        detectors = restored(config, &detectors.snapshot());
    }
    put(&mut detectors, &steps[from..]);
    detectors.finish();
    found.extend(detectors.drain());
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_run_that_is_cut_finds_what_a_whole_one_finds(
        acts in prop::collection::vec(act(), 1..500),
        parts in prop::collection::vec(0.0..1.0_f64, 1..4),
    ) {
        let steps = steps(&acts);
        let mut cuts: Vec<usize> = parts.iter().map(|part| place(&steps, *part)).collect();
        cuts.sort_unstable();
        for config in configs() {
            let (whole, cut) = (found(&config, &steps, &[]), found(&config, &steps, &cuts));
            prop_assert_eq!(whole.len(), cut.len());
            for (whole, cut) in whole.iter().zip(&cut) {
                prop_assert_eq!(whole, cut);
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a length"
)]
fn place<T>(list: &[T], part: f64) -> usize {
    (list.len() as f64 * part) as usize
}

/// Something of everything.
fn everything() -> Vec<Step> {
    let acts: Vec<Act> = (0..600_u16)
        .map(|n| Act {
            millis: i64::from(n) * 100,
            host: if n % 14 < 2 {
                0
            } else {
                u8::try_from(n / 14 % 4).unwrap()
            },
            kind: u8::try_from(n % u16::from(KINDS)).unwrap(),
            which: n * 7 % 80,
            size: 1 + u64::from(n) * 13 % 400,
        })
        .collect();
    steps(&acts)
}

/// Something is deleted on a host with the role `backup`.
fn deletion(millis: i64) -> ProtocolRow {
    let mut http = HttpRecord::new(at(millis), 1);
    (http.method, http.status_code) = (Some(b"DELETE".as_slice().into()), Some(204));
    row(
        millis,
        ("10.0.0.1", "10.0.2.9", 9_000),
        Record::Http(Box::new(http)),
    )
}

/// A detector that forgets a table fails here: its subjects are gone.
#[test]
fn every_detector_remembers_its_subjects() {
    let (mut config, mut steps) = (Config::default(), everything());
    config.roles.backup = vec!["10.0.2.0/24".parse().unwrap()];
    steps.push(Step::Row(Box::new(deletion(120_000))));
    let mut detectors = Detectors::new(&config, builtin_rules());
    put(&mut detectors, &steps);
    let before = detectors.counters();
    let after = restored(&config, &detectors.snapshot()).counters();
    for (before, after) in before.signals.iter().zip(&after.signals) {
        // It remembers flows by their signals alone; there are no threat lists.
        if ![SignalKind::LongConnection, SignalKind::ThreatListMatch].contains(&before.kind) {
            assert!(before.subjects > 0, "{}", before.kind);
        }
        assert_eq!(before.subjects, after.subjects, "{}", before.kind);
        // Flows that wait take what room they need, which decides nothing.
        if before.kind != SignalKind::FanOutScan {
            assert_eq!(before.bytes, after.bytes, "{}", before.kind);
        }
    }
    assert!(before.destinations > 0);
    assert_eq!(before.destinations, after.destinations);
    let groups = |counters: &crate::Counters| -> Vec<u64> {
        counters.rules.iter().map(|rule| rule.groups).collect()
    };
    assert!(groups(&before).iter().sum::<u64>() > 3);
    assert_eq!(groups(&before), groups(&after));
}

/// What is counted, is counted before or after, never twice.
#[test]
fn counters_add_up() {
    let (config, steps) = (Config::default(), everything());
    let mut whole = Detectors::new(&config, builtin_rules());
    put(&mut whole, &steps);
    let (first, second) = steps.split_at(steps.len() / 2);
    let mut one = Detectors::new(&config, builtin_rules());
    put(&mut one, first);
    let mut other = restored(&config, &one.snapshot());
    put(&mut other, second);
    let [whole, one, other] = [whole, one, other].map(|detectors| detectors.counters());
    assert_eq!(whole.events, one.events + other.events);
    for ((whole, one), other) in whole.signals.iter().zip(&one.signals).zip(&other.signals) {
        assert_eq!(whole.opened, one.opened + other.opened, "{}", whole.kind);
    }
    for ((whole, one), other) in whole.rules.iter().zip(&one.rules).zip(&other.rules) {
        assert_eq!(whole.made, one.made + other.made, "{}", whole.rule_id);
    }
}

#[test]
fn what_is_open_is_told_when_the_run_is_suspended() {
    let config = Config::default();
    let mut detectors = Detectors::new(&config, builtin_rules());
    put(&mut detectors, &everything());
    let (mut open, mut made) = (std::collections::BTreeSet::new(), 0);
    for finding in detectors.drain() {
        match finding {
            Finding::SignalOpened(signal) => assert!(open.insert(signal.id)),
            Finding::SignalClosed(signal) => assert!(open.remove(&signal.id)),
            Finding::DetectionMade(_) => made += 1,
            _ => {}
        }
    }
    assert!(open.len() > 10 && made > 0, "{} {made}", open.len());
    for finding in detectors.suspend() {
        match finding {
            Finding::SignalClosed(signal) => assert!(open.remove(&signal.id)),
            Finding::DetectionUpdated(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
}

/// Limits that change while it runs come to what a restart with them comes to.
#[test]
fn limits_may_change_while_it_runs() {
    let steps = everything();
    let (first, second) = steps.split_at(steps.len() / 2);
    let cases = [
        ("the same", "{}", 0),
        (
            "another limit",
            r#"{"port_scan": {"limit": 10}, "fan_out_scan": {"limit": 9}, "allowed_lateness": "1s"}"#,
            0,
        ),
        (
            "less room",
            r#"{"port_scan": {"max_subjects": 1, "max_memory": "4KiB"}, "strobe": {"max_subjects": 2}}"#,
            0,
        ),
        (
            "fewer signals",
            r#"{"disabled_signals": ["CONNECTION_SPIKE", "SYN_BURST"]}"#,
            0,
        ),
        (
            "two windows",
            r#"{"port_scan": {"window": "90s"}, "syn_burst": {"window": "20s"}}"#,
            2,
        ),
        (
            "what stays as it is",
            r#"{"max_open_signals": 2, "hash_seed": 7, "internal_networks": [], "max_evidence": 1}"#,
            0,
        ),
    ];
    for (case, text, dropped) in cases {
        let config: Config = serde_json::from_str(text).unwrap();
        let limits = Config::default().with_limits_of(&config);
        let mut running = Detectors::new(&Config::default(), builtin_rules());
        put(&mut running, first);
        assert!(running.drain().count() > 0);
        let snapshot = running.snapshot();
        let mut restarted = Detectors::restore(&limits, builtin_rules(), &snapshot).unwrap();
        let before = running.counters();
        running.replace_limits(&config);
        assert!(running.snapshot() == restarted.snapshot(), "{case}");
        assert_eq!(running.counters().state_dropped, dropped, "{case}");
        for detectors in [&mut running, &mut restarted] {
            put(detectors, second);
            detectors.finish();
        }
        let found: Vec<Finding> = restarted.drain().collect();
        assert!(found.len() > 10, "{case}");
        assert!(running.drain().eq(found), "{case}");
        let (after, late) = (running.counters(), restarted.counters());
        assert_eq!(after.events, before.events + late.events, "{case}");
        let signals = after.signals.iter().zip(&before.signals);
        for ((after, before), late) in signals.zip(&late.signals) {
            assert_eq!(after.evicted, before.evicted + late.evicted, "{case}");
        }
    }
}

fn snapshot_of(config: &Config, steps: &[Step]) -> Vec<u8> {
    let mut detectors = Detectors::new(config, builtin_rules());
    put(&mut detectors, steps);
    detectors.snapshot()
}

#[test]
fn thresholds_and_bounds_may_change_windows_and_rules_begin_anew() {
    let snapshot = snapshot_of(&Config::default(), &everything());
    let rules = || builtin_rules().into_iter();
    let mut reworded: Vec<Rule> = rules().collect();
    reworded[0].title.push('!');
    let cases: Vec<(&str, &str, Vec<Rule>, u64)> = vec![
        ("the same", "{}", rules().collect(), 0),
        (
            "another limit",
            r#"{"port_scan": {"limit": 10}, "allowed_lateness": "1s"}"#,
            rules().collect(),
            0,
        ),
        (
            "less room",
            r#"{"port_scan": {"max_subjects": 1, "max_memory": "4KiB"}, "max_open_signals": 2}"#,
            rules().collect(),
            0,
        ),
        (
            "two windows",
            r#"{"port_scan": {"window": "90s"}, "syn_burst": {"window": "20s"}}"#,
            rules().collect(),
            2,
        ),
        ("a rule reworded", "{}", reworded, 1),
        ("rules gone", "{}", rules().skip(3).collect(), 3),
        ("no rules", "{}", Vec::new(), rules().count() as u64),
    ];
    for (name, config, rules, dropped) in cases {
        let config: Config = serde_json::from_str(config).unwrap();
        let mut detectors = Detectors::restore(&config, rules, &snapshot).unwrap();
        assert_eq!(detectors.counters().state_dropped, dropped, "{name}");
        assert!(detectors.bytes() <= config.most_memory(9), "{name}");
        put(&mut detectors, &everything());
        detectors.finish();
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    let config = Config::default();
    let snapshot = snapshot_of(&config, &everything());
    let changed = |at: usize| {
        let mut bytes = snapshot.clone();
        bytes[at] ^= 1;
        bytes
    };
    let reseeded = Config {
        hash_seed: 1,
        ..Config::default()
    };
    let cases = [
        ("nothing", Vec::new(), &config, RestoreError::Foreign),
        (
            "something else",
            vec![7; 100],
            &config,
            RestoreError::Foreign,
        ),
        ("the magic", changed(3), &config, RestoreError::Foreign),
        (
            "the version",
            changed(8),
            &config,
            RestoreError::Version { found: 5 },
        ),
        ("the sum", changed(16), &config, RestoreError::Damaged),
        ("the middle", changed(5_000), &config, RestoreError::Damaged),
        (
            "another seed",
            snapshot.clone(),
            &reseeded,
            RestoreError::Seed,
        ),
    ];
    for (name, bytes, config, want) in cases {
        let got = Detectors::restore(config, builtin_rules(), &bytes).err();
        assert_eq!(got, Some(want), "{name}");
    }
    for len in [8, 15, 16, 31, 32, snapshot.len() - 1] {
        let got = Detectors::restore(&config, builtin_rules(), &snapshot[..len]).err();
        assert_eq!(got, Some(RestoreError::Damaged), "{len}");
    }
}

static EVERYTHING: LazyLock<Vec<Step>> = LazyLock::new(everything);
/// What is known after some of it, without what stands before the sum and the sum.
static HALF_WAY: LazyLock<Vec<u8>> =
    LazyLock::new(|| snapshot_of(&configs().remove(1), &EVERYTHING[..400])[BODY..].to_vec());

/// Makes the sum right.
fn summed(body: &[u8]) -> Vec<u8> {
    [head(body).as_slice(), body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whoever makes the sum right may say what he likes.
    #[test]
    fn bytes_that_lie_are_refused_or_do_no_harm(
        changes in prop::collection::vec((0.0..1.0_f64, any::<u8>(), 0..4_u8), 1..6),
    ) {
        let config = configs().remove(1);
        let (steps, mut body) = (&*EVERYTHING, HALF_WAY.clone());
        for (part, byte, how) in changes {
            let at = place(&body, part);
            match how {
                0 => body[at] = byte,
                1 => body[at] = body[at].wrapping_add(1),
                2 => body[at] = 0xff,
                _ => {
                    body.remove(at);
                }
            }
        }
        if let Ok(mut detectors) = Detectors::restore(&config, builtin_rules(), &summed(&body)) {
            prop_assert!(detectors.bytes() <= 4 * config.most_memory(9));
            put(&mut detectors, &steps[400..]);
            detectors.advance(at(0) + Span::from_mins(1_440));
            let again = detectors.snapshot();
            detectors.finish();
            drop(Detectors::restore(&config, builtin_rules(), &again));
        }
    }
}
