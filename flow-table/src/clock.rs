//! Packet time inside a block of packets.

use crate::packet::Packet;
use crate::{Span, Timestamp};

/// What is reported from time to time is counted in parts of packet time of this length.
pub const PART: Span = Span::from_mins(5);

impl Timestamp {
    /// Which part of packet time it is in, counted from 1970.
    pub const fn part(self) -> i64 {
        self.as_nanos().div_euclid(PART.as_nanos())
    }
}

/// Packet time at each packet of a block: the latest timestamp of all packets so far, of all
/// flows. It never goes back, even where timestamps do.
///
/// A shard sees only its own packets but must do as though it saw all: a timer fires with the
/// first packet of *any* flow that is not earlier than it.
#[derive(Clone, Copy, Debug)]
pub struct Clock<'a> {
    times: &'a [Timestamp],
}

impl<'a> Clock<'a> {
    /// A clock from packet time at each packet; `times` never falls.
    pub const fn new(times: &'a [Timestamp]) -> Self {
        Self { times }
    }

    /// Packet time at the packet with this index.
    pub fn at(&self, index: u32) -> Timestamp {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.times
            .get(index)
            .or(self.times.last())
            .copied()
            .unwrap_or_default()
    }

    /// Where packets that come in order go over from one part of packet time ([`PART`]) to another:
    /// the first of the next, and a time in the one before.
    pub(crate) fn parts(&self, packets: &[Packet]) -> Vec<(usize, Timestamp)> {
        let (first, last) = (self.at(0).part(), self.end().part());
        let mut ends = Vec::new();
        if first == last {
            return ends;
        }
        let mut before: Option<Timestamp> = None;
        for (at, packet) in packets.iter().enumerate() {
            let now = self.at(packet.index);
            if let Some(before) = before.filter(|before| before.part() != now.part()) {
                ends.push((at, before));
            }
            before = Some(now);
        }
        ends
    }

    /// Packet time after the last packet of the block.
    pub fn end(&self) -> Timestamp {
        self.times.last().copied().unwrap_or_default()
    }

    /// The first packet time at or after `due`, given that it is no later than `now`.
    pub fn first_reaching(&self, due: Timestamp, now: Timestamp) -> Timestamp {
        let first = self.times.partition_point(|time| *time < due);
        self.times.get(first).copied().unwrap_or(now).min(now)
    }
}
