//! The command line: what is asked for is done, and said.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use support::frames::{self, connection, datagrams, scan};
use support::mmdb;
use support::pcap::Capture;
use support::rows::rows;
use support::run::{self, Ran, said};
use support::summary::Summary;
use support::{captures, cpus_allowed, root};

/// A capture and a place for what comes of it.
struct Sample {
    dir: TempDir,
    capture: PathBuf,
}

impl Sample {
    fn of(capture: &Capture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sample.pcap");
        fs::write(&file, capture.write_usual()).unwrap();
        Self { dir, capture: file }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn replay(&self, options: &[&str]) -> Ran {
        run::replay(&[&self.capture], &self.out(), options)
    }

    fn detections(&self, args: &[&str]) -> Ran {
        let database = self.out().join("flowhawk.db");
        let database = ["--db", database.to_str().unwrap()];
        run::ran([&["detections"], args, &database].concat())
    }
}

#[test]
fn help_names_the_exit_codes() {
    for command in [&[][..], &["replay"], &["detections"], &["check"]] {
        for flag in ["-h", "--help"] {
            let ran = run::ran([command, &[flag]].concat()).exits(0);
            assert_eq!(ran.stderr, "");
            let told = ran.stdout.contains("Exit") && ran.stdout.contains('2');
            assert!(told, "{command:?} {flag}:\n{}", ran.stdout);
        }
    }
    for action in ["list", "show", "export"] {
        run::ran(["detections", action, "--help"]).exits(0);
    }
    for command in ["", "replay"] {
        let args = [command, "--help"]
            .into_iter()
            .filter(|arg| !arg.is_empty());
        let help = run::ran(args).exits(0).stdout;
        for code in 0..=4 {
            assert!(help.contains(&format!("\n  {code}  ")), "{help}");
        }
    }
    assert!(
        run::ran(["--version"])
            .exits(0)
            .stdout
            .starts_with("flowhawk ")
    );
}

#[test]
fn usage_errors_do_not_start() {
    let cases: [&[&str]; 7] = [
        &[],
        &["replay"],
        &["replya", "a.pcap"],
        &["replay", "--threads", "0", "a.pcap"],
        &["replay", "--no-db", "--db", "x", "a.pcap"],
        &["detections", "--severity", "terrible"],
        &["live", "-i", "lo", "--cpus", "0,2-"],
    ];
    for args in cases {
        let ran = run::ran(args).exits(2);
        assert!(
            ran.stderr.contains("Usage:") || !ran.stderr.is_empty(),
            "{args:?}"
        );
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn messages_are_text_or_json() {
    let sample = Sample::of(&scan());
    let broken = sample.file("broken.toml", "tick = 7\nno_such_key = 1\n");
    let other = sample.file("other", "LM-001 src=10.9.9.9\n");
    let nothing = sample.file("nothing.pcap", "");
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["summary"]),
        (&["-v", "--fail-on", "low"], &["summary", "too_severe"]),
        (&["--expect", &other], &["summary", "unexpected"]),
        (&[&nothing], &["summary", "not_read"]),
        (&["--config", &broken], &["bad_configuration"]),
        (&["--filter", "nonsense"], &["not_started"]),
    ];
    for (options, want) in cases {
        let text = sample.replay(options);
        let json = sample.replay(&[options, &["--messages", "json"]].concat());
        assert_eq!((json.code, &json.stdout), (text.code, &text.stdout));
        let said = said(&json.stderr);
        let events: Vec<_> = said
            .iter()
            .map(|message| message["event"].as_str())
            .collect();
        let want: Vec<_> = want.iter().map(|event| Some(*event)).collect();
        assert_eq!(events, want, "{json:#?}");
        // The same texts, but for how long it took.
        let texts = said
            .iter()
            .map(|message| message["message"].as_str().unwrap());
        let lines = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.starts_with("took"));
            lines
                .map(|line| line.trim_start_matches("flowhawk: ").to_owned())
                .collect()
        };
        let texts: Vec<_> = texts.flat_map(lines).collect();
        assert_eq!(texts, lines(&text.stderr));
        let Some(summary) = said.iter().find(|message| message["event"] == "summary") else {
            continue;
        };
        let read = Summary::of(&text.stderr).unwrap();
        let counts = ["packets", "flows"].map(|name| summary[name].as_u64().unwrap());
        assert_eq!(counts, [read.packets, read.flows]);
        assert_eq!(summary["signals"]["PORT_SCAN"], 1, "{summary}");
        assert_eq!(summary["detections"]["medium"], 1, "{summary}");
    }
    let told = sample.replay(&["--messages", "json", "--progress", "always"]);
    let said = said(&told.stderr);
    assert_eq!(said[0]["event"], "progress");
    assert!(said[0]["packets"].is_u64(), "{told:#?}");
    assert_eq!(sample.replay(&["-q", "--messages", "json"]).stderr, "");
}

/// Before anything is asked of interfaces, so it takes no rights.
#[test]
fn cpus_that_are_not_there_are_refused() {
    let last = "1023";
    let allowed = cpus_allowed("/proc/self");
    let sample = Sample::of(&datagrams(3));
    let config = sample.file("cpus.toml", &format!("[live]\ncpus = \"{last}\"\n"));
    for options in [["--cpus", last], ["--config", &config]] {
        let ran = run::ran([&["live", "-i", "nowhere"], &options[..]].concat()).exits(2);
        let want = format!(
            "flowhawk: cannot run on CPU {last}: it is not there, or not for this process, which may run on {allowed}\n"
        );
        assert_eq!(ran.stderr, want);
    }
    let listed = sample.file("twice.toml", "[live]\ncpus = \"0,0\"\n");
    let ran = run::ran(["check", "--config", &listed]).exits(2);
    assert!(ran.stderr.contains("CPU 0 is named twice"), "{ran:#?}");
}

#[test]
fn severity_decides_the_exit() {
    let sample = Sample::of(&scan());
    let told = sample.replay(&["--fail-on", "low"]).exits(3).stderr;
    let last = "flowhawk: --fail-on low: there are detections at least that severe";
    assert_eq!(told.lines().last(), Some(last), "{told}");
    let quiet = sample.replay(&["-q", "--fail-on", "low"]).exits(3);
    assert_eq!(quiet.stderr, "");
    sample
        .replay(&["-q", "--filter", "udp", "--fail-on", "low"])
        .exits(0);
}

#[test]
fn expectations_decide_the_exit() {
    let sample = Sample::of(&scan());
    let listed = sample.file("listed", "# what a scan is\nRECON-001 src=10.0.0.1\n");
    let other = sample.file("other", "LM-001 src=10.9.9.9\n");
    let nothing = sample.file("nothing", "# benign\n");
    let as_listed = sample.replay(&["-q", "--expect", &listed]).exits(0);
    assert_eq!(as_listed.stderr, "");
    let told = sample.replay(&["-q", "--expect", &other]).exits(4).stderr;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(lines[0], "flowhawk: detections differ: 1 expected, 1 made");
    assert_eq!(lines[1], "  missing:    LM-001 src=10.9.9.9");
    let unexpected = "  unexpected: RECON-001 src=10.0.0.1  # 10.0.0.1 scanned ";
    assert!(lines[2].starts_with(unexpected), "{told}");
    // A difference weighs more than severity.
    let options = ["-q", "--expect", &nothing, "--fail-on", "low"];
    sample.replay(&options).exits(4);
}

#[test]
fn quiet_is_silent_and_stdout_is_for_records() {
    let sample = Sample::of(&scan());
    let quiet = sample.replay(&["-q"]).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let usual = sample.replay(&[]).exits(0);
    assert_eq!(usual.stdout, "");
    let verbose = sample.replay(&["-v"]).exits(0).stderr;
    assert!(verbose.lines().count() > usual.stderr.lines().count());
    for place in [
        sample.out().join("conn.log"),
        sample.out().join("flowhawk.db"),
    ] {
        let line = format!("written     {}", place.display());
        assert!(
            usual.stderr.lines().any(|told| told == line),
            "{}",
            usual.stderr
        );
    }
}

#[test]
fn every_packet_is_accounted_for() {
    let sample = Sample::of(&scan());
    let mut files: Vec<PathBuf> = captures().into_iter().map(|c| c.path).collect();
    files.push(sample.capture.clone());
    for file in files {
        for options in [&["--no-db"][..], &["--no-db", "--filter", "tcp"]] {
            let told = run::replay(&[&file], &sample.out(), options)
                .exits(0)
                .stderr;
            let summary = Summary::of(&told).unwrap();
            assert!(summary.adds_up(), "{}: {summary:?}\n{told}", file.display());
            assert!(summary.packets > 0, "{}", file.display());
            let flows = rows(&sample.out().join("conn.log")).len();
            assert_eq!(summary.flows, flows as u64, "{}", file.display());
        }
    }
}

#[test]
fn detections_are_listed_shown_and_exported() {
    let sample = Sample::of(&scan());
    let findings = sample.replay(&["-q", "--json", "-"]).exits(0).stdout;
    let made = last_states(&findings, "detection", "detection_id");
    let [made] = made.as_slice() else {
        panic!("{made:#?}");
    };
    let id = made["detection_id"].as_str().unwrap();

    for args in [
        &[][..],
        &["list"],
        &["list", "--severity", "low", "--host", "10.0.0.1"],
    ] {
        let list = sample.detections(args).exits(0).stdout;
        let (header, row) = list.split_once('\n').unwrap();
        let header: Vec<&str> = header
            .split("  ")
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .collect();
        assert_eq!(
            header,
            [
                "TIME (UTC)",
                "SEVERITY",
                "RULE",
                "SRC",
                "DST",
                "COUNT",
                "ID",
                "SUMMARY"
            ]
        );
        for part in [
            "RECON-001",
            "10.0.0.1",
            &id[..8],
            made["summary"].as_str().unwrap(),
        ] {
            assert!(row.contains(part), "{list}");
        }
    }
    let none = sample.detections(&["list", "--rule", "LM-999"]).exits(0);
    assert_eq!(none.stdout, "no detections\n");

    let shown = sample.detections(&["show", &id[..6]]).exits(0).stdout;
    for part in [id, "PORT_SCAN", "TA0007"] {
        assert!(shown.contains(part), "{shown}");
    }
    let told = sample.detections(&["show", "zz"]).exits(2).stderr;
    assert_eq!(
        told,
        "flowhawk: there is no detection whose id begins with \"zz\"\n"
    );

    exports_are_complete(&sample, made);
}

fn exports_are_complete(sample: &Sample, made: &Value) {
    let json = sample.detections(&["export"]).exits(0).stdout;
    let exported: Value = serde_json::from_str(&json).unwrap();
    for (key, value) in exported.as_object().unwrap() {
        // The flows named are those of the signals as they are by now.
        if key != "uids" {
            assert_eq!(Some(value), made.get(key), "{key}");
        }
    }
    let id = exported["detection_id"].as_str().unwrap();
    let shown = sample.detections(&["show", id]).exits(0).stdout;
    let log = fs::read_to_string(sample.out().join("conn.log")).unwrap();
    let uids = exported["uids"].as_array().unwrap();
    assert!(!uids.is_empty(), "{json}");
    for uid in uids.iter().map(|uid| uid.as_str().unwrap()) {
        assert!(shown.contains(uid), "{uid} is not in {shown}");
        assert!(log.contains(uid), "{uid} is no flow");
    }
    let text = sample
        .detections(&["export", "--format", "csv"])
        .exits(0)
        .stdout;
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let header = csv.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 1, "{text}");
    for (name, cell) in header.iter().zip(&records[0]) {
        let Value::String(want) = &exported[name] else {
            continue;
        };
        assert_eq!(cell, want, "{name}");
    }
}

/// The last line about each thing of this type.
fn last_states(lines: &str, kind: &str, id: &str) -> Vec<Value> {
    let mut last: Vec<Value> = Vec::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        if value["type"] == kind {
            last.retain(|before| before[id] != value[id]);
            last.push(value);
        }
    }
    last
}

#[test]
fn findings_are_the_same_in_every_output() {
    let sample = Sample::of(&scan());
    let on_stdout = sample.replay(&["-q", "--json", "-"]).exits(0).stdout;
    let file = sample.dir.path().join("findings.jsonl");
    sample
        .replay(&["-q", "--json", file.to_str().unwrap()])
        .exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), on_stdout);
    let content = support::rows::content(&sample.out().join("flowhawk.db"));
    for (kind, table, id) in [
        ("signal", "signals", "signal_id"),
        ("detection", "detections", "detection_id"),
    ] {
        let states = last_states(&on_stdout, kind, id);
        assert!(!states.is_empty(), "{kind}");
        assert_eq!(states.len(), content[table].len(), "{kind}");
        for state in states {
            let key = format!("Text({:?})", state[id].as_str().unwrap());
            assert!(content[table].contains_key(&key), "{key}");
        }
    }
}

#[test]
fn there_is_no_database_yet() {
    let ran = run::ran(["detections", "--db", "/nowhere/flowhawk.db"]).exits(2);
    let want = "flowhawk: there is no database /nowhere/flowhawk.db; `flowhawk replay` makes one, \
                --db FILE names another\n";
    assert_eq!(ran.stderr, want);
}

#[test]
fn the_defaults_are_a_sound_configuration() {
    let told = run::ran(["check"]).exits(0).stdout;
    assert!(
        told.starts_with("ok: built-in configuration: 0 settings"),
        "{told}"
    );
    let defaults = run::ran(["check", "--print-defaults"]).exits(0).stdout;
    let setting = |line: &str| -> Option<String> {
        let (key, _) = line.strip_prefix("# ")?.split_once(" = ")?;
        let bare = !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
        bare.then(|| line[2..].to_owned())
    };
    let uncommented: Vec<String> = defaults
        .lines()
        .map(|line| setting(line).unwrap_or_else(|| line.to_owned()))
        .collect();
    for file in [defaults.clone(), uncommented.join("\n")] {
        let args = ["check", "--config", "/dev/stdin"];
        let told = run::ran_with_stdin(args, file.as_bytes()).exits(0).stdout;
        assert!(told.starts_with("ok: /dev/stdin: "), "{told}");
    }
    // All of them set is the same as none of them set.
    let sample = Sample::of(&scan());
    let config = sample.file("all.toml", &uncommented.join("\n"));
    let by_default = sample.replay(&["-q", "--json", "-"]).exits(0).stdout;
    let by_file = sample
        .replay(&["-q", "--json", "-", "--config", &config])
        .exits(0);
    assert_eq!(by_file.stdout, by_default);
}

#[test]
fn a_configuration_counts_unless_the_command_line_says_otherwise() {
    let sample = Sample::of(&datagrams(3));
    let config = sample.file("json.toml", "log_format = \"json\"\n");
    let first_byte = |options: &[&str]| {
        sample
            .replay(&[&["-q", "--config", &config], options].concat())
            .exits(0);
        fs::read(sample.out().join("conn.log")).unwrap()[0]
    };
    assert_eq!(first_byte(&[]), b'{');
    assert_eq!(first_byte(&["--log-format", "tsv"]), b'#');
}

/// A fingerprint of TLS that is listed is found in a capture, and in the logs made of it.
#[test]
fn listed_fingerprints_are_found_in_captures_and_in_logs() {
    let dir = tempfile::tempdir().unwrap();
    let (out, list) = (dir.path().join("out"), dir.path().join("bad.txt"));
    let capture = root().join("captures/c2-beacon-https.pcap");
    run::replay(&[&capture], &out, &["-q", "--no-db"]).exits(0);
    let ssl = fs::read_to_string(out.join("ssl.log")).unwrap();
    let fields = ssl
        .lines()
        .find(|line| line.starts_with("#fields"))
        .unwrap();
    // The line of names has one cell more, its own.
    let place = fields.split('\t').position(|name| name == "ja3").unwrap() - 1;
    let row = rows(&out.join("ssl.log")).remove(0);
    fs::write(&list, row.split('\t').nth(place).unwrap()).unwrap();
    let config = dir.path().join("c.toml");
    fs::write(&config, "threat_lists = ['bad.txt']").unwrap();
    let again = dir.path().join("again");
    for (command, input) in [("replay", &capture), ("detect", &out)] {
        let paths = [&config, &again, input].map(|path| path.to_str().unwrap());
        let [config, again, input] = paths;
        let options = [
            "-q", "--no-db", "--json", "-", "--config", config, "-o", again,
        ];
        let ran = run::ran([&[command][..], &options, &[input]].concat()).exits(0);
        assert!(
            ran.stdout.contains("THREAT_LIST_MATCH"),
            "{command}: {ran:?}"
        );
    }
}

#[test]
fn what_may_not_be_meant_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let noted = |settings: &str| {
        fs::write(&config, settings).unwrap();
        let said = run::ran(["check", "--config", config.to_str().unwrap()]).exits(0);
        let notes = said
            .stdout
            .lines()
            .filter(|line| line.starts_with("note: "));
        let about = notes.map(|note| note.split(": ").nth(1).unwrap().to_owned());
        about.collect::<Vec<_>>()
    };
    let hashes = "file_hashes = ['md5']\n";
    assert!(noted(hashes).is_empty());
    assert_eq!(
        noted(&format!("parse_protocols = false\n{hashes}")),
        ["file_hashes"]
    );
    let without = |kinds: &str| noted(&format!("[detectors]\ndisabled_signals = [{kinds}]"));
    // One of two ways to come by a part is enough; of none of them the rule knows nothing.
    assert_eq!(without("'FAN_OUT_SCAN'"), [""; 0]);
    assert_eq!(without("'PORT_SCAN'"), ["LM-001"]);
    assert_eq!(
        without("'PORT_SCAN', 'FAN_OUT_SCAN'"),
        ["LM-001", "RECON-001"]
    );
    assert_eq!(without("'POST_DOWNLOAD_BEACON'"), ["MALWARE-DELIVERY-001"]);
    let list = run::ran(["rules", "--config", config.to_str().unwrap()]).exits(0);
    let marked = list.stdout.lines();
    let marked: Vec<&str> = marked
        .filter(|line| line.ends_with("never: a signal it needs is disabled"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(marked, ["MALWARE-DELIVERY-001"]);
}

/// What a configuration makes of a capture: the names of its logs, the rows of conn.log, the findings.
fn made_of(capture: &Path, settings: &str) -> (Vec<String>, Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let (out, json) = (dir.path().join("out"), dir.path().join("findings"));
    let config = dir.path().join("flowhawk.toml");
    fs::write(&config, settings).unwrap();
    let config = ["--config", config.to_str().unwrap(), "--no-db"];
    let options = [&config[..], &["--json", json.to_str().unwrap()]].concat();
    run::replay(&[capture], &out, &options).exits(0);
    let files = fs::read_dir(&out).unwrap();
    let mut logs: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    logs.sort();
    let findings = fs::read_to_string(json).unwrap();
    (logs, rows(&out.join("conn.log")), findings)
}

#[test]
fn what_is_disabled_is_not_there_and_all_else_is() {
    let capture = root().join("captures/malware-delivery.pcap");
    let (logs, conn, findings) = made_of(&capture, "");
    assert!(findings.contains("POST_DOWNLOAD_BEACON"), "{findings}");
    assert!(findings.contains("MALWARE-DELIVERY-001"), "{findings}");

    let gone = ["dns.log", "files.log", "known_hosts.log", "stats.log"];
    let names = gone.map(|log| log.trim_end_matches(".log"));
    let fewer = made_of(&capture, &format!("disabled_logs = {names:?}"));
    let rest = logs.iter().filter(|log| !gone.contains(&log.as_str()));
    assert!(fewer.0.iter().eq(rest), "{:?} of {logs:?}", fewer.0);
    assert_eq!(fewer.0.len() + gone.len(), logs.len());
    assert_eq!((&fewer.1, &fewer.2), (&conn, &findings));

    let quiet = "[detectors]\ndisabled_signals = [\"POST_DOWNLOAD_BEACON\"]";
    let quiet = made_of(&capture, quiet);
    assert_eq!((&quiet.0, &quiet.1), (&logs, &conn));
    assert!(!quiet.2.contains("POST_DOWNLOAD_BEACON"), "{}", quiet.2);
    assert!(!quiet.2.contains("MALWARE-DELIVERY-001"), "{}", quiet.2);
    assert!(quiet.2.contains("EXECUTABLE_FILE_DOWNLOAD"), "{}", quiet.2);

    let blind = made_of(&capture, "parse_protocols = false");
    let kept = [
        "capture_loss.log",
        "conn.log",
        "known_hosts.log",
        "stats.log",
    ];
    assert_eq!(blind.0, kept);
    // Zeek's columns 1 to 7 are the flow's, 8 is its service.
    let unnamed = |row: &String| {
        let mut cells: Vec<&str> = row.split('\t').collect();
        cells[7] = "-";
        cells.join("\t")
    };
    let unnamed: Vec<String> = conn.iter().map(unnamed).collect();
    assert_eq!(blind.1, unnamed);
}

#[test]
fn a_filter_leaves_out_and_counts() {
    let web = connection(frames::Path::between(30_000, 80));
    let other = connection(frames::Path::between(30_001, 8_080));
    let mut frames = [web.clone(), other].concat();
    frames.push(frames::udp(frames::Path::between(53, 80), b"x"));
    let sample = Sample::of(&frames::capture(frames.clone()));
    let ran = sample.replay(&["--filter", "tcp port 80"]).exits(0);
    let summary = Summary::of(&ran.stderr).unwrap();
    assert_eq!(summary.packets, frames.len() as u64);
    assert_eq!(summary.processed, web.len() as u64);
    assert_eq!(summary.reasons["filtered"], summary.dropped);
    assert!(summary.adds_up(), "{}", ran.stderr);
    let rows = rows(&sample.out().join("conn.log"));
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert!(
        rows[0].contains("\t30000\t10.0.0.2\t80\ttcp\t"),
        "{rows:#?}"
    );
}

#[test]
fn checksums_are_verified_unless_told_otherwise() {
    let mut capture = datagrams(2);
    let last = capture.packets[1].bytes.len() - 1;
    capture.packets[1].bytes[last] ^= 1;
    let sample = Sample::of(&capture);
    let config = sample.file("ignore.toml", "ignore_checksums = true\n");
    let counts = |options: &[&str]| {
        let summary = Summary::of(&sample.replay(options).exits(0).stderr).unwrap();
        (
            summary.processed,
            summary.reasons.get("bad_checksum").copied(),
        )
    };
    assert_eq!(counts(&[]), (1, Some(1)));
    for options in [&["-C"][..], &["--ignore-checksums"], &["--config", &config]] {
        assert_eq!(counts(options), (2, None), "{options:?}");
    }
}

/// Zeek's columns and their types.
const COLUMNS: [(&str, &str); 23] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("ip_proto", "count"),
    ("community_id", "string"),
];

#[test]
fn conn_log_has_zeeks_header_and_end() {
    let flow = connection(frames::Path::between(30_000, 80));
    for capture in [frames::capture(flow), datagrams(0)] {
        let sample = Sample::of(&capture);
        sample.replay(&["-q"]).exits(0);
        let log = fs::read_to_string(sample.out().join("conn.log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        let joined = |which: fn(&(&'static str, &'static str)) -> &'static str| {
            COLUMNS.iter().map(which).collect::<Vec<_>>().join("\t")
        };
        let names = format!("#fields\t{}", joined(|column| column.0));
        let types = format!("#types\t{}", joined(|column| column.1));
        let header = [
            "#separator \\x09",
            "#set_separator\t,",
            "#empty_field\t(empty)",
            "#unset_field\t-",
            "#path\tconn",
        ];
        assert_eq!(lines[..5], header);
        assert!(lines[5].starts_with("#open\t"), "{log}");
        assert_eq!(lines[6..8], [names.as_str(), types.as_str()]);
        assert!(lines.last().unwrap().starts_with("#close\t"), "{log}");
        assert!(log.ends_with('\n'));
        for row in rows(&sample.out().join("conn.log")) {
            assert_eq!(row.split('\t').count(), COLUMNS.len(), "{row}");
        }
    }
}

#[test]
fn json_logs_say_the_same_as_tsv() {
    let sample = Sample::of(&frames::capture(connection(frames::Path::between(
        30_000, 80,
    ))));
    let log = sample.out().join("conn.log");
    sample.replay(&["-q"]).exits(0);
    let tsv = rows(&log);
    sample.replay(&["-q", "--log-format", "json"]).exits(0);
    let json = rows(&log);
    assert_eq!(tsv.len(), json.len());
    for (tsv, json) in tsv.iter().zip(&json) {
        let object: Value = serde_json::from_str(json).unwrap();
        let mut keys = 0;
        for ((name, kind), cell) in COLUMNS.iter().zip(tsv.split('\t')) {
            let Some(value) = object.get(name) else {
                assert_eq!(cell, "-", "{name}");
                continue;
            };
            keys += 1;
            assert_eq!(as_tsv(value, kind), cell, "{name}");
        }
        assert_eq!(object.as_object().unwrap().len(), keys, "{json}");
    }
}

fn as_tsv(value: &Value, kind: &str) -> String {
    match (value, kind) {
        (Value::Bool(flag), _) => if *flag { "T" } else { "F" }.to_owned(),
        (_, "time" | "interval") => format!("{:.6}", value.as_f64().unwrap()),
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

#[test]
fn another_reader_counts_the_same_packets() {
    /// It takes its time over each packet.
    const MOST: u64 = 10_000;
    if !run::installed("tshark") {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    for capture in captures() {
        let told = run::replay(&[&capture.path], out.path(), &["--no-db"]).exits(0);
        let ours = Summary::of(&told.stderr).unwrap().packets;
        if ours > MOST {
            continue;
        }
        let counted = Command::new("tshark")
            .args(["-n", "-T", "fields", "-e", "frame.number", "-r"])
            .arg(&capture.path)
            .output()
            .unwrap();
        let theirs = String::from_utf8(counted.stdout).unwrap().lines().count();
        assert_eq!(ours, theirs as u64, "{}", capture.name);
    }
}

#[test]
fn another_program_reads_the_database() {
    if !run::installed("sqlite3") {
        return;
    }
    let sample = Sample::of(&scan());
    sample.replay(&["-q"]).exits(0);
    let database = sample.out().join("flowhawk.db");
    let asked = |sql: &str| asked(&database, sql);
    assert_eq!(asked("PRAGMA integrity_check"), "ok\n");
    assert_eq!(
        asked("SELECT src_ip, detections FROM v_hosts"),
        "10.0.0.1|1\n"
    );
    let views = asked("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name");
    assert!(views.lines().count() >= 5, "{views}");
    for view in views.lines() {
        asked(&format!("SELECT * FROM {view}"));
    }
    assert_eq!(asked("SELECT count(*) FROM v_open_detections"), "1\n");
}

fn asked(database: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(database)
        .arg(sql)
        .output()
        .unwrap();
    Ran::from(output).exits(0).stdout
}

#[test]
fn rules_of_the_users_own_are_listed_shown_and_used() {
    let sample = Sample::of(&scan());
    let config = sample.out().with_extension("toml");
    let rules = sample.out().with_extension("rules");
    fs::create_dir_all(&rules).unwrap();
    fs::write(
        &config,
        format!("rules = [{:?}]\n", rules.file_name().unwrap()),
    )
    .unwrap();
    let with = ["--config", config.to_str().unwrap()];
    let rule = |args: &[&str]| run::ran(["rules"].iter().chain(&with).chain(args));

    // One built in, changed, beside the others.
    let shown = rule(&["show", "RECON-001"]).exits(0).stdout;
    let changed = shown.replace("level: medium", "level: low");
    assert_ne!(shown, changed);
    let file = rules.join("recon.yml");
    fs::write(&file, changed.replace("RECON-001", "RECON-002")).unwrap();
    let list = rule(&[]).exits(0).stdout;
    assert!(
        list.contains("RECON-001") && list.contains("RECON-002"),
        "{list}"
    );
    assert!(
        list.contains("recon.yml") && list.contains("built in"),
        "{list}"
    );
    assert_eq!(rule(&["list"]).exits(0).stdout, list);
    assert!(!list.contains("disabled"), "{list}");
    let found = sample.replay(&["-q", "--no-db", "--json", "-", with[0], with[1]]);
    assert!(found.exits(0).stdout.contains("\"RECON-002\""));

    let missing = rule(&["show", "LM-999"]).exits(2).stderr;
    assert!(
        missing.contains("there is no rule LM-999; there are"),
        "{missing}"
    );
    fs::write(&file, changed.replace("level: low", "level: severe")).unwrap();
    let problem = run::ran(["check"].iter().chain(&with)).exits(2).stderr;
    assert!(problem.contains("recon.yml:"), "{problem}");
    assert!(problem.contains("level \"severe\" is unknown"), "{problem}");
}

#[test]
fn a_rule_tells_what_it_makes_of_a_capture() {
    let capture = |name: &str| {
        let found = captures().into_iter().find(|capture| capture.name == name);
        found.unwrap().path
    };
    let told = |rule: &str, name: &str| {
        let capture = capture(name);
        let args = [
            "rules",
            "test",
            rule,
            "--capture",
            capture.to_str().unwrap(),
        ];
        run::ran(args).exits(0).stdout
    };
    let made = told("LM-001", "lateral-movement");
    for line in [
        "LM-001  Lateral movement",
        "needs  PORT_SCAN and CONNECTION_SPIKE and PRIVILEGED_ACCESS within 15min",
        "10.1.0.66: 3 of 3 parts held at 2026-11-21 00:58:03Z",
        "  held    PRIVILEGED_ACCESS",
    ] {
        assert!(made.contains(line), "{line}\n{made}");
    }
    assert!(made.contains("made   2026-11-21"), "{made}");

    let missed = told("LM-001", "near-miss-port-scan");
    for line in [
        "made   nothing",
        "10.1.0.67: 2 of 3 parts held",
        "  missed  PORT_SCAN\n            nothing was heard of it",
    ] {
        assert!(missed.contains(line), "{line}\n{missed}");
    }
    let nothing = told("RANSOM-BACKUP-001", "dhcp");
    assert!(
        nothing.contains("heard  nothing that it takes"),
        "{nothing}"
    );
    let unknown = run::ran(["rules", "test", "LM-999", "--capture", "x.pcap"]).exits(2);
    assert!(
        unknown.stderr.contains("there is no rule LM-999"),
        "{unknown:#?}"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn what_is_known_is_kept_and_applied_to_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (config, known) = (dir.path().join("c.toml"), dir.path().join("known.toml"));
    fs::write(&config, "suppressions = ['known.toml']\n").unwrap();
    let capture = root().join("captures/lateral-movement.pcap");
    let replay = |out: &str| {
        let out = dir.path().join(out);
        let options = ["-q", "--config", config.to_str().unwrap()];
        run::replay(&[&capture], &out, &options).exits(0);
        out.join("flowhawk.db")
    };
    let suppress = |args: &[&str]| {
        let with = ["suppress", "--config", config.to_str().unwrap()];
        run::ran(with.iter().chain(args))
    };
    // Rules and reasons of the detections that are suppressed.
    let suppressed = |database: &Path| -> Vec<(String, String)> {
        let connection = rusqlite::Connection::open(database).unwrap();
        let sql = "SELECT rule_id, suppressed_by FROM detections WHERE suppressed_by IS NOT NULL \
                   ORDER BY rule_id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let database = replay("before");
    assert_eq!(suppressed(&database), []);

    let add = [
        "add",
        "--rule",
        "LM-001",
        "--src",
        "10.1.0.66/32",
        "--reason",
        "a drill",
    ];
    suppress(&add).exits(0);
    suppress(&[
        "add",
        "--signal",
        "PORT_SCAN",
        "--reason",
        "old",
        "--expires",
        "2020-01-01T00:00:00Z",
    ])
    .exits(0);
    let list = suppress(&["list"]).exits(0).stdout;
    for part in [
        "LM-001",
        "a drill",
        "known.toml",
        "2020-01-01T00:00:00Z",
        "nobody has the role",
    ] {
        assert!(list.contains(part), "{part}\n{list}");
    }
    let want = [("LM-001".to_owned(), "a drill".to_owned())];
    assert_eq!(suppressed(&replay("after")), want, "replayed");
    let db = ["apply", "--db", database.to_str().unwrap()];
    let said = suppress(&db).exits(0).stdout;
    assert!(
        said.contains("0 signals and 1 detections are suppressed now"),
        "{said}"
    );
    assert_eq!(suppressed(&database), want, "applied");

    // Of a detection all of whose signals are known, so is it.
    suppress(&["add", "--signal", "PORT_SCAN", "--reason", "scans"]).exits(0);
    suppress(&db).exits(0);
    let recon = ("RECON-001".to_owned(), "scans".to_owned());
    assert_eq!(suppressed(&database), [want[0].clone(), recon]);

    for _ in 0..3 {
        suppress(&["remove", "1"]).exits(0);
    }
    let said = suppress(&db).exits(0).stdout;
    assert!(said.contains("1 and 2 no longer are"), "{said}");
    assert_eq!(suppressed(&database), [], "removed");
    assert_eq!(fs::read_to_string(&known).unwrap().trim(), "");
    let nonsense = suppress(&["add", "--signal", "PORT_SCAM", "--reason", "x"])
        .exits(2)
        .stderr;
    assert!(nonsense.contains("did you mean `PORT_SCAN`?"), "{nonsense}");
    let all = suppress(&["add", "--reason", "x"]).exits(2).stderr;
    assert!(all.contains("would suppress everything"), "{all}");
    suppress(&["remove", "1"]).exits(2);
    suppress(&["apply", "--db", "no.db"]).exits(2);
}

#[test]
fn threat_lists_are_read_and_matched() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    fs::write(
        &config,
        "threat_lists = ['bad.txt', 'bad.csv', 'bad.json']\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("bad.txt"),
        "198.51.100.66 # the gate\nnot an indicator\n",
    )
    .unwrap();
    fs::write(dir.path().join("bad.csv"), "seen,domain\n1,files.example\n").unwrap();
    let stix = r#"{"type": "bundle", "objects": [{"type": "indicator", "pattern_type": "stix",
        "pattern": "[domain-name:value = 'nowhere.example']"}]}"#;
    fs::write(dir.path().join("bad.json"), stix).unwrap();
    let with = ["--config", config.to_str().unwrap()];
    let checked = run::ran(["check"].iter().chain(&with)).exits(0).stdout;
    assert!(
        checked.contains("3 indicators (1 more not understood)"),
        "{checked}"
    );
    let capture = root().join("captures/malware-delivery.pcap");
    let options = ["-q", "--no-db", "--json", "-", with[0], with[1]];
    let told = run::replay(&[&capture], &dir.path().join("out"), &options).exits(0);
    let names: Vec<Value> = { told.stdout.lines() }
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|row| row["signal_type"] == "THREAT_LIST_MATCH" && row["event"] == "opened")
        .map(|row| row["evidence"]["names"][0].clone())
        .collect();
    for want in ["files.example (bad.csv)", "198.51.100.66 (bad.txt)"] {
        assert!(names.contains(&Value::from(want)), "{names:?}");
    }
    assert!(
        told.stdout.contains(r#""listed":"bad.txt""#),
        "{}",
        told.stdout
    );
    fs::write(dir.path().join("bad.json"), "{").unwrap();
    let refused = run::ran(["check"].iter().chain(&with)).exits(2).stderr;
    assert!(refused.contains("bad.json"), "{refused}");
}

/// Writes databases of addresses, and a configuration that names them.
fn with_databases(dir: &Path) -> [String; 2] {
    let countries = [
        ("198.51.100.0/24", mmdb::country("AQ")),
        ("203.0.113.0/24", mmdb::country("BV")),
    ];
    let systems = [("198.51.100.64/26", mmdb::system(64_500, "Example Hosting"))];
    let countries = mmdb::database("Test-Country", &countries);
    fs::write(dir.join("c.mmdb"), countries).unwrap();
    let systems = mmdb::database("Test-ASN", &systems);
    fs::write(dir.join("a.mmdb"), systems).unwrap();
    let named = "[enrichment]\ncountry = 'c.mmdb'\nasn = 'a.mmdb'\n";
    fs::write(dir.join("c.toml"), named).unwrap();
    let config = dir.join("c.toml");
    ["--config".to_owned(), config.to_str().unwrap().to_owned()]
}

#[test]
fn databases_of_addresses_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let [option, file] = with_databases(dir.path());
    let checked = run::ran(["check", &option, &file]).exits(0).stdout;
    for want in [
        "c.mmdb: Test-Country, made 2026-11-01 00:00:00Z",
        "a.mmdb: Test-ASN, made",
    ] {
        assert!(checked.contains(want), "{checked}");
    }
    fs::write(dir.path().join("a.mmdb"), "garbage").unwrap();
    let refused = run::ran(["check", &option, &file]).exits(2).stderr;
    assert!(
        refused.contains("a.mmdb: is no database in MaxMind's format"),
        "{refused}"
    );
}

#[test]
fn databases_say_where_addresses_are() {
    const GATE: &str = "198.51.100.66";
    let dir = tempfile::tempdir().unwrap();
    let [option, file] = with_databases(dir.path());
    let capture = root().join("captures/malware-delivery.pcap");
    let (out, options) = (
        dir.path().join("out"),
        ["-q", "--json", "-", &option, &file],
    );
    let told = run::replay(&[&capture], &out, &options).exits(0).stdout;
    let rows: Vec<Value> = { told.lines() }
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let want = serde_json::json!({"ip": GATE, "names": ["gate.example"], "country": "AQ",
        "asn": 64_500, "as_org": "Example Hosting"});
    let said = |of: fn(&Value) -> &Value, kind: &str| {
        let mut outside = rows.iter().filter(|row| row["type"] == kind).map(of);
        outside.any(|outside| outside.as_array().is_some_and(|all| all.contains(&want)))
    };
    assert!(said(|row| &row["evidence"]["outside"], "signal"), "{told}");
    assert!(said(|row| &row["outside"], "detection"), "{told}");

    let database = out.join("flowhawk.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    let asked = "SELECT country || ' ' || asn || ' ' || as_org || ' ' || names_json, detection_id \
                 FROM v_detection_outside WHERE ip = ?1";
    let found = connection.query_row(asked, [GATE], |row| Ok((row.get(0)?, row.get(1)?)));
    let (found, id): (String, String) = found.unwrap();
    assert_eq!(found, "AQ 64500 Example Hosting [\"gate.example\"]");
    let show = [
        "detections",
        "show",
        &id,
        "--db",
        database.to_str().unwrap(),
    ];
    let shown = run::ran(show).exits(0).stdout;
    assert!(
        shown.contains("198.51.100.66 gate.example AQ AS64500 Example Hosting"),
        "{shown}"
    );
}

#[test]
fn another_filter_picks_the_same_packets() {
    const FILTERS: [&str; 3] = ["tcp port 80", "udp", "ip6 or vlan"];
    if !run::installed("tcpdump") {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    for capture in captures() {
        let plain = out.path().join("plain");
        fs::write(&plain, support::pcap::plain(&capture.path)).unwrap();
        for filter in FILTERS {
            let counted = Command::new("tcpdump")
                .args(["-n", "-w", "-", "-r"])
                .args([&plain, Path::new(filter)])
                .output()
                .unwrap();
            let options = ["--no-db", "--filter", filter];
            let told = run::replay(&[&plain], out.path(), &options).exits(0);
            let ours = Summary::of(&told.stderr).unwrap();
            let filtered = ours.reasons.get("filtered").copied().unwrap_or_default();
            let theirs = if counted.status.success() {
                let picked = out.path().join("picked.pcap");
                fs::write(&picked, &counted.stdout).unwrap();
                Capture::read(&picked).unwrap().packets.len() as u64
            } else {
                // What makes no sense for the link type passes nothing.
                0
            };
            assert_eq!(
                ours.packets - filtered,
                theirs,
                "{}: {filter}",
                capture.name
            );
        }
    }
}
