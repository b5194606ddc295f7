//! `flowhawk live` hears what `flowhawk replay` reads: captures are sent over wires between network
//! namespaces. Needs root, iproute2 and tcpreplay; says so and passes where they are missing.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use rusqlite::Connection;

use support::frames::{self, Path as Way, SYN, tcp};
use support::net::{Listening, Wires, can_be_wired, capture, copy_for_nobody, now, wait_until};
use support::pcap::Capture;
use support::rows::rows;
use support::run::{self, Ran, binary};
use support::summary::Summary;
use support::{cpus_allowed, listed};

/// Captures that are sent as they were recorded: what is found in them depends on when things
/// happened, so none is hurried.
const AS_RECORDED: [&str; 8] = [
    "dns-tunnel",
    "horizontal-scan",
    "ipv6-mixed",
    "lateral-movement",
    "nanosecond",
    "near-miss-port-scan",
    "qinq",
    "vlan",
];

/// What may lie between a duration and the same one heard by another.
const TOLERANCE: f64 = 0.05;

/// A row of conn.log without what is another one every time.
#[derive(PartialEq, PartialOrd, Debug)]
struct Row {
    cells: Vec<String>,
    duration: f64,
}

impl Row {
    fn of(row: &str) -> Self {
        let cells = row.split('\t').enumerate();
        // Not ts, uid and duration.
        let kept = cells.filter(|(n, _)| ![0, 1, 8].contains(n));
        Self {
            cells: kept.map(|(_, cell)| cell.to_owned()).collect(),
            duration: row.split('\t').nth(8).unwrap().parse().unwrap_or(-1.0),
        }
    }
}

/// What a run found, without the time of day.
#[derive(PartialEq, Debug)]
struct Found {
    flows: Vec<Row>,
    /// How often each signal and detection was there, by what it is and whom it is about.
    findings: BTreeMap<String, usize>,
}

impl Found {
    fn by(out: &Path) -> Self {
        let mut flows: Vec<Row> = rows(&out.join("conn.log"))
            .iter()
            .map(|row| Row::of(row))
            .collect();
        flows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let database = Connection::open(out.join("flowhawk.db")).unwrap();
        let mut findings = BTreeMap::new();
        for query in [
            "SELECT concat_ws(' ', signal_type, src_ip, dst_ip, dst_port, threshold) FROM signals",
            "SELECT concat_ws(' ', rule_id, severity, src_ip, dst_ip, dst_port) FROM detections",
        ] {
            let mut query = database.prepare(query).unwrap();
            let found = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
            for what in found {
                *findings.entry(what.unwrap()).or_default() += 1;
            }
        }
        Self { flows, findings }
    }

    /// But for durations: those are what the sender made of them.
    #[track_caller]
    fn assert_is(&self, want: &Self, what: &str) {
        for (got, want) in self.flows.iter().zip(&want.flows) {
            assert_eq!(got.cells, want.cells, "{what}");
        }
        assert_eq!(self.flows.len(), want.flows.len(), "{what}");
        assert_eq!(self.findings, want.findings, "{what}");
    }

    /// `recorded` is of the very same packets.
    #[track_caller]
    fn assert_lasts_as_long_as(&self, recorded: &Self, what: &str) {
        for (got, want) in self.flows.iter().zip(&recorded.flows) {
            let off = (got.duration - want.duration).abs();
            assert!(off < TOLERANCE, "{what}: {got:?} took {}", want.duration);
        }
    }
}

/// What link layers say is logged, too: tags that the kernel takes off packets must be put back.
const WITH_LINKS: &str = "log_vlan = true\nlog_mac = true\n";

/// What replaying a capture finds.
fn replayed(capture: &Path) -> Found {
    let out = tempfile::tempdir().unwrap();
    let config = with_links(out.path());
    run::replay(&[capture], out.path(), &["-q", "--config", &config]).exits(0);
    Found::by(out.path())
}

fn with_links(dir: &Path) -> String {
    let config = dir.join("links.toml");
    fs::write(&config, WITH_LINKS).unwrap();
    config.to_str().unwrap().to_owned()
}

/// The summary of a run that lost nothing.
#[track_caller]
fn complete(ran: &Ran, sent: u64) -> Summary {
    let summary = Summary::of(&ran.stderr).unwrap();
    assert_eq!((ran.code, summary.packets), (Some(0), sent), "{ran:#?}");
    assert!(summary.adds_up(), "{ran:#?}");
    summary
}

/// A number that the summary has for the wire.
fn counted(ran: &Ran, name: &str) -> u64 {
    let line = ran
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    line.map_or(0, |count| count.replace(' ', "").parse().unwrap())
}

#[test]
fn what_is_heard_is_what_is_read() {
    if !can_be_wired() {
        return;
    }
    thread::scope(|scope| {
        for name in AS_RECORDED {
            scope.spawn(move || heard_as_read(name));
        }
    });
}

/// With one thread and with two, and with two that capture, at the same time, while tcpdump records what is
/// sent.
fn heard_as_read(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let record = dir.path().join("recorded.pcap");
    let recorder = wires.record(&record);
    let config = with_links(dir.path());
    let ears = [("1", "1"), ("2", "1"), ("1", "2"), ("2", "2")].map(|(threads, rings)| {
        let out = dir.path().join(format!("{threads}-{rings}"));
        let many = ["--threads", threads, "--capture-threads", rings];
        let ear = wires.listen(&out, &[&many[..], &["--config", &config]].concat());
        (
            format!("{name}, {threads} threads, {rings} that capture"),
            ear,
        )
    });
    let sent = wires.send(&capture(name), &[]);
    recorder.finish();
    let (want, recorded) = (replayed(&capture(name)), replayed(&record));
    for (what, ear) in ears {
        let out = ear.out.clone();
        complete(&ear.stop(), sent);
        let found = Found::by(&out);
        found.assert_is(&want, &what);
        found.assert_is(&recorded, &what);
        found.assert_lasts_as_long_as(&recorded, &what);
    }
}

/// A tap hands out each direction on a port of its own.
#[test]
fn directions_on_two_interfaces_meet() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(2);
    let capture = capture("near-miss-port-scan");
    let client = "10.1.0.67";
    let config = with_links(dir.path());
    let ears = ["1", "2"].map(|threads| {
        let options = ["-i", "b1", "--threads", threads, "--config", &config];
        wires.listen(&dir.path().join(threads), &options)
    });
    let sent = wires.send_split(&capture, client, dir.path());
    let want = replayed(&capture);
    for ear in ears {
        let out = ear.out.clone();
        let ran = ear.finish();
        for interface in ["b0", "b1"] {
            let seen = counted(&ran, &format!("{interface}: seen by the kernel"));
            assert!((1..sent).contains(&seen), "{ran:#?}");
        }
        complete(&ran, sent);
        Found::by(&out).assert_is(&want, "two interfaces");
    }
}

#[test]
fn told_to_stop_it_writes_every_open_flow() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let ear = wires.listen(dir.path(), &["--threads", "2"]);
    thread::scope(|scope| {
        scope.spawn(|| wires.send(&capture("lateral-movement"), &[]));
        thread::sleep(Duration::from_secs(6));
        let before = now();
        let ran = ear.stop();
        assert!(before.elapsed() < Duration::from_secs(5), "{ran:#?}");
        let packets = Summary::of(&ran.stderr).unwrap().packets;
        let summary = complete(&ran, packets);
        assert!(packets > 100, "{summary:?}");
        let log = dir.path().join("conn.log");
        let rows = rows(&log);
        assert_eq!(rows.len() as u64, summary.flows);
        // Each packet that was processed is in a row.
        let count = |row: &String, n| row.split('\t').nth(n).unwrap().parse::<u64>().unwrap();
        let in_rows: u64 = rows.iter().map(|row| count(row, 16) + count(row, 18)).sum();
        assert_eq!(in_rows, summary.processed);
        let ends = fs::read_to_string(&log).unwrap();
        assert!(ends.lines().last().unwrap().starts_with("#close\t"));
    });
}

#[test]
fn what_comes_too_fast_is_counted() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("small.toml");
    fs::write(&config, "memory_limit = \"64MiB\"\n").unwrap();
    let small = [
        "--config",
        config.to_str().unwrap(),
        "--buffer-size",
        "1MiB",
    ];
    let two = [&small[..], &["-i", "b1"]].concat();
    let cases: [(&str, &[&str]); 3] = [("small", &small), ("two", &two), ("usual", &[])];
    for (name, options) in cases {
        let wires = Wires::new(2);
        let ear = wires.listen(&dir.path().join(name), options);
        let sent = wires.send(&capture("syn-flood"), &["--topspeed", "--loop", "40"]);
        let ran = ear.finish();
        let summary = Summary::of(&ran.stderr).unwrap();
        let by_kernel = counted(&ran, "b0: dropped by the kernel");
        let missed = counted(&ran, "b0: dropped by the interface");
        assert_eq!(
            sent,
            summary.packets + by_kernel + missed,
            "{name}: {ran:#?}"
        );
        assert!(summary.adds_up(), "{name}: {ran:#?}");
        let behind = summary.reasons.get("queue_full").copied().unwrap_or(0);
        let lost = behind + by_kernel + missed;
        assert_eq!(ran.code, Some(i32::from(lost > 0)), "{name}: {ran:#?}");
        if name != "usual" {
            assert!(lost > 0, "{ran:#?}");
            assert!(
                ran.stderr.contains("flowhawk: b0: the kernel dropped")
                    || ran
                        .stderr
                        .contains("were left out because the workers were behind"),
                "{ran:#?}"
            );
        }
    }
}

/// The wall clock closes what no packet does.
#[test]
fn time_goes_on_when_nothing_is_heard() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unanswered = dir.path().join("syn.pcap");
    let packets = [tcp(Way::between(40_000, 80), SYN, (1, 0), b"")];
    fs::write(&unanswered, frames::capture(packets).write_usual()).unwrap();
    let wires = Wires::new(1);
    let ear = wires.listen(dir.path(), &["--threads", "2"]);
    wires.send(&unanswered, &[]);
    let log = dir.path().join("conn.log");
    let wait = now();
    while rows(&log).is_empty() {
        assert!(
            wait.elapsed() < Duration::from_secs(10),
            "no row for an attempt that failed"
        );
        thread::sleep(Duration::from_millis(100));
    }
    complete(&ear.stop(), 1);
}

#[test]
fn silence_is_told_once() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let mut ear = wires.listen(dir.path(), &[]);
    ear.hears("b0: no packets in 10 s; is the mirror port up?");
    complete(&ear.stop(), 0);
}

#[test]
fn an_interface_that_comes_back_is_listened_to_again() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let mut ear = wires.listen(dir.path(), &[]);
    let send = || {
        let sent = wires.send(&capture("nanosecond"), &[]);
        thread::sleep(Duration::from_millis(500));
        sent
    };
    let mut sent = send();
    wires.set("b0", "down");
    wires.set("b0", "up");
    sent += send();
    wires.cut(0);
    ear.hears("waiting for it to come back");
    wires.join(0);
    ear.hears("it is back");
    sent += send();
    let ran = ear.stop().exits(1);
    assert!(ran.stderr.contains("b0: not listened to from"), "{ran:#?}");
    let summary = Summary::of(&ran.stderr).unwrap();
    assert_eq!(summary.packets, sent, "{ran:#?}");
    assert!(summary.adds_up(), "{ran:#?}");
}

#[test]
fn hung_up_it_opens_logs_again_and_reads_its_configuration() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (config, out) = (dir.path().join("flowhawk.toml"), dir.path().join("out"));
    let (json, moved) = (
        dir.path().join("found.jsonl"),
        dir.path().join("moved.jsonl"),
    );
    fs::write(&config, "").unwrap();
    let wires = Wires::new(1);
    let options = [
        "--config",
        config.to_str().unwrap(),
        "--json",
        json.to_str().unwrap(),
    ];
    let mut ear = wires.listen(&out, &options);
    let first = wires.send(&capture("nanosecond"), &[]);
    thread::sleep(Duration::from_millis(500));
    fs::write(&config, "tick = \"x\"\n").unwrap();
    ear.signal("-HUP");
    ear.hears("the configuration stays as it was");
    fs::write(&config, SUPPRESSED).unwrap();
    fs::rename(out.join("conn.log"), out.join("conn.log.1")).unwrap();
    fs::rename(&json, &moved).unwrap();
    ear.signal("-HUP");
    ear.hears("1 suppressions in force");
    ear.hears("tick changed: that is in force after a restart");
    let second = wires.send(&capture("near-miss-port-scan"), &[]);
    let summary = complete(&ear.finish(), first + second);

    let (old, new) = (out.join("conn.log.1"), out.join("conn.log"));
    for log in [&old, &new] {
        let text = fs::read_to_string(log).unwrap();
        assert!(text.starts_with("#separator"), "{text}");
        assert!(
            text.lines().last().unwrap().starts_with("#close\t"),
            "{text}"
        );
    }
    assert_eq!((rows(&old).len() + rows(&new).len()) as u64, summary.flows);
    assert_eq!(fs::read_to_string(&moved).unwrap(), "");
    let found = fs::read_to_string(&json).unwrap();
    assert!(!found.is_empty());
    for line in found.lines() {
        assert!(line.contains("\"suppressed_by\":\"a test\""), "{line}");
    }
}

const SUPPRESSED: &str = "\
tick = \"200ms\"
[[detectors.suppressions]]
src = \"10.1.0.67/32\"
reason = \"a test\"
";

/// Ports are tried when so few are not too many yet, and more of them when they are, all together.
#[test]
fn hung_up_it_looks_within_other_limits_and_forgets_nothing() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (config, json) = (at("flowhawk.toml"), at("found.jsonl"));
    fs::write(&config, "").unwrap();
    let tries = |ports: std::ops::Range<u16>| {
        let file = at(&ports.start.to_string());
        let tries = ports.map(|port| tcp(Way::between(40_000, port), SYN, (1, 0), b""));
        fs::write(&file, frames::capture(tries).write_usual()).unwrap();
        file
    };
    let wires = Wires::new(1);
    let options = [
        "--config",
        config.to_str().unwrap(),
        "--json",
        json.to_str().unwrap(),
    ];
    let mut ear = wires.listen(&at("out"), &options);
    wires.send(&tries(1..9), &[]);
    thread::sleep(Duration::from_secs(3));
    fs::write(&config, "[detectors.port_scan]\nlimit = 12\n").unwrap();
    ear.signal("-HUP");
    ear.hears("in force, other limits");
    wires.send(&tries(9..17), &[]);
    complete(&ear.finish(), 16);
    let found = fs::read_to_string(&json).unwrap();
    let mut scans = found.lines().filter(|line| line.contains("PORT_SCAN"));
    let opened = scans.next().unwrap_or_else(|| panic!("no scan: {found}"));
    assert!(
        opened.contains("\"value\":13.0") && opened.contains("\"threshold\":12.0"),
        "{opened}"
    );
}

#[test]
fn a_log_that_cannot_be_written_is_told_at_once_and_can_be_opened_again() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("conn.log");
    std::os::unix::fs::symlink("/dev/full", &log).unwrap();
    let wires = Wires::new(1);
    let mut ear = wires.listen(dir.path(), &[]);
    wires.send(&capture("near-miss-port-scan"), &[]);
    ear.hears("conn.log: cannot write on: No space left on device");
    fs::remove_file(&log).unwrap();
    ear.signal("-HUP");
    ear.hears("opened logs again");
    wires.send(&capture("vlan"), &[]);
    let ran = ear.finish().exits(1);
    assert!(ran.stderr.contains("rows were lost"), "{ran:#?}");
    let text = fs::read_to_string(&log).unwrap();
    assert!(!rows(&log).is_empty(), "{text}");
    assert!(
        text.lines().last().unwrap().starts_with("#close\t"),
        "{text}"
    );
}

#[test]
fn logs_of_times_that_are_over_are_put_away() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    fs::write(dir.path().join("conn.log"), "left by an earlier run\n").unwrap();
    let ear = wires.listen(dir.path(), &["--rotate", "1s"]);
    // Its flows end at once, or with the run.
    let sent: u64 = (0..3)
        .map(|_| {
            let sent = wires.send(&capture("near-miss-port-scan"), &["--multiplier", "4"]);
            thread::sleep(Duration::from_millis(1_100));
            sent
        })
        .sum();
    let summary = complete(&ear.finish(), sent);
    let logs = archived(dir.path());
    let of_conn = logs.iter().filter(|(name, _)| name.starts_with("conn."));
    let mut rows = 0;
    for (name, text) in of_conn {
        let (name, end) = name.split_at("conn.00:00:00-00:00:00".len());
        assert!(end.ends_with(".log.gz"), "{name}{end}");
        if text.starts_with("#separator") {
            assert!(
                text.lines().last().unwrap().starts_with("#close\t"),
                "{text}"
            );
            rows += text.lines().filter(|line| !line.starts_with('#')).count();
        } else {
            assert_eq!(text, "left by an earlier run\n");
        }
    }
    assert_eq!(rows as u64, summary.flows);
    assert!(logs.iter().any(|(_, text)| text.starts_with("left by")));
    assert!(logs.len() > 4, "{logs:#?}");
    let left = support::logs(dir.path());
    assert!(left.is_empty(), "{:?}", left.keys());
}

/// The logs in directories of days, decompressed.
fn archived(dir: &Path) -> Vec<(String, String)> {
    let entries = |dir: &Path| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let days = entries(dir).filter(|path| path.is_dir());
    let logs = days.flat_map(|day| entries(&day).collect::<Vec<_>>());
    logs.map(|log| {
        let mut text = String::new();
        let packed = fs::File::open(&log).unwrap();
        GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        (log.file_name().unwrap().to_str().unwrap().to_owned(), text)
    })
    .collect()
}

/// The first of them captures, the next ones work; who does anything else may be anywhere.
#[test]
fn threads_stay_on_the_cpus_they_are_given() {
    let allowed = cpus_allowed("/proc/self");
    let cpus: Vec<String> = listed(&allowed)
        .take(2)
        .map(|cpu| cpu.to_string())
        .collect();
    let [one, other] = &cpus[..] else {
        eprintln!("skipped: there is one CPU only");
        return;
    };
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cpus.toml");
    fs::write(&config, format!("[live]\ncpus = \"{other},{one}\"\n")).unwrap();
    let config = config.to_str().unwrap();
    let (both, turned) = (format!("{one},{other}"), format!("{other},{one}"));
    let cases: [(&[&str], Names<'_>); 5] = [
        (
            &["--cpus", &both],
            &[("b0/0", one), ("shard-0", other), ("shard-1", one)],
        ),
        (
            &["--config", config],
            &[("b0/0", other), ("shard-0", one), ("shard-1", other)],
        ),
        // Whoever works alone began all others.
        (
            &["--cpus", &turned, "--threads", "1"],
            &[("b0/0", other), ("flowhawk", one)],
        ),
        (
            &["--config", config, "--cpus", one, "--capture-threads", "2"],
            &[("b0/0", one), ("b0/1", one), ("flowhawk", one)],
        ),
        (&[], &[]),
    ];
    let wires = Wires::new(1);
    for (options, want) in cases {
        let ear = wires.listen(&dir.path().join("out"), options);
        let process = format!("/proc/{}", ear.pid());
        let pinned = || -> Vec<(String, String)> {
            let mut pinned = threads(&process);
            pinned.retain(|(_, cpus)| *cpus != allowed);
            pinned.sort();
            pinned
        };
        let mut want: Vec<_> = want
            .iter()
            .map(|(name, cpu)| (name.to_string(), cpu.to_string()))
            .collect();
        want.sort();
        wait_until(&format!("{options:?}: {want:?}"), || pinned() == want);
        assert!(threads(&process).iter().any(|(name, _)| name == "stage"));
        let sent = wires.send(&capture("nanosecond"), &[]);
        complete(&ear.finish(), sent);
    }
}

/// Names of threads, and the CPU that each stays on.
type Names<'a> = &'a [(&'a str, &'a str)];

/// The name of each thread of a process, and the CPUs it may run on.
fn threads(process: &str) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("{process}/task")).unwrap();
    let paths = tasks.map(|task| task.unwrap().path().display().to_string());
    let of = |path: String| {
        let name = fs::read_to_string(format!("{path}/comm")).unwrap();
        (name.trim().to_owned(), cpus_allowed(&path))
    };
    paths.map(of).collect()
}

#[test]
fn systemd_is_told_that_it_runs() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let wires = Wires::new(1);
    let mut command = wires.at_the_end(&binary());
    command
        .args(["live", "-i", "b0", "-o"])
        .arg(dir.path().join("out"));
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1000000");
    let ear = Listening::begin(command, dir.path());
    let told = || {
        let mut text = [0; 100];
        let len = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..len].to_vec())
            .unwrap()
            .trim()
            .to_owned()
    };
    // Also when nothing is heard.
    assert_eq!(
        [told(), told(), told()],
        ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    );
    complete(&ear.stop(), 0);
    let last = std::iter::repeat_with(told).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn a_capability_is_enough() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = copy_for_nobody(dir.path(), Some("cap_net_raw=ep"));
    let wires = Wires::new(1);
    let out = dir.path().join("out");
    let mut command = wires.as_nobody(&program, &out);
    command.args(["--config", &with_links(dir.path())]);
    let ear = Listening::begin(command, &out);
    let sent = wires.send(&capture("nanosecond"), &[]);
    complete(&ear.finish(), sent);
    Found::by(&out).assert_is(&replayed(&capture("nanosecond")), "as nobody");
}

#[test]
fn without_rights_it_says_what_to_run() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = copy_for_nobody(dir.path(), None);
    let wires = Wires::new(1);
    let out = dir.path().join("out");
    let ran: Ran = wires.as_nobody(&program, &out).output().unwrap().into();
    let ran = ran.exits(2);
    let want = format!(
        "flowhawk: b0: no right to capture: run `sudo setcap cap_net_raw=ep {}` once, or start it as root\n",
        program.display()
    );
    assert_eq!(ran.stderr, want);
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn what_cannot_be_listened_to_is_said_at_once() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(2);
    wires.set("b0", "down");
    let cases: [(&[&str], &str); 4] = [
        (&["-i", "b1", "-i", "b1"], "b1 is named twice"),
        (&["-i", "nowhere"], "nowhere: there is no such interface"),
        (
            &["-i", "b0"],
            "b0: the interface is down: run `ip link set b0 up` first",
        ),
        (
            &["-i", "b1", "--filter", "nonsense"],
            "--filter \"nonsense\" on b1: ",
        ),
    ];
    for (options, want) in cases {
        let mut command = wires.at_the_end(&binary());
        command.args(["live", "-o"]).arg(dir.path().join("out"));
        let ran: Ran = command.args(options).output().unwrap().into();
        assert!(ran.stderr.contains(want), "{want:?}: {ran:#?}");
        ran.exits(2);
    }
}

/// Half of a scan before a restart and half after it, neither of which is one alone; stopped, and
/// killed after a checkpoint.
#[test]
fn what_is_known_outlives_the_run() {
    if !can_be_wired() {
        return;
    }
    let scan = Capture::read(&capture("horizontal-scan")).unwrap();
    let [first, rest] = scan.split_at(90);
    let [second, _] = rest.split_at(90);
    for killed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("flowhawk.toml");
        fs::write(
            &config,
            "state_file = \"state\"\ncheckpoint_interval = \"1s\"\n",
        )
        .unwrap();
        let options = ["--config", config.to_str().unwrap()];
        let out = dir.path().join("out");
        for (part, last) in [(&first, false), (&second, true)] {
            let file = dir.path().join("part.pcap");
            fs::write(&file, part.write_usual()).unwrap();
            let wires = Wires::new(1);
            let ear = wires.listen(&out, &options);
            let sent = wires.send(&file, &[]);
            // Until what was sent last is judged, and known to whoever comes after.
            thread::sleep(Duration::from_secs(3));
            if killed && !last {
                ear.signal("-KILL");
                drop(ear);
            } else {
                complete(&ear.finish(), sent);
            }
            let detections = Connection::open(out.join("flowhawk.db"))
                .unwrap()
                .query_row("SELECT count(*) FROM detections", [], |row| {
                    row.get::<_, i64>(0)
                });
            assert_eq!(detections, Ok(i64::from(last)), "killed: {killed}");
        }
    }
}
