//! Lists with the room they have: what a table evicts depends on what is held, and that is counted by
//! room, used or not.

use std::collections::VecDeque;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Room that is made for a list of few without asking why.
const GRANTED: usize = 4_096;

/// A list that has room for more.
pub(crate) trait Roomy: Serialize + for<'de> Deserialize<'de> {
    fn room(&self) -> usize;
    /// The same, with so much room.
    fn with_room(self, room: usize) -> Self;
}

/// Of the room that a list of so many is said to have, what it can have come to.
pub(crate) fn bounded(room: usize, len: usize) -> usize {
    room.min(len.saturating_mul(3).max(GRANTED)).max(len)
}

macro_rules! roomy {
    ($($list:ident)*) => {$(
        impl<T: Serialize + for<'de> Deserialize<'de>> Roomy for $list<T> {
            fn room(&self) -> usize {
                self.capacity()
            }

            fn with_room(self, room: usize) -> Self {
                let mut list = Self::with_capacity(bounded(room, self.len()));
                list.extend(self);
                list
            }
        }
    )*};
}

roomy!(Vec VecDeque);

pub(crate) fn serialize<L: Roomy, S: Serializer>(
    list: &L,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    (list.room(), list).serialize(serializer)
}

pub(crate) fn deserialize<'de, L: Roomy, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<L, D::Error> {
    let (room, list): (usize, L) = Deserialize::deserialize(deserializer)?;
    Ok(list.with_room(room))
}
