//! The name a flow carries through every log.

use std::fmt;

use crate::Side;

/// Digits in ascending ASCII order, so that uids sort as text the way they sort as numbers.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^17 is the first power that holds 96 bits.
const WIDTH: usize = 17;
/// Digits that are taken off at once: 62^5 is the last power that fits into 32 bits.
const AT_ONCE: usize = 5;

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
        let mut rest = self.words();
        if let Some(places) = text.get_mut(1..) {
            for places in places.rchunks_mut(AT_ONCE) {
                let mut part = divide(&mut rest);
                for place in places.iter_mut().rev() {
                    *place = DIGITS
                        .get((part % 62) as usize)
                        .copied()
                        .unwrap_or_default();
                    part /= 62;
                }
            }
        }
        text
    }

    /// The printed form of the name of a file: of those that `side` of this flow sends, the
    /// so manieth. `F` and seventeen digits.
    pub fn file(self, side: Side, number: u32) -> [u8; WIDTH + 1] {
        // 2^96 divided by the golden ratio, made odd: no two numbers of a flow come to the same.
        const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c061;
        let place = u128::from(number) * 2 + u128::from(side == Side::Resp) + 1;
        let mut text = Self::from_bits(self.0 ^ place.wrapping_mul(STEP)).text();
        let [letter, ..] = &mut text;
        *letter = b'F';
        text
    }

    /// The highest first.
    #[expect(clippy::cast_possible_truncation, reason = "one word at a time")]
    const fn words(self) -> [u32; 3] {
        [(self.0 >> 64) as u32, (self.0 >> 32) as u32, self.0 as u32]
    }
}

/// Divides a number of three words by 62^5, and returns what is left over. Long division by a
/// constant takes a multiplication for each word, where dividing 128 bits takes a subroutine.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is left over is less than the divisor, so a quotient has 32 bits"
)]
const fn divide(words: &mut [u32; 3]) -> u32 {
    const DIVISOR: u64 = 62_u64.pow(AT_ONCE as u32);
    let [high, mid, low] = *words;
    let high = high as u64;
    let mid = ((high % DIVISOR) << 32) | mid as u64;
    let low = ((mid % DIVISOR) << 32) | low as u64;
    *words = [
        (high / DIVISOR) as u32,
        (mid / DIVISOR) as u32,
        (low / DIVISOR) as u32,
    ];
    (low % DIVISOR) as u32
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
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

    #[test]
    fn files_have_names_of_their_own() {
        let uid = Uid::from_bits(7 << 90);
        let mut names: Vec<_> = (1..500)
            .flat_map(|number| [uid.file(Side::Orig, number), uid.file(Side::Resp, number)])
            .collect();
        assert!(names.iter().all(|name| name.starts_with(b"F")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 998);
    }

    #[test]
    fn digits_are_those_of_plain_division() {
        let mut bits: u128 = 1;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(0xda94_2042_e4dd_58b5_2545_f491_4f6c_dd1d);
            let uid = Uid::from_bits(bits >> (bits % 97));
            let mut rest = uid.bits();
            for digit in uid.text().iter().skip(1).rev() {
                assert_eq!(*digit, DIGITS[usize::try_from(rest % 62).unwrap()]);
                rest /= 62;
            }
            assert_eq!(rest, 0);
        }
    }
}
