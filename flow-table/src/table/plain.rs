//! The plain packet: it adds to what its flow has moved, and there is nothing to be told of it.
//!
//! Nearly every packet is one. What is here comes to the same as the long way, for fewer packets
//! and in fewer steps; whatever looks at packets on the long way must be asked here whether it
//! wants this one.

use super::{Block, FlowTable, TableOutput};
use crate::Timestamp;
use crate::inspection::Inspections;
use crate::packet::{Packet, Parent};
use crate::tell::remember;

impl FlowTable {
    /// Takes a packet if it is a plain one of the flow in `slot`. Returns whether it was: any other
    /// has changed nothing.
    #[inline]
    pub(super) fn take_plain(
        &mut self,
        slot: u32,
        packet: &Packet,
        block: &Block<'_>,
        out: &mut TableOutput,
    ) -> bool {
        let now = block.clock.at(packet.index);
        // A late packet, or one of a tunnel.
        if packet.ts != now || packet.parent != Parent::NONE || packet.carries.is_some() {
            return false;
        }
        // Timers come first. The wheel mostly knows at once that there is none.
        if self.wheel.may_have_due(now) && self.has_due(slot, now) {
            return false;
        }
        let Some(flow) = self.flows.get_mut(slot) else {
            return false;
        };
        if !flow.common.has_key(&packet.key) {
            return false;
        }
        // The detectors may have been told everything so far.
        let first = self.config.tells.events && flow.common.pending.is_none();
        let first = first.then(|| (flow.common.due(), flow.traffic()));
        let Some(acked) = flow.take_plain(packet) else {
            return false;
        };
        out.count(acked);
        let looks = Inspections::want(flow, packet);
        if let Some((own, before)) = first {
            remember(&mut self.pending, flow, before, now);
            self.file_sooner(slot, own);
        }
        if looks {
            self.look(slot, packet, block, out);
        }
        true
    }

    fn has_due(&self, slot: u32, now: Timestamp) -> bool {
        let flow = self.flows.get(slot);
        flow.is_some_and(|flow| self.is_due(slot, &flow.common, now))
    }
}
