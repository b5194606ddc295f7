//! The name a flow carries through every log.

use std::fmt;

/// Digits in ascending ASCII order, so that uids sort as text the way they sort as numbers.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^17 is the first power that holds 96 bits.
const WIDTH: usize = 17;

/// A flow's unique id: 96 bits, printed as `C` and seventeen base-62 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Uid(u128);

impl Uid {
    /// A uid from the low 96 bits of `bits`.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits & ((1 << 96) - 1))
    }

    /// The 96 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The printed form, without allocating.
    pub fn text(self) -> [u8; WIDTH + 1] {
        let mut text = [b'C'; WIDTH + 1];
        let mut rest = self.0;
        for place in text.iter_mut().skip(1).rev() {
            let digit = usize::try_from(rest % 62).unwrap_or_default();
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            rest /= 62;
        }
        text
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_fixed_width_and_sorts_like_the_number() {
        let uids = [0, 1, 61, 62, 1 << 95, u128::MAX].map(Uid::from_bits);
        let texts = uids.map(|uid| uid.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
        assert!(
            texts
                .iter()
                .all(|t| t.len() == WIDTH + 1 && t.starts_with('C'))
        );
        assert_eq!(texts[3], "C00000000000000010");
    }
}
