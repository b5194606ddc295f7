//! What counts for a rule: a signal, or what another rule detected.

use std::sync::Arc;

use flow_table::{Span, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use super::Note;
use crate::{Detection, Number, Severity, Signal, StableId, Subject};

/// Something that counts.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) input: usize,
    /// The keyed hash of a signal's subject.
    pub(super) key: u64,
    pub(super) opened: Timestamp,
    pub(super) last: Timestamp,
    pub(super) open: bool,
    pub(super) what: What,
}

/// What can count.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum What {
    Signal(Arc<Signal>),
    /// What another rule detected.
    Detection(Arc<Detection>),
}

impl What {
    pub(super) fn id(&self) -> StableId {
        match self {
            Self::Signal(signal) => signal.id,
            Self::Detection(detection) => detection.id,
        }
    }

    pub(super) fn subject(&self) -> &Subject {
        match self {
            Self::Signal(signal) => &signal.subject,
            Self::Detection(detection) => &detection.subject,
        }
    }

    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::Signal(signal) => signal.severity,
            Self::Detection(detection) => detection.severity,
        }
    }

    /// Adds the signals that it is or rests on.
    pub(super) fn add_signals(&self, to: &mut Vec<Arc<Signal>>) {
        match self {
            Self::Signal(signal) => to.push(Arc::clone(signal)),
            Self::Detection(detection) => {
                let signals = detection.signals.iter();
                to.extend(signals.map(|signal| Arc::new(signal.clone())));
            }
        }
    }

    /// Bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Signal(signal) => weight(signal),
            Self::Detection(detection) => weight_of(detection),
        }
    }
}

impl Member {
    pub(super) fn of(note: &Note<'_>, input: usize) -> Self {
        Self {
            input,
            key: note.key,
            opened: note.now,
            last: note.signal.window.end,
            open: true,
            what: What::Signal(Arc::clone(note.signal)),
        }
    }

    /// What another rule made counts for the timespan after its last signal, or after it was made.
    pub(super) fn of_detection(now: Timestamp, detection: &Arc<Detection>, input: usize) -> Self {
        Self {
            input,
            key: 0,
            opened: now,
            last: now.max(detection.last),
            open: false,
            what: What::Detection(Arc::clone(detection)),
        }
    }

    pub(super) fn counts(&self, now: Timestamp, timespan: Span) -> bool {
        self.open || now.since(self.last) <= timespan
    }
}

/// Bytes of a signal.
pub(super) fn weight(signal: &Signal) -> usize {
    let evidence = &signal.evidence;
    size_of::<Signal>()
        + evidence.measure.len()
        + evidence.numbers.len() * size_of::<Number>()
        + evidence.peers.len() * size_of::<std::net::IpAddr>()
        + evidence.ports.len() * size_of::<u16>()
        + evidence.uids.len() * size_of::<Uid>()
        + evidence.domain.as_ref().map_or(0, |domain| domain.len())
        + crate::names::heap(&evidence.names)
}

/// Bytes of a detection.
pub(super) fn weight_of(detection: &Detection) -> usize {
    let signals: usize = detection.signals.iter().map(weight).sum();
    size_of::<Detection>() + detection.summary.len() + signals
}
