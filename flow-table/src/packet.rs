//! What the flow table needs to know of a packet: a descriptor that travels to a shard while the
//! bytes stay where they were read.

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
    pub body: Body,
}

/// What the link layer of a frame says beside where its packet begins.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
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
    /// ACK.
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}
