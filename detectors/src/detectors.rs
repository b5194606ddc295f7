//! The whole of it: events in, findings out.

use flow_table::{FlowEvent, ProtocolRow, Timestamp};

use crate::board::{Board, Task};
use crate::config::Suppression;
use crate::correlate::Correlator;
use crate::hash::KeyedHash;
use crate::seen::{Observer, Seen, Side};
use crate::signals::{self, Detector};
use crate::wants::{Takers, Wants};
use crate::{Config, Counters, Finding, Rule, SignalKind};

/// All detectors and rules.
///
/// What it finds is a function of the events alone. Time moves only with events and
/// [`Detectors::advance`]; whatever is due at a moment happens before the events of that moment.
pub struct Detectors {
    observer: Observer,
    signals: Vec<Box<dyn Detector>>,
    takers: Takers,
    board: Board,
    allowed_lateness: flow_table::Span,
    events: u64,
    late_events: u64,
    /// The kinds of signals that are told of events, a bit each.
    on: u16,
}

impl Detectors {
    /// Detectors for every signal, joined by these rules. Of two rules with one id the later holds.
    pub fn new(config: &Config, rules: Vec<Rule>) -> Self {
        let hash = KeyedHash::new(config.hash_seed);
        let correlator = Correlator::new(
            &config.rules,
            config.max_evidence.size(),
            hash.clone(),
            rules,
        );
        let signals = signals::all(config, &hash);
        let wants: Vec<Wants> = signals.iter().map(|detector| detector.wants()).collect();
        Self {
            signals,
            takers: Takers::new(&wants),
            observer: Observer::new(&config.internal_networks, hash),
            board: Board::new(config, correlator),
            allowed_lateness: config.allowed_lateness,
            events: 0,
            late_events: 0,
            on: u16::MAX,
        }
    }

    /// Only one kind of signal, to tell what it costs.
    #[doc(hidden)]
    pub fn only(config: &Config, rules: Vec<Rule>, kind: SignalKind) -> Self {
        let mut this = Self::new(config, rules);
        this.on = 1 << kind as u16;
        this
    }

    /// Takes an event. Events should come in the order (time, uid, seq); one that lies behind by no
    /// more than `allowed_lateness` still counts in its place.
    pub fn put(&mut self, event: &FlowEvent) {
        self.events += 1;
        if self.events == 1 {
            self.board.began = event.start;
        }
        if event.time + self.allowed_lateness < self.board.now {
            self.late_events += 1;
            return;
        }
        self.advance(event.time);
        let seen = self.observer.see(event);
        let mut takers = self.takers.of(&seen) & self.on;
        if takers == 0 {
            return;
        }
        if seen.connects {
            // Most of these come from who was seen before, but a flood's do not.
            self.fetch(&seen, takers);
        }
        while takers != 0 {
            if let Some(detector) = self.signals.get_mut(takers.trailing_zeros() as usize) {
                detector.put(&seen, &mut self.board);
            }
            takers &= takers - 1;
        }
    }

    /// Takes a row of a protocol's log, in the order (time, uid, seq) among rows and events.
    pub fn put_row(&mut self, row: &ProtocolRow) {
        if row.time + self.allowed_lateness < self.board.now {
            self.late_events += 1;
            return;
        }
        self.advance(row.time);
        let Some(asked) = self.observer.question(row) else {
            return;
        };
        if !asked.client.inside() || asked.server.side == Side::Neither {
            return;
        }
        for (number, detector) in self.signals.iter_mut().enumerate() {
            if self.on & 1 << number != 0 {
                detector.asked(&asked, &mut self.board);
            }
        }
    }

    /// Has detectors fetch what they will need for what is seen, while others work on it.
    fn fetch(&self, seen: &Seen<'_>, mut takers: u16) {
        while takers != 0 {
            if let Some(detector) = self.signals.get(takers.trailing_zeros() as usize) {
                detector.fetch(seen);
            }
            takers &= takers - 1;
        }
    }

    /// From now on this is what is known and not to be alerted on.
    pub fn suppress(&mut self, entries: &[Suppression]) {
        self.board.suppress(entries);
    }

    /// Packet time has reached `watermark`: no event will come that is earlier.
    pub fn advance(&mut self, watermark: Timestamp) {
        while let Some(task) = self.board.next(watermark) {
            let (Task::Closed(kind, ..) | Task::Wake(kind, ..)) = task;
            let Some(detector) = self.signals.get_mut(kind as usize) else {
                continue;
            };
            match task {
                Task::Closed(_, subject, key) => detector.closed(&subject, key),
                Task::Wake(_, subject, key) => detector.wake(&subject, key, &mut self.board),
            }
        }
        self.board.now = self.board.now.max(watermark);
    }

    /// The input has ended: judges what waits to be judged and closes what is open.
    pub fn finish(&mut self) {
        self.advance(Timestamp::MAX);
    }

    /// What was found since the last time, in the order it happened.
    pub fn drain(&mut self) -> impl Iterator<Item = Finding> + '_ {
        self.board.drain()
    }

    /// Bytes held now, findings not drained yet aside; [`Config::fit`] bounds it.
    pub fn bytes(&self) -> u64 {
        let tables: u64 = self.signals.iter().map(|signal| signal.usage().bytes).sum();
        let rest = self.board.bytes() + self.board.correlator().bytes();
        tables + u64::try_from(rest).unwrap_or(u64::MAX)
    }

    /// What was done so far, and what was not.
    pub fn counters(&self) -> Counters {
        let mut signals = self.board.signal_counters();
        for (counters, detector) in signals.iter_mut().zip(&self.signals) {
            let usage = detector.usage();
            counters.subjects = usage.subjects;
            counters.bytes = usage.bytes;
            counters.evicted = usage.evicted;
            counters.hurried = usage.hurried;
        }
        Counters {
            events: self.events,
            late_events: self.late_events,
            signals,
            rules: self.board.correlator().counters(),
        }
    }
}

#[cfg(test)]
mod tests;
