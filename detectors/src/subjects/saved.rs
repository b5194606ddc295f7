//! A table as bytes: what has its turn first comes first, so that what is restored evicts in the same
//! order. The room that slots and index have is kept, as it counts against the table's memory. Where
//! there is less room than there was, those whose turn it is are left out, and counted as evicted.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Held, List, NONE, Pin, Subjects};
use crate::state::{Loader, Saver, State, Unfit};

impl<K, V> State for Subjects<K, V>
where
    K: Copy + Eq + Serialize + DeserializeOwned,
    V: Held + Serialize + DeserializeOwned,
{
    fn save(&self, to: &mut Saver) {
        let [in_turn, last] = self.lists;
        let room = (self.slots.capacity(), self.index.room());
        to.put(&(room, in_turn.len, last.len));
        let all = || self.oldest_first(in_turn).chain(self.oldest_first(last));
        all().for_each(|at| to.number(self.slot(at).map_or(0, |slot| slot.hash)));
        for slot in all().filter_map(|at| self.slot(at)) {
            to.put(&(slot.key, &slot.value));
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        let (room, in_turn, last): ((usize, usize), usize, usize) = from.take()?;
        let hashes = from.numbers(in_turn.checked_add(last).ok_or(Unfit::Damaged)?)?;
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
            let pin = if nth < in_turn {
                Pin::InTurn
            } else {
                Pin::Last
            };
            self.take_back(hash, key, value, pin)
                .ok_or(Unfit::Damaged)?;
        }
        Ok(())
    }
}

impl<K: Copy + Eq, V: Held> Subjects<K, V> {
    fn oldest_first(&self, list: List) -> impl Iterator<Item = u32> {
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
    fn take_back(&mut self, hash: u64, key: K, value: V, pin: Pin) -> Option<()> {
        if self.find(hash, &key).is_some() {
            return None;
        }
        let at = self.insert(hash, key)?;
        self.change(at, |place| *place = value)?;
        self.pin_at(at, pin);
        // Somewhat over its bounds is what it may have been: the next update evicts.
        while self.bytes() / 2 > self.max_bytes && self.len() > 1 {
            self.evict();
        }
        Some(())
    }

    /// Changes all states by something that they do not hold themselves.
    pub(crate) fn change_all(&mut self, mut change: impl FnMut(&mut V)) {
        self.slots
            .iter_mut()
            .for_each(|slot| change(&mut slot.value));
    }
}
