//! What looks into flows, kept beside the table: few flows have it at a time, and only while a
//! parser still wants their bytes.
//!
//! A flow says in two bits how far this is with it, so that a packet nobody looks into costs a
//! test of them. The rest is here, by the flow's slot: the parser, what each direction of a TCP
//! flow holds above holes, and the services that were found.
//!
//! All of it lives within a share of memory. Where that is used up, the inspection that began
//! first is given up, and counted: what somebody holds open to blind the sensor goes before what
//! is new. It depends on the packets of this table alone, as everything in it does.

mod finder;
mod one;
mod services;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::Timestamp;
use crate::flow::Flow;
use crate::packet::Packet;
use crate::protocol::files::Hashes;
use crate::protocol::http::Measure;
use crate::protocol::stream::Quota;
use crate::table::{Block, TableOutput};

pub use finder::ProtocolRow;
use one::Arrival;
pub(crate) use one::Inspection;
pub use services::Services;

/// How flows are looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InspectionConfig {
    /// How many bytes parsers and what they wait for may take in all; with none, nobody looks.
    pub memory: u64,
    /// How long bodies of HTTP are said to be.
    pub measure: Measure,
    /// Which digests are made of files.
    pub hashes: Hashes,
}

impl InspectionConfig {
    /// Nobody looks into flows.
    pub const NONE: Self = Self {
        memory: 0,
        measure: Measure::Decompressed,
        hashes: Hashes::NONE,
    };
}

/// How far it is with looking into a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Looked {
    /// Nobody did yet.
    Never,
    /// Somebody does.
    Live,
    /// Nobody does any more, and nothing was found.
    Over,
    /// Nobody does any more; what was found is kept.
    Named,
}

/// What looks into the flows of one table.
#[derive(Debug)]
pub(crate) struct Inspections {
    seed: u64,
    config: InspectionConfig,
    by_slot: HashMap<u32, Entry, BuildHasherDefault<SlotHasher>>,
    /// Inspections in the order in which they began; some are over.
    order: VecDeque<(u64, u32)>,
    begun: u64,
    live: usize,
    /// Flows of which only the services are kept.
    named: usize,
    /// Bytes of all parsers, about.
    used: usize,
    limit: usize,
    /// For bytes above holes.
    quota: Quota,
}

/// What is kept of a flow that is or was looked into.
#[derive(Debug)]
enum Entry {
    Live(Box<Inspection>),
    /// It is over, and this was found.
    Named(Services),
}

/// What the services of a flow take while they are kept.
const NAMED: usize = 64;

impl Inspections {
    /// None yet.
    pub(crate) fn new(seed: u64, config: InspectionConfig) -> Self {
        let memory = usize::try_from(config.memory).unwrap_or(usize::MAX);
        Self {
            seed,
            config,
            by_slot: HashMap::default(),
            order: VecDeque::new(),
            begun: 0,
            live: 0,
            named: 0,
            used: 0,
            limit: memory / 2,
            quota: Quota::new(memory / 2),
        }
    }

    /// Whether a packet that the flow took is to be looked into.
    #[inline]
    pub(crate) const fn want(flow: &Flow, packet: &Packet) -> bool {
        let told = flow.common.told;
        told.is_looked_into() || (told.is_untouched() && !packet.payload.is_empty())
    }

    /// Looks into such a packet of the flow in `slot`.
    pub(crate) fn take(
        &mut self,
        slot: u32,
        flow: &mut Flow,
        packet: &Packet,
        block: &Block<'_>,
        out: &mut TableOutput,
    ) {
        let arrival = Arrival {
            packet,
            payload: packet.payload.of(block.bytes, block.beside),
            side: flow.common.side_of(packet),
            now: block.clock.at(packet.index),
            seed: self.seed,
        };
        let refused = self.quota.refused();
        match self.by_slot.get_mut(&slot) {
            Some(Entry::Live(live)) => {
                let before = live.cost();
                live.take(flow, &arrival, &mut self.quota, &mut out.protocols);
                self.used = self.used.saturating_sub(before) + live.cost();
                if live.is_over() {
                    self.settle(slot, flow, out);
                }
            }
            _ => self.begin(slot, flow, &arrival, out),
        }
        out.not_held += self.quota.refused() - refused;
    }

    /// Payload of a flow nobody looks into yet.
    fn begin(&mut self, slot: u32, flow: &mut Flow, arrival: &Arrival<'_>, out: &mut TableOutput) {
        let new = (self.limit > 0).then(|| Inspection::new(flow, self.config));
        let Some(mut new) = new.flatten() else {
            // One that may yet be turned round may yet have a beginning.
            if !flow.may_turn() {
                flow.common.told.note_looked(Looked::Over);
            }
            return;
        };
        new.take(flow, arrival, &mut self.quota, &mut out.protocols);
        if new.is_over() {
            return self.keep(slot, flow, new.into_services(), out);
        }
        if new.may_wait(flow) {
            return;
        }
        self.add(slot, flow, new);
    }

    fn add(&mut self, slot: u32, flow: &mut Flow, mut new: Inspection) {
        self.begun += 1;
        self.live += 1;
        self.used += new.cost();
        new.nth = self.begun;
        self.order.push_back((new.nth, slot));
        self.by_slot.insert(slot, Entry::Live(Box::new(new)));
        flow.common.told.note_looked(Looked::Live);
        self.sweep();
    }

    /// What looks into the flow in `slot`.
    pub(crate) fn under_way(&self, slot: u32) -> Option<&Inspection> {
        match self.by_slot.get(&slot)? {
            Entry::Live(live) => Some(live),
            Entry::Named(_) => None,
        }
    }

    /// Whether somebody may yet look into a flow that nobody did.
    pub(crate) const fn may_begin(&self, flow: &Flow) -> bool {
        self.limit > 0 && flow.may_yet_speak()
    }

    /// Whether one more may begin.
    pub(crate) const fn has_room(&self) -> bool {
        self.used < self.limit
    }

    /// Goes on with what looked into the flow in `slot` elsewhere.
    pub(crate) fn adopt(&mut self, slot: u32, flow: &mut Flow, inspection: Option<Inspection>) {
        let Some(mut live) = inspection else {
            return flow.common.told.note_looked(Looked::Never);
        };
        if live.is_held_within(&mut self.quota) {
            self.add(slot, flow, live);
        } else {
            flow.common.told.note_looked(Looked::Over);
        }
    }

    /// The flow was turned round.
    #[cold]
    pub(crate) fn turn(&mut self, slot: u32, flow: &Flow) {
        if let Some(Entry::Live(live)) = self.by_slot.get_mut(&slot) {
            live.turn(flow, self.config);
        }
    }

    /// The flow leaves: what was found in it.
    pub(crate) fn leave(
        &mut self,
        slot: u32,
        flow: &Flow,
        now: Timestamp,
        out: &mut TableOutput,
    ) -> Services {
        if matches!(flow.common.told.looked(), Looked::Never | Looked::Over) {
            return Services::default();
        }
        match self.by_slot.remove(&slot) {
            Some(Entry::Named(services)) => {
                self.named -= 1;
                services
            }
            Some(Entry::Live(mut live)) => {
                self.live -= 1;
                self.used = self.used.saturating_sub(live.cost());
                live.finish(flow, now, self.seed, &mut self.quota, &mut out.protocols);
                live.into_services()
            }
            None => Services::default(),
        }
    }

    /// What was found so far in the flow in `slot`.
    pub(crate) fn services(&self, slot: u32) -> Services {
        match self.by_slot.get(&slot) {
            Some(Entry::Named(services)) => services.clone(),
            Some(Entry::Live(live)) => live.services().clone(),
            None => Services::default(),
        }
    }

    /// The inspection that is to be given up next, while all of them take too much.
    pub(crate) fn excess(&mut self) -> Option<u32> {
        while self.used + self.named * NAMED > self.limit {
            let (nth, slot) = self.order.pop_front()?;
            if is_live(&self.by_slot, nth, slot) {
                return Some(slot);
            }
        }
        None
    }

    /// Gives it up.
    pub(crate) fn give_up(
        &mut self,
        slot: u32,
        flow: &mut Flow,
        now: Timestamp,
        out: &mut TableOutput,
    ) {
        out.given_up += 1;
        if let Some(Entry::Live(live)) = self.by_slot.get_mut(&slot) {
            live.finish(flow, now, self.seed, &mut self.quota, &mut out.protocols);
            self.settle(slot, flow, out);
        }
    }

    /// Bytes of all parsers, and of all that is held above holes.
    pub(crate) const fn held(&self) -> usize {
        self.used + self.named * NAMED + self.quota.held()
    }

    /// An inspection is over: keeps what it found.
    fn settle(&mut self, slot: u32, flow: &mut Flow, out: &mut TableOutput) {
        if let Some(Entry::Live(live)) = self.by_slot.remove(&slot) {
            self.live -= 1;
            self.used = self.used.saturating_sub(live.cost());
            self.keep(slot, flow, live.into_services(), out);
        }
    }

    /// Names may take half of the share: parsers need the rest.
    fn keep(&mut self, slot: u32, flow: &mut Flow, services: Services, out: &mut TableOutput) {
        flow.common.told.note_looked(Looked::Over);
        if services.is_empty() {
            return;
        }
        if self.named * NAMED >= self.limit / 2 {
            out.given_up += 1;
            return;
        }
        flow.common.told.note_looked(Looked::Named);
        self.named += 1;
        self.by_slot.insert(slot, Entry::Named(services));
    }

    /// Forgets the order of those that are over, when they are too many.
    fn sweep(&mut self) {
        if self.order.len() > 2 * self.live + 64 {
            let by_slot = &self.by_slot;
            self.order
                .retain(|(nth, slot)| is_live(by_slot, *nth, *slot));
        }
    }
}

fn is_live(
    by_slot: &HashMap<u32, Entry, BuildHasherDefault<SlotHasher>>,
    nth: u64,
    slot: u32,
) -> bool {
    matches!(by_slot.get(&slot), Some(Entry::Live(live)) if live.nth == nth)
}

/// Spreads slots, which the table numbers: nobody outside chooses them.
#[derive(Debug, Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, slot: u32) {
        // 2^64 divided by the golden ratio: neighbours end far from each other.
        self.0 = (self.0 ^ u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
