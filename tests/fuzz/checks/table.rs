//! The flow table: packets of few hosts in any order, with any flags, lengths and times.
//!
//! Asserted: records and events are the same for one shard and for several, and, while nothing is
//! evicted, however the packets are cut into blocks; a flow's events are numbered from 0, opened
//! first, closed last, in order of time, and sum up to its record; every packet that counts is in
//! one record; names are unique; a full table evicts, and counts it, rather than grow.

use std::collections::{BTreeMap, BTreeSet};

use flow_table::{
    Block, Body, Checksums, Clock, Datagram, Decoder, FLOW_BYTES, FlowConfig, FlowEvent,
    FlowEventKind, FlowKey, FlowRecord, Frame, InspectionConfig, IpProto, KEY_GROUPS, LinkType,
    Message, Packet, Parent, Segment, Shard, ShardId, Span, TableOutput, TcpFlags, Tells,
    Timestamp, Traffic, TunnelAction, TunnelEvent, TunnelKind, Uid, shard_of,
};

/// Bytes before the packets: shards, block size, memory, progress interval.
const HEADER: usize = 4;
/// Bytes of a packet: ends, ports, flags, time, sequence, acknowledgement, length, the rest.
const PACKET: usize = 8;
const PORTS: [u16; 16] = [
    40_000, 80, 53, 22, 443, 5353, 1024, 123, 40_001, 0, 65_535, 137, 67, 514, 6667, 20,
];
const LENGTHS: [u32; 16] = [
    0, 1, 2, 10, 100, 536, 1_000, 1_460, 1_461, 8_000, 16_384, 40_000, 65_535, 65_495, 3, 0,
];
/// IP inside IP.
const TUNNEL: u8 = 4;
const START: i64 = 1_700_000_000;

/// Checks a sequence of packets.
pub fn check(data: &[u8]) {
    let Some((header, rest)) = data.split_first_chunk::<HEADER>() else {
        return;
    };
    let [shards, block, memory, interval] = *header;
    let plan = Plan {
        config: FlowConfig {
            seed: 5,
            tells: Tells::ALL,
            progress_interval: Span::from_millis(1 + 100 * i64::from(interval)),
            open_every: Some(Span::from_secs(1 + i64::from(interval))),
            memory: match memory % 8 {
                0 => FLOW_BYTES * KEY_GROUPS as u64,
                1 => FLOW_BYTES * KEY_GROUPS as u64 * 2,
                2 => 0,
                _ => 1 << 30,
            },
            inspection: InspectionConfig::NONE,
        },
        shards: 1,
        block: usize::MAX,
    };
    let traffic = traffic(rest);
    let one = run(plan, &traffic);
    sound(&one, &traffic);
    let shards = [2, 3, 4, 64][usize::from(shards) % 4];
    let many = run(Plan { shards, ..plan }, &traffic);
    same(&one, &many, "for more shards");
    if one.evicted == 0 {
        let block = 1 + usize::from(block % 32);
        let blocks = run(
            Plan {
                shards: 1,
                block,
                ..plan
            },
            &traffic,
        );
        same(&one, &blocks, "in other blocks");
    }
}

/// How a sequence is run.
#[derive(Clone, Copy)]
struct Plan {
    config: FlowConfig,
    shards: usize,
    block: usize,
}

/// Packets, and the keys of the tunnels some came through.
struct Packets {
    list: Vec<Packet>,
    parents: Vec<FlowKey>,
}

fn traffic(mut rest: &[u8]) -> Packets {
    let mut maker = Maker::new();
    let mut list = Vec::new();
    while let Some((bytes, after)) = rest.split_first_chunk::<PACKET>() {
        list.extend(maker.packet(*bytes));
        rest = after;
    }
    let parents = maker.parents;
    Packets { list, parents }
}

/// Makes packets that mostly continue where their flow stands.
struct Maker {
    decoder: Decoder,
    ts: Timestamp,
    /// The next sequence number of each direction.
    next: BTreeMap<(FlowKey, u8), u32>,
    parents: Vec<FlowKey>,
}

impl Maker {
    const fn new() -> Self {
        Self {
            decoder: Decoder::new(5, Checksums::Ignore),
            ts: Timestamp::new(START, 0),
            next: BTreeMap::new(),
            parents: Vec::new(),
        }
    }

    fn packet(
        &mut self,
        [ends, ports, flags, time, seq, ack, len, more]: [u8; PACKET],
    ) -> Option<Packet> {
        self.ts = later(self.ts, time);
        let mut packet = self.named(ends, ports)?;
        let len_bytes = LENGTHS[usize::from(len & 15)];
        let whole = len & 0x10 == 0;
        packet.ts = self.ts;
        packet.ip_len = len_bytes + 40;
        let body = match packet.body.get() {
            Body::Tcp(_) => self.segment(&packet, flags, seq, ack, (len_bytes, whole)),
            Body::Udp(_) => Body::Udp(Datagram {
                len: len_bytes,
                dns_reply: flags & 1 != 0,
            }),
            Body::Icmp(_) => Body::Icmp(Message {
                len: len_bytes,
                whole,
            }),
            other => other,
        };
        packet.body = body.into();
        self.odd(&mut packet, flags, more);
        Some(packet)
    }

    /// Who talks to whom: `ends` are two of four hosts, which way, and the protocol.
    fn named(&self, ends: u8, ports: u8) -> Option<Packet> {
        let (low, high) = (ends & 3, ends >> 2 & 1);
        let (mut src, mut dst) = ([10, 0, 0, low], [10, 0, 1, high]);
        let mut numbers = [
            PORTS[usize::from(ports & 15)],
            PORTS[usize::from(ports >> 4)],
        ];
        if ends & 8 != 0 {
            std::mem::swap(&mut src, &mut dst);
            numbers.reverse();
        }
        let proto = [6, 6, 17, 17, 1, 6, TUNNEL, 132][usize::from(ends >> 4 & 7)];
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, proto, 0, 0];
        bytes.extend([src, dst].concat());
        let kind = [8, 0, 3, 13][usize::from(ports & 3)];
        match proto {
            1 => bytes.extend([kind, ports >> 2 & 3, 0, 0]),
            _ => bytes.extend(numbers.map(u16::to_be_bytes).concat()),
        }
        if proto == TUNNEL {
            // Inside: an IP header that says nothing follows.
            bytes.truncate(20);
            bytes.extend([
                0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 1, 0, 0, 1, 1, 0, 0, 2,
            ]);
        } else {
            bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0, 1, 0, 0, 0, 0, 0]);
        }
        let frame = Frame {
            ts: self.ts,
            bytes: &bytes,
            wire_len: 40,
            link: LinkType::RawIp,
            index: 0,
            at: 0,
        };
        let mut packets: Vec<Packet> = Vec::new();
        // What is inside the tunnel is none, which is as it should be.
        let _ = self.decoder.decode(frame, &mut packets);
        packets.pop()
    }

    fn segment(
        &mut self,
        packet: &Packet,
        flags: u8,
        seq: u8,
        ack: u8,
        (len, whole): (u32, bool),
    ) -> Body {
        let mine = (packet.key, u8::from(packet.way == flow_table::Way::Up));
        let theirs = (packet.key, 1 - mine.1);
        let expected = self.next.get(&mine).copied().unwrap_or(u32::MAX - 3_000);
        let flags = TcpFlags(flags & 0x3f);
        let segment = Segment {
            seq: moved(expected, seq),
            ack: moved(self.next.get(&theirs).copied().unwrap_or(0), ack),
            len,
            window: if ack & 0x40 == 0 { 512 } else { 0 },
            flags,
            whole,
        };
        if seq & 0x80 == 0 {
            let consumed = len + u32::from(flags.syn()) + u32::from(flags.fin());
            self.next.insert(mine, segment.seq.wrapping_add(consumed));
        }
        Body::Tcp(segment)
    }

    /// Wrong checksums, broken headers, tunnels.
    fn odd(&mut self, packet: &mut Packet, flags: u8, more: u8) {
        if packet.body.get() == Body::Tunnel {
            self.parents.push(packet.key);
            return;
        }
        match more {
            0x80..0x90 => {
                let (flags, seq) = match packet.body.get() {
                    Body::Tcp(segment) => (segment.flags, segment.seq),
                    _ => (TcpFlags::default(), 0),
                };
                packet.body = Body::BadChecksum { flags, seq }.into();
            }
            0x90..0x98 => {
                let flags = TcpFlags(flags);
                packet.body = Body::BadHeader { flags }.into();
            }
            0xa0..0xb0 if matches!(packet.body.get(), Body::Udp(_)) => {
                packet.carries = Some(TunnelKind::Vxlan);
                self.parents.push(packet.key);
            }
            0xc0..=0xff => packet.parent = Parent::at(usize::from(more & 0x3f)),
            _ => {}
        }
    }
}

fn later(ts: Timestamp, step: u8) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let step_i = i64::from(step);
    let nanos = match step {
        0..64 => step_i * 1_000_000,
        64..128 => (step_i - 63) * SECOND / 4,
        128..192 => (step_i - 127) * 5 * SECOND,
        192..224 => -(step_i - 191) * SECOND / 2,
        224..240 => -(step_i - 223) * 100 * SECOND,
        240..250 => (step_i - 239) * 40_000 * SECOND,
        250 => return Timestamp::ZERO,
        251 => return Timestamp::MAX,
        252 => return Timestamp::new(START, 0),
        _ => 0,
    };
    Timestamp::from_nanos(ts.as_nanos().saturating_add(nanos))
}

fn moved(number: u32, by: u8) -> u32 {
    let by = by & 0x3f;
    let far = u32::from(by & 15);
    match by >> 4 {
        0 => number.wrapping_add(far),
        1 => number.wrapping_sub(far),
        2 => number.wrapping_add(far << 9),
        _ => number.wrapping_add(far << 28),
    }
}

/// What a run hands out, in one order.
struct Output {
    events: Vec<FlowEvent>,
    records: Vec<FlowRecord>,
    open: Vec<FlowRecord>,
    tunnels: Vec<TunnelEvent>,
    evicted: u64,
}

fn run(plan: Plan, traffic: &Packets) -> Output {
    let mut shards: Vec<Shard> = (0..plan.shards)
        .map(|index| {
            Shard::new(
                ShardId {
                    index,
                    of: plan.shards,
                },
                &plan.config,
            )
        })
        .collect();
    let most = (plan.config.memory / FLOW_BYTES / KEY_GROUPS as u64).max(1);
    let most = most.saturating_mul(KEY_GROUPS as u64 / plan.shards as u64 + 1);
    let mut out = TableOutput::default();
    let mut now = Timestamp::ZERO;
    for block in traffic
        .list
        .chunks(plan.block.min(traffic.list.len()).max(1))
    {
        let mut times = Vec::new();
        let mut lists = vec![Vec::new(); plan.shards];
        for (packet, index) in block.iter().zip(0..) {
            now = now.max(packet.ts);
            times.push(now);
            lists[shard_of(packet.hash, plan.shards)].push(Packet {
                index,
                ..packet.clone()
            });
        }
        for (shard, list) in shards.iter_mut().zip(&lists) {
            let block = Block {
                parents: &traffic.parents,
                ..Block::new(Clock::new(&times))
            };
            shard.take(list, &block, &mut out);
            assert!(
                shard.len() as u64 <= most,
                "{} flows of {most}",
                shard.len()
            );
        }
    }
    for shard in &mut shards {
        shard.finish(now, &mut out);
        assert!(shard.is_empty());
    }
    out.events
        .sort_by_key(|event| (event.time, event.uid, event.seq));
    out.records.sort_by_key(|record| (record.end, record.uid));
    out.open.sort_by_key(|record| (record.end, record.uid));
    out.tunnels
        .sort_by_key(|tunnel| (tunnel.time, tunnel.uid, tunnel.action));
    Output {
        events: out.events,
        records: out.records,
        open: out.open,
        tunnels: out.tunnels,
        evicted: out.evicted,
    }
}

fn same(one: &Output, other: &Output, how: &str) {
    assert_eq!(one.events, other.events, "{how}");
    assert_eq!(one.tunnels, other.tunnels, "{how}");
    assert_eq!(one.evicted, other.evicted, "{how}");
    for (one, other) in [(&one.records, &other.records), (&one.open, &other.open)] {
        assert_eq!(one.len(), other.len(), "{how}");
        for (a, b) in one.iter().zip(other) {
            assert_eq!(essence(a), essence(b), "{how}");
        }
    }
}

fn essence(record: &FlowRecord) -> impl PartialEq + std::fmt::Debug {
    let FlowRecord {
        uid,
        id,
        start,
        last,
        end,
        traffic,
        state,
        history,
        missed_bytes,
        evicted,
        parents,
        services,
        link: _,
    } = record;
    let times = (*start, *last, *end);
    let history = String::from_utf8_lossy(history.letters()).into_owned();
    (
        *uid,
        *id,
        times,
        *traffic,
        *state,
        history,
        (*missed_bytes, *evicted),
        (parents.clone(), services.clone()),
    )
}

fn sound(out: &Output, traffic: &Packets) {
    let marked = out.records.iter().filter(|record| record.evicted).count();
    assert_eq!(marked as u64, out.evicted);
    let mut flows: BTreeMap<Uid, Vec<&FlowEvent>> = BTreeMap::new();
    for event in &out.events {
        flows.entry(event.uid).or_default().push(event);
    }
    let mut names = BTreeSet::new();
    for record in &out.records {
        assert!(names.insert(record.uid), "two flows named {}", record.uid);
        assert!(record.history.letters().len() <= 1024);
        let mut events = flows.remove(&record.uid).unwrap_or_default();
        events.sort_by_key(|event| event.seq);
        let sent = record.traffic.orig.packets + record.traffic.resp.packets;
        assert!(sent == 0 || !events.is_empty(), "{record:?} without events");
        lives(&events, record);
    }
    assert!(flows.is_empty(), "events of no flow: {flows:?}");
    counted(out, traffic);
    tunnels(&out.tunnels);
}

/// The events of one flow, by number.
fn lives(events: &[&FlowEvent], record: &FlowRecord) {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return;
    };
    assert!(
        matches!(first.kind, FlowEventKind::Opened { .. }),
        "{events:?}"
    );
    assert_eq!(first.since, first.time);
    let closed = FlowEventKind::Closed {
        state: record.state,
        last: record.last,
    };
    assert_eq!(last.kind, closed);
    assert_eq!(last.time, record.end);
    let mut seen = BTreeSet::new();
    let mut before: Option<&FlowEvent> = None;
    for (event, number) in events.iter().zip(0..) {
        assert_eq!(event.seq, number, "{events:?}");
        assert_eq!(
            (event.id, event.start),
            (record.id, record.start),
            "{events:?}"
        );
        assert!(event.since <= event.time, "{event:?}");
        if let Some(before) = before {
            assert!(before.time <= event.time, "{events:?}");
            assert!(before.time <= event.since, "{events:?}");
        }
        let once = match event.kind {
            FlowEventKind::Opened { .. } => 1,
            FlowEventKind::Answered => 2,
            FlowEventKind::Completed => 3,
            FlowEventKind::Refused => 4,
            FlowEventKind::Closed { .. } => 5,
            FlowEventKind::Progress => 0,
        };
        assert!(once == 0 || seen.insert(once), "twice: {events:?}");
        assert!(
            once != 4 || !seen.contains(&2),
            "refused after it answered: {events:?}"
        );
        before = Some(event);
    }
    sums(events, record);
}

fn sums(events: &[&FlowEvent], record: &FlowRecord) {
    let sum = |of: fn(&FlowEvent) -> Traffic| {
        events.iter().fold(Traffic::default(), |sum, event| {
            let moved = of(event);
            Traffic {
                packets: sum.packets + moved.packets,
                bytes: sum.bytes.saturating_add(moved.bytes),
                ip_bytes: sum.ip_bytes + moved.ip_bytes,
            }
        })
    };
    let sides = [
        (sum(|event| event.orig), record.traffic.orig),
        (sum(|event| event.resp), record.traffic.resp),
    ];
    for (sum, total) in sides {
        assert_eq!(
            (sum.packets, sum.ip_bytes),
            (total.packets, total.ip_bytes),
            "{record:?}"
        );
        // TCP may find out that what it took for data was none.
        assert!(sum.bytes >= total.bytes, "{sum:?} of {total:?}");
        if record.id.proto != IpProto::TCP {
            assert_eq!(sum.bytes, total.bytes, "{record:?}");
        }
    }
}

/// What goes in comes out: every packet that adds to a flow is in one record.
fn counted(out: &Output, traffic: &Packets) {
    let counts = |packet: &&Packet| match packet.body.get() {
        Body::Tcp(_) | Body::Udp(_) | Body::Other => true,
        Body::Icmp(message) => message.whole,
        Body::Tunnel | Body::BadChecksum { .. } | Body::BadHeader { .. } => false,
    };
    let given = traffic
        .list
        .iter()
        .filter(counts)
        .fold((0, 0), |sum, packet| {
            (sum.0 + 1, sum.1 + u64::from(packet.ip_len))
        });
    let sides = out
        .records
        .iter()
        .flat_map(|record| [record.traffic.orig, record.traffic.resp]);
    let recorded = sides.fold((0, 0), |sum, side| {
        (sum.0 + side.packets, sum.1 + side.ip_bytes)
    });
    assert_eq!(recorded, given, "packets and bytes recorded and given");
}

/// A tunnel is discovered once, and then ends once.
fn tunnels(events: &[TunnelEvent]) {
    let mut open = BTreeSet::new();
    let mut known = BTreeSet::new();
    for event in events {
        match event.action {
            TunnelAction::Discover => {
                assert!(
                    known.insert(event.uid) && open.insert(event.uid),
                    "{events:?}"
                );
            }
            TunnelAction::Close | TunnelAction::Expire => {
                assert!(open.remove(&event.uid), "{events:?}");
            }
        }
    }
    assert!(open.is_empty(), "tunnels that never ended: {open:?}");
}
