//! What holds for any packets: each flow is told as though it were alone, whatever shards and
//! blocks there are, whatever the timestamps say, however little room there is.

#![cfg(test)]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use flow_table::{
    Block, Body, Checksums, Clock, Decoder, FLOW_BYTES, FlowConfig, FlowRecord, Frame,
    InspectionConfig, KEY_GROUPS, LinkType, Packet, Shard, ShardId, Span, TableOutput, Tells,
    Timestamp, shard_of,
};

const BEGIN: i64 = 1_700_000_000_000_000_000;
/// In the year 2106: later timers may act with another block's packets.
const LAST: i64 = 4_294_000_000_000_000_000;
/// So much that nothing is evicted.
const PLENTY: u64 = 1 << 30;

/// A packet to be: small numbers only, so that flows and states are met again.
#[derive(Clone, Copy, Debug)]
struct Plan {
    time: Time,
    flow: u8,
    from_server: bool,
    flags: u8,
    seq: u8,
    ack: u8,
    len: u8,
    spoilt: bool,
}

#[derive(Clone, Copy, Debug)]
enum Time {
    /// Nanoseconds after the packet before.
    After(i64),
    /// Nanoseconds since the epoch.
    At(i64),
}

/// Steps that mean something to timers.
fn step() -> impl Strategy<Value = Time> {
    let nanos = prop_oneof![
        8 => 0_i64..1_000_000_000,
        4 => 0_i64..7_000_000_000,
        1 => 55_000_000_000_i64..65_000_000_000,
        1 => 295_000_000_000_i64..305_000_000_000,
        1 => Just(5_000_000_000_i64),
        1 => Just(0_i64),
    ];
    nanos.prop_map(Time::After)
}

/// Timestamps that jump.
fn jump() -> impl Strategy<Value = Time> {
    prop_oneof![
        10 => step(),
        2 => (0..2 * BEGIN).prop_map(Time::At),
        2 => (-90_000_000_000_i64..0).prop_map(Time::After),
        1 => Just(Time::At(0)),
        1 => (LAST - 400_000_000_000..LAST).prop_map(Time::At),
    ]
}

/// Timestamps that jump to the end of time as well.
fn leap() -> impl Strategy<Value = Time> {
    prop_oneof![
        14 => jump(),
        1 => Just(Time::At(i64::MAX)),
        1 => (i64::MAX - 400_000_000_000..i64::MAX).prop_map(Time::At),
    ]
}

fn flags() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => Just(0x10_u8),
        3 => Just(0x02),
        3 => Just(0x12),
        2 => Just(0x11),
        1 => Just(0x04),
        1 => Just(0x14),
        1 => any::<u8>(),
    ]
}

fn plans(
    time: impl Strategy<Value = Time>,
    flows: u8,
    most: usize,
) -> impl Strategy<Value = Vec<Plan>> {
    let numbers = (0..6_u8, 0..6_u8, 0..6_u8);
    let plan = (
        time,
        0..flows,
        any::<bool>(),
        flags(),
        numbers,
        prop::bool::weighted(0.05),
    )
        .prop_map(
            |(time, flow, from_server, flags, (seq, ack, len), spoilt)| Plan {
                time,
                flow,
                from_server,
                flags,
                seq,
                ack,
                len,
                spoilt,
            },
        );
    prop::collection::vec(plan, 1..most)
}

/// Ports of a flow's packet, source first.
fn ports(plan: &Plan) -> [u16; 2] {
    let server = match plan.flow % 8 {
        0 => 9,
        1 => 80,
        2 => 22,
        3 if plan.flow % 16 == 3 => 53,
        3 => 5_000,
        _ => 443,
    };
    let mut ports = [40_000, server];
    if plan.from_server {
        ports.reverse();
    }
    ports
}

/// The protocol of a flow, and the transport header and payload of a packet of it.
fn segment(plan: &Plan) -> (u8, Vec<u8>) {
    let ports = ports(plan).map(u16::to_be_bytes).concat();
    let payload = vec![0x80; usize::from(plan.len) * 3];
    match plan.flow % 8 {
        3 => {
            let len = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
            (17, [&ports, &len[..], &[0, 0], &payload].concat())
        }
        7 => {
            let kind = if plan.from_server { 0 } else { 8 };
            (1, [&[kind, 0, 0, 0, 0, 1, 0, 1], &payload[..]].concat())
        }
        _ => {
            let mut begins = [1_000, 5_000];
            if plan.from_server {
                begins.reverse();
            }
            let numbers = [
                begins[0] + 3 * u32::from(plan.seq),
                begins[1] + 3 * u32::from(plan.ack),
            ];
            let numbers = numbers.map(u32::to_be_bytes).concat();
            let words = if plan.spoilt { 0x40 } else { 0x50 };
            let rest = [words, plan.flags, 1, 0, 0, 0, 0, 0];
            (6, [&ports, &numbers, &rest[..], &payload].concat())
        }
    }
}

fn packet_bytes(plan: &Plan) -> Vec<u8> {
    let (proto, segment) = segment(plan);
    let mut ends = [0, 1].map(|net| Ipv4Addr::new(10, 0, net, plan.flow).octets());
    if plan.from_server {
        ends.reverse();
    }
    let total = u16::try_from(20 + segment.len()).unwrap().to_be_bytes();
    let header = [&[0x45, 0], &total[..], &[0, 0, 0, 0, 64, proto, 0, 0]].concat();
    [header, ends.concat(), segment].concat()
}

/// Packets in capture order, each with packet time and the flow it was planned for.
struct Capture {
    packets: Vec<Packet>,
    times: Vec<Timestamp>,
    flows: Vec<u8>,
}

impl Capture {
    fn of(plans: &[Plan]) -> Self {
        let decoder = Decoder::new(1, Checksums::Ignore);
        let (mut ts, mut now) = (BEGIN, Timestamp::ZERO);
        let (mut packets, mut times) = (Vec::new(), Vec::new());
        for (index, plan) in (0..).zip(plans) {
            ts = match plan.time {
                Time::After(nanos) => ts.saturating_add(nanos).max(0),
                Time::At(nanos) => nanos,
            };
            let bytes = packet_bytes(plan);
            let frame = Frame {
                ts: Timestamp::from_nanos(ts),
                bytes: &bytes,
                wire_len: u32::try_from(bytes.len()).unwrap(),
                link: LinkType::RawIp,
                index,
                at: 0,
            };
            // What is dropped for its header still names a flow.
            let _ = decoder.decode(frame, &mut packets);
            now = now.max(frame.ts);
            times.push(now);
        }
        assert_eq!(packets.len(), plans.len());
        let flows = plans.iter().map(|plan| plan.flow).collect();
        Self {
            packets,
            times,
            flows,
        }
    }

    fn end(&self) -> Timestamp {
        *self.times.last().unwrap()
    }

    /// The packets of one flow; time stays that of all.
    fn only(&self, flow: u8) -> Vec<Packet> {
        let packets = self.packets.iter().zip(&self.flows);
        let mine = packets.filter(|(_, of)| **of == flow);
        mine.map(|(packet, _)| packet.clone()).collect()
    }

    /// Runs packets through so many shards in one block.
    fn run(&self, packets: &[Packet], shards: usize, memory: u64) -> TableOutput {
        self.run_as(&config(memory), packets, shards)
    }

    fn run_as(&self, config: &FlowConfig, packets: &[Packet], shards: usize) -> TableOutput {
        let mut out = TableOutput::default();
        for index in 0..shards {
            let mine = packets.iter().filter(|p| shard_of(p.hash, shards) == index);
            let mine: Vec<Packet> = mine.cloned().collect();
            let mut shard = Shard::new(ShardId { index, of: shards }, config);
            shard.take(&mine, &Block::new(Clock::new(&self.times)), &mut out);
            shard.finish(self.end(), &mut out);
        }
        out
    }

    /// Runs all packets through one shard in blocks that end before these places.
    fn run_in_blocks(&self, cuts: &[usize], memory: u64) -> TableOutput {
        let mut out = TableOutput::default();
        let mut shard = Shard::new(ShardId { index: 0, of: 1 }, &config(memory));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % self.packets.len()).collect();
        cuts.push(self.packets.len());
        cuts.sort_unstable();
        let mut from = 0;
        for to in cuts {
            let mut block = self.packets[from..to].to_vec();
            for (index, packet) in (0..).zip(&mut block) {
                packet.index = index;
            }
            if !block.is_empty() {
                shard.take(
                    &block,
                    &Block::new(Clock::new(&self.times[from..to])),
                    &mut out,
                );
            }
            from = to;
        }
        shard.finish(self.end(), &mut out);
        out
    }
}

fn config(memory: u64) -> FlowConfig {
    FlowConfig {
        seed: 1,
        tells: Tells::ALL,
        progress_interval: Span::from_secs(10),
        open_every: Some(Span::from_secs(25)),
        memory,
        inspection: InspectionConfig::NONE,
    }
}

/// Room for so many flows in each slice of the hash space.
fn room_for(each: u64) -> u64 {
    each * FLOW_BYTES * KEY_GROUPS as u64
}

/// Everything that was told, in an order of its own.
fn told(out: &TableOutput) -> Vec<String> {
    let records = out.records.iter().map(|record| format!("{record:?}"));
    let open = out.open.iter().map(|record| format!("open {record:?}"));
    let events = out.events.iter().map(|event| format!("{event:?}"));
    let mut told: Vec<String> = records.chain(open).chain(events).collect();
    told.sort();
    told
}

/// The same, but for what only detectors are told.
fn told_in_rows(mut out: TableOutput) -> Vec<String> {
    out.events.clear();
    told(&out)
}

/// Fails with what only one of both has.
fn check_same(got: &[String], want: &[String], what: &str) -> Result<(), TestCaseError> {
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        let lone = these
            .iter()
            .filter(|line| others.binary_search(line).is_err());
        lone.cloned().collect()
    };
    let (more, less) = (only(got, want), only(want, got));
    prop_assert!(got == want, "{}: more {:#?}, less {:#?}", what, more, less);
    Ok(())
}

/// What events of a flow must be like, and how they add up to its record.
fn check_sound(out: &TableOutput) -> Result<(), TestCaseError> {
    use flow_table::FlowEventKind::{Closed, Opened};
    for record in &out.records {
        let of_it = out.events.iter().filter(|event| event.uid == record.uid);
        let events: Vec<_> = of_it.collect();
        let total = packets_of(record);
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            prop_assert_eq!(total, 0);
            continue;
        };
        let whole = matches!(first.kind, Opened { .. }) && matches!(last.kind, Closed { .. });
        prop_assert!(whole, "from {:?} to {:?}", first, last);
        let closed = events
            .iter()
            .filter(|event| matches!(event.kind, Closed { .. }));
        prop_assert_eq!(closed.count(), 1);
        for (seq, pair) in (1..).zip(events.windows(2)) {
            prop_assert_eq!(pair[1].seq, seq);
            prop_assert!(pair[0].time <= pair[1].time);
        }
        let moved = events.iter().map(|e| e.orig.packets + e.resp.packets);
        prop_assert_eq!(moved.sum::<u64>(), total);
    }
    for open in &out.open {
        let of_it = out.records.iter().find(|record| record.uid == open.uid);
        let Some(record) = of_it else {
            return Err(TestCaseError::fail(format!("never closed: {open:?}")));
        };
        prop_assert!(open.end <= record.end && packets_of(open) <= packets_of(record));
    }
    let mut rows: Vec<_> = { out.open.iter() }
        .map(|open| (open.uid, open.end))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    prop_assert_eq!(rows.len(), out.open.len(), "two rows at once");
    let mut uids: Vec<_> = out.records.iter().map(|record| record.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    prop_assert_eq!(uids.len(), out.records.len(), "two flows of one name");
    Ok(())
}

fn packets_in(out: &TableOutput) -> u64 {
    out.records.iter().map(packets_of).sum()
}

fn packets_of(record: &FlowRecord) -> u64 {
    record.traffic.orig.packets + record.traffic.resp.packets
}

/// Packets that add to a flow: all but those with a wrong header.
fn countable(packets: &[Packet]) -> u64 {
    let good = |packet: &&Packet| !matches!(packet.body.get(), Body::BadHeader { .. });
    packets.iter().filter(good).count() as u64
}

/// A case is many packets: an eighth of the usual number of cases will do (`PROPTEST_CASES`).
fn settings() -> ProptestConfig {
    let beside = FileFailurePersistence::WithSource("proptest-regressions");
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: (usual.cases / 8).max(1),
        failure_persistence: Some(Box::new(beside)),
        ..usual
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn each_flow_is_told_as_though_alone(plans in plans(step(), 2, 60), base in 0_u8..16) {
        let plans: Vec<Plan> =
            plans.into_iter().map(|plan| Plan { flow: plan.flow + base, ..plan }).collect();
        let capture = Capture::of(&plans);
        let both = capture.run(&capture.packets, 1, PLENTY);
        let mut alone = Vec::new();
        for flow in base..base + 2 {
            alone.extend(told(&capture.run(&capture.only(flow), 1, PLENTY)));
        }
        alone.sort();
        check_same(&told(&both), &alone, "alone")?;
        check_sound(&both)?;
    }

    #[test]
    fn rows_are_the_same_if_nobody_listens(
        plans in plans(jump(), 24, 200),
        memory in prop::sample::select(vec![PLENTY, room_for(2)]),
    ) {
        let capture = Capture::of(&plans);
        let nothing = Tells { events: false, oddities: false };
        let unheard = FlowConfig { tells: nothing, ..config(memory) };
        let rows = capture.run_as(&unheard, &capture.packets, 1);
        prop_assert!(rows.events.is_empty() && rows.protocols.is_empty());
        let heard = capture.run(&capture.packets, 1, memory);
        check_same(&told_in_rows(rows), &told_in_rows(heard), "unheard")?;
    }

    #[test]
    fn shards_change_nothing(plans in plans(step(), 24, 200)) {
        let capture = Capture::of(&plans);
        let one = told(&capture.run(&capture.packets, 1, PLENTY));
        for shards in [2, 3, 8, 64] {
            let many = told(&capture.run(&capture.packets, shards, PLENTY));
            check_same(&many, &one, &format!("{shards} shards"))?;
        }
    }

    #[test]
    fn blocks_change_nothing(
        plans in plans(jump(), 8, 120),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let capture = Capture::of(&plans);
        let whole = told(&capture.run_in_blocks(&[], PLENTY));
        check_same(&told(&capture.run_in_blocks(&cuts, PLENTY)), &whole, "blocks")?;
        let single: Vec<usize> = (0..capture.packets.len()).collect();
        check_same(&told(&capture.run_in_blocks(&single, PLENTY)), &whole, "single")?;
    }

    #[test]
    fn any_timestamp_will_do(plans in plans(leap(), 8, 120)) {
        let capture = Capture::of(&plans);
        let out = capture.run(&capture.packets, 1, PLENTY);
        prop_assert_eq!(packets_in(&out), countable(&capture.packets));
        prop_assert!(out.records.iter().all(|record| !record.evicted));
        check_sound(&out)?;
    }

    #[test]
    fn a_full_table_evicts_and_counts(
        plans in plans(step(), 255, 400),
        each in 1_u64..4,
        shards in prop::sample::select(vec![1_usize, 2, 8, 64]),
    ) {
        let capture = Capture::of(&plans);
        let mut out = TableOutput::default();
        for index in 0..shards {
            let mut shard = Shard::new(ShardId { index, of: shards }, &config(room_for(each)));
            let mine = capture.packets.iter().zip(&capture.times);
            for (packet, time) in mine.filter(|(p, _)| shard_of(p.hash, shards) == index) {
                let packet = Packet { index: 0, ..packet.clone() };
                shard.take(&[packet], &Block::new(Clock::new(&[*time])), &mut out);
                prop_assert!(shard.len() as u64 <= each * (KEY_GROUPS / shards) as u64);
            }
            let (before, held) = (out.records.len(), shard.len());
            shard.finish(capture.end(), &mut out);
            prop_assert!(shard.is_empty());
            prop_assert_eq!(out.records.len(), before + held);
        }
        let evicted = out.records.iter().filter(|record| record.evicted).count();
        prop_assert_eq!(out.evicted, evicted as u64);
        prop_assert_eq!(packets_in(&out), countable(&capture.packets));
        check_sound(&out)?;
    }

    #[test]
    fn a_full_table_does_the_same_for_any_number_of_shards(
        plans in plans(step(), 255, 400),
        each in 1_u64..4,
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let capture = Capture::of(&plans);
        let one = capture.run(&capture.packets, 1, room_for(each));
        for shards in [2, 8, 64] {
            let many = capture.run(&capture.packets, shards, room_for(each));
            check_same(&told(&many), &told(&one), &format!("{shards} shards"))?;
        }
        let parts = capture.run_in_blocks(&cuts, room_for(each));
        check_same(&told(&parts), &told(&one), "blocks")?;
    }

    #[test]
    fn jumps_are_the_same_for_any_number_of_shards(plans in plans(jump(), 24, 120)) {
        let capture = Capture::of(&plans);
        let one = told(&capture.run(&capture.packets, 1, PLENTY));
        for shards in [3, 64] {
            let many = told(&capture.run(&capture.packets, shards, PLENTY));
            check_same(&many, &one, &format!("{shards} shards"))?;
        }
    }
}
