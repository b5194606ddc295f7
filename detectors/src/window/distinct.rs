//! How many different keys a sliding window saw: exactly while they are few, then by estimate.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use super::{Slice, SlidingSum};

/// Up to this many keys a scan of a short list is faster than any table.
const FEW: usize = 16;
/// Keys of a sliding window, all from [`crate::hash::KeyedHash`] or as evenly spread, each with its latest slice. A key may be *counted*, *marked* or both:
/// destinations tried and destinations that answered, say.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Distinct {
    keys: Keys,
    /// No key is of a slice before this one.
    oldest: Slice,
}

/// The first key takes no room of its own: most subjects are seen with one.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
enum Keys {
    #[default]
    None,
    One(Entry),
    Few(#[serde(with = "crate::state::room")] Vec<Entry>),
    Many(Box<Many>),
    Estimate(Box<Estimate>),
}

impl Keys {
    fn of(entries: Vec<Entry>, max_exact: usize) -> Self {
        if entries.len() > FEW.min(max_exact) {
            Self::Many(Box::new(Many::of(&entries)))
        } else {
            Self::Few(entries)
        }
    }

    /// The keys themselves, while they are few.
    fn few(&self) -> &[Entry] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Few(entries) => entries,
            Self::None | Self::Many(_) | Self::Estimate(_) => &[],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(with = "postcard::fixint::le")]
    pub(super) key: u64,
    slice: Slice,
    counted: bool,
    marked: bool,
}

#[derive(Clone, Default, Debug)]
pub(super) struct Many {
    pub(super) entries: HashTable<Entry>,
    /// All, those counted, those both counted and marked.
    pub(super) sums: SlidingSum<3>,
}

/// What is said of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Say {
    Counted,
    Marked,
}

impl Distinct {
    /// Counts a key in a slice; slices before `first` are forgotten, and above `max_exact` keys
    /// the count becomes an estimate until a whole window has passed without any.
    pub(crate) fn count(&mut self, key: u64, slice: Slice, first: Slice, max_exact: usize) {
        self.say(Say::Counted, key, slice, first, max_exact);
    }

    /// Marks a key, whether it is counted already, later or never.
    pub(crate) fn mark(&mut self, key: u64, slice: Slice, first: Slice, max_exact: usize) {
        self.say(Say::Marked, key, slice, first, max_exact);
    }

    fn say(&mut self, what: Say, key: u64, slice: Slice, first: Slice, max_exact: usize) {
        self.expire(first);
        match &mut self.keys {
            Keys::None => {
                self.oldest = slice;
                self.keys = Keys::One(Entry::new(what, key, slice));
            }
            Keys::One(only) if only.key == key => only.say(what, slice),
            Keys::One(first) => {
                let mut entries = Vec::with_capacity(2);
                entries.extend([*first, Entry::new(what, key, slice)]);
                self.keys = Keys::of(entries, max_exact);
            }
            Keys::Few(entries) => {
                say_few(entries, what, key, slice);
                if entries.len() > FEW.min(max_exact) {
                    self.keys = Keys::of(std::mem::take(entries), max_exact);
                }
            }
            Keys::Many(many) => {
                many.say(what, key, slice, first);
                if many.entries.len() > max_exact {
                    let estimate = Estimate::of(many.said());
                    self.keys = Keys::Estimate(Box::new(estimate));
                }
            }
            Keys::Estimate(estimate) => estimate.say(what, key, slice),
        }
        self.oldest = self.oldest.min(slice);
    }

    /// Forgets slices before `first`.
    #[inline]
    pub(crate) fn expire(&mut self, first: Slice) {
        if self.oldest < first {
            self.forget(first);
        }
    }

    fn forget(&mut self, first: Slice) {
        self.oldest = first;
        match &mut self.keys {
            Keys::None => {}
            Keys::One(only) => {
                self.oldest = only.slice;
                if only.slice < first {
                    self.keys = Keys::None;
                }
            }
            Keys::Few(entries) => {
                entries.retain(|entry| entry.slice >= first);
                let oldest = entries.iter().map(|entry| entry.slice).min();
                match oldest {
                    Some(oldest) => self.oldest = oldest,
                    None => self.keys = Keys::None,
                }
            }
            Keys::Many(many) => {
                many.expire(first);
                if many.all() == 0 {
                    self.keys = Keys::default();
                }
            }
            Keys::Estimate(estimate) => {
                estimate.expire(first);
                if estimate.is_empty() {
                    self.keys = Keys::default();
                }
            }
        }
    }

    /// Keys counted.
    pub(crate) fn counted(&self) -> u64 {
        match &self.keys {
            Keys::Many(many) => many.counted(),
            Keys::Estimate(estimate) => estimate.counted,
            few => few.few().iter().map(|entry| u64::from(entry.counted)).sum(),
        }
    }

    /// Keys both counted and marked. As an estimate: keys marked, but no more than counted.
    pub(crate) fn marked(&self) -> u64 {
        let both = |entry: &Entry| u64::from(entry.counted && entry.marked);
        match &self.keys {
            Keys::Many(many) => many.both(),
            Keys::Estimate(estimate) => estimate.marked.min(estimate.counted),
            few => few.few().iter().map(both).sum(),
        }
    }

    pub(crate) fn approximate(&self) -> bool {
        matches!(self.keys, Keys::Estimate(_))
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        match &self.keys {
            Keys::None | Keys::One(_) => 0,
            Keys::Few(entries) => entries.capacity() * size_of::<Entry>(),
            Keys::Many(many) => {
                size_of::<Many>() + many.entries.allocation_size() + many.sums.heap()
            }
            Keys::Estimate(estimate) => size_of::<Estimate>() + estimate.heap(),
        }
    }
}

fn say_few(entries: &mut Vec<Entry>, what: Say, key: u64, slice: Slice) {
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
        return entry.say(what, slice);
    }
    if entries.len() == entries.capacity() {
        entries.reserve_exact(entries.len().max(1));
    }
    entries.push(Entry::new(what, key, slice));
}

impl Entry {
    fn new(what: Say, key: u64, slice: Slice) -> Self {
        Self {
            key,
            slice,
            counted: what == Say::Counted,
            marked: what == Say::Marked,
        }
    }

    fn say(&mut self, what: Say, slice: Slice) {
        self.slice = self.slice.max(slice);
        self.counted |= what == Say::Counted;
        self.marked |= what == Say::Marked;
    }

    /// What it adds to [`Many::sums`].
    fn tally(&self) -> [u64; 3] {
        let both = self.counted && self.marked;
        [1, u64::from(self.counted), u64::from(both)]
    }
}

impl Many {
    fn of(few: &[Entry]) -> Self {
        let mut many = Self::default();
        for entry in few {
            many.entries
                .insert_unique(entry.key, *entry, |entry| entry.key);
            many.sums.add(entry.slice, entry.tally());
        }
        many
    }

    fn said(&self) -> impl Iterator<Item = (Say, u64, Slice)> {
        self.entries.iter().flat_map(|entry| {
            let counted = entry.counted.then_some(Say::Counted);
            let marked = entry.marked.then_some(Say::Marked);
            let said = [counted, marked].into_iter().flatten();
            said.map(|what| (what, entry.key, entry.slice))
        })
    }

    fn all(&self) -> u64 {
        let [all, ..] = self.sums.total();
        all
    }

    fn counted(&self) -> u64 {
        let [_, counted, _] = self.sums.total();
        counted
    }

    fn both(&self) -> u64 {
        let [.., both] = self.sums.total();
        both
    }

    fn say(&mut self, what: Say, key: u64, slice: Slice, first: Slice) {
        let known = self.entries.find_mut(key, |entry| entry.key == key);
        let (before, after) = match known {
            Some(entry) if entry.slice >= first => {
                let before = *entry;
                entry.say(what, slice);
                (Some(before), *entry)
            }
            Some(expired) => {
                *expired = Entry::new(what, key, slice);
                (None, *expired)
            }
            None => {
                let entry = Entry::new(what, key, slice);
                self.entries.insert_unique(key, entry, |entry| entry.key);
                (None, entry)
            }
        };
        if let Some(before) = before {
            if before == after {
                return;
            }
            self.sums.take(before.slice, before.tally());
        }
        self.sums.add(after.slice, after.tally());
    }

    /// Entries that left the window are swept out once they are half of the table.
    fn expire(&mut self, first: Slice) {
        self.sums.expire(first);
        let live = usize::try_from(self.all()).unwrap_or(usize::MAX);
        if self.entries.len() > FEW + live.saturating_mul(2) {
            // A table that is new, as one with gaps would grow at another time when it is restored.
            let mut kept = HashTable::with_capacity(live);
            for entry in self.entries.iter().filter(|entry| entry.slice >= first) {
                kept.insert_unique(entry.key, *entry, |entry| entry.key);
            }
            self.entries = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::KeyedHash;

    const EXACT: usize = 1_000;

    #[test]
    fn counts_exactly_what_the_window_holds() {
        let mut distinct = Distinct::default();
        for slice in 0..300_u64 {
            for key in 0..10 {
                distinct.count(slice * 5 + key, slice, slice.saturating_sub(59), EXACT);
            }
            let slices = 60.min(slice + 1);
            assert_eq!(distinct.counted(), slices * 5 + 5, "slice {slice}");
            assert!(!distinct.approximate());
        }
        distinct.expire(1_000);
        assert_eq!((distinct.counted(), distinct.heap()), (0, 0));
    }

    #[test]
    fn a_key_may_be_counted_and_marked_in_either_order() {
        for others in [0, 100] {
            let mut distinct = Distinct::default();
            for key in 0..others {
                distinct.count(1_000 + key, 5, 0, EXACT);
            }
            distinct.mark(1, 5, 0, EXACT);
            assert_eq!((distinct.counted(), distinct.marked()), (others, 0));
            distinct.count(1, 6, 0, EXACT);
            distinct.count(2, 6, 0, EXACT);
            distinct.mark(2, 7, 0, EXACT);
            distinct.count(3, 7, 0, EXACT);
            assert_eq!((distinct.counted(), distinct.marked()), (others + 3, 2));
        }
    }

    #[test]
    fn estimates_ports_as_well() {
        for seed in 0..20 {
            let hash = KeyedHash::new(seed);
            let mut distinct = Distinct::default();
            for port in 1..=60_000 {
                distinct.count(hash.port(port), 1, 0, EXACT);
            }
            assert!(distinct.approximate());
            let counted = distinct.counted() as f64;
            assert!((counted / 60_000.0 - 1.0).abs() < 0.2, "{seed}: {counted}");
        }
    }

    #[test]
    fn estimates_many_keys_within_a_few_percent_and_returns_to_exact() {
        let hash = KeyedHash::new(7);
        let mut distinct = Distinct::default();
        for number in 0..100_000_u64 {
            let slice = number / 2_000;
            distinct.count(
                hash.bits(number.into()),
                slice,
                slice.saturating_sub(59),
                EXACT,
            );
        }
        assert!(distinct.approximate());
        let counted = distinct.counted() as f64;
        assert!((counted / 100_000.0 - 1.0).abs() < 0.2, "{counted}");
        assert!(distinct.heap() < 16 * 1024, "{}", distinct.heap());
        distinct.count(1, 500, 441, EXACT);
        assert_eq!((distinct.counted(), distinct.approximate()), (1, false));
    }
}
