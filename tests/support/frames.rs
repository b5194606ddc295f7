//! Ethernet frames with IPv4 and TCP or UDP in them.

use std::net::Ipv4Addr;

use super::pcap::{Capture, Packet};

/// When made captures begin.
pub(crate) const START: u64 = 1_700_000_000_000_000;
pub(crate) const ETHERNET: u32 = 1;

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) src: (Ipv4Addr, u16),
    pub(crate) dst: (Ipv4Addr, u16),
}

impl Path {
    /// From `10.0.0.1:sport` to `10.0.0.2:dport`.
    pub(crate) const fn between(sport: u16, dport: u16) -> Self {
        Self {
            src: (Ipv4Addr::new(10, 0, 0, 1), sport),
            dst: (Ipv4Addr::new(10, 0, 0, 2), dport),
        }
    }

    pub(crate) const fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
        }
    }
}

/// TCP's flags.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// A UDP datagram.
pub(crate) fn udp(path: Path, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    let mut segment = [path.src.1, path.dst.1, len, 0]
        .map(u16::to_be_bytes)
        .concat();
    segment.extend_from_slice(payload);
    framed(path, 17, 6, segment)
}

/// A TCP segment.
pub(crate) fn tcp(path: Path, flags: u8, (seq, ack): (u32, u32), payload: &[u8]) -> Vec<u8> {
    let mut segment = [path.src.1, path.dst.1].map(u16::to_be_bytes).concat();
    segment.extend([seq, ack].map(u32::to_be_bytes).concat());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    framed(path, 6, 16, segment)
}

/// Puts IPv4 and Ethernet before a segment whose checksum belongs at `checksum`.
fn framed(path: Path, proto: u8, checksum: usize, mut segment: Vec<u8>) -> Vec<u8> {
    let (src, dst) = (path.src.0.octets(), path.dst.0.octets());
    let len = u16::try_from(segment.len()).unwrap();
    let pseudo = [&src[..], &dst[..], &[0, proto], &len.to_be_bytes()[..]].concat();
    let sum = sum(&[pseudo, segment.clone()].concat());
    segment[checksum..checksum + 2].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x45, 0];
    ip.extend((len + 20).to_be_bytes());
    ip.extend([0, 1, 0x40, 0, 64, proto, 0, 0]);
    ip.extend([src, dst].concat());
    let sum = self::sum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    [&ethernet[..], &ip, &segment].concat()
}

/// The Internet checksum (RFC 1071) of bytes whose checksum field is zero.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(high) << 8 | u32::from(low),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap()
}

/// A capture of these frames, a millisecond apart.
pub(crate) fn capture(frames: impl IntoIterator<Item = Vec<u8>>) -> Capture {
    let packets = (0..).zip(frames).map(|(n, bytes)| Packet {
        micros: START + 1_000 * n,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
    });
    Capture {
        link: ETHERNET,
        packets: packets.collect(),
    }
}

/// So many flows of one datagram each.
pub(crate) fn datagrams(flows: u16) -> Capture {
    capture((0..flows).map(|n| udp(Path::between(20_000 + n, 9), b"payload")))
}

/// A whole connection: two segments to open it, one each way, and its end.
pub(crate) fn connection(path: Path) -> Vec<Vec<u8>> {
    let back = path.reversed();
    vec![
        tcp(path, SYN, (1_000, 0), b""),
        tcp(back, SYN | ACK, (5_000, 1_001), b""),
        tcp(path, ACK, (1_001, 5_001), b"GET / HTTP/1.0\r\n\r\n"),
        tcp(
            back,
            ACK,
            (5_001, 1_019),
            b"HTTP/1.0 204 No Content\r\n\r\n",
        ),
        tcp(path, FIN | ACK, (1_019, 5_028), b""),
        tcp(back, FIN | ACK, (5_028, 1_020), b""),
        tcp(path, ACK, (1_020, 5_029), b""),
    ]
}

/// One host tries 200 ports on four others, which refuse.
pub(crate) fn scan() -> Capture {
    let probes = (1..=200).flat_map(|n| {
        let host = Ipv4Addr::new(10, 0, 0, 2 + u8::try_from(n % 4).unwrap());
        let path = Path {
            src: (Ipv4Addr::new(10, 0, 0, 1), 40_000 + n),
            dst: (host, n),
        };
        [
            tcp(path, SYN, (7, 0), b""),
            tcp(path.reversed(), RST | ACK, (0, 8), b""),
        ]
    });
    capture(probes)
}
