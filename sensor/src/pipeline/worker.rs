//! A worker: a shard, and the way of what it hands out.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, Sender};
use flow_table::{Clock, End, Leaving, Shard, ShardId, Timestamp};

use super::decode::Packets;
use super::missing::Missed;
use super::odd::OddFrames;
use super::reports::Counted;
use super::{HandOut, Position, Sealed, Settings, ShardOutput};
use crate::capture::Block;
use crate::progress::Live;

/// A block with its packets, on its way to the shards.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) block: Block,
    pub(super) packets: Packets,
    /// What was lost on the way to it since the one before; nothing of that can happen to files.
    pub(super) missed: Option<Missed>,
}

/// The way to the stage, and back.
#[derive(Clone, Debug)]
pub(crate) struct ToStage {
    pub(crate) sealed: Sender<Sealed>,
    /// Outputs to be filled again.
    pub(crate) spare: Receiver<ShardOutput>,
}

/// A shard and where its output goes.
pub(super) struct Worker {
    shard: Shard,
    index: usize,
    last: Timestamp,
    end: End,
    to_stage: ToStage,
    hand_out: HandOut,
    /// Blocks of which nothing was handed out yet.
    held: usize,
    out: ShardOutput,
    odd: OddFrames,
    /// Packets of the block, if this is the worker that tells of them.
    counted: Vec<Counted>,
}

/// So many blocks, or so many events and rows, are handed out together.
const BLOCKS: usize = 16;
const ENOUGH: usize = 1_024;
/// Flows that leave in one piece when the input is over.
const LEAVE_AT_ONCE: usize = 1_024;

impl Worker {
    pub(super) fn new(index: usize, settings: &Settings, to_stage: ToStage) -> Self {
        let id = ShardId {
            index,
            of: settings.threads,
        };
        let mut shard = Shard::new(id, &settings.flows);
        let conversations = settings.conversations.lock();
        let mut conversations = conversations.unwrap_or_else(PoisonError::into_inner);
        let out = ShardOutput {
            resumed: shard.go_on_with(&mut conversations),
            ..ShardOutput::default()
        };
        Self {
            shard,
            index,
            last: Timestamp::ZERO,
            end: settings.end,
            to_stage,
            hand_out: settings.hand_out,
            held: 0,
            out,
            odd: OddFrames::default(),
            counted: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, chunk: &Chunk, live: &Live) {
        let block = flow_table::Block {
            clock: Clock::new(&chunk.block.times),
            parents: &chunk.packets.parents,
            links: &chunk.packets.links,
            bytes: &chunk.block.bytes,
            beside: &chunk.packets.whole,
        };
        let packets = chunk
            .packets
            .lists
            .get(self.index)
            .map(Vec::as_slice)
            .unwrap_or_default();
        self.shard.take(packets, &block, &mut self.out);
        if self.index == 0 {
            let (frames, rows) = (&chunk.packets.odd, &mut self.out.protocols);
            self.odd.tell(frames, &block.clock, rows);
            self.counted.extend_from_slice(&chunk.packets.counted);
            let missed = chunk.missed.as_ref();
            self.counted
                .extend(missed.map(|missed| missed.counted(block.clock.end())));
        }
        self.last = block.clock.end();
        self.held += 1;
        let things = self.out.events.len() + self.out.records.len() + self.out.protocols.len();
        if self.hand_out == HandOut::Together && self.held < BLOCKS && things < ENOUGH {
            return;
        }
        self.seal(Some(Position::before(self.last)), live);
    }

    pub(super) fn finish(mut self, live: &Live) {
        let time = self.last;
        let mut leaving = Leaving::of(&self.shard, time, self.end);
        while let Some(uid) = leaving.step(&mut self.shard, LEAVE_AT_ONCE, &mut self.out) {
            self.seal(Some(Position { time, uid }), live);
        }
        self.seal(None, live);
    }

    /// Hands out what came of blocks; `until` is `None` at the end.
    fn seal(&mut self, until: Option<Position>, live: &Live) {
        self.held = 0;
        live.flows.fetch_add(self.out.records.len() as u64, Relaxed);
        let spare = self.to_stage.spare.try_recv().unwrap_or_default();
        let out = std::mem::replace(&mut self.out, spare);
        // Nobody there to take it: the stage failed, and says so itself.
        let _ = self.to_stage.sealed.send(Sealed {
            shard: self.index,
            until,
            out,
            counted: std::mem::take(&mut self.counted),
        });
    }
}
