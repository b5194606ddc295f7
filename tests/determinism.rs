//! The same packets give the same answer: on every run, for any number of threads, however they
//! are stored.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;

use support::frames::{self, ACK, Path as Way, connection, tcp};
use support::pcap::{Capture, Format, Order, Unit, gzipped};
use support::rows::{Content, content, rows, without_inputs};
use support::run::{self, Ran};
use support::{Recorded, captures, logs};

/// Everything that a run leaves.
#[derive(Clone, PartialEq, Debug)]
struct Left {
    logs: BTreeMap<String, Vec<u8>>,
    findings: String,
    content: Content,
}

impl Left {
    fn by(files: &[&Path], options: &[&str]) -> Self {
        Self::of(|out, fixed| run::replay(files, out, &[fixed, options].concat()))
    }

    fn by_stdin(bytes: &[u8]) -> Self {
        Self::of(|out, fixed| {
            run::ran_with_stdin(run::replay_args(&[Path::new("-")], out, fixed), bytes)
        })
    }

    fn of(replay: impl FnOnce(&Path, &[&str]) -> Ran) -> Self {
        let out = tempfile::tempdir().unwrap();
        let ran = replay(out.path(), &["-q", "--json", "-"]).exits(0);
        Self {
            logs: logs(out.path()),
            findings: ran.stdout,
            content: content(&out.path().join("flowhawk.db")),
        }
    }

    /// For runs over the same packets out of different files.
    fn whatever_the_inputs(mut self) -> Self {
        self.content = without_inputs(self.content);
        self
    }
}

/// Fails with what differs, not with all there is.
#[track_caller]
fn assert_same(want: &Left, got: &Left, what: &str) {
    let names = |left: &Left| left.logs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(want), names(got), "{what}");
    for (name, log) in &want.logs {
        let (want, got) = (lossy(log), lossy(&got.logs[name]));
        assert_same_lines(&want, &got, &format!("{what}: {name}"));
    }
    assert_same_lines(
        &want.findings,
        &got.findings,
        &format!("{what}: JSON lines"),
    );
    assert_same_content(&want.content, &got.content, what);
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_same_lines(want: &str, got: &str, what: &str) {
    for (n, (want, got)) in want.lines().zip(got.lines()).enumerate() {
        assert_eq!(want, got, "{what}, line {}", n + 1);
    }
    assert_eq!(
        want.len(),
        got.len(),
        "{what}: {} lines and {}",
        want.lines().count(),
        got.lines().count()
    );
}

#[track_caller]
fn assert_same_content(want: &Content, got: &Content, what: &str) {
    for (name, want) in want {
        let got = &got[name];
        let missing: Vec<_> = want
            .iter()
            .filter(|row| got.get(row.0) != Some(row.1))
            .collect();
        let added: Vec<_> = got
            .iter()
            .filter(|row| want.get(row.0) != Some(row.1))
            .collect();
        assert!(
            missing.is_empty() && added.is_empty(),
            "{what}, table {name}: missing {missing:#?}, added {added:#?}"
        );
    }
}

/// What is replayed in these tests: everything recorded, and what is made here.
fn inputs(dir: &Path) -> Vec<Recorded> {
    let made = [("made", many_flows()), ("late", late_packets())];
    let made = made.map(|(name, capture)| {
        let path = dir.join(format!("{name}.pcap"));
        fs::write(&path, capture.write_usual()).unwrap();
        let name = name.to_owned();
        Recorded { name, path }
    });
    let mut inputs = captures();
    inputs.extend(made);
    inputs
}

/// More than is read at once.
fn many_flows() -> Capture {
    let flows = (30_000..31_000).flat_map(|port| connection(Way::between(port, 80)));
    frames::capture(flows)
}

/// Packets a day late, several of a flow in one microsecond: packet time is far ahead, so each of
/// them begins a flow that ends at once.
fn late_packets() -> Capture {
    const DAY: u64 = 86_400_000_000;
    let once = |payload: &'static [u8]| {
        let ways = (30_000..30_100).map(|port| Way::between(port, 80));
        ways.map(move |way| tcp(way, ACK, (1, 1), payload))
    };
    let mut capture = frames::capture(once(b"x").chain(once(b"")).chain(once(b"yz")));
    for packet in &mut capture.packets {
        packet.micros = frames::START;
    }
    capture.packets[0].micros += DAY;
    capture
}

#[test]
fn threads_and_repetition_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("flowhawk.toml");
    fs::write(&config, "open_connections_every = \"2s\"").unwrap();
    let config = ["--config", config.to_str().unwrap()];
    for capture in inputs(dir.path()) {
        let by_format: [(&str, &[&str]); 2] = [
            ("tsv", &["1", "2", "2", "4", "4", "8", "8"]),
            ("json", &["2", "4", "8"]),
        ];
        for (format, runs) in by_format {
            let left = |threads| {
                let options = ["--log-format", format, "--threads", threads];
                Left::by(&[&capture.path], &[&config[..], &options].concat())
            };
            let first = left("1");
            for threads in runs {
                let what = format!("{}, {format}, {threads} threads", capture.name);
                assert_same(&first, &left(threads), &what);
            }
        }
    }
}

/// Rows, findings and database are joined by them.
#[test]
fn uids_are_unique() {
    let dir = tempfile::tempdir().unwrap();
    for capture in inputs(dir.path()) {
        let out = tempfile::tempdir().unwrap();
        run::replay(&[&capture.path], out.path(), &["-q", "--no-db"]).exits(0);
        let rows = rows(&out.path().join("conn.log"));
        let uids: BTreeSet<&str> = rows
            .iter()
            .filter_map(|row| row.split('\t').nth(1))
            .collect();
        assert_eq!(uids.len(), rows.len(), "{}", capture.name);
    }
}

#[test]
fn replaying_again_into_a_database_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for capture in inputs(dir.path()) {
        let out = tempfile::tempdir().unwrap();
        let database = out.path().join("flowhawk.db");
        run::replay(&[&capture.path], out.path(), &["-q"]).exits(0);
        let once = content(&database);
        run::replay(&[&capture.path], out.path(), &["-q", "--threads", "2"]).exits(0);
        assert_same_content(&once, &content(&database), &capture.name);
    }
}

#[test]
fn what_people_noted_stays() {
    for capture in captures() {
        let out = tempfile::tempdir().unwrap();
        let database = out.path().join("flowhawk.db");
        run::replay(&[&capture.path], out.path(), &["-q"]).exits(0);
        let noted = |sql: &str| -> u32 {
            let connection = Connection::open(&database).unwrap();
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        Connection::open(&database)
            .unwrap()
            .execute("UPDATE detections SET status = 'closed'", [])
            .unwrap();
        run::replay(&[&capture.path], out.path(), &["-q"]).exits(0);
        let changed = noted("SELECT count(*) FROM detections WHERE status <> 'closed'");
        assert_eq!(changed, 0, "{}", capture.name);
    }
}

#[test]
fn a_killed_run_leaves_a_sound_database() {
    let dir = tempfile::tempdir().unwrap();
    let scan = dir.path().join("scan.pcap");
    let bytes = frames::scan().write_usual();
    fs::write(&scan, &bytes).unwrap();
    let database = dir.path().join("flowhawk.db");
    // Its input has no end: it is still at it when it is killed.
    let mut killed = run::flowhawk(run::replay_args(&[Path::new("-")], dir.path(), &["-q"]))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = killed.stdin.take().unwrap();
    stdin.write_all(&bytes).unwrap();
    stdin.write_all(&bytes[..30]).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    run::replay(&[&scan], dir.path(), &["-q"]).exits(0);
    let sound: String = Connection::open(&database)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    let want = Left::by(&[&scan], &[]).content;
    assert_same_content(&want, &content(&database), "after a run that was killed");
}

#[test]
fn captures_add_up_in_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let together = dir.path().join("together.db");
    let mut sum: Content = BTreeMap::new();
    for capture in inputs(dir.path()) {
        let alone = dir.path().join(format!("{}.db", capture.name));
        for database in [&alone, &together] {
            let out = tempfile::tempdir().unwrap();
            let options = ["-q", "--db", database.to_str().unwrap()];
            run::replay(&[&capture.path], out.path(), &options).exits(0);
        }
        for (name, table) in content(&alone) {
            sum.entry(name).or_default().extend(table);
        }
    }
    assert_same_content(&sum, &content(&together), "all captures in one database");
}

const FORMATS: [Format; 6] = [
    Format::Pcap(Unit::Micros, Order::Little),
    Format::Pcap(Unit::Micros, Order::Big),
    Format::Pcap(Unit::Nanos, Order::Little),
    Format::Pcap(Unit::Nanos, Order::Big),
    Format::PcapNg(Order::Little),
    Format::PcapNg(Order::Big),
];

#[test]
fn formats_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (recorded, capture) in readable(&inputs(dir.path())) {
        let name = &recorded.name;
        let usual = capture.write_usual();
        let want = left_by_bytes(dir.path(), &usual).whatever_the_inputs();
        for format in FORMATS {
            let got = left_by_bytes(dir.path(), &capture.write(format)).whatever_the_inputs();
            assert_same(&want, &got, &format!("{name} as {format:?}"));
        }
        let zst = zstd::encode_all(usual.as_slice(), 1).unwrap();
        for (packing, bytes) in [(".gz", gzipped(&usual)), (".zst", zst)] {
            let got = left_by_bytes(dir.path(), &bytes).whatever_the_inputs();
            assert_same(&want, &got, &format!("{name} as {packing}"));
            let got = Left::by_stdin(&bytes).whatever_the_inputs();
            assert_same(&want, &got, &format!("{name} as {packing} on stdin"));
        }
        let got = Left::by_stdin(&usual).whatever_the_inputs();
        assert_same(&want, &got, &format!("{name} on stdin"));
    }
}

#[test]
fn a_capture_split_in_two_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (recorded, capture) in readable(&inputs(dir.path())) {
        let want = left_by_bytes(dir.path(), &capture.write_usual()).whatever_the_inputs();
        let parts = capture.split_at(capture.packets.len() / 2);
        let files = ["first.pcap", "second.pcap"].map(|name| dir.path().join(name));
        for (file, part) in files.iter().zip(parts) {
            fs::write(file, part.write_usual()).unwrap();
        }
        let got = Left::by(&[&files[0], &files[1]], &[]).whatever_the_inputs();
        assert_same(&want, &got, &format!("{} in two", recorded.name));
    }
}

/// Those of one link type, read; large ones would say the same for longer.
fn readable(inputs: &[Recorded]) -> Vec<(&Recorded, Capture)> {
    const MOST: usize = 10_000;
    let read = inputs.iter().filter_map(|input| {
        let capture = Capture::read(&input.path)?;
        (capture.packets.len() <= MOST).then_some((input, capture))
    });
    read.collect()
}

fn left_by_bytes(dir: &Path, bytes: &[u8]) -> Left {
    let file: PathBuf = dir.join("input");
    fs::write(&file, bytes).unwrap();
    Left::by(&[&file], &[])
}
