//! What a table tells of its flows: events for the detectors, the beginning and end of tunnels.

use crate::compact::Slab;
use crate::event::{FlowEvent, FlowEventKind};
use crate::flow::{Flow, Kind, PendingSlot, PerSide, Told};
use crate::key::FlowKey;
use crate::packet::{Packet, TunnelKind};
use crate::table::{TableConfig, TableOutput};
use crate::tcp::Milestones;
use crate::tunnels::{TunnelAction, TunnelEvent};
use crate::{Timestamp, Traffic, Uid};

/// A flow that moved something the detectors have not been told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    /// When it began to.
    pub(crate) since: Timestamp,
    /// What had moved before.
    before: PerSide<Traffic>,
}

/// Remembers what a flow had moved when the detectors were last told of it.
pub(crate) fn remember(
    pending: &mut Slab<Pending>,
    flow: &mut Flow,
    before: PerSide<Traffic>,
    since: Timestamp,
) {
    let slot = pending.insert(Pending { since, before });
    flow.common.pending = PendingSlot::new(slot.saturating_add(1));
}

/// Tells what becomes of a flow.
pub(crate) struct Teller<'a> {
    pub(crate) config: &'a TableConfig,
    pub(crate) pending: &'a mut Slab<Pending>,
    pub(crate) out: &'a mut TableOutput,
}

impl Teller<'_> {
    /// A flow is about to move something: remembers what it had moved when last told of.
    pub(crate) fn remember(&mut self, flow: &mut Flow, now: Timestamp) {
        let first = self.config.tells.events && flow.common.pending.is_none();
        if first && !matches!(flow.kind, Kind::Tunnel) {
            let before = flow.traffic();
            remember(self.pending, flow, before, now);
        }
    }

    /// Forgets it again.
    pub(crate) fn forget(&mut self, flow: &mut Flow) -> Option<Pending> {
        let slot = flow.common.pending.take()?;
        self.pending.remove(slot.get() - 1)
    }

    /// The flow was turned round.
    pub(crate) fn flip(&mut self, flow: &Flow) {
        let slot = flow.common.pending.map(|slot| slot.get() - 1);
        if let Some(pending) = slot.and_then(|slot| self.pending.get_mut(slot)) {
            pending.before.swap();
        }
    }

    /// Tells that the flow was opened, if that was not told yet.
    pub(crate) fn open_if_not(&mut self, flow: &mut Flow, now: Timestamp) {
        if flow.common.told.seq > 0 {
            return;
        }
        let letters = flow.common.letters();
        let syn = letters
            .strip_prefix(b"^")
            .unwrap_or(letters)
            .starts_with(b"S");
        self.tell(flow, now, FlowEventKind::Opened { syn });
    }

    /// Tells what happens once in a flow's life.
    pub(crate) fn tell_milestones(&mut self, flow: &mut Flow, new: Milestones, now: Timestamp) {
        let told = flow.common.told;
        if new.answered && !told.has(Told::ANSWERED) {
            flow.common.told.note(Told::ANSWERED);
            self.tell(flow, now, FlowEventKind::Answered);
        }
        if new.refused && !told.has(Told::REFUSED) && !told.has(Told::ANSWERED) {
            flow.common.told.note(Told::REFUSED);
            self.tell(flow, now, FlowEventKind::Refused);
        }
        if new.completed && !told.has(Told::COMPLETED) {
            flow.common.told.note(Told::COMPLETED);
            self.tell(flow, now, FlowEventKind::Completed);
        }
    }

    /// Tells what a flow moved, if it was opened and moved anything.
    pub(crate) fn report(&mut self, flow: &mut Flow, time: Timestamp) {
        let slot = flow.common.pending.map(|slot| slot.get() - 1);
        let Some(pending) = slot.and_then(|slot| self.pending.get_mut(slot)) else {
            return;
        };
        if flow.common.told.seq == 0 {
            // Not opened for the detectors yet: later.
            pending.since = time;
        } else if flow.traffic() != pending.before || flow.common.told.turns > 0 {
            self.tell(flow, time, FlowEventKind::Progress);
        } else {
            self.forget(flow);
        }
    }

    /// Emits an event with what moved since the one before.
    pub(crate) fn tell(&mut self, flow: &mut Flow, time: Timestamp, kind: FlowEventKind) {
        if !self.config.tells.events {
            flow.common.told.seq += 1;
            return;
        }
        let named = (flow.common.uid(self.config.seed), flow.traffic());
        self.tell_of(named, flow, time, kind);
    }

    /// The same, for a flow of which its name and what it moved are known already.
    pub(crate) fn tell_of(
        &mut self,
        (uid, total): (Uid, PerSide<Traffic>),
        flow: &mut Flow,
        time: Timestamp,
        kind: FlowEventKind,
    ) {
        let opened = matches!(kind, FlowEventKind::Opened { .. });
        let (since, before) = match self.forget(flow) {
            Some(Pending { since, before }) => (since, before),
            None => (time, total),
        };
        let common = &mut flow.common;
        self.out.events.push(FlowEvent {
            time,
            since: if opened { time } else { since },
            start: common.start,
            uid,
            seq: common.told.seq,
            id: common.id(),
            orig: total.orig.since(before.orig),
            resp: total.resp.since(before.resp),
            turns: common.told.turns.into(),
            kind,
        });
        common.told.seq += 1;
        common.told.turns = 0;
    }

    /// Notes what tunnel a packet came through, and that its flow is one itself.
    pub(crate) fn note_tunnels(
        &mut self,
        flow: &mut Flow,
        packet: &Packet,
        parents: &[FlowKey],
        now: Timestamp,
    ) {
        if let Some(parent) = packet.parent.of(parents) {
            flow.common.note_parent(*parent);
        }
        if let Some(kind) = packet.carries
            && flow.common.rare().carries.is_none()
        {
            flow.common.rare().carries = Some(kind);
            self.tell_tunnel(flow, kind, TunnelAction::Discover, now);
        }
    }

    /// Tells that a flow that was a tunnel is over.
    pub(crate) fn tunnel_ends(&mut self, flow: &Flow, now: Timestamp) {
        let carries = flow.common.rare.as_ref().and_then(|rare| rare.carries);
        if let Some(kind) = carries {
            let action = match flow.kind {
                Kind::Tunnel => TunnelAction::Expire,
                _ => TunnelAction::Close,
            };
            self.tell_tunnel(flow, kind, action, now);
        }
    }

    fn tell_tunnel(
        &mut self,
        flow: &Flow,
        kind: TunnelKind,
        action: TunnelAction,
        time: Timestamp,
    ) {
        let common = &flow.common;
        self.out.tunnels.push(TunnelEvent {
            time,
            uid: common.uid(self.config.seed),
            key: common.key(),
            id: common.id(),
            kind,
            action,
        });
    }
}
