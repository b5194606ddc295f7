//! open_conn.log: rows of connections that are not over.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::path::Path;

use support::frames::{self, ACK, FIN, Path as Way, SYN, tcp};
use support::pcap::Capture;
use support::rows::rows;
use support::run;

/// Ten bytes every three seconds, each acknowledged after a millisecond, and the end after twenty-four.
fn long_connection() -> Capture {
    let way = Way::between(30_000, 9_000);
    let back = way.reversed();
    let mut frames = vec![
        (0, tcp(way, SYN, (1_000, 0), b"")),
        (1, tcp(back, SYN | ACK, (5_000, 1_001), b"")),
        (2, tcp(way, ACK, (1_001, 5_001), b"")),
    ];
    for nth in 0..7 {
        let (at, seq) = (3_000 * (u64::from(nth) + 1), 1_001 + 10 * nth);
        frames.push((at, tcp(way, ACK, (seq, 5_001), b"ten bytes.")));
        frames.push((at + 1, tcp(back, ACK, (5_001, seq + 10), b"")));
    }
    frames.extend([
        (24_000, tcp(way, FIN | ACK, (1_071, 5_001), b"")),
        (24_001, tcp(back, FIN | ACK, (5_001, 1_072), b"")),
        (24_002, tcp(way, ACK, (1_072, 5_002), b"")),
    ]);
    let (times, frames): (Vec<u64>, Vec<Vec<u8>>) = frames.into_iter().unzip();
    let mut capture = frames::capture(frames);
    for (packet, millis) in capture.packets.iter_mut().zip(times) {
        packet.micros = frames::START + 1_000 * millis;
    }
    capture
}

/// Replays it into `dir` with these settings.
fn replay(dir: &Path, settings: &str, options: &[&str]) {
    let (capture, config) = (dir.join("long.pcap"), dir.join("flowhawk.toml"));
    fs::write(&capture, long_connection().write_usual()).unwrap();
    fs::write(&config, settings).unwrap();
    let config = ["-q", "--no-db", "--config", config.to_str().unwrap()];
    run::replay(&[&capture], dir, &[&config, options].concat()).exits(0);
}

/// What a row says of who and when, and what it says was moved.
fn parts(row: &str) -> (Vec<&str>, String) {
    let columns: Vec<&str> = row.split('\t').collect();
    let (whose, moved) = (&columns[..8], &columns[8..20]);
    ([whose, &columns[20..]].concat(), moved.join(" "))
}

#[test]
fn what_is_open_has_a_row_at_each_interval() {
    let dir = tempfile::tempdir().unwrap();
    replay(dir.path(), "open_connections_every = \"10s\"", &[]);
    let closed = rows(&dir.path().join("conn.log"));
    let open = rows(&dir.path().join("open_conn.log"));
    let [closed] = closed.as_slice() else {
        panic!("{closed:#?}");
    };
    let (whose, moved) = parts(closed);
    // Told with the first packet at or after ten seconds, and after twenty: those of seconds 12 and 21,
    // which are not in it yet. 40 bytes of headers a packet; orig_pkts, orig_ip_bytes, resp_pkts,
    // resp_ip_bytes stand behind the history.
    let want = [
        "9.001000 30 0 S1 T T 0 ShADa 5 230 4 160",
        "18.001000 60 0 S1 T T 0 ShADa 8 380 7 280",
    ];
    let got: Vec<_> = open.iter().map(|row| parts(row)).collect();
    assert_eq!(got.len(), want.len(), "{open:#?}");
    for ((of, got), want) in got.into_iter().zip(want) {
        assert_eq!((of, got.as_str()), (whose.clone(), want));
    }
    assert_eq!(moved, "24.001000 70 0 SF T T 0 ShADaFf 11 510 9 360");
    let head = |name: &str| -> Vec<String> {
        let log = fs::read_to_string(dir.path().join(name)).unwrap();
        let head = log.lines().filter(|line| line.starts_with('#'));
        let lasting = head.filter(|line| !line.starts_with("#open") && !line.starts_with("#close"));
        lasting
            .map(|line| line.replace("open_conn", "conn"))
            .collect()
    };
    assert_eq!(head("open_conn.log"), head("conn.log"));
}

#[test]
fn json_has_the_same_and_none_are_asked_for_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let every = "open_connections_every = \"20s\"";
    replay(dir.path(), every, &["--log-format", "json"]);
    let open = rows(&dir.path().join("open_conn.log"));
    assert_eq!(open.len(), 1, "{open:#?}");
    let row: serde_json::Value = serde_json::from_str(&open[0]).unwrap();
    assert_eq!(row["duration"], 18.001);
    assert_eq!(row["orig_bytes"], 60);
    assert_eq!(row["conn_state"], "S1");

    replay(dir.path(), "", &[]);
    assert!(!dir.path().join("open_conn.log").exists());
    assert_eq!(rows(&dir.path().join("conn.log")).len(), 1);
}

/// Its bytes would count twice.
#[test]
fn detectors_take_each_connection_once() {
    let dir = tempfile::tempdir().unwrap();
    replay(dir.path(), "open_connections_every = \"1s\"", &[]);
    let detect = |input: &Path| {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().to_str().unwrap();
        run::ran(["detect", "-o", out, "--no-db", input.to_str().unwrap()])
    };
    for input in [dir.path().to_owned(), dir.path().join("conn.log")] {
        let said = detect(&input).exits(0).stderr;
        assert!(said.contains(", 1 flows"), "{}: {said}", input.display());
    }
    let refused = detect(&dir.path().join("open_conn.log"));
    assert!(
        refused.stderr.contains("open_conn.log"),
        "{}",
        refused.stderr
    );
}
