//! What a detector remembers about each subject, bounded in number and in bytes.
//!
//! Eviction order, each time the subject updated longest ago: first of those that came once, then of
//! those that came back, then of those that are pinned, as by an open signal. Whoever makes up
//! subjects without end has his own evict each other, and not what came back before; who was evicted and
//! comes again has come back, too, as long as that is remembered (`ghosts.rs`). But where
//! the pinned ones fill more than half of the table, or those and the ones that came back more
//! than three quarters, they go first: whoever opens many signals, or comes back with many subjects,
//! must not blind the detector to everybody else. Every eviction is counted. All operations take constant time.

pub(crate) mod lists;
mod saved;

use std::mem::needs_drop;

use flow_table::{Chunks, SlotIndex, prefetch};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ghosts::Ghosts;
use lists::{Links, List, Lists, NONE, Rank};

/// One part in so many of a table's bytes is for remembering who was evicted.
const GHOSTS: usize = 16;
/// And no more than so many for each subject it may hold.
const GHOST_BYTES: usize = 64;

/// State whose memory can be told.
pub(crate) trait Held: Default + Serialize + DeserializeOwned {
    /// Bytes on the heap; below 4 GiB.
    fn heap(&self) -> usize;

    /// Whether the subject came more than once, where that is told apart.
    fn came_back(&self) -> Option<bool> {
        None
    }
}

/// A table of subjects: an index over slots, which form three lists, most recently updated first.
/// Neighbours in a list lie apart from the slots, so that moving one touches no other's state.
///
/// Of the memory it may take, slots and index fill three quarters at most, so that there is always
/// room for what the states hold on the heap; all of it where they hold nothing there.
#[derive(Debug)]
pub(crate) struct Subjects<K, V> {
    index: SlotIndex,
    slots: Chunks<Slot<K, V>, 512>,
    links: Vec<Links>,
    free: u32,
    lists: Lists,
    /// Who was evicted: one of them that comes has come back.
    ghosts: Ghosts,
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
    rank: Rank,
    value: V,
}

/// Whether a subject is evicted in its turn or last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pin {
    InTurn,
    Last,
}

impl<K: Copy + Eq, V: Held> Subjects<K, V> {
    /// A slot, its links and, at worst, its share of the index.
    const PER_SLOT: usize = size_of::<Slot<K, V>>() + size_of::<Links>() + SlotIndex::MOST_PER_SLOT;

    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let most = (bytes / GHOSTS).min(capacity.saturating_mul(GHOST_BYTES));
        let for_ghosts = V::default().came_back().map_or(0, |_| most);
        let max_bytes = bytes - for_ghosts;
        let quarters = if needs_drop::<V>() { 3 } else { 4 };
        let for_table = (max_bytes / 4 * quarters).saturating_sub(SlotIndex::MOST_BESIDE);
        let fits = for_table / Self::PER_SLOT;
        Self {
            index: SlotIndex::default(),
            slots: Chunks::default(),
            links: Vec::new(),
            free: NONE,
            lists: Lists {
                once: List::EMPTY,
                back: List::EMPTY,
                pinned: List::EMPTY,
            },
            ghosts: Ghosts::new(for_ghosts),
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
        self.held() + self.ghosts.heap()
    }

    fn held(&self) -> usize {
        self.table + self.lists.heap()
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
        let at = self.index.likely(hash).unwrap_or_else(|| {
            self.ghosts.prefetch(hash);
            self.free
        });
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
        while self.held() > self.max_bytes && self.len() > 1 {
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
        let Some(slot) = self.slot(at) else {
            return;
        };
        let rank = match pin {
            Pin::Last => Rank::Pinned,
            Pin::InTurn if slot.value.came_back() == Some(true) => Rank::Back,
            Pin::InTurn => Rank::Once,
        };
        if slot.rank != rank {
            self.rank(at, rank);
        }
    }

    fn rank(&mut self, at: u32, rank: Rank) {
        self.unlink(at);
        if let Some(slot) = self.slot_mut(at) {
            slot.rank = rank;
        }
        self.link(at);
    }

    pub(crate) fn remove(&mut self, hash: u64, key: K) {
        if let Some(at) = self.find(hash, &key) {
            self.release(at);
        }
    }

    /// The first to go of those evicted in turn, or of those evicted last.
    pub(crate) fn oldest(&self, of: Pin) -> Option<(u64, K, &V)> {
        let Lists { once, back, pinned } = &self.lists;
        let at = match of {
            Pin::InTurn if once.oldest != NONE => once.oldest,
            Pin::InTurn => back.oldest,
            Pin::Last => pinned.oldest,
        };
        self.slot(at).map(|slot| (slot.hash, slot.key, &slot.value))
    }

    /// The next to go.
    fn oldest_slot(&self) -> u32 {
        let Lists { once, back, pinned } = &self.lists;
        let part = |lists: &[&List]| {
            let len: usize = lists.iter().map(|list| list.len).sum();
            let heap: usize = lists.iter().map(|list| list.heap).sum();
            (len, len * Self::PER_SLOT + heap)
        };
        let over = |(len, bytes): (usize, usize), quarters: usize| {
            len * 4 > self.capacity * quarters || bytes > self.max_bytes / 4 * quarters
        };
        let turns = if over(part(&[pinned]), 2) {
            [pinned, once, back]
        } else if over(part(&[pinned, back]), 3) {
            [back, once, pinned]
        } else {
            [once, back, pinned]
        };
        let first = turns.into_iter().find(|list| list.oldest != NONE);
        first.map_or(NONE, |list| list.oldest)
    }

    fn change<R>(&mut self, at: u32, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let slot = self.slots.get_mut(at as usize)?;
        let result = change(&mut slot.value);
        let heap = u32::try_from(slot.value.heap()).unwrap_or(u32::MAX);
        let rises = slot.rank == Rank::Once && slot.value.came_back() == Some(true);
        if heap != slot.heap {
            let (before, rank) = (std::mem::replace(&mut slot.heap, heap), slot.rank);
            let list = self.lists.of(rank);
            list.heap = list.heap - before as usize + heap as usize;
        }
        if rises {
            self.rank(at, Rank::Back);
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
        if !self.ghosts.is_empty() && self.ghosts.knows(hash) {
            self.slot_mut(at)?.rank = Rank::Back;
        }
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
        let rest = self.max_bytes.saturating_sub(self.lists.heap());
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
            (slot.hash, slot.key, slot.rank) = (hash, key, Rank::Once);
            return Some(at);
        }
        let at = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot {
            hash,
            key,
            heap: 0,
            rank: Rank::Once,
            value: V::default(),
        });
        self.links.push(Links::ALONE);
        Some(at)
    }

    fn evict(&mut self) {
        let at = self.oldest_slot();
        if let Some(hash) = self.slot(at).map(|slot| slot.hash) {
            self.ghosts.add(hash);
            self.release(at);
            self.evicted += 1;
            // Where many come, the next one soon goes the same way.
            if let Some(next) = self.slot(self.oldest_slot()) {
                self.index.prefetch(next.hash);
                self.ghosts.prefetch(next.hash);
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
        let (rank, _) = self.rank_and_heap(at);
        let list = self.lists.of(rank);
        if list.newest != at {
            list.part(&mut self.links, at);
            list.join(&mut self.links, at);
        }
    }

    fn rank_and_heap(&self, at: u32) -> (Rank, usize) {
        let slot = self.slot(at);
        slot.map_or((Rank::Once, 0), |slot| (slot.rank, slot.heap as usize))
    }

    fn link(&mut self, at: u32) {
        let (rank, heap) = self.rank_and_heap(at);
        let list = self.lists.of(rank);
        list.len += 1;
        list.heap += heap;
        list.join(&mut self.links, at);
    }

    fn unlink(&mut self, at: u32) {
        let (rank, heap) = self.rank_and_heap(at);
        let list = self.lists.of(rank);
        list.len -= 1;
        list.heap -= heap;
        list.part(&mut self.links, at);
    }

    fn slot(&self, at: u32) -> Option<&Slot<K, V>> {
        self.slots.get(at as usize)
    }

    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot<K, V>> {
        self.slots.get_mut(at as usize)
    }
}

#[cfg(test)]
mod tests;
