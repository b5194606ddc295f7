//! conn.log's `history`: one letter for each thing that happened, upper case when the originator
//! did it.

use crate::Side;

/// Letters kept in the flow itself; nearly every history fits.
const INLINE: usize = 22;
/// Letters kept at most; a flow whose history is longer is an attack on whoever remembers it.
const MAX: usize = 1024;

/// A history as it grows.
#[derive(Clone, Debug, Default)]
pub struct History {
    len: u8,
    inline: [u8; INLINE],
    #[expect(
        clippy::box_collection,
        reason = "rarely there, so 8 bytes in every flow, not 24"
    )]
    more: Option<Box<Vec<u8>>>,
}

impl History {
    /// The letters so far.
    pub fn letters(&self) -> &[u8] {
        match &self.more {
            Some(all) => all,
            None => self.inline.get(..usize::from(self.len)).unwrap_or_default(),
        }
    }

    /// Adds a letter as it is.
    pub fn push(&mut self, letter: u8) {
        if let Some(all) = &mut self.more {
            if all.len() < MAX {
                all.push(letter);
            }
            return;
        }
        if let Some(place) = self.inline.get_mut(usize::from(self.len)) {
            *place = letter;
            self.len += 1;
        } else {
            let mut all = self.inline.to_vec();
            all.push(letter);
            self.more = Some(Box::new(all));
        }
    }

    /// Adds what `side` did.
    pub fn add(&mut self, side: Side, letter: u8) {
        self.push(match side {
            Side::Orig => letter,
            Side::Resp => letter.to_ascii_lowercase(),
        });
    }

    /// Replaces everything so far.
    pub fn set(&mut self, letters: &[u8]) {
        *self = Self::default();
        for letter in letters {
            self.push(*letter);
        }
    }
}

/// Counts something that gets a letter at its 1st, 10th, 100th, … time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scaled(u32);

impl Scaled {
    /// Counts one more; whether it gets a letter.
    pub(crate) fn count(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        let mut step = self.0;
        while step.is_multiple_of(10) && step > 0 {
            step /= 10;
        }
        step == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_spill_and_stop() {
        let mut history = History::default();
        for count in 1..=INLINE + 3 {
            history.add(
                if count % 2 == 0 {
                    Side::Resp
                } else {
                    Side::Orig
                },
                b'D',
            );
            assert_eq!(history.letters().len(), count);
        }
        assert!(history.letters().starts_with(b"DdDd"));
        for _ in 0..2 * MAX {
            history.push(b'S');
        }
        assert_eq!(history.letters().len(), MAX);
        history.set(b"^h");
        assert_eq!(history.letters(), b"^h");
    }

    #[test]
    fn scaled_letters_come_at_powers_of_ten() {
        let mut scaled = Scaled::default();
        let at: Vec<u32> = (1..=1000).filter(|_| scaled.count()).collect();
        assert_eq!(at, [1, 10, 100, 1000]);
    }
}
