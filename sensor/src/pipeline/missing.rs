//! What interfaces brought and the workers never saw: counted where it is lost, told to the stage with
//! the next block that goes through.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use flow_table::{DropCounts, DropReason, Timestamp};

use super::reports::{Counted, OnLink};

/// Totals since the start. Whoever listens adds to them once a second, or when a block is left out.
#[derive(Default, Debug)]
pub(crate) struct Missing {
    pub(crate) queue_packets: AtomicU64,
    pub(crate) queue_bytes: AtomicU64,
    /// Packets that the kernel or the interface says there were.
    pub(crate) seen: AtomicU64,
    /// How many of them never could be listened to.
    pub(crate) dropped: AtomicU64,
}

impl Missing {
    /// A block is left out.
    pub(super) fn lose(&self, packets: u64, bytes: u64) {
        self.queue_packets.fetch_add(packets, Relaxed);
        self.queue_bytes.fetch_add(bytes, Relaxed);
    }

    /// What the kernel counted since the last time.
    pub(crate) fn add(&self, seen: u64, dropped: u64) {
        self.seen.fetch_add(seen, Relaxed);
        self.dropped.fetch_add(dropped, Relaxed);
    }

    /// Packets that were on the link, and those of them that never came to be looked at.
    pub(crate) fn seen_and_lost(&self) -> (u64, u64) {
        let lost = self.dropped.load(Relaxed) + self.queue_packets.load(Relaxed);
        (self.seen.load(Relaxed), lost)
    }

    /// As it is now.
    pub(super) fn total(&self) -> Missed {
        Missed {
            queue: (
                self.queue_packets.load(Relaxed),
                self.queue_bytes.load(Relaxed),
            ),
            link: OnLink {
                seen: self.seen.load(Relaxed),
                dropped: self.dropped.load(Relaxed),
            },
        }
    }
}

/// What was missing in some time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Missed {
    /// Packets and bytes.
    queue: (u64, u64),
    link: OnLink,
}

impl Missed {
    /// Of totals, what came since others.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            queue: (self.queue.0 - before.queue.0, self.queue.1 - before.queue.1),
            link: OnLink {
                seen: self.link.seen - before.link.seen,
                dropped: self.link.dropped - before.link.dropped,
            },
        }
    }

    /// As the stage counts it.
    pub(super) fn counted(&self, time: Timestamp) -> Counted {
        let mut dropped = DropCounts::new();
        dropped.add_many(DropReason::QueueFull, self.queue);
        Counted {
            time,
            packets: self.queue.0,
            bytes: self.queue.1,
            dropped,
            link: Some(self.link),
        }
    }
}
