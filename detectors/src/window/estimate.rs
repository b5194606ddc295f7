//! How many different keys there are, when they are too many to be kept.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Slice;
use super::distinct::Say;

/// HyperLogLog registers to a pane: a standard error of 1.04 / √256 = 6.5 %.
const REGISTERS: usize = 256;
/// A window is estimated from panes of so many slices: four or six to a window.
const SLICES_PER_PANE: u64 = 10;

/// HyperLogLog sketches of consecutive parts of the window. Whole parts are forgotten, so the
/// estimate covers a little less than the window, never more.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    panes: VecDeque<Pane>,
    pub(super) counted: u64,
    pub(super) marked: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pane {
    number: u64,
    #[serde(with = "crate::state::array")]
    counted: [u8; REGISTERS],
    #[serde(with = "crate::state::array")]
    marked: [u8; REGISTERS],
}

impl Estimate {
    /// Of keys said so far, each with its slice.
    pub(super) fn of(said: impl Iterator<Item = (Say, u64, Slice)>) -> Self {
        let mut estimate = Self {
            panes: VecDeque::new(),
            counted: 0,
            marked: 0,
        };
        let mut said: Vec<_> = said.collect();
        said.sort_unstable_by_key(|(_, key, slice)| (*slice, *key));
        for (what, key, slice) in said {
            estimate.register(what, key, slice);
        }
        estimate.judge();
        estimate
    }

    pub(super) fn of_panes(panes: VecDeque<Pane>) -> Self {
        let mut estimate = Self {
            panes,
            counted: 0,
            marked: 0,
        };
        estimate.judge();
        estimate
    }

    pub(super) const fn panes(&self) -> &VecDeque<Pane> {
        &self.panes
    }

    pub(super) fn say(&mut self, what: Say, key: u64, slice: Slice) {
        if self.register(what, key, slice) {
            self.judge();
        }
    }

    /// Tells whether a register rose: only then can the estimate have changed.
    fn register(&mut self, what: Say, key: u64, slice: Slice) -> bool {
        let number = slice / SLICES_PER_PANE;
        if self.panes.back().is_none_or(|pane| pane.number < number) {
            self.panes.push_back(Pane {
                number,
                counted: [0; REGISTERS],
                marked: [0; REGISTERS],
            });
        }
        let Some(pane) = self
            .panes
            .iter_mut()
            .rev()
            .find(|pane| pane.number <= number)
        else {
            return false;
        };
        let registers = match what {
            Say::Counted => &mut pane.counted,
            Say::Marked => &mut pane.marked,
        };
        let index = usize::try_from(key & 0xff).unwrap_or_default();
        let rank = u8::try_from((key >> 8 | 1 << 56).trailing_zeros() + 1).unwrap_or(u8::MAX);
        registers.get_mut(index).is_some_and(|register| {
            let rises = rank > *register;
            *register = rank.max(*register);
            rises
        })
    }

    pub(super) fn expire(&mut self, first: Slice) {
        let before = self.panes.len();
        while self
            .panes
            .front()
            .is_some_and(|pane| pane.number.saturating_mul(SLICES_PER_PANE) < first)
        {
            self.panes.pop_front();
        }
        if self.panes.len() != before {
            self.judge();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        self.panes.capacity() * size_of::<Pane>()
    }

    fn judge(&mut self) {
        self.counted = estimate(self.panes.iter().map(|pane| &pane.counted));
        self.marked = estimate(self.panes.iter().map(|pane| &pane.marked));
    }
}

/// HyperLogLog's estimate of the union of panes, with linear counting where that is better.
fn estimate<'a>(panes: impl Iterator<Item = &'a [u8; REGISTERS]>) -> u64 {
    let mut union = [0_u8; REGISTERS];
    for pane in panes {
        for (register, other) in union.iter_mut().zip(pane) {
            *register = (*register).max(*other);
        }
    }
    // Harmonic sum in integers, as the order of floating-point additions would matter less
    // but still matter: ranks end at 57.
    let sum: u128 = union
        .iter()
        .map(|rank| 1_u128 << (64 - u32::from(*rank).min(64)))
        .sum();
    let registers = REGISTERS as f64;
    let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers
        / (sum as f64 / 18_446_744_073_709_551_616.0);
    let empty = union
        .iter()
        .map(|rank| usize::from(*rank == 0))
        .sum::<usize>();
    let best = if raw <= 2.5 * registers && empty > 0 {
        registers * (registers / empty as f64).ln()
    } else {
        raw
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates"
    )]
    let rounded = best.round() as u64;
    rounded
}
