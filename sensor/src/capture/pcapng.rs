//! The block-structured capture format (draft-ietf-opsawg-pcapng): sections in either byte order,
//! interfaces with a link type and a clock of their own.

use flow_table::{LinkType, Timestamp};

use super::Record;
use super::format::{Broken, Item, MAGIC_LEN, MAX_RECORD, Order};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Type, length, and the length again at the end.
const BLOCK_OVERHEAD: usize = 12;
/// More interfaces than this in a section are no capture.
const MAX_INTERFACES: usize = 4096;

/// A file of this format, as far as it was walked.
#[derive(Debug)]
pub(crate) struct PcapNg {
    order: Order,
    interfaces: Vec<Interface>,
    /// Timestamp of the last packet: simple packets have none of their own.
    last: Timestamp,
}

/// What an interface block says.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link_number: u32,
    snap_len: u32,
    resolution: Resolution,
    /// Seconds to add to every timestamp.
    offset: i64,
}

/// How many units of a timestamp make a second.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// 10 to this power.
    Decimal(u8),
    /// 2 to this power.
    Binary(u8),
}

impl PcapNg {
    /// Whether a file that begins with these bytes is of this format.
    pub(crate) fn of(magic: [u8; MAGIC_LEN]) -> Option<Self> {
        (u32::from_le_bytes(magic) == SECTION).then_some(Self {
            order: Order::Little,
            interfaces: Vec::new(),
            last: Timestamp::ZERO,
        })
    }

    /// What stands at the beginning of `bytes`: always a block.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Item, Broken> {
        if bytes.len() < BLOCK_OVERHEAD {
            return Ok(Item::Incomplete(BLOCK_OVERHEAD as u64));
        }
        if Order::Little.u32(bytes, 0) == SECTION {
            self.begin_section(bytes)?;
        }
        let kind = self.order.u32(bytes, 0);
        let claimed = u64::from(self.order.u32(bytes, 4));
        if claimed < BLOCK_OVERHEAD as u64 || !claimed.is_multiple_of(4) {
            return Err(Broken(format!(
                "its block claims a length of {claimed}, which cannot be"
            )));
        }
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        let Some(block) = bytes.get(..len).filter(|_| claimed <= MAX_RECORD) else {
            return Ok(Item::Incomplete(claimed));
        };
        let again = self.order.u32(block, len - 4);
        if u64::from(again) != claimed {
            return Err(Broken(format!(
                "its block has length {claimed} at its beginning but {again} at its end"
            )));
        }
        let body = block.get(8..len - 4).unwrap_or_default();
        let packet = match kind {
            INTERFACE => {
                self.add_interface(body)?;
                None
            }
            ENHANCED_PACKET => Some(self.packet(body, self.order.u32(body, 0))?),
            OLD_PACKET => Some(self.packet(body, self.order.u16(body, 0).into())?),
            SIMPLE_PACKET => Some(self.simple_packet(body)?),
            _ => None,
        };
        Ok(packet.map_or(Item::Other(len), |record| Item::Packet(record, len)))
    }

    fn begin_section(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.order = match Order::Little.u32(bytes, 8) {
            0x1a2b_3c4d => Order::Little,
            0x4d3c_2b1a => Order::Big,
            other => {
                return Err(Broken(format!(
                    "its section has byte-order magic {other:#010x}"
                )));
            }
        };
        self.interfaces.clear();
        Ok(())
    }

    fn add_interface(&mut self, body: &[u8]) -> Result<(), Broken> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Broken(format!(
                "its section has more than {MAX_INTERFACES} interfaces"
            )));
        }
        let mut interface = Interface {
            link_number: self.order.u16(body, 0).into(),
            snap_len: self.order.u32(body, 4),
            resolution: Resolution::Decimal(6),
            offset: 0,
        };
        let mut rest = body.get(8..).unwrap_or_default();
        while rest.len() >= 4 {
            let (code, len) = (
                self.order.u16(rest, 0),
                usize::from(self.order.u16(rest, 2)),
            );
            let value = rest.get(4..4 + len).unwrap_or_default();
            match (code, value) {
                (0, _) => break,
                (9, [bits]) if bits & 0x80 == 0 => {
                    interface.resolution = Resolution::Decimal(*bits);
                }
                (9, [bits]) => interface.resolution = Resolution::Binary(bits & 0x7f),
                (14, [_, _, _, _, _, _, _, _]) => interface.offset = self.order.i64(value, 0),
                _ => {}
            }
            rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn interface(&self, number: u32) -> Result<Interface, Broken> {
        let found = usize::try_from(number)
            .ok()
            .and_then(|at| self.interfaces.get(at));
        found.copied().ok_or_else(|| {
            let known = self.interfaces.len();
            Broken(format!(
                "its packet names interface {number}, but {known} were described"
            ))
        })
    }

    /// An enhanced packet, or an old one: the same but for the width of the interface number.
    fn packet(&mut self, body: &[u8], interface: u32) -> Result<Record, Broken> {
        const HEADER: usize = 20;
        let interface = self.interface(interface)?;
        let units = (u64::from(self.order.u32(body, 4)) << 32) | u64::from(self.order.u32(body, 8));
        let claimed = self.order.u32(body, 12);
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        let there = body.len().saturating_sub(HEADER);
        if len > there {
            return Err(Broken(format!(
                "its packet claims {claimed} bytes but its block has room for {there}"
            )));
        }
        self.last = interface.time(units);
        let wire_len = self.order.u32(body, 16);
        Ok(Record {
            offset: HEADER + 8,
            ..interface.record(self.last, len, wire_len)
        })
    }

    fn simple_packet(&self, body: &[u8]) -> Result<Record, Broken> {
        const HEADER: usize = 4;
        let interface = self.interface(0)?;
        let wire_len = self.order.u32(body, 0);
        let snap = if interface.snap_len == 0 {
            u32::MAX
        } else {
            interface.snap_len
        };
        let there = body.len().saturating_sub(HEADER);
        let len = usize::try_from(wire_len.min(snap))
            .unwrap_or(usize::MAX)
            .min(there);
        Ok(Record {
            offset: HEADER + 8,
            ..interface.record(self.last, len, wire_len)
        })
    }
}

impl Interface {
    fn record(&self, ts: Timestamp, len: usize, wire_len: u32) -> Record {
        Record {
            ts,
            start: 0,
            offset: 0,
            len,
            wire_len,
            link_number: self.link_number,
            link: LinkType::of(self.link_number),
        }
    }

    fn time(&self, units: u64) -> Timestamp {
        const NANOS: u128 = 1_000_000_000;
        let units = u128::from(units);
        let nanos = match self.resolution {
            Resolution::Decimal(power) => {
                let per_second = 10_u128.checked_pow(power.into()).unwrap_or(u128::MAX);
                units * NANOS / per_second
            }
            Resolution::Binary(power) => (units * NANOS).checked_shr(power.into()).unwrap_or(0),
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp::new(self.offset, nanos)
    }
}
