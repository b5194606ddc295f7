//! The logs against the rows that Zeek writes, where the cases are at hand.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::process::Command;

use support::run::{binary, installed};

/// Cases of each kind that are equal, at least. Raise a number when more are; never lower one.
const FLOORS: [(&str, u32); 4] = [
    ("link-layer", 2),
    ("plain", 59),
    ("tunnel", 17),
    ("vector", 32),
];

/// What a script of the cases says of the shipped binary, run with these options; nothing, saying so,
/// where the cases are absent.
fn compared(script: &str, replay: &str, options: &[&str]) -> Option<[String; 2]> {
    let cases = support::root().join("../shared/conformance");
    if !cases.is_dir() {
        eprintln!("skipped: there is no {}", cases.display());
        return None;
    }
    if !installed("python3") {
        return None;
    }
    let command = format!("'{}' replay -q --no-db {replay}", binary().display());
    let output = Command::new("python3")
        .arg(cases.join(script))
        .arg(command)
        .args(options)
        .output()
        .unwrap();
    Some([output.stdout, output.stderr].map(|told| String::from_utf8_lossy(&told).into_owned()))
}

#[test]
fn conn_log_is_as_zeek_writes_it() {
    let replay = "{flags} --out {out} {pcap}";
    let Some([told, errors]) = compared("compare.py", replay, &[]) else {
        return;
    };
    let last = told.lines().last().unwrap_or_default();
    for (kind, floor) in FLOORS {
        let equal = equal(last, kind);
        assert!(
            equal >= Some(floor),
            "{kind}: {equal:?} cases equal, at least {floor} were\n{told}{errors}"
        );
        if equal > Some(floor) {
            eprintln!("{kind}: {equal:?} cases equal now; raise the floor from {floor}");
        }
    }
}

/// Rows of each log that are equal, at least.
const ROW_FLOORS: [(&str, u32); 13] = [
    ("conn", 1_773),
    ("dhcp", 8),
    ("dns", 172),
    ("files", 202),
    ("ftp", 67),
    ("http", 1_157),
    ("ntp", 80),
    ("smtp", 8),
    ("ssh", 38),
    ("ssl", 51),
    ("tunnel", 38),
    ("weird", 553),
    ("x509", 66),
];

#[test]
fn protocol_logs_are_as_zeek_writes_them() {
    let logs = ROW_FLOORS.map(|(log, _)| log).join(",");
    let replay = "-C --log-format json --out {out} {pcap}";
    let compared = compared("compare_logs.py", replay, &["--log", &logs]);
    let Some([told, errors]) = compared else {
        return;
    };
    for (log, floor) in ROW_FLOORS {
        let equal = equal_rows(&told, log);
        assert!(
            equal >= Some(floor),
            "{log}: {equal:?} rows equal, at least {floor} were\n{told}{errors}"
        );
        if equal > Some(floor) {
            eprintln!("{log}: {equal:?} rows equal now; raise the floor from {floor}");
        }
    }
}

/// The number of equal rows in `dns   captures 39/40  rows 172/173  …`.
fn equal_rows(told: &str, log: &str) -> Option<u32> {
    let line = told
        .lines()
        .find(|line| line.split(' ').next() == Some(log))?;
    let rows = line.split("rows ").nth(1)?;
    rows.split('/').next()?.parse().ok()
}

/// The number of equal cases in `conformance: 94/110 …; link-layer 0/2, plain 59/59, …`.
fn equal(line: &str, kind: &str) -> Option<u32> {
    let kinds = line.rsplit("; ").next()?;
    let counts = kinds.split(", ").find_map(|part| part.strip_prefix(kind))?;
    counts.trim().split('/').next()?.parse().ok()
}
