//! The latest detection of a group, to which repeats are added. It shares its signals with the group's
//! members; only what is told has copies of its own.

use std::sync::Arc;

use flow_table::{Span, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use super::Limits;
use super::group::Complete;
use super::member::{Member, weight, weight_of};
use crate::{Detection, RuleInfo, Severity, Signal, StableId};

/// How often a detection's list of signals is compared with a new one, at most: more are not named.
const IDS: usize = 64;

/// See the module.
#[derive(Serialize, Deserialize)]
pub(super) struct Made {
    /// Without its signals.
    detection: Detection,
    signals: Vec<Arc<Signal>>,
    /// When the rule last completed.
    completed: Timestamp,
    /// What took part, the latest of it.
    ids: Vec<StableId>,
}

impl Made {
    /// A detection of which all is known but what follows from its signals.
    pub(super) fn new(detection: Detection, complete: Complete, max_evidence: usize) -> Self {
        let Complete { ids, signals } = complete;
        let mut this = Self {
            completed: detection.detected,
            detection,
            signals,
            ids,
        };
        this.conclude(max_evidence);
        this
    }

    /// The whole of it.
    pub(super) fn told(&self) -> Detection {
        let signals = self.signals.iter();
        Detection {
            signals: signals.map(|signal| Signal::clone(signal)).collect(),
            ..self.detection.clone()
        }
    }

    /// It was saved, and is one of this rule again.
    pub(super) fn belongs_to(&mut self, rule: &Arc<RuleInfo>) {
        self.detection.rule = Arc::clone(rule);
    }

    pub(super) const fn severity(&self) -> Severity {
        self.detection.severity
    }

    pub(super) fn last(&self) -> Timestamp {
        self.detection.last.max(self.completed)
    }

    /// Bytes.
    pub(super) fn weight(&self) -> usize {
        let ids = IDS.max(self.ids.capacity()) * size_of::<StableId>();
        let signals: usize = self.signals.iter().map(|signal| weight(signal)).sum();
        size_of::<Self>() + ids + weight_of(&self.detection) + signals
    }

    pub(super) fn takes_repeats(&self, now: Timestamp, dedup: Span, members: &[Member]) -> bool {
        let open = || {
            members
                .iter()
                .any(|member| member.open && self.ids.contains(&member.what.id()))
        };
        now.since(self.last()) <= dedup || open()
    }

    /// A signal has closed. If it is one of its own, and moves its end: the detection.
    pub(super) fn closes(
        &mut self,
        signal: &Arc<Signal>,
        max_evidence: usize,
    ) -> Option<Detection> {
        let mut known = self.signals.iter_mut();
        *known.find(|known| known.id == signal.id)? = Arc::clone(signal);
        if signal.window.end <= self.detection.last {
            return None;
        }
        self.conclude(max_evidence);
        Some(self.told())
    }

    /// The rule is complete again. Adds to the count if what came is new, not just one of those known
    /// that rose: then the detection.
    pub(super) fn repeat(
        &mut self,
        now: Timestamp,
        id: StableId,
        complete: &Complete,
        limits: Limits,
    ) -> Option<Detection> {
        for signal in &complete.signals {
            let mut known = self.signals.iter_mut();
            if let Some(known) = known.find(|known| known.id == signal.id) {
                *known = Arc::clone(signal);
            } else if self.signals.len() < limits.max_signals {
                self.signals.push(Arc::clone(signal));
            }
        }
        self.signals
            .sort_by_key(|signal| (signal.kind, signal.window.start, signal.id));
        self.conclude(limits.max_evidence);
        if self.ids.contains(&id) || !complete.ids.contains(&id) {
            return None;
        }
        if self.ids.len() >= IDS {
            self.ids.remove(0);
        }
        self.ids.push(id);
        self.detection.count = self.detection.count.saturating_add(1);
        self.completed = now;
        Some(self.told())
    }

    /// Fills in what follows from its signals.
    fn conclude(&mut self, max_evidence: usize) {
        let (detection, signals) = (&mut self.detection, &self.signals);
        detection.first = signals
            .iter()
            .map(|signal| signal.window.start)
            .min()
            .unwrap_or(detection.first);
        // Of more signals than it can name, the last may be among those it does not.
        let last = signals.iter().map(|signal| signal.window.end).max();
        detection.last = detection.last.max(last.unwrap_or_default());
        let mut uids: Vec<Uid> = signals
            .iter()
            .flat_map(|signal| &signal.evidence.uids)
            .copied()
            .collect();
        uids.sort_unstable();
        uids.dedup();
        uids.truncate(max_evidence);
        detection.uids = uids;
        detection.summary = summary(detection, signals);
    }
}

/// “10.1.0.66 scanned 25 ports on 2 hosts (…), opened …, and reached for ….”
fn summary(detection: &Detection, signals: &[Arc<Signal>]) -> String {
    let subject = &detection.subject;
    let clauses: Vec<&str> = signals
        .iter()
        .map(|signal| signal.evidence.measure.as_str())
        .collect();
    let clauses = match clauses.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [most @ .., last] => format!("{}, and {last}", most.join(", ")),
    };
    match (subject.src, subject.dst) {
        (Some(src), Some(dst)) => format!("{src} {clauses}, all with {dst}."),
        (Some(host), None) | (None, Some(host)) => format!("{host} {clauses}."),
        (None, None) => format!("Some hosts together: {clauses}."),
    }
}
