//! conn.log against the rows that Zeek writes, where the cases are at hand.

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

#[test]
fn conn_log_is_as_zeek_writes_it() {
    let cases = support::root().join("../shared/conformance");
    if !cases.is_dir() {
        eprintln!("skipped: there is no {}", cases.display());
        return;
    }
    if !installed("python3") {
        return;
    }
    let binary = binary();
    let command = format!(
        "'{}' replay -q --no-db {{flags}} --out {{out}} {{pcap}}",
        binary.display()
    );
    let output = Command::new("python3")
        .arg(cases.join("compare.py"))
        .arg(command)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let last = told.lines().last().unwrap_or_default();
    for (kind, floor) in FLOORS {
        let equal = equal(last, kind);
        assert!(
            equal >= Some(floor),
            "{kind}: {equal:?} cases equal, at least {floor} were\n{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if equal > Some(floor) {
            eprintln!("{kind}: {equal:?} cases equal now; raise the floor from {floor}");
        }
    }
}

/// The number of equal cases in `conformance: 94/110 …; link-layer 0/2, plain 59/59, …`.
fn equal(line: &str, kind: &str) -> Option<u32> {
    let kinds = line.rsplit("; ").next()?;
    let counts = kinds.split(", ").find_map(|part| part.strip_prefix(kind))?;
    counts.trim().split('/').next()?.parse().ok()
}
