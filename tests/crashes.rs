//! Every input that ever broke something, once more, without any fuzzer: `tests/fuzz/crashes/TARGET`
//! through the check of that target, captures in `replay` and configurations in `config` through
//! the shipped binary. Where nothing was found yet the seeds in `tests/fuzz/corpus` go through all
//! the same, so a folder without crashes is no test that does nothing.

#![cfg(test)]

#[path = "fuzz/checks/certificates.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets")]
mod certificates;
#[path = "fuzz/checks/decode.rs"]
#[allow(unreachable_pub, dead_code, reason = "public for the fuzz targets")]
mod decode;
#[path = "fuzz/checks/detectors.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets")]
mod detectors_check;
#[path = "fuzz/checks/inspect.rs"]
#[allow(unreachable_pub, dead_code, reason = "public for the fuzz targets")]
mod inspect;
#[path = "fuzz/checks/parsers.rs"]
#[allow(unreachable_pub, dead_code, reason = "public for the fuzz targets")]
mod parsers;
#[path = "fuzz/checks/quic.rs"]
#[allow(unreachable_pub, dead_code, reason = "public for the fuzz targets")]
mod quic;
#[path = "fuzz/checks/rules.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets")]
mod rules;
#[path = "fuzz/checks/streams.rs"]
#[allow(unreachable_pub, dead_code, reason = "public for the fuzz targets")]
mod streams;
#[allow(dead_code, reason = "shared with the other tests")]
mod support;
#[path = "fuzz/checks/table.rs"]
#[allow(unreachable_pub, reason = "public for the fuzz targets")]
mod table;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use support::run;
use support::summary::Summary;

/// Crashes of `target`, then its seeds; by name, so that the first to fail is always the same.
fn inputs(target: &str) -> Vec<PathBuf> {
    let fuzz = support::root().join("tests/fuzz");
    let folders = ["crashes", "corpus"].map(|kind| fuzz.join(kind).join(target));
    let mut found = Vec::new();
    for folder in folders {
        // No folder: nothing found, or no seeds.
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        found.append(&mut files);
    }
    found
}

/// Runs `check` on every input of `target`, and names all that fail.
fn survives(target: &str, check: impl Fn(&Path, &[u8])) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target}: neither crashes nor seeds");
    let fails = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        catch_unwind(AssertUnwindSafe(|| check(path, &bytes))).is_err()
    };
    let failed: Vec<PathBuf> = inputs.into_iter().filter(fails).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn decode_survives() {
    survives("decode", |_, bytes| decode::check(bytes));
}

#[test]
fn table_survives() {
    survives("table", |_, bytes| table::check(bytes));
}

#[test]
fn streams_survive() {
    survives("streams", |_, bytes| streams::check(bytes));
}

#[test]
fn inspect_survives() {
    survives("inspect", |_, bytes| inspect::check(bytes));
}

#[test]
fn parsers_survive() {
    survives("parsers", |_, bytes| parsers::check(bytes));
}

#[test]
fn certificates_survive() {
    survives("certificates", |_, bytes| certificates::check(bytes));
}

#[test]
fn quic_survives() {
    survives("quic", |_, bytes| quic::check(bytes));
}

#[test]
fn rules_survive() {
    survives("rules", |_, bytes| rules::check(bytes));
}

#[test]
fn detectors_survive() {
    survives("detectors", |_, bytes| detectors_check::check(bytes));
}

/// Captures as they are, for what shows only in the whole sensor.
#[test]
fn replay_survives() {
    survives("replay", |path, _| replays(path));
}

/// These targets take a capture without its magic number behind three bytes of choices.
#[test]
fn pcap_survives() {
    survives("pcap", |_, bytes| {
        replays_bytes(&[0xd4, 0xc3, 0xb2, 0xa1], bytes);
    });
}

#[test]
fn pcapng_survives() {
    survives("pcapng", |_, bytes| {
        replays_bytes(&[0x0a, 0x0d, 0x0d, 0x0a], bytes);
    });
}

#[test]
fn config_survives() {
    survives("config", |path, _| {
        let args = ["check".as_ref(), "--config".as_ref(), path.as_os_str()];
        let ran = run::ran(args);
        assert!(matches!(ran.code, Some(0 | 2)), "{ran:#?}");
    });
}

fn replays_bytes(magic: &[u8], input: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("capture");
    let rest = input.get(3..).unwrap_or_default();
    fs::write(&file, [magic, rest].concat()).unwrap();
    replays(&file);
}

fn replays(path: &Path) {
    let dir = tempfile::tempdir().unwrap();
    for options in [&["--no-db", "-C"][..], &["--no-db", "--threads", "3"]] {
        let ran = run::ran(run::replay_args(&[path], &dir.path().join("out"), options));
        assert!(matches!(ran.code, Some(0 | 1)), "{ran:#?}");
        let summary = Summary::of(&ran.stderr).unwrap();
        assert!(summary.adds_up(), "{ran:#?}");
    }
}
