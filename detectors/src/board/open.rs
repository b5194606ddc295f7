//! A signal while it is open.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use flow_table::{Span, Timestamp};
use hashbrown::HashTable;

use serde::{Deserialize, Serialize};

use super::{Due, Facts, Over};
use crate::hash::IdHash;
use crate::names;
use crate::samples::Sample;
use crate::signals;
use crate::{
    BaselineEvidence, Evidence, Number, Severity, Signal, SignalKind, StableId, Subject, Window,
};

/// The version of the signals' rules; goes into ids, so that a changed measure makes new ones.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct OpenSignal {
    id: StableId,
    kind: SignalKind,
    subject: Subject,
    pub(super) key: u64,
    severity: Severity,
    opened: Timestamp,
    window: Window,
    closes: Timestamp,
    lasting: Span,
    peak: Peak,
    suppressed_by: Option<Arc<str>>,
    /// The threat list that names whom it is about.
    listed: Option<Arc<str>>,
    /// One when it opens, and one more for every full window for which it has stayed over.
    pub(super) windows: u32,
}

/// The signals that are open, for rules to read.
#[derive(Clone, Copy)]
pub(crate) struct OpenNow<'a> {
    pub(super) table: &'a HashTable<OpenSignal>,
    pub(super) max_evidence: usize,
}

impl OpenNow<'_> {
    /// A signal as it stands now, if it is still open.
    pub(crate) fn signal(self, known: &Signal, key: u64) -> Option<Signal> {
        let same = |open: &OpenSignal| open.id == known.id;
        let open = self.table.find(super::hash(known.kind, key), same)?;
        Some(open.signal(self.max_evidence))
    }
}

/// The measure at its height.
#[derive(Serialize, Deserialize)]
struct Peak {
    value: f64,
    threshold: f64,
    rank: f64,
    window: Window,
    approximate: bool,
    baseline: Option<BaselineEvidence>,
    numbers: Vec<Number>,
    samples: Vec<Sample>,
    domain: Arc<str>,
    names: Vec<Arc<str>>,
}

impl OpenSignal {
    pub(super) fn new(
        now: Timestamp,
        over: &Over<'_>,
        suppressed_by: Option<Arc<str>>,
        listed: Option<Arc<str>>,
    ) -> Self {
        Self {
            id: id(over, now),
            kind: over.kind,
            subject: over.subject,
            key: over.key,
            severity: severity(over, listed.as_ref()),
            opened: now,
            window: over.window,
            closes: now + over.lasting,
            lasting: over.lasting,
            peak: Peak::of(over),
            suppressed_by,
            listed,
            windows: 1,
        }
    }

    pub(super) fn is(&self, kind: SignalKind, key: u64, subject: &Subject) -> bool {
        self.kind == kind && self.key == key && self.subject == *subject
    }

    pub(super) fn hash(&self) -> u64 {
        super::hash(self.kind, self.key)
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        self.peak.numbers.capacity() * size_of::<Number>()
            + self.peak.samples.capacity() * size_of::<Sample>()
            + names::heap(&self.peak.names)
            + self.peak.domain.len()
    }

    pub(super) fn due(&self) -> Due {
        Due {
            at: self.closes,
            kind: self.kind,
            subject: self.subject,
            key: self.key,
        }
    }

    pub(super) fn put_off_closing(&mut self, by: Span) {
        self.closes = self.closes + by;
    }

    pub(super) fn closes(&self) -> Timestamp {
        self.closes
    }

    /// It is over its limit again; tells whether its severity rose.
    pub(super) fn goes_on(&mut self, now: Timestamp, over: &Over<'_>) -> bool {
        self.window.end = self.window.end.max(over.window.end);
        self.closes = self.closes.max(now + over.lasting);
        let lasted = now.since(self.opened).as_nanos() / self.lasting.as_nanos().max(1);
        self.windows = u32::try_from(lasted).unwrap_or(u32::MAX).saturating_add(1);
        let severity = severity(over, self.listed.as_ref());
        let raised = severity > self.severity;
        if raised || over.rank > self.peak.rank {
            self.peak.rise_to(over);
            self.severity = self.severity.max(severity);
        }
        raised
    }

    /// The signal as it stands.
    pub(super) fn signal(&self, max_evidence: usize) -> Signal {
        Signal {
            id: self.id,
            kind: self.kind,
            severity: self.severity,
            subject: self.subject,
            window: self.window,
            value: self.peak.value,
            threshold: self.peak.threshold,
            evidence: Evidence {
                listed: self.listed.clone(),
                ..self.peak.evidence(self, max_evidence)
            },
            suppressed_by: self.suppressed_by.clone(),
        }
    }
}

/// Whatever is about somebody on a list weighs more; that it is on a list is said by its own signal.
fn severity(over: &Over<'_>, listed: Option<&Arc<str>>) -> Severity {
    if listed.is_some() && over.kind != SignalKind::ThreatListMatch {
        over.severity.raised()
    } else {
        over.severity
    }
}

/// The window is named by both ends: a session that is over, under and over its limit again would
/// otherwise give two signals one name.
fn id(over: &Over<'_>, now: Timestamp) -> StableId {
    let Subject { src, dst, dst_port } = over.subject;
    IdHash::new(over.kind.name())
        .number(VERSION)
        .addr(src)
        .addr(dst)
        .number(dst_port.map_or(0, |port| u64::from(port) + 1))
        .number(over.window.start.as_nanos().unsigned_abs())
        .number(now.as_nanos().unsigned_abs())
        .about(over.about.domain)
        .finish()
}

impl Peak {
    fn of(over: &Over<'_>) -> Self {
        Self {
            value: over.value,
            threshold: over.threshold,
            rank: over.rank,
            window: over.window,
            approximate: over.approximate,
            baseline: over.baseline,
            numbers: named(over.numbers).collect(),
            samples: over.samples.all().to_vec(),
            domain: Arc::from(over.about.domain),
            names: over.about.names.to_vec(),
        }
    }

    /// As [`Peak::of`], but allocates nothing: in a flood every event is a new peak.
    fn rise_to(&mut self, over: &Over<'_>) {
        (self.value, self.threshold, self.rank) = (over.value, over.threshold, over.rank);
        (self.window, self.approximate, self.baseline) =
            (over.window, over.approximate, over.baseline);
        self.numbers.clear();
        self.numbers.extend(named(over.numbers));
        self.samples.clear();
        self.samples.extend_from_slice(over.samples.all());
        self.names.clear();
        self.names.extend_from_slice(over.about.names);
    }

    fn evidence(&self, open: &OpenSignal, max: usize) -> Evidence {
        let facts = Facts {
            value: self.value,
            threshold: self.threshold,
            window: open.lasting,
            domain: &self.domain,
            names: &self.names,
            numbers: &self.numbers,
            subject: &open.subject,
        };
        let mut samples: Vec<Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.time <= self.window.end)
            .copied()
            .collect();
        samples.sort_unstable();
        let mut numbers = self.numbers.clone();
        let Window { start, end } = self.window;
        numbers.extend(named(&[
            ("peak_window_start", start.as_secs_f64()),
            ("peak_window_end", end.as_secs_f64()),
        ]));
        Evidence {
            measure: signals::clause(open.kind)(&facts),
            approximate: self.approximate,
            baseline: self.baseline,
            numbers,
            peers: unique(
                samples
                    .iter()
                    .map(|sample| sample.peer)
                    .collect::<Vec<IpAddr>>(),
                max,
            ),
            ports: unique(
                samples
                    .iter()
                    .map(|sample| sample.port)
                    .collect::<Vec<u16>>(),
                max,
            ),
            uids: unique(samples.iter().map(Sample::uid).collect(), max),
            domain: (!self.domain.is_empty()).then(|| self.domain.clone()),
            names: unique(self.names.clone(), max),
            listed: None,
            outside: Vec::new(),
        }
    }
}

fn named(numbers: &[(&'static str, f64)]) -> impl Iterator<Item = Number> {
    numbers
        .iter()
        .map(|(name, number)| (Cow::Borrowed(*name), *number))
}

/// Sorted, each once, at most `max`.
fn unique<T: Ord>(mut values: Vec<T>, max: usize) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values.truncate(max);
    values
}
