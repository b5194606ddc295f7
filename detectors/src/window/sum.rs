//! A sum over a sliding window.

use std::collections::VecDeque;

use flow_table::Timestamp;

use super::{Slice, Slicing};

/// Amounts by slice, only for slices that have any; at most one window of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct SlidingSum {
    slots: VecDeque<(Slice, u64)>,
    total: u64,
}

impl SlidingSum {
    /// Forgets slices before `first`.
    pub(crate) fn expire(&mut self, first: Slice) {
        while let Some((slice, amount)) = self.slots.front() {
            if *slice >= first {
                return;
            }
            self.total = self.total.saturating_sub(*amount);
            self.slots.pop_front();
        }
    }

    /// Adds to a slice, which may lie before the newest.
    pub(crate) fn add(&mut self, slice: Slice, amount: u64) {
        if amount == 0 {
            return;
        }
        let amount = amount.min(u64::MAX - self.total);
        self.total += amount;
        match self.slots.back_mut() {
            Some((newest, sum)) if *newest == slice => *sum += amount,
            Some((newest, _)) if *newest > slice => self.add_before(slice, amount),
            _ => self.push(slice, amount),
        }
    }

    fn add_before(&mut self, slice: Slice, amount: u64) {
        match self.slots.binary_search_by_key(&slice, |slot| slot.0) {
            Ok(at) => {
                if let Some((_, sum)) = self.slots.get_mut(at) {
                    *sum += amount;
                }
            }
            Err(at) => self.slots.insert(at, (slice, amount)),
        }
    }

    /// Most subjects are seen once: they get room for one slice, not for four.
    fn push(&mut self, slice: Slice, amount: u64) {
        if self.slots.capacity() == 0 {
            self.slots.reserve_exact(1);
        }
        self.slots.push_back((slice, amount));
    }

    /// Takes back an amount added to a slice before; mostly that is the newest one.
    pub(crate) fn take(&mut self, slice: Slice, amount: u64) {
        let newest = self.slots.back().is_some_and(|slot| slot.0 == slice);
        let slot = if newest {
            self.slots.back_mut()
        } else {
            let at = self.slots.binary_search_by_key(&slice, |slot| slot.0);
            at.ok().and_then(|at| self.slots.get_mut(at))
        };
        if let Some((_, sum)) = slot {
            let amount = amount.min(*sum);
            *sum -= amount;
            self.total -= amount;
        }
    }

    /// Spreads an amount that moved between two moments evenly over their slices; what falls
    /// before the window that ends at `until` is left out.
    pub(crate) fn spread(
        &mut self,
        slicing: Slicing,
        since: Timestamp,
        until: Timestamp,
        amount: u64,
    ) {
        let (from, to) = (slicing.at(since.min(until)), slicing.at(until));
        let first = slicing.first(to);
        if amount == 0 || from == to {
            return self.add(to, amount);
        }
        let (begin, end) = (nanos(since), nanos(until));
        let share =
            |moment: u128| (moment.clamp(begin, end) - begin) * u128::from(amount) / (end - begin);
        for slice in from.max(first)..=to {
            let (low, high) = (nanos(slicing.start(slice)), nanos(slicing.start(slice + 1)));
            let part = share(high) - share(low);
            self.add(slice, u64::try_from(part).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// What lies in slices up to `last`.
    pub(crate) fn until(&self, last: Slice) -> u64 {
        let after = self
            .slots
            .iter()
            .rev()
            .take_while(|(slice, _)| *slice > last);
        self.total - after.map(|(_, amount)| amount).sum::<u64>()
    }

    /// The latest slice such that it and those after it hold more than `limit`.
    pub(crate) fn latest_over(&self, limit: u64) -> Option<Slice> {
        let mut sum = 0_u64;
        let mut newest_first = self.slots.iter().rev();
        newest_first.find_map(|(slice, amount)| {
            sum += amount;
            (sum > limit).then_some(*slice)
        })
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.slots.capacity() * size_of::<(Slice, u64)>()
    }
}

fn nanos(time: Timestamp) -> u128 {
    u128::from(time.as_nanos().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use flow_table::Span;

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
            sum.add(slice, 1);
            assert_eq!(
                sum.total(),
                60.min(second.unsigned_abs() + 1),
                "second {second}"
            );
        }
        assert_eq!(sum.until(95), 56);
        assert_eq!(sum.latest_over(9), Some(90));
        sum.take(99, 1);
        assert_eq!(sum.total(), 59);
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
            sum.spread(slicing, at(since), at(until), amount);
            assert_eq!(sum.total(), amount, "{since}..{until}");
        }
        let mut sum = SlidingSum::default();
        sum.spread(slicing, at(0), at(20_000), 2_000);
        assert_eq!(
            sum.total(),
            975,
            "only the window's part: 39 full slices of 40"
        );
    }
}
