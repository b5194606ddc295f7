//! TCP, UDP, ICMP: the key of the flow and what the packet adds to it.

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::ip::Ip;
use super::{Checksums, DropReason, be16, checksum};
use crate::key::{End, FlowKey, Way};
use crate::packet::{Body, Datagram, Message, Segment, TcpFlags};
use crate::{IpProto, ports};

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;

/// What [`parse`] finds.
type Parsed = (FlowKey, Way, Body);

#[inline]
pub(super) fn parse(ip: &Ip<'_>, checksums: Checksums) -> Result<Parsed, DropReason> {
    match ip.proto {
        IpProto::TCP => tcp(ip, checksums),
        IpProto::UDP => udp(ip, checksums),
        IpProto::ICMP | IpProto::ICMPV6 => icmp(ip, checksums),
        _ => Ok(with_key(ip, 0, 0, Body::Other)),
    }
}

#[inline]
fn with_key(ip: &Ip<'_>, src_port: u16, dst_port: u16, body: Body) -> Parsed {
    let src = End {
        addr: ip.src,
        port: src_port,
    };
    let dst = End {
        addr: ip.dst,
        port: dst_port,
    };
    let (key, way) = FlowKey::of(src, dst, ip.proto);
    (key, way, body)
}

/// Fails where the capture or the packet ends before the part that names the flow.
const fn need(ip: &Ip<'_>, header: usize) -> Result<(), DropReason> {
    if ip.payload_len < header || ip.payload.len() < header {
        return Err(DropReason::TruncatedTransport);
    }
    Ok(())
}

fn ports(ip: &Ip<'_>) -> Result<(u16, u16), DropReason> {
    let cut = DropReason::TruncatedTransport;
    Ok((
        be16(ip.payload, 0).ok_or(cut)?,
        be16(ip.payload, 2).ok_or(cut)?,
    ))
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
fn tcp(ip: &Ip<'_>, checksums: Checksums) -> Result<Parsed, DropReason> {
    need(ip, TCP_HEADER)?;
    let (src, dst) = ports(ip)?;
    let flags = TcpFlags(ip.payload.get(13).copied().unwrap_or_default());
    let body = match TcpHeaderSlice::from_slice(ip.payload) {
        Ok(header) if header.slice().len() <= ip.payload_len => {
            if checksum_is_wrong(ip, checksums) {
                Body::BadChecksum {
                    flags,
                    seq: header.sequence_number(),
                }
            } else {
                Body::Tcp(segment(ip, &header, flags))
            }
        }
        _ => Body::BadHeader { flags },
    };
    Ok(with_key(ip, src, dst, body))
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
fn udp(ip: &Ip<'_>, checksums: Checksums) -> Result<Parsed, DropReason> {
    need(ip, UDP_HEADER)?;
    let header =
        UdpHeaderSlice::from_slice(ip.payload).map_err(|_| DropReason::TruncatedTransport)?;
    let (src, dst) = (header.source_port(), header.destination_port());
    // Over IPv4 a checksum of zero means "none" (RFC 768); over IPv6 it is wrong (RFC 8200, 8.1).
    let absent = header.checksum() == 0 && ip.is_v4();
    let body = if !absent && checksum_is_wrong(ip, checksums) {
        Body::BadChecksum {
            flags: TcpFlags::default(),
            seq: 0,
        }
    } else {
        Body::Udp(Datagram {
            len: u32::from(header.length()).saturating_sub(8),
            dns_reply: [src, dst].iter().any(|port| ports::is_dns(*port))
                && is_dns_reply(ip.payload),
        })
    };
    Ok(with_key(ip, src, dst, body))
}

/// Whether a datagram holds a DNS header (RFC 1035, 4.1.1) with QR set.
fn is_dns_reply(datagram: &[u8]) -> bool {
    const DNS_HEADER: usize = 12;
    datagram.len() >= UDP_HEADER + DNS_HEADER
        && datagram
            .get(UDP_HEADER + 2)
            .is_some_and(|flags| flags & 0x80 != 0)
}

fn icmp(ip: &Ip<'_>, checksums: Checksums) -> Result<Parsed, DropReason> {
    need(ip, ICMP_HEADER)?;
    let cut = DropReason::TruncatedTransport;
    let kind = *ip.payload.first().ok_or(cut)?;
    let code = *ip.payload.get(1).ok_or(cut)?;
    let body = if icmp_checksum_is_wrong(ip, checksums) {
        Body::BadChecksum {
            flags: TcpFlags::default(),
            seq: 0,
        }
    } else {
        Body::Icmp(Message {
            len: u32::try_from(ip.payload_len - ICMP_HEADER).unwrap_or(u32::MAX),
            whole: ip.payload.len() >= ip.payload_len,
        })
    };
    if let Some(counterpart) = counterpart(ip.proto, kind) {
        return Ok(with_key(ip, u16::from(kind), u16::from(counterpart), body));
    }
    let src = End {
        addr: ip.src,
        port: u16::from(kind),
    };
    let dst = End {
        addr: ip.dst,
        port: u16::from(code),
    };
    let (key, way) = FlowKey::one_way(src, dst, ip.proto);
    Ok((key, way, body))
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
