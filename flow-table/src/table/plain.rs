//! The plain packet: it adds to what its flow has moved, and there is nothing to be told of it.
//!
//! Nearly every packet is one. What is here comes to the same as the long way, for fewer packets
//! and in fewer steps; whatever looks at packets on the long way must be asked here whether it
//! wants this one.

use super::FlowTable;
use crate::Timestamp;
use crate::packet::{Packet, Parent};
use crate::tell::remember;

impl FlowTable {
    /// Takes a plain packet of the flow in `slot`. Returns whether it was one: any other has
    /// changed nothing.
    #[inline]
    pub(super) fn take_plain(&mut self, slot: u32, packet: &Packet, now: Timestamp) -> bool {
        // A late packet, or one of a tunnel.
        if packet.ts != now || packet.parent != Parent::NONE || packet.carries.is_some() {
            return false;
        }
        // Timers come first. The wheel mostly knows at once that there is none.
        if self.wheel.may_have_due(now) && self.is_due(slot, now) {
            return false;
        }
        let Some(flow) = self.flows.get_mut(slot) else {
            return false;
        };
        // The detectors may have been told everything so far.
        let first = flow
            .common
            .pending
            .is_none()
            .then(|| (flow.common.due(), flow.traffic()));
        if !flow.take_plain(packet) {
            return false;
        }
        if let Some((own, before)) = first {
            remember(&mut self.pending, flow, before, now);
            self.file_sooner(slot, own);
        }
        true
    }
}
