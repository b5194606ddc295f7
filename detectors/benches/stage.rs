//! What a flow event costs the detection stage: every signal on, and each signal alone.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detectors::{Config, Detectors, SignalKind, builtin_rules};
use flow_table::{
    ConnState, Endpoint, FlowEvent, FlowEventKind, FlowId, IpProto, Span, Timestamp, Traffic, Uid,
};

/// Flows of the ordinary mix.
const FLOWS: u32 = 100_000;
/// Flows of a flood: more sources than any table holds.
const FLOOD: u32 = 300_000;
const START: i64 = 1_700_006_400;

/// Ordinary traffic: 2,000 internal clients, each with servers it returns to and others.
fn ordinary() -> Vec<FlowEvent> {
    let mut events = Vec::new();
    for number in 0..FLOWS {
        let random = spread(number);
        let client = 0x0a00_0000 | (random % 2_000);
        let server = match random >> 28 {
            0..8 => 0x5db8_0000 | ((random >> 8) % 50),
            8..12 => 0x5db8_0000 | ((random >> 8) % 5_000),
            12..15 => 0x2000_0000 | (random >> 4),
            _ => 0x0a01_0000 | ((random >> 8) % 20),
        };
        let port = if random.is_multiple_of(8) { 53 } else { 443 };
        let flow = Flow::new(number, client, server, port, micros(number, 400));
        events.extend(flow.answered(number));
    }
    in_order(events)
}

/// A flood of SYNs to one server, each from a source not seen before.
fn new_sources() -> Vec<FlowEvent> {
    let attempt = |number| {
        let flow = Flow::new(
            number,
            spread(number) | 0x4000_0000,
            0x0a00_0001,
            80,
            micros(number, 10),
        );
        flow.unanswered()
    };
    in_order((0..FLOOD).flat_map(attempt).collect())
}

/// One inside host that tries others, of which none answers.
fn one_source() -> Vec<FlowEvent> {
    let attempt = |number| {
        let port = 1 + u16::try_from(number % 60_000).unwrap_or_default();
        let flow = Flow::new(
            number,
            0x0a00_0001,
            0x0a00_0100 + number % 9_000,
            port,
            micros(number, 10),
        );
        flow.unanswered()
    };
    in_order((0..FLOOD).flat_map(attempt).collect())
}

fn in_order(mut events: Vec<FlowEvent>) -> Vec<FlowEvent> {
    events.sort_by_key(|event| (event.time, event.uid, event.seq));
    events
}

/// A bijection over 32 bits.
fn spread(number: u32) -> u32 {
    let mixed = (number ^ (number >> 16)).wrapping_mul(0x7feb_352d);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x846c_a68b);
    mixed ^ (mixed >> 16)
}

fn micros(number: u32, each: i64) -> Timestamp {
    Timestamp::new(START, i64::from(number) * each * 1_000)
}

struct Flow {
    uid: Uid,
    id: FlowId,
    start: Timestamp,
}

impl Flow {
    fn new(number: u32, src: u32, dst: u32, port: u16, start: Timestamp) -> Self {
        let addr = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits));
        Self {
            uid: Uid::from_bits(u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c),
            id: FlowId {
                orig: Endpoint::new(addr(src), 40_000),
                resp: Endpoint::new(addr(dst), port),
                proto: IpProto::TCP,
            },
            start,
        }
    }

    fn event(&self, seq: u32, millis: i64, kind: FlowEventKind) -> FlowEvent {
        let time = self.start + Span::from_millis(millis);
        FlowEvent {
            time,
            since: time,
            start: self.start,
            uid: self.uid,
            seq,
            id: self.id,
            orig: Traffic::default(),
            resp: Traffic::default(),
            turns: 0,
            kind,
        }
    }

    fn closed(&self, state: ConnState, last: i64) -> FlowEventKind {
        let last = self.start + Span::from_millis(last);
        FlowEventKind::Closed { state, last }
    }

    /// Opened, then evicted with nothing told in between.
    fn unanswered(&self) -> [FlowEvent; 2] {
        let mut opened = self.event(0, 0, FlowEventKind::Opened { syn: true });
        opened.orig = traffic(1, 0);
        [opened, self.event(1, 500, self.closed(ConnState::S0, 0))]
    }

    /// Opened, answered, completed, some traffic, and some more until it ends.
    fn answered(&self, number: u32) -> [FlowEvent; 5] {
        let size = u64::from(spread(number ^ 0x5555_5555) % 20_000);
        let mut opened = self.event(0, 0, FlowEventKind::Opened { syn: true });
        opened.orig = traffic(1, 0);
        let mut progress = self.event(3, 5_000, FlowEventKind::Progress);
        let mut closed = self.event(4, 9_000, self.closed(ConnState::Sf, 8_990));
        for event in [&mut progress, &mut closed] {
            event.since = event.time - Span::from_millis(900);
            (event.orig, event.resp) = (traffic(3, size / 8), traffic(5, size));
            event.turns = 1;
        }
        [
            opened,
            self.event(1, 20, FlowEventKind::Answered),
            self.event(2, 21, FlowEventKind::Completed),
            progress,
            closed,
        ]
    }
}

fn traffic(packets: u64, bytes: u64) -> Traffic {
    Traffic {
        packets,
        bytes,
        ip_bytes: bytes + packets * 40,
    }
}

fn run(detectors: &mut Detectors, events: &[FlowEvent]) -> usize {
    let mut findings = 0;
    for some in events.chunks(10_000) {
        detectors.put_all(some, |_, _| ());
        findings += detectors.drain().count();
    }
    findings
}

fn bench(
    c: &mut Criterion,
    group: &str,
    name: &str,
    events: &[FlowEvent],
    new: impl Fn() -> Detectors,
) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function(name, |b| {
        b.iter_batched_ref(
            &new,
            |detectors| black_box(run(detectors, events)),
            BatchSize::LargeInput,
        );
    });
}

fn stage(c: &mut Criterion) {
    let config = Config::default();
    let mixes = [
        ("ordinary", ordinary()),
        ("every-event-a-new-source", new_sources()),
        ("every-event-one-source", one_source()),
    ];
    for (mix, events) in &mixes {
        bench(c, "all-signals", mix, events, || {
            Detectors::new(&config, builtin_rules())
        });
    }
    let [(_, ordinary), ..] = &mixes;
    for kind in SignalKind::ALL {
        let others = SignalKind::ALL.into_iter().filter(|other| *other != kind);
        let config = Config {
            disabled_signals: others.collect(),
            ..Config::default()
        };
        bench(c, "one-signal-ordinary", kind.name(), ordinary, || {
            Detectors::new(&config, builtin_rules())
        });
    }
}

/// What a table full of ordinary traffic costs to be kept, and to be taken back.
fn state(c: &mut Criterion) {
    let config = Config::default();
    for (mix, events) in [("ordinary", ordinary()), ("new-sources", new_sources())] {
        let mut detectors = Detectors::new(&config, builtin_rules());
        run(&mut detectors, &events);
        let state = detectors.snapshot();
        let mut group = c.benchmark_group("state");
        group.sample_size(10);
        group.throughput(Throughput::Bytes(state.len() as u64));
        group.bench_function(format!("snapshot-{mix}"), |b| {
            b.iter(|| black_box(detectors.snapshot().len()));
        });
        group.bench_function(format!("restore-{mix}"), |b| {
            b.iter(|| Detectors::restore(&config, builtin_rules(), &state));
        });
    }
}

criterion_group!(benches, stage, state);
criterion_main!(benches);
