//! Where detectors report what is over its limit: opens, raises and closes signals, wakes detectors
//! at moments they asked for, and hands everything on to the rules and to whoever drains it.
//!
//! One signal is open per (kind, subject). It closes a stated span after the last event at which its
//! measure was over the limit. All that is due at a moment happens before any event of that moment,
//! in the order (moment, kind, subject), so what comes out does not depend on when time was advanced.

mod open;
mod saved;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use flow_table::{Span, Timestamp};
use hashbrown::HashTable;

use serde::{Deserialize, Serialize};

use crate::config::Suppression;
use crate::correlate::{Change, Correlator, Note};
use crate::hash::join;
use crate::samples::Samples;
use crate::suppress::Suppressions;
use crate::threats::Threats;
use crate::{
    BaselineEvidence, Config, Finding, Number, Severity, Signal, SignalCounters, SignalKind,
    Subject, Window,
};
pub(crate) use open::OpenNow;
use open::OpenSignal;

/// A measure over its limit, as a detector reports it.
#[derive(Clone, Copy)]
pub(crate) struct Over<'a> {
    pub(crate) kind: SignalKind,
    pub(crate) subject: Subject,
    /// The subject's keyed hash.
    pub(crate) key: u64,
    pub(crate) severity: Severity,
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    /// What makes one moment a higher peak than another; mostly the value itself.
    pub(crate) rank: f64,
    /// What the measure covers.
    pub(crate) window: Window,
    /// How long the signal stays open after this.
    pub(crate) lasting: Span,
    pub(crate) approximate: bool,
    pub(crate) baseline: Option<BaselineEvidence>,
    pub(crate) numbers: &'a [(&'static str, f64)],
    pub(crate) samples: &'a Samples,
    /// The names it concerns.
    pub(crate) about: About<'a>,
}

/// Names that a measure concerns.
#[derive(Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The registered domain, where the measure is of one; empty otherwise.
    pub(crate) domain: &'a str,
    /// Some of the names asked for.
    pub(crate) names: &'a [Arc<str>],
}

/// What a clause is made of.
pub(crate) struct Facts<'a> {
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    pub(crate) window: Span,
    pub(crate) domain: &'a str,
    pub(crate) names: &'a [Arc<str>],
    pub(crate) numbers: &'a [Number],
    pub(crate) subject: &'a Subject,
}

impl Facts<'_> {
    /// A number by its name; zero if there is none.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.numbers
            .iter()
            .find(|(other, _)| other == name)
            .map_or(0.0, |(_, number)| *number)
    }
}

/// Something that happens at a moment to a subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Due {
    at: Timestamp,
    kind: SignalKind,
    subject: Subject,
    key: u64,
}

/// What a detector must be told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// The subject's signal is no longer open.
    Closed(SignalKind, Subject, u64),
    /// A moment it asked for has come.
    Wake(SignalKind, Subject, u64),
}

/// See the module.
pub(crate) struct Board {
    pub(crate) now: Timestamp,
    /// When the first event began.
    pub(crate) began: Option<Timestamp>,
    open: HashTable<OpenSignal>,
    closing: BinaryHeap<Reverse<Due>>,
    waking: BinaryHeap<Reverse<Due>>,
    closed_early: VecDeque<Task>,
    /// Nothing is due before this.
    idle_until: Timestamp,
    max_open: usize,
    max_evidence: usize,
    counts: Vec<SignalCounters>,
    suppressions: Suppressions,
    threats: Arc<Threats>,
    correlator: Correlator,
    findings: VecDeque<Finding>,
    /// So many of them are no news.
    told: usize,
}

impl Board {
    pub(crate) fn new(config: &Config, correlator: Correlator, threats: Arc<Threats>) -> Self {
        Self {
            now: Timestamp::ZERO,
            began: None,
            open: HashTable::new(),
            closing: BinaryHeap::new(),
            waking: BinaryHeap::new(),
            closed_early: VecDeque::new(),
            idle_until: Timestamp::MAX,
            max_open: config.max_open_signals.size(),
            max_evidence: config.max_evidence.size(),
            counts: SignalKind::ALL.map(SignalCounters::new).to_vec(),
            suppressions: Suppressions::new(&config.suppressions, &config.roles),
            threats,
            correlator,
            findings: VecDeque::new(),
            told: 0,
        }
    }

    /// What opens or is detected from now on is known, or not, by these.
    pub(crate) fn suppress(&mut self, entries: &[Suppression]) {
        self.suppressions.replace(entries);
    }

    /// What is about somebody is said by these from now on to be on a list.
    pub(crate) fn replace_threats(&mut self, threats: &Arc<Threats>) {
        self.threats = Arc::clone(threats);
    }

    /// A measure is over its limit now.
    #[cold]
    pub(crate) fn over(&mut self, over: &Over<'_>) {
        // A window that reaches back before the first event covers nothing there.
        let start = self.began.max(Some(over.window.start));
        let start = start.unwrap_or_default();
        let window = Window {
            start,
            ..over.window
        };
        let over = &Over { window, ..*over };
        let hash = hash(over.kind, over.key);
        let now = self.now;
        let Some(signal) = self
            .open
            .find_mut(hash, |s| s.is(over.kind, over.key, &over.subject))
        else {
            return self.open(hash, over);
        };
        let windows = signal.windows;
        let raised = signal.goes_on(now, over);
        let change = if raised {
            Change::Raised
        } else if signal.windows > windows && self.correlator.wants(over.kind, signal.windows) {
            Change::Sustained
        } else {
            return;
        };
        let windows = signal.windows;
        let signal = Arc::new(signal.signal(self.max_evidence));
        if signal.suppressed_by.is_none() {
            self.note(change, windows, &signal, over.key);
        }
        if raised {
            self.count(over.kind, |count| count.raised += 1);
            let raised = Finding::SignalRaised(Arc::unwrap_or_clone(signal));
            self.findings.push_back(raised);
        }
        self.findings.extend(self.correlator.drain());
    }

    fn open(&mut self, hash: u64, over: &Over<'_>) {
        if self.open.len() >= self.max_open {
            self.close_early();
        }
        let suppressed_by = self
            .suppressions
            .of_signal(over.kind, &over.subject, self.now);
        let listed = self.listed(&over.subject);
        let open = OpenSignal::new(self.now, over, suppressed_by, listed);
        let signal = Arc::new(open.signal(self.max_evidence));
        let due = Due {
            at: open.closes(),
            kind: over.kind,
            subject: over.subject,
            key: over.key,
        };
        self.idle_until = self.idle_until.min(due.at);
        self.closing.push(Reverse(due));
        self.open.insert_unique(hash, open, OpenSignal::hash);
        self.count(over.kind, |count| count.opened += 1);
        self.findings
            .push_back(Finding::SignalOpened(Signal::clone(&signal)));
        if signal.suppressed_by.is_some() {
            self.count(over.kind, |count| count.suppressed += 1);
            return;
        }
        self.note(Change::Opened, 1, &signal, over.key);
        self.findings.extend(self.correlator.drain());
    }

    /// A signal is there that nobody reported, and that never closes.
    pub(crate) fn hear(&mut self, signal: &Arc<Signal>) {
        self.note(Change::Opened, 1, signal, 0);
        self.findings.extend(self.correlator.drain());
    }

    /// The threat list that names one of the two.
    fn listed(&self, subject: &Subject) -> Option<Arc<str>> {
        let named = |addr: IpAddr| self.threats.of(addr);
        let list = subject
            .dst
            .and_then(named)
            .or_else(|| subject.src.and_then(named));
        list.map(|list| self.threats.name(list))
    }

    /// Asks for [`Task::Wake`] at a later moment; moments that have come are not later.
    pub(crate) fn wake_at(&mut self, at: Timestamp, kind: SignalKind, subject: Subject, key: u64) {
        if at > self.now {
            self.idle_until = self.idle_until.min(at);
            self.waking.push(Reverse(Due {
                at,
                kind,
                subject,
                key,
            }));
        }
    }

    /// The next thing due up to `until`, at its own moment.
    #[inline]
    pub(crate) fn next(&mut self, until: Timestamp) -> Option<Task> {
        if until < self.idle_until {
            return None;
        }
        self.next_due(until)
    }

    fn next_due(&mut self, until: Timestamp) -> Option<Task> {
        loop {
            if let Some(task) = self.closed_early.pop_front() {
                return Some(task);
            }
            let closing = self.closing.peek().map(|due| due.0);
            let waking = self.waking.peek().map(|due| due.0);
            let closes = match (closing, waking) {
                (Some(closing), Some(waking)) => closing <= waking,
                (closing, _) => closing.is_some(),
            };
            let due = if closes { closing } else { waking };
            self.idle_until = due.map_or(Timestamp::MAX, |due| due.at);
            let due = due.filter(|due| due.at <= until)?;
            self.now = self.now.max(due.at);
            if !closes {
                self.waking.pop();
                return Some(Task::Wake(due.kind, due.subject, due.key));
            }
            self.closing.pop();
            if let Some(task) = self.close_if_due(due) {
                return Some(task);
            }
        }
    }

    /// Closes a signal, or looks again later if it was over its limit since.
    fn close_if_due(&mut self, due: Due) -> Option<Task> {
        let hash = hash(due.kind, due.key);
        let entry = self
            .open
            .find_entry(hash, |s| s.is(due.kind, due.key, &due.subject))
            .ok()?;
        let closes = entry.get().closes();
        if closes > due.at {
            self.closing.push(Reverse(Due { at: closes, ..due }));
            return None;
        }
        let (open, _) = entry.remove();
        self.closed(&open);
        Some(Task::Closed(due.kind, due.subject, due.key))
    }

    fn closed(&mut self, open: &OpenSignal) {
        let signal = Arc::new(open.signal(self.max_evidence));
        let heard = signal.suppressed_by.is_none();
        if heard {
            self.note(Change::Closed, open.windows, &signal, open.key);
        }
        let closed = Finding::SignalClosed(Arc::unwrap_or_clone(signal));
        self.findings.push_back(closed);
        self.findings.extend(self.correlator.drain());
    }

    /// Makes room by closing the signal that was to close first.
    fn close_early(&mut self) {
        while let Some(Reverse(due)) = self.closing.pop() {
            let hash = hash(due.kind, due.key);
            let Ok(entry) = self
                .open
                .find_entry(hash, |s| s.is(due.kind, due.key, &due.subject))
            else {
                continue;
            };
            let closes = entry.get().closes();
            if closes > due.at {
                self.closing.push(Reverse(Due { at: closes, ..due }));
                continue;
            }
            let (open, _) = entry.remove();
            self.closed(&open);
            self.count(due.kind, |count| count.closed_early += 1);
            self.idle_until = Timestamp::ZERO;
            self.closed_early
                .push_back(Task::Closed(due.kind, due.subject, due.key));
            return;
        }
    }

    fn note(&mut self, change: Change, windows: u32, signal: &Arc<Signal>, key: u64) {
        self.correlator.note(&Note {
            now: self.now,
            change,
            windows,
            signal,
            key,
            open: OpenNow {
                table: &self.open,
                max_evidence: self.max_evidence,
            },
            suppressions: &self.suppressions,
        });
    }

    fn count(&mut self, kind: SignalKind, count: impl FnOnce(&mut SignalCounters)) {
        if let Some(counters) = self.counts.get_mut(kind as usize) {
            count(counters);
        }
    }

    /// Whether anything was found since [`Board::news`] was asked last.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.findings.len() > self.told
    }

    /// What was found since this was asked last.
    pub(crate) fn news(&mut self) -> impl Iterator<Item = &mut Finding> {
        let told = std::mem::replace(&mut self.told, self.findings.len());
        self.findings.iter_mut().skip(told)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Finding> + '_ {
        self.told = 0;
        self.findings.drain(..)
    }

    pub(crate) fn into_findings(self) -> impl Iterator<Item = Finding> {
        self.findings.into_iter()
    }

    /// Bytes taken by what is open and what is due.
    pub(crate) fn bytes(&self) -> usize {
        let due = self.closing.capacity() + self.waking.capacity();
        let peaks: usize = self.open.iter().map(OpenSignal::heap).sum();
        self.open.allocation_size() + due * size_of::<Reverse<Due>>() + peaks
    }

    pub(crate) fn signal_counters(&self) -> Vec<SignalCounters> {
        self.counts.clone()
    }

    pub(crate) fn correlator_mut(&mut self) -> &mut Correlator {
        &mut self.correlator
    }

    pub(crate) fn correlator(&self) -> &Correlator {
        &self.correlator
    }
}

fn hash(kind: SignalKind, key: u64) -> u64 {
    join(key, kind as u64)
}
