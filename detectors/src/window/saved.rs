//! Windows as bytes. What is taken back is checked for what the rest relies on: bytes may claim anything.

use hashbrown::HashTable;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::distinct::{Entry, Many};
use super::estimate::{Estimate, Pane};
use super::ring::Ring;
use super::sum::Slot;
use super::{Slicing, SlidingSum};
use crate::state::{Loader, Saver, State, Unfit, room};

/// How time is cut follows from the configuration; if it has changed since, numbers of slices say
/// something else.
impl State for Slicing {
    fn save(&self, to: &mut Saver) {
        to.put(&(self.nanos, self.count));
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        if from.take::<(u64, u64)>()? == (self.nanos, self.count) {
            Ok(())
        } else {
            Err(Unfit::Changed)
        }
    }
}

/// Its room, and what is in it in order.
impl<T: Serialize + Copy + Default> Serialize for Ring<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let things: Vec<&T> = self.iter().collect();
        (self.room(), things).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Copy + Default> Deserialize<'de> for Ring<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (room, things) = Deserialize::deserialize(deserializer)?;
        Self::with_room(room, things).ok_or_else(|| D::Error::custom("no room of a ring"))
    }
}

/// Its slices; the sum follows from them.
impl<const N: usize> Serialize for SlidingSum<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parts().serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for SlidingSum<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (newest, older): (Slot<N>, Ring<Slot<N>>) = Deserialize::deserialize(deserializer)?;
        Self::of_parts(newest, older).ok_or_else(|| D::Error::custom("no slices of a window"))
    }
}

/// In the order of keys, with the room they have.
impl Serialize for Many {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        (self.entries.capacity(), entries, &self.sums).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (room, known, sums): (usize, Vec<Entry>, _) = Deserialize::deserialize(deserializer)?;
        let mut entries = HashTable::with_capacity(room::bounded(room, known.len()));
        for entry in known {
            entries.insert_unique(entry.key, entry, |entry: &Entry| entry.key);
        }
        Ok(Self { entries, sums })
    }
}

/// Its panes; what is estimated follows from them.
impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        room::serialize(self.panes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Estimate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        room::deserialize::<std::collections::VecDeque<Pane>, D>(deserializer).map(Self::of_panes)
    }
}
