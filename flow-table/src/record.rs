//! A finished flow: a row of conn.log.

use crate::flow::{Flow, PerSide};
use crate::history::History;
use crate::key::FlowKey;
use crate::{ConnState, FlowId, Span, Timestamp, Traffic, Uid};

/// Everything conn.log says of a flow.
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// Its name in every log.
    pub uid: Uid,
    /// Who talked to whom.
    pub id: FlowId,
    /// Timestamp of its first packet.
    pub start: Timestamp,
    /// Timestamp of its last packet that counts for the duration.
    pub last: Timestamp,
    /// Packet time at which it left the table; rows are written in this order.
    pub end: Timestamp,
    /// What each end sent.
    pub traffic: PerSide<Traffic>,
    /// How it stands.
    pub state: ConnState,
    /// What happened, letter by letter.
    pub history: History,
    /// Payload bytes that were acknowledged but never captured.
    pub missed_bytes: u64,
    /// Whether it had to leave to make room for others.
    pub evicted: bool,
    /// Keys of the tunnels it was seen in: their uids are known to whoever saw every
    /// [`TunnelEvent`](crate::TunnelEvent).
    pub parents: Vec<FlowKey>,
}

impl FlowRecord {
    /// The record of `flow`, which leaves the table at `end`.
    pub(crate) fn of(flow: Flow, end: Timestamp, evicted: Evicted) -> Self {
        let (traffic, state) = (traffic(&flow), flow.conn_state());
        let common = flow.common;
        Self {
            uid: common.uid,
            id: common.key.id(common.way),
            start: common.start,
            last: common.last,
            end,
            traffic,
            state,
            history: common.history,
            missed_bytes: common.missed_bytes,
            evicted: evicted == Evicted::Yes,
            parents: common.parents.map(|parents| *parents).unwrap_or_default(),
        }
    }

    /// Time between its first and its last packet.
    pub const fn duration(&self) -> Span {
        self.last.since(self.start)
    }
}

/// Whether a flow left for want of room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Evicted {
    /// It did.
    Yes,
    /// It ended.
    No,
}

/// What each end of `flow` sent so far.
pub(crate) fn traffic(flow: &Flow) -> PerSide<Traffic> {
    let (bytes, counts) = (flow.bytes(), flow.common.counts);
    PerSide {
        orig: Traffic {
            packets: counts.orig.packets,
            bytes: bytes.orig,
            ip_bytes: counts.orig.ip_bytes,
        },
        resp: Traffic {
            packets: counts.resp.packets,
            bytes: bytes.resp,
            ip_bytes: counts.resp.ip_bytes,
        },
    }
}
