//! IPv4 (RFC 791) and IPv6 (RFC 8200): addresses, lengths, and where the transport header begins.

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::{Checksums, DropReason, be16, be32, checksum};
use crate::IpProto;
use crate::key::Addr;

/// An IP packet whose header made sense.
#[derive(Clone)]
pub(super) struct Ip<'a> {
    pub(super) src: Addr,
    pub(super) dst: Addr,
    pub(super) proto: IpProto,
    /// What conn.log counts: the header's own statement.
    pub(super) counted_len: u32,
    /// Bytes after the IP header (and IPv6 extensions), by the header; what the capture holds
    /// may be less.
    pub(super) payload_len: usize,
    /// Bytes after the IP header that were captured, link-layer padding cut off.
    pub(super) payload: &'a [u8],
    /// Which part of a datagram it is, if only a part.
    pub(super) fragment: Option<Part>,
    /// The headers before the payload.
    header: &'a [u8],
    /// Where in them the fragment header stands, and the byte that announces it (IPv6).
    fragment_header: Option<(usize, usize)>,
}

/// Which part of a datagram a fragment is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) id: u32,
    /// Bytes before it.
    pub(super) offset: u16,
    /// Whether more follow.
    pub(super) more: bool,
}

impl Part {
    pub(super) const fn is_first(self) -> bool {
        self.offset == 0
    }
}

impl Ip<'_> {
    /// By the header: an IPv6 packet may well name IPv4-mapped addresses.
    pub(super) fn is_v4(&self) -> bool {
        self.header.first().is_some_and(|first| first >> 4 == 4)
    }

    /// Whether there is anything in its header that few have.
    pub(super) const fn is_unusual(&self) -> bool {
        const LEN_V4: usize = 20;
        let plain = self.header.len() == LEN_V4 || self.header.len() == HEADER_LEN_V6;
        !plain || self.counted_len == 0 || self.fragment.is_some()
    }

    /// Whether it is IPv4 and says "don't fragment".
    pub(super) fn must_not_be_cut(&self) -> bool {
        self.is_v4() && self.header.get(6).is_some_and(|flags| flags & 0x40 != 0)
    }

    /// The headers before the payload.
    pub(super) const fn header(&self) -> &[u8] {
        self.header
    }

    /// Whether the capture holds less of it than there was.
    pub(super) const fn is_cut(&self) -> bool {
        self.payload.len() < self.payload_len
    }

    /// The headers, as they would be had the packet not been cut into fragments.
    pub(super) fn unfragmented_header(&self) -> Vec<u8> {
        let mut header = self.header.to_vec();
        if self.is_v4() {
            if let Some(place) = header.get_mut(6..8) {
                place.fill(0);
            }
        } else if let Some((at, before)) = self.fragment_header {
            let next = header.get(at).copied().unwrap_or(59);
            header.drain(at..(at + FRAGMENT_HEADER).min(header.len()));
            if let Some(place) = header.get_mut(before) {
                *place = next;
            }
        }
        header
    }
}

const HEADER_LEN_V6: usize = 40;
const FRAGMENT_HEADER: usize = 8;

/// Parses the header at the beginning of `bytes`, of the version it claims. The packet had
/// `wire_len` bytes on the wire.
#[inline]
pub(super) fn parse(
    bytes: &[u8],
    wire_len: usize,
    checksums: Checksums,
) -> Result<Ip<'_>, DropReason> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => v4(bytes, wire_len, checksums),
        Some(6) => v6(bytes, wire_len),
        _ => Err(DropReason::BadIpHeader),
    }
}

/// Version and length that a header states, without a look at anything else.
pub(super) fn stated_len(bytes: &[u8]) -> Option<(u8, usize)> {
    match bytes.first()? >> 4 {
        4 if bytes.len() >= 20 => Some((4, usize::from(be16(bytes, 2)?))),
        6 if bytes.len() >= HEADER_LEN_V6 => {
            Some((6, HEADER_LEN_V6 + usize::from(be16(bytes, 4)?)))
        }
        _ => None,
    }
}

/// Makes a datagram's header state the length it has.
pub(super) fn set_len(bytes: &mut [u8]) {
    let is_v4 = bytes.first().is_some_and(|first| first >> 4 == 4);
    let (at, len) = if is_v4 {
        (2, bytes.len())
    } else {
        (4, bytes.len().saturating_sub(40))
    };
    let len = u16::try_from(len & 0xffff).unwrap_or_default();
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

#[inline]
fn v4(bytes: &[u8], wire_len: usize, checksums: Checksums) -> Result<Ip<'_>, DropReason> {
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| DropReason::BadIpHeader)?;
    let header_len = header.slice().len();
    let stated = usize::from(header.total_len());
    let total = match (stated, checksums) {
        // A sender whose card cuts large segments may leave the field empty.
        (0, Checksums::Ignore) => bytes.len(),
        (0, Checksums::Verify) => return Err(DropReason::ZeroLength),
        (stated, _) => stated,
    };
    if wire_len < total {
        return Err(DropReason::TruncatedIp);
    }
    if header_len > total {
        return Err(DropReason::BadIpHeader);
    }
    if checksums == Checksums::Verify && !checksum::is_right(checksum::sum_header(header.slice())) {
        return Err(DropReason::BadIpChecksum);
    }
    let captured = bytes.get(..total).unwrap_or(bytes);
    let part = Part {
        id: header.identification().into(),
        offset: header.fragments_offset().value() << 3,
        more: header.more_fragments(),
    };
    Ok(Ip {
        src: Addr::v4(header.source()),
        dst: Addr::v4(header.destination()),
        proto: IpProto(header.protocol().0),
        counted_len: u32::from(header.total_len()),
        payload_len: total - header_len,
        payload: captured.get(header_len..).unwrap_or_default(),
        fragment: (part.more || part.offset != 0).then_some(part),
        header: header.slice(),
        fragment_header: None,
    })
}

fn v6(bytes: &[u8], wire_len: usize) -> Result<Ip<'_>, DropReason> {
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| DropReason::BadIpHeader)?;
    let stated = usize::from(header.payload_length());
    // Zero: a jumbogram (RFC 2675), or a sender whose card cuts large segments.
    let total = if stated == 0 {
        bytes.len()
    } else {
        stated + HEADER_LEN_V6
    };
    if wire_len < total {
        return Err(DropReason::TruncatedIp);
    }
    let captured = bytes.get(..total).unwrap_or(bytes);
    let chain = walk_extensions(captured, header.next_header().0)?;
    let src = chain.home.unwrap_or(header.source());
    let dst = chain.last_stop.unwrap_or(header.destination());
    Ok(Ip {
        src: Addr::v6(src),
        dst: Addr::v6(dst),
        proto: chain.next,
        counted_len: u32::from(header.payload_length()) + 40 - chain.atomic,
        payload_len: total - chain.len,
        payload: captured.get(chain.len..).unwrap_or_default(),
        fragment: chain.part,
        header: captured.get(..chain.len).unwrap_or_default(),
        fragment_header: chain.fragment_header,
    })
}

/// IPv6 extension headers.
struct Chain {
    /// The protocol after them.
    next: IpProto,
    /// Bytes of all headers.
    len: usize,
    part: Option<Part>,
    /// Where the fragment header stands, and the byte that announces it.
    fragment_header: Option<(usize, usize)>,
    /// Bytes of fragment headers of packets that are whole: as if put together without them.
    atomic: u32,
    /// Where a routing header sends the packet in the end (RFC 8200, 4.4; RFC 6275, 6.4).
    last_stop: Option<[u8; 16]>,
    /// Whose it is when away from home (RFC 6275, 6.3).
    home: Option<[u8; 16]>,
}

/// Walks hop-by-hop options, routing, fragment, authentication and destination options, in any
/// order. Each step moves at least eight bytes ahead, so the walk ends; it also ends at a fragment
/// header, after which only the first part has more of them.
fn walk_extensions(packet: &[u8], first: u8) -> Result<Chain, DropReason> {
    let bad = DropReason::BadIpHeader;
    let mut chain = Chain {
        next: IpProto(first),
        len: HEADER_LEN_V6,
        part: None,
        fragment_header: None,
        atomic: 0,
        last_stop: None,
        home: None,
    };
    let mut announced_at = 6;
    loop {
        let at = chain.len;
        let units = || {
            packet
                .get(at + 1)
                .map(|units| usize::from(*units))
                .ok_or(bad)
        };
        let step = match chain.next.0 {
            43 => {
                let step = 8 + 8 * units()?;
                chain.last_stop = last_stop(packet.get(at..at + step)).or(chain.last_stop);
                step
            }
            60 => {
                let step = 8 + 8 * units()?;
                chain.home = home(packet.get(at + 2..at + step)).or(chain.home);
                step
            }
            0 => 8 + 8 * units()?,
            44 => {
                let place = be16(packet, at + 2).ok_or(bad)?;
                let id = be32(packet, at + 4).ok_or(bad)?;
                let part = Part {
                    id,
                    offset: place & 0xfff8,
                    more: place & 1 != 0,
                };
                // Neither offset nor "more": an atomic fragment (RFC 6946) is a whole packet.
                if part.more || part.offset != 0 {
                    chain.part = Some(part);
                    chain.fragment_header = Some((at, announced_at));
                } else {
                    chain.atomic += 8;
                }
                FRAGMENT_HEADER
            }
            51 => 8 + 4 * units()?,
            _ => return Ok(chain),
        };
        chain.next = IpProto(*packet.get(at).ok_or(bad)?);
        announced_at = at;
        chain.len += step;
        if chain.len > packet.len() {
            return Err(bad);
        }
        if chain.part.is_some() {
            return Ok(chain);
        }
    }
}

/// The last address of a routing header of type 0 or 2 that has not been reached yet.
fn last_stop(header: Option<&[u8]>) -> Option<[u8; 16]> {
    let header = header?;
    match (header.get(2)?, header.get(3)?) {
        (0 | 2, left) if *left > 0 && header.len() % 16 == 8 => {
            header.last_chunk().filter(|_| header.len() >= 24).copied()
        }
        _ => None,
    }
}

/// The home address among destination options.
fn home(options: Option<&[u8]>) -> Option<[u8; 16]> {
    const PAD1: u8 = 0;
    const HOME_ADDRESS: u8 = 201;
    let mut options = options?;
    while let [kind, rest @ ..] = options {
        if *kind == PAD1 {
            options = rest;
            continue;
        }
        let (len, rest) = rest.split_first()?;
        let (value, after) = rest.split_at_checked(usize::from(*len))?;
        if *kind == HOME_ADDRESS {
            return value.try_into().ok();
        }
        options = after;
    }
    None
}
