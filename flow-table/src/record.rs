//! A finished flow: a row of conn.log.

use crate::flow::{Flow, Kind, PerSide, Rare, Resumed};
use crate::history::History;
use crate::inspection::Services;
use crate::key::FlowKey;
use crate::packet::LinkInfo;
use crate::packet::TunnelKind;
use crate::{ConnState, FlowId, Span, Timestamp, Traffic, Uid};

/// Everything conn.log says of a flow.
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// Its name in every log.
    pub uid: Uid,
    /// Who talked to whom.
    pub id: FlowId,
    /// Timestamp of its first packet; of one that goes on from an input before this one, where the row
    /// there ended: from then on everything is counted.
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
    /// What it was found to speak.
    pub services: Services,
    /// What the link layer of its first packet said, where that was asked for.
    pub link: Option<Box<LinkInfo>>,
}

impl FlowRecord {
    /// The record of `flow`, which leaves the table at `end`.
    pub(crate) fn of(
        flow: Flow,
        known: Known,
        services: Services,
        end: Timestamp,
        evicted: Evicted,
    ) -> Self {
        let Known {
            uid,
            traffic,
            state,
        } = known;
        let is_udp = matches!(flow.kind, Kind::Udp(_));
        let answered = traffic.orig.packets > 0 && traffic.resp.packets > 0;
        let mut common = flow.common;
        let history = common.take_history();
        let rare = common.rare.as_deref();
        let resumed = rare.and_then(Rare::resumed);
        let since = |before: &Resumed| PerSide {
            orig: traffic.orig.since(before.before.orig),
            resp: traffic.resp.since(before.before.resp),
        };
        let missed_before = resumed.map_or(0, |resumed| resumed.missed_bytes);
        let start = resumed.map_or(common.start, |resumed| resumed.since);
        Self {
            uid,
            id: common.id(),
            start,
            last: common.last,
            end,
            traffic: resumed.map_or(traffic, since),
            state,
            history,
            missed_bytes: rare
                .map_or(0, |rare| rare.missed_bytes)
                .saturating_sub(missed_before),
            evicted: evicted == Evicted::Yes,
            parents: rare.map(|rare| rare.parents.clone()).unwrap_or_default(),
            services: match rare.and_then(|rare| rare.carries) {
                // As in Zeek, one that nobody answers is none.
                Some(kind) if is_udp && (kind != TunnelKind::Teredo || answered) => {
                    services.and(kind.service())
                }
                _ => services,
            },
            link: rare.and_then(|rare| rare.link).map(Box::new),
        }
    }

    /// Time between its first and its last packet.
    pub const fn duration(&self) -> Span {
        self.last.since(self.start)
    }
}

/// What more than one asks of a flow that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) uid: Uid,
    pub(crate) traffic: PerSide<Traffic>,
    pub(crate) state: ConnState,
}

impl Known {
    pub(crate) fn of(flow: &Flow, seed: u64) -> Self {
        Self {
            uid: flow.common.uid(seed),
            traffic: flow.traffic(),
            state: flow.conn_state(),
        }
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
