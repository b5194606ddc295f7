//! The signal of refused attempts to sign in.

use flow_table::ProtocolRow;
use flow_table::protocol::{Record, Service, SignIn, SignInOutcome};

use super::Severity::{Critical, High, Medium};
use super::{BothCase, check_both};
use crate::testing::{Flow, detections_of_both, row, signals_of_both, tcp};
use crate::{Config, SignalKind};

const SRC: &str = "198.51.100.7";
const HOST: &str = "10.0.0.22";

fn attempt(millis: i64, ends: (&str, &str, u16), outcome: SignInOutcome) -> ProtocolRow {
    let sign_in = SignIn {
        service: Service("ssh"),
        outcome,
    };
    row(millis, ends, Record::SignIn(Box::new(sign_in)))
}

/// So many, `gap` milliseconds apart.
fn refused(count: i64, gap: i64) -> Vec<ProtocolRow> {
    let one = |n| attempt(n * gap, (SRC, HOST, 22), SignInOutcome::Refused);
    (0..count).map(one).collect()
}

fn then_in(mut rows: Vec<ProtocolRow>, millis: i64) -> Vec<ProtocolRow> {
    rows.push(attempt(millis, (SRC, HOST, 22), SignInOutcome::Accepted));
    rows
}

/// Sessions of RDP that last `lasting` milliseconds each.
fn sessions(count: i64, gap: i64, lasting: i64, port: u16) -> Vec<Flow> {
    (0..count)
        .map(|n| tcp(5_000 + n * gap, SRC, HOST, port).moves(lasting, 900, 1_500))
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn brute_force() {
    let spread = (0..60)
        .map(|n| {
            attempt(
                n * 100,
                (SRC, &format!("10.0.0.{n}"), 22),
                SignInOutcome::Refused,
            )
        })
        .collect();
    let longer = |mut flows: Vec<Flow>, from| {
        flows.push(tcp(from, SRC, HOST, 3389).moves(90_000, 9_000, 90_000));
        flows
    };
    let cases: Vec<BothCase> = vec![
        ("below the limit", vec![], refused(9, 1_000), &[]),
        ("at the limit", vec![], refused(10, 1_000), &[Medium]),
        ("high", vec![], refused(50, 1_000), &[High]),
        ("too slow", vec![], refused(60, 34_000), &[]),
        (
            "a hundred in an hour",
            vec![],
            refused(100, 34_000),
            &[High],
        ),
        (
            "a job that fails each minute and a half",
            vec![],
            refused(300, 90_000),
            &[],
        ),
        (
            "a hundred in an hour, then in",
            vec![],
            then_in(refused(100, 34_000), 3_400_000),
            &[Critical],
        ),
        (
            "nine, then in",
            vec![],
            then_in(refused(9, 1_000), 20_000),
            &[],
        ),
        (
            "ten, then in",
            vec![],
            then_in(refused(10, 1_000), 20_000),
            &[Critical],
        ),
        (
            "ten, in much later",
            vec![],
            then_in(refused(10, 1_000), 320_000),
            &[Medium],
        ),
        ("one each of many hosts", vec![], spread, &[]),
        (
            "short sessions of RDP",
            sessions(10, 1_000, 800, 3389),
            vec![],
            &[Medium],
        ),
        (
            "of anything else",
            sessions(60, 1_000, 800, 443),
            vec![],
            &[],
        ),
        (
            "not so short",
            sessions(60, 1_000, 10_001, 3389),
            vec![],
            &[],
        ),
        (
            "nothing said",
            sessions(60, 1_000, 800, 3389)
                .into_iter()
                .map(|flow| flow.moves(800, 0, 0))
                .collect(),
            vec![],
            &[],
        ),
        (
            "and then a long one",
            longer(sessions(10, 1_000, 800, 3389), 20_000),
            vec![],
            &[Critical],
        ),
        (
            "a long one all along",
            longer(sessions(10, 1_000, 800, 3389), 0),
            vec![],
            &[Medium],
        ),
    ];
    check_both(SignalKind::BruteForce, cases);
}

#[test]
fn evidence_tells_what_is_a_guess() {
    let measure = |flows: &[Flow], rows: &[ProtocolRow]| {
        let found = signals_of_both(&Config::default(), SignalKind::BruteForce, flows, rows);
        found[0].evidence.measure.clone()
    };
    assert_eq!(
        measure(&[], &then_in(refused(12, 1_000), 20_000)),
        "was refused 12 times by ssh at port 22 (limit 10 in 5min), and then got in"
    );
    assert_eq!(
        measure(&sessions(11, 1_000, 800, 3389), &[]),
        "was refused 11 times by port 3389 (limit 10 in 5min, 11 of them judged by how short they were)"
    );
}

#[test]
fn many_refusals_or_a_success_are_detected() {
    let cases = [
        ("forty-nine", refused(49, 1_000), 0),
        ("fifty", refused(50, 1_000), 1),
        ("ten, then in", then_in(refused(10, 1_000), 20_000), 1),
        ("in at once", then_in(refused(2, 1_000), 20_000), 0),
    ];
    for (name, rows, want) in cases {
        let made = detections_of_both(&Config::default(), &[], &rows);
        let of_rule = made.iter().filter(|made| made.rule.id == "BRUTE-001");
        assert_eq!(of_rule.count(), want, "{name}: {made:#?}");
    }
}
