//! What was written not long ago, and is not to be written again yet.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use flow_table::{Span, Timestamp};
use hashbrown::{DefaultHashBuilder, HashTable};

/// Things that are remembered; of more, the first are forgotten.
const MAX: usize = 1 << 16;

/// See the module. Time is told in order. Strangers choose the things: their hashes are seeded anew for
/// each run.
#[derive(Debug)]
pub(super) struct Recent<T> {
    /// Until when each is not to be written, in the order in which they were.
    written: VecDeque<(Timestamp, T)>,
    /// So many were written and forgotten before those.
    forgotten: usize,
    /// The so manieth that was written, for each thing the last time.
    last: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            written: VecDeque::new(),
            forgotten: 0,
            last: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Copy + Eq + Hash> Recent<T> {
    /// Whether this is to be written; for `span` from then on it is not.
    pub(super) fn is_new(&mut self, thing: T, now: Timestamp, span: Span) -> bool {
        let Self {
            written,
            forgotten,
            last,
            hasher,
        } = self;
        let of = |nth: usize| written.get(nth - *forgotten);
        let is_it = |nth: &usize| of(*nth).is_some_and(|(_, written)| *written == thing);
        let hash_of = |nth: &usize| of(*nth).map_or(0, |(_, thing)| hasher.hash_one(thing));
        let next = *forgotten + written.len();
        let hash = hasher.hash_one(thing);
        match last.find_mut(hash, is_it) {
            Some(nth) if of(*nth).is_some_and(|(until, _)| now < *until) => return false,
            Some(nth) => *nth = next,
            None => {
                last.insert_unique(hash, next, hash_of);
            }
        }
        written.push_back((now + span, thing));
        if written.len() > MAX
            && let Some((_, first)) = written.pop_front()
        {
            let nth = *forgotten;
            *forgotten += 1;
            // It may have been written again since.
            if let Ok(entry) = last.find_entry(hasher.hash_one(first), |other| *other == nth) {
                entry.remove();
            }
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
        assert_eq!((recent.last.len(), recent.written.len()), (MAX, MAX));
        assert!(recent.is_new(0, T0, MINUTE), "forgotten");
        assert!(!recent.is_new(2 * MAX - 1, T0, MINUTE));
    }

    #[test]
    fn what_was_written_again_is_remembered_by_the_last_time() {
        let mut recent = Recent::default();
        assert!(recent.is_new(0, T0, MINUTE));
        let later = T0 + MINUTE;
        assert!(recent.is_new(0, later, MINUTE));
        // As many as make the first time forgotten, but not the second.
        for thing in 1..MAX {
            assert!(recent.is_new(thing, later, MINUTE));
        }
        assert_eq!(recent.written.len(), MAX);
        assert!(!recent.is_new(0, later, MINUTE));
        assert!(recent.is_new(MAX, later, MINUTE));
        assert!(recent.is_new(0, later, MINUTE), "forgotten");
    }
}
