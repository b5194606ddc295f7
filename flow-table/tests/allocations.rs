//! The steady state allocates nothing: neither does the decoder, nor do the packets of flows that
//! are there and that nobody looks into any more, however many blocks of them come. What is allocated once (tables, lists that are
//! used again) is there after the first blocks.

#![cfg(test)]
#![expect(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use flow_table::{
    Block, Checksums, Clock, Decoder, FlowConfig, Frame, InspectionConfig, LinkType, Packet, Shard,
    ShardId, Span, TableOutput, Tells, Timestamp,
};

thread_local! {
    /// Of this thread: tests may run side by side.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // No thread counts while it ends.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `place` and `layout`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `place`, `layout` and `size`.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

const FLOWS: u32 = 2_000;
/// Packets of a block.
const BLOCK: u32 = 500;
const BEGIN: i64 = 1_700_000_000_000_000_000;
/// Nanoseconds between two packets: no timer comes due. Those that do file their flows anew, into lists
/// that are given back when they are empty.
const STEP: i64 = 10_000;

#[derive(Clone, Copy)]
enum Proto {
    Tcp,
    Udp,
}

/// What a client and its server say in turn.
fn frame(proto: Proto, flow: u32, turn: u32) -> Vec<u8> {
    let (client, server) = ((0x0a00_0000 | flow).to_be_bytes(), [192, 0, 2, 1]);
    let (port, service) = ([0x4e, 0x20], [1, 0xbb]);
    let ((src, dst), (sport, dport)) = if turn.is_multiple_of(2) {
        ((client, server), (port, service))
    } else {
        ((server, client), (service, port))
    };
    // Eight bytes at each turn once the three segments of the handshake are through.
    let said = |turns: u32| 1_u32.wrapping_add(turns.saturating_sub(3).div_ceil(2) * 8);
    let (seq, ack) = match turn {
        0 => (0, 0),
        1 => (0, 1),
        2 => (1, 1),
        _ => (said(turn - 1), said(turn)),
    };
    let flags = [0x02, 0x12, 0x10].get(turn as usize).copied();
    let payload: &[u8] = if flags.is_some() { b"" } else { b"12345678" };
    let (number, header): (u8, Vec<u8>) = match proto {
        Proto::Tcp => (
            6,
            [
                &sport[..],
                &dport,
                &seq.to_be_bytes(),
                &ack.to_be_bytes(),
                &[0x50, flags.unwrap_or(0x18), 0xff, 0xff, 0, 0, 0, 0],
            ]
            .concat(),
        ),
        Proto::Udp => (17, [&sport[..], &dport, &[0, 16, 0, 0]].concat()),
    };
    let payload = match proto {
        Proto::Tcp => payload,
        Proto::Udp => b"12345678",
    };
    let len = u16::try_from(20 + header.len() + payload.len()).unwrap();
    let ip = [0x45, 0, len.to_be_bytes()[0], len.to_be_bytes()[1]];
    let rest = [0, 0, 0x40, 0, 64, number, 0, 0];
    [&ip[..], &rest, &src, &dst, &header, payload].concat()
}

/// Blocks of frames, in which all flows take turns `turns`.
fn blocks(proto: Proto, turns: std::ops::Range<u32>) -> Vec<Vec<Vec<u8>>> {
    let frames: Vec<_> = turns
        .flat_map(|turn| (0..FLOWS).map(move |flow| frame(proto, flow, turn)))
        .collect();
    frames.chunks(BLOCK as usize).map(<[_]>::to_vec).collect()
}

struct Bench {
    decoder: Decoder,
    shard: Shard,
    out: TableOutput,
    /// Of the block.
    bytes: Vec<u8>,
    packets: Vec<Packet>,
    times: Vec<Timestamp>,
    now: i64,
}

impl Bench {
    fn new() -> Self {
        let config = FlowConfig {
            seed: 1,
            tells: Tells::ALL,
            progress_interval: Span::from_secs(10),
            open_every: None,
            memory: 1 << 28,
            inspection: InspectionConfig {
                memory: 1 << 28,
                ..InspectionConfig::NONE
            },
        };
        Self {
            decoder: Decoder::new(1, Checksums::Ignore),
            shard: Shard::new(ShardId { index: 0, of: 1 }, &config),
            out: TableOutput::default(),
            bytes: Vec::new(),
            packets: Vec::new(),
            times: Vec::new(),
            now: BEGIN,
        }
    }

    fn decode(&mut self, block: &[Vec<u8>]) {
        self.bytes.clear();
        self.packets.clear();
        self.times.clear();
        for bytes in block {
            self.now += STEP;
            let ts = Timestamp::from_nanos(self.now);
            let frame = Frame {
                ts,
                bytes,
                wire_len: u32::try_from(bytes.len()).unwrap(),
                link: LinkType::RawIp,
                index: u32::try_from(self.times.len()).unwrap(),
                at: self.bytes.len(),
            };
            self.bytes.extend_from_slice(bytes);
            self.times.push(ts);
            self.decoder.decode(frame, &mut self.packets).unwrap();
        }
    }

    /// What comes out is taken away, as the stage does.
    fn take(&mut self) {
        let block = Block {
            bytes: &self.bytes,
            ..Block::new(Clock::new(&self.times))
        };
        self.shard.take(&self.packets, &block, &mut self.out);
        self.out.events.clear();
        self.out.records.clear();
    }
}

#[test]
fn packets_of_flows_that_are_there_allocate_nothing() {
    for (name, proto) in [("TCP", Proto::Tcp), ("UDP", Proto::Udp)] {
        let mut bench = Bench::new();
        for block in blocks(proto, 0..16) {
            bench.decode(&block);
            bench.take();
        }
        assert_eq!(bench.shard.len(), FLOWS as usize);
        let (mut decoding, mut taking) = (0, 0);
        for block in blocks(proto, 16..48) {
            decoding += allocations(|| bench.decode(&block));
            taking += allocations(|| bench.take());
        }
        assert_eq!(bench.shard.len(), FLOWS as usize);
        assert_eq!((decoding, taking), (0, 0), "{name}: decoding, taking");
    }
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}
