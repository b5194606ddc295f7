//! The usual frame in one go: TCP or UDP, in plain IP, in Ethernet with one tag or none.
//!
//! Nearly every frame is one, and nothing in it has to be searched for. Whatever is unusual about
//! a frame, a wrong checksum included, is left to the way through the layers, which comes to the
//! same packet for the frames that are handled here. Checksums come first: what is known before
//! that long call would have to be kept elsewhere meanwhile.

use super::{Checksums, Decoder, Frame, LinkType, PacketSink, checksum, transport, tunnel};
use crate::IpProto;
use crate::key::{Addr, End, FlowKey, KeyHasher, Way};
use crate::packet::{
    Body, Datagram, FlatBody, LinkPlace, Packet, Parent, PayloadPlace, Segment, TcpFlags,
};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TAGGED: u16 = 0x8100;

const ETHERNET_HEADER: usize = 14;
const TAG: usize = 4;
const HEADER_V4: usize = 20;
const HEADER_V6: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// An IP packet.
struct Ip<'a, Ends> {
    ends: Ends,
    proto: IpProto,
    /// Bytes behind the header, by the header.
    len: usize,
    /// What was captured of them.
    payload: &'a [u8],
}

/// The addresses of an IPv4 packet.
#[derive(Clone, Copy)]
struct V4 {
    src: u32,
    dst: u32,
}

/// The addresses of an IPv6 packet.
#[derive(Clone, Copy)]
struct V6<'a> {
    src: &'a [u8; 16],
    dst: &'a [u8; 16],
}

/// What both versions of IP have: each has code of its own made for it.
trait Ends: Copy {
    /// Bytes of the header.
    const HEADER: usize;
    /// Whether UDP may do without a checksum.
    const MAY_LACK_CHECKSUM: bool;
    /// The key, which way the packet goes, and the key's hash.
    fn names(self, src: u16, dst: u16, proto: IpProto, hasher: &KeyHasher) -> (FlowKey, Way, u64);
}

impl Ends for V4 {
    const HEADER: usize = HEADER_V4;
    const MAY_LACK_CHECKSUM: bool = true;

    #[inline]
    fn names(self, src: u16, dst: u16, proto: IpProto, hasher: &KeyHasher) -> (FlowKey, Way, u64) {
        let (key, way) = FlowKey::of_v4((self.src, src), (self.dst, dst), proto);
        (key, way, hasher.hash_v4(&key))
    }
}

impl Ends for V6<'_> {
    const HEADER: usize = HEADER_V6;
    const MAY_LACK_CHECKSUM: bool = false;

    #[inline]
    fn names(self, src: u16, dst: u16, proto: IpProto, hasher: &KeyHasher) -> (FlowKey, Way, u64) {
        let end = |addr: &[u8; 16], port| End {
            addr: Addr::v6(*addr),
            port,
        };
        let (key, way) = FlowKey::of(end(self.src, src), end(self.dst, dst), proto);
        (key, way, hasher.hash(&key))
    }
}

/// What stands behind the IP header.
struct Transport {
    src_port: u16,
    dst_port: u16,
    body: FlatBody,
    header_len: usize,
    /// Bytes that were captured behind its header.
    captured: usize,
}

impl Decoder {
    /// Puts the packet of a usual frame into `sink`; `None` if it is not one.
    #[inline(never)]
    pub(super) fn usual(
        &self,
        frame: &Frame<'_>,
        link: LinkPlace,
        sink: &mut impl PacketSink,
    ) -> Option<()> {
        if frame.link != LinkType::Ethernet {
            return None;
        }
        let (ethernet, behind) = frame.bytes.split_first_chunk::<ETHERNET_HEADER>()?;
        let (version, bytes, at) = match be16([ethernet[12], ethernet[13]]) {
            TAGGED => {
                let (tag, behind) = behind.split_first_chunk::<TAG>()?;
                (be16([tag[2], tag[3]]), behind, ETHERNET_HEADER + TAG)
            }
            version => (version, behind, ETHERNET_HEADER),
        };
        let wire_len = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
        let wire_len = wire_len.saturating_sub(at).max(bytes.len());
        match version {
            IPV4 => sink.put(self.above(&v4(bytes, wire_len, self.checksums)?, frame, at, link)?),
            IPV6 => sink.put(self.above(&v6(bytes, wire_len, self.checksums)?, frame, at, link)?),
            _ => return None,
        }
        Some(())
    }

    /// The packet of an IP packet that begins `at` in its frame.
    #[inline]
    fn above<E: Ends>(
        &self,
        ip: &Ip<'_, E>,
        frame: &Frame<'_>,
        at: usize,
        link: LinkPlace,
    ) -> Option<Packet> {
        let above = match ip.proto {
            IpProto::TCP => tcp(ip.len, ip.payload)?,
            IpProto::UDP => udp(ip.payload)?,
            _ => return None,
        };
        let (src, dst) = (above.src_port, above.dst_port);
        let (key, way, hash) = ip.ends.names(src, dst, ip.proto, &self.hasher);
        let payload_at = frame.at + at + E::HEADER + above.header_len;
        Some(Packet {
            ts: frame.ts,
            hash,
            index: frame.index,
            ip_len: u32::try_from(E::HEADER + ip.len).unwrap_or(u32::MAX),
            key,
            way,
            link,
            parent: Parent::NONE,
            carries: None,
            body: above.body,
            payload: PayloadPlace::in_block(payload_at, above.captured),
        })
    }
}

/// The packet with this header, if its checksums are right.
#[inline]
fn v4(bytes: &[u8], wire_len: usize, checksums: Checksums) -> Option<Ip<'_, V4>> {
    let header = bytes.first_chunk::<HEADER_V4>()?;
    let [a, b, c, src, dst] = words(header)?;
    let [version, _, len_high, len_low] = a.to_le_bytes();
    let [_, _, fragment_high, fragment_low] = b.to_le_bytes();
    let [_, proto, _, _] = c.to_le_bytes();
    let len = usize::from(be16([len_high, len_low]));
    let is_fragment = be16([fragment_high, fragment_low]) & 0x3fff != 0;
    if version != 0x45 || is_fragment || wire_len < len {
        return None;
    }
    let ip = Ip {
        ends: V4 {
            src: src.swap_bytes(),
            dst: dst.swap_bytes(),
        },
        proto: IpProto(proto),
        len: len.checked_sub(HEADER_V4)?,
        payload: bytes.get(..len).unwrap_or(bytes).get(HEADER_V4..)?,
    };
    if checksums == Checksums::Verify {
        let addresses = u64::from(src) + u64::from(dst);
        let others = u64::from(a) + u64::from(b) + u64::from(c);
        if !checksum::is_right(addresses + others) || ip.is_wrong(addresses) {
            return None;
        }
    }
    Some(ip)
}

/// A header of IPv4 as words whose bytes are swapped.
#[inline]
fn words(header: &[u8; HEADER_V4]) -> Option<[u32; 5]> {
    let (words, _) = header.as_chunks::<4>();
    let words: &[[u8; 4]; 5] = words.try_into().ok()?;
    Some(words.map(u32::from_le_bytes))
}

/// The packet with this header, if the checksum behind it is right.
#[inline]
fn v6(bytes: &[u8], wire_len: usize, checksums: Checksums) -> Option<Ip<'_, V6<'_>>> {
    let header = bytes.first_chunk::<HEADER_V6>()?;
    let (&[version, _, _, _, len_high, len_low, proto, _], addresses) =
        header.split_first_chunk()?;
    let (src, dst) = addresses.split_first_chunk()?;
    let len = usize::from(be16([len_high, len_low]));
    if version >> 4 != 6 || len == 0 || wire_len < HEADER_V6 + len {
        return None;
    }
    let behind = bytes.get(HEADER_V6..)?;
    let ip = Ip {
        ends: V6 {
            src,
            dst: dst.first_chunk()?,
        },
        proto: IpProto(proto),
        len,
        payload: behind.get(..len).unwrap_or(behind),
    };
    if checksums == Checksums::Verify && ip.is_wrong(checksum::sum_words(addresses)) {
        return None;
    }
    Some(ip)
}

impl<E: Ends> Ip<'_, E> {
    /// Whether the checksum behind the header can be told to be wrong: it can only where all of
    /// the packet is there. `addresses` are added up as [`checksum::sum_swapped`] does.
    #[inline]
    fn is_wrong(&self, addresses: u64) -> bool {
        if self.payload.len() < self.len {
            return false;
        }
        if E::MAY_LACK_CHECKSUM
            && self.proto == IpProto::UDP
            && self.payload.get(6..8) == Some(&[0, 0])
        {
            return false;
        }
        let len = u16::try_from(self.len).unwrap_or_default();
        let pseudo = u64::from(len.swap_bytes()) + (u64::from(self.proto.0) << 8) + addresses;
        !checksum::is_right(pseudo + checksum::sum_swapped(self.payload))
    }
}

#[inline]
fn tcp(len: usize, payload: &[u8]) -> Option<Transport> {
    let h = payload.first_chunk::<TCP_HEADER>()?;
    let header_len = usize::from(h[12] >> 4) * 4;
    let captured = payload.len().checked_sub(header_len)?;
    if header_len < TCP_HEADER {
        return None;
    }
    let segment = Segment {
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        len: u32::try_from(len - header_len).unwrap_or(u32::MAX),
        window: be16([h[14], h[15]]),
        flags: TcpFlags(h[13]),
        whole: payload.len() >= len,
    };
    Some(Transport {
        src_port: be16([h[0], h[1]]),
        dst_port: be16([h[2], h[3]]),
        body: Body::Tcp(segment).into(),
        header_len,
        captured,
    })
}

#[inline]
fn udp(payload: &[u8]) -> Option<Transport> {
    let (h, behind) = payload.split_first_chunk::<UDP_HEADER>()?;
    let (src_port, dst_port) = (be16([h[0], h[1]]), be16([h[2], h[3]]));
    if tunnel::may_be_in_udp(src_port, dst_port, behind) {
        return None;
    }
    let len = be16([h[4], h[5]]).saturating_sub(8);
    let datagram = Datagram {
        len: len.into(),
        dns_reply: transport::is_dns_reply(src_port, dst_port, payload),
    };
    Some(Transport {
        src_port,
        dst_port,
        body: Body::Udp(datagram).into(),
        header_len: UDP_HEADER,
        captured: behind.len().min(len.into()),
    })
}

#[inline]
const fn be16(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests;
