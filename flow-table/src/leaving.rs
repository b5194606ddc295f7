//! The end of the input: all flows leave at one moment, and there may be a million of them. So they
//! leave piece by piece in the order of their uids, which is the order of their rows, and whoever
//! takes them need not hold them all at once.

use crate::shard::Shard;
use crate::table::TableOutput;
use crate::{FlowEvent, FlowEventKind, IpProto, Timestamp, Uid};

/// Bits of a uid that are not kept while a flow waits: the order is that of the others.
const LOW_BITS: u32 = 32;
/// How many flows ahead memory is asked for.
const LOOK_AHEAD: usize = 8;

/// What the end of the input says of flows that nobody ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum End {
    /// They are over.
    #[default]
    Closes,
    /// They go on in input to come. They get their rows, but no event tells that they closed: what is
    /// measured of them is not complete. Those that somebody looks into are kept
    /// ([`TableOutput::conversations`]).
    GoesOn,
}

/// The flows of a shard on their way out.
#[derive(Debug)]
pub struct Leaving {
    now: Timestamp,
    end: End,
    /// The last to go first.
    waiting: Vec<Waiting>,
}

/// A flow that is yet to leave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Waiting {
    /// The upper bits of its uid.
    uid: u64,
    slot: u32,
    table: u32,
}

impl Leaving {
    /// Everything in `shard` leaves at `now`.
    pub fn of(shard: &Shard, now: Timestamp, end: End) -> Self {
        let mut waiting = Vec::with_capacity(shard.len());
        for (table, flows) in (0..).zip(shard.tables()) {
            waiting.extend(flows.uids().map(|(uid, slot)| Waiting {
                uid: u64::try_from(uid.bits() >> LOW_BITS).unwrap_or(u64::MAX),
                slot,
                table,
            }));
        }
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        Self { now, end, waiting }
    }

    /// The next `count` flows leave, or a few more. Returns the uid below which none is left, or
    /// `None` when none is left at all.
    pub fn step(&mut self, shard: &mut Shard, count: usize, out: &mut TableOutput) -> Option<Uid> {
        let mut last = None;
        for nth in 0.. {
            let Some(next) = self.waiting.last().copied() else {
                break;
            };
            // Those that cannot be told apart leave together.
            if nth >= count && last != Some(next.uid) {
                return Some(Uid::from_bits(u128::from(next.uid) << LOW_BITS));
            }
            last = Some(next.uid);
            self.waiting.pop();
            self.fetch(shard);
            match self.end {
                End::Closes => shard.end(next.table, next.slot, self.now, out),
                End::GoesOn => {
                    let before = out.events.len();
                    shard.suspend(next.table, next.slot, self.now, out);
                    out.events.iter_mut().skip(before).for_each(keep_open);
                }
            }
        }
        None
    }

    /// Fetches flows that leave soon, and where the index has those that leave sooner.
    fn fetch(&self, shard: &Shard) {
        let ahead = |by: usize| self.waiting.get(self.waiting.len().wrapping_sub(by));
        if let Some(far) = ahead(2 * LOOK_AHEAD) {
            shard.prefetch_flow(far.table, far.slot);
        }
        if let Some(near) = ahead(LOOK_AHEAD) {
            shard.prefetch_index(near.table, near.slot);
        }
    }
}

/// A flow that nobody ended reports what it moved, and does not close.
fn keep_open(event: &mut FlowEvent) {
    if let FlowEventKind::Closed { state, .. } = event.kind
        && !(event.id.proto == IpProto::TCP && state.is_over())
    {
        event.kind = FlowEventKind::Progress;
    }
}
