//! conn.log's `history`: one letter for each thing that happened, upper case when the originator
//! did it.

use serde::{Deserialize, Serialize};

/// Letters kept in the flow itself; nearly every history fits.
const INLINE: usize = 11;
/// Letters kept at most; a flow whose history is longer is an attack on whoever remembers it.
const MAX: usize = 1024;

/// The first letters of a history, as they stand in the flow.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Letters {
    len: u8,
    inline: [u8; INLINE],
}

impl Letters {
    /// The letters so far; `spilt` holds all of them once they no longer fit.
    pub(crate) fn get<'a>(&'a self, spilt: Option<&'a Vec<u8>>) -> &'a [u8] {
        match spilt {
            Some(all) if !all.is_empty() => all,
            _ => self.inline.get(..usize::from(self.len)).unwrap_or_default(),
        }
    }

    /// Whether one more fits.
    pub(crate) const fn has_room(&self) -> bool {
        (self.len as usize) < INLINE
    }

    /// Adds a letter, if it fits.
    pub(crate) fn push(&mut self, letter: u8) {
        if let Some(place) = self.inline.get_mut(usize::from(self.len)) {
            *place = letter;
            self.len += 1;
        }
    }

    /// Adds a letter to those that no longer fit.
    pub(crate) fn spill(&self, spilt: &mut Vec<u8>, letter: u8) {
        if spilt.is_empty() {
            spilt.extend_from_slice(self.get(None));
        }
        if spilt.len() < MAX {
            spilt.push(letter);
        }
    }
}

/// A finished history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    letters: Kept,
}

/// Short ones need no allocation.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kept {
    Short(u8, [u8; INLINE]),
    Long(Box<[u8]>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Short(0, [0; INLINE])
    }
}

impl History {
    pub(crate) fn of(letters: Letters, spilt: Option<Vec<u8>>) -> Self {
        let letters = match spilt {
            Some(all) if !all.is_empty() => Kept::Long(all.into_boxed_slice()),
            _ => Kept::Short(letters.len, letters.inline),
        };
        Self { letters }
    }

    /// The letters.
    pub fn letters(&self) -> &[u8] {
        match &self.letters {
            Kept::Short(len, letters) => letters.get(..usize::from(*len)).unwrap_or_default(),
            Kept::Long(letters) => letters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_spill_and_stop() {
        let (mut letters, mut spilt) = (Letters::default(), Vec::new());
        for count in 1..=2 * MAX {
            if letters.has_room() {
                letters.push(b'D');
            } else {
                letters.spill(&mut spilt, b'd');
            }
            assert_eq!(letters.get(Some(&spilt)).len(), count.min(MAX));
        }
        let history = History::of(letters, Some(spilt));
        assert!(history.letters().starts_with(b"DDDDDDDDDDDdd"));
        assert_eq!(History::of(Letters::default(), None).letters(), b"");
    }
}
