//! Remembers of what was evicted that it was there, in a few bytes each.
//!
//! Two Bloom filters: what is evicted is put into one; once that is full the other, with
//! all that is older, is emptied and takes its turn. A key that never was there is taken for
//! one that was about once in a hundred times; the latest are never forgotten.

use flow_table::prefetch;

use crate::state::{Loader, Saver, State, Unfit};

/// Bits of a filter for each key it takes.
const BITS_PER_KEY: usize = 16;
const KEYS_PER_WORD: usize = u64::BITS as usize / BITS_PER_KEY;
/// Bits set for a key, all in one word.
const MARKS: u32 = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ghosts {
    /// The filter being filled, and the one before it. They take no room before the first key.
    filters: [Vec<u64>; 2],
    words: usize,
    /// Keys in the first.
    keys: usize,
}

impl Ghosts {
    /// They take so many bytes once there are any.
    pub(crate) const fn new(bytes: usize) -> Self {
        Self {
            filters: [Vec::new(), Vec::new()],
            words: bytes / 2 / size_of::<u64>(),
            keys: 0,
        }
    }

    /// What had this hash is gone.
    pub(crate) fn add(&mut self, hash: u64) {
        if self.words == 0 {
            return;
        }
        let [filling, before] = &mut self.filters;
        if filling.is_empty() {
            filling.resize(self.words, 0);
            before.resize(self.words, 0);
        }
        if self.keys >= self.words * KEYS_PER_WORD {
            std::mem::swap(filling, before);
            filling.fill(0);
            self.keys = 0;
        }
        let (at, marks) = place(hash, self.words);
        if let Some(word) = filling.get_mut(at) {
            *word |= marks;
            self.keys += 1;
        }
    }

    /// Whether something with this hash was there, as far as remembered.
    pub(crate) fn knows(&self, hash: u64) -> bool {
        let (at, marks) = place(hash, self.words);
        let has = |filter: &Vec<u64>| filter.get(at).is_some_and(|word| word & marks == marks);
        self.filters.iter().any(has)
    }

    /// Something with this hash is added or asked for soon: fetches where that goes.
    pub(crate) fn prefetch(&self, hash: u64) {
        let (at, _) = place(hash, self.words);
        for word in self.filters.iter().filter_map(|filter| filter.get(at)) {
            prefetch(word);
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        let [filling, _] = &self.filters;
        filling.is_empty()
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.filters.iter().map(Vec::len).sum::<usize>() * size_of::<u64>()
    }
}

/// Both filters, if there are any. Where they are of another size now, what they remember is of no use,
/// and little is lost with it.
impl State for Ghosts {
    fn save(&self, to: &mut Saver) {
        let [filling, _] = &self.filters;
        to.put(&(self.words, self.keys, filling.len()));
        for word in self.filters.iter().flatten() {
            to.number(*word);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        let (words, keys, len): (usize, usize, usize) = from.take()?;
        let filters = [from.numbers(len)?, from.numbers(len)?];
        if (len != 0 && len != words) || keys > words.saturating_mul(KEYS_PER_WORD) {
            return Err(Unfit::Damaged);
        }
        if words == self.words {
            (self.filters, self.keys) = (filters, keys);
        }
        Ok(())
    }
}

/// Which word, and which bits of it.
fn place(hash: u64, words: usize) -> (usize, u64) {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let at = (u128::from(mixed) * words as u128) >> 64;
    let spots = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
    let marks = (0..MARKS).fold(0, |marks, mark| marks | 1 << ((spots >> (mark * 6)) & 63));
    (usize::try_from(at).unwrap_or(usize::MAX), marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::KeyedHash;

    /// What so many keys, of which the latest are known for sure, are taken for.
    #[test]
    fn the_latest_are_known_and_others_seldom() {
        let hash = KeyedHash::new(1);
        let key = |number: u32| hash.bits(number.into());
        let mut ghosts = Ghosts::new(20_000);
        assert!(!ghosts.knows(key(1)));
        assert_eq!(ghosts.heap(), 0);
        for number in 0..100_000 {
            ghosts.add(key(number));
            assert!(ghosts.knows(key(number.saturating_sub(4_999))));
        }
        assert_eq!(ghosts.heap(), 20_000);
        let others = 1_000_000..1_100_000;
        let mistaken = others.filter(|number| ghosts.knows(key(*number))).count();
        assert!(mistaken < 1_500, "{mistaken} of 100,000");
        let old = (0..50_000).filter(|number| ghosts.knows(key(*number)));
        assert!(old.count() < 750);
    }
}
