//! The wheel that finds flows whose timers are due, without a look at the others.
//!
//! An entry is a hint: the flow itself knows when it is due. So packets cost the wheel nothing; an
//! entry that comes up early is filed again by its owner. Eight bytes an entry: its slot of the
//! wheel tells the rest of its time.

use crate::{Span, Timestamp};

/// Time that one slot covers.
const STEP: Span = Span::from_millis(500);
/// Number of slots: what waits longer comes up early, and is filed again.
const SLOTS: i64 = 1024;
/// The offset of an entry that is due after the steps the wheel has.
const BEYOND: u32 = u32::MAX;

/// A flow that was filed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// Nanoseconds into the step.
    offset: u32,
    slot: u32,
}

/// Which step of time, by its low bits: they come round after seventy years.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step(u32);

impl Step {
    /// Not filed.
    pub(crate) const NEVER: Self = Self(u32::MAX);

    fn of(step: i64) -> Self {
        Self(u32::try_from(step & 0x7fff_ffff).unwrap_or_default())
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

/// A wheel of entries. Memory is that of the entries in it.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// The step that was looked at last; all before it are empty.
    step: i64,
    /// Nothing in the wheel is due before this.
    earliest: Timestamp,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            step: 0,
            earliest: Timestamp::MAX,
        }
    }
}

const fn step_of(time: Timestamp) -> i64 {
    time.as_nanos() / STEP.as_nanos()
}

const fn start_of(step: i64) -> Timestamp {
    Timestamp::from_nanos(step.saturating_mul(STEP.as_nanos()))
}

impl Wheel {
    fn slot_mut(&mut self, step: i64) -> Option<&mut Vec<Entry>> {
        let at = usize::try_from(step % SLOTS).ok()?;
        self.slots.get_mut(at)
    }

    /// Files a flow that is due at `due`. Returns where.
    pub(crate) fn insert(&mut self, due: Timestamp, slot: u32) -> Step {
        if self.slots.is_empty() {
            let slots = usize::try_from(SLOTS).unwrap_or_default();
            self.slots.resize_with(slots, Vec::new);
        }
        let step = step_of(due);
        if self.earliest == Timestamp::MAX {
            // Empty: the wheel may begin anywhere, with room for what is due sooner.
            self.step = (step - SLOTS + 1).max(0);
        }
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
        if let Some(entries) = self.slot_mut(step) {
            entries.push(Entry { offset, slot });
        }
        Step::of(step)
    }

    /// Moves every flow that may be due at `now` to `due`, with where it was filed.
    pub(crate) fn advance(&mut self, now: Timestamp, due: &mut Vec<(Step, u32)>) {
        if now < self.earliest {
            return;
        }
        let target = step_of(now);
        let first = self.step;
        // A jump far ahead visits every slot once, not every step.
        for step in first..=target.clamp(first, first + SLOTS - 1) {
            let Some(entries) = self.slot_mut(step) else {
                continue;
            };
            if step < target {
                due.extend(entries.drain(..).map(|entry| (Step::of(step), entry.slot)));
                if entries.capacity() > 16 {
                    *entries = Vec::new();
                }
                continue;
            }
            let into = u32::try_from(now.since(start_of(step)).as_nanos()).unwrap_or(BEYOND);
            entries.retain(|entry| {
                let early = entry.offset > into;
                if !early {
                    due.push((Step::of(step), entry.slot));
                }
                early
            });
        }
        self.step = target.max(first);
        self.earliest = self.first_due();
    }

    /// Nothing is due before this: an entry filed ahead of its time says nothing of the slots
    /// after its own.
    fn first_due(&mut self) -> Timestamp {
        let first = self.step;
        (first..first + SLOTS)
            .find_map(|step| {
                let offset = self
                    .slot_mut(step)?
                    .iter()
                    .map(|entry| entry.offset)
                    .min()?;
                let due = start_of(step) + Span::from_nanos(offset.into());
                Some(due.min(start_of(step + 1)))
            })
            .unwrap_or(Timestamp::MAX)
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
