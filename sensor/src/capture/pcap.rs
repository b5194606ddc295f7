//! The classic capture format: micro- or nanoseconds, either byte order
//! (draft-ietf-opsawg-pcap).

use flow_table::{LinkType, Timestamp};

use super::Record;
use super::format::{Item, MAGIC_LEN, Order};

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// A file of this format.
#[derive(Debug)]
pub(crate) struct Pcap {
    order: Order,
    /// Nanoseconds that a unit of a timestamp's second word stands for.
    unit: i64,
    /// Bytes of a record header; one old Linux variant has more.
    record_header: usize,
    /// From the file header, once it was seen.
    link_number: Option<u32>,
}

impl Pcap {
    /// The variant that begins with these bytes.
    pub(crate) fn of(magic: [u8; MAGIC_LEN]) -> Option<Self> {
        let (order, unit, record_header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1_000, RECORD_HEADER),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1_000, RECORD_HEADER),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1, RECORD_HEADER),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1, RECORD_HEADER),
            // Alexey Kuznetzov's variant adds interface, protocol and packet type.
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1_000, RECORD_HEADER + 8),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1_000, RECORD_HEADER + 8),
            _ => return None,
        };
        Some(Self {
            order,
            unit,
            record_header,
            link_number: None,
        })
    }

    /// Finds whole records from `at` on, the file header having been seen. Returns where the first
    /// thing begins that is none, for [`Self::next`] to tell what it is.
    pub(crate) fn records(&self, bytes: &[u8], at: usize, records: &mut Vec<Record>) -> usize {
        let Some(link_number) = self.link_number else {
            return at;
        };
        match self.order {
            Order::Little => self.find(link_number, bytes, at, records, u32::from_le_bytes),
            Order::Big => self.find(link_number, bytes, at, records, u32::from_be_bytes),
        }
    }

    /// The same, where `number` reads the file's numbers: code of its own is made for each order.
    #[inline]
    fn find(
        &self,
        link_number: u32,
        bytes: &[u8],
        at: usize,
        records: &mut Vec<Record>,
        number: impl Fn([u8; 4]) -> u32,
    ) -> usize {
        let link = LinkType::of(link_number);
        let mut start = at;
        let mut rest = bytes.get(at..).unwrap_or_default();
        while let Some((header, behind)) = rest.split_first_chunk::<RECORD_HEADER>() {
            let Ok::<&[_; 4], _>(words) = header.as_chunks().0.try_into() else {
                break;
            };
            let [secs, fraction, len, wire_len] = words.map(&number);
            let more = self.record_header - RECORD_HEADER;
            let Ok(len) = usize::try_from(len) else { break };
            let Some(behind) = behind.get(more..).and_then(|behind| behind.get(len..)) else {
                break;
            };
            records.push(Record {
                ts: Timestamp::new(secs.into(), i64::from(fraction) * self.unit),
                start,
                offset: start + self.record_header,
                len,
                wire_len,
                link_number,
                link,
            });
            start += rest.len() - behind.len();
            rest = behind;
        }
        start
    }

    /// What stands at the beginning of `bytes`: the file header first, then records.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Item {
        let Some(link_number) = self.link_number else {
            if bytes.len() < FILE_HEADER {
                return Item::Incomplete(FILE_HEADER as u64);
            }
            // The upper bits say whether frames carry a checksum.
            self.link_number = Some(self.order.u32(bytes, 20) & 0x03ff_ffff);
            return Item::Other(FILE_HEADER);
        };
        if bytes.len() < self.record_header {
            return Item::Incomplete(self.record_header as u64);
        }
        let len = self.order.u32(bytes, 8);
        let item = u64::from(len) + self.record_header as u64;
        let (Ok(len), Ok(item_len)) = (usize::try_from(len), usize::try_from(item)) else {
            return Item::Incomplete(item);
        };
        if bytes.len() < item_len {
            return Item::Incomplete(item);
        }
        let (secs, fraction) = (self.order.u32(bytes, 0), self.order.u32(bytes, 4));
        let record = Record {
            ts: Timestamp::new(secs.into(), i64::from(fraction) * self.unit),
            start: 0,
            offset: self.record_header,
            len,
            wire_len: self.order.u32(bytes, 12),
            link_number,
            link: LinkType::of(link_number),
        };
        Item::Packet(record, item_len)
    }
}
