//! What a packet and a row's names cost, by the traffic they come from: `cargo bench -p flow-table`.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use flow_table::{
    Block, Checksums, Clock, Decoder, FlowConfig, Frame, InspectionConfig, LinkType, Packet, Shard,
    ShardId, Span, TableOutput, Tells, Timestamp, community_id_text,
};

/// Connections and scans; a beacon among browsing; spoofed SYNs.
const MIXES: [&str; 3] = ["lateral-movement", "c2-beacon-http", "syn-flood"];

/// A capture in memory.
struct Traffic {
    frames: Vec<(Timestamp, Vec<u8>)>,
    times: Vec<Timestamp>,
}

impl Traffic {
    /// Reads a capture of the classic format with microseconds, little endian.
    fn read(name: &str) -> Self {
        let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
        let bytes = fs::read(captures.join(name).with_extension("pcap")).unwrap_or_default();
        let mut rest = bytes.get(24..).unwrap_or_default();
        let mut frames = Vec::new();
        while let Some((header, after)) = rest.split_first_chunk::<16>() {
            let [secs, micros, kept, _] = [0, 4, 8, 12].map(|at| {
                let word = header.get(at..).and_then(<[u8]>::first_chunk);
                u32::from_le_bytes(word.copied().unwrap_or_default())
            });
            let Some((frame, after)) = after.split_at_checked(kept as usize) else {
                break;
            };
            let time = Timestamp::new(i64::from(secs), i64::from(micros) * 1_000);
            frames.push((time, frame.to_vec()));
            rest = after;
        }
        let mut now = Timestamp::ZERO;
        let times = frames.iter().map(|(time, _)| {
            now = now.max(*time);
            now
        });
        let times = times.collect();
        Self { frames, times }
    }

    fn decode(&self, decoder: &Decoder, packets: &mut Vec<Packet>) {
        packets.clear();
        for (index, (ts, bytes)) in (0..).zip(&self.frames) {
            let frame = Frame {
                ts: *ts,
                bytes,
                wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                link: LinkType::Ethernet,
                index,
                at: 0,
            };
            // What is no IP is part of the traffic.
            let _ = decoder.decode(frame, packets);
        }
    }
}

fn shard() -> Shard {
    let config = FlowConfig {
        seed: 1,
        tells: Tells::ALL,
        progress_interval: Span::from_secs(10),
        open_every: None,
        memory: 1 << 28,
        inspection: InspectionConfig::NONE,
    };
    Shard::new(ShardId { index: 0, of: 1 }, &config)
}

fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    elements: usize,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(elements as u64));
    group
}

fn decode(criterion: &mut Criterion) {
    let decoder = Decoder::new(1, Checksums::Verify);
    for mix in MIXES {
        let traffic = Traffic::read(mix);
        let mut packets = Vec::new();
        group(criterion, "decode", traffic.frames.len()).bench_function(mix, |bench| {
            bench.iter(|| traffic.decode(&decoder, black_box(&mut packets)));
        });
    }
}

/// From an empty table to one that is empty again.
fn table(criterion: &mut Criterion) {
    let decoder = Decoder::new(1, Checksums::Verify);
    for mix in MIXES {
        let traffic = Traffic::read(mix);
        let mut packets = Vec::new();
        traffic.decode(&decoder, &mut packets);
        let clock = Clock::new(&traffic.times);
        group(criterion, "table", packets.len()).bench_function(mix, |bench| {
            bench.iter_batched_ref(
                || (shard(), TableOutput::default()),
                |(shard, out)| {
                    shard.take(&packets, &Block::new(clock), out);
                    shard.finish(clock.end(), out);
                },
                BatchSize::LargeInput,
            );
        });
    }
}

/// What every row of conn.log has to be named by.
fn names(criterion: &mut Criterion) {
    let (mut packets, mut out) = (Vec::new(), TableOutput::default());
    let traffic = Traffic::read("lateral-movement");
    traffic.decode(&Decoder::new(1, Checksums::Verify), &mut packets);
    let (mut shard, clock) = (shard(), Clock::new(&traffic.times));
    shard.take(&packets, &Block::new(clock), &mut out);
    shard.finish(clock.end(), &mut out);
    let mut group = group(criterion, "names", out.records.len());
    group.bench_function("uid", |bench| {
        bench.iter(|| {
            for row in &out.records {
                black_box(row.uid.text());
            }
        });
    });
    group.bench_function("community id", |bench| {
        bench.iter(|| {
            for row in &out.records {
                black_box(community_id_text(&row.id));
            }
        });
    });
}

criterion_group!(benches, decode, table, names);
criterion_main!(benches);
