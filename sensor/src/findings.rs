//! What a run found, kept small: enough for the summary and the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors::{Detection, Finding, RuleInfo, Severity, SignalKind, StableId, Subject};
use flow_table::Timestamp;

/// Detections that are kept one by one; further ones are only counted.
const MOST_KEPT: usize = 20_000;

/// A detection in its latest state.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Made {
    pub(crate) id: StableId,
    pub(crate) rule: Arc<RuleInfo>,
    pub(crate) severity: Severity,
    pub(crate) subject: Subject,
    pub(crate) detected: Timestamp,
    pub(crate) count: u64,
    pub(crate) suppressed: bool,
    pub(crate) summary: String,
}

impl From<&Detection> for Made {
    fn from(detection: &Detection) -> Self {
        Self {
            id: detection.id,
            rule: Arc::clone(&detection.rule),
            severity: detection.severity,
            subject: detection.subject,
            detected: detection.detected,
            count: detection.count,
            suppressed: detection.suppressed_by.is_some(),
            summary: detection.summary.clone(),
        }
    }
}

/// Counts findings as they come.
#[derive(Clone, Default, Debug)]
pub(crate) struct Tally {
    signals: BTreeMap<&'static str, SignalCount>,
    detections: BTreeMap<StableId, Made>,
    /// Detections beyond [`MOST_KEPT`].
    not_kept: u64,
    worst: Option<Severity>,
}

/// How many signals of one kind were opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SignalCount {
    pub(crate) opened: u64,
    /// How many of them a suppression applies to.
    pub(crate) suppressed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, finding: &Finding) {
        match finding {
            Finding::SignalOpened(signal) => {
                self.open(signal.kind, signal.suppressed_by.is_some());
            }
            Finding::SignalRaised(_) | Finding::SignalClosed(_) => {}
            Finding::DetectionMade(detection) | Finding::DetectionUpdated(detection) => {
                self.detect(detection);
            }
        }
    }

    fn open(&mut self, kind: SignalKind, suppressed: bool) {
        let count = self.signals.entry(kind.name()).or_default();
        count.opened += 1;
        count.suppressed += u64::from(suppressed);
    }

    fn detect(&mut self, detection: &Detection) {
        let made = Made::from(detection);
        if !made.suppressed {
            self.worst = self.worst.max(Some(made.severity));
        }
        if self.detections.len() < MOST_KEPT || self.detections.contains_key(&made.id) {
            self.detections.insert(made.id, made);
        } else {
            // An update of one that is not kept counts again: a bound, not a total.
            self.not_kept += 1;
        }
    }

    /// By name.
    pub(crate) fn signals(&self) -> impl Iterator<Item = (&'static str, SignalCount)> {
        self.signals.iter().map(|(name, count)| (*name, *count))
    }

    /// Those that no suppression applies to, in the order they were made.
    pub(crate) fn detections(&self) -> Vec<&Made> {
        let mut made: Vec<&Made> = self.detections.values().filter(|m| !m.suppressed).collect();
        made.sort_by_key(|m| (m.detected, m.id));
        made
    }

    pub(crate) fn suppressed(&self) -> usize {
        self.detections.values().filter(|m| m.suppressed).count()
    }

    /// How many findings about further detections came when the list was full.
    pub(crate) fn not_kept(&self) -> u64 {
        self.not_kept
    }

    /// The worst detection that no suppression applies to.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// How many detections there are, suppressed ones included.
    pub(crate) fn made(&self) -> usize {
        self.detections.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_latest_state_counts() {
        let mut tally = Tally::default();
        let first = samples::detection(1, "10.0.0.1");
        let mut second = first.clone();
        (second.count, second.severity) = (2, Severity::Critical);
        let mut hidden = samples::detection(2, "10.0.0.2");
        (hidden.severity, hidden.suppressed_by) = (Severity::Critical, Some("known".into()));
        tally.add(&Finding::DetectionMade(first));
        tally.add(&Finding::DetectionMade(hidden));
        assert_eq!(
            tally.worst(),
            Some(Severity::High),
            "a suppressed one does not count"
        );
        tally.add(&Finding::DetectionUpdated(second));
        assert_eq!(tally.worst(), Some(Severity::Critical));
        assert_eq!(
            tally
                .detections()
                .iter()
                .map(|m| m.count)
                .collect::<Vec<_>>(),
            [2]
        );
        assert_eq!((tally.suppressed(), tally.made()), (1, 2));
    }

    #[test]
    fn a_signal_counts_once() {
        let mut tally = Tally::default();
        let signal = samples::signal(1, "10.0.0.1");
        tally.add(&Finding::SignalOpened(signal.clone()));
        tally.add(&Finding::SignalRaised(signal.clone()));
        tally.add(&Finding::SignalClosed(signal));
        let counts: Vec<_> = tally.signals().collect();
        assert_eq!(
            counts,
            [(
                "PORT_SCAN",
                SignalCount {
                    opened: 1,
                    suppressed: 0
                }
            )]
        );
    }
}
