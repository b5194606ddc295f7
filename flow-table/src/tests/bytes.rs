//! Packets byte by byte, every checksum in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TCP's flags.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

/// The Internet checksum (RFC 1071) of bytes whose checksum field is zero.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// Where a transport header keeps its checksum, and whether addresses go into it.
fn checksum_place(proto: u8) -> Option<(usize, bool)> {
    match proto {
        6 => Some((16, true)),
        17 => Some((6, true)),
        1 => Some((2, false)),
        58 => Some((2, true)),
        _ => None,
    }
}

/// Puts the checksum into a transport header whose own is zero.
fn sealed(proto: u8, (src, dst): (IpAddr, IpAddr), mut segment: Vec<u8>) -> Vec<u8> {
    let Some((at, with_addrs)) = checksum_place(proto) else {
        return segment;
    };
    if segment.len() < at + 2 {
        return segment;
    }
    let mut covered = Vec::new();
    if with_addrs {
        covered.extend([octets(src), octets(dst)].concat());
        covered.extend(u32::try_from(segment.len()).unwrap().to_be_bytes());
        covered.extend([0, 0, 0, proto]);
    }
    covered.extend(&segment);
    let sum = checksum(&covered);
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// An IP packet from `src` to `dst`, of their family.
pub(crate) fn ip(src: &str, dst: &str, proto: u8, segment: Vec<u8>) -> Vec<u8> {
    let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    let segment = sealed(proto, (src, dst), segment);
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => v4_header(src, dst, proto, &[], &segment),
        (IpAddr::V6(src), IpAddr::V6(dst)) => v6_header(src, dst, proto, &segment),
        _ => panic!("{src} and {dst} differ"),
    }
}

/// IPv4 between the usual two, with options.
pub(crate) fn v4_with(options: &[u8], proto: u8, segment: Vec<u8>) -> Vec<u8> {
    let ends = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let segment = sealed(proto, (ends.0.into(), ends.1.into()), segment);
    v4_header(ends.0, ends.1, proto, options, &segment)
}

/// IPv4 from 10.0.0.1 to 10.0.0.2.
pub(crate) fn v4(proto: u8, segment: Vec<u8>) -> Vec<u8> {
    v4_with(&[], proto, segment)
}

/// IPv6 from fd00::1 to fd00::2.
pub(crate) fn v6(proto: u8, segment: Vec<u8>) -> Vec<u8> {
    ip("fd00::1", "fd00::2", proto, segment)
}

/// IPv6 whose transport header stands after extensions; `first` is the first one's number.
pub(crate) fn v6_with(first: u8, extensions: &[u8], proto: u8, segment: Vec<u8>) -> Vec<u8> {
    let ends: (Ipv6Addr, Ipv6Addr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
    let segment = sealed(proto, (ends.0.into(), ends.1.into()), segment);
    v6_header(ends.0, ends.1, first, &[extensions, &segment].concat())
}

fn v4_header(src: Ipv4Addr, dst: Ipv4Addr, proto: u8, options: &[u8], rest: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() / 4;
    let total = u16::try_from(20 + options.len() + rest.len()).unwrap();
    let mut header = vec![0x40 | u8::try_from(words).unwrap(), 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 7, 0, 0, 64, proto, 0, 0]);
    header.extend([src.octets(), dst.octets()].concat());
    header.extend(options);
    reseal_v4(&mut header);
    [header, rest.to_vec()].concat()
}

/// Puts the header checksum right after a change.
pub(crate) fn reseal_v4(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let len = (4 * usize::from(packet[0] & 15)).min(packet.len());
    let sum = checksum(&packet[..len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The same packet with other bytes at `at`, its IPv4 header checksum right.
pub(crate) fn patched(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    if packet[0] >> 4 == 4 {
        reseal_v4(&mut packet);
    }
    packet
}

fn v6_header(src: Ipv6Addr, dst: Ipv6Addr, next: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend([next, 64]);
    header.extend([src.octets(), dst.octets()].concat());
    [header, rest.to_vec()].concat()
}

/// A UDP datagram, its checksum still zero.
pub(crate) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    let mut datagram = [src, dst, len, 0].map(u16::to_be_bytes).concat();
    datagram.extend(payload);
    datagram
}

/// A TCP segment with sequence number 7, acknowledgement 9 and window 512, its checksum still zero.
pub(crate) fn tcp(src: u16, dst: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = [src, dst].map(u16::to_be_bytes).concat();
    segment.extend([7_u32, 9].map(u32::to_be_bytes).concat());
    segment.extend([0x50, flags, 2, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// An ICMP message of either family, its checksum still zero.
pub(crate) fn icmp(kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0, 0, 1, 0, 1], rest].concat()
}

/// An Ethernet frame.
pub(crate) fn ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type: [u8; 2] = if packet[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    [
        &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..],
        &ether_type,
        packet,
    ]
    .concat()
}
