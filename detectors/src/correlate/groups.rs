//! What one rule knows about all its subjects, bounded in number and in bytes.
//!
//! A group's worth is what it would take to come by it again: how many of the rule's parts it holds,
//! then how severe the worst of them is. Eviction order: the least worth, of those the one touched
//! longest ago; but of each worth a few are always kept, so that whoever fills the table with much
//! that is worth little displaces nothing that is worth more, and whoever fills it with what is worth
//! much leaves room for what begins. Every eviction is counted.

use flow_table::SlotIndex;

use super::GroupKey;
use super::group::Group;
use crate::Severity;
use crate::subjects::lists::{Links, List, NONE};

/// How many worths there are: one part or more, and four severities.
const WORTHS: u8 = 8;
/// One part in so many of the table that groups of each worth may take in any case.
const KEPT: usize = 16;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Worth(u8);

impl Worth {
    /// Of so many parts, of which the worst is so severe.
    pub(super) const fn of(parts: usize, worst: Severity) -> Self {
        Self(worst as u8 + if parts > 1 { 4 } else { 0 })
    }

    fn all() -> impl Iterator<Item = Self> + Clone {
        (0..WORTHS).map(Self)
    }
}

/// Groups by key, and in the order in which they would be evicted: a list for each worth, first
/// what was touched last.
pub(super) struct Groups {
    index: SlotIndex,
    slots: Vec<Slot>,
    links: Vec<Links>,
    free: u32,
    of_worth: [List; WORTHS as usize],
    heap: usize,
    capacity: usize,
    max_bytes: usize,
    evicted: u64,
}

#[derive(Default)]
struct Slot {
    hash: u64,
    key: GroupKey,
    worth: Worth,
    heap: usize,
    group: Group,
}

impl Groups {
    /// What a group takes besides what it holds: its slot and links, at worst twice for the room that
    /// lists of them have, and its place in the index.
    const PER_GROUP: usize =
        2 * (size_of::<Slot>() + size_of::<Links>() + SlotIndex::MOST_PER_SLOT);

    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            index: SlotIndex::default(),
            slots: Vec::new(),
            links: Vec::new(),
            free: NONE,
            of_worth: [List::EMPTY; WORTHS as usize],
            heap: 0,
            capacity: capacity.clamp(1, NONE as usize - 1),
            max_bytes,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        self.len() * Self::PER_GROUP + self.heap
    }

    /// Changes a group, which is made if there is none; what it is worth then decides how long it stays.
    pub(super) fn update<R>(
        &mut self,
        hash: u64,
        key: GroupKey,
        change: impl FnOnce(&mut Group) -> R,
    ) -> Option<R> {
        let at = match self.find(hash, &key) {
            Some(at) => at,
            None => self.insert(hash, key)?,
        };
        let result = self.update_at(at, change);
        self.shrink();
        result
    }

    fn update_at<R>(&mut self, at: u32, change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let result = self.change(at, change)?;
        self.unlink(at);
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.worth = slot.group.worth();
        }
        self.link(at);
        Some(result)
    }

    /// Changes a group if there is one; it keeps its turn.
    pub(super) fn amend<R>(
        &mut self,
        hash: u64,
        key: GroupKey,
        change: impl FnOnce(&mut Group) -> R,
    ) -> Option<R> {
        let at = self.find(hash, &key)?;
        self.change(at, change)
    }

    fn change<R>(&mut self, at: u32, change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let slot = self.slots.get_mut(at as usize)?;
        let result = change(&mut slot.group);
        let heap = slot.group.heap();
        self.heap = self.heap - std::mem::replace(&mut slot.heap, heap) + heap;
        Some(result)
    }

    /// Removes spent groups, of each worth a few of those touched longest ago; tells how many. One
    /// that waits goes behind the others.
    pub(super) fn expire(&mut self, age: impl Fn(&Group) -> Age) -> u64 {
        Worth::all().map(|worth| self.expire_of(worth, &age)).sum()
    }

    fn expire_of(&mut self, worth: Worth, age: impl Fn(&Group) -> Age) -> u64 {
        const MOST: usize = 4;
        let mut removed = 0;
        for _ in 0..MOST {
            let at = self.list(worth).oldest;
            let Some(slot) = self.slots.get(at as usize) else {
                break;
            };
            match age(&slot.group) {
                Age::Young => break,
                Age::Waiting => {
                    self.update_at(at, |_| ());
                }
                Age::Spent => {
                    self.remove(at);
                    removed += 1;
                }
            }
        }
        removed
    }

    /// Keys and groups, in the order in which they would be evicted within each worth.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        let newer = |at: &u32| self.links.get(*at as usize).map(|links| links.newer);
        let oldest_first = move |list: &List| {
            std::iter::successors(Some(list.oldest), newer).take_while(|at| *at != NONE)
        };
        let all = self.of_worth.iter().flat_map(oldest_first);
        let slots = all.filter_map(|at| self.slots.get(at as usize));
        slots.map(|slot| (&slot.key, &slot.group))
    }

    /// Puts a group where it was; nothing if there is one.
    pub(super) fn take_back(&mut self, hash: u64, key: GroupKey, group: Group) -> Option<()> {
        if self.find(hash, &key).is_some() {
            return None;
        }
        self.update(hash, key, |place| *place = group)
    }

    fn find(&self, hash: u64, key: &GroupKey) -> Option<u32> {
        self.index.find(hash, |at| {
            let slot = self.slots.get(at as usize);
            slot.is_some_and(|slot| slot.hash == hash && slot.key == *key)
        })
    }

    /// A group that holds nothing yet.
    fn insert(&mut self, hash: u64, key: GroupKey) -> Option<u32> {
        let at = self.place()?;
        let slot = self.slots.get_mut(at as usize)?;
        (slot.hash, slot.key) = (hash, key);
        self.index.insert(hash, at);
        self.link(at);
        Some(at)
    }

    /// A slot in its first state, which a free one is in already.
    fn place(&mut self) -> Option<u32> {
        if let Some(links) = self.links.get(self.free as usize) {
            return Some(std::mem::replace(&mut self.free, links.older));
        }
        self.slots.push(Slot::default());
        self.links.push(Links::ALONE);
        u32::try_from(self.slots.len() - 1).ok()
    }

    /// Evicts what does not fit.
    fn shrink(&mut self) {
        while self.len() > 1 && (self.len() > self.capacity || self.bytes() > self.max_bytes) {
            let Some(at) = self.next_to_go() else {
                return;
            };
            self.remove(at);
            self.evicted += 1;
        }
    }

    fn next_to_go(&self) -> Option<u32> {
        let kept = (self.len() / KEPT).max(1);
        let mut worths = self.of_worth.iter();
        let plenty = worths.find(|list| list.len > kept);
        let any = || self.of_worth.iter().find(|list| list.len > 0);
        plenty.or_else(any).map(|list| list.oldest)
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        let Some(slot) = self.slots.get_mut(at as usize) else {
            return;
        };
        let slot = std::mem::take(slot);
        self.heap -= slot.heap;
        self.index.remove(slot.hash, at);
        if let Some(links) = self.links.get_mut(at as usize) {
            links.older = std::mem::replace(&mut self.free, at);
        }
    }

    fn link(&mut self, at: u32) {
        let worth = self.worth(at);
        if let Some(list) = self.of_worth.get_mut(usize::from(worth.0)) {
            list.len += 1;
            list.join(&mut self.links, at);
        }
    }

    fn unlink(&mut self, at: u32) {
        let worth = self.worth(at);
        if let Some(list) = self.of_worth.get_mut(usize::from(worth.0)) {
            list.len -= 1;
            list.part(&mut self.links, at);
        }
    }

    fn worth(&self, at: u32) -> Worth {
        let slot = self.slots.get(at as usize);
        slot.map_or_else(Worth::default, |slot| slot.worth)
    }

    fn list(&self, worth: Worth) -> List {
        let list = self.of_worth.get(usize::from(worth.0));
        list.copied().unwrap_or(List::EMPTY)
    }
}

/// Whether anything can still come of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Age {
    /// Something counts.
    Young,
    /// Only a signal that is still open counts.
    Waiting,
    /// Nothing counts any more.
    Spent,
}
