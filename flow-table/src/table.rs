//! The flows of one slice of the hash space (see [`crate::KEY_GROUPS`]).
//!
//! Flows live in a slab; an index finds them by hash, a wheel finds those whose timers are due.
//! Timers act at the packet time at which they would have fired had every packet of every flow
//! come by here, whenever this table gets to look: see [`Clock`](crate::Clock).

mod block;
mod due;
mod elsewhere;
mod output;
mod plain;
mod room;

use crate::compact::Slab;
use crate::conversations::Room;
use crate::event::FlowEventKind;
use crate::eviction::Victims;
use crate::expiry::{Step, Wheel};
use crate::flow::{Flow, Kind, PerSide};
use crate::index::SlotIndex;
use crate::inspection::{InspectionConfig, Inspections};
use crate::key::KeyHasher;
use crate::odd::{Oddities, Seen, Telling};
use crate::packet::{Body, Packet};
use crate::prefetch::prefetch;
use crate::record::{Evicted, FlowRecord, Known};
use crate::shard::Tells;
use crate::tell::{Pending, Teller};
use crate::{Span, Timestamp, Uid};

pub use block::Block;
pub use output::{Loss, TableOutput};

/// What a table needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableConfig {
    /// Goes into uids.
    pub seed: u64,
    /// What is told of flows before they end.
    pub tells: Tells,
    /// How often a live flow reports what moved.
    pub progress_interval: Span,
    /// How often one that is still open gets a row for that.
    pub open_every: Option<Span>,
    /// How many flows one table may hold.
    pub max_flows: usize,
    /// How they are looked into; the memory is that of one table.
    pub inspection: InspectionConfig,
}

/// The flows of one slice.
#[derive(Debug)]
pub(crate) struct FlowTable {
    config: TableConfig,
    hasher: KeyHasher,
    index: SlotIndex,
    flows: Slab<Flow>,
    /// Where in the wheel each slot's flow is filed.
    filed: Vec<Step>,
    wheel: Wheel,
    /// What the detectors were told last of flows that moved something since.
    pending: Slab<Pending>,
    inspections: Inspections,
    telling: Telling,
    due: Vec<(Step, u32)>,
    victims: Victims,
    /// For those that go on elsewhere.
    room: Room,
    /// Flows opened so far.
    opened: u64,
    /// Packet time at which a flow had to leave, the last time that happened.
    evicted: Option<Timestamp>,
    /// Packet time at which a late packet came, the last time that happened.
    late: Option<Timestamp>,
}

impl FlowTable {
    /// An empty table.
    pub(crate) fn new(config: TableConfig) -> Self {
        Self {
            config,
            hasher: KeyHasher::new(config.seed),
            index: SlotIndex::default(),
            flows: Slab::default(),
            filed: Vec::new(),
            wheel: Wheel::default(),
            pending: Slab::default(),
            inspections: Inspections::new(config.seed, config.inspection),
            telling: Telling::default(),
            due: Vec::new(),
            victims: Victims::default(),
            room: Room::of(usize::try_from(config.inspection.memory).unwrap_or(usize::MAX)),
            opened: 0,
            evicted: None,
            late: None,
        }
    }

    /// Number of flows in it.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A packet with this hash comes soon: fetches where its flow is told.
    pub(crate) fn prefetch_index(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// A packet with this hash comes very soon: fetches its flow. Returns where that probably is.
    #[inline]
    pub(crate) fn prefetch_flow(&self, hash: u64) -> Option<u32> {
        let slot = self.index.likely(hash)?;
        self.prefetch_slot(slot);
        Some(slot)
    }

    /// The flow in a slot is looked at soon: fetches it.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: u32) {
        self.flows.prefetch(slot);
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        if let Some(filed) = self.filed.get(at) {
            prefetch(filed);
        }
    }

    /// The flow in a slot leaves very soon: fetches where the index has it.
    pub(crate) fn prefetch_index_of(&self, slot: u32) {
        if let Some(flow) = self.flows.get(slot) {
            self.index.prefetch(self.hasher.hash(&flow.common.key()));
        }
    }

    /// Takes a packet whose flow is probably in the slot `likely`.
    #[inline]
    pub(crate) fn take(
        &mut self,
        packet: &Packet,
        likely: Option<u32>,
        block: &Block<'_>,
        out: &mut TableOutput,
    ) {
        // None where it was opened since it was looked for, or is not there at all.
        let probable = likely.or_else(|| self.find(packet));
        if probable.is_some_and(|slot| self.take_plain(slot, packet, block, out)) {
            return;
        }
        let slot = if likely.is_some() {
            self.find(packet)
        } else {
            probable
        };
        self.take_any(slot, packet, block, out);
    }

    /// Takes a packet of any kind, whose flow is in `slot` if there is one.
    #[inline(never)]
    fn take_any(
        &mut self,
        slot: Option<u32>,
        packet: &Packet,
        block: &Block<'_>,
        out: &mut TableOutput,
    ) {
        let clock = &block.clock;
        let now = clock.at(packet.index);
        if packet.ts < now {
            self.late = Some(now);
        }
        let mut again = false;
        if let Some(slot) = slot {
            if let Some(flow) = self.flows.get(slot)
                && self.is_due(slot, &flow.common, now)
            {
                self.fire(slot, clock, now, out);
            }
            match self.flows.get_mut(slot) {
                Some(flow) if !flow.is_reused_by(packet) => {
                    return self.update(slot, packet, block, out);
                }
                Some(flow) => {
                    again = flow.common.start == packet.ts;
                    let odd = flow.odd_reuse(packet);
                    if self.tells(odd) {
                        self.tell_odd(slot, packet, odd, now, out);
                    }
                    self.remove(slot, now, Evicted::No, out);
                }
                None => {}
            }
        }
        // Ends and first timestamp name a flow, but for late packets and what comes with them,
        // flows that begin again at once, and those that had to leave at this very moment: these also
        // go by how many were opened before.
        let again = again || self.late == Some(now) || self.evicted == Some(now);
        self.make_room(clock, now, out);
        self.opened += 1;
        let nth = if again { self.opened } else { 0 };
        let link = packet.link.of(block.links);
        let flow = Flow::open(packet, now, self.config.seed, nth, link);
        self.wheel.begin(now);
        let slot = self.insert(flow, packet.hash);
        self.update(slot, packet, block, out);
        self.file(slot);
    }

    /// Its flows: their uids and where they are.
    pub(crate) fn uids(&self) -> impl Iterator<Item = (Uid, u32)> {
        (0..self.flows.slots()).filter_map(|slot| {
            let flow = self.flows.get(slot)?;
            Some((flow.common.uid(self.config.seed), slot))
        })
    }

    /// What looks into its flows.
    pub(crate) const fn inspections(&self) -> &Inspections {
        &self.inspections
    }

    /// The input is over: the flow in `slot` leaves at `now`.
    pub(crate) fn end(&mut self, slot: u32, now: Timestamp, out: &mut TableOutput) {
        self.remove(slot, now, Evicted::No, out);
    }

    #[inline(never)]
    fn find(&self, packet: &Packet) -> Option<u32> {
        self.index.find(packet.hash, |slot| {
            let flow = self.flows.get(slot);
            flow.is_some_and(|flow| flow.common.has_key(&packet.key))
        })
    }

    fn insert(&mut self, flow: Flow, hash: u64) -> u32 {
        let slot = self.flows.insert(flow);
        self.set_filed(slot, Step::NEVER);
        self.index.insert(hash, slot);
        slot
    }

    fn remove(&mut self, slot: u32, now: Timestamp, evicted: Evicted, out: &mut TableOutput) {
        let Some(mut flow) = self.flows.remove(slot) else {
            return;
        };
        let hash = self.hasher.hash(&flow.common.key());
        self.index.remove(hash, slot);
        self.set_filed(slot, Step::NEVER);
        let services = self.inspections.leave(slot, &flow, now, out);
        let (known, events) = (Known::of(&flow, self.config.seed), self.config.tells.events);
        let mut teller = self.teller(out);
        teller.tunnel_ends(&flow, now);
        if matches!(flow.kind, Kind::Tunnel) {
            return;
        }
        let heard_of = flow.common.told.seq > 0 || known.traffic != PerSide::default();
        if events && heard_of {
            teller.open_if_not(&mut flow, now);
            let (state, last) = (known.state, flow.common.last);
            let closed = FlowEventKind::Closed { state, last };
            teller.tell_of((known.uid, known.traffic), &mut flow, now, closed);
        }
        teller.forget(&mut flow);
        if flow.is_as_before() {
            return;
        }
        out.evicted += u64::from(evicted == Evicted::Yes);
        let record = FlowRecord::of(flow, known, services, now, evicted);
        out.records.push(record);
    }

    fn update(&mut self, slot: u32, packet: &Packet, block: &Block<'_>, out: &mut TableOutput) {
        let now = block.clock.at(packet.index);
        let Some(flow) = self.flows.get_mut(slot) else {
            return;
        };
        let (own, pending) = (flow.common.due(), flow.common.pending);
        let mut teller = Teller {
            config: &self.config,
            pending: &mut self.pending,
            out,
        };
        teller.remember(flow, now);
        let way = flow.common.way();
        let milestones = flow.take(packet);
        if flow.common.way() != way {
            teller.flip(flow);
            self.inspections.turn(slot, flow);
        }
        if packet.ts < now {
            flow.common.took_late(now);
        }
        teller.note_tunnels(flow, packet, block.parents, now);
        if flow.common.told.seq > 0 || (settles(&packet.body.get()) && !flow.may_turn()) {
            teller.open_if_not(flow, now);
            teller.tell_milestones(flow, milestones, now);
        }
        let (looks, odd) = (Inspections::want(flow, packet), milestones.odd);
        out.count(milestones.acked);
        // Nearly every packet only puts off what is due, and the wheel need not know.
        let after = flow.common.pending;
        if flow.common.due() < own || (pending.is_none() && after.is_some()) {
            let report = self.report_due(pending.filter(|_| pending == after));
            self.file_sooner(slot, report.map_or(own, |due| due.min(own)));
        }
        if self.tells(odd) {
            self.tell_odd(slot, packet, odd, now, out);
        }
        if looks {
            self.look(slot, packet, block, out);
        }
    }

    /// Whether anything is odd, and anybody listens.
    #[inline]
    const fn tells(&self, odd: Oddities) -> bool {
        !odd.is_empty() && self.config.tells.oddities
    }

    /// Tells what is odd about a packet of the flow in `slot`.
    #[cold]
    fn tell_odd(
        &mut self,
        slot: u32,
        packet: &Packet,
        odd: Oddities,
        now: Timestamp,
        out: &mut TableOutput,
    ) {
        let Some(flow) = self.flows.get(slot) else {
            return;
        };
        let seen = Seen {
            slot,
            uid: flow.common.uid(self.config.seed),
            id: flow.common.id(),
            ts: packet.ts,
            now,
        };
        self.telling.tell(odd, &seen, &mut out.protocols);
    }

    /// Looks into a packet; whose inspection began first makes room where there is none.
    #[inline(never)]
    fn look(&mut self, slot: u32, packet: &Packet, block: &Block<'_>, out: &mut TableOutput) {
        let now = block.clock.at(packet.index);
        if let Some(flow) = self.flows.get_mut(slot) {
            self.inspections.take(slot, flow, packet, block, out);
        }
        while let Some(slot) = self.inspections.excess() {
            if let Some(flow) = self.flows.get_mut(slot) {
                self.inspections.give_up(slot, flow, now, out);
            }
        }
    }

    fn teller<'a>(&'a mut self, out: &'a mut TableOutput) -> Teller<'a> {
        Teller {
            config: &self.config,
            pending: &mut self.pending,
            out,
        }
    }
}

/// Whether the direction can be told: a flow that begins with a SYN-ACK may yet be turned round.
const fn settles(body: &Body) -> bool {
    !matches!(
        body,
        Body::BadChecksum { .. } | Body::BadHeader { .. } | Body::Tunnel
    )
}
