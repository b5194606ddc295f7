//! Captures in memory: read from a file, written in every format.

use std::fs;
use std::io::Read;
use std::path::Path;

/// A packet with its time in microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) micros: u64,
    pub(crate) wire_len: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Packets of one link type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Capture {
    pub(crate) link: u32,
    pub(crate) packets: Vec<Packet>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Micros,
    Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Pcap(Unit, Order),
    PcapNg(Order),
}

impl Order {
    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn read_u32(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = bytes[at..at + 4].try_into().unwrap();
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// Bytes before the first record of the classic format.
pub(crate) const FILE_HEADER: usize = 24;
/// Bytes before the packet in a record of the classic format.
pub(crate) const RECORD_HEADER: usize = 16;

impl Capture {
    /// Reads a file of either format, compressed or not; times are cut to microseconds. `None`
    /// when it has packets of several link types.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let bytes = plain(path);
        if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            read_pcapng(&bytes)
        } else {
            Some(read_pcap(&bytes))
        }
    }

    /// The file's bytes in `format`.
    pub(crate) fn write(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Pcap(unit, order) => self.write_pcap(unit, order),
            Format::PcapNg(order) => self.write_pcapng(order),
        }
    }

    /// In the most common format.
    pub(crate) fn write_usual(&self) -> Vec<u8> {
        self.write(Format::Pcap(Unit::Micros, Order::Little))
    }

    /// The first `at` packets and the rest.
    pub(crate) fn split_at(&self, at: usize) -> [Self; 2] {
        let (first, rest) = self.packets.split_at(at);
        [first, rest].map(|packets| Self {
            link: self.link,
            packets: packets.to_vec(),
        })
    }

    fn write_pcap(&self, unit: Unit, order: Order) -> Vec<u8> {
        let (magic, scale) = match unit {
            Unit::Micros => (0xa1b2_c3d4, 1),
            Unit::Nanos => (0xa1b2_3c4d, 1_000),
        };
        let mut out = order.u32(magic).to_vec();
        out.extend([order.u16(2), order.u16(4)].concat());
        out.extend(
            [0, 0, 262_144, self.link]
                .map(|word| order.u32(word))
                .concat(),
        );
        for packet in &self.packets {
            let fraction = packet.micros % 1_000_000 * scale;
            let words = [
                u32::try_from(packet.micros / 1_000_000).unwrap(),
                u32::try_from(fraction).unwrap(),
                u32::try_from(packet.bytes.len()).unwrap(),
                packet.wire_len,
            ];
            out.extend(words.map(|word| order.u32(word)).concat());
            out.extend_from_slice(&packet.bytes);
        }
        out
    }

    fn write_pcapng(&self, order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        let section = [
            order.u32(0x1a2b_3c4d).to_vec(),
            [order.u16(1), order.u16(0)].concat(),
            vec![0xff; 8],
        ];
        block(&mut out, order, 0x0a0d_0d0a, &section.concat());
        let link = u16::try_from(self.link).unwrap();
        let interface = [
            order.u16(link).to_vec(),
            order.u16(0).to_vec(),
            order.u32(0).to_vec(),
        ];
        block(&mut out, order, 1, &interface.concat());
        for packet in &self.packets {
            let words = [
                0,
                u32::try_from(packet.micros >> 32).unwrap(),
                u32::try_from(packet.micros & 0xffff_ffff).unwrap(),
                u32::try_from(packet.bytes.len()).unwrap(),
                packet.wire_len,
            ];
            let mut body = words.map(|word| order.u32(word)).concat();
            body.extend_from_slice(&packet.bytes);
            body.resize(body.len().next_multiple_of(4), 0);
            block(&mut out, order, 6, &body);
        }
        out
    }
}

/// Appends a block of the pcapng format.
pub(crate) fn block(out: &mut Vec<u8>, order: Order, kind: u32, body: &[u8]) {
    let len = order.u32(u32::try_from(body.len() + 12).unwrap());
    out.extend(order.u32(kind));
    out.extend(len);
    out.extend_from_slice(body);
    out.extend(len);
}

/// The uncompressed content of a file.
pub(crate) fn plain(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => {
            let mut plain = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            reader.read_to_end(&mut plain).unwrap();
            plain
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    }
}

/// As gzip has it.
pub(crate) fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut reader = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap();
    out
}

fn read_pcap(bytes: &[u8]) -> Capture {
    let (order, divisor) = match bytes[..4] {
        [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1),
        [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1),
        [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1_000),
        [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1_000),
        _ => panic!("no pcap: {:02x?}", &bytes[..4]),
    };
    let mut packets = Vec::new();
    let mut at = FILE_HEADER;
    while at < bytes.len() {
        let word = |n: usize| order.read_u32(bytes, at + 4 * n);
        let start = at + RECORD_HEADER;
        let end = start + word(2) as usize;
        packets.push(Packet {
            micros: u64::from(word(0)) * 1_000_000 + u64::from(word(1)) / divisor,
            wire_len: word(3),
            bytes: bytes[start..end].to_vec(),
        });
        at = end;
    }
    Capture {
        link: order.read_u32(bytes, 20) & 0x03ff_ffff,
        packets,
    }
}

/// An interface block: its link type, and units of its timestamps in a second.
type Interface = (u32, u64);

fn read_pcapng(bytes: &[u8]) -> Option<Capture> {
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut packets = Vec::new();
    let mut at = 0;
    let order = if bytes[8] == 0x4d {
        Order::Little
    } else {
        Order::Big
    };
    while at < bytes.len() {
        let word = |n: usize| order.read_u32(bytes, at + 4 * n);
        let len = word(1) as usize;
        match word(0) {
            1 => interfaces.push(interface(&bytes[at + 8..at + len - 4], order)),
            6 => {
                let (_, per_second) = interfaces[word(2) as usize];
                let units = u64::from(word(3)) << 32 | u64::from(word(4));
                let micros = u128::from(units) * 1_000_000 / u128::from(per_second);
                packets.push(Packet {
                    micros: u64::try_from(micros).unwrap(),
                    wire_len: word(6),
                    bytes: bytes[at + 28..at + 28 + word(5) as usize].to_vec(),
                });
            }
            _ => {}
        }
        at += len;
    }
    let (link, _) = *interfaces.first()?;
    let same = interfaces.iter().all(|other| other.0 == link);
    same.then_some(Capture { link, packets })
}

fn interface(body: &[u8], order: Order) -> Interface {
    let short = |at: usize| match order {
        Order::Little => u16::from_le_bytes([body[at], body[at + 1]]),
        Order::Big => u16::from_be_bytes([body[at], body[at + 1]]),
    };
    let mut per_second = 1_000_000;
    let mut at = 8;
    while at + 4 <= body.len() && short(at) != 0 {
        if short(at) == 9 {
            per_second = match body[at + 4] {
                bits if bits & 0x80 != 0 => 1 << (bits & 0x7f),
                power => 10_u64.pow(power.into()),
            };
        }
        at += 4 + usize::from(short(at + 2)).next_multiple_of(4);
    }
    (short(0).into(), per_second)
}
