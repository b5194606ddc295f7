//! `flowhawk detect`: what is found in a capture's logs is what was found in the capture.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use support::run::{installed, ran, ran_with_stdin, replay};
use support::{Recorded, captures};

/// Each signal and each detection, by what it is of and whom it is about.
fn found(findings: &str) -> BTreeSet<String> {
    findings
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let what = ["signal_type", "rule_id", "src_ip", "dst_ip", "dst_port"];
            what.map(|key| row[key].to_string()).join(" ")
        })
        .collect()
}

/// What logs do not tell: signals of rows of no log, and passwords that FTP refused.
const NOT_TOLD: [(&str, &str); 3] = [
    ("", "ICMP_TUNNEL"),
    ("", "PROTOCOL_ON_WRONG_PORT"),
    ("ftp-brute-force", "BRUTE"),
];

fn is_told(line: &str, capture: &Recorded) -> bool {
    let fits = |(of, name): &(&str, &str)| capture.name.starts_with(of) && line.contains(name);
    !NOT_TOLD.iter().any(fits)
}

fn detect(logs: &[&Path], options: &[&str]) -> support::run::Ran {
    let logs = logs.iter().map(|log| log.as_os_str());
    let options = options.iter().map(AsRef::as_ref);
    ran(["detect", "--no-db", "--json", "-"]
        .iter()
        .map(AsRef::as_ref)
        .chain(options)
        .chain(logs))
}

fn capture(name: &str) -> Recorded {
    let found = captures().into_iter().find(|capture| capture.name == name);
    found.unwrap()
}

#[test]
fn logs_tell_what_their_capture_tells() {
    for capture in captures() {
        for format in ["tsv", "json"] {
            let out = tempfile::tempdir().unwrap();
            let config = capture.options();
            let config: Vec<&str> = config.iter().map(String::as_str).collect();
            let options = [
                &["--no-db", "--json", "-", "--log-format", format],
                &*config,
            ]
            .concat();
            let replayed = replay(&[&capture.path], out.path(), &options).exits(0);
            let expected = fs::read_to_string(capture.expectations()).unwrap();
            let told: Vec<&str> = expected
                .lines()
                .filter(|line| is_told(line, &capture))
                .collect();
            let expect = out.path().join("expect");
            fs::write(&expect, told.join("\n")).unwrap();
            let options = [&["--expect", expect.to_str().unwrap()], &*config].concat();
            let detected = detect(&[out.path()], &options).exits(0);
            let mut want = found(&replayed.stdout);
            want.retain(|line| is_told(line, &capture));
            assert_eq!(found(&detected.stdout), want, "{} {format}", capture.name);
        }
    }
}

#[test]
fn logs_may_lie_anywhere_in_any_order() {
    let capture = capture("dns-tunnel");
    let out = tempfile::tempdir().unwrap();
    replay(&[&capture.path], out.path(), &["--no-db", "-q"]).exits(0);
    let (conn, dns) = (out.path().join("conn.log"), out.path().join("dns.log"));
    let want = detect(&[&conn, &dns], &[]).exits(0).stdout;
    assert!(!found(&want).is_empty());
    assert_eq!(detect(&[&dns, &conn], &[]).exits(0).stdout, want);

    // Rotated: a header on each part, parts in directories, one of them compressed.
    let rotated = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(&dns).unwrap();
    let (header, rows): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    for (hour, rows) in rows.chunks(rows.len() / 3 + 1).enumerate() {
        let day = rotated.path().join(format!("2026-01-0{hour}"));
        fs::create_dir(&day).unwrap();
        let all: Vec<&str> = header.iter().chain(rows).copied().collect();
        fs::write(day.join("dns.00:00:00-01:00:00.log"), all.join("\n")).unwrap();
    }
    fs::write(rotated.path().join("conn-summary.log"), "not a log").unwrap();
    fs::copy(&conn, rotated.path().join("2026-01-00/conn.log")).unwrap();
    assert_eq!(detect(&[rotated.path()], &[]).exits(0).stdout, want);
    if installed("gzip") {
        let part = rotated.path().join("2026-01-01/dns.00:00:00-01:00:00.log");
        assert!(Command::new("gzip").arg(part).status().unwrap().success());
        assert_eq!(detect(&[rotated.path()], &[]).exits(0).stdout, want);
    }
}

#[test]
fn standard_input_says_itself_what_it_is() {
    let capture = capture("horizontal-scan");
    let out = tempfile::tempdir().unwrap();
    replay(&[&capture.path], out.path(), &["--no-db", "-q"]).exits(0);
    let log = fs::read(out.path().join("conn.log")).unwrap();
    let args = ["detect", "--no-db", "--json", "-", "-"];
    let detected = ran_with_stdin(args, &log).exits(0);
    assert!(detected.stdout.contains("RECON-001"), "{detected:#?}");

    let json =
        b"{\"_path\":\"conn\",\"ts\":\"2024-05-01T10:00:00.5Z\",\"uid\":\"CHhAvVGS1DHFjwGM9\",\
        \"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":1,\"id.resp_h\":\"10.0.0.2\",\"id.resp_p\":2,\
        \"proto\":\"tcp\",\"conn_state\":\"S0\"}\n{\"_path\":\"x509\",\"ts\":1}\n";
    let args = ["detect", "--no-db", "-"];
    let detected = ran_with_stdin(args, json).exits(0);
    assert!(detected.stderr.contains("2 rows"), "{detected:#?}");
    assert!(
        detected.stderr.contains("row_of_another_log"),
        "{detected:#?}"
    );
}

/// Logs under names that say nothing of them.
#[test]
fn columns_tell_whose_rows_they_are() {
    let capture = capture("dns-tunnel");
    let out = tempfile::tempdir().unwrap();
    let renamed = out.path().join("monday");
    for (format, hidden) in [("json", "nothing"), ("tsv", "#path")] {
        let options = ["--no-db", "-q", "--log-format", format];
        replay(&[&capture.path], out.path(), &options).exits(0);
        let log = fs::read_to_string(out.path().join("dns.log")).unwrap();
        let lines = log.lines().filter(|line| !line.starts_with(hidden));
        fs::write(&renamed, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let detected = detect(&[&renamed], &[]).exits(0);
        assert!(detected.stdout.contains("DNS-EXFIL-001"), "{detected:#?}");
    }
}

/// Zeek's `Log::default_scope_sep` may be another than a point.
#[test]
fn columns_may_be_named_with_underscores() {
    let capture = capture("horizontal-scan");
    let out = tempfile::tempdir().unwrap();
    let log = out.path().join("conn.log");
    for format in ["tsv", "json"] {
        let options = ["--no-db", "-q", "--log-format", format];
        replay(&[&capture.path], out.path(), &options).exits(0);
        let want = detect(&[&log], &[]).exits(0).stdout;
        assert!(want.contains("RECON-001"), "{want}");
        let renamed = fs::read_to_string(&log).unwrap().replace("id.", "id_");
        fs::write(&log, renamed).unwrap();
        assert_eq!(detect(&[&log], &[]).exits(0).stdout, want);
    }
}

#[test]
fn uids_are_those_of_the_logs() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("conn.log");
    let mut file = fs::File::create(&log).unwrap();
    writeln!(file, "#separator \\x09\n#set_separator\t,\n#path\tconn").unwrap();
    let fields = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state";
    writeln!(file, "#fields\t{fields}").unwrap();
    for port in 1..=60 {
        writeln!(
            file,
            "{port}.5\tCHhAvVGS1DHFjwG{port:02}\t10.0.0.1\t4000\t10.0.0.2\t{port}\ttcp\tREJ"
        )
        .unwrap();
    }
    let detected = detect(&[&log], &[]).exits(0);
    assert!(detected.stdout.contains("\"PORT_SCAN\""), "{detected:#?}");
    assert!(
        detected.stdout.contains("\"CHhAvVGS1DHFjwG21\""),
        "{detected:#?}"
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let header = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n";
    let row = "1.5\tC1\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\n";
    let cases: [(&str, String, &str); 8] = [
        (
            "conn.log",
            format!("{header}{row}1.5\tC1\n"),
            "1 of 2 rows were not processed, the first of them line 5: row_cut_short",
        ),
        (
            "conn.log",
            format!("{header}x\tC1\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\n"),
            "no_time_or_address",
        ),
        ("conn.log", "{\"ts\":1\n".to_owned(), "not_json"),
        (
            "conn.log",
            "ts,uid\n".to_owned(),
            "line 1: not a log: it begins neither with #separator nor with {",
        ),
        (
            "conn.log",
            header.replace("\tproto", ""),
            "line 3: a log of conn without the column proto",
        ),
        (
            "notice.log",
            header.replace("conn", "notice"),
            "line 3: a log of notice, of which detectors ask nothing",
        ),
        (
            "some.log",
            header.replace("#path\tconn\n", ""),
            "shows neither in #path, nor in the file's name, nor in the columns",
        ),
        (
            "conn.log",
            format!("{header}{}\n", "x".repeat(3 << 20)),
            "row_too_long",
        ),
    ];
    for (name, text, said) in cases {
        let log = dir.path().join(name);
        fs::write(&log, text).unwrap();
        let ran = detect(&[&log], &[]).exits(1);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let ran = detect(&[&dir.path().join("missing.log")], &[]).exits(1);
    assert!(
        ran.stderr.contains("missing.log: cannot open"),
        "{}",
        ran.stderr
    );
}
