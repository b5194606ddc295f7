//! The latest flows that went into a measure, to be named as its evidence.

use std::net::IpAddr;

use flow_table::{FlowEvent, Timestamp, Uid};

/// One flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Sample {
    pub(crate) time: Timestamp,
    pub(crate) uid: Uid,
    pub(crate) peer: IpAddr,
    pub(crate) port: u16,
}

impl Sample {
    /// The flow of an event, as seen by the other end of `peer`.
    pub(crate) fn of(event: &FlowEvent, peer: IpAddr) -> Self {
        Self {
            time: event.start,
            uid: event.uid,
            peer,
            port: event.id.resp.port,
        }
    }
}

/// A ring of samples that grows only as it is filled.
#[derive(Clone, Default, Debug)]
pub(crate) struct Samples {
    ring: Vec<Sample>,
    next: usize,
}

impl Samples {
    /// Adds a flow unless it is the one added last; the oldest of more than `max` goes.
    pub(crate) fn push(&mut self, sample: Sample, max: usize) {
        let last = if self.next == 0 {
            self.ring.len()
        } else {
            self.next
        };
        if self
            .ring
            .get(last.wrapping_sub(1))
            .is_some_and(|newest| newest.uid == sample.uid)
        {
            return;
        }
        if self.ring.len() < max {
            if self.ring.len() == self.ring.capacity() {
                self.ring
                    .reserve_exact(self.ring.len().max(1).min(max - self.ring.len()));
            }
            self.ring.push(sample);
            return;
        }
        if let Some(oldest) = self.ring.get_mut(self.next) {
            *oldest = sample;
        }
        self.next = (self.next + 1) % max.max(1);
    }

    /// Adds a flow if there is room, or if the oldest began before `start`. What is judged later than
    /// it happens would otherwise name only flows that are yet to be judged.
    pub(crate) fn keep(&mut self, sample: Sample, max: usize, start: Timestamp) {
        let oldest = self.ring.get(self.next);
        if self.ring.len() < max || oldest.is_some_and(|oldest| oldest.time < start) {
            self.push(sample, max);
        }
    }

    pub(crate) fn all(&self) -> &[Sample] {
        &self.ring
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.ring.capacity() * size_of::<Sample>()
    }
}
