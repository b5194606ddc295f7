//! What only some flows have.

use serde::{Deserialize, Serialize};

use super::PerSide;
use crate::compact::{Scaled, U48};
use crate::key::FlowKey;
use crate::packet::{LinkInfo, TunnelKind};
use crate::{Timestamp, Traffic, Uid};

/// What only some flows have.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Rare {
    /// The name, where ends and first timestamp do not tell it.
    pub(super) uid: Option<Uid>,
    /// Silence does not end the flow before this: a late packet was taken.
    pub(super) floor: Timestamp,
    /// What was told of it by an input before this one.
    pub(super) resumed: Option<Box<Resumed>>,
    /// Since when it had no row as one that is still open, where that is not its beginning.
    pub(super) open_since: Option<Timestamp>,
    /// A history that no longer fits into the flow.
    pub(super) letters: Vec<u8>,
    pub(crate) missed_bytes: u64,
    /// What kind of tunnel it is, once a packet inside it was seen.
    #[serde(skip)]
    pub(crate) carries: Option<TunnelKind>,
    /// Tunnels it was seen in, in this order.
    pub(crate) parents: Vec<FlowKey>,
    /// What the link layer of the first packet said, the originator's address as source.
    pub(crate) link: Option<LinkInfo>,
    pub(crate) bad_checksums: PerSide<Scaled>,
    pub(crate) gaps: PerSide<Scaled>,
    /// Bytes seen above a hole.
    pub(crate) above: PerSide<Vec<(u64, u64)>>,
}

/// What an input before this one told of a flow: its row here tells what came since, and there is none
/// if nothing did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resumed {
    /// Timestamp of the last packet there that counts for the duration.
    pub(crate) since: Timestamp,
    /// What it had moved by then.
    pub(crate) before: PerSide<Traffic>,
    pub(crate) missed_bytes: u64,
}

impl Rare {
    /// What an input before this one told of it, if there was one.
    pub(crate) fn resumed(&self) -> Option<&Resumed> {
        self.resumed.as_deref()
    }

    /// Whether stretches above holes are in order, and apart from each other.
    pub(super) fn is_sound(&self) -> bool {
        let in_order = |stretches: &[(u64, u64)]| {
            stretches
                .iter()
                .all(|(from, to)| from < to && *to <= U48::MAX)
                && stretches.is_sorted_by(|(_, end), (next, _)| end < next)
        };
        in_order(&self.above.orig) && in_order(&self.above.resp)
    }
}
