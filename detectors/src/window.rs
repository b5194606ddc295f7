//! Sliding windows over packet time, cut into slices.
//!
//! The window at a moment is the slice it falls into, so far, and the full slices before it: so a
//! window starts on a slice boundary, and what was counted can be counted again from conn.log by
//! taking what lies between the window's two ends.

mod distinct;
mod sum;

use flow_table::{Span, Timestamp};

use crate::Window;

pub(crate) use distinct::Distinct;
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
            count,
        }
    }

    pub(crate) fn window(self) -> Span {
        self.window
    }

    pub(crate) fn at(self, time: Timestamp) -> Slice {
        time.as_nanos().unsigned_abs() / self.nanos
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
        let place = Place {
            slice: self.at(time),
            first: self.first(self.at(now)),
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
