//! What the flow table tells the detectors while flows live and when they end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FlowId, Timestamp, Uid};

/// What moved in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Payload bytes: for TCP by sequence numbers (data acknowledged but never captured counts,
    /// retransmissions do not), otherwise by length fields.
    pub bytes: u64,
    /// IP bytes, headers included.
    pub ip_bytes: u64,
}

impl Traffic {
    /// What moved since it was `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            bytes: self.bytes.saturating_sub(before.bytes),
            ip_bytes: self.ip_bytes.saturating_sub(before.ip_bytes),
        }
    }
}

/// One step in the life of a flow.
///
/// Events of one flow carry `seq` 0, 1, 2, … and a `time` that never goes back. The first is
/// always [`FlowEventKind::Opened`], the last always [`FlowEventKind::Closed`]. `orig` and `resp`
/// hold what moved since the event before (its packets and bytes are in no other event), so that
/// sums over a flow's events are its totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowEvent {
    /// Packet time at which this became known.
    pub time: Timestamp,
    /// When the traffic below began to move; equals `time` for `Opened` and where nothing moved.
    pub since: Timestamp,
    /// The flow's first packet.
    pub start: Timestamp,
    /// The flow's name in every log.
    pub uid: Uid,
    /// Number of this event within its flow.
    pub seq: u32,
    /// Who talks to whom. Settled: the same in all events of a flow.
    pub id: FlowId,
    /// Moved from originator to responder since the event before.
    pub orig: Traffic,
    /// Moved from responder to originator since the event before.
    pub resp: Traffic,
    /// Requests that were answered since the event before: the originator sent payload and the
    /// responder then sent payload. An interactive session counts one for each exchange.
    pub turns: u32,
    /// What happened.
    pub kind: FlowEventKind,
}

/// What happened to a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowEventKind {
    /// The first packet was seen and the direction is settled. For TCP, `syn` says that the flow
    /// began with a SYN (as opposed to being picked up midstream).
    Opened {
        /// Whether the originator's first packet was a SYN.
        syn: bool,
    },
    /// The responder accepted: SYN-ACK for TCP, its first packet for everything else. At most once.
    Answered,
    /// TCP: the originator completed the handshake (its ACK after the SYN-ACK). At most once.
    Completed,
    /// TCP: the responder reset an attempt that it had not accepted. At most once, and never
    /// after `Answered`.
    Refused,
    /// The flow lives on; reported every progress interval while it moves traffic.
    Progress,
    /// The flow left the table; its conn.log row is written.
    Closed {
        /// How it stands in conn.log.
        state: ConnState,
        /// Its last packet that counts for the duration.
        last: Timestamp,
    },
}

/// conn.log's `conn_state`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnState {
    /// Attempt seen, no reply.
    S0,
    /// Established, not terminated.
    S1,
    /// Established, the originator closed, the responder did not.
    S2,
    /// Established, the responder closed, the originator did not.
    S3,
    /// Normal establishment and termination.
    Sf,
    /// Attempt rejected.
    Rej,
    /// Established, originator aborted.
    Rsto,
    /// Responder aborted.
    Rstr,
    /// Originator sent a SYN followed by a RST; no SYN-ACK seen.
    Rstos0,
    /// Responder sent a SYN-ACK followed by a RST; no SYN seen.
    Rstrh,
    /// Originator sent a SYN followed by a FIN; no SYN-ACK seen.
    Sh,
    /// Responder sent a SYN-ACK followed by a FIN; no SYN seen.
    Shr,
    /// No SYN seen: midstream traffic, and everything that is neither TCP nor UDP.
    Oth,
}

impl ConnState {
    /// Whether a flow of TCP so closed that nothing more comes.
    pub(crate) const fn is_over(self) -> bool {
        match self {
            Self::Sf | Self::Rej | Self::Rsto | Self::Rstr | Self::Rstos0 | Self::Rstrh => true,
            Self::S0 | Self::S1 | Self::S2 | Self::S3 | Self::Sh | Self::Shr | Self::Oth => false,
        }
    }

    /// The text in conn.log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}

impl fmt::Display for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
