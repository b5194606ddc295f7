//! Bad input: what is said of it, by path, place and both numbers; how the run ends; and that
//! everything before it was processed and written.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rusqlite::Connection;
use tempfile::TempDir;

use support::captures;
use support::frames::{datagrams, scan, udp};
use support::pcap::{self, FILE_HEADER, Order, RECORD_HEADER, gzipped};
use support::rows::rows;
use support::run::{self, Ran};
use support::summary::Summary;

/// Flows in the captures made here, a datagram each.
const FLOWS: u16 = 5;

/// Bytes of each of their records.
fn record_len() -> usize {
    RECORD_HEADER + datagrams(1).packets[0].bytes.len()
}

/// A directory to put inputs and outputs in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn sound(&self) -> PathBuf {
        self.file("sound.pcap", &datagrams(FLOWS).write_usual())
    }

    fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn replay(&self, files: &[&Path], options: &[&str]) -> Ran {
        run::replay(files, &self.out(), options)
    }

    fn flows_written(&self) -> usize {
        rows(&self.out().join("conn.log")).len()
    }
}

/// A bad file: its name, its bytes, the sentence without the path, and the flows before the damage.
type Case = (&'static str, Vec<u8>, String, usize);

#[test]
fn bad_files_are_told_and_what_comes_before_is_kept() {
    let cases = [damaged_pcaps(), damaged_pcapngs(), damaged_archives()].concat();
    let mut wrong = Vec::new();
    for (name, bytes, sentence, flows) in cases {
        let place = Place::new();
        let file = place.file(name, &bytes);
        let ran = place.replay(&[&file], &["-q"]);
        let want = format!("flowhawk: {}: {sentence}\n", file.display());
        let got = (ran.code, ran.stderr, place.flows_written());
        if got != (Some(1), want.clone(), flows) {
            wrong.push(format!("wanted {flows} flows and {want}got {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const BEFORE: &str = "everything before it was processed";
const NO_MAGIC: &str = "not with the magic number of pcap or pcapng (.gz and .zst of them can be \
                        read too)";

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn damaged_pcaps() -> Vec<Case> {
    let sound = datagrams(FLOWS).write_usual();
    let record = record_len();
    let last = sound.len() - record;
    let claiming = |len: u32, rest: usize| {
        let mut bytes = sound.clone();
        bytes[last + 8..last + 12].copy_from_slice(&len.to_le_bytes());
        bytes.resize(last + RECORD_HEADER + rest, 0);
        bytes
    };
    let mut unknown_link = sound.clone();
    unknown_link[20] = 147;
    let five = usize::from(FLOWS);
    vec![
        (
            "empty.pcap",
            Vec::new(),
            "the file is empty: 0 bytes, a capture has at least 24".to_owned(),
            0,
        ),
        (
            "text.pcap",
            b"hello world\n".to_vec(),
            format!("not a capture: it begins with 68 65 6c 6c 6f 20 77 6f, {NO_MAGIC}"),
            0,
        ),
        (
            "three-bytes.pcap",
            sound[..3].to_vec(),
            format!("not a capture: it begins with d4 c3 b2, {NO_MAGIC}"),
            0,
        ),
        (
            "header-cut.pcap",
            sound[..10].to_vec(),
            format!("record 1 at byte 0 claims 24 bytes but 10 remain; {BEFORE}"),
            0,
        ),
        (
            "more-than-is-left.pcap",
            claiming(100, 30),
            format!("record 5 at byte {last} claims 116 bytes but 46 remain; {BEFORE}"),
            five - 1,
        ),
        (
            "four-gigabytes.pcap",
            claiming(u32::MAX, 30),
            format!("record 5 at byte {last} claims 4294967311 bytes but 46 remain; {BEFORE}"),
            five - 1,
        ),
        (
            "no-packet-is-so-large.pcap",
            claiming(2_000_000, 2_000_000),
            format!(
                "record 5 at byte {last} claims 2000016 bytes but a record holds at most 1048576; \
                 {BEFORE}"
            ),
            five - 1,
        ),
        (
            "link-type.pcap",
            unknown_link,
            format!(
                "record 1 at byte {FILE_HEADER}: link type 147 is not supported; its packets were \
                 counted and left out"
            ),
            0,
        ),
    ]
}

/// Five datagrams, then a block of these bytes.
fn pcapng_with(order: Order, block: &[u8]) -> Vec<u8> {
    let mut bytes = datagrams(FLOWS).write(pcap::Format::PcapNg(order));
    bytes.extend_from_slice(block);
    bytes
}

fn damaged_pcapngs() -> Vec<Case> {
    let five = usize::from(FLOWS);
    let end = pcapng_with(Order::Little, &[]).len();
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let broken = |block: &[u32]| pcapng_with(Order::Little, &words(block));
    let sentence = |what: &str| format!("record 6 at byte {end} is broken: {what}; {BEFORE}");
    let big = pcapng_with(Order::Big, &[0, 0, 0, 6, 0, 0, 0, 13, 0, 0, 0, 0]);
    vec![
        (
            "length-of-4.pcapng",
            broken(&[6, 4, 0]),
            sentence("its block claims a length of 4, which cannot be"),
            five,
        ),
        (
            "odd-length.pcapng",
            big,
            sentence("its block claims a length of 13, which cannot be"),
            five,
        ),
        (
            "two-lengths.pcapng",
            broken(&[6, 16, 0, 20]),
            sentence("its block has length 16 at its beginning but 20 at its end"),
            five,
        ),
        (
            "no-such-interface.pcapng",
            broken(&[6, 32, 7, 0, 0, 0, 0, 32]),
            sentence("its packet names interface 7, but 1 were described"),
            five,
        ),
        (
            "no-room.pcapng",
            broken(&[6, 32, 0, 0, 0, 9, 9, 32]),
            sentence("its packet claims 9 bytes but its block has room for 0"),
            five,
        ),
        (
            "byte-order.pcapng",
            broken(&[0x0a0d_0d0a, 28, 0x1234_5678, 1, u32::MAX, u32::MAX, 28]),
            sentence("its section has byte-order magic 0x12345678"),
            five,
        ),
        (
            "cut.pcapng",
            broken(&[6, 64, 0, 0]),
            format!("record 6 at byte {end} claims 64 bytes but 16 remain; {BEFORE}"),
            five,
        ),
        (
            "four-gigabytes.pcapng",
            broken(&[6, 0xffff_fff0, 0, 0]),
            format!("record 6 at byte {end} claims 4294967280 bytes but 16 remain; {BEFORE}"),
            five,
        ),
    ]
}

fn damaged_archives() -> Vec<Case> {
    let sound = datagrams(FLOWS).write_usual();
    let five = usize::from(FLOWS);
    let gz = gzipped(&sound);
    let mut checksum = gz.clone();
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    let read_on = |at: usize, why: &str| format!("cannot read on after byte {at}: {why}; {BEFORE}");
    vec![
        (
            "checksum.pcap.gz",
            checksum,
            read_on(
                sound.len(),
                "corrupt gzip stream does not have a matching checksum",
            ),
            five,
        ),
        (
            "beginning-only.pcap.gz",
            gz[..14].to_vec(),
            read_on(0, "incomplete deflate stream"),
            0,
        ),
        (
            "beginning-only.pcap.zst",
            zstd::encode_all(sound.as_slice(), 1).unwrap()[..20].to_vec(),
            read_on(0, "incomplete frame"),
            0,
        ),
    ]
}

#[test]
fn a_capture_may_end_at_every_byte_of_its_last_record() {
    let place = Place::new();
    let sound = datagrams(FLOWS).write_usual();
    let record = record_len();
    let last = sound.len() - record;
    for left in 0..=record {
        let file = place.file("cut.pcap", &sound[..last + left]);
        let ran = place.replay(&[&file], &["-q", "--no-db"]);
        let claimed = if left < RECORD_HEADER {
            RECORD_HEADER
        } else {
            record
        };
        let (code, sentence, flows) = match left {
            0 => (0, String::new(), FLOWS - 1),
            _ if left == record => (0, String::new(), FLOWS),
            _ => {
                let path = file.display();
                let sentence = format!(
                    "flowhawk: {path}: record 5 at byte {last} claims {claimed} bytes but {left} \
                     remain; {BEFORE}\n"
                );
                (1, sentence, FLOWS - 1)
            }
        };
        assert_eq!(ran.exits(code).stderr, sentence, "{left} bytes left");
        assert_eq!(place.flows_written(), usize::from(flows), "{left}");
    }
}

#[test]
fn what_cannot_be_opened_is_told() {
    let place = Place::new();
    let directory = place.path("directory");
    fs::create_dir(&directory).unwrap();
    let cases = [
        (
            place.path("missing.pcap"),
            "cannot open: No such file or directory (os error 2)",
        ),
        (directory, "cannot open: is a directory"),
    ];
    for (file, sentence) in cases {
        let ran = place.replay(&[&file], &["-q"]).exits(1);
        let want = format!("flowhawk: {}: {sentence}\n", file.display());
        assert_eq!(ran.stderr, want);
        assert_eq!(place.flows_written(), 0);
    }
}

#[test]
fn a_bad_file_does_not_keep_the_others_out() {
    let place = Place::new();
    let capture = datagrams(FLOWS);
    let [first, second] = capture.split_at(2);
    let first = place.file("first.pcap", &first.write_usual());
    let second = place.file("second.pcap", &second.write_usual());
    let bad = place.file("bad.pcap", b"hello world");
    let missing = place.path("missing.pcap");
    let cut = place.file("cut.pcap", &capture.write_usual()[..FILE_HEADER + 5]);
    let ran = place.replay(&[&bad, &first, &missing, &cut, &second], &[]);
    let ran = ran.exits(1);
    let told: Vec<&str> = ran
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("flowhawk: "))
        .collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    for (told, file) in told.iter().zip([&bad, &missing, &cut]) {
        let path = format!("{}: ", file.display());
        assert!(told.starts_with(&path), "{told}");
    }
    assert_eq!(place.flows_written(), usize::from(FLOWS));
    let summary = Summary::of(&ran.stderr).unwrap();
    assert_eq!(summary.packets, u64::from(FLOWS));
}

#[test]
fn a_capture_without_packets_is_sound() {
    let place = Place::new();
    let none = place.file("none.pcap", &datagrams(0).write_usual());
    let sound = place.sound();
    for (files, flows) in [
        (vec![none.as_path()], 0),
        (vec![&none, &sound], usize::from(FLOWS)),
        (vec![&sound, &none, &none], usize::from(FLOWS)),
    ] {
        let ran = place.replay(&files, &["-q"]);
        assert_eq!(ran.exits(0).stderr, "", "{files:?}");
        assert_eq!(place.flows_written(), flows, "{files:?}");
    }
}

#[test]
fn a_run_that_cannot_start_says_why() {
    let place = Place::new();
    let sound = place.sound();
    let text = place.file("text", b"hello world\n");
    let under_a_file = sound.join("out");
    let foreign = place.path("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute("CREATE TABLE other (x)", [])
        .unwrap();
    let shown = |path: &Path| path.to_str().unwrap().to_owned();
    let cases = [
        (
            vec!["--out".to_owned(), shown(&under_a_file)],
            format!(
                "cannot make the output directory {}: Not a directory (os error 20)",
                shown(&under_a_file)
            ),
        ),
        (
            vec!["--db".to_owned(), shown(&text)],
            format!("{} is no SQLite database", shown(&text)),
        ),
        (
            vec!["--db".to_owned(), shown(&foreign)],
            format!(
                "{} is a database of another program; name another file with --db",
                shown(&foreign)
            ),
        ),
        (
            vec!["--json".to_owned(), shown(&sound)],
            format!(
                "--json {}: this is an input; it would be overwritten",
                shown(&sound)
            ),
        ),
        (
            vec!["--filter".to_owned(), "tcp prt 80".to_owned()],
            "--filter \"tcp prt 80\": libpcap error: can't parse filter expression: syntax error"
                .to_owned(),
        ),
    ];
    for (options, sentence) in cases {
        let mut args = vec!["replay".to_owned(), "-q".to_owned()];
        if options[0] != "--out" {
            args.extend(["-o".to_owned(), shown(&place.out())]);
        }
        args.extend(options);
        args.push(shown(&sound));
        let ran = run::ran(&args).exits(2);
        assert_eq!(ran.stderr, format!("flowhawk: {sentence}\n"), "{args:?}");
    }
}

#[test]
fn stdin_is_read_once() {
    let place = Place::new();
    let twice = [Path::new("-"), Path::new("-")];
    let ran = place.replay(&twice, &["-q"]).exits(2);
    let want = "flowhawk: '-' is named 2 times, but stdin can be read only once\n";
    assert_eq!(ran.stderr, want);
}

#[test]
fn a_locked_database_is_told_before_anything_is_read() {
    let place = Place::new();
    let sound = place.sound();
    place.replay(&[&sound], &["-q"]).exits(0);
    let database = place.out().join("flowhawk.db");
    let holder = Connection::open(&database).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = place.replay(&[&sound], &["-q"]).exits(2);
    let want = format!(
        "flowhawk: database {} is locked by another process",
        database.display()
    );
    assert!(ran.stderr.starts_with(&want), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    holder.execute_batch("ROLLBACK").unwrap();
    place.replay(&[&sound], &["-q"]).exits(0);
}

#[test]
fn every_mistake_in_a_configuration_is_told_at_once() {
    let place = Place::new();
    let config = place.file(
        "mistakes.toml",
        b"memory_limt = 5\nlog_format = \"jsn\"\n\n# a comment\ntick = \"60\"\n\
          progress_interval = \"0s\"\nignore_checksums = 1\n\
          open_connections_every = \"10ms\"\n",
    );
    let expect = place.file("mistakes.expect", b"# a rule first\nsrc=10.0.0.1\n");
    let (config, expect) = (config.to_str().unwrap(), expect.to_str().unwrap());
    let mistakes = [
        "1: memory_limt: unknown key; did you mean `memory_limit`?",
        "2: log_format: unknown value `jsn`; did you mean `json`?",
        "5: tick: \"60\" is not a time span; write a number and a unit, such as \"60s\", \
         \"5min\", \"24h\"",
        "6: progress_interval: must be longer than 0s",
        "7: ignore_checksums: invalid type: integer `1`, expected true or false",
        "8: open_connections_every: must be at least 1s, or 0s for never",
    ];
    let mut want: Vec<String> = mistakes.map(|m| format!("{config}:{m}")).to_vec();
    let lines = |ran: &Ran| -> Vec<String> { ran.stderr.lines().map(str::to_owned).collect() };

    let checked = run::ran(["check", "--config", config]).exits(2);
    assert_eq!(lines(&checked), want);
    assert_eq!(checked.stdout, "");

    want.push(format!(
        "{expect}:2: begins with \"src=10.0.0.1\"; a rule id, such as LM-001, must come first"
    ));
    let options = ["--config", config, "--expect", expect];
    let replayed = place.replay(&[&place.sound()], &options).exits(2);
    assert_eq!(lines(&replayed), want);
    assert!(!place.out().exists(), "outputs were made for nothing");
}

#[test]
fn a_reader_of_stdout_may_leave() {
    let made = Place::new();
    let mut files: Vec<PathBuf> = captures().into_iter().map(|c| c.path).collect();
    files.push(made.sound());
    for file in files {
        let place = Place::new();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let args = run::replay_args(&[&file], &place.out(), &["-q", "--json", "-"]);
        let ran = run::flowhawk(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let ran = Ran::from(ran).exits(0);
        assert_eq!(ran.stderr, "", "{}", file.display());
        left_by_its_reader(&["detections", "export"], &place);
        left_by_its_reader(&["detections", "list", "--all"], &place);
    }
    left_by_its_reader(&["check", "--print-defaults"], &made);
}

/// Runs a command that answers on stdout, which nobody reads.
fn left_by_its_reader(command: &[&str], place: &Place) {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut run = run::flowhawk(command);
    if command[0] == "detections" {
        run.arg("--db").arg(place.out().join("flowhawk.db"));
    }
    let output = run.stdout(writer).output().unwrap();
    let ran = Ran::from(output).exits(0);
    assert_eq!(ran.stderr, "", "{command:?}");
}

#[test]
fn a_disk_that_is_full_is_a_loss() {
    let place = Place::new();
    let file = place.file("scan.pcap", &scan().write_usual());
    let ran = place.replay(&[&file], &["-q", "--json", "/dev/full"]);
    let ran = ran.exits(1);
    let want = "flowhawk: --json: No space left on device (os error 28)";
    assert!(ran.stderr.starts_with(want), "{}", ran.stderr);
}

#[test]
fn a_log_that_cannot_be_written_is_a_loss() {
    let place = Place::new();
    fs::create_dir(place.out()).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.out().join("conn.log")).unwrap();
    let findings = place.path("findings.jsonl");
    let file = place.file("scan.pcap", &scan().write_usual());
    let options = ["-q", "--json", findings.to_str().unwrap()];
    let ran = place.replay(&[&file], &options).exits(1);
    let want = "flowhawk: conn.log: cannot write on: No space left on device (os error 28); 200 \
                rows were lost\n";
    assert_eq!(ran.stderr, want);
    assert!(!fs::read(&findings).unwrap().is_empty());
}

#[test]
fn packets_that_are_no_packets_are_counted() {
    let place = Place::new();
    let mut capture = datagrams(FLOWS);
    // Cut inside Ethernet, inside IP and inside UDP; not IP at all; cut to nothing.
    let frame = udp(support::frames::Path::between(1, 2), b"x");
    for bytes in [&frame[..7], &frame[..20], &frame[..36], &[0xee; 60], &[]] {
        let mut packet = capture.packets[0].clone();
        packet.wire_len = 60;
        packet.bytes = bytes.to_vec();
        capture.packets.push(packet);
    }
    let file = place.file("odd.pcap", &capture.write_usual());
    let ran = place.replay(&[&file], &[]).exits(0);
    let summary = Summary::of(&ran.stderr).unwrap();
    assert!(summary.adds_up(), "{summary:?}");
    assert_eq!(summary.packets, u64::from(FLOWS) + 5);
    assert_eq!(summary.processed, u64::from(FLOWS), "{}", ran.stderr);
}
