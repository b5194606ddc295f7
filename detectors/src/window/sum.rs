//! A sum over a sliding window.

use flow_table::Timestamp;
use serde::{Deserialize, Serialize};

use super::ring::Ring;
use super::{Slice, Slicing};

/// Amounts by slice, only for slices that have any; at most one window of them. `N` amounts that are
/// always asked for together are kept together.
///
/// Most subjects are seen in one slice only, and most amounts go to the newest: it stands apart, so
/// that neither touches the heap.
#[derive(Clone, Debug)]
pub(crate) struct SlidingSum<const N: usize = 1> {
    total: [u64; N],
    newest: Slot<N>,
    /// Slices before the newest, ascending, with how far before it the first of them is.
    older: Ring<Slot<N>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Slot<const N: usize> {
    slice: Slice,
    #[serde(with = "crate::state::array")]
    amounts: [u64; N],
}

impl<const N: usize> Default for Slot<N> {
    fn default() -> Self {
        Self {
            slice: 0,
            amounts: [0; N],
        }
    }
}

impl<const N: usize> Default for SlidingSum<N> {
    fn default() -> Self {
        Self {
            total: [0; N],
            newest: Slot::default(),
            older: Ring::default(),
        }
    }
}

impl<const N: usize> SlidingSum<N> {
    /// The newest slice, and those before it.
    pub(super) const fn parts(&self) -> (&Slot<N>, &Ring<Slot<N>>) {
        (&self.newest, &self.older)
    }

    /// Of slices in ascending order; nothing if they are not, or hold more than can be told.
    pub(super) fn of_parts(newest: Slot<N>, older: Ring<Slot<N>>) -> Option<Self> {
        let mut sum = Self {
            total: [0; N],
            newest,
            older,
        };
        let mut before = None;
        for slot in sum.older.iter().chain([&sum.newest]) {
            if before >= Some(slot.slice) || i64::try_from(slot.slice).is_err() {
                return None;
            }
            before = Some(slot.slice);
            for (total, amount) in sum.total.iter_mut().zip(slot.amounts) {
                *total = total.checked_add(amount)?;
            }
        }
        sum.note_oldest();
        Some(sum)
    }

    /// Forgets slices before `first`.
    #[inline]
    pub(crate) fn expire(&mut self, first: Slice) {
        if first > self.oldest() {
            self.forget(first);
        }
    }

    fn forget(&mut self, first: Slice) {
        if first > self.newest.slice {
            // The room stays, as a subject that came back may do so again.
            return self.restart(first, [0; N]);
        }
        while let Some(slot) = self.older.get(0).filter(|slot| slot.slice < first) {
            less(&mut self.total, slot.amounts);
            self.older.pop_front();
        }
        self.note_oldest();
    }

    /// No slice is before it.
    fn oldest(&self) -> Slice {
        self.newest.slice - u64::from(self.older.note)
    }

    fn note_oldest(&mut self) {
        let newest = self.newest.slice;
        let back = self.older.get(0).map_or(0, |oldest| newest - oldest.slice);
        self.older.note = u32::try_from(back).unwrap_or(u32::MAX);
    }

    fn restart(&mut self, slice: Slice, amounts: [u64; N]) {
        self.total = amounts;
        self.newest = Slot { slice, amounts };
        self.older.note = 0;
        self.older.clear();
    }

    /// Adds to a slice, which may lie before the newest.
    #[inline]
    pub(crate) fn add(&mut self, slice: Slice, mut amounts: [u64; N]) {
        for (amount, total) in amounts.iter_mut().zip(&mut self.total) {
            *amount = (*amount).min(u64::MAX - *total);
            *total += *amount;
        }
        if slice == self.newest.slice {
            more(&mut self.newest.amounts, amounts);
        } else if amounts != [0; N] {
            self.add_to_another(slice, amounts);
        }
    }

    /// Adds what is in the total already to a slice that is not the newest.
    fn add_to_another(&mut self, slice: Slice, amounts: [u64; N]) {
        if self.total == amounts {
            // There was nothing but slices of which all was taken back.
            self.restart(slice, amounts);
        } else if slice < self.newest.slice {
            self.add_before(Slot { slice, amounts });
        } else {
            let before = std::mem::replace(&mut self.newest, Slot { slice, amounts });
            self.older.push_back(before);
            self.note_oldest();
        }
    }

    fn add_before(&mut self, slot: Slot<N>) {
        match find(&self.older, self.newest.slice, slot.slice) {
            Ok(at) => {
                if let Some(known) = self.older.get_mut(at) {
                    more(&mut known.amounts, slot.amounts);
                }
            }
            Err(at) => self.older.insert(at, slot),
        }
        self.note_oldest();
    }

    /// Takes back amounts added to a slice before; mostly that is the newest one.
    pub(crate) fn take(&mut self, slice: Slice, mut amounts: [u64; N]) {
        let newest = self.newest.slice;
        let slot = if slice == newest {
            Some(&mut self.newest)
        } else {
            let at = find(&self.older, newest, slice).ok();
            at.and_then(|at| self.older.get_mut(at))
        };
        if let Some(slot) = slot {
            for (amount, held) in amounts.iter_mut().zip(slot.amounts) {
                *amount = (*amount).min(held);
            }
            less(&mut slot.amounts, amounts);
            less(&mut self.total, amounts);
        }
    }

    /// Spreads amounts that moved between two moments evenly over their slices; what falls
    /// before the window that ends at `until` is left out.
    pub(crate) fn spread(
        &mut self,
        slicing: Slicing,
        since: Timestamp,
        until: Timestamp,
        amounts: [u64; N],
    ) {
        let (from, to) = (slicing.at(since.min(until)), slicing.at(until));
        if from == to || amounts == [0; N] {
            return self.add(to, amounts);
        }
        let (begin, whole) = (nanos(since), nanos(until) - nanos(since));
        let from = from.max(slicing.first(to));
        let end_of = |slice: Slice| nanos(slicing.start(slice + 1)).saturating_sub(begin);
        let skipped = nanos(slicing.start(from)).saturating_sub(begin);
        let mut before = amounts.map(|amount| Part::of(amount, skipped, whole).quotient);
        let mut parts = amounts.map(|amount| Part::of(amount, end_of(from), whole));
        let steps = amounts.map(|amount| Part::of(amount, slicing.nanos(), whole));
        for slice in from..to {
            let after = parts.each_ref().map(|part| part.quotient);
            let mut within = after;
            less(&mut within, before);
            self.add(slice, within);
            before = after;
            for (part, step) in parts.iter_mut().zip(&steps) {
                part.advance(step, whole);
            }
        }
        let mut rest = amounts;
        less(&mut rest, before);
        self.add(to, rest);
    }

    pub(crate) fn total(&self) -> [u64; N] {
        self.total
    }

    /// What lies in slices up to `last`.
    pub(crate) fn until(&self, last: Slice) -> [u64; N] {
        let mut sum = self.total;
        for slot in self.newest_first().take_while(|slot| slot.slice > last) {
            less(&mut sum, slot.amounts);
        }
        sum
    }

    fn newest_first(&self) -> impl Iterator<Item = &Slot<N>> {
        std::iter::once(&self.newest).chain(self.older.iter().rev())
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.older.heap()
    }
}

impl SlidingSum {
    /// The latest slice such that it and those after it hold more than `limit`.
    pub(crate) fn latest_over(&self, limit: u64) -> Option<Slice> {
        if self.total <= [limit] {
            return None;
        }
        let mut sum = 0_u64;
        self.newest_first().find_map(|slot| {
            sum += slot.amounts.iter().sum::<u64>();
            (sum > limit).then_some(slot.slice)
        })
    }
}

fn more<const N: usize>(sums: &mut [u64; N], amounts: [u64; N]) {
    for (sum, amount) in sums.iter_mut().zip(amounts) {
        *sum += amount;
    }
}

fn less<const N: usize>(sums: &mut [u64; N], amounts: [u64; N]) {
    for (sum, amount) in sums.iter_mut().zip(amounts) {
        *sum -= amount;
    }
}

/// Where a slice before the newest is, or belongs. Where every slice has an amount, as in what is busy,
/// its distance from the newest tells.
fn find<const N: usize>(
    older: &Ring<Slot<N>>,
    newest: Slice,
    slice: Slice,
) -> Result<usize, usize> {
    let back = usize::try_from(newest.wrapping_sub(slice)).unwrap_or(usize::MAX);
    let guess = older.len().wrapping_sub(back);
    if older.get(guess).is_some_and(|slot| slot.slice == slice) {
        return Ok(guess);
    }
    older.find(&slice, |slot| slot.slice)
}

fn nanos(time: Timestamp) -> u64 {
    time.as_nanos().unsigned_abs()
}

/// `amount` × `of` / `whole`, and what that leaves: from one moment to the next it takes an addition.
#[derive(Clone, Copy, Debug)]
struct Part {
    quotient: u64,
    rest: u64,
}

impl Part {
    /// `whole` is not zero.
    fn of(amount: u64, of: u64, whole: u64) -> Self {
        let whole = whole.max(1);
        if let Some(product) = amount.checked_mul(of) {
            return Self {
                quotient: product / whole,
                rest: product % whole,
            };
        }
        let (product, whole) = (u128::from(amount) * u128::from(of), u128::from(whole));
        let narrow = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            quotient: narrow(product / whole),
            rest: narrow(product % whole),
        }
    }

    fn advance(&mut self, step: &Self, whole: u64) {
        // Both rests are below `whole`, which is below 2⁶³.
        let rest = self.rest + step.rest;
        let carry = rest >= whole;
        self.quotient = self
            .quotient
            .saturating_add(step.quotient)
            .saturating_add(carry.into());
        self.rest = if carry { rest - whole } else { rest };
    }
}

#[cfg(test)]
mod tests {
    use flow_table::Span;
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::ZERO + Span::from_millis(millis)
    }

    #[test]
    fn slides_by_slices() {
        let slicing = Slicing::of(Span::from_secs(60));
        let mut sum = SlidingSum::default();
        for second in 0..100 {
            let slice = slicing.at(at(second * 1_000));
            sum.expire(slicing.first(slice));
            sum.add(slice, [1]);
            assert_eq!(
                sum.total(),
                [60.min(second.unsigned_abs() + 1)],
                "second {second}"
            );
        }
        assert_eq!(sum.until(95), [56]);
        assert_eq!(sum.latest_over(9), Some(90));
        sum.take(99, [1]);
        assert_eq!(sum.total(), [59]);
    }

    proptest! {
        /// What falls into a slice is what had moved by its end, less what had by its beginning.
        #[test]
        fn spreads_evenly(
            since in 0..30_000_000_000_u64,
            span in 1..20_000_000_000_u64,
            amount in prop_oneof![0..5_000_u64, any::<u64>()],
        ) {
            let slicing = Slicing::of(Span::from_secs(10));
            let moment = |nanos: u64| Timestamp::from_nanos(i64::try_from(nanos).unwrap());
            let (begin, end) = (since, since + span);
            let mut sum = SlidingSum::default();
            sum.spread(slicing, moment(begin), moment(end), [amount]);
            let moved = |slice: Slice| -> u64 {
                let of = nanos(slicing.start(slice)).clamp(begin, end) - begin;
                let exact = u128::from(amount) * u128::from(of) / u128::from(span);
                u64::try_from(exact).unwrap()
            };
            let last = slicing.at(moment(end));
            let first = slicing.at(moment(begin)).max(slicing.first(last));
            prop_assert_eq!(sum.total(), [moved(last + 1) - moved(first)]);
            for slice in first..=last {
                let held = sum.newest_first().find(|slot| slot.slice == slice);
                let held = held.map_or(0, |slot| slot.amounts[0]);
                prop_assert_eq!(held, moved(slice + 1) - moved(slice), "slice {}", slice);
            }
        }
    }

    #[test]
    fn spreads_all_of_an_amount() {
        let slicing = Slicing::of(Span::from_secs(10));
        let cases = [
            (0, 9_999, 1_000),
            (100, 3_700, 7),
            (5_000, 5_000, 42),
            (1, 2, 9),
        ];
        for (since, until, amount) in cases {
            let mut sum = SlidingSum::default();
            sum.spread(slicing, at(since), at(until), [amount]);
            assert_eq!(sum.total(), [amount], "{since}..{until}");
        }
        let mut sum = SlidingSum::default();
        sum.spread(slicing, at(0), at(20_000), [2_000]);
        assert_eq!(
            sum.total(),
            [975],
            "only the window's part: 39 full slices of 40"
        );
    }
}
