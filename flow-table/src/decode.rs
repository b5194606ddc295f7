//! From captured bytes to a [`Packet`], or the reason why there is none.
//!
//! Layer by layer, each in a file of its own: [`link`] finds the IP header, [`ip`] the transport
//! header, [`transport`] what the flow table wants to know. Rules are those of `docs/conn-log.md`
//! as Zeek applies them (`src/packet_analysis` there); nothing is allocated.

mod ip;
mod link;
mod reason;
mod transport;

use crate::key::KeyHasher;
use crate::{Packet, Timestamp};

pub use link::LinkType;
pub use reason::{DropCounts, DropReason};

/// Whether checksums are verified where the whole packet was captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksums {
    /// A packet with a wrong one is counted and otherwise ignored.
    Verify,
    /// Captures taken on a host that leaves them to its network card.
    Ignore,
}

/// A packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When.
    pub ts: Timestamp,
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// How many bytes it had on the wire.
    pub wire_len: u32,
    /// What its first header is.
    pub link: LinkType,
    /// Its place in the block it was read in.
    pub index: u32,
}

/// Turns frames into packets.
#[derive(Clone, Debug)]
pub struct Decoder {
    hasher: KeyHasher,
    checksums: Checksums,
}

impl Decoder {
    /// A decoder whose keys are hashed with `seed`.
    pub const fn new(seed: u64, checksums: Checksums) -> Self {
        Self {
            hasher: KeyHasher::new(seed),
            checksums,
        }
    }

    /// Decodes one frame.
    ///
    /// A packet whose transport header or checksum is wrong still names a flow, so it comes back
    /// as a packet; [`DropReason::of`] tells why it must be counted as dropped nevertheless.
    pub fn decode(&self, frame: Frame<'_>) -> Result<Packet, DropReason> {
        let offset = link::ip_offset(frame.link, frame.bytes)?;
        let ip = ip::parse(&frame, offset, self.checksums)?;
        let (key, way, body) = transport::parse(&ip, self.checksums)?;
        Ok(Packet {
            ts: frame.ts,
            hash: self.hasher.hash(&key),
            index: frame.index,
            ip_len: ip.counted_len,
            key,
            way,
            body,
        })
    }
}

/// Two bytes at `at`, in network order.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at.checked_add(2)?)?
        .try_into()
        .ok()
        .map(u16::from_be_bytes)
}

/// Four bytes at `at`, in network order.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}
