//! What something may begin with, by its first byte: nearly always that decides.

/// See the module: a bit for each.
#[derive(Clone, Copy)]
pub(super) struct Firsts([u128; 2]);

impl Firsts {
    pub(super) const ANY: Self = Self([u128::MAX; 2]);

    pub(super) const fn of(bytes: &[u8]) -> Self {
        Self([0, 0]).or(bytes)
    }

    /// Those of ASCII whose bits are set.
    pub(super) const fn ascii(bits: u128) -> Self {
        Self([bits, 0])
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
        assert!(is(Firsts::ascii(1 << b'a').or(&[0xc0]), &|byte| {
            [b'a', 0xc0].contains(&byte)
        }));
    }
}
