//! A run that ends and goes on from what it knew finds what one run finds.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use detectors::{Detectors, Finding, builtin_rules};
use flow_table::protocol::files::Hashes;
use flow_table::protocol::http::Measure;
use flow_table::{
    Block, Checksums, Clock, Decoder, FlowConfig, FlowEvent, Frame, InspectionConfig, LinkType,
    ProtocolRow, Shard, ShardId, Span, TableOutput, Timestamp,
};
use rusqlite::Connection;

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
        let options = [&["-q", "--threads", "1"], options].concat();
        run::replay(&[&file], dir, &options)
    }

    fn replay_kept(&self, capture: &Capture) -> Ran {
        self.replay(capture, &["--baseline", self.state().to_str().unwrap()])
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
    let conns = rows(&runs.0.path().join("conn.log"));
    (
        runs.detections(),
        conns.iter().map(|row| Conn::of(row)).collect(),
    )
}

fn in_two(capture: &Capture, at: usize) -> Vec<(Made, String)> {
    let runs = Runs::new();
    for part in capture.split_at(at) {
        runs.replay_kept(&part).exits(0);
    }
    runs.detections()
}

/// What matters here of a row of conn.log.
struct Conn {
    hosts: [String; 2],
    /// Whether somebody read what it carried.
    read: bool,
    start: f64,
    end: f64,
}

impl Conn {
    fn of(row: &str) -> Self {
        let cells: Vec<&str> = row.split('\t').collect();
        let start: f64 = cells[0].parse().unwrap();
        Self {
            hosts: [cells[2], cells[4]].map(str::to_owned),
            read: cells[7] != "-",
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

/// What is wrong with a run that was cut, and how many detections it lacks for a good reason: they
/// rest on what a flow carried that was cut, so that nobody could read it as a whole.
fn differs(
    got: &[(Made, String)],
    (want, conns): &(Vec<(Made, String)>, Vec<Conn>),
    cut: f64,
) -> Result<usize, String> {
    let under_way: Vec<&Conn> = conns.iter().filter(|conn| conn.spans(cut)).collect();
    if under_way.is_empty() && got != want {
        return Err(format!("no flow was cut, yet {got:?}, not {want:?}"));
    }
    let mut more: Vec<&Made> = got.iter().map(|(made, _)| made).collect();
    let mut lacking = 0;
    for (made, _) in want {
        if let Some(at) = more.iter().position(|other| *other == made) {
            more.remove(at);
            continue;
        }
        let (_, src, dst, _) = made;
        let about =
            |conn: &&&Conn| conn.read && conn.hosts.iter().any(|host| host == src || host == dst);
        if under_way.iter().find(about).is_none() {
            return Err(format!("lacks {made:?}"));
        }
        lacking += 1;
    }
    if more.is_empty() {
        Ok(lacking)
    } else {
        Err(format!("has {more:?} besides {want:?}"))
    }
}

/// Every capture of an attack, cut at every tenth of its packets, and every other in the middle: nothing is found twice, and nothing
/// that one run does not find; what is lacking rests on a flow that was cut.
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
    let (next, cuts, lacking) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some((name, capture, tenths)) = jobs.get(next.fetch_add(1, Relaxed)) {
            let whole = whole(capture);
            for tenth in *tenths {
                let at = capture.packets.len() * tenth / 10;
                let cut = capture.packets[at].micros as f64 / 1e6;
                cuts.fetch_add(1, Relaxed);
                match differs(&in_two(capture, at), &whole, cut) {
                    Ok(lacks) => {
                        lacking.fetch_add(lacks, Relaxed);
                    }
                    Err(what) => {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{name} at {tenth}0 %: {what}"));
                    }
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
    let (lacking, cuts) = (lacking.into_inner(), cuts.into_inner());
    assert!(
        lacking * 20 < cuts,
        "{lacking} detections lack in {cuts} runs"
    );
}

/// What a capture tells the detectors, in order.
enum Told {
    Event(Box<FlowEvent>),
    Row(Box<ProtocolRow>),
}

fn told(capture: &Capture) -> Vec<Told> {
    let decoder = Decoder::new(1, Checksums::Ignore);
    let config = FlowConfig {
        seed: 1,
        progress_interval: Span::from_secs(10),
        open_every: None,
        memory: 1 << 28,
        inspection: InspectionConfig {
            memory: 1 << 26,
            measure: Measure::Decompressed,
            hashes: Hashes::NONE,
        },
    };
    let mut shard = Shard::new(ShardId { index: 0, of: 1 }, &config);
    let (mut out, mut now) = (TableOutput::default(), Timestamp::ZERO);
    for packet in &capture.packets {
        let ts = Timestamp::from_nanos(i64::try_from(packet.micros).unwrap() * 1_000);
        now = now.max(ts);
        let frame = Frame {
            ts,
            bytes: &packet.bytes,
            wire_len: packet.wire_len,
            link: LinkType::of(capture.link).unwrap(),
            index: 0,
            at: 0,
        };
        let mut packets = Vec::new();
        if decoder.decode(frame, &mut packets).is_ok() {
            let times = [now];
            let block = Block {
                bytes: &packet.bytes,
                ..Block::new(Clock::new(&times))
            };
            shard.take(&packets, &block, &mut out);
        }
    }
    shard.finish(now, &mut out);
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
