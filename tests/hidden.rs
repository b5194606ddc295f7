//! An attack is found though somebody fills the detectors' tables with what is nothing but new: every
//! row another host inside that calls another one outside, every question another name.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use support::run::{ran, replay};
use support::{Recorded, captures};

/// Connections of the noise in a second; one in four comes with a question.
const RATE: u32 = 200;
/// The least there may be. A table of pairs holds some 3,000, not what comes between two calls
/// of a beacon.
const CONFIG: &str = "memory_limit = \"64MiB\"\n";

/// When a capture's first and last flow began, in seconds.
fn times(conn: &Path) -> (f64, f64) {
    let rows = support::rows::rows(conn);
    let times = rows
        .iter()
        .map(|row| row.split('\t').next().unwrap().parse().unwrap());
    times.fold((f64::MAX, 0.0), |(first, last): (f64, f64), time: f64| {
        (first.min(time), last.max(time))
    })
}

/// Numbers without a pattern, the same every time.
const fn random(number: u32) -> u32 {
    let mixed = (number ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77)
}

/// Writes conn.log and dns.log of nothing but new hosts, pairs and names from `first` to `last`.
fn write_noise(into: &Path, (first, last): (f64, f64)) {
    let head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n";
    let id = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto";
    let mut conn = format!(
        "{head}#path\tconn\n#fields\t{id}\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\tresp_pkts\n"
    );
    let mut dns = format!("{head}#path\tdns\n#fields\t{id}\tquery\tqtype_name\trcode_name\n");
    for number in 0.. {
        let time = first + f64::from(number) / f64::from(RATE);
        if time > last {
            break;
        }
        let (here, there) = (random(number), random(number ^ 0xffff_0000));
        let inside = format!(
            "10.{}.{}.{}",
            128 + here % 128,
            (here >> 8) % 256,
            (here >> 16) % 256
        );
        let outside = format!(
            "{}.{}.{}.9",
            20 + there % 60,
            (there >> 8) % 256,
            (there >> 16) % 256
        );
        let (sent, received) = (200 + here % 900, 300 + there % 9_000);
        writeln!(
            conn,
            "{time:.6}\tCc{number}\t{inside}\t40000\t{outside}\t443\ttcp\t0.5\t{sent}\t{received}\tSF\t6\t6"
        )
        .unwrap();
        if number % 4 != 0 {
            continue;
        }
        writeln!(
            dns,
            "{time:.6}\tCd{number}\t{inside}\t40001\t10.1.0.2\t53\tudp\tw{here}.n{there}.com\tA\tNOERROR"
        )
        .unwrap();
    }
    fs::write(into.join("conn.log"), conn).unwrap();
    fs::write(into.join("dns.log"), dns).unwrap();
}

/// What logs do not tell: which passwords FTP refused.
fn is_attack(capture: &Recorded) -> bool {
    let expected = fs::read_to_string(capture.expectations()).unwrap();
    let attack = expected
        .lines()
        .any(|line| !line.starts_with('#') && !line.is_empty());
    attack && capture.name != "ftp-brute-force"
}

#[test]
fn attacks_are_found_in_a_flood_of_what_is_new() {
    let attacks: Vec<Recorded> = captures().into_iter().filter(is_attack).collect();
    assert!(attacks.len() > 8);
    for capture in attacks {
        let dir = tempfile::tempdir().unwrap();
        let (logs, noise) = (dir.path().join("logs"), dir.path().join("noise"));
        replay(&[&capture.path], &logs, &["--no-db", "-q"]).exits(0);
        fs::create_dir(&noise).unwrap();
        write_noise(&noise, times(&logs.join("conn.log")));
        let config = dir.path().join("flowhawk.toml");
        let roles = capture
            .path
            .with_file_name(format!("{}.toml", capture.name));
        let roles = fs::read_to_string(roles).unwrap_or_default();
        fs::write(&config, format!("{CONFIG}{roles}")).unwrap();
        let expected = capture.expectations();
        let run = ran([
            "detect".as_ref(),
            "--no-db".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            "--expect".as_ref(),
            expected.as_os_str(),
            logs.as_os_str(),
            noise.as_os_str(),
        ])
        .exits(0);
        let long = capture.name.starts_with("c2-beacon");
        for table in [
            "PERIODIC_BEACON",
            "PERSISTENT_DESTINATION",
            "COMMAND_EXCHANGE",
        ] {
            let evicted = run.stderr.contains(&format!("{table}.evicted"));
            assert!(evicted || !long, "{} {table}: {run:#?}", capture.name);
        }
    }
}
