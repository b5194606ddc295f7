//! Room for a flow in a full table.

use super::{FlowTable, TableOutput};
use crate::Timestamp;
use crate::clock::Clock;
use crate::eviction::Rank;
use crate::flow::Flow;
use crate::record::Evicted;

impl FlowTable {
    /// Evicts a flow if the table is full.
    pub(super) fn make_room(&mut self, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        if self.len() < self.config.max_flows {
            return;
        }
        self.advance_to(clock, now, out);
        if self.len() < self.config.max_flows {
            return;
        }
        if let Some(slot) = self.victim() {
            self.evicted = Some(now);
            self.remove(slot, now, Evicted::Yes, out);
        }
    }

    /// The flow to leave next, if there is any.
    fn victim(&mut self) -> Option<u32> {
        let flows = &self.flows;
        let rank_of = |slot| {
            let flow: &Flow = flows.get(slot)?;
            Some(Rank {
                answered: !flow.is_unanswered(),
                last: flow.common.last,
            })
        };
        let victim = self.victims.next(rank_of).or_else(|| {
            let name_of = |slot| {
                let flow: Option<&Flow> = flows.get(slot);
                flow.map_or(0, |flow| self.hasher.hash(&flow.common.key()))
            };
            self.victims.choose(flows.slots(), rank_of, name_of);
            self.victims.next(rank_of)
        });
        // Its turn comes when this table is full again: not before, but then at once.
        if let Some(slot) = self.victims.peek() {
            self.prefetch_slot(slot);
            self.prefetch_index_of(slot);
        }
        victim
    }
}
