//! Captures damaged at random, from a fixed seed: whatever is in them, a run ends by itself, with
//! an exit code of its own, and counts every packet.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use support::frames::{Path as Way, capture, connection, datagrams};
use support::pcap::{self, Format, Order, Unit, gzipped};
use support::summary::Summary;
use support::{captures, run};

const RUNS: u64 = 1_000;
const SEED: u64 = 0x000f_1007_da3a_6ed5;
/// Larger captures would only make it slow.
const LARGEST: usize = 100_000;
/// A run that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

#[test]
fn damaged_captures_are_survived_and_counted() {
    let victims = victims();
    let next = AtomicU64::new(0);
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| one_after_the_other(&victims, &next)))
            .collect();
        let wrong = workers.into_iter().flat_map(|w| w.join().unwrap());
        wrong.collect()
    });
    assert!(wrong.is_empty(), "{} of {RUNS}: {wrong:#?}", wrong.len());
}

/// What is damaged: what is recorded, as far as it is small, and every format.
fn victims() -> Vec<Vec<u8>> {
    let flows = (0..20).flat_map(|n| connection(Way::between(30_000 + n, 80)));
    let made = capture(flows);
    let mut victims = vec![
        made.write_usual(),
        made.write(Format::Pcap(Unit::Nanos, Order::Big)),
        made.write(Format::PcapNg(Order::Little)),
        made.write(Format::PcapNg(Order::Big)),
        gzipped(&made.write_usual()),
        zstd::encode_all(made.write_usual().as_slice(), 1).unwrap(),
        datagrams(3).write_usual(),
    ];
    let recorded = captures().into_iter().map(|c| pcap::plain(&c.path));
    victims.extend(recorded.filter(|bytes| bytes.len() <= LARGEST));
    victims
}

fn one_after_the_other(victims: &[Vec<u8>], next: &AtomicU64) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= RUNS {
            return wrong;
        }
        let mut random = Random(SEED ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = victims[random.below(victims.len())].clone();
        let how = random.damage(&mut bytes);
        let threads = ["1", "2", "4"][random.below(3)];
        let file = dir.path().join("damaged");
        fs::write(&file, &bytes).unwrap();
        if let Err(what) = survives(&file, dir.path(), threads) {
            let kept = keep(number, &bytes);
            wrong.push(format!("{kept}: {how}, {threads} threads: {what}"));
        }
    }
}

/// Puts a capture that was not survived where it can be looked at.
fn keep(number: u64, bytes: &[u8]) -> String {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = dir.join(format!("damaged-{number}"));
    fs::write(&file, bytes).unwrap();
    file.display().to_string()
}

fn survives(file: &Path, dir: &Path, threads: &str) -> Result<(), String> {
    let mut stderr = tempfile::tempfile().unwrap();
    let options = ["--no-db", "--json", "-", "--threads", threads];
    let args = run::replay_args(&[file], &dir.join("out"), &options);
    let code = exit_code(args, stderr.try_clone().unwrap());
    let mut told = String::new();
    stderr.rewind().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    match code {
        Some(0 | 1) => {}
        Some(code) => return Err(format!("exit {code}: {told}")),
        None => return Err(format!("killed, or no end in {LONGEST:?}: {told}")),
    }
    match Summary::of(&told) {
        Some(summary) if summary.adds_up() => Ok(()),
        summary => Err(format!("{summary:?} does not add up: {told}")),
    }
}

/// `None` when a signal ended it, ours included.
fn exit_code(args: Vec<std::ffi::OsString>, stderr: File) -> Option<i32> {
    let mut child = run::flowhawk(args)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let mut waited = Duration::ZERO;
    while waited < LONGEST {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(POLL);
        waited += POLL;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Damages `bytes` in one of several ways; returns which.
    fn damage(&mut self, bytes: &mut Vec<u8>) -> &'static str {
        match self.below(10) {
            0..4 => {
                (0..=self.below(16)).for_each(|_| self.flip(bytes));
                "some bytes changed"
            }
            4..6 => {
                (0..=bytes.len() / 100).for_each(|_| self.flip(bytes));
                "one byte in a hundred changed"
            }
            6 => {
                bytes.truncate(self.below(bytes.len()));
                "cut off"
            }
            7 => {
                bytes.truncate(self.below(bytes.len()));
                (0..4).for_each(|_| self.flip(bytes));
                "changed and cut off"
            }
            8 => {
                let start = self.below(bytes.len());
                let end = bytes.len().min(start + 1 + self.below(64));
                bytes.drain(start..end);
                "a piece taken out"
            }
            _ => {
                let start = self.below(bytes.len());
                let word = [0, 1, 0x7fff_ffff, u32::MAX, 0xffff_0000][self.below(5)];
                let place = bytes.iter_mut().skip(start).take(4);
                place
                    .zip(u32::to_le_bytes(word))
                    .for_each(|(b, new)| *b = new);
                "a word of all ones or noughts"
            }
        }
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= self.byte() | 1;
        }
    }
}
