//! The wheel that finds flows whose timers are due, without a look at the others.
//!
//! An entry is a hint: the flow itself knows when it is due. So packets cost the wheel nothing; an
//! entry that comes up early is filed again by its owner, and one whose flow is gone lies about
//! until it comes up, or until its owner finds that there are too many of them. Eight bytes an
//! entry: its slot of the wheel tells the rest of its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{Span, Timestamp};

/// Time that one slot covers.
const STEP: Span = Span::from_millis(500);
/// Number of slots: what waits longer comes up early, and is filed again.
const SLOTS: i64 = 768;
/// The offset of an entry that is due after the steps the wheel has.
const BEYOND: u32 = u32::MAX;

/// A flow that was filed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry {
    /// Nanoseconds into the step.
    offset: u32,
    slot: u32,
}

/// Which step of time, by its low 32 bits: they come round after seventy years, and of two steps less
/// than half of that apart it can be told which is first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step(u32);

impl Step {
    /// Not filed.
    pub(crate) const NEVER: Self = Self(u32::MAX);

    fn of(step: i64) -> Self {
        let low = u32::try_from(step & 0xffff_ffff).unwrap_or_default();
        Self(low.min(Self::NEVER.0 - 1))
    }

    /// Whether a flow filed here may be due at `now`.
    pub(crate) fn may_be_due(self, now: Timestamp) -> bool {
        let now = Self::of(step_of(now));
        self != Self::NEVER && now.0.wrapping_sub(self.0).cast_signed() >= 0
    }

    /// Whether `due` lies in this step.
    pub(crate) fn has(self, due: Timestamp) -> bool {
        self == Self::of(step_of(due))
    }

    /// Whether a flow due at `due` must be filed anew to be found in time.
    pub(crate) fn is_after(self, due: Timestamp) -> bool {
        let due = Self::of(step_of(due));
        self == Self::NEVER || self.0.wrapping_sub(due.0).cast_signed() > 0
    }
}

/// A wheel of entries.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Steps ahead of the current one, by their number modulo [`SLOTS`].
    slots: Vec<Vec<Entry>>,
    /// Which of them have entries.
    occupied: Occupied,
    /// The current step's, first what is due first.
    current: BinaryHeap<Reverse<Entry>>,
    /// The step that was looked at last; there is nothing before it.
    step: i64,
    /// Nothing in the wheel is due before this.
    earliest: Timestamp,
    len: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            occupied: Occupied::default(),
            current: BinaryHeap::new(),
            step: 0,
            earliest: Timestamp::MAX,
            len: 0,
        }
    }
}

const fn step_of(time: Timestamp) -> i64 {
    time.as_nanos() / STEP.as_nanos()
}

const fn start_of(step: i64) -> Timestamp {
    Timestamp::from_nanos(step.saturating_mul(STEP.as_nanos()))
}

/// Where a step stands.
fn slot_of(step: i64) -> usize {
    usize::try_from(step % SLOTS).unwrap_or_default()
}

impl Wheel {
    /// Number of entries, those that have become meaningless included.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether any entry may be due at `now`.
    #[inline]
    pub(crate) fn may_have_due(&self, now: Timestamp) -> bool {
        self.earliest <= now
    }

    /// Whether what is filed can be compared with `now` by its step: not after a leap of decades, of
    /// which the wheel has yet to hear, nor where the wheel is ahead of `now`, as it is after what was
    /// kept by somebody whose time was later. What is due before its step is filed there then.
    pub(crate) fn can_tell(&self, now: Timestamp) -> bool {
        (0..i64::from(i32::MAX)).contains(&(step_of(now) - self.step))
    }

    /// It is `now`: a wheel without entries begins here. One that began later than what is filed
    /// next would have to look at it all the time.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        if self.len == 0 {
            self.step = step_of(now);
        }
    }

    /// Files a flow that is due at `due`. Returns where.
    pub(crate) fn insert(&mut self, due: Timestamp, slot: u32) -> Step {
        let step = step_of(due);
        let last = self.step + SLOTS - 1;
        let (step, offset) = if step < self.step {
            // Packet time was ahead of this flow: look at it at the next chance.
            (self.step, 0)
        } else if step > last {
            (last, BEYOND)
        } else {
            let offset = due.since(start_of(step)).as_nanos();
            (step, u32::try_from(offset).unwrap_or(BEYOND))
        };
        self.earliest = self.earliest.min(due).min(start_of(step + 1));
        self.push(step, Entry { offset, slot });
        Step::of(step)
    }

    fn push(&mut self, step: i64, entry: Entry) {
        self.len += 1;
        if step == self.step {
            self.current.push(Reverse(entry));
            return;
        }
        if self.slots.is_empty() {
            let slots = usize::try_from(SLOTS).unwrap_or_default();
            self.slots.resize_with(slots, Vec::new);
        }
        let at = slot_of(step);
        if let Some(entries) = self.slots.get_mut(at) {
            entries.push(entry);
            self.occupied.set(at);
        }
    }

    /// Moves every flow that may be due at `now` to `due`, with where it was filed.
    pub(crate) fn advance(&mut self, now: Timestamp, due: &mut Vec<(Step, u32)>) {
        if now < self.earliest {
            return;
        }
        let before = due.len();
        let target = step_of(now).max(self.step);
        while self.step < target {
            let current = Step::of(self.step);
            due.extend(self.current.drain().map(|entry| (current, entry.0.slot)));
            // A jump far ahead visits the steps that have entries, not every step.
            self.step = self.next_step().unwrap_or(target).min(target);
            self.current = self.take(self.step).into_iter().map(Reverse).collect();
        }
        let into = u32::try_from(now.since(start_of(target)).as_nanos()).unwrap_or(BEYOND);
        while let Some(Reverse(entry)) = self.current.peek() {
            if entry.offset > into {
                break;
            }
            due.push((Step::of(target), entry.slot));
            self.current.pop();
        }
        self.len -= due.len() - before;
        self.earliest = self.first_due();
    }

    /// Forgets every entry that `means` nothing, and all of a flow's in one step but the first: at
    /// most one for each flow is left.
    pub(crate) fn retain(&mut self, means: impl Fn(Step, u32) -> bool) {
        let left = |step: i64, mut entries: Vec<Entry>| {
            entries.retain(|entry| means(Step::of(step), entry.slot));
            entries.sort_unstable_by_key(|entry| (entry.slot, entry.offset));
            entries.dedup_by_key(|entry| entry.slot);
            entries.shrink_to_fit();
            entries
        };
        let current = std::mem::take(&mut self.current).into_vec();
        let current = current.into_iter().map(|entry| entry.0).collect();
        let current = left(self.step, current);
        self.len = current.len();
        self.current = current.into_iter().map(Reverse).collect();
        for step in self.step + 1..self.step + SLOTS {
            for entry in left(step, self.take(step)) {
                self.push(step, entry);
            }
        }
        self.earliest = self.first_due();
    }

    /// Takes a step's entries out.
    fn take(&mut self, step: i64) -> Vec<Entry> {
        let at = slot_of(step);
        self.occupied.clear(at);
        self.slots
            .get_mut(at)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The first step after the current one that has entries.
    fn next_step(&self) -> Option<i64> {
        let at = slot_of(self.step);
        let next = self
            .occupied
            .next(at + 1)
            .or_else(|| self.occupied.next(0))?;
        let ahead = i64::try_from(next).ok()? - i64::try_from(at).ok()?;
        Some(self.step + ahead.rem_euclid(SLOTS))
    }

    /// Nothing is due before this: an entry filed ahead of its time says nothing of the slots
    /// after its own.
    fn first_due(&self) -> Timestamp {
        let next = self.next_step().map_or(Timestamp::MAX, start_of);
        let Some(Reverse(first)) = self.current.peek() else {
            return next;
        };
        let due = start_of(self.step) + Span::from_nanos(first.offset.into());
        due.min(start_of(self.step + 1)).min(next)
    }
}

/// A bit for each slot of the wheel.
#[derive(Clone, Copy, Default, Debug)]
struct Occupied([u64; WORDS]);

/// Words of [`Occupied`].
const WORDS: usize = 16;

impl Occupied {
    fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn clear(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// The first set bit at or after `from`.
    fn next(&self, from: usize) -> Option<usize> {
        let first = from / 64;
        for (at, word) in self.0.iter().enumerate().skip(first) {
            let below = if at == first {
                (1_u64 << (from % 64)) - 1
            } else {
                0
            };
            let left = word & !below;
            if left != 0 {
                return Some(at * 64 + usize::try_from(left.trailing_zeros()).ok()?);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::ZERO + Span::from_millis(ms)
    }

    proptest! {
        /// Whatever is filed comes up when it is due, not later; early ones are filed again.
        #[test]
        fn every_entry_comes_up_when_due(
            dues in prop::collection::vec(0_i64..2_000_000, 1..200),
            steps in prop::collection::vec(0_i64..400_000, 1..60),
        ) {
            let mut wheel = Wheel::default();
            let mut left: Vec<(i64, u32)> = Vec::new();
            let mut dues = dues.into_iter().zip(0..);
            let mut now = 0;
            for step in steps {
                for (due, slot) in dues.by_ref().take(4) {
                    wheel.insert(ms(due), slot);
                    left.push((due, slot));
                }
                now += step;
                let mut up = Vec::new();
                wheel.advance(ms(now), &mut up);
                let (want, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|(due, _)| *due <= now);
                left = rest;
                for (_, slot) in &want {
                    prop_assert!(up.iter().any(|(_, other)| other == slot), "{slot} is late");
                }
                for (_, slot) in up {
                    if let Some((due, _)) = left.iter().find(|(_, other)| *other == slot) {
                        wheel.insert(ms(*due), slot);
                    }
                }
            }
        }
    }

    #[test]
    fn sweeping_leaves_one_entry_for_each_flow_and_none_late() {
        let mut wheel = Wheel::default();
        let mut filed = Step::NEVER;
        for offset in [400, 100, 300] {
            filed = wheel.insert(ms(10_000 + offset), 1);
        }
        wheel.insert(ms(20_000), 1);
        wheel.insert(ms(10_200), 2);
        wheel.retain(|step, slot| slot == 1 && step == filed);
        assert_eq!(wheel.len(), 1);
        let mut up = Vec::new();
        wheel.advance(ms(10_100), &mut up);
        assert_eq!(up, [(filed, 1)]);
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn a_wheel_that_is_ahead_cannot_tell() {
        let mut wheel = Wheel::default();
        wheel.begin(ms(100_000));
        let filed = wheel.insert(ms(50_000), 1);
        assert!(!filed.may_be_due(ms(60_000)) && !wheel.can_tell(ms(60_000)));
        assert!(wheel.can_tell(ms(100_000)));
    }

    #[test]
    fn what_is_due_tomorrow_does_not_hide_what_is_due_now() {
        let mut wheel = Wheel::default();
        wheel.begin(ms(10_000));
        wheel.insert(ms(86_400_000), 1);
        let step = wheel.insert(ms(15_000), 2);
        assert!(!step.may_be_due(ms(14_000)) && step.may_be_due(ms(15_000)));
        let mut up = Vec::new();
        wheel.advance(ms(14_999), &mut up);
        assert_eq!(up, []);
        wheel.advance(ms(15_000), &mut up);
        assert_eq!(up, [(step, 2)]);
    }

    #[test]
    fn a_wheel_at_rest_looks_at_nothing() {
        let mut wheel = Wheel::default();
        let step = wheel.insert(ms(10_000), 1);
        assert!(!step.may_be_due(ms(9_000)) && step.may_be_due(ms(10_000)));
        assert!(step.is_after(ms(9_000)) && !step.is_after(ms(10_000)));
        let mut up = Vec::new();
        wheel.advance(ms(9_999), &mut up);
        assert_eq!(up, []);
        wheel.advance(ms(10_000), &mut up);
        assert_eq!(up, [(step, 1)]);
    }
}
