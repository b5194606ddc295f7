//! What was written not long ago, and is not to be written again yet.

use std::collections::VecDeque;
use std::hash::Hash;

use flow_table::{Span, Timestamp};
use hashbrown::HashMap;

/// Things that are remembered; of more, the first are forgotten.
const MAX: usize = 1 << 16;

/// See the module. Time is told in order. Strangers choose the things: the map's hashes are seeded anew
/// for each run.
#[derive(Debug)]
pub(super) struct Recent<T> {
    until: HashMap<T, Timestamp>,
    in_order: VecDeque<(Timestamp, T)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            until: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Recent<T> {
    /// Whether this is to be written; for `span` from then on it is not.
    pub(super) fn is_new(&mut self, thing: T, now: Timestamp, span: Span) -> bool {
        let until = self.until.get(&thing);
        if until.is_some_and(|until| now < *until) {
            return false;
        }
        let until = now + span;
        self.until.insert(thing, until);
        self.in_order.push_back((until, thing));
        if self.in_order.len() > MAX
            && let Some((until, first)) = self.in_order.pop_front()
            && self.until.get(&first) == Some(&until)
        {
            self.until.remove(&first);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);
    const MINUTE: Span = Span::from_mins(1);

    #[test]
    fn things_are_new_again_after_a_while() {
        let mut recent = Recent::default();
        for (secs, thing, want) in [
            (0, 'a', true),
            (59, 'a', false),
            (59, 'b', true),
            (60, 'a', true),
        ] {
            let now = T0 + Span::from_secs(secs);
            assert_eq!(recent.is_new(thing, now, MINUTE), want, "{secs} {thing}");
        }
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut recent = Recent::default();
        for thing in 0..2 * MAX {
            assert!(recent.is_new(thing, T0, MINUTE));
        }
        assert_eq!((recent.until.len(), recent.in_order.len()), (MAX, MAX));
        assert!(recent.is_new(0, T0, MINUTE), "forgotten");
        assert!(!recent.is_new(2 * MAX - 1, T0, MINUTE));
    }
}
