//! Packets inside packets: where the inner one begins, and what its first header is.
//!
//! What looks like a tunnel by its port but does not hold together is no tunnel: the outer flow
//! is told, and nothing else.

use super::ip::Ip;
use super::link::LinkType;
use super::{DropReason, be16, ip};
use crate::key::{End, FlowKey, Way};
use crate::packet::TunnelKind;
use crate::{IpProto, ports};

/// An inner packet.
pub(super) struct Inner<'a> {
    pub(super) kind: TunnelKind,
    pub(super) first: First,
    pub(super) bytes: &'a [u8],
    /// Bytes it had on the wire.
    pub(super) wire_len: usize,
    /// The packet around it, where the tunnel inside is named by that one's addresses.
    pub(super) outer: Option<Ip<'a>>,
}

/// What an inner packet's first header is.
#[derive(Clone, Copy)]
pub(super) enum First {
    /// IP, of the version it claims.
    Ip,
    /// A link layer.
    Link(LinkType),
    /// What an EtherType says.
    Ether(u16),
    /// GRE.
    Gre,
}

const ETHERNET_HEADER: usize = 14;

/// The key of a tunnel that its two addresses name.
pub(super) fn key_of(packet: &Ip<'_>) -> (FlowKey, Way) {
    let end = |addr| End { addr, port: 0 };
    FlowKey::of(end(packet.src), end(packet.dst), IpProto::IPV4)
}

/// What is inside an IP packet whose protocol is IP or GRE.
pub(super) fn in_ip<'a>(packet: &Ip<'a>) -> Result<Inner<'a>, DropReason> {
    if packet.proto == IpProto::GRE {
        return in_gre(packet.payload, packet.payload_len);
    }
    let version = if packet.proto == IpProto::IPV4 { 4 } else { 6 };
    exact_ip(packet.payload, version, TunnelKind::Ip)
}

/// An inner IP packet that fills what is there exactly, as Zeek demands of tunnels that have no
/// length of their own.
fn exact_ip(bytes: &[u8], version: u8, kind: TunnelKind) -> Result<Inner<'_>, DropReason> {
    let fits = ip::stated_len(bytes) == Some((version, bytes.len()));
    if !fits {
        return Err(DropReason::BadTunnel);
    }
    Ok(Inner {
        kind,
        first: First::Ip,
        bytes,
        wire_len: bytes.len(),
        outer: None,
    })
}

/// GRE (RFC 2784, RFC 2890), PPTP's variant (RFC 2637), ERSPAN I to III inside.
pub(super) fn in_gre(bytes: &[u8], wire_len: usize) -> Result<Inner<'_>, DropReason> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACK: u16 = 0x0080;
    const RESERVED: u16 = 0x0078;
    let bad = DropReason::BadTunnel;
    let flags = be16(bytes, 0).ok_or(bad)?;
    let proto = be16(bytes, 2).ok_or(bad)?;
    let version = flags & 7;
    if flags & (ROUTING | RESERVED) != 0 {
        return Err(bad);
    }
    let optional = [CHECKSUM, KEY, SEQUENCE, ACK];
    let header = 4 + 4 * optional.iter().filter(|flag| flags & **flag != 0).count();
    let rest = |skip: usize| bytes.get(skip..).ok_or(bad);
    let inner = |skip: usize, first| {
        Ok(Inner {
            kind: TunnelKind::Gre,
            first,
            bytes: rest(skip)?,
            wire_len: wire_len.saturating_sub(skip),
            outer: None,
        })
    };
    let ethernet = |skip: usize| {
        if bytes.len() <= skip + ETHERNET_HEADER {
            return Err(bad);
        }
        inner(skip, First::Link(LinkType::Ethernet))
    };
    match (version, proto) {
        (1, 0x880b) => {
            let version = match be16(bytes, header + 2).ok_or(bad)? {
                0x0021 => 4,
                0x0057 => 6,
                _ => return Err(bad),
            };
            exact_ip(rest(header + 4)?, version, TunnelKind::Gre)
        }
        (0, 0x6558) => ethernet(header),
        // ERSPAN I has no header of its own, II has eight bytes.
        (0, 0x88be) if flags & SEQUENCE == 0 => ethernet(header),
        (0, 0x88be) => ethernet(header + 8),
        // ERSPAN III: twelve bytes, eight more if the last bit says so.
        (0, 0x22eb) => {
            let more = bytes.get(header + 11).ok_or(bad)? & 1;
            ethernet(header + 12 + 8 * usize::from(more))
        }
        (0, 0x8847 | 0x8848) => inner(header, First::Ether(proto)),
        (0, _) if is_aruba(proto) => inner(header, First::Link(LinkType::Ieee80211)),
        (0, _) => inner(header, First::Ip),
        _ => Err(bad),
    }
}

/// Aruba's access points put 802.11 frames into GRE under numbers of their own.
const fn is_aruba(proto: u16) -> bool {
    let low_clear = proto.trailing_zeros() >= 4;
    (proto & 0x8200 == 0x8200 && low_clear)
        || (proto & 0x8300 == 0x8300 && low_clear && proto <= 0x8370)
        || proto == 0x9000
}

/// What is inside a UDP datagram, if the responder's port and the content say so.
pub(super) fn in_udp<'a>(packet: &Ip<'a>, key: &FlowKey, way: Way) -> Option<Inner<'a>> {
    let (src, dst) = (key.source(way).port, key.destination(way).port);
    let payload = packet.payload.get(8..)?;
    let wire_len = packet.payload_len.saturating_sub(8);
    // The responder's port: a reply comes from it, unless it goes to a likely server itself.
    let port = if is_tunnel(dst) {
        dst
    } else if is_tunnel(src) && !ports::is_likely_udp_server(dst) {
        src
    } else {
        return by_content(payload, wire_len);
    };
    match port {
        4789 => vxlan(payload, wire_len),
        6081 => geneve(payload, wire_len),
        3544 => teredo(payload),
        2152 | 2123 => gtp(payload),
        5072 => ayiya(payload, wire_len),
        4754 => Some(Inner {
            kind: TunnelKind::Gre,
            first: First::Gre,
            bytes: payload,
            wire_len,
            outer: Some(packet.clone()),
        })
        .filter(|_| in_gre(payload, wire_len).is_ok()),
        _ => None,
    }
}

/// Whether [`in_udp`] may find anything in a datagram with this payload.
#[inline]
pub(super) fn may_be_in_udp(src_port: u16, dst_port: u16, payload: &[u8]) -> bool {
    let is_told = || by_content(payload, payload.len()).is_some();
    is_tunnel(src_port) || is_tunnel(dst_port) || (looks_like(payload).is_some() && is_told())
}

/// Teredo and AYIYA are known by what they look like, on any port: peers talk to each other
/// directly once a server has introduced them.
fn by_content(payload: &[u8], wire_len: usize) -> Option<Inner<'_>> {
    match looks_like(payload)? {
        TunnelKind::Ayiya => ayiya(payload, wire_len),
        _ => teredo(payload),
    }
}

/// Which of the two it begins like.
#[inline]
fn looks_like(payload: &[u8]) -> Option<TunnelKind> {
    const TEREDO_PREFIX: &[u8] = &[0x20, 0x01, 0, 0];
    match payload {
        [0x60..=0x6f, ..] => {
            let ends = [payload.get(8..12)?, payload.get(24..28)?];
            ends.contains(&TEREDO_PREFIX).then_some(TunnelKind::Teredo)
        }
        [0, 0 | 1, ..] => Some(TunnelKind::Teredo),
        [_, 0x52, 0x11, ..] => Some(TunnelKind::Ayiya),
        _ => None,
    }
}

const fn is_tunnel(port: u16) -> bool {
    matches!(port, 2123 | 2152 | 3544 | 4754 | 4789 | 5072 | 6081)
}

fn after(
    bytes: &[u8],
    wire_len: usize,
    skip: usize,
    kind: TunnelKind,
    first: First,
) -> Option<Inner<'_>> {
    let bytes = bytes.get(skip..).filter(|bytes| !bytes.is_empty())?;
    Some(Inner {
        kind,
        first,
        bytes,
        wire_len: wire_len.saturating_sub(skip),
        outer: None,
    })
}

/// RFC 7348: the I flag, then Ethernet after eight bytes.
fn vxlan(bytes: &[u8], wire_len: usize) -> Option<Inner<'_>> {
    if bytes.len() < 8 || bytes.first()? & 0x08 == 0 {
        return None;
    }
    let first = First::Link(LinkType::Ethernet);
    after(bytes, wire_len, 8, TunnelKind::Vxlan, first)
}

/// RFC 8926: version 0, options, then what an EtherType says.
fn geneve(bytes: &[u8], wire_len: usize) -> Option<Inner<'_>> {
    const TRANSPARENT_ETHERNET: u16 = 0x6558;
    let first = *bytes.first()?;
    if first >> 6 != 0 {
        return None;
    }
    let skip = 8 + 4 * usize::from(first & 0x3f);
    let inner = match be16(bytes, 2)? {
        TRANSPARENT_ETHERNET => First::Link(LinkType::Ethernet),
        other => First::Ether(other),
    };
    after(bytes, wire_len, skip, TunnelKind::Geneve, inner)
}

/// RFC 4380, 5.1.1: authentication, origin indication, IPv6, each at most once and in this order.
fn teredo(bytes: &[u8]) -> Option<Inner<'_>> {
    let mut bytes = bytes;
    if be16(bytes, 0)? == 1 {
        let (id, auth) = (*bytes.get(2)?, *bytes.get(3)?);
        bytes = bytes.get(13 + usize::from(id) + usize::from(auth)..)?;
    }
    if be16(bytes, 0)? == 0 {
        bytes = bytes.get(8..)?;
    }
    let (version, len) = ip::stated_len(bytes)?;
    // A bubble may have something after its header; nothing else may.
    let bubble = bytes.get(6) == Some(&59) && len == 40 && bytes.len() > len;
    if version != 6 || (len != bytes.len() && !bubble) {
        return None;
    }
    after(bytes, bytes.len(), 0, TunnelKind::Teredo, First::Ip)
}

/// GTPv1-U (3GPP TS 29.281): a G-PDU with its optional fields and extension headers.
fn gtp(bytes: &[u8]) -> Option<Inner<'_>> {
    const G_PDU: u8 = 255;
    const MAX_EXTENSIONS: usize = 16;
    let flags = *bytes.first()?;
    let (version, protocol) = (flags >> 5, flags & 0x10 != 0);
    if version != 1 || !protocol || *bytes.get(1)? != G_PDU {
        return None;
    }
    let optional = [0x01, 0x02, 0x04].iter().any(|flag| flags & flag != 0);
    let mut skip = if optional { 12 } else { 8 };
    let mut next = if flags & 0x04 == 0 {
        0
    } else {
        *bytes.get(11)?
    };
    for _ in 0..MAX_EXTENSIONS {
        if next == 0 {
            break;
        }
        let len = 4 * usize::from(*bytes.get(skip)?);
        if len == 0 {
            return None;
        }
        skip += len;
        next = *bytes.get(skip - 1)?;
    }
    let inner = bytes.get(skip..)?;
    let (version, _) = ip::stated_len(inner)?;
    exact_ip(inner, version, TunnelKind::Gtp).ok()
}

/// draft-massar-v6ops-ayiya: identity, signature, then what an IP protocol number says.
fn ayiya(bytes: &[u8], wire_len: usize) -> Option<Inner<'_>> {
    const FORWARD: u8 = 1;
    let identity = 1_usize << (*bytes.first()? >> 4);
    let signature = 4 * usize::from(*bytes.get(1)? >> 4);
    let (operation, next) = (*bytes.get(2)? & 0x0f, *bytes.get(3)?);
    if operation != FORWARD || !matches!(IpProto(next), IpProto::IPV4 | IpProto::IPV6) {
        return None;
    }
    let skip = 8 + identity + signature;
    after(bytes, wire_len, skip, TunnelKind::Ayiya, First::Ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gre_headers() {
        let ethernet = [0_u8; 40];
        let cases: [(&str, &[u8], Result<usize, DropReason>); 8] = [
            ("plain", &[0, 0, 8, 0], Ok(4)),
            ("checksum, key, sequence", &[0xb0, 0, 8, 0], Ok(16)),
            ("erspan I", &[0, 0, 0x88, 0xbe], Ok(4)),
            ("erspan II", &[0x10, 0, 0x88, 0xbe], Ok(16)),
            ("erspan III", &[0x10, 0, 0x22, 0xeb], Ok(20)),
            ("routing", &[0x40, 0, 8, 0], Err(DropReason::BadTunnel)),
            ("version 2", &[0, 2, 8, 0], Err(DropReason::BadTunnel)),
            (
                "pptp without ppp",
                &[0x30, 1, 0x88, 0x0b],
                Err(DropReason::BadTunnel),
            ),
        ];
        for (name, header, want) in cases {
            let bytes = [header, &ethernet].concat();
            let got = in_gre(&bytes, bytes.len()).map(|inner| bytes.len() - inner.bytes.len());
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn what_does_not_hold_together_is_no_tunnel() {
        assert!(vxlan(&[0; 60], 60).is_none(), "no I flag");
        assert!(geneve(&[0xc0; 60], 60).is_none(), "version 3");
        assert!(geneve(&[0x3f; 60], 60).is_none(), "options beyond the end");
        assert!(
            gtp(&[0x30, 1, 0, 0, 0, 0, 0, 0]).is_none(),
            "an echo request"
        );
        assert!(teredo(&[0, 0, 0, 0]).is_none(), "cut");
        assert!(
            ayiya(&[0xf0, 0x52, 0x11, 41, 0, 0, 0, 0], 8).is_none(),
            "cut"
        );
    }
}
