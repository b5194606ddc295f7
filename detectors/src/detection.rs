//! What a rule makes of signals: something a person acts on.

use std::sync::Arc;

use flow_table::{Timestamp, Uid};
use serde::{Deserialize, Serialize};

use crate::{Severity, Signal, StableId, Subject};

/// How sure a rule is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Often something else.
    Low,
    /// Look before acting.
    Medium,
    /// Rarely anything else.
    High,
}

impl Confidence {
    /// The word in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What stays the same in all detections of one rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuleInfo {
    /// `LM-001`.
    pub id: String,
    /// `LATERAL_MOVEMENT`.
    pub detection_type: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// ATT&CK tactics and techniques, `TA0008`, `T1021`, in the rule's order.
    pub mitre: Vec<String>,
    /// What to do about it, one sentence each.
    pub actions: Vec<String>,
}

/// Signals about one subject, joined by a rule.
///
/// What serde makes of it is state, not output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Detection {
    /// Hash of rule, subject and the first signals; the same capture gives the same id.
    pub id: StableId,
    /// The rule that made it.
    pub rule: Arc<RuleInfo>,
    /// May rise with an update, never falls.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// Start of the earliest signal.
    pub first: Timestamp,
    /// End of the latest signal, updates included.
    pub last: Timestamp,
    /// When the rule completed, in packet time.
    pub detected: Timestamp,
    /// How often the rule completed for this subject within its dedup window, from 1.
    pub count: u64,
    /// The signals it joined, as they stood then, ordered by kind.
    pub signals: Vec<Signal>,
    /// Up to `max_evidence` flows named by the signals.
    pub uids: Vec<Uid>,
    /// The suppression that applies, if one does.
    pub suppressed_by: Option<Arc<str>>,
    /// One sentence with its numbers.
    pub summary: String,
}

/// What comes out of [`crate::Detectors`], in the order it happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Finding {
    /// A measure went over its limit.
    SignalOpened(Signal),
    /// An open signal rose in severity (its peak and last event are told when it closes).
    SignalRaised(Signal),
    /// One window has passed since the last event over the limit, or the run ended.
    SignalClosed(Signal),
    /// A rule completed for a subject.
    DetectionMade(Detection),
    /// A rule completed again within its dedup window, or its severity rose.
    DetectionUpdated(Detection),
}

impl Finding {
    /// The signal that it is, or those that it rests on.
    pub fn signals_mut(&mut self) -> &mut [Signal] {
        match self {
            Self::SignalOpened(signal)
            | Self::SignalRaised(signal)
            | Self::SignalClosed(signal) => std::slice::from_mut(signal),
            Self::DetectionMade(made) | Self::DetectionUpdated(made) => &mut made.signals,
        }
    }
}
