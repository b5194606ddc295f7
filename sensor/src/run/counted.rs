//! What is said at the end of a run.

use detectors::Counters;

use super::{Heard, Job};
use crate::output::RunRecord;
use crate::pipeline::{StageTotals, Totals};
use crate::progress::Live;
use crate::summary::{Dropped, RunSummary};

/// Everything that was counted in a run.
pub(super) struct Counted<'a> {
    pub(super) totals: &'a Totals,
    pub(super) stage: StageTotals,
    pub(super) detectors: &'a Counters,
    pub(super) heard: &'a Heard,
    pub(super) live: &'a Live,
}

impl Counted<'_> {
    pub(super) fn summary(&self) -> RunSummary {
        let totals = self.totals;
        RunSummary {
            packets: totals.packets,
            bytes: totals.bytes,
            flows: self.stage.flows,
            first: totals.first,
            last: totals.first.map(|_| totals.last),
            dropped: totals
                .dropped
                .iter()
                .map(|(reason, packets, bytes)| Dropped {
                    reason: reason.name(),
                    packets,
                    bytes,
                })
                .collect(),
            counters: self.counters(),
            ..RunSummary::default()
        }
    }

    pub(super) fn record(&self, job: &Job<'_>) -> RunRecord {
        let totals = self.totals;
        let reasons = totals.dropped.iter().filter(|(_, packets, _)| *packets > 0);
        let dropped =
            reasons.map(|(reason, packets, _)| (format!("dropped.{}", reason.name()), packets));
        RunRecord {
            command: job.command,
            config_digest: job.config.digest(),
            inputs: job
                .inputs
                .iter()
                .map(|file| file.display().to_string())
                .collect(),
            first: totals.first,
            last: totals.first.map(|_| totals.last),
            packets: totals.packets,
            bytes: totals.bytes,
            flows: self.stage.flows,
            counters: self.counters().into_iter().chain(dropped).collect(),
        }
    }

    fn counters(&self) -> Vec<(String, u64)> {
        let mut counters = vec![
            ("packets processed".to_owned(), self.totals.processed),
            ("flow events".to_owned(), self.stage.events),
            ("protocol rows".to_owned(), self.stage.protocol_rows),
            ("flows evicted".to_owned(), self.stage.evicted),
            ("inspections given up".to_owned(), self.stage.given_up),
            ("early segments not held".to_owned(), self.stage.not_held),
            ("conversations gone on with".to_owned(), self.stage.resumed),
            ("conversations kept".to_owned(), self.stage.kept),
            ("conversations not kept".to_owned(), self.stage.not_kept),
        ];
        let logs = &self.live.logs;
        counters.push(("log rows left out".to_owned(), logs.lost()));
        let inner = self.totals.inner_dropped.iter();
        let inner = inner.filter(|(_, packets, _)| *packets > 0);
        counters.extend(
            inner.map(|(reason, packets, _)| (format!("{} in tunnels", reason.name()), packets)),
        );
        counters.extend(self.heard.counters.iter().cloned());
        counters.extend(self.detectors.named());
        counters
    }
}
