//! What a detector remembers about each subject, bounded in number and in bytes.
//!
//! Eviction order: the subject updated longest ago; one that is pinned, as by an open signal, only
//! when no other is left, or when the pinned ones fill more than half of the table: whoever opens many
//! signals must not blind the detector to everybody else. Every eviction is counted. All operations
//! take constant time.

mod saved;

use flow_table::{SlotIndex, prefetch};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No slot.
const NONE: u32 = u32::MAX;

/// State whose memory can be told.
pub(crate) trait Held: Default + Serialize + DeserializeOwned {
    /// Bytes on the heap; below 4 GiB.
    fn heap(&self) -> usize;
}

/// A table of subjects: an index over slots, which form two lists, most recently updated first.
/// Neighbours in a list lie apart from the slots, so that moving one touches no other's state.
///
/// Of the memory it may take, slots and index fill three quarters at most, so that there is always
/// room for what the states hold on the heap.
#[derive(Debug)]
pub(crate) struct Subjects<K, V> {
    index: SlotIndex,
    slots: Vec<Slot<K, V>>,
    links: Vec<Links>,
    free: u32,
    /// Without and with an open signal.
    lists: [List; 2],
    capacity: usize,
    max_bytes: usize,
    /// What slots, links and index take.
    table: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    hash: u64,
    key: K,
    heap: u32,
    pin: Pin,
    value: V,
}

/// A slot's neighbours; the next free slot, if it is free, is the older.
#[derive(Clone, Copy, Debug)]
struct Links {
    newer: u32,
    older: u32,
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
    /// A slot, its links and, at worst, its share of the index.
    const PER_SLOT: usize = size_of::<Slot<K, V>>() + size_of::<Links>() + SlotIndex::MOST_PER_SLOT;

    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        let empty = List {
            newest: NONE,
            oldest: NONE,
            len: 0,
            heap: 0,
        };
        let fits = max_bytes / 4 * 3 / Self::PER_SLOT;
        Self {
            index: SlotIndex::default(),
            slots: Vec::new(),
            links: Vec::new(),
            free: NONE,
            lists: [empty; 2],
            capacity: capacity.min(fits).clamp(1, NONE as usize - 1),
            max_bytes,
            table: 0,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes taken: slots and index with the room they have, and what the states hold.
    pub(crate) fn bytes(&self) -> usize {
        let [in_turn, last] = self.lists;
        self.table + in_turn.heap + last.heap
    }

    /// Updates the state of a subject, which is made if there is none, and evicts others if that
    /// takes the table over its bounds.
    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        key: K,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let at = self.newest(hash, key)?;
        let result = self.change(at, change)?;
        self.shrink();
        Some(result)
    }

    /// Updates the state of a subject, and pins it if that is then over its limit.
    pub(crate) fn judge(&mut self, hash: u64, key: K, change: impl FnOnce(&mut V) -> bool) {
        let Some(at) = self.newest(hash, key) else {
            return;
        };
        let over = self.change(at, change) == Some(true);
        if self.shrink() && over {
            self.pin(hash, key, Pin::Last);
        } else if over {
            self.pin_at(at, Pin::Last);
        }
    }

    /// A subject with this hash is asked for soon: fetches it, or the slot that it would get.
    pub(crate) fn prefetch(&self, hash: u64) {
        let at = self.index.likely(hash).unwrap_or(self.free);
        if let Some(slot) = self.slot(at) {
            prefetch(slot);
        }
        if let Some(links) = self.links.get(at as usize) {
            prefetch(links);
        }
    }

    /// Finds or makes a subject, and puts it last in turn.
    fn newest(&mut self, hash: u64, key: K) -> Option<u32> {
        let Some(at) = self.find(hash, &key) else {
            return self.insert(hash, key);
        };
        self.touch(at);
        Some(at)
    }

    /// Evicts what does not fit; tells whether anything had to go.
    fn shrink(&mut self) -> bool {
        let before = self.evicted;
        while self.bytes() > self.max_bytes && self.len() > 1 {
            self.evict();
        }
        self.evicted != before
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
        if let Some(at) = self.find(hash, &key) {
            self.pin_at(at, pin);
        }
    }

    fn pin_at(&mut self, at: u32, pin: Pin) {
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
        let heap = u32::try_from(slot.value.heap()).unwrap_or(u32::MAX);
        if heap != slot.heap {
            let (before, pin) = (std::mem::replace(&mut slot.heap, heap), slot.pin);
            let list = self.list(pin);
            list.heap = list.heap - before as usize + heap as usize;
        }
        Some(result)
    }

    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        self.index.find(hash, |at| {
            self.slot(at)
                .is_some_and(|slot| slot.hash == hash && slot.key == *key)
        })
    }

    fn insert(&mut self, hash: u64, key: K) -> Option<u32> {
        if self.len() >= self.capacity || (self.is_full() && !self.grow()) {
            self.evict();
        }
        let at = self.place(hash, key)?;
        self.index.insert(hash, at);
        self.link(at);
        self.weigh();
        Some(at)
    }

    fn is_full(&self) -> bool {
        self.free == NONE && self.slots.len() == self.slots.capacity()
    }

    /// Makes room for as many slots again, or as many as fit beside what the states hold.
    fn grow(&mut self) -> bool {
        let [in_turn, last] = self.lists;
        let rest = self.max_bytes.saturating_sub(in_turn.heap + last.heap);
        let most = self.capacity.min(rest / Self::PER_SLOT).max(1);
        let more = self.slots.len().max(16);
        let more = more.min(most.saturating_sub(self.slots.len()));
        if more == 0 {
            return false;
        }
        self.slots.reserve_exact(more);
        self.links.reserve_exact(more);
        self.index.reserve(self.slots.capacity());
        true
    }

    fn weigh(&mut self) {
        self.table = self.slots.capacity() * size_of::<Slot<K, V>>()
            + self.links.capacity() * size_of::<Links>()
            + self.index.bytes();
    }

    /// A slot in its first state, which a free one is in already.
    fn place(&mut self, hash: u64, key: K) -> Option<u32> {
        let at = self.free;
        if let Some(slot) = self.slots.get_mut(at as usize) {
            self.free = self.links.get(at as usize)?.older;
            (slot.hash, slot.key, slot.pin) = (hash, key, Pin::InTurn);
            return Some(at);
        }
        let at = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot {
            hash,
            key,
            heap: 0,
            pin: Pin::InTurn,
            value: V::default(),
        });
        self.links.push(Links {
            newer: NONE,
            older: NONE,
        });
        Some(at)
    }

    fn evict(&mut self) {
        let at = self.oldest_slot();
        if at != NONE {
            self.release(at);
            self.evicted += 1;
            // Where many come, the next one soon goes the same way.
            if let Some(next) = self.slot(self.oldest_slot()) {
                self.index.prefetch(next.hash);
            }
        }
    }

    fn release(&mut self, at: u32) {
        self.unlink(at);
        let Some(slot) = self.slots.get_mut(at as usize) else {
            return;
        };
        let hash = slot.hash;
        slot.value = V::default();
        slot.heap = 0;
        if let Some(links) = self.links.get_mut(at as usize) {
            links.older = std::mem::replace(&mut self.free, at);
        }
        self.index.remove(hash, at);
    }

    /// What the list holds stays.
    fn touch(&mut self, at: u32) {
        let (pin, _) = self.pin_and_heap(at);
        if self.list(pin).newest != at {
            self.part(at, pin);
            self.join(at, pin);
        }
    }

    fn list(&mut self, pin: Pin) -> &mut List {
        let [in_turn, last] = &mut self.lists;
        match pin {
            Pin::InTurn => in_turn,
            Pin::Last => last,
        }
    }

    fn pin_and_heap(&self, at: u32) -> (Pin, usize) {
        let slot = self.slot(at);
        slot.map_or((Pin::InTurn, 0), |slot| (slot.pin, slot.heap as usize))
    }

    fn link(&mut self, at: u32) {
        let (pin, heap) = self.pin_and_heap(at);
        let list = self.list(pin);
        list.len += 1;
        list.heap += heap;
        self.join(at, pin);
    }

    fn unlink(&mut self, at: u32) {
        let (pin, heap) = self.pin_and_heap(at);
        let list = self.list(pin);
        list.len -= 1;
        list.heap -= heap;
        self.part(at, pin);
    }

    /// Puts a slot before all others of a list.
    fn join(&mut self, at: u32, pin: Pin) {
        let list = self.list(pin);
        let second = std::mem::replace(&mut list.newest, at);
        if second == NONE {
            list.oldest = at;
        }
        if let Some(links) = self.links.get_mut(at as usize) {
            (links.newer, links.older) = (NONE, second);
        }
        if let Some(links) = self.links.get_mut(second as usize) {
            links.newer = at;
        }
    }

    /// Takes a slot out from between its neighbours.
    fn part(&mut self, at: u32, pin: Pin) {
        let Some(Links { newer, older }) = self.links.get(at as usize).copied() else {
            return;
        };
        let list = self.list(pin);
        if list.newest == at {
            list.newest = older;
        }
        if list.oldest == at {
            list.oldest = newer;
        }
        if let Some(links) = self.links.get_mut(newer as usize) {
            links.older = older;
        }
        if let Some(links) = self.links.get_mut(older as usize) {
            links.newer = newer;
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
