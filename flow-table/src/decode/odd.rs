//! What is odd about frames, whether or not they make packets, under the names of Zeek's weird.log.
//!
//! Nothing here runs for the usual frame. What was read of a header decides as far as Zeek reads it.

use std::net::IpAddr;

use super::ip::{self, Ip};
use super::{DropReason, PacketSink, Place, be16};
use crate::IpProto;
use crate::Timestamp;

/// Something odd about a frame: no flow is known, or it is about no flow alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OddFrame {
    /// When it came.
    pub ts: Timestamp,
    /// Its place in the block it was read in.
    pub index: u32,
    /// Zeek's name for it.
    pub name: &'static str,
    /// Which of Zeek's analyzers tells it, if one does.
    pub source: &'static str,
    /// From where to where, where that could be read.
    pub ends: Option<(IpAddr, IpAddr)>,
    /// It was inside a tunnel.
    pub inside: bool,
}

const HEADER_V4: usize = 20;
const HEADER_V6: usize = 40;
/// Zeek's word for a part of a datagram that need not be that short.
const SMALL_FRAGMENT: usize = 64;
const ROUTING: u8 = 43;

impl Place {
    fn odd(
        self,
        (name, source): (&'static str, &'static str),
        packet: Option<&Ip<'_>>,
        sink: &mut impl PacketSink,
    ) {
        sink.odd(OddFrame {
            ts: self.ts,
            index: self.index,
            name,
            source,
            ends: packet.map(|packet| (packet.src.into(), packet.dst.into())),
            inside: self.depth > 0,
        });
    }

    /// An IP header that made no sense.
    #[cold]
    pub(super) fn odd_header(
        self,
        bytes: &[u8],
        wire_len: usize,
        reason: DropReason,
        sink: &mut impl PacketSink,
    ) {
        if reason == DropReason::BadIpChecksum {
            let packet = ip::parse(bytes, wire_len, super::Checksums::Ignore).ok();
            return self.odd(("bad_IP_checksum", "IP"), packet.as_ref(), sink);
        }
        if let Some(name) = header(bytes, wire_len) {
            self.odd((name, "IP"), None, sink);
        }
    }

    /// A header that made sense, but is not of the usual kind.
    #[cold]
    pub(super) fn odd_packet(self, packet: &Ip<'_>, sink: &mut impl PacketSink) {
        if packet.is_v4() && packet.counted_len == 0 {
            self.odd(("ip_hdr_len_zero", "IP"), None, sink);
        }
        if !packet.is_v4() && has_routing_0(packet.header()) {
            self.odd(("routing0_hdr", ""), Some(packet), sink);
        }
        let Some(part) = packet.fragment else {
            return;
        };
        if packet.is_cut() {
            let name = ("incompletely_captured_fragment", "IP");
            return self.odd(name, Some(packet), sink);
        }
        if packet.must_not_be_cut() {
            self.odd(("fragment_with_DF", ""), Some(packet), sink);
        }
        if part.more && packet.header().len() + packet.payload_len < SMALL_FRAGMENT {
            self.odd(("excessively_small_fragment", ""), Some(packet), sink);
        }
    }

    /// An IP packet inside another that is none.
    #[cold]
    pub(super) fn odd_inner(self, packet: &Ip<'_>, sink: &mut impl PacketSink) {
        let name = match packet.proto {
            IpProto::IPV4 | IpProto::IPV6 => inner(packet),
            _ => return,
        };
        self.odd((name, "IPTUNNEL"), Some(packet), sink);
    }

    /// The capture, or the packet, ends before the ports.
    #[cold]
    pub(super) fn odd_transport(self, packet: &Ip<'_>, sink: &mut impl PacketSink) {
        let (source, least) = match packet.proto {
            IpProto::TCP => ("TCP", 20),
            IpProto::UDP => ("UDP", 8),
            IpProto::ICMP | IpProto::ICMPV6 => ("ICMP", 8),
            _ => return,
        };
        let name = if packet.payload_len < least {
            "truncated_header"
        } else {
            "internally_truncated_header"
        };
        self.odd((name, source), Some(packet), sink);
    }
}

/// What is wrong with an IP header, in the order in which Zeek looks.
fn header(bytes: &[u8], wire_len: usize) -> Option<&'static str> {
    if bytes.len() < HEADER_V4 {
        return Some("truncated_IP");
    }
    let first = *bytes.first()?;
    let (header, total) = match first >> 4 {
        4 => (usize::from(first & 15) * 4, usize::from(be16(bytes, 2)?)),
        6 if bytes.len() < HEADER_V6 => return Some("truncated_IP"),
        6 => (HEADER_V6, HEADER_V6 + usize::from(be16(bytes, 4)?)),
        _ => return Some("unknown_ip_version"),
    };
    Some(if total == 0 {
        "ip_hdr_len_zero"
    } else if wire_len < total {
        "truncated_IP_len"
    } else if header > total {
        "invalid_IP_header_size"
    } else if header < HEADER_V4 {
        "IPv4_min_header_size"
    } else {
        "internally_truncated_header"
    })
}

/// What is wrong with an IP packet right inside another.
fn inner(packet: &Ip<'_>) -> &'static str {
    let bytes = packet.payload;
    let version = bytes.first().map_or(0, |first| first >> 4);
    let (least, of) = match packet.proto {
        IpProto::IPV6 => (HEADER_V6, 6),
        _ => (HEADER_V4, 4),
    };
    if bytes.len() < least && of == 6 {
        return "truncated_inner_IP";
    }
    if bytes.len() < least || version != of {
        return "invalid_inner_IP_version";
    }
    match ip::stated_len(bytes) {
        Some((_, len)) if bytes.len() < len => "truncated_inner_IP",
        _ => "inner_IP_payload_mismatch",
    }
}

/// Whether there is a routing header of type 0 (RFC 5095 took it out of use) among IPv6 headers.
fn has_routing_0(headers: &[u8]) -> bool {
    let mut next = headers.get(6).copied();
    let mut rest = headers.get(HEADER_V6..).unwrap_or_default();
    while let (Some(kind), [after, units, rtype, ..]) = (next, rest) {
        let step = match kind {
            ROUTING if *rtype == 0 => return true,
            44 => 8,
            51 => 8 + 4 * usize::from(*units),
            _ => 8 + 8 * usize::from(*units),
        };
        next = Some(*after);
        rest = rest.get(step..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_wrong_by_name() {
        let v4 = |first: u8, total: u8, len: usize| {
            let mut bytes = vec![0; len];
            (bytes[0], bytes[3]) = (first, total);
            bytes
        };
        let cases = [
            ("cut", v4(0x45, 40, 19), 40, "truncated_IP"),
            ("IPv6 cut", v4(0x60, 0, 39), 39, "truncated_IP"),
            ("no version", v4(0x55, 40, 40), 40, "unknown_ip_version"),
            ("no length", v4(0x45, 0, 40), 40, "ip_hdr_len_zero"),
            (
                "more than there was",
                v4(0x45, 60, 40),
                40,
                "truncated_IP_len",
            ),
            (
                "shorter than its header",
                v4(0x4f, 40, 40),
                40,
                "invalid_IP_header_size",
            ),
            (
                "too short a header",
                v4(0x44, 40, 40),
                40,
                "IPv4_min_header_size",
            ),
            (
                "its header was cut",
                v4(0x4f, 80, 40),
                80,
                "internally_truncated_header",
            ),
        ];
        for (name, bytes, wire_len, want) in cases {
            assert_eq!(header(&bytes, wire_len), Some(want), "{name}");
        }
    }

    #[test]
    fn routing_headers_are_found_behind_others() {
        let mut headers = vec![0; HEADER_V6 + 8 + 24];
        headers[6] = 0;
        headers[HEADER_V6] = ROUTING;
        headers[HEADER_V6 + 8 + 1] = 2;
        assert!(has_routing_0(&headers));
        headers[HEADER_V6 + 8 + 2] = 2;
        assert!(!has_routing_0(&headers), "type 2");
        headers[6] = 6;
        assert!(!has_routing_0(&headers[..HEADER_V6]), "none");
    }
}
