//! Sliding windows over packet time, cut into slices.
//!
//! The window at a moment is the slice it falls into, so far, and the full slices before it: so a
//! window starts on a slice boundary, and what was counted can be counted again from conn.log by
//! taking what lies between the window's two ends.

mod distinct;
mod estimate;
mod ring;
mod saved;
mod stretches;
mod sum;

use flow_table::{Span, Timestamp};

use crate::Window;

pub(crate) use distinct::Distinct;
pub(crate) use stretches::StretchedSum;
pub(crate) use sum::SlidingSum;

/// Number of a slice since the epoch.
pub(crate) type Slice = u64;

/// Where an event falls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) slice: Slice,
    pub(crate) first: Slice,
}

/// How a window is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slicing {
    window: Span,
    nanos: u64,
    /// 2⁶⁴ over `nanos`, rounded down: several slices are asked for in every event, and a division
    /// costs as much as the rest of the work.
    inverse: u64,
    count: u64,
}

impl Slicing {
    /// Sixty slices to a window; forty to one shorter than half a minute.
    pub(crate) fn of(window: Span) -> Self {
        let count: u64 = if window < Span::from_secs(30) { 40 } else { 60 };
        let nanos = window.as_nanos().unsigned_abs().div_ceil(count).max(1);
        Self {
            window,
            nanos,
            inverse: u64::try_from((1_u128 << 64) / u128::from(nanos)).unwrap_or(u64::MAX),
            count,
        }
    }

    pub(crate) fn window(self) -> Span {
        self.window
    }

    /// Length of a slice, in nanoseconds.
    pub(crate) const fn nanos(self) -> u64 {
        self.nanos
    }

    pub(crate) fn at(self, time: Timestamp) -> Slice {
        let time = time.as_nanos().unsigned_abs();
        let product = u128::from(time) * u128::from(self.inverse);
        // Times are below 2⁶³: the estimate is right or one too low.
        let slice = u64::try_from(product >> 64).unwrap_or(u64::MAX);
        slice + u64::from(time - slice * self.nanos >= self.nanos)
    }

    /// The earliest slice of the window that ends in slice `head`.
    pub(crate) fn first(self, head: Slice) -> Slice {
        head.saturating_sub(self.count - 1)
    }

    /// When a slice begins.
    pub(crate) fn start(self, slice: Slice) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(slice.saturating_mul(self.nanos)).unwrap_or(i64::MAX))
    }

    /// The slice of an event and the first of the window that ends now; nothing if the event lies
    /// before that window.
    pub(crate) fn place(self, time: Timestamp, now: Timestamp) -> Option<Place> {
        let head = self.at(now);
        let place = Place {
            slice: if time == now { head } else { self.at(time) },
            first: self.first(head),
        };
        (place.slice >= place.first).then_some(place)
    }

    /// The window that ends at `end`.
    pub(crate) fn ending(self, end: Timestamp) -> Window {
        Window {
            start: self.start(self.first(self.at(end))),
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slices_are_quotients(window in 1..i64::MAX, time in 0..=i64::MAX) {
            for window in [window, window % 1_000 + 1, window % 600_000_000_000 + 1] {
                let slicing = Slicing::of(Span::from_nanos(window));
                for time in [time, i64::MAX, 0] {
                    let exact = time.unsigned_abs() / slicing.nanos;
                    prop_assert_eq!(slicing.at(Timestamp::from_nanos(time)), exact);
                    let edge = slicing.start(exact);
                    prop_assert_eq!(slicing.at(edge), exact);
                }
            }
        }
    }
}
