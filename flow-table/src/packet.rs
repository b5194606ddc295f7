//! What the flow table needs to know of a packet: a descriptor that travels to a shard while the
//! bytes stay where they were read.

use serde::{Deserialize, Serialize};

use crate::key::{FlowKey, Way};
use crate::{IpProto, Timestamp};

/// A decoded packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its own timestamp.
    pub ts: Timestamp,
    /// Hash of `key`.
    pub hash: u64,
    /// Its place in the block it was read in; tells packet time, see [`crate::Clock`].
    pub index: u32,
    /// Length of the IP packet as its header states it, in bytes (for a segment that the sender's
    /// network card was to cut, RFC-wise 0).
    pub ip_len: u32,
    /// The conversation it belongs to.
    pub key: FlowKey,
    /// Which way it travels.
    pub way: Way,
    /// What its link layer said, where that is asked for.
    pub link: LinkPlace,
    /// The tunnel it came through.
    pub parent: Parent,
    /// What kind of tunnel it is itself.
    pub carries: Option<TunnelKind>,
    /// What stands above IP.
    pub body: FlatBody,
    /// Where what TCP or UDP carries was captured, or an echo of ICMP from its identifier on.
    pub payload: PayloadPlace,
}

/// What the link layer of a frame says beside where its packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LinkInfo {
    /// The outer VLAN tag's id.
    pub vlan: Option<u16>,
    /// The inner one's, of two.
    pub inner_vlan: Option<u16>,
    /// Ethernet address it came from.
    pub src: Option<[u8; 6]>,
    /// Ethernet address it went to.
    pub dst: Option<[u8; 6]>,
}

/// A packet's [`LinkInfo`], by its place in the list kept beside the packets of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkPlace(u32);

impl LinkPlace {
    /// Not asked for, or inside a tunnel.
    pub const NONE: Self = Self(u32::MAX);

    /// The one at this place of the list.
    pub fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// What it says, from that list.
    pub fn of(self, links: &[LinkInfo]) -> Option<&LinkInfo> {
        links.get(usize::try_from(self.0).ok()?)
    }
}

/// The innermost tunnel around a packet, by its place in the list kept beside the packets of a
/// block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent(u32);

impl Parent {
    /// Not in a tunnel.
    pub const NONE: Self = Self(u32::MAX);

    /// The tunnel at this place of the list.
    pub fn at(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// The tunnel's key, from that list.
    pub fn of(self, parents: &[FlowKey]) -> Option<&FlowKey> {
        parents.get(usize::try_from(self.0).ok()?)
    }
}

/// Where a packet's payload lies: in the bytes of its block or, where it was put together from
/// fragments, in what is kept beside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadPlace {
    /// From its first byte; the highest bit says "beside".
    at: u32,
    len: u32,
}

/// The bit that says where a payload lies.
const BESIDE: u32 = 1 << 31;

impl PayloadPlace {
    /// There is none, or nothing of it was captured.
    pub const NONE: Self = Self { at: 0, len: 0 };

    /// So many bytes, `at` of their block.
    #[inline]
    pub fn in_block(at: usize, len: usize) -> Self {
        match (u32::try_from(at), u32::try_from(len)) {
            (Ok(at), Ok(len)) if (at | len) & BESIDE == 0 => Self { at, len },
            _ => Self::NONE,
        }
    }

    /// So many bytes, `at` of what is kept beside the block.
    pub fn beside(at: usize, len: usize) -> Self {
        let place = Self::in_block(at, len);
        Self {
            at: place.at | BESIDE,
            ..place
        }
    }

    /// How many bytes were captured; it may have had more on the wire.
    pub const fn len(self) -> u32 {
        self.len
    }

    /// Whether there is nothing of it.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Its bytes, from those of the block and those beside.
    pub fn of<'a>(self, block: &'a [u8], beside: &'a [u8]) -> &'a [u8] {
        let bytes = if self.at & BESIDE == 0 { block } else { beside };
        let at = usize::try_from(self.at & !BESIDE).unwrap_or(usize::MAX);
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        bytes
            .get(at..)
            .and_then(|bytes| bytes.get(..len))
            .unwrap_or_default()
    }
}

/// What puts packets into packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TunnelKind {
    /// IP in IP, 6in4, 6to4.
    Ip,
    /// GRE, PPTP, ERSPAN.
    Gre,
    /// VXLAN.
    Vxlan,
    /// Geneve.
    Geneve,
    /// Teredo.
    Teredo,
    /// GTPv1-U.
    Gtp,
    /// AYIYA.
    Ayiya,
}

impl Packet {
    /// One that says nothing.
    pub const EMPTY: Self = Self {
        ts: Timestamp::ZERO,
        hash: 0,
        index: 0,
        ip_len: 0,
        key: FlowKey::EMPTY,
        way: Way::Up,
        link: LinkPlace::NONE,
        parent: Parent::NONE,
        carries: None,
        body: FlatBody::new(OTHER, false, 0),
        payload: PayloadPlace::NONE,
    };

    /// The protocol above IP.
    pub const fn proto(&self) -> IpProto {
        self.key.proto()
    }
}

/// What stands above IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// A TCP segment with a valid header and checksum.
    Tcp(Segment),
    /// A UDP datagram.
    Udp(Datagram),
    /// An ICMP or ICMPv6 message.
    Icmp(Message),
    /// Any other protocol.
    Other,
    /// A tunnel named by its two addresses: it has no row in conn.log.
    Tunnel,
    /// Names a flow but adds nothing to it: its checksum is wrong.
    BadChecksum {
        /// The TCP flags, where it is TCP: they still tell who opened the flow.
        flags: TcpFlags,
        /// The TCP sequence number: with a SYN it still tells a new flow from the one before.
        seq: u32,
    },
    /// Names a flow but adds nothing to it: its transport header is cut or impossible.
    BadHeader {
        /// The TCP flags, where it is TCP and they were captured.
        flags: TcpFlags,
    },
}

/// A [`Body`] in two words: it travels in registers, and is written to where it stays at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlatBody {
    /// From the lowest: kind (8 bits), flags (8), window (16), length (32).
    head: u64,
    /// Sequence number below, acknowledgement above.
    numbers: u64,
}

const TCP: u8 = 0;
const UDP: u8 = 1;
const ICMP: u8 = 2;
const OTHER: u8 = 3;
const TUNNEL: u8 = 4;
const BAD_CHECKSUM: u8 = 5;
const BAD_HEADER: u8 = 6;
/// Beside the kind: all of it was captured; for UDP, it is a DNS reply.
const HOLDS: u8 = 0x80;

impl FlatBody {
    #[inline]
    const fn new(kind: u8, holds: bool, len: u32) -> Self {
        let kind = if holds { kind | HOLDS } else { kind };
        Self {
            head: kind as u64 | (len as u64) << 32,
            numbers: 0,
        }
    }

    #[inline]
    const fn with_flags(self, flags: TcpFlags, seq: u32) -> Self {
        Self {
            head: self.head | (flags.0 as u64) << 8,
            numbers: seq as u64,
        }
    }

    /// The same as a TCP segment, if it is one.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "parts of words are taken out"
    )]
    pub(crate) const fn tcp(&self) -> Option<Segment> {
        if (self.head as u8) & !HOLDS != TCP {
            return None;
        }
        Some(Segment {
            seq: self.numbers as u32,
            ack: (self.numbers >> 32) as u32,
            len: (self.head >> 32) as u32,
            window: (self.head >> 16) as u16,
            flags: TcpFlags((self.head >> 8) as u8),
            whole: self.head as u8 & HOLDS != 0,
        })
    }

    /// The same as one of its kinds.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "parts of words are taken out"
    )]
    pub const fn get(&self) -> Body {
        let (len, seq) = ((self.head >> 32) as u32, self.numbers as u32);
        let flags = TcpFlags((self.head >> 8) as u8);
        let kind = self.head as u8;
        let holds = kind & HOLDS != 0;
        match kind & !HOLDS {
            TCP => Body::Tcp(Segment {
                seq,
                ack: (self.numbers >> 32) as u32,
                len,
                window: (self.head >> 16) as u16,
                flags,
                whole: holds,
            }),
            UDP => Body::Udp(Datagram {
                len,
                dns_reply: holds,
            }),
            ICMP => Body::Icmp(Message { len, whole: holds }),
            TUNNEL => Body::Tunnel,
            BAD_CHECKSUM => Body::BadChecksum { flags, seq },
            BAD_HEADER => Body::BadHeader { flags },
            _ => Body::Other,
        }
    }
}

impl From<Body> for FlatBody {
    #[inline]
    fn from(body: Body) -> Self {
        match body {
            Body::Tcp(segment) => {
                let flat = Self::new(TCP, segment.whole, segment.len)
                    .with_flags(segment.flags, segment.seq);
                Self {
                    head: flat.head | u64::from(segment.window) << 16,
                    numbers: flat.numbers | u64::from(segment.ack) << 32,
                }
            }
            Body::Udp(datagram) => Self::new(UDP, datagram.dns_reply, datagram.len),
            Body::Icmp(message) => Self::new(ICMP, message.whole, message.len),
            Body::Other => Self::new(OTHER, false, 0),
            Body::Tunnel => Self::new(TUNNEL, false, 0),
            Body::BadChecksum { flags, seq } => {
                Self::new(BAD_CHECKSUM, false, 0).with_flags(flags, seq)
            }
            Body::BadHeader { flags } => Self::new(BAD_HEADER, false, 0).with_flags(flags, 0),
        }
    }
}

/// A TCP segment (RFC 9293, 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; means something only with the ACK flag.
    pub ack: u32,
    /// Payload bytes by the IP header.
    pub len: u32,
    /// Window as sent, unscaled: only a window of zero is told.
    pub window: u16,
    /// Control bits.
    pub flags: TcpFlags,
    /// Whether all of the payload was captured.
    pub whole: bool,
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Payload bytes by the UDP length field; 0 where it claims less than its own header.
    pub len: u32,
    /// Port 53 and its kin: the payload is a DNS message whose QR bit says "response".
    pub dns_reply: bool,
}

/// An ICMP message (RFC 792, RFC 4443).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Bytes after the first eight, by the IP header.
    pub len: u32,
    /// Whether all of it was captured; Zeek counts no packet for the others.
    pub whole: bool,
}

/// TCP control bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }
    /// SYN.
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }
    /// RST.
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }
    /// ACK, and neither SYN, FIN nor RST.
    pub const fn is_mere_ack(self) -> bool {
        self.0 & 0x17 == 0x10
    }
    /// ACK.
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
    /// URG.
    pub const fn urg(self) -> bool {
        self.0 & 0x20 != 0
    }
}
