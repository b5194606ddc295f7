//! Where flows are: from the hash of a key to a slot, eight bytes a flow.
//!
//! Open addressing with linear probing. An entry keeps half of its hash as a tag, which tells its
//! home: so the index grows and forgets without a look at any flow, and one line of memory
//! mostly answers a question. Hashes are seeded (see [`crate::key`]), so nobody can aim at a line.

use crate::prefetch::prefetch;

/// An entry: the tag above, the slot below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry(u64);

impl Entry {
    /// No flow has this slot: there is no room for so many.
    const EMPTY: Self = Self(u64::MAX);

    fn new(hash: u64, slot: u32) -> Self {
        Self((hash << 32) | u64::from(slot))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
    const fn slot(self) -> u32 {
        self.0 as u32
    }

    const fn has_tag_of(self, hash: u64) -> bool {
        self.0 >> 32 == hash & 0xffff_ffff
    }
}

/// Slots by hash.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    len: usize,
}

/// Entries of the smallest index that has any.
const SMALLEST: usize = 16;

impl Index {
    /// Number of slots in it.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The slot with this hash that `is_it` says yes to.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.position(hash, is_it).map(|(_, slot)| slot)
    }

    /// Adds a slot that is not in it.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        // Three quarters full at most: a search that finds nothing looks at eight entries or so.
        if self.len >= self.entries.len() / 4 * 3 {
            self.grow();
        }
        self.place(Entry::new(hash, slot));
        self.len += 1;
    }

    /// Removes a slot.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let Some((at, _)) = self.position(hash, |other| other == slot) else {
            return;
        };
        self.len -= 1;
        // What follows moves up, as long as that brings it no nearer than its home.
        let mut hole = at;
        let mut next = self.after(hole);
        while let Some(entry) = self.full(next) {
            let home = self.home(entry.0 >> 32);
            if self.distance(home, next) >= self.distance(hole, next) {
                self.set(hole, entry);
                hole = next;
            }
            next = self.after(next);
        }
        self.set(hole, Entry::EMPTY);
    }

    /// Brings the place where a search for `hash` begins into the cache.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(entry) = self.entries.get(self.home(hash & 0xffff_ffff)) {
            prefetch(entry);
        }
    }

    /// The slot that is likely the one with this hash.
    pub(crate) fn likely(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    fn position(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mut at = self.home(hash & 0xffff_ffff);
        loop {
            let entry = self.full(at)?;
            if entry.has_tag_of(hash) && is_it(entry.slot()) {
                return Some((at, entry.slot()));
            }
            at = self.after(at);
        }
    }

    /// Where the search for a tag begins: tags in ascending order have homes in ascending order.
    fn home(&self, tag: u64) -> usize {
        let home = (tag * self.entries.len() as u64) >> 32;
        usize::try_from(home).unwrap_or_default()
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 < self.entries.len() {
            at + 1
        } else {
            0
        }
    }

    /// How far `to` lies after `from`, going round.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from {
            to - from
        } else {
            to + self.entries.len() - from
        }
    }

    /// The entry at a place, unless that is empty.
    fn full(&self, at: usize) -> Option<Entry> {
        let entry = self.entries.get(at).copied();
        entry.filter(|entry| *entry != Entry::EMPTY)
    }

    fn set(&mut self, at: usize, entry: Entry) {
        if let Some(place) = self.entries.get_mut(at) {
            *place = entry;
        }
    }

    fn place(&mut self, entry: Entry) {
        let mut at = self.home(entry.0 >> 32);
        while self.full(at).is_some() {
            at = self.after(at);
        }
        self.set(at, entry);
    }

    /// An eighth more at a time: doubling would leave half of it empty.
    fn grow(&mut self) {
        let larger = (self.entries.len() / 8 * 9)
            .max(SMALLEST)
            .next_multiple_of(8);
        let entries = std::mem::replace(&mut self.entries, vec![Entry::EMPTY; larger]);
        for entry in entries {
            if entry != Entry::EMPTY {
                self.place(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It holds what a map holds, whatever comes and goes, however badly hashes collide.
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((any::<bool>(), 0_u32..300), 1..900),
            spread in prop::sample::select(vec![0x9e37_79b9_7f4a_7c15_u64, 0x0200_0000, 1, 0]),
        ) {
            let hash = |slot: u32| u64::from(slot).wrapping_mul(spread).rotate_right(7);
            let (mut index, mut model) = (Index::default(), HashSet::new());
            for (adds, slot) in steps {
                if adds && !model.contains(&slot) {
                    index.insert(hash(slot), slot);
                    model.insert(slot);
                } else if !adds {
                    index.remove(hash(slot), slot);
                    model.remove(&slot);
                }
                prop_assert_eq!(index.len(), model.len());
            }
            for slot in 0..300 {
                let found = index.find(hash(slot), |other| other == slot);
                prop_assert_eq!(found, model.contains(&slot).then_some(slot));
            }
        }
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let mut index = Index::default();
        assert_eq!(index.find(7, |_| true), None);
        index.prefetch(7);
        index.remove(7, 7);
        assert_eq!((index.len(), index.likely(7)), (0, None));
    }
}
