//! What is told of tunnels: a row of tunnel.log for their beginning and end, and the names that
//! flows inside them carry.

use crate::key::FlowKey;
use crate::packet::TunnelKind;
use crate::{FlowId, Timestamp, Uid};

/// A tunnel began or ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TunnelEvent {
    /// Packet time.
    pub time: Timestamp,
    /// The name that flows inside it have among their parents.
    pub uid: Uid,
    /// By which packets inside name it.
    pub key: FlowKey,
    /// Its two ends.
    pub id: FlowId,
    /// What kind it is.
    pub kind: TunnelKind,
    /// Which of both.
    pub action: TunnelAction,
}

/// What happened to a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TunnelAction {
    /// The first packet inside it was seen.
    Discover,
    /// Its flow ended.
    Close,
    /// Nothing was seen of it for a day (tunnels that no flow stands for).
    Expire,
}

impl TunnelAction {
    /// Zeek's name for it in tunnel.log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "Tunnel::DISCOVER",
            Self::Close => "Tunnel::CLOSE",
            Self::Expire => "Tunnel::EXPIRE",
        }
    }
}
