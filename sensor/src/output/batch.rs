//! Findings on their way into the database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use detectors::{Detection, Finding, Signal, StableId};

/// Findings of which only the last state of each counts, in the order in which each first came:
/// a signal that opens, rises and closes within a transaction is one row, written once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    findings: Vec<Finding>,
    places: HashMap<StableId, usize>,
}

impl Batch {
    /// Rows to be written.
    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.findings.clear();
        self.places.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Whether a signal will be written by itself, whatever a detection says of it.
    pub(super) fn has(&self, signal: StableId) -> bool {
        self.places.contains_key(&signal)
    }

    pub(super) fn add(&mut self, finding: Finding) {
        match self.places.entry(id(&finding)) {
            Entry::Vacant(entry) => {
                entry.insert(self.findings.len());
                self.findings.push(finding);
            }
            Entry::Occupied(mut entry) => match self.findings.get_mut(*entry.get()) {
                Some(earlier) if says_all_of(&finding, earlier) => *earlier = finding,
                _ => {
                    entry.insert(self.findings.len());
                    self.findings.push(finding);
                }
            },
        }
    }
}

impl Extend<Finding> for Batch {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}

fn id(finding: &Finding) -> StableId {
    match finding {
        Finding::SignalOpened(signal)
        | Finding::SignalRaised(signal)
        | Finding::SignalClosed(signal) => signal.id,
        Finding::DetectionMade(made) | Finding::DetectionUpdated(made) => made.id,
    }
}

/// Whether nothing is lost by leaving out `earlier`, which has the same id: signals that a
/// detection was once made of stay with it.
fn says_all_of(finding: &Finding, earlier: &Finding) -> bool {
    let (Some(now), Some(earlier)) = (detection(finding), detection(earlier)) else {
        return detection(finding).is_none() && detection(earlier).is_none();
    };
    let is_there = |signal: &Signal| now.signals.iter().any(|other| other.id == signal.id);
    earlier.signals.iter().all(is_there)
}

const fn detection(finding: &Finding) -> Option<&Detection> {
    match finding {
        Finding::DetectionMade(made) | Finding::DetectionUpdated(made) => Some(made),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_last_state_takes_the_first_place() {
        let signal = |id, value| {
            let mut signal = samples::signal(id, "10.0.0.1");
            signal.value = value;
            signal
        };
        let mut batch = Batch::default();
        batch.extend([
            Finding::SignalOpened(signal(1, 1.0)),
            Finding::SignalOpened(signal(2, 1.0)),
            Finding::SignalRaised(signal(1, 2.0)),
            Finding::SignalClosed(signal(1, 3.0)),
        ]);
        let want = [
            Finding::SignalClosed(signal(1, 3.0)),
            Finding::SignalOpened(signal(2, 1.0)),
        ];
        assert_eq!(batch.iter().cloned().collect::<Vec<_>>(), want);
        assert!(batch.has(StableId(2)) && !batch.has(StableId(3)));
        batch.clear();
        assert!(batch.is_empty() && !batch.has(StableId(2)));
    }

    #[test]
    fn a_detection_keeps_the_signals_it_had() {
        let made = samples::detection(1, "10.0.0.1");
        let mut more = made.clone();
        more.signals.push(samples::signal(7, "10.0.0.1"));
        let mut fewer = made.clone();
        fewer.signals.remove(0);
        for (update, rows) in [(&made, 1), (&more, 1), (&fewer, 2)] {
            let mut batch = Batch::default();
            batch.add(Finding::DetectionMade(made.clone()));
            batch.add(Finding::DetectionUpdated(update.clone()));
            assert_eq!(batch.len(), rows);
            let last = batch.iter().last().cloned();
            assert_eq!(last, Some(Finding::DetectionUpdated(update.clone())));
        }
    }
}
