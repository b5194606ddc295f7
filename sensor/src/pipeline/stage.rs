//! Puts what the shards hand out into one order, runs the detectors over it, and passes on rows
//! and findings.
//!
//! Packet time is cut into ticks. A tick is sealed when every shard has gone past it; then its
//! events are sorted by time, flow and number, its rows by end and uid. So nothing that comes
//! after depends on how many shards there are, or how the capture was cut into blocks.

use crossbeam_channel::{Receiver, Sender};
use detectors::{Detectors, Finding};
use flow_table::{FlowEvent, FlowRecord, Span, Timestamp, TunnelEvent};

use super::ShardOutput;
use super::names::TunnelNames;
use crate::output::{FindingSender, LogBatch, LogRow};

/// What one shard made of one block.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) shard: usize,
    /// Packet time up to which it is complete; `None` when its input is over.
    pub(crate) until: Option<Timestamp>,
    pub(crate) out: ShardOutput,
}

/// Where sorted rows and findings go.
pub(crate) struct StageOutputs {
    pub(crate) logs: Sender<LogBatch>,
    pub(crate) findings: FindingSender,
}

/// The detection stage.
pub(crate) struct Stage {
    tick: Span,
    detectors: Detectors,
    outputs: StageOutputs,
    /// How far each shard is.
    until: Vec<Timestamp>,
    /// All ticks before this moment are sealed.
    sealed: Timestamp,
    events: Vec<FlowEvent>,
    rows: Vec<FlowRecord>,
    tunnels: Vec<TunnelEvent>,
    names: TunnelNames,
    totals: StageTotals,
}

/// What went through the stage.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct StageTotals {
    pub(crate) flows: u64,
    pub(crate) evicted: u64,
    pub(crate) events: u64,
}

impl Stage {
    pub(crate) fn new(
        shards: usize,
        tick: Span,
        detectors: Detectors,
        outputs: StageOutputs,
    ) -> Self {
        Self {
            tick,
            detectors,
            outputs,
            until: vec![Timestamp::ZERO; shards],
            sealed: Timestamp::ZERO,
            events: Vec::new(),
            rows: Vec::new(),
            tunnels: Vec::new(),
            names: TunnelNames::default(),
            totals: StageTotals::default(),
        }
    }

    /// Takes what the shards hand out until all are done.
    pub(crate) fn run(mut self, sealed: &Receiver<Sealed>) -> (StageTotals, detectors::Counters) {
        for part in sealed {
            self.take(part);
        }
        self.seal(Timestamp::MAX);
        self.detectors.finish();
        self.pass_on_findings();
        (self.totals, self.detectors.counters())
    }

    fn take(&mut self, part: Sealed) {
        self.totals.flows += part.out.records.len() as u64;
        self.totals.evicted += part.out.evicted;
        self.totals.events += part.out.events.len() as u64;
        self.events.extend(part.out.events);
        self.rows.extend(part.out.records);
        self.tunnels.extend(part.out.tunnels);
        if let Some(until) = self.until.get_mut(part.shard) {
            *until = part.until.unwrap_or(Timestamp::MAX);
        }
        let complete = self.until.iter().min().copied().unwrap_or_default();
        let past = complete.as_nanos() % self.tick.as_nanos().max(1);
        let boundary = complete - Span::from_nanos(past);
        if boundary > self.sealed {
            self.seal(boundary);
        }
    }

    /// Sorts and passes on everything before `boundary`.
    fn seal(&mut self, boundary: Timestamp) {
        self.sealed = boundary;
        let mut events = take_before(&mut self.events, |event| event.time < boundary);
        events.sort_unstable_by_key(|event| (event.time, event.uid, event.seq));
        for event in &events {
            self.detectors.put(event);
        }
        if boundary < Timestamp::MAX {
            self.detectors.advance(boundary);
        }
        self.pass_on_findings();
        let batch = self.log_batch(boundary);
        if !(batch.rows.is_empty() && batch.tunnels.is_empty()) {
            // Nobody there to take them: the logs' thread failed, and says so itself.
            let _ = self.outputs.logs.send(batch);
        }
    }

    /// Rows of everything before `boundary`, in their order. A tunnel is known before the flows
    /// inside it end.
    fn log_batch(&mut self, boundary: Timestamp) -> LogBatch {
        let mut tunnels = take_before(&mut self.tunnels, |tunnel| tunnel.time < boundary);
        tunnels.sort_unstable_by_key(|tunnel| (tunnel.time, tunnel.uid, tunnel.action));
        for tunnel in &tunnels {
            self.names.note(tunnel);
        }
        let mut rows = take_before(&mut self.rows, |row| row.end < boundary);
        rows.sort_unstable_by_key(|row| (row.end, row.uid));
        let named = |record: FlowRecord| LogRow {
            tunnel_parents: self.names.of(&record.parents),
            record,
        };
        LogBatch {
            rows: rows.into_iter().map(named).collect(),
            tunnels,
        }
    }

    fn pass_on_findings(&mut self) {
        let findings: Vec<Finding> = self.detectors.drain().collect();
        if !findings.is_empty() {
            let _ = self.outputs.findings.send(findings);
        }
    }
}

/// Takes out what `is_before` says, leaving the rest.
fn take_before<T>(all: &mut Vec<T>, is_before: impl Fn(&T) -> bool) -> Vec<T> {
    if all.iter().all(&is_before) {
        return std::mem::take(all);
    }
    all.extract_if(.., |item| is_before(item)).collect()
}
