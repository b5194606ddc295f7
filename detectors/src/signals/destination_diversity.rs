//! DESTINATION_DIVERSITY: an internal host uploads to many outside addresses at once.
//!
//! Fires when   within `window` an internal source sends more than `min_each` bytes to each of at least
//!              `limit` external destinations, and more than `min_total` outside in all, in flows that
//!              it opens: a public server answering its clients is not meant.
//! Blind to     uploads to one place; many small pieces to ever new addresses.
//! Known noise  peer-to-peer clients, mail servers, cloud synchronisation over many addresses.
//! State        per pair a sum for each slice; per source a sum for each slice, its destinations (exact
//!              up to `max_exact`, then estimated) and `max_evidence` flows; what came once is evicted
//!              first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::DestinationDiversity;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Slice, Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Uploads {
    config: DestinationDiversity,
    general: General,
    slicing: Slicing,
    pairs: Subjects<(IpAddr, IpAddr), SlidingSum>,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Uploads { slicing, pairs, sources } of { config, general });

impl Held for SlidingSum {
    fn heap(&self) -> usize {
        Self::heap(self)
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Source {
    sent: SlidingSum,
    destinations: Distinct,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.sent.heap() + self.destinations.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Uploads {
    pub(super) fn new(config: &DestinationDiversity, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            slicing: Slicing::of(config.window.get()),
            general,
            pairs: Subjects::new(subjects, bytes / 2),
            sources: Subjects::new(subjects, bytes / 2),
            config: config.clone(),
        }
    }

    /// Adds what was sent to this destination. If it is enough to count: the slice until which it
    /// will be, when later ones hold too little alone.
    fn sent_to(&mut self, seen: &Seen<'_>, first: Slice) -> Option<Slice> {
        let (slicing, enough) = (self.slicing, self.config.min_each.get());
        let (event, until) = (seen.event, seen.moved_until());
        let sent = self
            .pairs
            .update(seen.pair, (seen.src.addr, seen.dst.addr), |sum| {
                sum.spread(slicing, event.since, until, [event.orig.bytes]);
                sum.expire(first);
                sum.latest_over(enough)
            });
        sent.flatten()
    }

    fn severity(&self, destinations: f64) -> Severity {
        if destinations > self.config.high.get() as f64 {
            Severity::High
        } else if destinations > self.config.medium.get() as f64 {
            Severity::Medium
        } else {
            Severity::Low
        }
    }
}

impl Detector for Uploads {
    fn wants(&self) -> Wants {
        Wants {
            what: What::SENT,
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.pairs.prefetch(seen.pair);
        self.sources.prefetch(seen.src.key);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let event = seen.event;
        let slicing = self.slicing;
        let first = slicing.first(slicing.at(board.now));
        let enough = self.sent_to(seen, first);
        let General {
            max_exact,
            max_evidence,
            ..
        } = self.general;
        let found = self
            .sources
            .update(seen.src.key, Some(seen.src.addr), |source| {
                source
                    .sent
                    .spread(slicing, event.since, seen.moved_until(), [event.orig.bytes]);
                source.sent.expire(first);
                source.destinations.expire(first);
                if let Some(slice) = enough {
                    source
                        .destinations
                        .count(seen.dst.key, slice, first, max_exact);
                    source
                        .samples
                        .push(Sample::of(event, seen.dst.addr), max_evidence);
                }
                let [sent] = source.sent.total();
                (source.destinations.counted() as f64, sent as f64)
            });
        let (destinations, sent) = found.unwrap_or_default();
        let limit = self.config.limit.get() as f64;
        if destinations < limit || sent <= self.config.min_total.get() as f64 {
            return;
        }
        self.sources
            .pin(seen.src.key, Some(seen.src.addr), Pin::Last);
        let Some(source) = self.sources.get(seen.src.key, Some(seen.src.addr)) else {
            return;
        };
        board.over(&Over {
            kind: SignalKind::DestinationDiversity,
            subject: Subject::source(seen.src.addr),
            key: seen.src.key,
            severity: self.severity(destinations),
            value: destinations,
            threshold: limit,
            rank: destinations * 1e15 + sent,
            window: slicing.ending(board.now),
            lasting: slicing.window(),
            approximate: source.destinations.approximate(),
            baseline: None,
            numbers: &[("destinations", destinations), ("bytes_sent", sent)],
            samples: &source.samples,
            about: About::default(),
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.sources).and(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let destinations = counted(facts.value, "external destination");
    let sent = bytes_text(facts.number("bytes_sent"));
    format!(
        "uploaded {sent} to {destinations} (limit {} in {})",
        facts.threshold, facts.window
    )
}
