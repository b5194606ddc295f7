//! From bytes and a timestamp to flows.
//!
//! A [`Decoder`] turns a captured [`Frame`] into a [`Packet`], or says why it cannot. A [`Shard`]
//! owns the flows of its share of the hash space: it takes packets in order and hands out
//! [`FlowEvent`]s while flows live, and a [`FlowRecord`] for each when it ends. Rows are those
//! that Zeek would write (`docs/conn-log.md`).
//!
//! Nothing here reads a clock, starts a thread or does I/O: time is what packets say it is.
//!
//! ```
//! use flow_table::{Block, Checksums, Clock, Decoder, FlowConfig, Frame, InspectionConfig};
//! use flow_table::{LinkType, Shard, ShardId, Span, TableOutput, Tells, Timestamp};
//!
//! let decoder = Decoder::new(1, Checksums::Ignore);
//! let config = FlowConfig {
//!     seed: 1,
//!     tells: Tells::ALL,
//!     progress_interval: Span::from_secs(10),
//!     open_every: None,
//!     memory: 1 << 20,
//!     inspection: InspectionConfig::NONE,
//! };
//! let mut shard = Shard::new(ShardId { index: 0, of: 1 }, &config);
//! let mut out = TableOutput::default();
//!
//! // A UDP datagram from 10.0.0.1:4000 to 10.0.0.2:9999 with two bytes of payload.
//! let bytes = [
//!     0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
//!     0x0f, 0xa0, 0x27, 0x0f, 0, 10, 0, 0, b'h', b'i', // UDP
//! ];
//! let ts = Timestamp::new(1_700_000_000, 0);
//! let frame = Frame { ts, bytes: &bytes, wire_len: 30, link: LinkType::RawIp, index: 0, at: 0 };
//! let mut packets = Vec::new();
//! decoder.decode(frame, &mut packets)?;
//! let times = [ts];
//! let block = Block { bytes: &bytes, ..Block::new(Clock::new(&times)) };
//! shard.take(&packets, &block, &mut out);
//! shard.finish(ts, &mut out);
//! assert_eq!(out.records[0].traffic.orig.bytes, 2);
//! # Ok::<(), flow_table::DropReason>(())
//! ```

mod chunks;
mod clock;
mod community;
mod compact;
mod conversations;
mod decode;
mod event;
mod eviction;
mod expiry;
mod flow;
mod history;
mod id;
mod index;
mod inspection;
mod key;
mod leaving;
mod odd;
mod packet;
mod ports;
mod prefetch;
pub mod protocol;
mod record;
mod shard;
mod table;
mod tcp;
mod tell;
mod time;
mod timers;
mod tunnels;
mod uid;

#[cfg(test)]
mod tests;

pub use chunks::Chunks;
pub use clock::{Clock, PART};
pub use community::{community_id, community_id_text};
pub use conversations::{Conversation, Conversations};
pub use decode::{
    Checksums, Decoded, Decoder, DropCounts, DropReason, Fragment, FragmentConfig, Fragments,
    Frame, LinkType, Links, MAX_TUNNELS, OddFrame, PacketSink,
};
pub use event::{ConnState, FlowEvent, FlowEventKind, Traffic};
pub use flow::{PerSide, Side};
pub use history::History;
pub use id::{Endpoint, FlowId, IpProto};
pub use index::SlotIndex;
pub use inspection::{InspectionConfig, ProtocolRow, Services};
pub use key::{FlowKey, KEY_GROUPS, Way};
pub use leaving::{End, Leaving};
pub use packet::{
    Body, Datagram, FlatBody, LinkInfo, LinkPlace, Message, Packet, Parent, PayloadPlace, Segment,
    TcpFlags, TunnelKind,
};
pub use prefetch::prefetch;
pub use record::FlowRecord;
pub use shard::{FLOW_BYTES, FlowConfig, Shard, ShardId, Tells, shard_of};
pub use table::{Block, Loss, TableOutput};
pub use time::{Span, SpanError, Timestamp};
pub use tunnels::{TunnelAction, TunnelEvent};
pub use uid::{Uid, UidError};
