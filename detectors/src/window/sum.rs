//! A sum over a sliding window.

use std::collections::VecDeque;

use flow_table::Timestamp;

use super::{Slice, Slicing};

/// Amounts by slice, only for slices that have any; at most one window of them.
///
/// Most subjects are seen in one slice only, and most amounts go to the newest: it stands apart, so
/// that neither touches the heap.
#[derive(Clone, Default, Debug)]
pub(crate) struct SlidingSum {
    total: u64,
    newest: (Slice, u64),
    /// The first slice of `older`, or that of `newest`.
    oldest: Slice,
    /// Slices before the newest, ascending.
    older: Option<Box<VecDeque<(Slice, u64)>>>,
}

impl SlidingSum {
    /// Forgets slices before `first`.
    pub(crate) fn expire(&mut self, first: Slice) {
        if first > self.oldest {
            self.forget(first);
        }
    }

    fn forget(&mut self, first: Slice) {
        if first > self.newest.0 {
            // Nothing is left; the room stays, as a subject that came back may do so again.
            (self.total, self.newest, self.oldest) = (0, (first, 0), first);
            if let Some(older) = &mut self.older {
                older.clear();
            }
            return;
        }
        self.oldest = self.newest.0;
        let Some(older) = &mut self.older else {
            return;
        };
        while let Some((slice, amount)) = older.front() {
            if *slice >= first {
                self.oldest = *slice;
                return;
            }
            self.total -= *amount;
            older.pop_front();
        }
    }

    /// Adds to a slice, which may lie before the newest.
    pub(crate) fn add(&mut self, slice: Slice, amount: u64) {
        if amount == 0 {
            return;
        }
        let amount = amount.min(u64::MAX - self.total);
        self.total += amount;
        if slice == self.newest.0 {
            self.newest.1 += amount;
        } else if self.total == amount {
            self.restart(slice, amount);
        } else if slice < self.newest.0 {
            self.add_before(slice, amount);
        } else {
            let before = std::mem::replace(&mut self.newest, (slice, amount));
            self.older().push_back(before);
        }
    }

    /// There was nothing: forgets slices of which all was taken back.
    fn restart(&mut self, slice: Slice, amount: u64) {
        (self.newest, self.oldest) = ((slice, amount), slice);
        if let Some(older) = &mut self.older {
            older.clear();
        }
    }

    fn add_before(&mut self, slice: Slice, amount: u64) {
        self.oldest = self.oldest.min(slice);
        let newest = self.newest.0;
        let older = self.older();
        match find(older, newest, slice) {
            Ok(at) => {
                if let Some((_, sum)) = older.get_mut(at) {
                    *sum += amount;
                }
            }
            Err(at) => older.insert(at, (slice, amount)),
        }
    }

    /// Few slices follow the first: they get room for one, not for four.
    fn older(&mut self) -> &mut VecDeque<(Slice, u64)> {
        self.older
            .get_or_insert_with(|| Box::new(VecDeque::with_capacity(1)))
    }

    /// Takes back an amount added to a slice before; mostly that is the newest one.
    pub(crate) fn take(&mut self, slice: Slice, amount: u64) {
        if amount == 0 {
            return;
        }
        let slot = if slice == self.newest.0 {
            Some(&mut self.newest)
        } else {
            let newest = self.newest.0;
            self.older.as_mut().and_then(|older| {
                let at = find(older, newest, slice).ok()?;
                older.get_mut(at)
            })
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
        if amount == 0 || from == to {
            return self.add(to, amount);
        }
        let (begin, end) = (nanos(since), nanos(until));
        let share = |moment: u64| part(amount, moment.clamp(begin, end) - begin, end - begin);
        let from = from.max(slicing.first(to));
        let mut before = share(nanos(slicing.start(from)));
        for slice in from..=to {
            let after = share(nanos(slicing.start(slice + 1)));
            self.add(slice, after - before);
            before = after;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// What lies in slices up to `last`.
    pub(crate) fn until(&self, last: Slice) -> u64 {
        let after = self.newest_first().take_while(|(slice, _)| *slice > last);
        self.total - after.map(|(_, amount)| amount).sum::<u64>()
    }

    /// The latest slice such that it and those after it hold more than `limit`.
    pub(crate) fn latest_over(&self, limit: u64) -> Option<Slice> {
        if self.total <= limit {
            return None;
        }
        let mut sum = 0_u64;
        self.newest_first().find_map(|(slice, amount)| {
            sum += amount;
            (sum > limit).then_some(slice)
        })
    }

    fn newest_first(&self) -> impl Iterator<Item = (Slice, u64)> {
        let older = self.older.iter().flat_map(|older| older.iter().rev());
        std::iter::once(self.newest).chain(older.copied())
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.older.as_ref().map_or(0, |older| {
            size_of::<VecDeque<(Slice, u64)>>() + older.capacity() * size_of::<(Slice, u64)>()
        })
    }
}

/// Where a slice before the newest is, or belongs. Where every slice has an amount, as in what is busy,
/// its distance from the newest tells.
fn find(older: &VecDeque<(Slice, u64)>, newest: Slice, slice: Slice) -> Result<usize, usize> {
    let back = usize::try_from(newest.wrapping_sub(slice)).unwrap_or(usize::MAX);
    let guess = older.len().wrapping_sub(back);
    if older.get(guess).is_some_and(|slot| slot.0 == slice) {
        return Ok(guess);
    }
    older.binary_search_by_key(&slice, |slot| slot.0)
}

fn nanos(time: Timestamp) -> u64 {
    time.as_nanos().unsigned_abs()
}

/// `amount` × `of` / `whole`, rounded down; `of` is no more than `whole`.
fn part(amount: u64, of: u64, whole: u64) -> u64 {
    match amount.checked_mul(of) {
        Some(product) => product / whole,
        None => {
            let exact = u128::from(amount) * u128::from(of) / u128::from(whole);
            u64::try_from(exact).unwrap_or(u64::MAX)
        }
    }
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
