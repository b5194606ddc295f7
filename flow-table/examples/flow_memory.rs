//! Memory that idle TCP flows take, all indexes included: `flow_memory [FLOWS [SHARDS]]`.
//!
//! Every flow has had its handshake and is silent since, as most flows of a table are. Bytes are
//! those the allocator handed out, so they do not depend on what it does with pages.

#![expect(unsafe_code, reason = "an allocator that counts is one")]
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use flow_table::{
    Block, Checksums, Clock, Decoder, FLOW_BYTES, FlowConfig, Frame, InspectionConfig, LinkType,
    Packet, Shard, ShardId, Span, TableOutput, Tells, Timestamp, shard_of,
};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Counts what the system's allocator hands out.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `place` and `layout`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As though both were there while bytes move.
        grow(size);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `place`, `layout` and `size`.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Between the beginnings of two flows, so that none is silent for too long before the last begins.
const STEP: i64 = 100_000_000_000;
/// Flows that are made at once.
const BLOCK: u32 = 1_000;

/// The three segments of a handshake of client `n`.
fn handshake(n: u32) -> [[u8; 40]; 3] {
    let client = (0x0a00_0000 | (n >> 2 & 0x00ff_ffff)).to_be_bytes();
    let port = (20_000 + (n & 3) as u16).to_be_bytes();
    let (server, service) = ([192, 0, 2, 1], 443_u16.to_be_bytes());
    let own = n.wrapping_mul(0x9e37_79b9);
    let peer = own ^ 0x5555_5555;
    let there = (client, port, server, service);
    let back = (server, service, client, port);
    [
        segment(there, own, 0, 0x02),
        segment(back, peer, own.wrapping_add(1), 0x12),
        segment(there, own.wrapping_add(1), peer.wrapping_add(1), 0x10),
    ]
}

type Ends = ([u8; 4], [u8; 2], [u8; 4], [u8; 2]);

fn segment((src, sport, dst, dport): Ends, seq: u32, ack: u32, flags: u8) -> [u8; 40] {
    let mut bytes = [0; 40];
    let parts: [&[u8]; 8] = [
        &[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0],
        &src,
        &dst,
        &sport,
        &dport,
        &seq.to_be_bytes(),
        &ack.to_be_bytes(),
        &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
    ];
    for (place, byte) in bytes.iter_mut().zip(parts.concat()) {
        *place = byte;
    }
    bytes
}

/// Packets of the flows in one block, and packet time at each.
#[derive(Default)]
struct Made {
    packets: Vec<Packet>,
    times: Vec<Timestamp>,
}

impl Made {
    fn refill(&mut self, decoder: &Decoder, from: u32, to: u32, of: u32) {
        self.packets.clear();
        self.times.clear();
        for n in from..to {
            let begin = 1_700_000_000_000_000_000 + STEP / i64::from(of) * i64::from(n);
            for (nth, bytes) in (0..).zip(handshake(n)) {
                let ts = Timestamp::from_nanos(begin + nth);
                let frame = Frame {
                    ts,
                    bytes: &bytes,
                    wire_len: 40,
                    link: LinkType::RawIp,
                    index: u32::try_from(self.times.len()).unwrap_or(u32::MAX),
                    at: 0,
                };
                self.times.push(ts);
                // A segment without a right checksum still would be a segment.
                let _ = decoder.decode(frame, &mut self.packets);
            }
        }
    }
}

/// Megabytes of 2^20 bytes.
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn peak_resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let text = line.ok_or("no VmHWM in /proc/self/status")?;
    let kibibytes: usize = text.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes << 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let flows: u32 = args.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let of: usize = args.next().map_or(Ok(1), |text| text.parse())?;
    if flows == 0 || of == 0 || of > flow_table::KEY_GROUPS {
        return Err("FLOWS and SHARDS must be more than 0, SHARDS at most 64".into());
    }
    let config = FlowConfig {
        seed: 1,
        tells: Tells::ALL,
        progress_interval: Span::from_secs(10),
        open_every: None,
        memory: u64::MAX,
        inspection: InspectionConfig::NONE,
    };
    let decoder = Decoder::new(1, Checksums::Ignore);
    let (mut made, mut out) = (Made::default(), TableOutput::default());
    made.refill(&decoder, 0, BLOCK, flows);
    out.events.reserve(64 * made.packets.len());
    let (before, resident_before) = (LIVE.load(Ordering::Relaxed), peak_resident()?);
    PEAK.store(before, Ordering::Relaxed);

    let ids = (0..of).map(|index| ShardId { index, of });
    let mut shards: Vec<Shard> = ids.map(|id| Shard::new(id, &config)).collect();
    let mut from = 0;
    while from < flows {
        let to = (from + BLOCK).min(flows);
        made.refill(&decoder, from, to, flows);
        let clock = Clock::new(&made.times);
        for (index, shard) in shards.iter_mut().enumerate() {
            let mine = made.packets.iter();
            let mine = mine.filter(|packet| shard_of(packet.hash, of) == index);
            let mine: Vec<Packet> = mine.cloned().collect();
            shard.take(&mine, &Block::new(clock), &mut out);
        }
        out.events.clear();
        from = to;
    }
    let held: usize = shards.iter().map(Shard::len).sum();
    if held != flows as usize || !out.records.is_empty() {
        return Err(format!("{held} flows are left of {flows}").into());
    }
    let heap = LIVE.load(Ordering::Relaxed).saturating_sub(before);
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    let resident = peak_resident()?;
    let each = |bytes: usize| bytes as f64 / f64::from(flows);
    println!("flows             {flows}");
    println!("bytes per flow    {:.1}", each(heap));
    println!("  at the peak     {:.1}", each(peak));
    println!("  budgeted        {FLOW_BYTES}");
    println!("heap              {:.1} MiB", mebibytes(heap));
    println!("  at the peak     {:.1} MiB", mebibytes(peak));
    println!("peak resident     {:.1} MiB", mebibytes(resident));
    println!("  before          {:.1} MiB", mebibytes(resident_before));
    Ok(())
}
