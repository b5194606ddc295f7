//! Puts what the shards hand out into one order, runs the detectors over it, and passes on rows
//! and findings.
//!
//! Packet time is cut into ticks. A tick is sealed when every shard has gone past it (part of it,
//! where much happened); then its events are sorted by time, flow and number, its rows by end and
//! uid. So nothing that comes after depends on how many shards there are, or how the capture was
//! cut into blocks.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, never};
use detectors::{Detectors, Finding};
use flow_table::{Conversations, FlowEventKind, FlowRecord, ProtocolRow, Span, Timestamp, Uid};

use super::ShardOutput;
use super::now::{Now, Queues, Telling};
use super::protocols::Protocols;
use super::ranges::Ranges;
use super::reports::{Counted, Reporter};
use super::transfers::Transfers;
use super::tunnels::Tunnels;
use super::waiting::Waiting;
use crate::baseline::Keeper;
use crate::baseline::{Limits, Measures};
use crate::output::{FindingSender, LogBatch, LogRow, LogSender};

/// What one shard made of one block, or of some.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) shard: usize,
    /// Up to where it is complete; `None` when its input is over.
    pub(crate) until: Option<Position>,
    pub(crate) out: ShardOutput,
    /// Packets that were read, told by one of the shards.
    pub(crate) counted: Vec<Counted>,
}

/// A place in the order of everything: what is before it is complete.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Position {
    pub(crate) time: Timestamp,
    /// Of all that happens at that time, what belongs to flows below this one.
    pub(crate) uid: Uid,
}

impl Position {
    const END: Self = Self::before(Timestamp::MAX);

    /// Before everything that happens at `time`.
    pub(crate) const fn before(time: Timestamp) -> Self {
        let uid = Uid::from_bits(0);
        Self { time, uid }
    }
}

/// Where sorted rows and findings go.
pub(crate) struct StageOutputs {
    pub(crate) logs: LogSender,
    pub(crate) findings: FindingSender,
    /// Where outputs go to be filled again.
    pub(crate) spare: Sender<ShardOutput>,
}

/// More that waits than this is passed on before its tick is over.
const MANY: usize = 8_192;
/// Rows that are passed on at once.
const ROWS: usize = 4_096;
/// An output that had room for more than this is not worth keeping.
const LARGE: usize = 16_384;

/// The detection stage.
pub(crate) struct Stage {
    tick: Span,
    detectors: Detectors,
    outputs: StageOutputs,
    /// How far each shard is.
    until: Vec<Position>,
    /// Everything before this place is passed on.
    sealed: Position,
    waiting: Waiting,
    protocols: Protocols,
    /// Rows of flows that go on elsewhere: the detectors are told of them there.
    unfinished: Protocols,
    /// Those flows.
    conversations: Conversations,
    /// Flows as they stood while they were open.
    open: Vec<FlowRecord>,
    transfers: Transfers,
    ranges: Ranges,
    reporter: Reporter,
    tunnels: Tunnels,
    /// What to do otherwise from now on, whenever that changes.
    reloads: Receiver<Limits>,
    /// Where what is known is kept for a run after this one.
    keeper: Option<Keeper>,
    /// Where it tells how it goes, if somebody may ask.
    telling: Option<Telling>,
    totals: StageTotals,
}

/// What went through the stage.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct StageTotals {
    pub(crate) flows: u64,
    pub(crate) evicted: u64,
    pub(crate) events: u64,
    /// Rows of protocols' logs.
    pub(crate) protocol_rows: u64,
    /// Flows that were not looked into to the end for want of room.
    pub(crate) given_up: u64,
    /// Segments that came too early and could not be held.
    pub(crate) not_held: u64,
    /// Flows that went on from an input before this one.
    pub(crate) resumed: u64,
    /// Flows that go on in another, and are kept for that.
    pub(crate) kept: u64,
    /// Flows that go on, but there was no room.
    pub(crate) not_kept: u64,
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
            until: vec![Position::default(); shards],
            sealed: Position::default(),
            waiting: Waiting::default(),
            protocols: Protocols::default(),
            unfinished: Protocols::default(),
            conversations: Conversations::default(),
            open: Vec::new(),
            transfers: Transfers::default(),
            ranges: Ranges::default(),
            reporter: Reporter::default(),
            tunnels: Tunnels::default(),
            reloads: never(),
            keeper: None,
            telling: None,
            totals: StageTotals::default(),
        }
    }

    /// Listens to changes of the configuration.
    pub(crate) fn hearing(mut self, reloads: Receiver<Limits>) -> Self {
        self.reloads = reloads;
        self
    }

    /// Keeps what is known, if anybody is to: another run goes on from there.
    pub(crate) fn kept_by(mut self, keeper: Option<Keeper>) -> Self {
        self.keeper = keeper;
        self
    }

    /// Tells how it goes while it does.
    pub(crate) fn telling(mut self, now: Option<Arc<Now>>) -> Self {
        self.telling = now.map(Telling::to);
        self
    }

    /// Takes what the shards hand out until all are done.
    pub(crate) fn run(mut self, sealed: &Receiver<Sealed>) -> (StageTotals, detectors::Counters) {
        for part in sealed {
            self.take(part);
            self.tell(sealed.len());
        }
        self.seal(Position::END);
        let Some(keeper) = self.keeper.take() else {
            self.detectors.finish();
            self.pass_on_findings();
            return (self.totals, self.detectors.counters());
        };
        keeper.finish(&self.detectors, &self.conversations);
        self.totals.kept = self.conversations.len() as u64;
        let counters = self.detectors.counters();
        let _ = self
            .outputs
            .findings
            .send(self.detectors.suspend().collect());
        (self.totals, counters)
    }

    fn tell(&mut self, stage: usize) {
        let Some(telling) = &mut self.telling else {
            return;
        };
        let queues = Queues {
            stage,
            unsorted: self.waiting.len() + self.protocols.len(),
            logs: self.outputs.logs.len(),
            findings: self.outputs.findings.len(),
        };
        let of = (&self.detectors, &self.reporter);
        // A flow whose row waits has not ended for anybody yet.
        let totals = StageTotals {
            flows: self.totals.flows - self.waiting.records() as u64,
            ..self.totals
        };
        telling.look(self.sealed.time, totals, of, queues);
    }

    fn take(&mut self, part: Sealed) {
        let mut out = part.out;
        if let Some(telling) = &mut self.telling {
            telling.take(&part.counted, &out.losses);
        }
        self.reporter.packets(&part.counted);
        self.reporter.losses(&out.losses);
        self.totals.flows += out.records.len() as u64;
        self.totals.evicted += out.evicted;
        self.totals.events += out.events.len() as u64;
        self.totals.given_up += out.given_up;
        self.totals.not_held += out.not_held;
        self.totals.resumed += out.resumed;
        self.totals.not_kept += out.not_kept;
        self.conversations.extend(out.conversations.drain(..));
        let rows = out.protocols.iter().chain(&out.unfinished);
        let told = rows.filter(|row| row.record.is_told());
        self.totals.protocol_rows += told.count() as u64;
        self.protocols.put(&mut out.protocols);
        self.unfinished.put(&mut out.unfinished);
        self.tunnels.put(&mut out.tunnels);
        self.open.append(&mut out.open);
        if let Some(empty) = self.waiting.put(out) {
            self.give_back(empty);
        }
        if let Some(until) = self.until.get_mut(part.shard) {
            *until = part.until.unwrap_or(Position::END);
        }
        let complete = self.until.iter().min().copied().unwrap_or_default();
        let few = self.waiting.len() + self.protocols.len() < MANY;
        let boundary = if few && complete < Position::END {
            let past = complete.time.as_nanos() % self.tick.as_nanos().max(1);
            Position::before(complete.time - Span::from_nanos(past))
        } else {
            complete
        };
        if boundary > self.sealed {
            self.seal(boundary);
        }
    }

    /// Does otherwise from now on.
    fn hear(&mut self, limits: Limits) {
        let config = &limits.detectors;
        self.detectors.suppress(&config.suppressions);
        self.detectors.replace_rules(config, limits.rules);
        self.detectors.replace_threats(&limits.threats);
        if limits.measures == Measures::Otherwise {
            self.detectors.replace_limits(config);
        }
    }

    /// Sorts and passes on everything before `boundary`.
    fn seal(&mut self, boundary: Position) {
        self.sealed = boundary;
        if let Ok(limits) = self.reloads.try_recv() {
            self.hear(limits);
        }
        let (detectors, reporter) = (&mut self.detectors, &mut self.reporter);
        let mut batch = self.outputs.logs.spare();
        let LogBatch {
            protocols: rows,
            hosts,
            ..
        } = &mut batch;
        self.protocols.take(boundary, rows);
        let mut told = rows.iter().peekable();
        self.waiting.take_events(boundary, |events| {
            detectors.put_all(events, |detectors, event| {
                if matches!(event.kind, FlowEventKind::Completed) {
                    hosts.extend([event.id.orig, event.id.resp].map(|end| (event.time, end.addr)));
                }
                let is_before = |row: &&ProtocolRow| (row.time, row.uid) < (event.time, event.uid);
                while let Some(row) = told.next_if(is_before) {
                    detectors.put_row(row);
                }
                reporter.event(event);
            });
        });
        told.for_each(|row| detectors.put_row(row));
        if boundary < Position::END {
            detectors.advance(boundary.time);
        }
        self.pass_on_findings();
        if let Some(keeper) = &mut self.keeper
            && boundary < Position::END
        {
            keeper.advance(boundary.time, &self.detectors);
        }
        let mut unfinished = Vec::new();
        self.unfinished.take(boundary, &mut unfinished);
        if !unfinished.is_empty() {
            rows.append(&mut unfinished);
            rows.sort_by_key(|row| (row.time, row.uid, row.seq));
        }
        self.pass_on_rows(boundary, batch);
        let spare: Vec<ShardOutput> = self.waiting.empty().collect();
        for output in spare {
            self.give_back(output);
        }
    }

    /// Rows of everything before `boundary`. A tunnel is known before the flows inside it end, and
    /// what was said of a flow by then before it does.
    fn pass_on_rows(&mut self, boundary: Position, mut batch: LogBatch) {
        batch.tunnels = self.tunnels.take(boundary);
        let mut protocols = std::mem::take(&mut batch.protocols);
        let open = self.take_open(boundary);
        let (tunnels, transfers, logs) = (&self.tunnels, &mut self.transfers, &self.outputs.logs);
        let (ranges, mut files) = (&mut self.ranges, Vec::new());
        let reporter = &mut self.reporter;
        for row in &protocols {
            ranges.row(row, &mut files);
            reporter.row(row);
        }
        let mut rows = protocols.iter_mut().peekable();
        self.waiting.take_records(boundary, |records| {
            while let Some(record) = records.next() {
                if batch.rows.is_empty() {
                    let (_, more) = records.size_hint();
                    batch.rows.reserve(ROWS.min(1 + more.unwrap_or_default()));
                }
                let is_before =
                    |row: &&mut ProtocolRow| (row.time, row.uid) <= (record.end, record.uid);
                while let Some(row) = rows.next_if(is_before) {
                    transfers.row(row);
                }
                let mut row = LogRow {
                    tunnel_parents: tunnels.uids_of(&record.parents),
                    record: record.clone(),
                };
                files.extend(transfers.flow(&mut row.record));
                ranges.reach(record.end);
                batch.rows.push(row);
                if batch.rows.len() >= ROWS {
                    logs.send(std::mem::replace(&mut batch, logs.spare()));
                }
            }
        });
        rows.for_each(|row| transfers.row(row));
        protocols.retain(|row| row.record.is_told());
        if boundary < Position::END {
            ranges.advance(boundary.time, &mut files);
        }
        if !files.is_empty() {
            protocols.append(&mut files);
            protocols.sort_by_key(|row| (row.time, row.uid, row.seq));
        }
        if boundary == Position::END {
            ranges.finish(&mut protocols);
        }
        if boundary < Position::END {
            reporter.advance(boundary.time, &mut batch.reports);
        } else {
            reporter.finish(&mut batch.reports);
        }
        batch.protocols = protocols;
        batch.open = open;
        if !batch.is_empty() {
            logs.send(batch);
        }
    }

    /// Rows of flows that were open before `boundary`, in their order.
    fn take_open(&mut self, boundary: Position) -> Vec<LogRow> {
        let is_before = |record: &mut FlowRecord| {
            let (time, uid) = (record.end, record.uid);
            Position { time, uid } < boundary
        };
        let mut ready: Vec<FlowRecord> = self.open.extract_if(.., is_before).collect();
        ready.sort_unstable_by_key(|record| (record.end, record.uid));
        let row = |record: FlowRecord| LogRow {
            tunnel_parents: self.tunnels.uids_of(&record.parents),
            record,
        };
        ready.into_iter().map(row).collect()
    }

    fn pass_on_findings(&mut self) {
        let findings: Vec<Finding> = self.detectors.drain().collect();
        if let Some(telling) = &self.telling {
            telling.found(&findings);
        }
        if !findings.is_empty() {
            let _ = self.outputs.findings.send(findings);
        }
    }

    fn give_back(&self, mut output: ShardOutput) {
        let most = output.events.capacity().max(output.records.capacity());
        if most.max(output.protocols.capacity()) <= LARGE {
            output.clear();
            // Enough of them are there already, or nobody fills any more.
            let _ = self.outputs.spare.try_send(output);
        }
    }
}
