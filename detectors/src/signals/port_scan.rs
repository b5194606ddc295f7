//! PORT_SCAN: an internal host tries many different ports.
//!
//! Fires when   an internal source opens flows to more than `limit` distinct destination ports, TCP
//!              (by SYN) and UDP together, within `window`; a number used with both counts once.
//!              It is medium, however many ports, while at least the share `max_completed` of
//!              them took part in a conversation: a scanner mostly finds ports closed; or while
//!              attempts are scattered over hosts outside, nearly each at a port of its own, as
//!              peer-to-peer clients make them.
//! Blind to     scans slower than `limit` ports per window; scans from outside (FAN_OUT_SCAN,
//!              SYN_BURST); one port on many hosts (FAN_OUT_SCAN).
//! Known noise  vulnerability scanners, UDP traceroute: suppress them by source.
//! State        per source its ports and hosts (exact up to `max_exact`, then estimated) and the latest
//!              `max_evidence` flows; sources that came once are evicted first, counted.

use std::net::IpAddr;

use flow_table::{FlowEventKind, IpProto, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, above, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::PortScan;
use crate::samples::{Sample, Samples};
use crate::scattered::Outward;
use crate::seen::{Seen, Side};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Slice, Slicing};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Scans {
    config: PortScan,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Scans { slicing, sources } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    /// Marked: took part in a conversation.
    ports: Distinct,
    hosts: Distinct,
    outward: Outward,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.ports.heap() + self.hosts.heap() + self.outward.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Source {
    /// In the window that begins with a slice.
    fn severity(&mut self, first: Slice, config: &PortScan) -> Severity {
        let (ports, hosts) = (self.ports.counted(), self.hosts.counted());
        let (all, completed) = (ports as f64, self.ports.marked() as f64);
        let mostly_open = completed >= all * config.max_completed.get();
        if mostly_open || self.outward.is_scattered(first, hosts, ports) {
            return Severity::Medium;
        }
        above(all, config.high.get() as f64, config.critical.get() as f64)
    }
}

impl Scans {
    pub(super) fn new(config: &PortScan, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Scans {
    /// A port took part in a conversation.
    fn conversed(&mut self, seen: &Seen<'_>, now: Timestamp) {
        let Some(place) = self.slicing.place(seen.event.start, now) else {
            return;
        };
        let port = self.general.hash.port(seen.port());
        let max_exact = self.general.max_exact;
        self.sources
            .amend(seen.src.key, Some(seen.src.addr), |source| {
                source.ports.mark(port, place.slice, place.first, max_exact);
            });
    }
}

/// Whether it turns out that both ends talk: over TCP once the handshake is complete.
fn is_conversation(seen: &Seen<'_>) -> bool {
    match seen.event.kind {
        FlowEventKind::Completed => true,
        FlowEventKind::Answered => seen.event.id.proto == IpProto::UDP,
        _ => false,
    }
}

impl Detector for Scans {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::ANSWERED).or(What::COMPLETED),
            between: Wants::FROM_INSIDE,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        if seen.connects || is_conversation(seen) {
            self.sources.prefetch(seen.src.key);
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if is_conversation(seen) {
            return self.conversed(seen, board.now);
        }
        if !seen.connects || !seen.has_ports() {
            return;
        }
        let Some(place) = self.slicing.place(seen.event.time, board.now) else {
            return;
        };
        let (config, general, slicing) = (&self.config, &self.general, self.slicing);
        self.sources
            .judge(seen.src.key, Some(seen.src.addr), |source| {
                let port = general.hash.port(seen.port());
                source
                    .ports
                    .count(port, place.slice, place.first, general.max_exact);
                source
                    .hosts
                    .count(seen.dst.key, place.slice, place.first, general.max_exact);
                if seen.dst.side == Side::Outside {
                    source.outward.count(place);
                }
                source
                    .samples
                    .push(Sample::of(seen.event, seen.dst.addr), general.max_evidence);
                let (ports, hosts) = (source.ports.counted() as f64, source.hosts.counted() as f64);
                let over = ports > config.limit.get() as f64;
                if over {
                    board.over(&Over {
                        kind: SignalKind::PortScan,
                        subject: Subject::source(seen.src.addr),
                        key: seen.src.key,
                        severity: source.severity(place.first, config),
                        value: ports,
                        threshold: config.limit.get() as f64,
                        rank: ports,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: source.ports.approximate() || source.hosts.approximate(),
                        baseline: None,
                        numbers: &[
                            ("ports", ports),
                            ("hosts", hosts),
                            ("completed", source.ports.marked() as f64),
                        ],
                        samples: &source.samples,
                        about: About::default(),
                    });
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.sources)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (ports, hosts) = (facts.number("ports"), facts.number("hosts"));
    let shape = if hosts <= 1.0 {
        "vertical"
    } else if hosts > 2.0 * ports {
        "horizontal"
    } else {
        "block"
    };
    let (ports, hosts) = (counted(ports, "port"), counted(hosts, "host"));
    format!(
        "scanned {ports} on {hosts} ({shape}, limit {} in {})",
        facts.threshold, facts.window
    )
}
