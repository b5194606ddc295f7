use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use detectors::Outside;
use flow_table::Timestamp;
use rusqlite::types::Value;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::samples;

fn record(packets: u64) -> RunRecord {
    RunRecord {
        command: "replay",
        config_digest: "d".to_owned(),
        inputs: vec!["a.pcap".to_owned()],
        first: Some(Timestamp::new(1_700_000_000, 5_000)),
        last: None,
        packets,
        bytes: u64::MAX,
        flows: 2,
        counters: vec![("late".to_owned(), 1), ("evicted".to_owned(), 0)],
    }
}

fn findings() -> Vec<Finding> {
    let mut updated = samples::detection(1, "10.0.0.1");
    updated.count = 3;
    updated.signals.push(samples::signal(7, "10.0.0.1"));
    let mut peak = samples::signal(100, "10.0.0.1");
    peak.value = 99.0;
    peak.evidence.outside = vec![placed()];
    vec![
        Finding::SignalOpened(samples::signal(100, "10.0.0.1")),
        Finding::DetectionMade(samples::detection(1, "10.0.0.1")),
        Finding::DetectionUpdated(updated),
        Finding::SignalClosed(peak),
    ]
}

fn placed() -> Outside {
    Outside {
        country: Some("AQ".into()),
        ..Outside::at("203.0.113.9".parse().unwrap())
    }
}

fn batch(findings: &[Finding]) -> Batch {
    let mut batch = Batch::default();
    batch.extend(findings.iter().cloned());
    batch
}

fn run(path: &Path, findings: &[Finding], record: &RunRecord) {
    let mut store = SqliteStore::open(path).unwrap();
    store.write(&batch(findings)).unwrap();
    store.finish(record).unwrap();
}

/// Everything in every table, row ids included.
fn dump(path: &Path) -> Vec<String> {
    let db = open_for_reading(path).unwrap();
    let mut lines = Vec::new();
    for query in [
        "SELECT rowid, * FROM detections ORDER BY rowid",
        "SELECT rowid, * FROM signals ORDER BY rowid",
        "SELECT * FROM detection_signals",
        "SELECT rowid, * FROM runs ORDER BY rowid",
    ] {
        let mut statement = db.prepare(query).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|n| row.get::<_, Value>(n))
                .collect::<Result<Vec<_>, _>>()
        });
        lines.extend(
            rows.unwrap()
                .map(|row| format!("{query}: {:?}", row.unwrap())),
        );
    }
    lines
}

type Make<'a> = Box<dyn Fn(&Path) + 'a>;

fn place() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("flowhawk.db");
    (dir, path)
}

#[test]
fn the_same_again_changes_nothing_and_another_run_adds() {
    let (_dir, path) = place();
    run(&path, &findings(), &record(1));
    let first = dump(&path);
    run(&path, &findings(), &record(1));
    assert_eq!(dump(&path), first);
    run(
        &path,
        &[Finding::SignalOpened(samples::signal(9, "10.0.0.9"))],
        &record(2),
    );
    let added: Vec<String> = dump(&path)
        .into_iter()
        .filter(|l| !first.contains(l))
        .collect();
    assert_eq!(added.len(), 2, "{added:#?}");
}

#[test]
fn transactions_leave_no_trace_wherever_they_end() {
    let (_dir, path) = place();
    run(&path, &findings(), &record(1));
    let want = dump(&path);
    for size in 1..findings().len() {
        let (_dir, path) = place();
        let mut store = SqliteStore::open(&path).unwrap();
        for part in findings().chunks(size) {
            store.write(&batch(part)).unwrap();
        }
        store.finish(&record(1)).unwrap();
        assert_eq!(dump(&path), want, "{size} at once");
    }
}

#[test]
fn the_last_state_is_kept() {
    let (_dir, path) = place();
    run(&path, &findings(), &record(1));
    let db = open_for_reading(&path).unwrap();
    let value: f64 = db
        .query_row(
            "SELECT value FROM signals WHERE signal_id LIKE '%64'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert!((value - 99.0).abs() < f64::EPSILON, "{value}");
    let counts: (i64, i64, i64) = db
        .query_row(
            "SELECT count, signal_count, (SELECT count(*) FROM v_detection_signals) FROM detections",
            [],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        )
        .unwrap();
    assert_eq!(counts, (3, 3, 3));
}

#[test]
fn a_status_set_by_a_person_stays() {
    let (_dir, path) = place();
    run(&path, &findings(), &record(1));
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE detections SET status = 'closed'", [])
        .unwrap();
    drop(db);
    run(&path, &findings(), &record(1));
    let db = open_for_reading(&path).unwrap();
    let status: String = db
        .query_row("SELECT status FROM detections", [], |r| r.get(0))
        .unwrap();
    assert_eq!(status, "closed");
}

#[test]
fn the_tables_are_those_of_the_contract() {
    let (_dir, path) = place();
    run(&path, &[], &record(1));
    let db = open_for_reading(&path).unwrap();
    let columns = |table: &str| -> String {
        let sql = format!("SELECT group_concat(name, ' ') FROM pragma_table_info('{table}')");
        db.query_row(&sql, [], |r| r.get(0)).unwrap()
    };
    assert_eq!(
        columns("detections"),
        "detection_id rule_id detection_type severity confidence src_ip dst_ip dst_port first_ts \
         last_ts count signal_count status suppressed_by mitre_json actions_json summary"
    );
    assert_eq!(
        columns("signals"),
        "signal_id signal_type severity src_ip dst_ip dst_port window_start window_end value \
         threshold evidence_json suppressed_by"
    );
    assert_eq!(columns("detection_signals"), "detection_id signal_id");
    let mode: String = db
        .query_row("PRAGMA journal_mode", [], |r| r.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn every_view_can_be_selected() {
    let (_dir, path) = place();
    let mut findings = findings();
    findings.push(Finding::SignalOpened(samples::signal(9, "10.0.0.9")));
    run(&path, &findings, &record(1));
    let db = open_for_reading(&path).unwrap();
    let mut names = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")
        .unwrap();
    let names = names.query_map([], |r| r.get::<_, String>(0)).unwrap();
    let mut seen = 0;
    for name in names.map(Result::unwrap) {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM {name})");
        let rows: u32 = db.query_row(&sql, [], |r| r.get(0)).unwrap();
        assert!(rows > 0, "{name} is empty");
        seen += 1;
    }
    assert_eq!(seen, 8);
    let time: String = db
        .query_row("SELECT last_time FROM v_detections", [], |r| r.get(0))
        .unwrap();
    assert_eq!(time, "2023-11-14 22:14:02");
}

#[test]
fn unfit_files_are_refused_and_left_alone() {
    let (dir, path) = place();
    run(&path, &[], &record(1));
    let alter = |sql: &'static str| {
        move |path: &Path| {
            Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }
    };
    let ours = path.clone();
    let cases: [(&str, Make<'_>, &str); 6] = [
        (
            "text",
            Box::new(|p| fs::write(p, "hello, world ".repeat(100)).unwrap()),
            "is no SQLite database",
        ),
        (
            "short",
            Box::new(|p| fs::write(p, "hello").unwrap()),
            "is no SQLite database",
        ),
        (
            "foreign",
            Box::new(alter("CREATE TABLE t(a)")),
            "is a database of another program",
        ),
        (
            "newer",
            Box::new(move |p| {
                fs::copy(&ours, p).unwrap();
                alter("PRAGMA user_version = 9")(p);
            }),
            "has schema version 9, this flowhawk knows versions up to 1",
        ),
        (
            "directory",
            Box::new(|p| fs::create_dir(p).unwrap()),
            "unable to open database file",
        ),
        (
            "missing/directory",
            Box::new(|_| ()),
            "unable to open database file",
        ),
    ];
    for (name, make, want) in cases {
        let path = dir.path().join(name);
        make(&path);
        let before = fs::read(&path).ok();
        let error = SqliteStore::open(&path).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
        assert_eq!(fs::read(&path).ok(), before, "{name}");
    }
}

#[test]
fn a_locked_database_is_noticed_at_once() {
    let (_dir, path) = place();
    run(&path, &[], &record(1));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = SqliteStore::open(&path).unwrap_err().to_string();
    let want = format!("database {} is locked by another process", path.display());
    assert!(error.starts_with(&want), "{error}");
}

#[test]
fn one_may_read_while_another_writes() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store.write(&batch(&findings())).unwrap();
    let reader = open_for_reading(&path).unwrap();
    let count = || -> u32 {
        reader
            .query_row("SELECT count(*) FROM signals", [], |r| r.get(0))
            .unwrap()
    };
    assert_eq!(count(), 3);
    store
        .write(&batch(&[Finding::SignalOpened(samples::signal(
            9, "10.0.0.9",
        ))]))
        .unwrap();
    assert_eq!(count(), 4);
    assert!(
        reader.execute("DELETE FROM signals", []).is_err(),
        "a reader must not write"
    );
    store.finish(&record(1)).unwrap();
}

#[test]
fn json_lines_have_the_names_of_the_columns() {
    let (_dir, path) = place();
    run(&path, &[], &record(1));
    let db = open_for_reading(&path).unwrap();
    let findings = [
        (
            "signals",
            Finding::SignalOpened(samples::signal(1, "10.0.0.1")),
            vec!["type", "event"],
        ),
        (
            "detections",
            Finding::DetectionMade(samples::detection(1, "10.0.0.1")),
            vec!["type", "event", "signals", "uids"],
        ),
    ];
    for (table, finding, more) in findings {
        let sql = format!("SELECT replace(name, '_json', '') FROM pragma_table_info('{table}')");
        let mut statement = db.prepare(&sql).unwrap();
        let columns = statement.query_map([], |r| r.get::<_, String>(0)).unwrap();
        let mut want: BTreeSet<String> = columns.map(Result::unwrap).collect();
        want.extend(more.into_iter().map(str::to_owned));
        let row = serde_json::to_value(super::super::rows::Row::from(&finding)).unwrap();
        let got: BTreeSet<String> = row.as_object().unwrap().keys().cloned().collect();
        assert_eq!(got, want);
    }
}

#[test]
fn suppressed_rows_say_by_what() {
    let (_dir, path) = place();
    let mut hidden = samples::detection(1, "10.0.0.1");
    hidden.suppressed_by = Some(Arc::from("scanner"));
    run(&path, &[Finding::DetectionMade(hidden)], &record(1));
    let db = open_for_reading(&path).unwrap();
    let row: (String, u32) = db
        .query_row(
            "SELECT suppressed_by, (SELECT count(*) FROM v_open_detections) FROM detections",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    assert_eq!(row, ("scanner".to_owned(), 0));
}

#[test]
fn names_with_signs_of_a_uri_are_files() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a?b#c%20 ä.db");
    run(&path, &findings(), &record(1));
    assert!(!dump(&path).is_empty());
}

#[test]
fn old_findings_are_forgotten_and_their_room_given_back() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("f.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let hour = flow_table::Span::from_mins(60);
    let mut batch = Batch::default();
    let recent = samples::detection(1, "10.0.0.1");
    for n in 2..2_000 {
        let mut old = samples::detection(n, "10.0.0.2");
        old.last = old.last - hour;
        for (nth, signal) in (1..).zip(&mut old.signals) {
            signal.id = detectors::StableId(n * 1_000 + nth);
            signal.window.end = signal.window.end - hour;
        }
        batch.add(Finding::DetectionMade(old));
    }
    batch.add(Finding::DetectionMade(recent.clone()));
    let mut lone = samples::signal(7, "10.0.0.3");
    lone.window.end = lone.window.end - hour;
    batch.add(Finding::SignalOpened(lone));
    store.write(&batch).unwrap();
    let number = |store: &SqliteStore, sql: &str| -> i64 {
        store
            .connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    };
    let before = number(&store, "PRAGMA page_count");
    store
        .forget(recent.last - flow_table::Span::from_mins(30))
        .unwrap();
    let left = ["detections", "signals", "detection_signals"]
        .map(|table| number(&store, &format!("SELECT count(*) FROM {table}")));
    let signals = i64::try_from(recent.signals.len()).unwrap();
    assert_eq!(left, [1, signals, signals]);
    let after = number(&store, "PRAGMA page_count");
    assert!(after < before / 2, "{before} pages, then {after}");
}

#[test]
fn a_view_that_is_new_comes_to_databases_that_are_there() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("f.db");
    run(&path, &findings(), &record(1));
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP VIEW v_detection_outside").unwrap();
    drop(old);
    run(&path, &findings(), &record(2));
    let new = open_for_reading(&path).unwrap();
    let asked = "SELECT ip, country, asn FROM v_detection_outside";
    let found: (String, String, Option<u32>) = new
        .query_row(asked, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(found, ("203.0.113.9".to_owned(), "AQ".to_owned(), None));
}
