//! What the stage tells of itself while a run without an end goes on: once a second, whole, so that
//! numbers that are read together fit together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detectors::{Counters, Detectors, Finding};
use flow_table::{DropCounts, Loss, Span, Timestamp};
use prometheus_client::metrics::histogram::Histogram;

use super::reports::{ByProto, Counted, Reporter};
use super::stage::StageTotals;
use crate::clock::time_of_day;

/// How often it tells.
const EVERY: Span = Span::from_secs(1);
/// Seconds from a packet to what is found by it.
const LATENCIES: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// As the stage was when it told last.
#[derive(Clone, Default, Debug)]
pub(crate) struct StageNow {
    pub(crate) totals: StageTotals,
    /// Flows that have not ended.
    pub(crate) active: ByProto,
    /// Packets that were looked at or left out, and what of them made no packet.
    pub(crate) dropped: DropCounts,
    /// Acknowledgements of TCP, and how many of them were of what never was seen.
    pub(crate) loss: Loss,
    pub(crate) detectors: Counters,
    /// Packet time up to which all is done.
    pub(crate) sealed: Timestamp,
    pub(crate) queues: Queues,
}

/// What waits behind the workers.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Queues {
    /// Blocks for the stage.
    pub(crate) stage: usize,
    /// Events and rows for their turn.
    pub(crate) unsorted: usize,
    /// Rows for the logs.
    pub(crate) logs: usize,
    /// Batches for database and other receivers of findings.
    pub(crate) findings: usize,
}

/// Where the stage tells, and others look.
#[derive(Debug)]
pub(crate) struct Now {
    stage: Mutex<StageNow>,
    /// From a packet to a signal that it opened, in seconds.
    pub(crate) signals: Histogram,
    /// From a packet to a detection that it completed.
    pub(crate) detections: Histogram,
}

impl Default for Now {
    fn default() -> Self {
        Self {
            stage: Mutex::default(),
            signals: Histogram::new(LATENCIES),
            detections: Histogram::new(LATENCIES),
        }
    }
}

impl Now {
    fn locked(&self) -> MutexGuard<'_, StageNow> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stage(&self) -> StageNow {
        self.locked().clone()
    }
}

/// The stage's side of it.
pub(super) struct Telling {
    now: Arc<Now>,
    next: Timestamp,
    dropped: DropCounts,
    loss: Loss,
}

impl Telling {
    pub(super) fn to(now: Arc<Now>) -> Self {
        Self {
            now,
            next: Timestamp::ZERO,
            dropped: DropCounts::new(),
            loss: Loss::default(),
        }
    }

    pub(super) fn take(&mut self, counted: &[Counted], losses: &[(Timestamp, Loss)]) {
        for one in counted {
            self.dropped.merge(&one.dropped);
        }
        for (_, loss) in losses {
            self.loss.acks += loss.acks;
            self.loss.gaps += loss.gaps;
        }
    }

    /// What is found is on its way to the outputs.
    pub(super) fn found(&self, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        let now = time_of_day();
        let seconds = |then: Timestamp| (now.since(then).as_nanos().max(0) as f64) / 1e9;
        for finding in findings {
            match finding {
                Finding::SignalOpened(signal) => {
                    self.now.signals.observe(seconds(signal.window.end));
                }
                Finding::DetectionMade(made) => self.now.detections.observe(seconds(made.detected)),
                _ => {}
            }
        }
    }

    /// Tells how it is at `sealed`, if it is time to.
    pub(super) fn look(
        &mut self,
        sealed: Timestamp,
        totals: StageTotals,
        (detectors, reporter): (&Detectors, &Reporter),
        queues: Queues,
    ) {
        if sealed < self.next {
            return;
        }
        self.next = sealed + EVERY;
        *self.now.locked() = StageNow {
            totals,
            active: reporter.active(),
            dropped: self.dropped,
            loss: self.loss,
            detectors: detectors.counters(),
            sealed,
            queues,
        };
    }
}
