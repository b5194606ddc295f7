use std::path::PathBuf;
use std::sync::Arc;

use detectors::{Finding, Outside, Severity};
use tempfile::TempDir;

use super::*;
use crate::cli::FindingArgs;
use crate::output::{Existing, Outputs, RunRecord, Sink};
use crate::{progress, samples as findings};

/// Three detections, of which the second is critical and the third suppressed.
fn database() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let args = FindingArgs {
        out: dir.path().to_owned(),
        db: None,
        baseline: None,
        no_db: false,
        json: None,
    };
    let outputs = Outputs::open(&args, &[], Existing::Empty).unwrap();
    let sink = Sink::spawn(outputs, Arc::new(progress::Live::default())).unwrap();
    let mut critical = findings::detection(0xab << 48, "10.0.0.2");
    critical.severity = Severity::Critical;
    critical.subject.dst = "2001:db8::1".parse().ok();
    let mut hidden = findings::detection(0xac << 48, "10.0.0.3");
    hidden.suppressed_by = Some("scanner".into());
    let mut first = findings::detection(1, "10.0.0.1");
    for signal in &mut first.signals {
        let mut gate = Outside::at([203, 0, 113, 9].into());
        gate.names = vec!["gate.example".into()];
        gate.asn = Some(64_500);
        signal.evidence.outside = vec![gate];
    }
    let made = [first, critical, hidden];
    sink.sender()
        .send(made.map(Finding::DetectionMade).into())
        .unwrap();
    let record = RunRecord {
        command: "replay",
        config_digest: String::new(),
        inputs: Vec::new(),
        first: None,
        last: None,
        packets: 0,
        bytes: 0,
        flows: 0,
        counters: Vec::new(),
    };
    assert!(sink.finish(record).lost.is_empty());
    let path = dir.path().join(DATABASE);
    (dir, path)
}

#[test]
fn a_row_comes_back_as_it_was() {
    let (_dir, path) = database();
    let found = query::by_prefix(&open_for_reading(&path).unwrap(), "00000000").unwrap();
    assert_eq!(found, samples::found());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn detections_are_picked() {
    let (_dir, path) = database();
    let connection = open_for_reading(&path).unwrap();
    let any = PickArgs::default();
    let cases = [
        ("unsuppressed", any.clone(), vec!["10.0.0.1", "10.0.0.2"]),
        (
            "all",
            PickArgs {
                all: true,
                ..any.clone()
            },
            vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ),
        (
            "high",
            PickArgs {
                severity: Some(Severity::High),
                ..any.clone()
            },
            vec!["10.0.0.1", "10.0.0.2"],
        ),
        (
            "critical",
            PickArgs {
                severity: Some(Severity::Critical),
                ..any.clone()
            },
            vec!["10.0.0.2"],
        ),
        (
            "rule",
            PickArgs {
                rule: Some("lm-001".to_owned()),
                ..any.clone()
            },
            vec!["10.0.0.1", "10.0.0.2"],
        ),
        (
            "other rule",
            PickArgs {
                rule: Some("X".to_owned()),
                ..any.clone()
            },
            vec![],
        ),
        (
            "source",
            PickArgs {
                host: "10.0.0.1".parse().ok(),
                ..any.clone()
            },
            vec!["10.0.0.1"],
        ),
        (
            "destination",
            PickArgs {
                host: "2001:DB8::1".parse().ok(),
                ..any
            },
            vec!["10.0.0.2"],
        ),
    ];
    for (name, pick, want) in cases {
        let found = query::pick(&connection, &pick).unwrap();
        let sources: Vec<_> = found
            .iter()
            .filter_map(|found| found.src_ip.as_deref())
            .collect();
        assert_eq!(sources, want, "{name}");
    }
}

#[test]
fn a_unique_beginning_is_enough() {
    let (_dir, path) = database();
    let connection = open_for_reading(&path).unwrap();
    let cases = [
        ("00AB", Ok("10.0.0.2")),
        ("00", Err("is the beginning of several ids:\n  0000")),
        ("7", Err("there is no detection whose id begins with \"7\"")),
        ("00%", Err("there is no detection")),
    ];
    for (prefix, want) in cases {
        match (query::by_prefix(&connection, prefix), want) {
            (Ok(found), Ok(source)) => assert_eq!(found.src_ip.as_deref(), Some(source)),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, _) => panic!("{prefix}: {got:?}"),
        }
    }
}

#[test]
fn everything_is_shown() {
    let (_dir, path) = database();
    let connection = open_for_reading(&path).unwrap();
    let found = query::by_prefix(&connection, "0000").unwrap();
    let signals = query::signals(&connection, &found).unwrap();
    let mut out = Vec::new();
    show::show(&mut out, &found, &signals[..1]).unwrap();
    let want = "\
10.0.0.1 scanned, spiked and logged in.

id           00000000000000010000000000000000
rule         LM-001 LATERAL_MOVEMENT
severity     high, confidence high
source       10.0.0.1
destination  port 445
first        2023-11-14 22:13:20 UTC
last         2023-11-14 22:14:02 UTC
count        1
status       open
ATT&CK       TA0008 T1021

signals
  PORT_SCAN  medium  2023-11-14 22:13:20 to 2023-11-14 22:14:02 UTC
    id           00000000000000000000000000000064
    source       10.0.0.1
    value        25, limit 20
    measure      25 distinct ports in 60s, limit 20
    baseline     mean 10.0, deviation 3.5, the configured prior
    hosts        1.0
    peers        10.9.9.9 fe80::1
    ports        22 445
    outside      203.0.113.9 gate.example AS64500
    flows        C00000000000000007 C00000000000000008

flows, to look up in conn.log
  C00000000000000007
  C00000000000000008

recommended
  Isolate the host.
";
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

#[test]
fn a_missing_database_is_one_clear_sentence() {
    let path = PathBuf::from("/nowhere/flowhawk.db");
    let args = DetectionsArgs {
        action: None,
        db: Some(path),
        pick: PickArgs::default(),
    };
    let error = run(&args).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no database /nowhere/flowhawk.db; `flowhawk replay` makes one, --db FILE names another"
    );
}
