//! IPv4 (RFC 791) and IPv6 (RFC 8200): addresses, lengths, and where the transport header begins.

use etherparse::checksum::Sum16BitWords;
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::{Checksums, DropReason, Frame, be16};
use crate::IpProto;
use crate::key::Addr;

/// An IP packet whose header made sense.
pub(super) struct Ip<'a> {
    pub src: Addr,
    pub dst: Addr,
    pub proto: IpProto,
    /// What conn.log counts: the header's own statement.
    pub counted_len: u32,
    /// Bytes after the IP header (and IPv6 extensions), by the header; what the capture holds
    /// may be less.
    pub payload_len: usize,
    /// Bytes after the IP header that were captured, link-layer padding cut off.
    pub payload: &'a [u8],
    /// Sum over the pseudo header's addresses, for the transport's checksum.
    pub pseudo: Sum16BitWords,
}

impl Ip<'_> {
    pub(super) fn is_v4(&self) -> bool {
        self.src.is_v4()
    }
}

/// Parses the header at `offset`, of the version it claims.
pub(super) fn parse<'a>(
    frame: &Frame<'a>,
    offset: usize,
    checksums: Checksums,
) -> Result<Ip<'a>, DropReason> {
    let bytes = frame.bytes.get(offset..).ok_or(DropReason::TruncatedLink)?;
    let wire_len = (frame.wire_len as usize)
        .max(frame.bytes.len())
        .saturating_sub(offset);
    match bytes.first().map(|first| first >> 4) {
        Some(4) => v4(bytes, wire_len, checksums),
        Some(6) => v6(bytes, wire_len),
        _ => Err(DropReason::BadIpHeader),
    }
}

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
    if checksums == Checksums::Verify
        && Sum16BitWords::new()
            .add_slice(header.slice())
            .ones_complement()
            != 0
    {
        return Err(DropReason::BadIpChecksum);
    }
    let captured = bytes.get(..total).unwrap_or(bytes);
    // The first fragment of a packet that was captured in part still has its ports.
    let offset = header.fragments_offset().value();
    if offset != 0 || (header.more_fragments() && captured.len() == total) {
        return Err(DropReason::Fragment);
    }
    let (src, dst) = (header.source(), header.destination());
    Ok(Ip {
        src: Addr::v4(src),
        dst: Addr::v4(dst),
        proto: next_proto(header.protocol().0)?,
        counted_len: u32::from(header.total_len()),
        payload_len: total - header_len,
        payload: captured.get(header_len..).unwrap_or_default(),
        pseudo: Sum16BitWords::new().add_slice(&src).add_slice(&dst),
    })
}

const HEADER_LEN_V6: usize = 40;

fn v6(bytes: &[u8], wire_len: usize) -> Result<Ip<'_>, DropReason> {
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| DropReason::BadIpHeader)?;
    let stated = usize::from(header.payload_length());
    if stated == 0 {
        return Err(DropReason::ZeroLength);
    }
    let total = stated + HEADER_LEN_V6;
    if wire_len < total {
        return Err(DropReason::TruncatedIp);
    }
    let captured = bytes.get(..total).unwrap_or(bytes);
    let (next, header_len) = walk_extensions(captured, total, header.next_header().0)?;
    let (src, dst) = (header.source(), header.destination());
    Ok(Ip {
        src: Addr::v6(src),
        dst: Addr::v6(dst),
        proto: next_proto(next)?,
        counted_len: u32::from(header.payload_length()) + 40,
        payload_len: total - header_len,
        payload: captured.get(header_len..).unwrap_or_default(),
        pseudo: Sum16BitWords::new().add_slice(&src).add_slice(&dst),
    })
}

/// Walks hop-by-hop options, routing, fragment, authentication and destination options, in any
/// order; returns the protocol after them and where it begins. Each step moves at least eight
/// bytes ahead, so the walk ends.
fn walk_extensions(packet: &[u8], total: usize, first: u8) -> Result<(u8, usize), DropReason> {
    let (mut next, mut at) = (first, HEADER_LEN_V6);
    loop {
        let length = || {
            packet
                .get(at + 1)
                .map(|units| usize::from(*units))
                .ok_or(DropReason::BadIpHeader)
        };
        let step = match next {
            0 | 43 | 60 => 8 + 8 * length()?,
            44 => {
                let place = be16(packet, at + 2).ok_or(DropReason::BadIpHeader)?;
                // Neither offset nor "more": an atomic fragment (RFC 6946) is a whole packet.
                if place & 0xfff9 != 0 && (place & 0xfff8 != 0 || packet.len() == total) {
                    return Err(DropReason::Fragment);
                }
                8
            }
            51 => 8 + 4 * length()?,
            _ => return Ok((next, at)),
        };
        next = *packet.get(at).ok_or(DropReason::BadIpHeader)?;
        at += step;
        if at > packet.len() {
            return Err(DropReason::BadIpHeader);
        }
    }
}

const fn next_proto(number: u8) -> Result<IpProto, DropReason> {
    match number {
        // ESP, mobility, "no next header".
        50 | 59 | 135 => Err(DropReason::NoTransport),
        // IP in IP, IPv6 in IP, GRE.
        4 | 41 | 47 => Err(DropReason::Tunnel),
        other => Ok(IpProto(other)),
    }
}
