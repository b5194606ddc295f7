//! The whole of it: events in, findings out.

mod limits;
mod saved;

use std::sync::Arc;

use flow_table::{FlowEvent, ProtocolRow, Span, Timestamp, prefetch};

use crate::board::{Board, Task};
use crate::config::Suppression;
use crate::correlate::Correlator;
use crate::hash::KeyedHash;
use crate::seen::{Observer, Seen};
use crate::signals::{self, Detector};
use crate::threats::Threats;
use crate::told::{Listeners, Told};
use crate::wants::{Set, Takers, Wants};
use crate::{Config, Counters, Finding, Rule, Signal, SignalKind, ThreatLists};
pub use saved::RestoreError;

/// Events that are looked at together before any is put.
const BATCH: usize = 16;

/// All detectors and rules.
///
/// What it finds is a function of the events alone. Time moves only with events and
/// [`Detectors::advance`]; whatever is due at a moment happens before the events of that moment.
pub struct Detectors {
    observer: Observer,
    signals: Vec<Box<dyn Detector>>,
    takers: Takers,
    listeners: Listeners,
    board: Board,
    allowed_lateness: Span,
    events: u64,
    late_events: u64,
    /// The kinds of signals that are told of events.
    on: Set,
    /// Signals whose saved state was of no use, as it was measured otherwise.
    dropped: u64,
    /// Within which limits signals are looked for.
    config: Config,
    /// For each kind, what was evicted, and what was hurried, within limits that were others.
    lost: Vec<(u64, u64)>,
}

impl Detectors {
    /// Detectors for every signal, joined by these rules. Of two rules with one id the later holds.
    pub fn new(config: &Config, rules: Vec<Rule>) -> Self {
        let threats = Threats::with(config, &ThreatLists::default());
        Self::with_threats(config, rules, Arc::new(threats))
    }

    /// The same, where lists say what is malicious.
    pub fn with_threats(config: &Config, rules: Vec<Rule>, threats: Arc<Threats>) -> Self {
        let hash = KeyedHash::new(config.hash_seed);
        let correlator = Correlator::new(
            &config.rules,
            config.max_evidence.size(),
            hash.clone(),
            rules,
        );
        let signals = signals::all(config, &hash, &threats);
        Self {
            takers: takers(&signals),
            listeners: Listeners::new(signals.iter().map(|detector| detector.topic())),
            signals,
            observer: Observer::new(config, hash, Arc::clone(&threats)),
            board: Board::new(config, correlator, threats),
            allowed_lateness: config.allowed_lateness,
            events: 0,
            late_events: 0,
            on: on(config),
            dropped: 0,
            config: config.clone(),
            lost: vec![(0, 0); SignalKind::ALL.len()],
        }
    }

    /// Takes an event. Events should come in the order (time, uid, seq); one that lies behind by no
    /// more than `allowed_lateness` still counts in its place.
    pub fn put(&mut self, event: &FlowEvent) {
        let seen = self.observer.see(event);
        let takers = self.takers.of(&seen) & self.on;
        self.put_seen(seen, takers);
    }

    /// Takes some events, in their order, as [`Detectors::put`] does; `before` each is called, and may
    /// put what comes before it. Many at once are cheaper, as what one needs is fetched into the cache
    /// while others are worked on.
    pub fn put_all<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a FlowEvent>,
        mut before: impl FnMut(&mut Self, &FlowEvent),
    ) {
        let mut events = events.into_iter();
        if self.on == 0 {
            for event in events {
                self.events += 1;
                before(self, event);
            }
            return;
        }
        let (mut later, mut soon) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let mut fetch_more = |later: &mut Vec<&'a FlowEvent>| {
            later.extend(events.by_ref().take(BATCH));
            for event in later.iter() {
                prefetch(*event);
            }
        };
        fetch_more(&mut later);
        loop {
            soon.extend(later.drain(..).map(|event| {
                let seen = self.observer.see(event);
                let takers = self.takers.of(&seen) & self.on;
                (seen, takers)
            }));
            if soon.is_empty() {
                return;
            }
            // Another core wrote them.
            fetch_more(&mut later);
            for (seen, takers) in &soon {
                // Of a host outside that opens a connection there is mostly nothing yet.
                if seen.src.inside() || !seen.connects {
                    self.fetch(seen, *takers);
                }
            }
            for (seen, takers) in soon.drain(..) {
                before(self, seen.event);
                self.put_seen(seen, takers);
            }
        }
    }

    fn put_seen(&mut self, mut seen: Seen<'_>, mut takers: Set) {
        let event = seen.event;
        self.events += 1;
        self.board.began.get_or_insert(event.start);
        if event.time + self.allowed_lateness < self.board.now {
            self.late_events += 1;
            return;
        }
        self.observer.destinations.watch(event.start);
        self.advance(event.time);
        self.observer.note_contact(&mut seen);
        while takers != 0 {
            if let Some(detector) = self.signals.get_mut(takers.trailing_zeros() as usize) {
                detector.put(&seen, &mut self.board);
            }
            takers &= takers - 1;
        }
        self.settle();
    }

    /// Takes a row of a protocol's log, in the order (time, uid, seq) among rows and events.
    pub fn put_row(&mut self, row: &ProtocolRow) {
        if self.on == 0 {
            return;
        }
        if row.time + self.allowed_lateness < self.board.now {
            self.late_events += 1;
            return;
        }
        self.observer.destinations.watch(row.time);
        self.advance(row.time);
        if let Some(matched) = self.observer.matched(row) {
            let takers = self.listeners.to(matched.topic()) & self.on;
            tell(&mut self.signals, takers, &matched, &mut self.board);
        }
        if let Some(told) = self.observer.told(row) {
            let takers = self.listeners.to(told.topic()) & self.on;
            tell(&mut self.signals, takers, &told, &mut self.board);
        }
        self.settle();
    }

    /// Says of what was found just now what is known of the addresses outside that it names: after what
    /// comes next that may be something else.
    #[inline]
    fn settle(&mut self) {
        if self.board.has_news() {
            self.tell_outside();
        }
    }

    #[cold]
    fn tell_outside(&mut self) {
        for finding in self.board.news() {
            self.observer.name_outside(finding);
        }
    }

    /// Puts a signal before the rules as if it had opened at the end of its window, to tell what they
    /// cost.
    #[doc(hidden)]
    pub fn correlate(&mut self, signal: &Arc<Signal>) {
        self.advance(signal.window.end);
        self.board.hear(signal);
        self.settle();
    }

    /// Has detectors fetch what they will need for what is seen.
    fn fetch(&self, seen: &Seen<'_>, mut takers: Set) {
        self.observer.fetch(seen);
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

    /// From now on these rules join signals. A rule that is as it was keeps what it knows; one that is new
    /// or changed takes the signals that come from now on. Of `config` only what is said of rules counts.
    pub fn replace_rules(&mut self, config: &Config, rules: Vec<Rule>) {
        let correlator = self.board.correlator_mut();
        correlator.replace(&config.rules, config.max_evidence.size(), rules);
    }

    /// From now on these say what is malicious. Signals that are open stay as they are.
    pub fn replace_threats(&mut self, threats: &Arc<Threats>) {
        self.observer.replace_threats(threats);
        self.board.replace_threats(threats);
        for signal in &mut self.signals {
            signal.replace_threats(threats);
        }
        self.takers = takers(&self.signals);
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
        self.settle();
    }

    /// Flows that were under way were cut, and begin anew: what they move is told up to `interval` later
    /// than it would have been. Signals that are open stay so for as much longer, or what goes on would
    /// look as if it had paused.
    pub fn wait_for_flows(&mut self, interval: Span) {
        self.board.put_off_closing(interval);
    }

    /// How far packet time is: what happened before is known.
    pub fn watermark(&self) -> Timestamp {
        self.board.now
    }

    /// The input has ended: judges what waits to be judged and closes what is open.
    pub fn finish(&mut self) {
        self.advance(Timestamp::MAX);
    }

    /// The input ends here, and goes on elsewhere from a [`Detectors::snapshot`] taken before: tells how
    /// the signals stand that are open. What still waits to be judged, waits there.
    pub fn suspend(mut self) -> impl Iterator<Item = Finding> {
        self.board.close_all();
        self.settle();
        self.board.into_findings()
    }

    /// What was found since the last time, in the order it happened.
    pub fn drain(&mut self) -> impl Iterator<Item = Finding> + '_ {
        self.board.drain()
    }

    /// Bytes held now, findings not drained yet aside; [`Config::fit`] bounds it.
    pub fn bytes(&self) -> u64 {
        let tables: u64 = self.signals.iter().map(|signal| signal.usage().bytes).sum();
        let observed = self.observer.channels.bytes()
            + self.observer.answers.bytes()
            + self.observer.roles.bytes()
            + self.observer.threats.bytes();
        let rest = self.board.bytes() + self.board.correlator().bytes() + observed;
        let (_, destinations, _) = self.observer.destinations.usage();
        tables + destinations + u64::try_from(rest).unwrap_or(u64::MAX)
    }

    /// What was done so far, and what was not.
    pub fn counters(&self) -> Counters {
        let mut signals = self.board.signal_counters();
        let detectors = self.signals.iter().zip(&self.lost);
        for (counters, (detector, lost)) in signals.iter_mut().zip(detectors) {
            let usage = detector.usage();
            counters.subjects = usage.subjects;
            counters.bytes = usage.bytes;
            counters.evicted = lost.0 + usage.evicted;
            counters.hurried = lost.1 + usage.hurried;
        }
        let (destinations, _, forgotten) = self.observer.destinations.usage();
        Counters {
            events: self.events,
            late_events: self.late_events,
            destinations,
            destinations_evicted: forgotten,
            answers_evicted: self.observer.answers.evicted(),
            channels_evicted: self.observer.channels.evicted(),
            state_dropped: self.dropped + self.board.correlator().dropped(),
            signals,
            rules: self.board.correlator().counters(),
        }
    }
}

/// A kind's bit.
const fn set_of(kind: SignalKind) -> Set {
    1 << kind as u16
}

/// The kinds that are looked for.
fn on(config: &Config) -> Set {
    let kinds = SignalKind::ALL.into_iter();
    kinds
        .filter(|kind| !config.disabled_signals.contains(kind))
        .fold(0, |on, kind| on | set_of(kind))
}

fn takers(signals: &[Box<dyn Detector>]) -> Takers {
    let wants: Vec<Wants> = signals.iter().map(|detector| detector.wants()).collect();
    Takers::new(&wants)
}

/// Tells those that want to hear of it.
fn tell(signals: &mut [Box<dyn Detector>], mut takers: Set, told: &Told<'_>, board: &mut Board) {
    while takers != 0 {
        if let Some(detector) = signals.get_mut(takers.trailing_zeros() as usize) {
            detector.told(told, board);
        }
        takers &= takers - 1;
    }
}

#[cfg(test)]
mod tests;
