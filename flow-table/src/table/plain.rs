//! The plain packet: it adds to what its flow has moved, and there is nothing to be told of it.
//!
//! Nearly every packet is one. What is here comes to the same as the long way, for fewer packets
//! and in fewer steps; whatever looks at packets on the long way must be asked here whether it
//! wants this one.

use super::FlowTable;
use crate::Timestamp;
use crate::packet::{Packet, Parent};

impl FlowTable {
    /// Takes a plain packet of the flow in `slot`. Returns whether it was one: any other has
    /// changed nothing.
    #[inline]
    pub(super) fn take_plain(&mut self, slot: u32, packet: &Packet, now: Timestamp) -> bool {
        // A late packet, or a tunnel.
        if packet.ts != now || packet.parent != Parent::NONE || packet.carries.is_some() {
            return false;
        }
        // Timers come first. The wheel knows at once that there is none, mostly.
        if self.wheel.may_have_due(now) && self.is_due(slot, now) {
            return false;
        }
        let Some(flow) = self.flows.get_mut(slot) else {
            return false;
        };
        flow.common.has_key(&packet.key) && flow.take_plain(packet)
    }
}
