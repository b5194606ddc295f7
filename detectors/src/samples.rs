//! The latest flows that went into a measure, to be named as its evidence.

use std::net::IpAddr;

use flow_table::{FlowEvent, ProtocolRow, Timestamp, Uid};

use crate::asked::Asked;

/// One flow, in 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Sample {
    pub(crate) time: Timestamp,
    uid: ShortUid,
    pub(crate) peer: IpAddr,
    pub(crate) port: u16,
}

/// A uid in as few bytes as hold any; they sort as it does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
#[derive(Clone, Default, Debug)]
pub(crate) enum Samples {
    #[default]
    None,
    One(Sample),
    Ring(Vec<Sample>, usize),
}

impl Samples {
    /// Adds a flow unless it is the one added last; the oldest of more than `max` goes.
    pub(crate) fn push(&mut self, sample: Sample, max: usize) {
        match self {
            Self::None if max > 0 => *self = Self::One(sample),
            Self::One(newest) if newest.uid == sample.uid => {}
            Self::One(first) if max > 1 => {
                let mut ring = Vec::with_capacity(2);
                ring.extend([*first, sample]);
                *self = Self::Ring(ring, 0);
            }
            Self::One(only) => *only = sample,
            Self::Ring(ring, next) => push(ring, next, sample, max),
            Self::None => {}
        }
    }

    /// Adds a flow if there is room, or if the oldest began before `start`. What is judged later than
    /// it happens would otherwise name only flows that are yet to be judged.
    pub(crate) fn keep(&mut self, sample: Sample, max: usize, start: Timestamp) {
        let all = self.all();
        let oldest = match &*self {
            Self::Ring(_, next) => all.get(*next),
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
            Self::Ring(ring, _) => ring,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Ring(ring, _) => ring.capacity() * size_of::<Sample>(),
            _ => 0,
        }
    }
}

/// `next` is the oldest of a ring that is full.
fn push(ring: &mut Vec<Sample>, next: &mut usize, sample: Sample, max: usize) {
    let last = if *next == 0 { ring.len() } else { *next };
    let newest = ring.get(last.wrapping_sub(1));
    if newest.is_some_and(|newest| newest.uid == sample.uid) {
        return;
    }
    if ring.len() < max {
        if ring.len() == ring.capacity() {
            ring.reserve_exact((2 * ring.len()).min(max - ring.len()));
        }
        ring.push(sample);
        return;
    }
    if let Some(oldest) = ring.get_mut(*next) {
        *oldest = sample;
    }
    *next = if *next + 1 < max { *next + 1 } else { 0 };
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
