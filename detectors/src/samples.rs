//! The latest flows that went into a measure, to be named as its evidence.

use std::net::IpAddr;

use flow_table::{FlowEvent, ProtocolRow, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use crate::asked::Asked;

/// One flow, in 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) time: Timestamp,
    uid: ShortUid,
    pub(crate) peer: IpAddr,
    pub(crate) port: u16,
}

/// A uid in as few bytes as hold any; they sort as it does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct ShortUid([u8; Uid::BYTES]);

impl Sample {
    /// The flow of an event, as seen by the other end of `peer`.
    pub(crate) fn of(event: &FlowEvent, peer: IpAddr) -> Self {
        Self {
            time: event.start,
            uid: ShortUid::of(event.uid),
            peer,
            port: event.id.resp.port,
        }
    }

    /// The flow in which a name was asked for.
    pub(crate) fn of_question(asked: &Asked<'_>) -> Self {
        Self {
            time: asked.at,
            uid: ShortUid::of(asked.row.uid),
            peer: asked.server.addr,
            port: asked.row.id.resp.port,
        }
    }

    /// The flow of a row of a protocol's log, as seen by the other end of `peer`.
    pub(crate) fn of_row(row: &ProtocolRow, peer: IpAddr) -> Self {
        Self {
            time: row.time,
            uid: ShortUid::of(row.uid),
            peer,
            port: row.id.resp.port,
        }
    }

    pub(crate) fn uid(&self) -> Uid {
        Uid::from_bytes(self.uid.0)
    }
}

impl ShortUid {
    fn of(uid: Uid) -> Self {
        Self(uid.to_bytes())
    }
}

/// A ring of samples that grows only as it is filled. The first takes no room of its own: most
/// subjects are seen once.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) enum Samples {
    #[default]
    None,
    One(Sample),
    Ring(Ring),
}

/// More samples than one. Which was added last stands beside them: finding out that another is new
/// touches none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ring {
    #[serde(with = "crate::state::room")]
    samples: Vec<Sample>,
    newest: ShortUid,
    /// The oldest, once it is full.
    next: u32,
}

impl Samples {
    /// Adds a flow unless it is the one added last; the oldest of more than `max` goes.
    #[inline]
    pub(crate) fn push(&mut self, sample: Sample, max: usize) {
        let known = match self {
            Self::None => false,
            Self::One(newest) => newest.uid == sample.uid,
            Self::Ring(ring) => ring.newest == sample.uid,
        };
        if !known {
            self.add(sample, max);
        }
    }

    fn add(&mut self, sample: Sample, max: usize) {
        match self {
            Self::None if max > 0 => *self = Self::One(sample),
            Self::One(first) if max > 1 => *self = Self::Ring(Ring::of(*first, sample)),
            Self::One(only) => *only = sample,
            Self::Ring(ring) => ring.add(sample, max),
            Self::None => {}
        }
    }

    /// Adds a flow if there is room, or if the oldest began before `start`. What is judged later than
    /// it happens would otherwise name only flows that are yet to be judged.
    pub(crate) fn keep(&mut self, sample: Sample, max: usize, start: Timestamp) {
        let all = self.all();
        let oldest = match &*self {
            Self::Ring(ring) => all.get(ring.next as usize),
            _ => all.first(),
        };
        let goes = oldest.is_some_and(|oldest| oldest.time < start);
        if goes || all.len() < max {
            self.push(sample, max);
        }
    }

    pub(crate) fn all(&self) -> &[Sample] {
        match self {
            Self::None => &[],
            Self::One(only) => std::slice::from_ref(only),
            Self::Ring(ring) => &ring.samples,
        }
    }

    /// Whether there were several flows, not one alone.
    pub(crate) const fn several(&self) -> bool {
        matches!(self, Self::Ring(_))
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Ring(ring) => ring.samples.capacity() * size_of::<Sample>(),
            _ => 0,
        }
    }
}

impl Ring {
    fn of(first: Sample, second: Sample) -> Self {
        let mut samples = Vec::with_capacity(2);
        samples.extend([first, second]);
        Self {
            samples,
            newest: second.uid,
            next: 0,
        }
    }

    fn add(&mut self, sample: Sample, max: usize) {
        self.newest = sample.uid;
        let len = self.samples.len();
        if len < max {
            if len == self.samples.capacity() {
                let room = if 3 * len > max { max } else { 2 * len };
                self.samples.reserve_exact(room - len);
            }
            self.samples.push(sample);
            return;
        }
        if let Some(oldest) = self.samples.get_mut(self.next as usize) {
            *oldest = sample;
        }
        self.next = if (self.next as usize) + 1 < len {
            self.next + 1
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u32) -> Sample {
        Sample {
            time: Timestamp::new(number.into(), 0),
            uid: ShortUid::of(Uid::from_bits(u128::from(number) << 40)),
            peer: IpAddr::from([10, 0, 0, 1]),
            port: 80,
        }
    }

    #[test]
    fn a_ring_of_one_or_many_holds_the_latest() {
        for max in 0..12_u32 {
            let mut samples = Samples::default();
            for number in 0..40_u32 {
                for _ in 0..2 {
                    samples.push(sample(number), max as usize);
                }
                let mut held = samples.all().to_vec();
                held.sort_unstable();
                let want: Vec<Sample> = (0..=number).rev().take(max as usize).map(sample).collect();
                assert!(
                    held.iter().rev().eq(want.iter()),
                    "{max} {number}: {held:?}"
                );
                assert!(samples.heap() <= max as usize * size_of::<Sample>());
            }
            let before = samples.all().to_vec();
            samples.keep(sample(50), max as usize, Timestamp::ZERO);
            assert_eq!(samples.all(), before, "full, and the oldest still counts");
        }
    }

    #[test]
    fn samples_are_small_and_keep_their_uid() {
        let uid = Uid::from_bits(0x0123_4567_89ab_cdef_0246_8ace);
        let short = Sample {
            uid: ShortUid::of(uid),
            ..sample(0)
        };
        assert_eq!(short.uid(), uid);
        assert_eq!((size_of::<Sample>(), size_of::<Samples>()), (40, 48));
    }
}
