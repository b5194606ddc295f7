//! Where packets come from: blocks of whole records, never one by one; bytes stay where they
//! were read.

mod buffer;
mod error;
mod file;
mod filter;
mod format;
mod input;
mod pcap;
mod pcapng;

use flow_table::{LinkType, Timestamp};

use buffer::Buffer;
pub(crate) use error::CaptureError;
pub(crate) use file::open;
pub(crate) use filter::Filter;
pub(crate) use input::Input;

/// A packet inside a [`Block`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Its timestamp.
    pub(crate) ts: Timestamp,
    /// Where it begins in the block, its header included.
    pub(crate) start: usize,
    /// Where its captured bytes begin in the block.
    pub(crate) offset: usize,
    /// How many were captured.
    pub(crate) len: usize,
    /// How many it had on the wire.
    pub(crate) wire_len: u32,
    /// Link type by its registered number.
    pub(crate) link_number: u32,
    /// What that is, if we can read it.
    pub(crate) link: Option<LinkType>,
}

/// Some records of a capture, in order, with the bytes they were cut from.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The bytes as read, record headers included.
    pub(crate) bytes: Buffer,
    /// The records in them.
    pub(crate) records: Vec<Record>,
    /// Packet time at each record: the latest timestamp so far. One more may follow, where time went
    /// on without a record.
    pub(crate) times: Vec<Timestamp>,
    /// Place in the order of blocks.
    pub(crate) number: u64,
}

impl Block {
    /// The captured bytes of `record`.
    pub(crate) fn bytes_of(&self, record: &Record) -> &[u8] {
        let bytes = self.bytes.get(record.offset..).unwrap_or_default();
        bytes.get(..record.len).unwrap_or_default()
    }

    /// Forgets everything in it, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.times.clear();
    }

    /// Notes packet time at each record, having been `now` before; returns what it is after them.
    pub(crate) fn tell_time(&mut self, mut now: Timestamp) -> Timestamp {
        self.times.extend(self.records.iter().map(|record| {
            now = now.max(record.ts);
            now
        }));
        now
    }
}
