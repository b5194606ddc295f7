//! A table as bytes: what has its turn first comes first, so that what is restored evicts in the same
//! order, and whom it remembers to have evicted. The room that slots and index have is kept, as it
//! counts against the table's memory. Where there is less room than there was, those whose turn it is
//! are left out, and counted as evicted.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lists::NONE;
use super::{Held, List, Lists, Rank, Subjects};
use crate::state::{Loader, Saver, State, Unfit};

impl<K, V> State for Subjects<K, V>
where
    K: Copy + Eq + Serialize + DeserializeOwned,
    V: Held + Serialize + DeserializeOwned,
{
    fn save(&self, to: &mut Saver) {
        let Lists { once, back, pinned } = &self.lists;
        let lists = [once, back, pinned];
        let room = (self.slots.capacity(), self.index.room());
        to.put(&(room, lists.map(|list| list.len)));
        let all = || lists.into_iter().flat_map(|list| self.oldest_first(list));
        all().for_each(|at| to.number(self.slot(at).map_or(0, |slot| slot.hash)));
        for slot in all().filter_map(|at| self.slot(at)) {
            to.put(&(slot.key, &slot.value));
        }
        self.ghosts.save(to);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        let (room, lens): ((usize, usize), [usize; 3]) = from.take()?;
        let all = lens
            .iter()
            .try_fold(0, |sum: usize, len| sum.checked_add(*len));
        let hashes = from.numbers(all.ok_or(Unfit::Damaged)?)?;
        let [once, back, _] = lens;
        let left_out = hashes.len().saturating_sub(self.capacity);
        self.make_room(room);
        let kept = hashes.iter().skip(left_out).copied();
        if self.index.is_crowded_by(kept) {
            return Err(Unfit::Damaged);
        }
        for (nth, hash) in hashes.into_iter().enumerate() {
            let (key, value) = from.take()?;
            if nth < left_out {
                self.evicted += 1;
                continue;
            }
            let rank = if nth < once {
                Rank::Once
            } else if nth < once + back {
                Rank::Back
            } else {
                Rank::Pinned
            };
            self.take_back(hash, key, value, rank)
                .ok_or(Unfit::Damaged)?;
        }
        self.ghosts.load(from)
    }
}

impl<K: Copy + Eq, V: Held> Subjects<K, V> {
    fn oldest_first(&self, list: &List) -> impl Iterator<Item = u32> {
        let next = |at: &u32| self.links.get(*at as usize).map(|links| links.newer);
        std::iter::successors(Some(list.oldest), next).take_while(|at| *at != NONE)
    }

    /// As much room as there was, within its bounds.
    fn make_room(&mut self, (slots, index): (usize, usize)) {
        let slots = slots.min(self.capacity);
        if slots > 0 {
            self.slots.reserve_exact(slots);
            self.links.reserve_exact(slots);
            self.index.reserve(self.slots.capacity());
            self.index.reserve_room(index);
            self.weigh();
        }
    }

    /// Puts a subject last in turn; nothing if it is there.
    fn take_back(&mut self, hash: u64, key: K, value: V, rank: Rank) -> Option<()> {
        if self.find(hash, &key).is_some() {
            return None;
        }
        let at = self.insert(hash, key)?;
        self.change(at, |place| *place = value)?;
        if self.slot(at)?.rank != rank {
            self.rank(at, rank);
        }
        // Somewhat over its bounds is what it may have been: the next update evicts.
        while self.held() / 2 > self.max_bytes && self.len() > 1 {
            self.evict();
        }
        Some(())
    }
}
