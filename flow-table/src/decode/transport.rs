//! TCP, UDP, ICMP: the key of the flow and what the packet adds to it.

use etherparse::TcpHeaderSlice;

use super::ip::Ip;
use super::{Checksums, DropReason, be16, checksum};
use crate::key::{End, FlowKey, Way};
use crate::packet::{Body, Datagram, FlatBody, Message, Segment, TcpFlags};
use crate::{IpProto, ports};

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;

/// What a datagram or message with a wrong checksum adds.
const BAD_CHECKSUM: Body = Body::BadChecksum {
    flags: TcpFlags(0),
    seq: 0,
};

/// What names a flow beside its addresses and protocol.
#[derive(Clone, Copy)]
pub(super) struct Names {
    src_port: u16,
    dst_port: u16,
    /// Whether both directions are one flow.
    paired: bool,
}

/// The names in a transport header, if they are there.
#[inline]
pub(super) fn names(ip: &Ip<'_>) -> Result<Names, DropReason> {
    match ip.proto {
        IpProto::TCP => ports(ip, TCP_HEADER),
        IpProto::UDP => ports(ip, UDP_HEADER),
        IpProto::ICMP | IpProto::ICMPV6 => icmp_names(ip),
        _ => Ok(Names {
            src_port: 0,
            dst_port: 0,
            paired: true,
        }),
    }
}

/// The key of a packet's flow, and which way the packet goes.
#[inline]
pub(super) fn key(ip: &Ip<'_>, names: Names) -> (FlowKey, Way) {
    let src = End {
        addr: ip.src,
        port: names.src_port,
    };
    let dst = End {
        addr: ip.dst,
        port: names.dst_port,
    };
    if names.paired {
        FlowKey::of(src, dst, ip.proto)
    } else {
        FlowKey::one_way(src, dst, ip.proto)
    }
}

/// What a packet that has a key adds to its flow.
#[inline]
pub(super) fn body(ip: &Ip<'_>, checksums: Checksums) -> FlatBody {
    match ip.proto {
        IpProto::TCP => tcp(ip, checksums),
        IpProto::UDP => udp(ip, checksums),
        IpProto::ICMP | IpProto::ICMPV6 => icmp(ip, checksums),
        _ => Body::Other.into(),
    }
}

/// What TCP or UDP carries, as far as it was captured; of an echo of ICMP that was captured whole, all
/// after its checksum.
#[inline]
pub(super) fn payload<'a>(ip: &Ip<'a>, body: FlatBody) -> &'a [u8] {
    let (header, len) = match body.get() {
        Body::Tcp(segment) => {
            let words = ip.payload.get(12).copied().unwrap_or_default() >> 4;
            (usize::from(words) * 4, segment.len)
        }
        Body::Udp(datagram) => (UDP_HEADER, datagram.len),
        Body::Icmp(message) if message.whole && is_echo(ip) => {
            return ip
                .payload
                .get(ICMP_HEADER / 2..ip.payload_len)
                .unwrap_or_default();
        }
        _ => return &[],
    };
    let payload = ip.payload.get(header..).unwrap_or_default();
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    payload.get(..len).unwrap_or(payload)
}

/// Fails where the capture or the packet ends before the part that names the flow.
const fn need(ip: &Ip<'_>, header: usize) -> Result<(), DropReason> {
    if ip.payload_len < header || ip.payload.len() < header {
        return Err(DropReason::TruncatedTransport);
    }
    Ok(())
}

#[inline]
fn ports(ip: &Ip<'_>, header: usize) -> Result<Names, DropReason> {
    need(ip, header)?;
    let cut = DropReason::TruncatedTransport;
    Ok(Names {
        src_port: be16(ip.payload, 0).ok_or(cut)?,
        dst_port: be16(ip.payload, 2).ok_or(cut)?,
        paired: true,
    })
}

/// Whether the checksum can be told to be wrong: it can only where all of the packet is there.
#[inline]
fn checksum_is_wrong(ip: &Ip<'_>, checksums: Checksums) -> bool {
    if checksums == Checksums::Ignore || ip.payload.len() < ip.payload_len {
        return false;
    }
    let pseudo = ip.src.sum() + ip.dst.sum() + u64::from(ip.proto.0) + ip.payload_len as u64;
    !checksum::is_right(pseudo + checksum::sum(ip.payload))
}

#[inline]
fn tcp(ip: &Ip<'_>, checksums: Checksums) -> FlatBody {
    let flags = TcpFlags(ip.payload.get(13).copied().unwrap_or_default());
    match TcpHeaderSlice::from_slice(ip.payload) {
        Ok(header) if header.slice().len() <= ip.payload_len => {
            if checksum_is_wrong(ip, checksums) {
                let seq = header.sequence_number();
                Body::BadChecksum { flags, seq }.into()
            } else {
                Body::Tcp(segment(ip, &header, flags)).into()
            }
        }
        _ => Body::BadHeader { flags }.into(),
    }
}

#[inline]
fn segment(ip: &Ip<'_>, header: &TcpHeaderSlice<'_>, flags: TcpFlags) -> Segment {
    let len = ip.payload_len - header.slice().len();
    Segment {
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        len: u32::try_from(len).unwrap_or(u32::MAX),
        window: header.window_size(),
        flags,
        whole: ip.payload.len() >= ip.payload_len,
    }
}

#[inline]
fn udp(ip: &Ip<'_>, checksums: Checksums) -> FlatBody {
    let field = |at| be16(ip.payload, at).unwrap_or_default();
    let (src, dst, len, checksum) = (field(0), field(2), field(4), field(6));
    // Over IPv4 a checksum of zero means "none" (RFC 768); over IPv6 it is wrong (RFC 8200, 8.1).
    let absent = checksum == 0 && ip.is_v4();
    if !absent && checksum_is_wrong(ip, checksums) {
        return BAD_CHECKSUM.into();
    }
    Body::Udp(Datagram {
        len: u32::from(len).saturating_sub(8),
        dns_reply: is_dns_reply(src, dst, ip.payload),
    })
    .into()
}

/// Whether a datagram between these ports holds a DNS header (RFC 1035, 4.1.1) with QR set.
#[inline]
pub(super) fn is_dns_reply(src: u16, dst: u16, datagram: &[u8]) -> bool {
    const DNS_HEADER: usize = 12;
    (ports::is_dns(src) || ports::is_dns(dst))
        && datagram.len() >= UDP_HEADER + DNS_HEADER
        && datagram
            .get(UDP_HEADER + 2)
            .is_some_and(|flags| flags & 0x80 != 0)
}

/// Messages that answer each other share a key; the others are flows of one direction each.
fn icmp_names(ip: &Ip<'_>) -> Result<Names, DropReason> {
    need(ip, ICMP_HEADER)?;
    let first = be16(ip.payload, 0).ok_or(DropReason::TruncatedTransport)?;
    let [kind, code] = first.to_be_bytes();
    let counterpart = counterpart(ip.proto, kind);
    Ok(Names {
        src_port: u16::from(kind),
        dst_port: u16::from(counterpart.unwrap_or(code)),
        paired: counterpart.is_some(),
    })
}

/// Whether an ICMP message asks for an echo or is one.
fn is_echo(ip: &Ip<'_>) -> bool {
    match ip.payload.first() {
        Some(0 | 8) => ip.proto == IpProto::ICMP,
        Some(128 | 129) => ip.proto == IpProto::ICMPV6,
        _ => false,
    }
}

fn icmp(ip: &Ip<'_>, checksums: Checksums) -> FlatBody {
    if icmp_checksum_is_wrong(ip, checksums) {
        return BAD_CHECKSUM.into();
    }
    let len = ip.payload_len.saturating_sub(ICMP_HEADER);
    Body::Icmp(Message {
        len: u32::try_from(len).unwrap_or(u32::MAX),
        whole: ip.payload.len() >= ip.payload_len,
    })
    .into()
}

/// ICMP for IPv4 has no pseudo header (RFC 792), ICMPv6 has (RFC 4443, 2.3).
fn icmp_checksum_is_wrong(ip: &Ip<'_>, checksums: Checksums) -> bool {
    if ip.proto == IpProto::ICMPV6 {
        return checksum_is_wrong(ip, checksums);
    }
    checksums == Checksums::Verify
        && ip.payload.len() >= ip.payload_len
        && !checksum::is_right(checksum::sum(ip.payload))
}

/// The type that answers `kind`, or that `kind` answers; `None` for messages that stand alone.
const fn counterpart(proto: IpProto, kind: u8) -> Option<u8> {
    Some(match (proto, kind) {
        // Echo, timestamp, information, address mask, router discovery.
        (IpProto::ICMP, 8) => 0,
        (IpProto::ICMP, 0) => 8,
        (IpProto::ICMP, 13) => 14,
        (IpProto::ICMP, 14) => 13,
        (IpProto::ICMP, 15) => 16,
        (IpProto::ICMP, 16) => 15,
        (IpProto::ICMP, 10) => 9,
        (IpProto::ICMP, 9) => 10,
        (IpProto::ICMP, 17) => 18,
        (IpProto::ICMP, 18) => 17,
        // Echo, router discovery, neighbour discovery, multicast listeners, node information,
        // home agents.
        (IpProto::ICMPV6, 128) => 129,
        (IpProto::ICMPV6, 129) => 128,
        (IpProto::ICMPV6, 133) => 134,
        (IpProto::ICMPV6, 134) => 133,
        (IpProto::ICMPV6, 135) => 136,
        (IpProto::ICMPV6, 136) => 135,
        (IpProto::ICMPV6, 130) => 131,
        (IpProto::ICMPV6, 131) => 130,
        (IpProto::ICMPV6, 139) => 140,
        (IpProto::ICMPV6, 140) => 139,
        (IpProto::ICMPV6, 144) => 145,
        (IpProto::ICMPV6, 145) => 144,
        _ => return None,
    })
}
