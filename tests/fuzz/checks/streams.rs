//! What flows carry: a few flows of TCP and UDP with payload, in any order, cut and repeated in any
//! way, through the flow table and everything that looks into them.
//!
//! Asserted: rows and services are the same for one shard and for several, and however the packets
//! are cut into blocks; what parsers hold stays within its share of memory, and nothing is left at
//! the end; the rows of a flow are numbered from 0, in order of time, and of a flow that has a
//! record.

use std::collections::BTreeMap;

use flow_table::protocol::files::Hashes;
use flow_table::protocol::http::Measure;
use flow_table::{
    Block, Checksums, Clock, Decoder, FlowConfig, FlowRecord, Frame, InspectionConfig, KEY_GROUPS,
    LinkType, Packet, ProtocolRow, Shard, ShardId, Span, TableOutput, Tells, Timestamp, Uid,
    shard_of,
};

/// Bytes before the steps: shards, block size, memory.
const HEADER: usize = 3;
/// Where the flows go.
const PORTS: [u16; 4] = [80, 443, 53, 9_999];
const START: i64 = 1_700_000_000;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Checks a sequence of steps.
pub fn check(data: &[u8]) {
    let Some((header, rest)) = data.split_first_chunk::<HEADER>() else {
        return;
    };
    let [shards, block, memory] = *header;
    let frames = Wire::default().frames(rest);
    let plan = Plan {
        shards: 1,
        block: usize::MAX,
        memory: match memory % 4 {
            0 => 4_096 * KEY_GROUPS as u64,
            1 => 16_384 * KEY_GROUPS as u64,
            _ => 1 << 30,
        },
    };
    let one = run(plan, &frames);
    sound(&one);
    let shards = [2, 3, 8, 64][usize::from(shards) % 4];
    same(&one, &run(Plan { shards, ..plan }, &frames), "in shards");
    let block = usize::from(block) + 1;
    same(&one, &run(Plan { block, ..plan }, &frames), "in blocks");
}

/// A seed of steps that carry these payloads, each with the flow and the side it is from.
pub fn seed(payloads: &[(u8, bool, Vec<u8>)]) -> Vec<u8> {
    let mut steps = vec![0, 3, 2];
    for (flow, from_server, payload) in payloads {
        let udp = if *flow & 3 == 2 { 3 << 3 } else { 0 };
        for part in payload.chunks(255) {
            let len = u8::try_from(part.len()).unwrap_or(255);
            steps.extend([u8::from(*from_server) | (flow & 3) << 1 | udp, len]);
            steps.extend(part);
        }
    }
    steps
}

/// How the frames are run.
#[derive(Clone, Copy)]
struct Plan {
    shards: usize,
    block: usize,
    memory: u64,
}

/// Makes frames.
#[derive(Default)]
struct Wire {
    /// Bytes each side of each flow sent; `None` before its handshake.
    sent: [Option<[u32; 2]>; 4],
    millis: i64,
    frames: Vec<(Timestamp, Vec<u8>)>,
}

impl Wire {
    /// A step: flow, side and kind, how many bytes, what the kind wants, the bytes.
    fn frames(mut self, mut rest: &[u8]) -> Vec<(Timestamp, Vec<u8>)> {
        while let [what, len, after @ ..] = rest {
            let (side, flow) = (usize::from(what & 1), usize::from(what >> 1 & 3));
            let (payload, after) = after.split_at(after.len().min(usize::from(*len)));
            rest = after;
            match what >> 3 & 3 {
                0 => self.say(flow, side, 0, payload),
                1 => {
                    let (shift, after) = rest.split_first().unwrap_or((&0, rest));
                    rest = after;
                    self.say(flow, side, i32::from(shift.cast_signed()) * 8, payload);
                }
                2 => self.flags(flow, side, *len),
                _ => self.datagram(flow, side, payload),
            }
        }
        self.frames
    }

    fn say(&mut self, flow: usize, side: usize, shift: i32, payload: &[u8]) {
        if self.sent[flow].is_none() {
            self.segment(flow, 0, (-1, SYN), &[]);
            self.segment(flow, 1, (-1, SYN | ACK), &[]);
            self.segment(flow, 0, (0, ACK), &[]);
        }
        self.segment(flow, side, (shift, ACK), payload);
        if shift == 0 {
            let sent = self.sent[flow].get_or_insert_default();
            sent[side] = sent[side].wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        }
    }

    /// Control bits alone; some of them let time pass instead.
    fn flags(&mut self, flow: usize, side: usize, flags: u8) {
        if flags >= 0xf0 {
            self.millis += i64::from(flags - 0xef) * 20_000;
        } else {
            self.segment(flow, side, (0, flags & 0x17), &[]);
        }
    }

    fn segment(&mut self, flow: usize, side: usize, (shift, flags): (i32, u8), payload: &[u8]) {
        let sent = *self.sent[flow].get_or_insert_default();
        let seq = 1_000_u32
            .wrapping_add(sent[side])
            .wrapping_add_signed(shift);
        let ack = 1_000_u32.wrapping_add(sent[1 - side]);
        let mut header = Self::ports(flow, side);
        header.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        header.extend([0x50, flags, 2, 0, 0, 0, 0, 0]);
        self.packet(side, 6, &[&header, payload].concat());
    }

    fn datagram(&mut self, flow: usize, side: usize, payload: &[u8]) {
        let mut header = Self::ports(flow, side);
        let len = u16::try_from(8 + payload.len()).unwrap_or(8);
        header.extend([len.to_be_bytes(), [0, 0]].concat());
        self.packet(side, 17, &[&header, payload].concat());
    }

    fn ports(flow: usize, side: usize) -> Vec<u8> {
        let client = 40_000 + u16::try_from(flow).unwrap_or(0);
        let mut ports = [client, PORTS[flow]];
        if side == 1 {
            ports.reverse();
        }
        ports.map(u16::to_be_bytes).concat()
    }

    fn packet(&mut self, side: usize, proto: u8, segment: &[u8]) {
        let len = u16::try_from(20 + segment.len()).unwrap_or(u16::MAX);
        let mut ends = [[10, 0, 0, 1], [192, 0, 2, 1]];
        if side == 1 {
            ends.reverse();
        }
        let mut bytes = vec![0x45, 0];
        bytes.extend(len.to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, proto, 0, 0]);
        bytes.extend(ends.concat());
        bytes.extend(segment);
        self.millis += 1;
        let ts = Timestamp::new(START, 0) + Span::from_millis(self.millis);
        self.frames.push((ts, bytes));
    }
}

/// What a run hands out, in one order.
struct Output {
    rows: Vec<ProtocolRow>,
    records: Vec<FlowRecord>,
    given_up: u64,
    not_held: u64,
}

fn run(plan: Plan, frames: &[(Timestamp, Vec<u8>)]) -> Output {
    let config = FlowConfig {
        seed: 5,
        tells: Tells::ALL,
        progress_interval: Span::from_secs(10),
        open_every: None,
        memory: 1 << 24,
        inspection: InspectionConfig {
            memory: plan.memory,
            measure: Measure::Decompressed,
            hashes: Hashes::ALL,
        },
    };
    let of = plan.shards;
    let ids = (0..of).map(|index| ShardId { index, of });
    let mut shards: Vec<Shard> = ids.map(|id| Shard::new(id, &config)).collect();
    let decoder = Decoder::new(5, Checksums::Ignore);
    let mut out = TableOutput::default();
    for frames in frames.chunks(plan.block) {
        let (mut bytes, mut packets, mut times) = (Vec::new(), Vec::<Packet>::new(), Vec::new());
        for (index, (ts, frame)) in (0..).zip(frames) {
            let frame = Frame {
                ts: *ts,
                bytes: frame,
                wire_len: u32::try_from(frame.len()).unwrap_or(u32::MAX),
                link: LinkType::RawIp,
                index,
                at: bytes.len(),
            };
            // What is no packet is none for every shard.
            let _ = decoder.decode(frame, &mut packets);
            bytes.extend_from_slice(frame.bytes);
            times.push(*ts);
        }
        let block = Block {
            bytes: &bytes,
            ..Block::new(Clock::new(&times))
        };
        for (index, shard) in shards.iter_mut().enumerate() {
            let mine = packets.iter().filter(|p| shard_of(p.hash, of) == index);
            let mine: Vec<Packet> = mine.cloned().collect();
            shard.take(&mine, &block, &mut out);
            let held = shard.inspection_held() as u64;
            assert!(held <= plan.memory, "{held} of {}", plan.memory);
        }
    }
    let end = frames.last().map_or(Timestamp::ZERO, |(ts, _)| *ts);
    for shard in &mut shards {
        shard.finish(end, &mut out);
        assert_eq!(shard.inspection_held(), 0, "left over");
    }
    out.protocols
        .sort_by_key(|row| (row.time, row.uid, row.seq));
    out.records.sort_by_key(|record| (record.end, record.uid));
    Output {
        rows: out.protocols,
        records: out.records,
        given_up: out.given_up,
        not_held: out.not_held,
    }
}

fn same(one: &Output, other: &Output, how: &str) {
    assert_eq!(one.rows, other.rows, "{how}");
    assert_eq!(one.given_up, other.given_up, "{how}");
    assert_eq!(one.not_held, other.not_held, "{how}");
    let services = |output: &Output| -> Vec<_> {
        let records = output.records.iter();
        records
            .map(|record| (record.uid, record.services.clone()))
            .collect()
    };
    assert_eq!(services(one), services(other), "{how}");
}

/// From here on a row is numbered by what is odd about the flow itself.
const ODD: u32 = 1 << 31;

fn sound(output: &Output) {
    let ends: BTreeMap<Uid, Timestamp> = output
        .records
        .iter()
        .map(|record| (record.uid, record.end))
        .collect();
    let mut rows: BTreeMap<Uid, Vec<&ProtocolRow>> = BTreeMap::new();
    for row in &output.rows {
        rows.entry(row.uid).or_default().push(row);
    }
    for (uid, mut rows) in rows {
        let end = ends.get(&uid).expect("a row of no flow");
        assert!(rows.iter().all(|row| row.time <= *end), "{rows:#?}");
        rows.retain(|row| row.seq < ODD);
        rows.sort_by_key(|row| row.seq);
        assert!(rows.is_sorted_by_key(|row| row.time), "{rows:#?}");
        let numbers: Vec<u32> = rows.iter().map(|row| row.seq).collect();
        let wanted = (0..).take(numbers.len());
        assert!(numbers.iter().copied().eq(wanted), "{numbers:?}");
    }
}
