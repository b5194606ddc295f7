//! Where things are: from the hash of a key to a slot, twelve bytes each at most.
//!
//! Open addressing with linear probing. An entry keeps half of its hash as a tag, which tells its
//! home: so the index grows and forgets without a look at any slot, and one line of memory
//! mostly answers a question. Entries are in the order of their tags, so that a search ends where
//! its tag would be, and not only at the next gap. Hashes must be seeded, so that nobody can aim at a line.

use crate::prefetch::prefetch;

/// An entry: the tag above, the slot below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Entry(u64);

impl Entry {
    /// After every other. Nothing has this slot: there is no room for so many.
    const EMPTY: Self = Self(u64::MAX);

    const fn new(hash: u64, slot: u32) -> Self {
        Self((hash << 32) | slot as u64)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
    const fn slot(self) -> u32 {
        self.0 as u32
    }

    const fn tag(self) -> u64 {
        self.0 >> 32
    }
}

const fn tag_of(hash: u64) -> u64 {
    hash & 0xffff_ffff
}

/// Slots of some table by the hash of what is in them; of a hash the low 32 bits count.
#[derive(Debug, Default)]
pub struct SlotIndex {
    /// In ascending order with empty ones between, but none between an entry and its home; the
    /// last is empty.
    entries: Vec<Entry>,
    /// How many of them are homes: all but the last.
    homes: usize,
    len: usize,
}

/// Entries in a line of memory.
const LINE: usize = 64 / size_of::<Entry>();
/// Homes of the smallest index that has any.
const SMALLEST: usize = 16;
/// Where three quarters of all homes are taken, no search comes near this.
const LONGEST_SEARCH: usize = 1_024;
/// Entries after the last home, at first, for those that find it full.
const AFTER: usize = 16;

impl SlotIndex {
    /// The most it takes for a slot it has room for, in bytes, while it is not growing…
    pub const MOST_PER_SLOT: usize = size_of::<Entry>() * 3 / 2;
    /// …and beside, for however few.
    pub const MOST_BESIDE: usize = size_of::<Entry>() * 3 * AFTER;

    /// Number of slots in it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none in it.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes it takes.
    pub const fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// The slot with this hash that `is_it` says yes to.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.position(hash, is_it).map(|(_, slot)| slot)
    }

    /// Adds a slot that is not in it.
    pub fn insert(&mut self, hash: u64, slot: u32) {
        // Three quarters full at most: a search looks at two or three entries.
        if self.len >= self.homes / 4 * 3 {
            self.grow();
        }
        let (mut entry, home) = (Entry::new(hash, slot), self.home(tag_of(hash)));
        let mut last = home;
        for (at, place) in self.entries.iter_mut().enumerate().skip(home) {
            if *place > entry {
                std::mem::swap(place, &mut entry);
            }
            if entry == Entry::EMPTY {
                last = at;
                break;
            }
        }
        self.len += 1;
        self.end_empty(last);
    }

    /// Makes room for so many slots at once: it need not grow until there are more.
    pub fn reserve(&mut self, slots: usize) {
        let homes = (slots / 3 * 4 + 4).next_multiple_of(8);
        if homes > self.homes {
            self.grow_to(homes);
        }
    }

    /// Places it has, whether anything is in them or not.
    pub const fn room(&self) -> usize {
        self.entries.capacity()
    }

    /// Makes room as another of so many slots had: at most as much as one can come to have.
    pub fn reserve_room(&mut self, room: usize) {
        let most = 2 * (self.homes + 2 * AFTER);
        let more = room.min(most).saturating_sub(self.entries.len());
        self.entries.reserve_exact(more);
    }

    /// Whether slots with these hashes would make searches long, as hashes that are seeded never do.
    pub fn is_crowded_by(&self, hashes: impl Iterator<Item = u64>) -> bool {
        let mut tags: Vec<u64> = hashes.map(tag_of).collect();
        tags.sort_unstable();
        let mut next = 0;
        tags.into_iter().any(|tag| {
            let home = self.home(tag);
            let at = home.max(next);
            next = at + 1;
            at - home > LONGEST_SEARCH
        })
    }

    /// Removes a slot.
    pub fn remove(&mut self, hash: u64, slot: u32) {
        let Some((mut hole, _)) = self.position(hash, |other| other == slot) else {
            return;
        };
        self.len -= 1;
        // What follows moves up, as far as it is not at home.
        while let Some(next) = self.entries.get(hole + 1).copied() {
            if next == Entry::EMPTY || self.home(next.tag()) == hole + 1 {
                break;
            }
            self.set(hole, next);
            hole += 1;
        }
        self.set(hole, Entry::EMPTY);
    }

    /// Brings the place where a search for `hash` goes into the cache.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let home = self.home(tag_of(hash));
        // A search may end in the line after that of its home.
        for at in [home, home + LINE / 2] {
            if let Some(entry) = self.entries.get(at) {
                prefetch(entry);
            }
        }
    }

    /// The slot that is likely the one with this hash.
    pub fn likely(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    #[inline]
    fn position(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let (tag, home) = (tag_of(hash), self.home(tag_of(hash)));
        let entries = (home..).zip(self.entries.get(home..)?);
        for (at, entry) in entries.skip_while(|(_, entry)| entry.tag() < tag) {
            if entry.tag() != tag || *entry == Entry::EMPTY {
                return None;
            }
            if is_it(entry.slot()) {
                return Some((at, entry.slot()));
            }
        }
        None
    }

    /// Where the search for a tag begins: tags in ascending order have homes in ascending order.
    #[inline]
    fn home(&self, tag: u64) -> usize {
        let home = (tag * self.homes as u64) >> 32;
        usize::try_from(home).unwrap_or_default()
    }

    fn set(&mut self, at: usize, entry: Entry) {
        if let Some(place) = self.entries.get_mut(at) {
            *place = entry;
        }
    }

    /// Something was put at `last`: there must be an empty one after it.
    fn end_empty(&mut self, last: usize) {
        if last + 1 >= self.entries.len() {
            let end = self.entries.len() + AFTER;
            if end > self.entries.capacity() {
                self.entries.reserve_exact(AFTER.max(self.homes / 8));
            }
            self.entries.resize(end, Entry::EMPTY);
        }
    }

    /// An eighth more at a time: doubling would leave half of it empty.
    fn grow(&mut self) {
        self.grow_to((self.homes / 8 * 9).max(SMALLEST).next_multiple_of(8));
    }

    fn grow_to(&mut self, homes: usize) {
        self.homes = homes;
        let larger = vec![Entry::EMPTY; self.homes + AFTER];
        let mut next = 0;
        for entry in std::mem::replace(&mut self.entries, larger) {
            if entry != Entry::EMPTY {
                let at = self.home(entry.tag()).max(next);
                self.end_empty(at);
                self.set(at, entry);
                next = at + 1;
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
            let (mut index, mut model) = (SlotIndex::default(), HashSet::new());
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
    fn hashes_that_somebody_chose_crowd_it() {
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        let mut index = SlotIndex::default();
        index.reserve(60_000);
        assert!(!index.is_crowded_by((0..60_000).map(spread)));
        assert!(index.is_crowded_by((0..60_000).map(|number| spread(number) & 0xfff_ffff)));
        assert!(index.is_crowded_by(std::iter::repeat_n(7, 2_000)));
    }

    #[test]
    fn it_takes_no_more_than_it_says() {
        for slots in [1, 7, 100, 5_000] {
            let most = slots * SlotIndex::MOST_PER_SLOT + SlotIndex::MOST_BESIDE;
            for seed in 0..200_u64 {
                let mut index = SlotIndex::default();
                index.reserve(slots);
                for slot in (0..).take(slots) {
                    let hash = (seed << 32 | u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    index.insert(hash >> 13 ^ hash >> 31, slot);
                }
                assert!(index.bytes() <= most, "{} for {slots}", index.bytes());
            }
            let mut index = SlotIndex::default();
            index.reserve(slots);
            // More at the last home than there are entries after it, if there is room for so many.
            (0..20)
                .take(slots)
                .for_each(|slot| index.insert(u64::MAX, slot));
            assert!(index.bytes() <= most, "{} for {slots}", index.bytes());
        }
    }

    #[test]
    fn room_is_made_as_another_had_it_but_no_more() {
        let (mut one, mut other) = (SlotIndex::default(), SlotIndex::default());
        one.reserve(1_000);
        for slot in 0..500 {
            one.insert(u64::MAX - u64::from(slot), slot);
        }
        other.reserve(1_000);
        assert!(other.room() < one.room());
        other.reserve_room(one.room());
        assert_eq!(other.room(), one.room());
        other.reserve_room(usize::MAX);
        assert!(other.room() < 4_000, "{}", other.room());
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let mut index = SlotIndex::default();
        assert_eq!(index.find(7, |_| true), None);
        index.prefetch(7);
        index.remove(7, 7);
        assert_eq!((index.len(), index.likely(7)), (0, None));
    }
}
