//! Tunnels on their way to their log, and their uids for the flows inside them.

use std::collections::BTreeMap;

use flow_table::{FlowKey, TunnelAction, TunnelEvent, Uid};

use super::Position;

/// Tunnels that are remembered. Ended ones are forgotten first, but a flow inside may outlive its
/// tunnel's own.
const MAX_NAMES: usize = 1 << 16;

/// What is told of tunnels, and the latest uid of each.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    /// To be logged.
    waiting: Vec<TunnelEvent>,
    /// To be learnt from.
    unknown: Vec<TunnelEvent>,
    names: BTreeMap<FlowKey, Name>,
}

#[derive(Debug)]
struct Name {
    uid: Uid,
    ended: bool,
}

impl Tunnels {
    /// Takes what a shard tells.
    pub(super) fn put(&mut self, events: &mut Vec<TunnelEvent>) {
        self.unknown.extend_from_slice(events);
        self.waiting.append(events);
    }

    /// Learns from everything that must be known at `boundary`, and hands out what is before it, in
    /// its order. Flows that end when their tunnel begins are inside it all the same.
    pub(super) fn take(&mut self, boundary: Position) -> Vec<TunnelEvent> {
        let in_order = |events: &mut Vec<TunnelEvent>| {
            events.sort_unstable_by_key(|event| (event.time, event.uid, event.action));
        };
        let at_once = boundary > Position::before(boundary.time);
        let mut known: Vec<TunnelEvent> = self
            .unknown
            .extract_if(.., |event| {
                event.time < boundary.time || (at_once && event.time == boundary.time)
            })
            .collect();
        in_order(&mut known);
        for event in &known {
            self.note(event);
        }
        let is_before = |event: &TunnelEvent| {
            let TunnelEvent { time, uid, .. } = *event;
            Position { time, uid } < boundary
        };
        let mut ready: Vec<TunnelEvent> = self
            .waiting
            .extract_if(.., |event| is_before(event))
            .collect();
        in_order(&mut ready);
        ready
    }

    /// Learns from what is told of a tunnel.
    fn note(&mut self, event: &TunnelEvent) {
        match event.action {
            TunnelAction::Discover => {
                if self.names.len() >= MAX_NAMES {
                    self.forget();
                }
                let name = Name {
                    uid: event.uid,
                    ended: false,
                };
                self.names.insert(event.key, name);
            }
            TunnelAction::Close | TunnelAction::Expire => {
                if let Some(name) = self.names.get_mut(&event.key) {
                    name.ended |= name.uid == event.uid;
                }
            }
        }
    }

    fn forget(&mut self) {
        self.names.retain(|_, name| !name.ended);
        if self.names.len() >= MAX_NAMES {
            // All of them live: somebody makes tunnels by the thousand.
            self.names.clear();
        }
    }

    /// The uids of the tunnels with these keys, ascending.
    pub(super) fn uids_of(&self, parents: &[FlowKey]) -> Vec<Uid> {
        let known = parents.iter().filter_map(|key| self.names.get(key));
        let mut uids: Vec<Uid> = known.map(|name| name.uid).collect();
        uids.sort_unstable();
        uids
    }
}
