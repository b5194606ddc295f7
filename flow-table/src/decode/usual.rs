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

/// Lengths of headers.
const ETHERNET: u8 = 14;
const TAG: u8 = 4;
const HEADER_V4: u8 = 20;
const HEADER_V6: u8 = 40;
const TCP: u8 = 20;
const UDP: u8 = 8;

/// Bytes of which more may have been on the wire.
#[derive(Clone, Copy)]
struct Cut<'a> {
    bytes: &'a [u8],
    wire_len: u32,
}

impl<'a> Cut<'a> {
    /// What was captured of the first `len` bytes; `None` if not even the wire had so many.
    #[inline]
    fn first(self, len: u32) -> Option<&'a [u8]> {
        match self.bytes.get(..usize::try_from(len).ok()?) {
            None if self.wire_len < len => None,
            None => Some(self.bytes),
            first => first,
        }
    }
}

/// An IP packet.
struct Ip<'a, Ends> {
    ends: Ends,
    proto: IpProto,
    /// Bytes behind the header, by the header.
    len: u16,
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
    const HEADER: u8;
    /// Whether UDP may do without a checksum.
    const MAY_LACK_CHECKSUM: bool;
    /// The key, which way the packet goes, and the key's hash.
    fn names(self, src: u16, dst: u16, proto: IpProto, hasher: &KeyHasher) -> (FlowKey, Way, u64);
}

impl Ends for V4 {
    const HEADER: u8 = HEADER_V4;
    const MAY_LACK_CHECKSUM: bool = true;

    #[inline]
    fn names(self, src: u16, dst: u16, proto: IpProto, hasher: &KeyHasher) -> (FlowKey, Way, u64) {
        let (key, way) = FlowKey::of_v4((self.src, src), (self.dst, dst), proto);
        (key, way, hasher.hash_v4(&key))
    }
}

impl Ends for V6<'_> {
    const HEADER: u8 = HEADER_V6;
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
    header_len: u8,
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
        let (ethernet, behind) = frame.bytes.split_first_chunk::<{ ETHERNET as usize }>()?;
        let (version, bytes, at) = match be16([ethernet[12], ethernet[13]]) {
            TAGGED => {
                let (tag, behind) = behind.split_first_chunk::<{ TAG as usize }>()?;
                (be16([tag[2], tag[3]]), behind, ETHERNET + TAG)
            }
            version => (version, behind, ETHERNET),
        };
        let bytes = Cut {
            bytes,
            wire_len: frame.wire_len.saturating_sub(at.into()),
        };
        let at = frame.at + usize::from(at);
        match version {
            IPV4 => sink.put(self.above(&v4(bytes, self.checksums)?, frame, at, link)?),
            IPV6 => sink.put(self.above(&v6(bytes, self.checksums)?, frame, at, link)?),
            _ => return None,
        }
        Some(())
    }

    /// The packet of an IP packet that begins `at` in its block.
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
        let headers = E::HEADER + above.header_len;
        let payload_at = at + usize::from(headers);
        Some(Packet {
            ts: frame.ts,
            hash,
            index: frame.index,
            ip_len: u32::from(E::HEADER) + u32::from(ip.len),
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
fn v4(bytes: Cut<'_>, checksums: Checksums) -> Option<Ip<'_, V4>> {
    let header = bytes.bytes.first_chunk::<{ HEADER_V4 as usize }>()?;
    let [a, b, c, src, dst] = words(header)?;
    let [version, _, len_high, len_low] = a.to_le_bytes();
    let [_, _, fragment_high, fragment_low] = b.to_le_bytes();
    let [_, proto, _, _] = c.to_le_bytes();
    let len = be16([len_high, len_low]);
    let is_fragment = be16([fragment_high, fragment_low]) & 0x3fff != 0;
    if version != 0x45 || is_fragment {
        return None;
    }
    let ip = Ip {
        ends: V4 {
            src: src.swap_bytes(),
            dst: dst.swap_bytes(),
        },
        proto: IpProto(proto),
        len: len.checked_sub(HEADER_V4.into())?,
        payload: bytes.first(len.into())?.get(usize::from(HEADER_V4)..)?,
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
fn words(header: &[u8; HEADER_V4 as usize]) -> Option<[u32; 5]> {
    let (words, _) = header.as_chunks::<4>();
    let words: &[[u8; 4]; 5] = words.try_into().ok()?;
    Some(words.map(u32::from_le_bytes))
}

/// The packet with this header, if the checksum behind it is right.
#[inline]
fn v6(bytes: Cut<'_>, checksums: Checksums) -> Option<Ip<'_, V6<'_>>> {
    let header = bytes.bytes.first_chunk::<{ HEADER_V6 as usize }>()?;
    let (&[version, _, _, _, len_high, len_low, proto, _], addresses) =
        header.split_first_chunk()?;
    let (src, dst) = addresses.split_first_chunk()?;
    let len = be16([len_high, len_low]);
    if version >> 4 != 6 || len == 0 {
        return None;
    }
    let all = bytes.first(u32::from(HEADER_V6) + u32::from(len))?;
    let ip = Ip {
        ends: V6 {
            src,
            dst: dst.first_chunk()?,
        },
        proto: IpProto(proto),
        len,
        payload: all.get(usize::from(HEADER_V6)..)?,
    };
    if checksums == Checksums::Verify && ip.is_wrong(checksum::sum_words(addresses)) {
        return None;
    }
    Some(ip)
}

impl<E: Ends> Ip<'_, E> {
    /// Whether the checksum behind the header can be told to be wrong: it can only where all of
    /// the packet is there. `addresses` are added up as [`checksum::sum_swapped`] does.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "one call for each version of IP, for nearly every packet"
    )]
    fn is_wrong(&self, addresses: u64) -> bool {
        if self.payload.len() < usize::from(self.len) {
            return false;
        }
        if E::MAY_LACK_CHECKSUM
            && self.proto == IpProto::UDP
            && self.payload.get(6..8) == Some(&[0, 0])
        {
            return false;
        }
        let pseudo = u64::from(self.len.swap_bytes()) + (u64::from(self.proto.0) << 8) + addresses;
        !checksum::is_right(pseudo + checksum::sum_swapped(self.payload))
    }
}

#[inline]
fn tcp(len: u16, payload: &[u8]) -> Option<Transport> {
    let h = payload.first_chunk::<{ TCP as usize }>()?;
    let header_len = (h[12] >> 4) * 4;
    let captured = payload.len().checked_sub(header_len.into())?;
    let carried = u32::from(len).checked_sub(header_len.into())?;
    if header_len < TCP {
        return None;
    }
    let segment = Segment {
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        len: carried,
        window: be16([h[14], h[15]]),
        flags: TcpFlags(h[13]),
        whole: payload.len() >= usize::from(len),
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
    let (h, behind) = payload.split_first_chunk::<{ UDP as usize }>()?;
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
        header_len: UDP,
        captured: behind.len().min(len.into()),
    })
}

#[inline]
const fn be16(bytes: [u8; 2]) -> u16 {
    u16::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests;
