//! What tables hand out.

use crate::Timestamp;
use crate::conversations::Conversation;
use crate::event::FlowEvent;
use crate::inspection::ProtocolRow;
use crate::record::FlowRecord;
use crate::tcp::Acked;
use crate::tunnels::TunnelEvent;

/// What tables hand out: in packet order within a flow, in no order across flows.
#[derive(Debug, Default)]
pub struct TableOutput {
    /// For the detectors.
    pub events: Vec<FlowEvent>,
    /// For conn.log.
    pub records: Vec<FlowRecord>,
    /// Flows that are still open, as they stood at their `end`.
    pub open: Vec<FlowRecord>,
    /// Tunnels that began or ended.
    pub tunnels: Vec<TunnelEvent>,
    /// For the logs of protocols.
    pub protocols: Vec<ProtocolRow>,
    /// The same of flows that go on elsewhere: as they stood there, for whom the rest does not come.
    pub unfinished: Vec<ProtocolRow>,
    /// Flows that go on elsewhere, with what looks into them.
    pub conversations: Vec<Conversation>,
    /// Flows that went on from elsewhere.
    pub resumed: u64,
    /// Flows that go on elsewhere, but are not kept for want of room.
    pub not_kept: u64,
    /// Flows that had to leave for want of room.
    pub evicted: u64,
    /// Flows that are not looked into any more for want of room.
    pub given_up: u64,
    /// Segments that came too early and could not be held for want of room.
    pub not_held: u64,
    /// Acknowledgements of something new in established flows of TCP since the last of `losses`.
    pub acks: u64,
    /// Of them, those of something that was never seen.
    pub gaps: u64,
    /// The same of each part of [`PART`](crate::PART), by a time in it.
    pub losses: Vec<(Timestamp, Loss)>,
}

/// How much of what was acknowledged was never seen, by acknowledgements.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Loss {
    /// All of something new.
    pub acks: u64,
    /// Those of something that was never seen.
    pub gaps: u64,
}

impl TableOutput {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.records.clear();
        self.open.clear();
        self.tunnels.clear();
        self.protocols.clear();
        self.unfinished.clear();
        self.conversations.clear();
        self.resumed = 0;
        self.not_kept = 0;
        self.evicted = 0;
        self.given_up = 0;
        self.not_held = 0;
        self.acks = 0;
        self.gaps = 0;
        self.losses.clear();
    }

    /// Counts what a segment acknowledged.
    #[inline]
    pub(super) fn count(&mut self, acked: Acked) {
        self.acks += u64::from(acked.new);
        self.gaps += u64::from(acked.missed);
    }

    /// What was counted so far belongs to the part that `time` is in.
    pub(crate) fn end_part(&mut self, time: Timestamp) {
        let (acks, gaps) = (
            std::mem::take(&mut self.acks),
            std::mem::take(&mut self.gaps),
        );
        if acks == 0 {
            return;
        }
        match self.losses.last_mut() {
            Some((of, loss)) if of.part() == time.part() => {
                loss.acks += acks;
                loss.gaps += gaps;
            }
            _ => self.losses.push((time, Loss { acks, gaps })),
        }
    }
}
