//! The detectors: flows of a few hosts that open, are answered or refused, move any amount and
//! close, at any pace, and what their protocols tell: what is asked for and fetched, who signs in, what
//! echoes carry, what speaks out of place.
//!
//! Asserted: the same findings however often time is advanced and findings are drained; they come
//! in order of time; a signal opens before it rises and closes, closes once, and is open once for a
//! subject; severities never fall; detections name signals that were found; tables stay within what
//! the configuration allows, and everything is closed in the end.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use detectors::config::{Bytes, Count};
use detectors::{
    Config, Detection, Detectors, Finding, Rule, Severity, Signal, SignalKind, StableId, Subject,
    builtin_rules,
};
use flow_table::{
    ConnState, Endpoint, FlowEvent, FlowEventKind, FlowId, IpProto, Span, Timestamp, Traffic, Uid,
};

#[path = "rows.rs"]
mod rows;

/// Bytes of a step: what happens, to which flow, between whom, at which port, when, how much.
const STEP: usize = 6;
const FLOWS: usize = 64;
/// The choice that lets few signals be open at once.
const FEW_OPEN: u8 = 2;
/// Some years before time ends: at its very end every window is empty, and a signal that opens
/// closes at once, again and again.
const LATEST: i64 = 9_000_000_000_000_000_000;
const PORTS: [u16; 16] = [
    80, 443, 22, 3389, 53, 445, 8443, 5985, 1, 65_535, 4_444, 123, 23, 88, 8_080, 0,
];

/// Checks a sequence of steps behind a byte that chooses the configuration.
pub fn check(data: &[u8]) {
    let Some((choice, steps)) = data.split_first() else {
        return;
    };
    let config = config(*choice);
    let events = events(steps);
    let last = events.last().map_or(Timestamp::ZERO, |event| event.time);
    let mut once = Detectors::new(&config, rules());
    for event in &events {
        put(&mut once, event);
    }
    let counters = once.counters();
    assert_eq!(counters.events, events.len() as u64);
    for signal in &counters.signals {
        // A table always takes what it was asked to take last.
        let most = config.port_scan.max_memory.get().max(1 << 16) + (1 << 16);
        let small = choice & 1 != 0 && signal.kind == SignalKind::PortScan;
        assert!(!small || signal.bytes <= most, "{signal:?}");
    }
    once.finish();
    let all: Vec<Finding> = once.drain().collect();
    let mut often = Detectors::new(&config, rules());
    let mut drained = Vec::new();
    for (event, number) in events.iter().zip(0_u32..) {
        if number % 3 == u32::from(choice >> 4) % 3 {
            often.advance(event.time);
            drained.extend(often.drain());
        }
        put(&mut often, event);
    }
    often.advance(last);
    often.finish();
    drained.extend(often.drain());
    assert_eq!(all, drained, "time was advanced more often");
    let crowded = choice & FEW_OPEN != 0;
    sound(
        &all,
        if crowded {
            Names::MayReturn
        } else {
            Names::Unique
        },
    );
}

/// Whom a signal is about: of one kind only one is open.
type Whom = (SignalKind, Subject, Option<Arc<str>>);

fn whom(signal: &Signal) -> Whom {
    (signal.kind, signal.subject, signal.evidence.domain.clone())
}

/// An event, and what the flow's protocol may have told then.
fn put(detectors: &mut Detectors, event: &FlowEvent) {
    detectors.put(event);
    if let Some(row) = rows::of(event) {
        detectors.put_row(&row);
    }
}

/// The built-in rules, read once.
fn rules() -> Vec<Rule> {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(builtin_rules).clone()
}

/// The defaults, or ones at which little is needed and little fits.
fn config(choice: u8) -> Config {
    let mut config = Config::default();
    if choice & 1 != 0 {
        config.port_scan.limit = Count::new(2);
        config.port_scan.max_memory = Bytes::new(1 << 16);
        config.max_exact = Count::new(4);
        config.fan_out_scan.limit = Count::new(2);
        config.brute_force.limit = Count::new(2);
        config.post_download_beacon.limit = Count::new(1);
        config.encoded_tunneling_pattern.limit = Count::new(2);
        config.high_entropy_dns.limit = Count::new(2);
        config.destinations.max_subjects = Count::new(4);
    }
    if choice & FEW_OPEN != 0 {
        config.max_open_signals = Count::new(2);
        config.rules.max_partial = Count::new(2);
    }
    if choice & 4 != 0 {
        config.max_evidence = Count::new(1);
        config.rules.max_signals = Count::new(1);
    }
    if choice & 8 != 0 {
        config.allowed_lateness = Span::ZERO;
    }
    config
}

/// A flow between two of its events.
#[derive(Clone, Copy)]
struct Flow {
    next: FlowEvent,
    answered: bool,
    completed: bool,
    refused: bool,
}

fn events(steps: &[u8]) -> Vec<FlowEvent> {
    let mut flows: [Option<Flow>; FLOWS] = [None; FLOWS];
    let mut now = Timestamp::new(1_700_000_000, 0);
    let mut events: Vec<FlowEvent> = Vec::new();
    let mut opened = 0;
    for step in steps.chunks_exact(STEP) {
        let [what, flow, hosts, port, time, much] = *step else {
            continue;
        };
        now = later(now, time);
        let slot = &mut flows[usize::from(flow) % FLOWS];
        let Some(known) = slot else {
            opened += 1;
            let first = opened_flow(now, opened, (hosts, port, what));
            events.push(first);
            *slot = Some(Flow {
                next: FlowEvent { seq: 1, ..first },
                answered: false,
                completed: false,
                refused: false,
            });
            continue;
        };
        let closes = what & 7 == 7;
        events.extend(known.step(now, what, much));
        if closes {
            *slot = None;
        }
    }
    events.sort_by_key(|event| (event.time, event.uid, event.seq));
    events
}

fn opened_flow(now: Timestamp, number: u128, (hosts, port, what): (u8, u8, u8)) -> FlowEvent {
    let (src, dst) = (hosts & 15, hosts >> 4);
    let host = |number: u8| match number {
        0..8 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)),
        8..14 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, number)),
        14 => IpAddr::V4(Ipv4Addr::BROADCAST),
        _ => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9]),
    };
    // Upper bits of the port byte walk through ports and hosts that are otherwise not there.
    let number_of = PORTS[usize::from(port & 15)].wrapping_add(u16::from(port >> 4));
    let id = FlowId {
        orig: Endpoint::new(host(src), 40_000),
        resp: Endpoint::new(host(dst), number_of),
        proto: [IpProto::TCP, IpProto::UDP, IpProto::ICMP, IpProto::TCP]
            [usize::from(what >> 3 & 3)],
    };
    let packet = Traffic {
        packets: 1,
        bytes: 0,
        ip_bytes: 40,
    };
    FlowEvent {
        time: now,
        since: now,
        start: now,
        uid: Uid::from_bits(number),
        seq: 0,
        id,
        orig: packet,
        resp: Traffic::default(),
        turns: 0,
        kind: FlowEventKind::Opened {
            syn: what & 0x20 == 0,
        },
    }
}

impl Flow {
    /// What happens next, if it can happen.
    fn step(&mut self, now: Timestamp, what: u8, much: u8) -> Option<FlowEvent> {
        let kind = match what & 7 {
            0 if !self.answered && !self.refused => {
                self.answered = true;
                FlowEventKind::Answered
            }
            1 if self.answered && !self.completed => {
                self.completed = true;
                FlowEventKind::Completed
            }
            2 if !self.answered && !self.refused => {
                self.refused = true;
                FlowEventKind::Refused
            }
            7 => FlowEventKind::Closed {
                state: ConnState::Sf,
                last: now,
            },
            0..=2 => return None,
            _ => FlowEventKind::Progress,
        };
        let bytes = 1_u64 << (much & 0x1f) << if what & 0x40 == 0 { 0 } else { 30 };
        let moved = |bytes: u64| Traffic {
            packets: bytes / 1_000 + 1,
            bytes,
            ip_bytes: bytes + 40,
        };
        let event = FlowEvent {
            time: now,
            orig: if much & 0x20 == 0 {
                moved(bytes)
            } else {
                Traffic::default()
            },
            resp: if much & 0x40 == 0 {
                moved(bytes / 2)
            } else {
                Traffic::default()
            },
            turns: u32::from(what >> 4),
            kind,
            ..self.next
        };
        self.next = FlowEvent {
            seq: event.seq + 1,
            since: now,
            ..event
        };
        Some(event)
    }
}

fn later(now: Timestamp, step: u8) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let n = i64::from(step);
    let nanos = match step {
        0..100 => n * 10_000_000,
        100..200 => (n - 99) * SECOND,
        200..240 => (n - 199) * 60 * SECOND,
        240..254 => (n - 239) * 86_400 * SECOND,
        254 => SECOND * 86_400 * 10_000,
        255 => 0,
    };
    Timestamp::from_nanos(now.as_nanos().saturating_add(nanos).min(LATEST))
}

/// Whether a signal or detection may carry the name of one before. A signal that had to close
/// early, to make room, and is over its limit again at the same moment does; so does a detection
/// whose group had to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Unique,
    MayReturn,
}

/// What was said of an open signal so far.
struct Open {
    severity: Severity,
    closed: bool,
}

fn sound(findings: &[Finding], names: Names) {
    let mut told = Told::default();
    for finding in findings {
        match finding {
            Finding::SignalOpened(signal) => told.opened(signal, names),
            Finding::SignalRaised(signal) => {
                let open = told.open(signal);
                assert!(
                    signal.severity > open.severity,
                    "raised to no more: {signal:?}"
                );
                open.severity = signal.severity;
            }
            Finding::SignalClosed(signal) => {
                let open = told.open(signal);
                assert_eq!(signal.severity, open.severity, "{signal:?}");
                open.closed = true;
                let subject = told.subjects.remove(&whom(signal));
                assert_eq!(subject, Some(signal.id));
            }
            Finding::DetectionMade(made) => told.made(made, names),
            Finding::DetectionUpdated(update) => told.updated(update),
        }
    }
    let closed = told.signals.values().all(|open| open.closed);
    assert!(closed, "open after the end");
}

/// Everything that was found so far.
#[derive(Default)]
struct Told {
    signals: BTreeMap<StableId, Open>,
    /// The signal that is open for each.
    subjects: BTreeMap<Whom, StableId>,
    detections: BTreeMap<StableId, (Severity, u64)>,
}

impl Told {
    fn opened(&mut self, signal: &Signal, names: Names) {
        placed(signal);
        let open = Open {
            severity: signal.severity,
            closed: false,
        };
        let known = self.signals.insert(signal.id, open);
        let returns = |known: &Open| known.closed && names == Names::MayReturn;
        assert!(
            known.as_ref().is_none_or(returns),
            "one name twice: {signal:?}"
        );
        let before = self.subjects.insert(whom(signal), signal.id);
        assert!(before.is_none(), "open twice for one subject: {signal:?}");
    }

    fn open(&mut self, signal: &Signal) -> &mut Open {
        placed(signal);
        let open = self.signals.get_mut(&signal.id).filter(|open| !open.closed);
        let Some(open) = open else {
            panic!("not open: {signal:?}")
        };
        open
    }

    fn made(&mut self, made: &Detection, names: Names) {
        assert_eq!(made.count, 1, "{made:?}");
        let known = self.detections.insert(made.id, (made.severity, made.count));
        let unique = known.is_none() || names == Names::MayReturn;
        assert!(unique, "one name twice: {made:?}");
        joined(made, &self.signals);
    }

    fn updated(&mut self, update: &Detection) {
        let Some(known) = self.detections.get_mut(&update.id) else {
            panic!("updated, but never made: {update:?}")
        };
        assert!(*known <= (update.severity, update.count), "{update:?}");
        *known = (update.severity, update.count);
        joined(update, &self.signals);
    }
}

fn placed(signal: &Signal) {
    assert!(signal.window.start <= signal.window.end, "{signal:?}");
    assert!(
        signal.value.is_finite() && signal.threshold.is_finite(),
        "{signal:?}"
    );
    assert!(!signal.evidence.measure.is_empty(), "{signal:?}");
}

fn joined(detection: &Detection, signals: &BTreeMap<StableId, Open>) {
    assert!(detection.first <= detection.last, "{detection:?}");
    assert!(
        !detection.signals.is_empty() && !detection.summary.is_empty(),
        "{detection:?}"
    );
    for signal in &detection.signals {
        assert!(
            signals.contains_key(&signal.id),
            "of a signal never found: {detection:?}"
        );
    }
}
