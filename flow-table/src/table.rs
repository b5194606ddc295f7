//! The flows of one slice of the hash space (see [`crate::KEY_GROUPS`]).
//!
//! Flows live in a slab; an index of hashes finds them, a wheel finds those whose timers are due.
//! Timers act at the packet time at which they would have fired had every packet of every flow
//! come by here, whenever this table gets to look: see [`Clock`].

use hashbrown::HashTable;

use crate::clock::Clock;
use crate::event::{FlowEvent, FlowEventKind};
use crate::expiry::{Entry, Wheel};
use crate::flow::{Flow, Kind, PerSide};
use crate::key::FlowKey;
use crate::packet::{Body, Packet, TunnelKind};
use crate::record::{Evicted, FlowRecord, traffic};
use crate::tcp::Milestones;
use crate::timers::{DNS_INTERVAL, DNS_SILENCE, LINGER, SESSION_TIMER, Timer};
use crate::tunnels::{TunnelAction, TunnelEvent};
use crate::{Span, Timestamp, Traffic};

/// How many flows are looked at to find one to evict.
const EVICTION_SAMPLE: usize = 16;

/// What a table needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableConfig {
    /// Goes into uids.
    pub seed: u64,
    /// How often a live flow reports what moved.
    pub progress_interval: Span,
    /// How many flows one table may hold.
    pub max_flows: usize,
}

/// What tables hand out: in packet order within a flow, in no order across flows.
#[derive(Debug, Default)]
pub struct TableOutput {
    /// For the detectors.
    pub events: Vec<FlowEvent>,
    /// For conn.log.
    pub records: Vec<FlowRecord>,
    /// Tunnels that began or ended.
    pub tunnels: Vec<TunnelEvent>,
    /// Flows that had to leave for want of room.
    pub evicted: u64,
}

/// What the packets of a block have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    /// Packet time at each.
    pub(crate) clock: &'a Clock<'a>,
    /// The tunnels they came through.
    pub(crate) parents: &'a [FlowKey],
}

/// The flows of one slice.
#[derive(Debug)]
pub(crate) struct FlowTable {
    config: TableConfig,
    index: HashTable<u32>,
    slots: Vec<Option<Flow>>,
    free: Vec<u32>,
    wheel: Wheel,
    /// When each slot's flow was last filed in the wheel.
    filed: Vec<Timestamp>,
    due: Vec<Entry>,
    /// Where the search for a flow to evict goes on.
    hand: usize,
    /// Flows opened so far, and whether one had to leave.
    opened: u64,
    evicted: bool,
    /// Packet time at which a late packet opened a flow, the last time that happened.
    late: Option<Timestamp>,
}

impl FlowTable {
    /// An empty table.
    pub(crate) fn new(config: TableConfig) -> Self {
        Self {
            config,
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            wheel: Wheel::default(),
            filed: Vec::new(),
            due: Vec::new(),
            hand: 0,
            opened: 0,
            evicted: false,
            late: None,
        }
    }

    /// Number of flows in it.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it holds none.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Takes a packet.
    pub(crate) fn take(&mut self, packet: &Packet, block: &Block<'_>, out: &mut TableOutput) {
        let clock = block.clock;
        let now = clock.at(packet.index);
        let mut again = false;
        if let Some(slot) = self.find(packet) {
            // The wheel's entry is never later than the flow's first timer.
            if self.filed_at(slot).is_some_and(|filed| filed <= now) {
                self.fire(slot, clock, now, out);
            }
            match self.flow_mut(slot) {
                Some(flow) if !flow.is_reused_by(packet) => {
                    return self.update(slot, packet, block, out);
                }
                Some(flow) => {
                    again = flow.common.start == packet.ts;
                    self.remove(slot, now, Evicted::No, out);
                }
                None => {}
            }
        }
        self.make_room(clock, now, out);
        self.opened += 1;
        // Ends and first timestamp name a flow, but for late packets and what comes with them,
        // flows that begin again at once, and flows that had to leave: these also go by how many
        // were opened before.
        if packet.ts < now {
            self.late = Some(now);
        }
        let again = again || self.late == Some(now) || self.evicted;
        let nth = if again { self.opened } else { 0 };
        let flow = Flow::open(packet, now, self.config.seed, nth);
        let slot = self.insert(flow);
        self.update(slot, packet, block, out);
    }

    /// Fires every timer due at or before the end of the block.
    pub(crate) fn advance(&mut self, clock: &Clock<'_>, out: &mut TableOutput) {
        self.advance_to(clock, clock.end(), out);
    }

    fn advance_to(&mut self, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now, &mut due);
        for entry in due.drain(..) {
            // Filed again since, or the slot has another flow now: that has an entry of its own.
            if self.filed_at(entry.slot) == Some(entry.due) {
                self.fire(entry.slot, clock, now, out);
                self.file(entry.slot, Refile::Always);
            }
        }
        self.due = due;
    }

    /// The input is over: every flow leaves at `now`.
    pub(crate) fn finish(&mut self, now: Timestamp, out: &mut TableOutput) {
        for slot in 0..self.slots.len() {
            self.remove(
                u32::try_from(slot).unwrap_or(u32::MAX),
                now,
                Evicted::No,
                out,
            );
        }
    }

    fn find(&self, packet: &Packet) -> Option<u32> {
        let same = |slot: &u32| {
            self.flow(*slot)
                .is_some_and(|flow| flow.common.key == packet.key)
        };
        self.index.find(packet.hash, same).copied()
    }

    fn flow(&self, slot: u32) -> Option<&Flow> {
        self.slots.get(usize::try_from(slot).ok()?)?.as_ref()
    }

    fn flow_mut(&mut self, slot: u32) -> Option<&mut Flow> {
        self.slots.get_mut(usize::try_from(slot).ok()?)?.as_mut()
    }

    fn filed_at(&self, slot: u32) -> Option<Timestamp> {
        self.flow(slot)?;
        self.filed.get(usize::try_from(slot).ok()?).copied()
    }

    fn insert(&mut self, flow: Flow) -> u32 {
        let hash = flow.common.hash;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.filed.push(Timestamp::MAX);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = usize::try_from(slot)
            .ok()
            .and_then(|at| self.slots.get_mut(at))
        {
            *place = Some(flow);
        }
        if let Some(filed) = usize::try_from(slot)
            .ok()
            .and_then(|at| self.filed.get_mut(at))
        {
            *filed = Timestamp::MAX;
        }
        let slots = &self.slots;
        let hash_of = |slot: &u32| hash_in(slots, *slot);
        self.index.insert_unique(hash, slot, hash_of);
        slot
    }

    fn remove(&mut self, slot: u32, now: Timestamp, evicted: Evicted, out: &mut TableOutput) {
        let taken = usize::try_from(slot)
            .ok()
            .and_then(|at| self.slots.get_mut(at)?.take());
        let Some(mut flow) = taken else { return };
        if let Ok(entry) = self
            .index
            .find_entry(flow.common.hash, |other| *other == slot)
        {
            entry.remove();
        }
        self.free.push(slot);
        if let Some(kind) = flow.common.carries {
            let action = match flow.kind {
                Kind::Tunnel => TunnelAction::Expire,
                _ => TunnelAction::Close,
            };
            tell_tunnel(&flow, kind, action, now, out);
        }
        if matches!(flow.kind, Kind::Tunnel) {
            return;
        }
        let told = flow.common.reported.seq > 0 || traffic(&flow) != PerSide::default();
        if told {
            open_if_not(&mut flow, now, out);
            let (state, last) = (flow.conn_state(), flow.common.last);
            tell(&mut flow, now, FlowEventKind::Closed { state, last }, out);
        }
        out.evicted += u64::from(evicted == Evicted::Yes);
        out.records.push(FlowRecord::of(flow, now, evicted));
    }

    fn update(&mut self, slot: u32, packet: &Packet, block: &Block<'_>, out: &mut TableOutput) {
        let now = block.clock.at(packet.index);
        let interval = self.config.progress_interval;
        let Some(flow) = self.flow_mut(slot) else {
            return;
        };
        let milestones = flow.take(packet);
        if packet.ts < now {
            flow.common.timers.not_before(now);
        }
        note_tunnels(flow, packet, block.parents, now, out);
        if matches!(flow.kind, Kind::Tunnel) {
            return self.file(slot, Refile::IfEarlier);
        }
        if flow.common.reported.seq > 0 || is_settled(flow, packet) {
            open_if_not(flow, now, out);
            tell_milestones(flow, milestones, now, out);
        }
        if flow.common.timers.progress == Timestamp::MAX {
            flow.common.timers.progress = now + interval;
        }
        self.file(slot, Refile::IfEarlier);
    }

    /// Makes sure the wheel looks at the flow when it is due.
    fn file(&mut self, slot: u32, refile: Refile) {
        let Some(due) = self.flow(slot).map(|flow| flow.common.timers.due()) else {
            return;
        };
        let Some(filed) = usize::try_from(slot)
            .ok()
            .and_then(|at| self.filed.get_mut(at))
        else {
            return;
        };
        if due < *filed || refile == Refile::Always {
            *filed = due;
            self.wheel.insert(Entry { due, slot });
        }
    }

    /// Fires the flow's timers that are due at or before `now`, each at the packet time at which
    /// it would have fired.
    fn fire(&mut self, slot: u32, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        loop {
            let Some(flow) = self.flow_mut(slot) else {
                return;
            };
            let Some((due, timer)) = flow.common.timers.take_due(now) else {
                return;
            };
            let time = clock.first_reaching(due, now);
            if is_over(flow, timer, time) {
                return self.remove(slot, time, Evicted::No, out);
            }
            if timer == Timer::Progress && flow.common.reported.seq > 0 && has_moved(flow) {
                tell(flow, time, FlowEventKind::Progress, out);
            }
        }
    }

    /// Evicts a flow if the table is full: the longest idle of a few, unanswered ones first.
    fn make_room(&mut self, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        if self.len() < self.config.max_flows {
            return;
        }
        self.advance_to(clock, now, out);
        if self.len() < self.config.max_flows {
            return;
        }
        let slots = self.slots.len();
        let mut victim: Option<(bool, Timestamp, u32)> = None;
        for step in 0..EVICTION_SAMPLE {
            let at = u32::try_from((self.hand + step) % slots.max(1)).unwrap_or(0);
            if let Some(flow) = self.flow(at) {
                let candidate = (!flow.is_unanswered(), flow.common.last, at);
                victim = Some(victim.map_or(candidate, |best| best.min(candidate)));
            }
        }
        self.hand = (self.hand + EVICTION_SAMPLE) % slots.max(1);
        if let Some((_, _, slot)) = victim {
            self.evicted = true;
            self.remove(slot, now, Evicted::Yes, out);
        }
    }
}

/// When an entry goes into the wheel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refile {
    /// Its last one came up.
    Always,
    /// Only if the flow is due before the entry it has.
    IfEarlier,
}

fn hash_in(slots: &[Option<Flow>], slot: u32) -> u64 {
    let flow = usize::try_from(slot)
        .ok()
        .and_then(|at| slots.get(at)?.as_ref());
    flow.map_or(0, |flow| flow.common.hash)
}

/// Whether a timer that fires at `time` ends the flow; arms it again if it does not.
fn is_over(flow: &mut Flow, timer: Timer, time: Timestamp) -> bool {
    let Flow { common, kind } = flow;
    match (timer, kind) {
        (Timer::Inactivity, _) => common.timers.is_silent(common.last, time),
        (Timer::Delete, _) => true,
        (Timer::Attempt, Kind::Tcp(tcp)) => tcp.attempt_failed(),
        (Timer::Dns, _) => {
            if time.since(common.last) >= DNS_SILENCE {
                return true;
            }
            common.timers.dns = time + DNS_INTERVAL;
            false
        }
        (Timer::Expire(slot), Kind::Tcp(tcp)) if tcp.is_active() => {
            if common.last + LINGER < time && tcp.has_expired() {
                return true;
            }
            common.timers.rearm_expire(slot, time + SESSION_TIMER);
            false
        }
        (Timer::Expire(_) | Timer::Attempt | Timer::Progress, _) => false,
    }
}

/// Notes what tunnel the packet came through, and that the flow is one itself.
fn note_tunnels(
    flow: &mut Flow,
    packet: &Packet,
    parents: &[FlowKey],
    now: Timestamp,
    out: &mut TableOutput,
) {
    if let Some(parent) = packet.parent.of(parents) {
        flow.common.note_parent(*parent);
    }
    if let (Some(kind), None) = (packet.carries, flow.common.carries) {
        flow.common.carries = Some(kind);
        tell_tunnel(flow, kind, TunnelAction::Discover, now, out);
    }
}

fn tell_tunnel(
    flow: &Flow,
    kind: TunnelKind,
    action: TunnelAction,
    time: Timestamp,
    out: &mut TableOutput,
) {
    let common = &flow.common;
    out.tunnels.push(TunnelEvent {
        time,
        uid: common.uid,
        key: common.key,
        id: common.key.id(common.way),
        kind,
        action,
    });
}

/// Whether the direction can be told: a flow that begins with a SYN-ACK may yet be turned round.
fn is_settled(flow: &Flow, packet: &Packet) -> bool {
    let counts = flow.common.counts;
    let first = counts.orig.packets + counts.resp.packets <= 1;
    match packet.body {
        Body::Tcp(segment) => !(first && segment.flags.syn() && segment.flags.ack()),
        Body::BadChecksum { .. } | Body::BadHeader { .. } => false,
        _ => true,
    }
}

fn open_if_not(flow: &mut Flow, now: Timestamp, out: &mut TableOutput) {
    if flow.common.reported.seq > 0 {
        return;
    }
    let letters = flow.common.history.letters();
    let syn = letters
        .strip_prefix(b"^")
        .unwrap_or(letters)
        .starts_with(b"S");
    flow.common.reported.since = now;
    tell(flow, now, FlowEventKind::Opened { syn }, out);
}

fn tell_milestones(flow: &mut Flow, new: Milestones, now: Timestamp, out: &mut TableOutput) {
    let reported = flow.common.reported;
    if new.answered && !reported.answered {
        flow.common.reported.answered = true;
        tell(flow, now, FlowEventKind::Answered, out);
    }
    if new.refused && !reported.refused && !reported.answered {
        flow.common.reported.refused = true;
        tell(flow, now, FlowEventKind::Refused, out);
    }
    if new.completed && !reported.completed {
        flow.common.reported.completed = true;
        tell(flow, now, FlowEventKind::Completed, out);
    }
}

fn has_moved(flow: &Flow) -> bool {
    flow.common.reported.turns > 0 || traffic(flow) != flow.common.reported.traffic
}

fn moved(now: Traffic, before: Traffic) -> Traffic {
    Traffic {
        packets: now.packets.saturating_sub(before.packets),
        bytes: now.bytes.saturating_sub(before.bytes),
        ip_bytes: now.ip_bytes.saturating_sub(before.ip_bytes),
    }
}

/// Emits an event with what moved since the one before.
fn tell(flow: &mut Flow, time: Timestamp, kind: FlowEventKind, out: &mut TableOutput) {
    let total = traffic(flow);
    let common = &mut flow.common;
    let before = common.reported;
    out.events.push(FlowEvent {
        time,
        since: before.since,
        start: common.start,
        uid: common.uid,
        seq: before.seq,
        id: common.key.id(common.way),
        orig: moved(total.orig, before.traffic.orig),
        resp: moved(total.resp, before.traffic.resp),
        turns: before.turns,
        kind,
    });
    let reported = &mut common.reported;
    reported.traffic = total;
    reported.since = time;
    reported.seq += 1;
    reported.turns = 0;
}
