//! What one rule knows about all its subjects, bounded in number and in bytes.
//!
//! A group's worth is what it would take to come by it again: how many of the rule's parts it holds,
//! then how severe the worst of them is. Eviction order: the least worth, of those the one touched
//! longest ago; but of each worth a few are always kept, so that whoever fills the table with much
//! that is worth little displaces nothing that is worth more, and whoever fills it with what is worth
//! much leaves room for what begins. Every eviction is counted.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::GroupKey;
use super::group::Group;
use crate::Severity;

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

/// Groups by key, and in the order in which they would be evicted.
pub(super) struct Groups {
    table: HashTable<Entry>,
    /// By worth and turn: keys with their hashes.
    turns: BTreeMap<(Worth, u64), (u64, GroupKey)>,
    of_worth: [usize; WORTHS as usize],
    heap: usize,
    next: u64,
    capacity: usize,
    max_bytes: usize,
    evicted: u64,
}

struct Entry {
    hash: u64,
    key: GroupKey,
    worth: Worth,
    turn: u64,
    heap: usize,
    group: Group,
}

impl Groups {
    /// What a group takes besides what it holds: its entry, at worst twice for the table's room, and
    /// its turn with its share of the tree.
    const PER_GROUP: usize =
        2 * size_of::<Entry>() + 2 * size_of::<((Worth, u64), (u64, GroupKey))>();

    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            table: HashTable::new(),
            turns: BTreeMap::new(),
            of_worth: [0; WORTHS as usize],
            heap: 0,
            next: 0,
            capacity: capacity.max(1),
            max_bytes,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.turns.len()
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
        let known = self
            .table
            .find(hash, |entry| entry.is(hash, &key))
            .is_some();
        if !known {
            self.insert(hash, key);
        }
        let turn = self.next;
        let entry = self.table.find_mut(hash, |entry| entry.is(hash, &key))?;
        let result = change(&mut entry.group);
        let before = (entry.worth, entry.turn, entry.heap);
        (entry.worth, entry.turn) = (entry.group.worth(), turn);
        entry.heap = entry.group.heap();
        let after = (entry.worth, entry.turn, entry.heap);
        self.moved(before, after, (hash, key));
        self.shrink();
        Some(result)
    }

    /// Changes a group if there is one; it keeps its turn.
    pub(super) fn amend<R>(
        &mut self,
        hash: u64,
        key: GroupKey,
        change: impl FnOnce(&mut Group) -> R,
    ) -> Option<R> {
        let entry = self.table.find_mut(hash, |entry| entry.is(hash, &key))?;
        let result = change(&mut entry.group);
        let heap = entry.group.heap();
        self.heap = self.heap - std::mem::replace(&mut entry.heap, heap) + heap;
        Some(result)
    }

    /// Removes spent groups, of each worth a few of those touched longest ago; tells how many. One
    /// that waits goes behind the others.
    pub(super) fn expire(&mut self, age: impl Fn(&Group) -> Age) -> u64 {
        let mut removed = 0;
        for (worth, count) in Worth::all().zip(self.of_worth) {
            if count > 0 {
                removed += self.expire_of(worth, &age);
            }
        }
        removed
    }

    fn expire_of(&mut self, worth: Worth, age: impl Fn(&Group) -> Age) -> u64 {
        const MOST: usize = 4;
        let mut removed = 0;
        for _ in 0..MOST {
            let Some((hash, key)) = self.oldest(worth) else {
                break;
            };
            let found = self.table.find(hash, |entry| entry.is(hash, &key));
            match found.map_or(Age::Young, |entry| age(&entry.group)) {
                Age::Young => break,
                Age::Waiting => {
                    self.update(hash, key, |_| ());
                }
                Age::Spent => {
                    self.remove(hash, &key);
                    removed += 1;
                }
            }
        }
        removed
    }

    /// Keys and groups, in the order in which they would be evicted within each worth.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.turns.values().filter_map(|(hash, key)| {
            let found = self.table.find(*hash, |entry| entry.is(*hash, key));
            found.map(|entry| (key, &entry.group))
        })
    }

    /// Puts a group where it was; nothing if there is one.
    pub(super) fn take_back(&mut self, hash: u64, key: GroupKey, group: Group) -> Option<()> {
        if self
            .table
            .find(hash, |entry| entry.is(hash, &key))
            .is_some()
        {
            return None;
        }
        self.update(hash, key, |place| *place = group)
    }

    fn insert(&mut self, hash: u64, key: GroupKey) {
        let entry = Entry {
            hash,
            key,
            worth: Worth::default(),
            turn: self.next,
            heap: 0,
            group: Group::default(),
        };
        self.turns.insert((entry.worth, entry.turn), (hash, key));
        self.count(entry.worth, |count| count + 1);
        self.next += 1;
        { &mut self.table }.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// A group has another worth, turn and size.
    fn moved(
        &mut self,
        (worth, turn, heap): (Worth, u64, usize),
        (to, next, grown): (Worth, u64, usize),
        place: (u64, GroupKey),
    ) {
        self.turns.remove(&(worth, turn));
        self.turns.insert((to, next), place);
        self.count(worth, |count| count.saturating_sub(1));
        self.count(to, |count| count + 1);
        self.heap = self.heap - heap + grown;
        self.next += 1;
    }

    /// Evicts what does not fit.
    fn shrink(&mut self) {
        while self.len() > 1 && (self.len() > self.capacity || self.bytes() > self.max_bytes) {
            let Some((hash, key)) = self.next_to_go() else {
                return;
            };
            self.remove(hash, &key);
            self.evicted += 1;
        }
    }

    fn next_to_go(&self) -> Option<(u64, GroupKey)> {
        let kept = self.len() / KEPT;
        let counts = Worth::all().zip(self.of_worth);
        let worth = { counts.clone() }.find(|(_, count)| *count > kept.max(1));
        let worth = worth.or_else(|| { counts.clone() }.find(|(_, count)| *count > 0))?;
        self.oldest(worth.0)
    }

    /// The group of this worth that was touched longest ago.
    fn oldest(&self, worth: Worth) -> Option<(u64, GroupKey)> {
        let mut of_worth = self.turns.range((worth, 0)..=(worth, u64::MAX));
        of_worth.next().map(|(_, place)| *place)
    }

    fn remove(&mut self, hash: u64, key: &GroupKey) {
        let entry = self.table.find_entry(hash, |entry| entry.is(hash, key));
        if let Ok(entry) = entry {
            let (entry, _) = entry.remove();
            self.turns.remove(&(entry.worth, entry.turn));
            self.count(entry.worth, |count| count.saturating_sub(1));
            self.heap -= entry.heap;
        }
    }

    fn count(&mut self, worth: Worth, change: impl Fn(usize) -> usize) {
        if let Some(count) = self.of_worth.get_mut(usize::from(worth.0)) {
            *count = change(*count);
        }
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

impl Entry {
    fn is(&self, hash: u64, key: &GroupKey) -> bool {
        self.hash == hash && self.key == *key
    }
}
