//! From captured bytes to [`Packet`]s, or the reason why there is none.
//!
//! Layer by layer, each in a file of its own: [`link`] finds the IP header, [`ip`] the transport
//! header, [`transport`] what the flow table wants to know; [`tunnel`] finds packets inside
//! packets, for which it all begins again, up to [`MAX_TUNNELS`] deep. Rules are those of
//! `docs/conn-log.md`; nothing is allocated but for fragments, which must be kept.

mod checksum;
mod fragment;
mod ip;
mod link;
mod odd;
mod reason;
mod transport;
mod tunnel;
mod usual;
mod wireless;

#[cfg(test)]
mod tests;

use crate::key::{FlowKey, KeyHasher, Way};
use crate::packet::{Body, LinkInfo, LinkPlace, Packet, Parent, PayloadPlace, TunnelKind};
use crate::protocol::Service;
use crate::{IpProto, Timestamp};

pub use fragment::{Fragment, FragmentConfig, Fragments};
pub use link::LinkType;
pub use odd::OddFrame;
pub use reason::{DropCounts, DropReason};

/// How deep tunnels may be nested, as in Zeek's `Tunnel::max_depth`.
pub const MAX_TUNNELS: u8 = 4;

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
    /// Where its bytes begin in the bytes of that block.
    pub at: usize,
}

/// Where a frame's packets go.
pub trait PacketSink {
    /// Makes room for a packet whose key has this hash, to be filled in where it will stay.
    fn packet(&mut self, hash: u64) -> &mut Packet;
    /// Takes a packet that is ready.
    #[inline]
    fn put(&mut self, packet: Packet) {
        let hash = packet.hash;
        *self.packet(hash) = packet;
    }
    /// Remembers what a frame's link layer says, to be named by its packets.
    fn link(&mut self, info: LinkInfo) -> LinkPlace;
    /// Remembers the flow of a tunnel, to be named by the packets inside.
    fn parent(&mut self, key: FlowKey) -> Parent;
    /// Takes a fragment, to be put together with its kin in capture order.
    fn fragment(&mut self, fragment: Fragment);
    /// Keeps a datagram that was put together beside the bytes of the block, for as long as its
    /// packets are there. Returns where it begins.
    fn keep(&mut self, datagram: &[u8]) -> usize;
    /// Counts a packet inside a tunnel that was not processed, the tunnel's own being so.
    fn inner_dropped(&mut self, reason: DropReason);
    /// Something is odd about a frame.
    fn odd(&mut self, odd: OddFrame) {
        let _ = odd;
    }
}

/// Packets alone: for those who have no use for tunnels' names and fragments.
impl PacketSink for Vec<Packet> {
    fn packet(&mut self, _hash: u64) -> &mut Packet {
        self.push_mut(Packet::EMPTY)
    }

    fn link(&mut self, _: LinkInfo) -> LinkPlace {
        LinkPlace::NONE
    }

    fn parent(&mut self, _: FlowKey) -> Parent {
        Parent::NONE
    }

    fn fragment(&mut self, _: Fragment) {}

    fn keep(&mut self, _: &[u8]) -> usize {
        0
    }

    fn inner_dropped(&mut self, _: DropReason) {}
}

/// What became of a frame that was not dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decoded {
    /// It gave a packet or more.
    Processed,
    /// It is a fragment: it counts when its datagram is complete, or given up.
    Held,
}

/// Turns frames into packets.
#[derive(Clone, Debug)]
pub struct Decoder {
    hasher: KeyHasher,
    checksums: Checksums,
    links: Links,
}

/// Whether VLAN tags and Ethernet addresses are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Links {
    /// They are not.
    #[default]
    Skip,
    /// They are: some more work for each packet.
    Note,
}

/// What stays the same for all packets of a frame, and where among nested ones we are.
#[derive(Clone, Copy, Debug)]
struct Place {
    ts: Timestamp,
    index: u32,
    depth: u8,
    link: LinkPlace,
    parent: Parent,
    origin: Origin,
}

/// Where the bytes lie that a frame's packets are cut from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    /// The address at which the bytes of the block begin, or those beside it. Only distances from
    /// it mean anything.
    base: usize,
    beside: bool,
}

impl Origin {
    /// Of `bytes`, which begin `at` in their block.
    fn block(bytes: &[u8], at: usize) -> Self {
        Self {
            base: bytes.as_ptr().addr().wrapping_sub(at),
            beside: false,
        }
    }

    /// Of `bytes`, of which a copy begins `at` beside the block.
    fn beside(bytes: &[u8], at: usize) -> Self {
        Self {
            beside: true,
            ..Self::block(bytes, at)
        }
    }

    /// Where a part of the bytes lies.
    #[inline]
    fn place(self, part: &[u8]) -> PayloadPlace {
        let at = part.as_ptr().addr().wrapping_sub(self.base);
        if self.beside {
            PayloadPlace::beside(at, part.len())
        } else {
            PayloadPlace::in_block(at, part.len())
        }
    }
}

impl Place {
    /// The place of what is inside a tunnel.
    const fn inside(self, parent: Parent) -> Self {
        Self {
            depth: self.depth + 1,
            link: LinkPlace::NONE,
            parent,
            ..self
        }
    }
}

impl Decoder {
    /// A decoder whose keys are hashed with `seed`.
    pub const fn new(seed: u64, checksums: Checksums) -> Self {
        Self {
            hasher: KeyHasher::new(seed),
            checksums,
            links: Links::Skip,
        }
    }

    /// The same, noting VLAN tags and Ethernet addresses or not.
    #[must_use]
    pub const fn with_links(self, links: Links) -> Self {
        Self { links, ..self }
    }

    /// Decodes one frame into `sink`.
    ///
    /// A packet whose transport header or checksum is wrong still names a flow, so the sink gets
    /// it although the frame counts as dropped.
    #[inline]
    pub fn decode(
        &self,
        frame: Frame<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let link = match self.links {
            Links::Skip => LinkPlace::NONE,
            Links::Note => sink.link(link::info(frame.link, frame.bytes)),
        };
        if self.usual(&frame, link, sink).is_some() {
            return Ok(Decoded::Processed);
        }
        self.layers(&frame, link, sink)
    }

    /// Goes through a frame layer by layer.
    #[inline(never)]
    fn layers(
        &self,
        frame: &Frame<'_>,
        link: LinkPlace,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let place = Place {
            ts: frame.ts,
            index: frame.index,
            depth: 0,
            link,
            parent: Parent::NONE,
            origin: Origin::block(frame.bytes, frame.at),
        };
        let wire_len = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
        self.link(place, frame.link, frame.bytes, wire_len, sink)
    }

    /// Decodes a datagram that was put together from fragments.
    pub fn decode_whole(
        &self,
        datagram: &Fragment,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let bytes = datagram.bytes();
        let place = Place {
            origin: Origin::beside(bytes, sink.keep(bytes)),
            ..datagram.place()
        };
        let packet = ip::parse(bytes, bytes.len(), Checksums::Ignore)?;
        self.packet(place, &packet, sink)
    }

    fn link(
        &self,
        place: Place,
        link: LinkType,
        bytes: &[u8],
        wire_len: usize,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let offset = link::ip_offset(link, bytes)?;
        let bytes = bytes.get(offset..).ok_or(DropReason::TruncatedLink)?;
        self.ip(place, bytes, wire_len.saturating_sub(offset), sink)
    }

    fn ip(
        &self,
        place: Place,
        bytes: &[u8],
        wire_len: usize,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let wire_len = wire_len.max(bytes.len());
        let packet = match ip::parse(bytes, wire_len, self.checksums) {
            Ok(packet) => packet,
            Err(reason) => {
                place.odd_header(bytes, wire_len, reason, sink);
                return Err(reason);
            }
        };
        if packet.is_unusual() {
            place.odd_packet(&packet, sink);
        }
        if let Some(part) = packet.fragment
            && !(part.is_first() && packet.is_cut())
        {
            // One that was captured in part cannot be put together.
            if packet.is_cut() {
                return Err(DropReason::Fragment);
            }
            sink.fragment(Fragment::of(place, &packet, part));
            return Ok(Decoded::Held);
        }
        self.packet(place, &packet, sink)
    }

    fn packet(
        &self,
        place: Place,
        packet: &ip::Ip<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        match packet.proto {
            IpProto::IPV4 | IpProto::IPV6 | IpProto::GRE => self.ip_tunnel(place, packet, sink),
            // ESP, "no next header", mobility.
            IpProto(50 | 59 | 135) => Err(DropReason::NoTransport),
            _ => self.transport(place, packet, sink),
        }
    }

    fn transport(
        &self,
        place: Place,
        packet: &ip::Ip<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let names = transport::names(packet).inspect_err(|_| place.odd_transport(packet, sink))?;
        let (key, way) = transport::key(packet, names);
        let body = transport::body(packet, self.checksums);
        let inner = match body.get() {
            Body::Udp(_) => tunnel::in_udp(packet, &key, way),
            _ => None,
        };
        let inner_kind = inner.as_ref().map(|inner| inner.kind);
        let too_deep = place.depth >= MAX_TUNNELS;
        let outer = self.put(place, packet, key, way, sink);
        outer.carries = inner_kind.filter(|_| !too_deep);
        outer.body = body;
        outer.payload = place.origin.place(transport::payload(packet, body));
        let dropped = DropReason::of(&body.get());
        match inner {
            None => {}
            Some(_) if too_deep => sink.inner_dropped(DropReason::TunnelDepth),
            Some(inner) => {
                let inside = place.inside(sink.parent(key));
                if let Err(reason) = self.inside(inside, &inner, sink) {
                    sink.inner_dropped(reason);
                }
            }
        }
        dropped.map_or(Ok(Decoded::Processed), Err)
    }

    /// Puts a packet that carries nothing and says nothing yet.
    #[inline]
    fn put<'a>(
        &self,
        place: Place,
        packet: &ip::Ip<'_>,
        key: FlowKey,
        way: Way,
        sink: &'a mut impl PacketSink,
    ) -> &'a mut Packet {
        let hash = self.hasher.hash(&key);
        let put = sink.packet(hash);
        put.ts = place.ts;
        put.hash = hash;
        put.index = place.index;
        put.ip_len = packet.counted_len;
        put.key = key;
        put.way = way;
        put.link = place.link;
        put.parent = place.parent;
        put
    }

    /// IP or Ethernet right inside IP: the tunnel has no ports, and no row in conn.log.
    fn ip_tunnel(
        &self,
        place: Place,
        packet: &ip::Ip<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        if place.depth >= MAX_TUNNELS {
            return Err(DropReason::TunnelDepth);
        }
        let inner = tunnel::in_ip(packet).inspect_err(|_| place.odd_inner(packet, sink))?;
        self.through(place, packet, &inner, sink)
    }

    /// Enters a tunnel that is named by its two addresses alone.
    fn through(
        &self,
        place: Place,
        packet: &ip::Ip<'_>,
        inner: &tunnel::Inner<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let (key, way) = tunnel::key_of(packet);
        let outer = self.put(place, packet, key, way, sink);
        outer.carries = Some(inner.kind);
        outer.body = Body::Tunnel.into();
        let place = place.inside(sink.parent(key));
        // A fragment inside is held, but its frame was processed: it gave the tunnel's packet.
        self.inside(place, inner, sink).map(|_| Decoded::Processed)
    }

    fn inside(
        &self,
        place: Place,
        inner: &tunnel::Inner<'_>,
        sink: &mut impl PacketSink,
    ) -> Result<Decoded, DropReason> {
        let (bytes, wire_len) = (inner.bytes, inner.wire_len);
        match inner.first {
            tunnel::First::Ip => self.ip(place, bytes, wire_len, sink),
            tunnel::First::Link(link) => self.link(place, link, bytes, wire_len, sink),
            tunnel::First::Ether(ether_type) => {
                let offset = link::ether(bytes, ether_type, 0)?;
                let bytes = bytes.get(offset..).ok_or(DropReason::TruncatedLink)?;
                self.ip(place, bytes, wire_len.saturating_sub(offset), sink)
            }
            tunnel::First::Gre => {
                // GRE inside UDP (RFC 8086): the tunnel of its own that GRE is.
                let outer = inner.outer.as_ref().ok_or(DropReason::Tunnel)?;
                if place.depth >= MAX_TUNNELS {
                    return Err(DropReason::TunnelDepth);
                }
                let inside = tunnel::in_gre(bytes, wire_len)?;
                self.through(place, outer, &inside, sink)
            }
        }
    }
}

impl TunnelKind {
    /// What conn.log calls it as the service of a flow that carries it.
    pub(crate) const fn service(self) -> Option<Service> {
        match self {
            Self::Ip | Self::Gre => None,
            Self::Vxlan => Some(Service("vxlan")),
            Self::Geneve => Some(Service("geneve")),
            Self::Teredo => Some(Service("teredo")),
            Self::Gtp => Some(Service("gtpv1")),
            Self::Ayiya => Some(Service("ayiya")),
        }
    }

    /// Zeek's name for it in tunnel.log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "Tunnel::IP",
            Self::Gre => "Tunnel::GRE",
            Self::Vxlan => "Tunnel::VXLAN",
            Self::Geneve => "Tunnel::GENEVE",
            Self::Teredo => "Tunnel::TEREDO",
            Self::Gtp => "Tunnel::GTPv1",
            Self::Ayiya => "Tunnel::AYIYA",
        }
    }
}

/// Two bytes at `at`, in network order.
fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_be_bytes)
}

/// Four bytes at `at`, in network order.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}
