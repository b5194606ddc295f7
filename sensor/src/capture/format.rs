//! What the file formats have in common.

use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::{Block, Record};

/// Bytes that a record may have, its header included. libpcap keeps at most 256 KiB of a packet.
pub(crate) const MAX_RECORD: u64 = 1 << 20;

/// What stands at some place of a capture.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    /// A packet: its record (offsets relative to the item), and how many bytes the item takes.
    Packet(Record, usize),
    /// Something else of so many bytes.
    Other(usize),
    /// Not all of it is there: the bytes it takes in all, as far as that is known.
    Incomplete(u64),
}

/// What contradicts itself.
#[derive(Debug)]
pub(crate) struct Broken(pub String);

/// A capture format, once its first bytes told which.
#[derive(Debug)]
pub(crate) enum Format {
    /// The classic format, all variants.
    Pcap(Pcap),
    /// The newer, block-structured format.
    PcapNg(PcapNg),
}

/// How many bytes tell the format.
pub(crate) const MAGIC_LEN: usize = 4;

impl Format {
    /// The format of a file that begins with these bytes.
    pub(crate) fn of(magic: [u8; MAGIC_LEN]) -> Option<Self> {
        if let Some(pcap) = Pcap::of(magic) {
            return Some(Self::Pcap(pcap));
        }
        PcapNg::of(magic).map(Self::PcapNg)
    }

    /// What stands at the beginning of `bytes`.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Item, Broken> {
        match self {
            Self::Pcap(pcap) => Ok(pcap.next(bytes)),
            Self::PcapNg(pcapng) => pcapng.next(bytes),
        }
    }
}

/// How far a walk over a block's bytes went.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Bytes walked over.
    pub(crate) consumed: usize,
    /// Bytes that the item after them takes, where it is not all there.
    pub(crate) wanted: u64,
    /// What is wrong after them.
    pub(crate) broken: Option<Broken>,
}

/// Finds the records in a block's bytes.
pub(crate) fn walk(format: &mut Format, block: &mut Block) -> Walk {
    let mut consumed = 0;
    loop {
        if let Format::Pcap(pcap) = format {
            consumed = pcap.records(&block.bytes, consumed, &mut block.records);
        }
        let rest = block.bytes.get(consumed..).unwrap_or_default();
        if rest.is_empty() {
            return Walk {
                consumed,
                wanted: 0,
                broken: None,
            };
        }
        match format.next(rest) {
            Ok(Item::Packet(record, len)) => {
                block.records.push(Record {
                    start: consumed,
                    offset: consumed + record.offset,
                    ..record
                });
                consumed += len;
            }
            Ok(Item::Other(len)) => consumed += len,
            Ok(Item::Incomplete(wanted)) => {
                return Walk {
                    consumed,
                    wanted,
                    broken: None,
                };
            }
            Err(broken) => {
                return Walk {
                    consumed,
                    wanted: 0,
                    broken: Some(broken),
                };
            }
        }
    }
}

/// The byte order of a file's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// Two bytes at `at`; zero where there are none.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let found = bytes
            .get(at..at.saturating_add(2))
            .and_then(|b| b.try_into().ok())
            .unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(found),
            Self::Big => u16::from_be_bytes(found),
        }
    }

    /// Four bytes at `at`; zero where there are none.
    #[inline]
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let found = bytes
            .get(at..at.saturating_add(4))
            .and_then(|b| b.try_into().ok())
            .unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(found),
            Self::Big => u32::from_be_bytes(found),
        }
    }

    /// Eight bytes at `at`; zero where there are none.
    pub(crate) fn i64(self, bytes: &[u8], at: usize) -> i64 {
        let found = bytes
            .get(at..at.saturating_add(8))
            .and_then(|b| b.try_into().ok())
            .unwrap_or_default();
        match self {
            Self::Little => i64::from_le_bytes(found),
            Self::Big => i64::from_be_bytes(found),
        }
    }
}
