//! The wheel that finds flows whose timers are due, without a look at the others.
//!
//! An entry is a hint: the flow itself knows when it is due. So packets cost the wheel nothing;
//! an entry that comes up early is filed again by its owner.

use crate::{Span, Timestamp};

/// Time that one slot covers.
const STEP: Span = Span::from_millis(250);
/// Number of slots: longer waits are filed in the last one and filed again when it comes up.
const SLOTS: i64 = 1024;

/// Something that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// When.
    pub due: Timestamp,
    /// Which flow, by its slot in the table.
    pub slot: u32,
}

/// A wheel of entries. Memory is that of the entries in it.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// Number of the step that `earliest` speaks of; all before it are empty.
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

impl Wheel {
    fn slot_mut(&mut self, step: i64) -> Option<&mut Vec<Entry>> {
        usize::try_from(step % SLOTS)
            .ok()
            .and_then(|at| self.slots.get_mut(at))
    }

    /// Files an entry.
    pub(crate) fn insert(&mut self, entry: Entry) {
        if self.slots.is_empty() {
            self.slots
                .resize_with(usize::try_from(SLOTS).unwrap_or_default(), Vec::new);
            self.step = step_of(entry.due);
        }
        if self.earliest == Timestamp::MAX {
            // Empty: the wheel may begin anywhere.
            self.step = step_of(entry.due);
        }
        self.earliest = self.earliest.min(entry.due);
        let due = step_of(entry.due);
        if due < self.step {
            // Packet time was ahead of this flow: look at it at the next chance.
            let now = self.step;
            if let Some(slot) = self.slot_mut(now) {
                slot.push(entry);
            }
            return;
        }
        let last = self.step + SLOTS - 1;
        if let Some(slot) = self.slot_mut(due.min(last)) {
            slot.push(entry);
        }
    }

    /// Moves every entry due at or before `now` to `due`.
    pub(crate) fn advance(&mut self, now: Timestamp, due: &mut Vec<Entry>) {
        if now < self.earliest {
            return;
        }
        let target = step_of(now);
        // A jump far ahead visits every slot once, not every step.
        let visits = (target - self.step).clamp(0, SLOTS - 1);
        let first = self.step;
        let mut early: Vec<Entry> = Vec::new();
        for step in first..=first + visits {
            if let Some(slot) = self.slot_mut(step) {
                early.append(slot);
            }
        }
        self.step = target.max(self.step);
        self.earliest = Timestamp::MAX;
        early.retain(|entry| {
            let is_due = entry.due <= now;
            if is_due {
                due.push(*entry);
            }
            !is_due
        });
        self.refile(early);
    }

    /// Files early entries again, and finds out what is due first.
    fn refile(&mut self, early: Vec<Entry>) {
        let step = self.step;
        // An entry filed ahead of its time says nothing of the slots after its own.
        let earliest = (step..step + SLOTS)
            .find_map(|at| {
                let end = Timestamp::from_nanos((at + 1).saturating_mul(STEP.as_nanos()));
                let first = self.slot_mut(at)?.iter().map(|entry| entry.due).min()?;
                Some(first.min(end))
            })
            .unwrap_or(Timestamp::MAX);
        self.earliest = earliest;
        for entry in early {
            self.earliest = self.earliest.min(entry.due);
            let at = step_of(entry.due).clamp(step, step + SLOTS - 1);
            if let Some(slot) = self.slot_mut(at) {
                slot.push(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is filed comes out once, not early, and not late.
        #[test]
        fn every_entry_comes_out_when_due(
            dues in prop::collection::vec(0_i64..2_000_000, 1..200),
            steps in prop::collection::vec(0_i64..400_000, 1..60),
        ) {
            let ms = |ms: i64| Timestamp::ZERO + Span::from_millis(ms);
            let mut wheel = Wheel::default();
            let mut left: Vec<Entry> = Vec::new();
            let mut dues = dues.into_iter().zip(0..);
            let mut now = 0;
            for step in steps {
                for (due, slot) in dues.by_ref().take(4) {
                    let entry = Entry { due: ms(due), slot };
                    wheel.insert(entry);
                    left.push(entry);
                }
                now += step;
                let mut out = Vec::new();
                wheel.advance(ms(now), &mut out);
                out.sort_by_key(|entry| entry.slot);
                let (want, rest) = left.into_iter().partition(|entry| entry.due <= ms(now));
                left = rest;
                prop_assert_eq!(out, want);
            }
        }
    }
}
