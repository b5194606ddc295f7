//! Flows that go on in another input, and those that went on from one before.

use super::{FlowTable, TableOutput};
use crate::Timestamp;
use crate::conversations::{self, Conversation};
use crate::flow::Flow;

impl FlowTable {
    /// Goes on with what was kept elsewhere, if it is sound and there is room.
    pub(crate) fn adopt(&mut self, conversation: &Conversation) -> bool {
        let Some((mut flow, inspection)) = conversation.read() else {
            return false;
        };
        if self.len() >= self.config.max_flows || !self.inspections.has_room() {
            return false;
        }
        let hash = self.hasher.hash(conversation.key());
        flow.go_on();
        self.wheel.begin(conversation.at());
        let slot = self.insert(flow, hash);
        if let Some(flow) = self.flows.get_mut(slot) {
            self.inspections.adopt(slot, flow, inspection);
        }
        self.file(slot);
        true
    }

    /// The input is over, and goes on elsewhere: the flow in `slot` leaves at `now`, and is kept with what
    /// looks into it. The rows that it has by now are for whom the rest does not come.
    pub(crate) fn suspend(&mut self, slot: u32, now: Timestamp, out: &mut TableOutput) {
        let Some((mut flow, inspection)) = self.kept(slot, out) else {
            return self.end(slot, now, out);
        };
        let (rows, events) = (out.protocols.len(), out.events.len());
        self.end(slot, now, out);
        let unfinished = out.protocols.drain(rows..);
        if flow.is_as_before() {
            // All of that was told elsewhere.
            drop(unfinished);
            out.events.truncate(events);
        } else {
            out.unfinished.extend(unfinished);
        }
        let events = u32::try_from(out.events.len() - events).unwrap_or(u32::MAX);
        flow.common.suspend(self.config.seed, events);
        let kept = Conversation::of(&flow, inspection, now);
        out.conversations.extend(kept);
    }

    /// What is to be kept of the flow in `slot`, if it may go on and there is room.
    fn kept(&mut self, slot: u32, out: &mut TableOutput) -> Option<(Flow, Option<Vec<u8>>)> {
        let flow = self.flows.get(slot).filter(|flow| flow.may_go_on())?;
        let inspection = self.inspections.under_way(slot);
        if inspection.is_none() && !self.inspections.may_begin(flow) {
            return None;
        }
        let bytes = inspection.map(conversations::kept).transpose().ok();
        let kept = bytes.filter(|bytes| self.room.take(bytes.as_deref()));
        out.not_kept += u64::from(kept.is_none());
        Some((flow.clone(), kept?))
    }
}
