//! FAN_OUT_SCAN: one host tries many others, most of which do not answer.
//!
//! Fires when   a source, inside or outside, opens flows to at least `limit` distinct destinations within
//!              `window`, of which at least the share `min_unanswered` sent no answer or refused. Each
//!              flow is judged `answer_grace` after it opened, so the window ends that much in the past.
//!              Or, the long form (`long.rs`), when a source inside tried at least `long_limit` ports
//!              of hosts inside within `long_window` that did not answer or refused, over at least
//!              `long_spread`, each at most `long_attempts` times on average, and not many more that
//!              did answer: medium. It is low while the attempts of a host inside are scattered over
//!              the world outside, nearly each at a port of its own, as peer-to-peer clients make them.
//! Blind to     scans slower than that; slow ones of the world outside; scans of networks where most
//!              hosts answer.
//! Known noise  peer-to-peer clients who try each peer many times; monitoring of hosts that are down,
//!              inventories: suppress them by source.
//! State        per source its destinations, with whether they answered, and ports (exact up to
//!              `max_exact`, then estimated) and `max_evidence` flows; sources that came once are
//!              evicted first, counted. Up to `max_undecided` flows of 96 bytes wait for their
//!              judgement; beyond that the first is judged early, counted.

mod long;

use std::collections::VecDeque;
use std::net::IpAddr;

use flow_table::{FlowEventKind, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, above, counted, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::{FanOutScan, PER_UNDECIDED};
use crate::samples::{Sample, Samples};
use crate::scattered::Outward;
use crate::seen::{Seen, Side};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Place, Slice, Slicing};
use crate::{Severity, SignalKind, Subject};
use long::Searches;

/// The one moment the detector waits for concerns no subject.
const NOBODY: Subject = Subject {
    src: None,
    dst: None,
    dst_port: None,
};

/// Sources of flows this many judgements ahead are fetched.
const LOOK_AHEAD: usize = 4;

pub(super) struct Scans {
    config: FanOutScan,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
    long: Searches,
    undecided: VecDeque<Undecided>,
    hurried: u64,
}

state!(Scans { slicing, sources, long, undecided } of { config, general, hurried });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    /// Counted: tried. Marked: answered.
    destinations: Distinct,
    ports: Distinct,
    outward: Outward,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.destinations.heap() + self.ports.heap() + self.outward.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

const _: () = assert!(size_of::<Undecided>() as u64 <= PER_UNDECIDED);

/// A flow whose destination may still answer.
#[derive(Serialize, Deserialize)]
struct Undecided {
    opened: Timestamp,
    src: IpAddr,
    src_key: u64,
    dst_key: u64,
    /// From inside to outside.
    outward: bool,
    sample: Sample,
}

impl Source {
    /// Of a scan of so many destinations in the window that begins with a slice.
    fn severity(&mut self, first: Slice, tried: u64, config: &FanOutScan) -> Severity {
        let ports = self.ports.counted();
        if self.outward.is_scattered(first, tried, ports) {
            return Severity::Low;
        }
        let (high, critical) = (config.high.get() as f64, config.critical.get() as f64);
        above(tried as f64, high, critical)
    }
}

impl Scans {
    pub(super) fn new(config: &FanOutScan, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            long: Searches::new(config, &general),
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(subjects, bytes / 4 * 3),
            undecided: VecDeque::new(),
            hurried: 0,
            config: config.clone(),
        }
    }

    fn opened(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if self.undecided.is_empty() {
            board.wake_at(
                board.now + self.config.answer_grace,
                SignalKind::FanOutScan,
                NOBODY,
                0,
            );
        } else if self.undecided.len() >= self.config.max_undecided.size() {
            self.hurried += 1;
            self.judge_first(board);
        }
        if self.undecided.len() == self.undecided.capacity() {
            let most = self.config.max_undecided.size();
            let room = most.saturating_sub(self.undecided.len());
            self.undecided
                .reserve_exact(self.undecided.len().max(16).min(room.max(1)));
        }
        self.undecided.push_back(Undecided {
            opened: board.now,
            src: seen.src.addr,
            src_key: seen.src.key,
            dst_key: seen.dst.key,
            outward: seen.src.inside() && seen.dst.side == Side::Outside,
            sample: Sample::of(seen.event, seen.dst.addr),
        });
    }

    fn answered(&mut self, seen: &Seen<'_>, board: &Board) {
        let judged = board.now - self.config.answer_grace;
        let first = self.slicing.first(self.slicing.at(judged));
        let slice = self.slicing.at(seen.event.start);
        if slice >= first {
            let max_exact = self.general.max_exact;
            self.sources
                .update(seen.src.key, Some(seen.src.addr), |source| {
                    source
                        .destinations
                        .mark(seen.dst.key, slice, first, max_exact);
                });
        }
    }

    /// Counts the flow that has waited longest, and reports its source if that takes it over.
    fn judge_first(&mut self, board: &mut Board) {
        let Some(flow) = self.undecided.pop_front() else {
            return;
        };
        if let Some(soon) = self.undecided.get(LOOK_AHEAD) {
            self.sources.prefetch(soon.src_key);
        }
        let (config, slicing) = (&self.config, self.slicing);
        let (slice, general) = (slicing.at(flow.opened), &self.general);
        let first = slicing.first(slice);
        self.sources.judge(flow.src_key, Some(flow.src), |source| {
            let port = general.hash.port(flow.sample.port);
            source
                .destinations
                .count(flow.dst_key, slice, first, general.max_exact);
            source.ports.count(port, slice, first, general.max_exact);
            if flow.outward {
                source.outward.count(Place { slice, first });
            }
            source.samples.push(flow.sample, general.max_evidence);
            let tried = source.destinations.counted();
            if tried < config.limit.get() {
                return false;
            }
            let unanswered = tried - source.destinations.marked();
            let (destinations, share) = (tried as f64, unanswered as f64 / tried as f64);
            let over = share >= config.min_unanswered.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::FanOutScan,
                    subject: Subject::source(flow.src),
                    key: flow.src_key,
                    severity: source.severity(first, tried, config),
                    value: destinations,
                    threshold: config.limit.get() as f64,
                    rank: destinations,
                    window: slicing.ending(flow.opened),
                    lasting: slicing.window(),
                    approximate: source.destinations.approximate(),
                    baseline: None,
                    numbers: &[
                        ("destinations", destinations),
                        ("unanswered", unanswered as f64),
                        ("unanswered_share", share),
                        ("ports", source.ports.counted() as f64),
                    ],
                    samples: &source.samples,
                    about: About::default(),
                });
            }
            over
        });
    }
}

impl Detector for Scans {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::ANSWERED).or(What::CLOSED),
            between: Wants::HOSTS,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        if seen.event.kind == FlowEventKind::Answered {
            self.sources.prefetch(seen.src.key);
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if seen.connects {
            self.opened(seen, board);
        } else if seen.event.kind == FlowEventKind::Answered {
            self.answered(seen, board);
        } else if seen.src.inside() && seen.dst.inside() {
            self.long.closed_flow(seen, board);
        }
    }

    fn wake(&mut self, _subject: &Subject, _key: u64, board: &mut Board) {
        let grace = self.config.answer_grace;
        while let Some(first) = self.undecided.front() {
            let decided = first.opened + grace;
            if decided > board.now {
                return board.wake_at(decided, SignalKind::FanOutScan, NOBODY, 0);
            }
            self.judge_first(board);
        }
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources.pin(key, subject.src, Pin::InTurn);
        self.long.closed(subject, key);
    }

    fn usage(&self) -> Usage {
        let usage = self.long.usage(Usage::of(&self.sources));
        let waiting = self.undecided.capacity() * size_of::<Undecided>();
        let bytes = usage.bytes + u64::try_from(waiting).unwrap_or(u64::MAX);
        Usage {
            bytes,
            hurried: self.hurried,
            ..usage
        }
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    if facts.number("targets") > 0.0 {
        return long::clause(facts);
    }
    let tried = counted(facts.value, "destination");
    let ports = counted(facts.number("ports"), "port");
    let share = short(facts.number("unanswered_share") * 100.0);
    format!(
        "tried {tried} on {ports}, {share} % without answer (limit {} in {})",
        facts.threshold, facts.window
    )
}
