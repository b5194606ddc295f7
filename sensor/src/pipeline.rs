//! The threads between the captures and the outputs.
//!
//! Workers share the work: whichever is idle reads the next block (one at a time, so the order of
//! packets is that of the capture), decodes it alone, and hands each shard its packets in the
//! order of blocks. Each worker owns a shard. With one worker there is nothing between reader and
//! table but a function call. What shards hand out goes to the [`Stage`], which puts it into one
//! order: the same for any number of workers.

mod decode;
mod feed;
mod missing;
mod now;
mod odd;
mod protocols;
mod ranges;
mod reports;
mod stage;
mod transfers;
mod tunnels;
mod waiting;
mod work;
mod worker;

use std::sync::{Arc, Mutex};

use flow_table::{
    Checksums, Conversations, Decoder, DropCounts, End, FlowConfig, FragmentConfig, Links,
    TableOutput, Timestamp,
};

use crate::capture::CaptureError;
use crate::pins::Pins;

pub(crate) use feed::{Depth, Fed, Feeder, feed};
pub(crate) use missing::Missing;
pub(crate) use now::{Now, StageNow};
pub(crate) use reports::{Lost, Reports, Stats};
pub(crate) use stage::{Position, Sealed, Stage, StageOutputs, StageTotals};
pub(crate) use work::{Source, run};
pub(crate) use worker::ToStage;

/// How a pipeline is to run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Workers, each with a shard; at most [`flow_table::KEY_GROUPS`].
    pub(crate) threads: usize,
    /// Which CPUs they stay on.
    pub(crate) pins: Pins,
    pub(crate) hand_out: HandOut,
    pub(crate) flows: FlowConfig,
    /// What the end of the input says of flows that nobody ended.
    pub(crate) end: End,
    /// Flows that go on from an input before this one; each worker takes its own.
    pub(crate) conversations: Arc<Mutex<Conversations>>,
    pub(crate) fragments: FragmentConfig,
    pub(crate) checksums: Checksums,
    pub(crate) links: Links,
    /// tcpdump's language; compiles, that was tried.
    pub(crate) filter: Option<String>,
}

/// When workers hand out what came of blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HandOut {
    /// Of each at once: somebody waits for it.
    EachBlock,
    /// Of some together: whoever takes it has to be woken less often.
    Together,
}

impl Settings {
    fn decoder(&self) -> Decoder {
        Decoder::new(self.flows.seed, self.checksums).with_links(self.links)
    }
}

/// What went through a pipeline.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) packets: u64,
    /// Bytes captured.
    pub(crate) bytes: u64,
    pub(crate) processed: u64,
    pub(crate) processed_bytes: u64,
    pub(crate) dropped: DropCounts,
    /// Packets inside tunnels that were not processed, the tunnel's own packet being so.
    pub(crate) inner_dropped: DropCounts,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Timestamp,
    /// What could not be read.
    pub(crate) problems: Vec<CaptureError>,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.processed += other.processed;
        self.processed_bytes += other.processed_bytes;
        self.dropped.merge(&other.dropped);
        self.inner_dropped.merge(&other.inner_dropped);
    }

    /// Packets in = packets processed + packets dropped by reason, always; bytes too.
    pub(crate) fn add_up(&self) -> bool {
        let (packets, bytes) = self.dropped.total();
        self.packets == self.processed + packets && self.bytes == self.processed_bytes + bytes
    }
}

/// What a shard hands out after each block.
pub(crate) type ShardOutput = TableOutput;
