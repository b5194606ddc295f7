//! State as bytes: what is written of it, and what is taken back from bytes nobody vouches for.
//!
//! A value that is [`Serialize`] and [`Deserialize`] is state as it stands. Tables and whoever has some
//! are [`State`]: they are made by configuration, which sets their bounds, and only then filled. A
//! detector says with [`state!`] which of its fields are state; it has to name every field.

pub(crate) mod array;
pub(crate) mod room;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can be saved, and be filled again when it is as new.
pub(crate) trait State {
    fn save(&self, to: &mut Saver);
    /// On an error it is in no state to be used, unless that is [`Unfit::Changed`].
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit>;
}

/// Why state cannot be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unfit {
    /// It is no state that anybody saved.
    Damaged,
    /// It means something else by now.
    Changed,
}

/// Which fields of a detector are state, and which follow from its configuration.
macro_rules! state {
    ($detector:ident { $($kept:ident),* } of { $($fixed:ident),* }) => {
        impl crate::state::State for $detector {
            fn save(&self, _to: &mut crate::state::Saver) {
                let Self { $($kept,)* $($fixed: _,)* } = self;
                $(crate::state::State::save($kept, _to);)*
            }

            fn load(
                &mut self,
                _from: &mut crate::state::Loader<'_>,
            ) -> Result<(), crate::state::Unfit> {
                let Self { $($kept,)* $($fixed: _,)* } = self;
                $(crate::state::State::load($kept, _from)?;)*
                Ok(())
            }
        }
    };
}
pub(crate) use state;

impl<T: Serialize + DeserializeOwned> State for T {
    fn save(&self, to: &mut Saver) {
        to.put(self);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        *self = from.take()?;
        Ok(())
    }
}

/// Takes values down one after the other.
#[derive(Default, Debug)]
pub(crate) struct Saver(Vec<u8>);

impl Saver {
    /// After what is filled in later.
    pub(crate) fn after<const N: usize>(room: [u8; N]) -> Self {
        Self(room.into())
    }

    pub(crate) fn put(&mut self, value: &(impl Serialize + ?Sized)) {
        let before = self.0.len();
        if postcard::serialize_with_flavor(value, Tail(&mut self.0)).is_err() {
            // Only a sequence that does not know its length: reading it back fails, too.
            debug_assert!(false, "state that cannot be saved");
            self.0.truncate(before);
        }
    }

    /// In eight bytes: a hash takes ten otherwise.
    pub(crate) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// As they are, without their number.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What can be left out by whoever reads it.
    pub(crate) fn section(&mut self, save: impl FnOnce(&mut Self)) {
        let at = self.0.len();
        self.number(0);
        save(self);
        let len = (self.0.len() - at - size_of::<u64>()) as u64;
        if let Some(place) = self.0.get_mut(at..at + size_of::<u64>()) {
            place.copy_from_slice(&len.to_le_bytes());
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Writes at the end of bytes.
struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Hands out again what a [`Saver`] took down.
#[derive(Debug)]
pub(crate) struct Loader<'a>(&'a [u8]);

impl<'a> Loader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take<T: DeserializeOwned>(&mut self) -> Result<T, Unfit> {
        let (value, rest) = postcard::take_from_bytes(self.0).map_err(|_| Unfit::Damaged)?;
        self.0 = rest;
        Ok(value)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Unfit> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Unfit::Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// So many as [`Saver::number`] wrote.
    pub(crate) fn numbers(&mut self, count: usize) -> Result<Vec<u64>, Unfit> {
        let len = count.checked_mul(size_of::<u64>()).ok_or(Unfit::Damaged)?;
        let (numbers, _) = self.bytes(len)?.as_chunks();
        Ok(numbers.iter().copied().map(u64::from_le_bytes).collect())
    }

    pub(crate) fn section(&mut self) -> Result<Self, Unfit> {
        let len = self.numbers(1)?.pop().unwrap_or_default();
        let bytes = self.bytes(usize::try_from(len).map_err(|_| Unfit::Damaged)?)?;
        Ok(Self(bytes))
    }

    /// All that was not handed out yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn end(&self) -> Result<(), Unfit> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Unfit::Damaged)
        }
    }
}
