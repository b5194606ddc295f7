//! The uids of tunnels, for the flows inside them.

use std::collections::BTreeMap;

use flow_table::{FlowKey, TunnelAction, TunnelEvent, Uid};

/// Tunnels that are remembered. Ended ones are forgotten first, but a flow inside may outlive its
/// tunnel's own.
const MAX_NAMES: usize = 1 << 16;

/// The latest uid of each tunnel.
#[derive(Debug, Default)]
pub(super) struct TunnelNames {
    names: BTreeMap<FlowKey, Name>,
}

#[derive(Debug)]
struct Name {
    uid: Uid,
    ended: bool,
}

impl TunnelNames {
    /// Learns from what is told of a tunnel.
    pub(super) fn note(&mut self, event: &TunnelEvent) {
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
    pub(super) fn of(&self, parents: &[FlowKey]) -> Vec<Uid> {
        let known = parents.iter().filter_map(|key| self.names.get(key));
        let mut uids: Vec<Uid> = known.map(|name| name.uid).collect();
        uids.sort_unstable();
        uids
    }
}
