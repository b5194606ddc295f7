//! A flood of SYNs from more addresses than there is room for: what is real among them is told as
//! though there were no flood. `scripts/flood` does the same at full size and measures it.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use support::frames::{ACK, ETHERNET, FIN, Path as Way, START, SYN, tcp};
use support::pcap::{Capture, Packet};
use support::rows::rows;
use support::run::{self, Ran};

/// Packets of the flood, twenty-five microseconds apart: more than the least memory has room for, and
/// all of them before the first attempt is given up.
const FLOOD: u32 = 150_000;
const APART: u64 = 25;
/// Ordinary connections, spread over the same time.
const REAL: u16 = 200;

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 1, 0, 80), 443);

/// A SYN from an address of its own, all outside.
fn spoofed(n: u32) -> Packet {
    let src = Ipv4Addr::from(0x2000_0000 + n.wrapping_mul(0x9e37_79b1) % 0x3000_0000);
    let way = Way {
        src: (src, 1024),
        dst: SERVER,
    };
    packet(u64::from(n) * APART, tcp(way, SYN, (n, 0), b""))
}

fn packet(micros: u64, bytes: Vec<u8>) -> Packet {
    Packet {
        micros: START + micros,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
    }
}

/// A whole connection, a request and an answer in it.
fn real(n: u16) -> Vec<Packet> {
    let [high, low] = n.to_be_bytes();
    let there = Way {
        src: (Ipv4Addr::new(198, 18, high, low), 40_000),
        dst: SERVER,
    };
    let back = there.reversed();
    let segments = [
        tcp(there, SYN, (1_000, 0), b""),
        tcp(back, SYN | ACK, (5_000, 1_001), b""),
        tcp(there, ACK, (1_001, 5_001), b""),
        tcp(there, ACK, (1_001, 5_001), &[b'q'; 180]),
        tcp(back, ACK, (5_001, 1_181), &[b'a'; 1_200]),
        tcp(there, FIN | ACK, (1_181, 6_201), b""),
        tcp(back, FIN | ACK, (6_201, 1_182), b""),
        tcp(there, ACK, (1_182, 6_202), b""),
    ];
    // The last one begins well before the flood ends.
    let begin = u64::from(n) * u64::from(FLOOD) * APART / u64::from(REAL + 20);
    let at = (0..).map(|nth| begin + nth * 12_000 + 7);
    at.zip(segments)
        .map(|(at, bytes)| packet(at, bytes))
        .collect()
}

fn capture(flood: u32) -> Capture {
    let mut packets: Vec<Packet> = (0..flood).map(spoofed).collect();
    packets.extend((0..REAL).flat_map(real));
    packets.sort_by_key(|packet| packet.micros);
    let link = ETHERNET;
    Capture { link, packets }
}

fn replay(dir: &Path, name: &str, capture: &Capture) -> (Ran, Vec<String>) {
    let (file, out) = (dir.join(format!("{name}.pcap")), dir.join(name));
    let (config, found) = (dir.join("flood.toml"), dir.join(format!("{name}.jsonl")));
    fs::write(&file, capture.write_usual()).unwrap();
    fs::write(&config, "memory_limit = \"64MiB\"\n").unwrap();
    let options = [
        "-v",
        "--no-db",
        "--config",
        config.to_str().unwrap(),
        "--json",
        found.to_str().unwrap(),
    ];
    let ran = run::replay(&[&file], &out, &options).exits(0);
    (ran, rows(&out.join("conn.log")))
}

/// Rows of the ordinary connections without their uids, which go by what else there was.
fn ordinary(rows: &[String]) -> Vec<String> {
    let of_client = |row: &&String| row.contains("\t198.18.");
    let mut ordinary: Vec<String> = rows
        .iter()
        .filter(of_client)
        .map(|row| without_uid(row))
        .collect();
    ordinary.sort();
    ordinary
}

fn without_uid(row: &str) -> String {
    let mut cells: Vec<&str> = row.split('\t').collect();
    cells.remove(1);
    cells.join("\t")
}

/// A number of the summary.
fn counted(summary: &str, name: &str) -> u64 {
    let number = summary
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    let number = number.unwrap_or_else(|| panic!("no {name} in {summary}"));
    number.replace(' ', "").parse().unwrap()
}

#[test]
fn a_flood_leaves_what_is_real_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (_, alone) = replay(dir.path(), "alone", &capture(0));
    let (ran, flooded) = replay(dir.path(), "flood", &capture(FLOOD));

    let real = ordinary(&flooded);
    assert_eq!(real.len(), usize::from(REAL));
    assert_eq!(real, ordinary(&alone));
    for row in &real {
        for want in ["\t180\t1200\tSF\t", "\t0\tShADdFf\t5\t380\t3\t1320\t"] {
            assert!(row.contains(want), "{want:?} is not in {row:?}");
        }
    }
    let flows = usize::from(REAL) + usize::try_from(FLOOD).unwrap();
    assert_eq!(flooded.len(), flows, "a row for each flow, evicted or not");
    let evicted = counted(&ran.stderr, "flows evicted");
    assert!(
        (1..u64::from(FLOOD)).contains(&evicted),
        "{evicted} evicted"
    );
    let packets = u64::from(FLOOD) + 8 * u64::from(REAL);
    assert_eq!(counted(&ran.stderr, "packets processed"), packets);
    let found = fs::read_to_string(dir.path().join("flood.jsonl")).unwrap();
    let opened = found
        .lines()
        .filter(|line| line.contains("SYN_BURST") && line.contains("\"opened\""));
    assert_eq!(opened.count(), 1, "{found}");
}
