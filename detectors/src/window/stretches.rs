//! A sum over a sliding window that is seldom asked for.

use flow_table::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Slice, Slicing, SlidingSum};

/// As many stretches as this are kept before all are spread.
const MOST: usize = 8;

/// As [`SlidingSum`], but what moved over several slices is kept as it came, and spread over them when
/// the total is asked for, or when there is much of it: most subjects are never near a limit.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct StretchedSum<const N: usize> {
    sum: SlidingSum<N>,
    #[serde(with = "crate::state::room")]
    stretches: Vec<Stretch<N>>,
    /// Slices before it are forgotten.
    first: Slice,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stretch<const N: usize> {
    since: Timestamp,
    until: Timestamp,
    #[serde(with = "crate::state::array")]
    amounts: [u64; N],
}

impl<const N: usize> StretchedSum<N> {
    /// Adds amounts that moved evenly between two moments, as [`SlidingSum::spread`].
    pub(crate) fn spread(
        &mut self,
        slicing: Slicing,
        since: Timestamp,
        until: Timestamp,
        amounts: [u64; N],
    ) {
        let to = slicing.at(until);
        if slicing.start(to) <= since {
            return self.sum.add(to, amounts);
        }
        if self.stretches.len() >= MOST {
            let first = slicing.start(self.first);
            self.stretches.retain(|stretch| stretch.until >= first);
        }
        if self.stretches.len() >= MOST {
            self.settle(slicing);
        }
        if self.stretches.len() == self.stretches.capacity() {
            self.stretches.reserve_exact(self.stretches.len().max(1));
        }
        self.stretches.push(Stretch {
            since,
            until,
            amounts,
        });
    }

    /// Forgets slices before `first`.
    pub(crate) fn expire(&mut self, first: Slice) {
        self.first = self.first.max(first);
        self.sum.expire(first);
    }

    pub(crate) fn total(&mut self, slicing: Slicing) -> [u64; N] {
        if !self.stretches.is_empty() {
            self.settle(slicing);
        }
        self.sum.total()
    }

    fn settle(&mut self, slicing: Slicing) {
        for stretch in self.stretches.drain(..) {
            self.sum
                .spread(slicing, stretch.since, stretch.until, stretch.amounts);
        }
        self.sum.expire(self.first);
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.sum.heap() + self.stretches.capacity() * size_of::<Stretch<N>>()
    }
}

#[cfg(test)]
mod tests {
    use flow_table::Span;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However much is kept as it came, the total is what it would be if all were spread at once.
        #[test]
        fn totals_are_those_of_a_sum_that_spreads_at_once(
            moves in prop::collection::vec(
                (0..3_000_i64, 0..15_000_i64, 0..5_000_u64, prop::bool::weighted(0.1)),
                1..200,
            ),
        ) {
            let slicing = Slicing::of(Span::from_secs(10));
            let (mut sum, mut stretched) = (SlidingSum::<2>::default(), StretchedSum::<2>::default());
            let mut now = Timestamp::new(1_000, 0);
            for (later, lasting, amount, asked) in moves {
                now = now + Span::from_millis(later);
                let (since, first) = (now - Span::from_millis(lasting), slicing.first(slicing.at(now)));
                sum.spread(slicing, since, now, [amount, 3 * amount]);
                stretched.spread(slicing, since, now, [amount, 3 * amount]);
                sum.expire(first);
                stretched.expire(first);
                if asked {
                    prop_assert_eq!(stretched.total(slicing), sum.total());
                }
                prop_assert!(stretched.stretches.len() <= MOST);
            }
            prop_assert_eq!(stretched.total(slicing), sum.total());
        }
    }
}
