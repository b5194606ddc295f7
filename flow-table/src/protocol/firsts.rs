//! What things may begin with, by the first byte: nearly always that decides.

/// First bytes, a bit for each.
#[derive(Clone, Copy)]
pub(super) struct Firsts([u128; 2]);

impl Firsts {
    pub(super) const ANY: Self = Self([u128::MAX; 2]);

    pub(super) const fn of(bytes: &[u8]) -> Self {
        Self([0, 0]).or(bytes)
    }

    /// This and all after it.
    pub(super) const fn from(first: u8) -> Self {
        match first {
            0..0x80 => Self([u128::MAX << first, u128::MAX]),
            _ => Self([0, u128::MAX << (first - 0x80)]),
        }
    }

    /// These, too.
    pub(super) const fn or(self, mut bytes: &[u8]) -> Self {
        let Self([mut low, mut high]) = self;
        while let [first, rest @ ..] = bytes {
            match *first {
                0..0x80 => low |= 1 << *first,
                _ => high |= 1 << (*first - 0x80),
            }
            bytes = rest;
        }
        Self([low, high])
    }

    pub(super) const fn has(self, first: u8) -> bool {
        let Self([low, high]) = self;
        match first {
            0..0x80 => low >> first & 1 == 1,
            _ => high >> (first - 0x80) & 1 == 1,
        }
    }
}

/// Things of some list, by each byte that they may begin with.
pub(super) struct ByFirst([Set; 256]);

impl ByFirst {
    pub(super) const EMPTY: Self = Self([Set::EMPTY; 256]);

    /// The same, and the `nth` thing, which may begin with these; there is room for 128.
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "evaluated by the compiler"
    )]
    pub(super) const fn with(mut self, nth: usize, firsts: Firsts) -> Self {
        let mut first = 0;
        while first < self.0.len() {
            if firsts.has(first as u8) {
                self.0[first].0 |= 1 << nth;
            }
            first += 1;
        }
        self
    }

    pub(super) fn of(&self, first: u8) -> Set {
        self.0
            .get(usize::from(first))
            .copied()
            .unwrap_or(Set::EMPTY)
    }
}

/// Some of them.
#[derive(Clone, Copy)]
pub(super) struct Set(u128);

impl Set {
    pub(super) const EMPTY: Self = Self(0);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Their places in the list, in its order.
    pub(super) fn places(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let nth = self.0.trailing_zeros();
            self.0 &= self.0.checked_sub(1)?;
            Some(nth as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_bytes_they_are_of() {
        let is = |firsts: Firsts, bytes: &dyn Fn(u8) -> bool| {
            (0..=255).all(|byte| firsts.has(byte) == bytes(byte))
        };
        assert!(is(Firsts::ANY, &|_| true));
        assert!(is(Firsts::of(b"\0a\x7f\x80\xff"), &|byte| {
            b"\0a\x7f\x80\xff".contains(&byte)
        }));
        for first in 0..=255 {
            assert!(is(Firsts::from(first), &|byte| byte >= first));
        }
        assert!(is(Firsts::of(b"a").or(&[0xc0]), &|byte| {
            [b'a', 0xc0].contains(&byte)
        }));
    }

    #[test]
    fn things_are_found_by_what_they_begin_with() {
        let things = ByFirst::EMPTY
            .with(0, Firsts::of(b"ab"))
            .with(127, Firsts::from(0xff))
            .with(3, Firsts::of(b"b"));
        let of = |first| things.of(first).places().collect::<Vec<_>>();
        assert_eq!(
            [of(b'a'), of(b'b'), of(b'c'), of(0xff)],
            [vec![0], vec![0, 3], vec![], vec![127]]
        );
        let both = things.of(b'b').or(things.of(0xff));
        assert_eq!(both.places().collect::<Vec<_>>(), [0, 3, 127]);
    }
}
