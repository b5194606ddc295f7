//! A run that ends and goes on from what it knew finds what one run finds.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use detectors::{Detectors, Finding, builtin_rules};
use flow_table::{Conversations, End, FlowEvent, ProtocolRow};
use rusqlite::Connection;

use support::flows::Flows;
use support::pcap::Capture;
use support::rows::rows;
use support::run::{self, Ran};
use support::{Recorded, captures};

/// A detection, but for its id: rule, source, destination, port.
type Made = (String, String, String, Option<u16>);

/// The detections in a database, with their ids.
fn detections(db: &Path) -> Vec<(Made, String)> {
    let connection = Connection::open(db).unwrap();
    let mut query = connection
        .prepare(
            "SELECT rule_id, coalesce(src_ip, '-'), coalesce(dst_ip, '-'), dst_port, detection_id \
             FROM detections ORDER BY 1, 2, 3, 4, 5",
        )
        .unwrap();
    let rows = query.query_map([], |row| {
        let made = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((made, row.get(4)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// A directory with the outputs of runs that go on from each other.
struct Runs(tempfile::TempDir);

impl Runs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn replay(&self, capture: &Capture, options: &[&str]) -> Ran {
        let dir = self.0.path();
        let file = dir.join("part.pcap");
        fs::write(&file, capture.write_usual()).unwrap();
        let options = [&["-q"], options].concat();
        run::replay(&[&file], dir, &options)
    }

    fn replay_kept(&self, capture: &Capture) -> Ran {
        self.replay_kept_with(capture, "1")
    }

    fn replay_kept_with(&self, capture: &Capture, threads: &str) -> Ran {
        let state = self.state();
        let keep = ["--baseline", state.to_str().unwrap(), "--threads", threads];
        self.replay(capture, &keep)
    }

    /// Rows of a log; none if it is not there.
    fn rows(&self, log: &str) -> Vec<String> {
        let log = self.0.path().join(log);
        if log.exists() { rows(&log) } else { Vec::new() }
    }

    fn state(&self) -> std::path::PathBuf {
        self.0.path().join("state")
    }

    fn detections(&self) -> Vec<(Made, String)> {
        detections(&self.0.path().join("flowhawk.db"))
    }
}

/// What one run finds, and its rows of conn.log.
fn whole(capture: &Capture) -> (Vec<(Made, String)>, Vec<Conn>) {
    let runs = Runs::new();
    runs.replay(capture, &[]).exits(0);
    let conns = runs.rows("conn.log");
    (
        runs.detections(),
        conns.iter().map(|row| Conn::of(row)).collect(),
    )
}

fn in_two(capture: &Capture, at: usize) -> Vec<(Made, String)> {
    let runs = Runs::new();
    // What is kept is of use to any number of threads.
    for (part, threads) in capture.split_at(at).iter().zip(["1", "3"]) {
        runs.replay_kept_with(part, threads).exits(0);
    }
    runs.detections()
}

/// When a row of conn.log begins and ends.
struct Conn {
    start: f64,
    end: f64,
}

impl Conn {
    fn of(row: &str) -> Self {
        let cells: Vec<&str> = row.split('\t').collect();
        let start: f64 = cells[0].parse().unwrap();
        Self {
            start,
            end: start + cells[8].parse().unwrap_or(0.0),
        }
    }

    fn spans(&self, time: f64) -> bool {
        self.start < time && time <= self.end
    }
}

fn has_detections(capture: &Recorded) -> bool {
    let expected = fs::read_to_string(capture.expectations()).unwrap();
    expected
        .lines()
        .any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What is wrong with a run that was cut.
fn differs(
    got: &[(Made, String)],
    (want, conns): &(Vec<(Made, String)>, Vec<Conn>),
    cut: f64,
) -> Option<String> {
    if got == want {
        return None;
    }
    if !conns.iter().any(|conn| conn.spans(cut)) {
        return Some(format!("no flow was cut, yet {got:?}, not {want:?}"));
    }
    let [made, wanted] = [got, want].map(|all| all.iter().map(|(made, _)| made));
    (!made.eq(wanted)).then(|| format!("{got:?}, not {want:?}"))
}

/// Every capture of an attack, cut at every tenth of its packets, and every other in the middle: what one
/// run finds is found, and nothing else, whatever was under way at the cut.
///
/// Ids are those of one run unless a flow was cut: what it moves is told at other times then, and the
/// moment when a limit is crossed names the signal.
#[test]
fn a_run_in_two_parts_detects_what_one_run_detects() {
    let (attacks, others): (Vec<Recorded>, Vec<Recorded>) =
        captures().into_iter().partition(has_detections);
    assert!(attacks.len() > 8, "{}", attacks.len());
    let tenths = |captures: Vec<Recorded>, tenths: &'static [usize]| {
        let read =
            move |capture: Recorded| Some((capture.name, Capture::read(&capture.path)?, tenths));
        captures.into_iter().filter_map(read)
    };
    let jobs: Vec<_> = tenths(attacks, &[1, 2, 3, 4, 5, 6, 7, 8, 9])
        .chain(tenths(others, &[5]))
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((name, capture, tenths)) = jobs.get(next.fetch_add(1, Relaxed)) {
            let whole = whole(capture);
            for tenth in *tenths {
                let at = capture.packets.len() * tenth / 10;
                let cut = capture.packets[at].micros as f64 / 1e6;
                if let Some(what) = differs(&in_two(capture, at), &whole, cut) {
                    let mut wrong = wrong.lock().unwrap();
                    wrong.push(format!("{name} at {tenth}0 %: {what}"));
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Between a request and its answer: logs have the request, and then all of it, under one uid.
#[test]
fn rows_of_a_conversation_that_was_cut_belong_together() {
    let capture = captures()
        .into_iter()
        .find(|capture| capture.name == "malware-delivery");
    let capture = Capture::read(&capture.unwrap().path).unwrap();
    let whole = Runs::new();
    whole.replay(&capture, &[]).exits(0);
    let mut cut_flows = 0;
    for at in (1..capture.packets.len()).step_by(capture.packets.len() / 20) {
        let runs = Runs::new();
        let [first, second] = capture.split_at(at);
        runs.replay_kept_with(&first, "2").exits(0);
        let (conns, mut requests) = (runs.rows("conn.log"), runs.rows("http.log"));
        runs.replay_kept_with(&second, "1").exits(0);
        let last = runs.rows("http.log");
        // A row that was unfinished is told again: of the same flow, and of the same moment.
        let name = |row: &String| row.split('\t').take(2).collect::<Vec<_>>().join(" ");
        let told_again: Vec<String> = last.iter().map(name).collect();
        requests.retain(|row| !told_again.contains(&name(row)));
        requests.extend(last);
        requests.sort_unstable();
        let mut want = whole.rows("http.log");
        want.sort_unstable();
        assert_eq!(requests, want, "cut after {at}");

        let bytes = |conns: &[String]| -> BTreeMap<String, u64> {
            let mut sums = BTreeMap::new();
            for row in conns {
                let cells: Vec<&str> = row.split('\t').collect();
                let bytes = [17, 19].map(|at| cells[at].parse::<u64>().unwrap());
                *sums.entry(cells[1].to_owned()).or_default() += bytes.iter().sum::<u64>();
            }
            sums
        };
        let all = [conns.clone(), runs.rows("conn.log")].concat();
        let (got, want) = (bytes(&all), bytes(&whole.rows("conn.log")));
        let same = got.iter().filter(|(uid, sum)| want.get(*uid) == Some(*sum));
        cut_flows += all.len() - got.len();
        assert!(same.count() >= want.len() - 1, "{got:?}, not {want:?}");
    }
    assert!(cut_flows > 5, "{cut_flows} flows were cut");
}

/// What a capture tells the detectors, in order.
enum Told {
    Event(Box<FlowEvent>),
    Row(Box<ProtocolRow>),
}

fn told(capture: &Capture) -> Vec<Told> {
    let mut flows = Flows::new(capture.link, &mut Conversations::default());
    flows.take(&capture.packets);
    let out = flows.end(End::Closes);
    let events = out
        .events
        .into_iter()
        .map(|event| Told::Event(Box::new(event)));
    let rows = out
        .protocols
        .into_iter()
        .map(|row| Told::Row(Box::new(row)));
    let mut told: Vec<Told> = events.chain(rows).collect();
    told.sort_by_key(|told| match told {
        Told::Event(event) => (event.time, event.uid, 1, event.seq),
        Told::Row(row) => (row.time, row.uid, 0, row.seq),
    });
    told
}

fn put(detectors: &mut Detectors, told: &[Told]) {
    for told in told {
        match told {
            Told::Event(event) => detectors.put(event),
            Told::Row(row) => detectors.put_row(row),
        }
    }
}

/// The detectors alone, over what every capture tells them: cut anywhere, they find the same to the
/// last digit.
#[test]
fn detectors_that_are_restored_find_what_they_would_have_found() {
    let config = detectors::Config::default();
    for recorded in captures() {
        let Some(capture) = Capture::read(&recorded.path) else {
            continue;
        };
        let told = told(&capture);
        let mut detectors = Detectors::new(&config, builtin_rules());
        put(&mut detectors, &told);
        detectors.finish();
        let want: Vec<Finding> = detectors.drain().collect();
        let (mut got, mut detectors) = (Vec::new(), Detectors::new(&config, builtin_rules()));
        for part in told.chunks((told.len() / 5).max(1)) {
            put(&mut detectors, part);
            got.extend(detectors.drain());
            let state = detectors.snapshot();
            detectors = Detectors::restore(&config, builtin_rules(), &state).unwrap();
            assert!(detectors.snapshot() == state, "{}", recorded.name);
        }
        detectors.finish();
        got.extend(detectors.drain());
        assert!(got == want, "{}", recorded.name);
    }
}

/// What a run says of a file that it cannot go on from, and of input that it knows already.
#[test]
fn what_cannot_be_gone_on_from_is_said() {
    let capture = captures()
        .into_iter()
        .find(|capture| capture.name == "horizontal-scan");
    let capture = Capture::read(&capture.unwrap().path).unwrap();
    let runs = Runs::new();
    runs.replay_kept(&capture).exits(0);
    let state = fs::read(runs.state()).unwrap();
    let before = runs.detections();
    let again = runs.replay_kept(&capture).exits(1);
    assert!(
        again
            .stderr
            .contains("the baseline knows what happened up to"),
        "{again:?}"
    );
    assert_eq!(runs.detections(), before, "nothing is found twice");
    let mut damaged = state.clone();
    damaged[50] ^= 1;
    let cases: [(&str, &[u8], &str); 3] = [
        (
            "damaged",
            &damaged,
            " is damaged; name another file, or remove it to begin anew",
        ),
        ("cut", &state[..state.len() / 2], " is damaged; "),
        ("something else", b"# a text", " is no saved state; "),
    ];
    for (name, bytes, want) in cases {
        fs::write(runs.state(), bytes).unwrap();
        let ran = runs.replay_kept(&capture).exits(2);
        assert!(ran.stderr.contains(want), "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{name}: {}", ran.stderr);
        assert_eq!(
            fs::read(runs.state()).unwrap(),
            bytes,
            "{name}: it is left alone"
        );
    }
}

/// Rows of conn.log of an earlier and a later time.
#[test]
fn logs_in_two_parts_tell_what_they_tell_together() {
    let capture = captures()
        .into_iter()
        .find(|capture| capture.name == "horizontal-scan");
    let capture = Capture::read(&capture.unwrap().path).unwrap();
    let runs = Runs::new();
    runs.replay(&capture, &["--no-db"]).exits(0);
    let dir = runs.0.path();
    let log = fs::read_to_string(dir.join("conn.log")).unwrap();
    let (header, mut rows): (Vec<&str>, Vec<&str>) =
        log.lines().partition(|line| line.starts_with('#'));
    rows.sort_unstable();
    let middle = rows.len() / 2;
    let detections = |db: &str, parts: &[&[&str]], options: &[&str]| {
        let db = dir.join(db);
        for part in parts {
            let log = dir.join("part.log");
            let begin = header.len() - 1;
            let lines = [&header[..begin], part, &header[begin..]].concat();
            fs::write(&log, lines.join("\n") + "\n").unwrap();
            let mut args = vec!["detect", "-q", "--db", db.to_str().unwrap()];
            args.extend_from_slice(options);
            args.push(log.to_str().unwrap());
            run::ran(args).exits(0);
        }
        detections(&db)
    };
    let whole = detections("whole.db", &[&rows], &[]);
    assert_eq!(whole.len(), 1);
    let state = runs.state();
    let keep = ["--baseline", state.to_str().unwrap()];
    let (first, second) = rows.split_at(middle);
    assert_eq!(detections("parts.db", &[first, second], &keep), whole);

    // The same file, as `live` would find it.
    let config = dir.join("flowhawk.toml");
    fs::write(&config, "state_file = \"state\"\n").unwrap();
    let check = || run::ran(["check", "--config", config.to_str().unwrap()]);
    let told = check().exits(0).stdout;
    assert!(told.contains("state: known up to 17"), "{told}");
    fs::write(&state, "text").unwrap();
    let told = check().exits(2).stderr;
    assert!(told.contains("state is no saved state"), "{told}");
    fs::remove_file(&state).unwrap();
    let told = check().exits(0).stdout;
    assert!(told.contains("state: is not there yet"), "{told}");
}
