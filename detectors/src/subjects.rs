//! What a detector remembers about each subject, bounded in number and in bytes.
//!
//! Eviction order: the subject updated longest ago; one that is pinned, as by an open signal, only
//! when no other is left, or when the pinned ones fill more than half of the table: whoever opens many
//! signals must not blind the detector to everybody else. Every eviction is counted. All operations
//! take constant time.

use hashbrown::HashTable;

/// No slot.
const NONE: u32 = u32::MAX;

/// State whose memory can be told.
pub(crate) trait Held: Default {
    /// Bytes on the heap.
    fn heap(&self) -> usize;
}

/// A table of subjects: an index over slots, which form two lists, most recently updated first.
#[derive(Debug)]
pub(crate) struct Subjects<K, V> {
    index: HashTable<u32>,
    slots: Vec<Slot<K, V>>,
    free: u32,
    /// Without and with an open signal.
    lists: [List; 2],
    capacity: usize,
    max_bytes: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    hash: u64,
    key: K,
    value: V,
    heap: usize,
    newer: u32,
    older: u32,
    pin: Pin,
}

/// Whether a subject is evicted in its turn or last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pin {
    InTurn,
    Last,
}

#[derive(Clone, Copy, Debug)]
struct List {
    newest: u32,
    oldest: u32,
    len: usize,
    heap: usize,
}

impl<K: Copy + Eq, V: Held> Subjects<K, V> {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        let empty = List {
            newest: NONE,
            oldest: NONE,
            len: 0,
            heap: 0,
        };
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: NONE,
            lists: [empty; 2],
            capacity: capacity.clamp(1, NONE as usize - 1),
            max_bytes,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes taken: slots, index, and what the states hold.
    pub(crate) fn bytes(&self) -> usize {
        self.lists.iter().map(|list| Self::bytes_of(*list)).sum()
    }

    /// A slot and, at worst, two and a quarter index entries of five bytes.
    const PER_SLOT: usize = size_of::<Slot<K, V>>() + 12;

    /// Updates the state of a subject, which is made if there is none, and evicts others if that
    /// takes the table over its bounds.
    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        key: K,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let at = match self.find(hash, &key) {
            Some(at) => at,
            None => self.insert(hash, key)?,
        };
        self.touch(at);
        let result = self.change(at, change)?;
        while self.bytes() > self.max_bytes && self.len() > 1 {
            self.evict();
        }
        Some(result)
    }

    /// Updates the state of a subject if there is one; it keeps its turn.
    pub(crate) fn amend<R>(
        &mut self,
        hash: u64,
        key: K,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let at = self.find(hash, &key)?;
        self.change(at, change)
    }

    pub(crate) fn get(&self, hash: u64, key: K) -> Option<&V> {
        let at = self.find(hash, &key)?;
        self.slot(at).map(|slot| &slot.value)
    }

    pub(crate) fn pin(&mut self, hash: u64, key: K, pin: Pin) {
        let Some(at) = self.find(hash, &key) else {
            return;
        };
        if self.slot(at).is_some_and(|slot| slot.pin != pin) {
            self.unlink(at);
            if let Some(slot) = self.slot_mut(at) {
                slot.pin = pin;
            }
            self.link(at);
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, key: K) {
        if let Some(at) = self.find(hash, &key) {
            self.release(at);
        }
    }

    /// The subject updated longest ago of those evicted in turn, or of those evicted last.
    pub(crate) fn oldest(&self, of: Pin) -> Option<(u64, K, &V)> {
        let [in_turn, last] = self.lists;
        let list = if of == Pin::InTurn { in_turn } else { last };
        self.slot(list.oldest)
            .map(|slot| (slot.hash, slot.key, &slot.value))
    }

    /// The next to go.
    fn oldest_slot(&self) -> u32 {
        let [in_turn, last] = self.lists;
        let too_many = last.len > self.capacity / 2 || Self::bytes_of(last) > self.max_bytes / 2;
        if in_turn.oldest == NONE || too_many {
            last.oldest
        } else {
            in_turn.oldest
        }
    }

    fn bytes_of(list: List) -> usize {
        list.len * Self::PER_SLOT + list.heap
    }

    fn change<R>(&mut self, at: u32, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let slot = self.slots.get_mut(at as usize)?;
        let result = change(&mut slot.value);
        let heap = slot.value.heap();
        let before = std::mem::replace(&mut slot.heap, heap);
        let list = self.list(at);
        list.heap = list.heap - before + heap;
        Some(result)
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        let same = |at: &u32| {
            self.slot(*at)
                .is_some_and(|slot| slot.hash == hash && slot.key == *key)
        };
        self.index.find(hash, same).copied()
    }

    fn insert(&mut self, hash: u64, key: K) -> Option<u32> {
        if self.len() >= self.capacity {
            self.evict();
        }
        let slot = Slot {
            hash,
            key,
            value: V::default(),
            heap: 0,
            newer: NONE,
            older: NONE,
            pin: Pin::InTurn,
        };
        let at = self.place(slot)?;
        let slots = &self.slots;
        let hash_of = |at: &u32| slots.get(*at as usize).map_or(0, |slot| slot.hash);
        self.index.insert_unique(hash, at, hash_of);
        self.link(at);
        Some(at)
    }

    fn place(&mut self, slot: Slot<K, V>) -> Option<u32> {
        if self.free != NONE {
            let at = self.free;
            let place = self.slots.get_mut(at as usize)?;
            self.free = place.older;
            *place = slot;
            return Some(at);
        }
        if self.slots.len() == self.slots.capacity() {
            let room = self.capacity - self.slots.len().min(self.capacity);
            self.slots.reserve_exact(self.slots.len().max(16).min(room));
        }
        let at = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(slot);
        Some(at)
    }

    fn evict(&mut self) {
        let at = self.oldest_slot();
        if at != NONE {
            self.release(at);
            self.evicted += 1;
        }
    }

    fn release(&mut self, at: u32) {
        self.unlink(at);
        let free = self.free;
        let Some(slot) = self.slots.get_mut(at as usize) else {
            return;
        };
        let hash = slot.hash;
        slot.value = V::default();
        slot.heap = 0;
        slot.older = free;
        self.free = at;
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
    }

    fn touch(&mut self, at: u32) {
        let newest = self.list(at).newest;
        if newest != at {
            self.unlink(at);
            self.link(at);
        }
    }

    fn list(&mut self, at: u32) -> &mut List {
        let pin = self.slot(at).map_or(Pin::InTurn, |slot| slot.pin);
        let [in_turn, last] = &mut self.lists;
        match pin {
            Pin::InTurn => in_turn,
            Pin::Last => last,
        }
    }

    fn link(&mut self, at: u32) {
        let heap = self.slot(at).map_or(0, |slot| slot.heap);
        let list = self.list(at);
        list.len += 1;
        list.heap += heap;
        let second = list.newest;
        list.newest = at;
        if second == NONE {
            list.oldest = at;
        }
        if let Some(slot) = self.slot_mut(at) {
            (slot.newer, slot.older) = (NONE, second);
        }
        if let Some(slot) = self.slot_mut(second) {
            slot.newer = at;
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some((newer, older)) = self.slot(at).map(|slot| (slot.newer, slot.older)) else {
            return;
        };
        let heap = self.slot(at).map_or(0, |slot| slot.heap);
        let list = self.list(at);
        list.len -= 1;
        list.heap -= heap;
        if list.newest == at {
            list.newest = older;
        }
        if list.oldest == at {
            list.oldest = newer;
        }
        if let Some(slot) = self.slot_mut(newer) {
            slot.older = older;
        }
        if let Some(slot) = self.slot_mut(older) {
            slot.newer = newer;
        }
    }

    fn slot(&self, at: u32) -> Option<&Slot<K, V>> {
        self.slots.get(at as usize)
    }

    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot<K, V>> {
        self.slots.get_mut(at as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Held for u64 {
        fn heap(&self) -> usize {
            0
        }
    }

    impl Held for Vec<u8> {
        fn heap(&self) -> usize {
            self.capacity()
        }
    }

    fn spread(key: u64) -> u64 {
        crate::hash::join(key, 1)
    }

    #[test]
    fn evicts_the_longest_untouched_and_the_pinned_last() {
        let mut table: Subjects<u64, u64> = Subjects::new(4, usize::MAX);
        for key in [1, 2, 3, 4] {
            table.update(spread(key), key, |value| *value += key);
        }
        table.pin(spread(2), 2, Pin::Last);
        table.update(spread(1), 1, |value| *value += 10);
        table.update(spread(5), 5, |_| ());
        assert_eq!(table.get(spread(3), 3), None, "3 was touched longest ago");
        table.update(spread(6), 6, |_| ());
        table.update(spread(7), 7, |_| ());
        assert!(table.get(spread(2), 2).is_some(), "2 is oldest but pinned");
        assert_eq!(table.get(spread(1), 1), None);
        for key in [6, 7] {
            table.pin(spread(key), key, Pin::Last);
        }
        table.update(spread(8), 8, |_| ());
        assert_eq!(table.get(spread(2), 2), None, "three of four are pinned");
        assert!(table.get(spread(5), 5).is_some());
        assert_eq!((table.len(), table.evicted()), (4, 4));
        table.remove(spread(6), 6);
        assert_eq!(table.oldest(Pin::Last).map(|(_, key, _)| key), Some(7));
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn stays_within_its_bytes() {
        let mut table: Subjects<u64, Vec<u8>> = Subjects::new(1_000, 20_000);
        for key in 0..1_000 {
            table.update(spread(key), key, |value| value.reserve_exact(1_000));
            assert!(table.bytes() <= 20_000, "{}", table.bytes());
        }
        assert_eq!(table.evicted() + table.len() as u64, 1_000);
        assert!(table.len() > 10);
    }
}
