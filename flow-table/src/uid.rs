//! The name a flow carries through every log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Side;

/// Digits in ascending ASCII order, so that uids sort as text the way they sort as numbers.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^17 is the first power that holds 96 bits.
const WIDTH: usize = 17;
/// Digits that are taken off at once: 62^5 is the last power that fits into 32 bits.
const AT_ONCE: usize = 5;

/// Bits that seventeen digits need.
const NUMBER_BITS: u32 = 102;
/// Leading digits that a printed uid may lack, as some of Zeek's do: two bits above the number.
const MAX_LACKING: usize = 3;

/// A flow's unique id: 96 bits, printed as `C` and seventeen base-62 digits. Zeek's, read from a
/// log, may be larger or have fewer digits, and are printed as they were.
///
/// In saved state it is [`Uid::to_bytes`].
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(from = "[u8; Uid::BYTES]", into = "[u8; Uid::BYTES]")]
pub struct Uid(u128);

impl From<[u8; Self::BYTES]> for Uid {
    fn from(bytes: [u8; Self::BYTES]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Uid> for [u8; Uid::BYTES] {
    fn from(uid: Uid) -> Self {
        uid.to_bytes()
    }
}

/// Why a text is no [`Uid`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a uid is C and at most seventeen digits and letters")]
pub struct UidError;

impl Uid {
    /// Bytes that hold any uid.
    pub const BYTES: usize = 13;

    /// A uid from the low 96 bits of `bits`.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits & ((1 << 96) - 1))
    }

    /// Its bits: 96 of one made here.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// All of it, in the order in which uids sort.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [_, _, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// The uid that [`Uid::to_bytes`] gave these.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let bits = bytes
            .iter()
            .fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        Self(bits)
    }

    /// Leading digits that are not printed.
    const fn lacking(self) -> usize {
        (self.0 >> NUMBER_BITS) as usize & MAX_LACKING
    }

    /// The printed form of one made here, without allocating.
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
    const fn words(self) -> [u32; 4] {
        let number = self.0 & ((1 << NUMBER_BITS) - 1);
        [
            (number >> 96) as u32,
            (number >> 64) as u32,
            (number >> 32) as u32,
            number as u32,
        ]
    }
}

/// Divides a number of four words by 62^5, and returns what is left over. Long division by a
/// constant takes a multiplication for each word, where dividing 128 bits takes a subroutine.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is left over is less than the divisor, so a quotient has 32 bits"
)]
const fn divide(words: &mut [u32; 4]) -> u32 {
    const DIVISOR: u64 = 62_u64.pow(AT_ONCE as u32);
    let [top, high, mid, low] = *words;
    // The top word holds six bits: less than the divisor.
    let high = ((top as u64) << 32) | high as u64;
    let mid = ((high % DIVISOR) << 32) | mid as u64;
    let low = ((mid % DIVISOR) << 32) | low as u64;
    *words = [
        0,
        (high / DIVISOR) as u32,
        (mid / DIVISOR) as u32,
        (low / DIVISOR) as u32,
    ];
    (low % DIVISOR) as u32
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let digits = text.get(1 + self.lacking()..).unwrap_or_default();
        f.write_str("C")?;
        f.write_str(str::from_utf8(digits).unwrap_or_default())
    }
}

impl FromStr for Uid {
    type Err = UidError;

    /// The uid that is printed so; of fewer than fourteen digits, so many with zeros before them.
    fn from_str(text: &str) -> Result<Self, UidError> {
        let digits = text.strip_prefix('C').ok_or(UidError)?.as_bytes();
        if digits.is_empty() || digits.len() > WIDTH {
            return Err(UidError);
        }
        // Halves of it fit into 64 bits, which multiply faster.
        let (high, low) = digits.split_at(digits.len() / 2);
        let scale = u128::from(62_u64.pow(u32::try_from(low.len()).map_err(|_| UidError)?));
        let number = u128::from(value(high)?) * scale + u128::from(value(low)?);
        let lacking = (WIDTH - digits.len()).min(MAX_LACKING) as u128;
        Ok(Self(lacking << NUMBER_BITS | number))
    }
}

/// The number that at most ten digits write.
fn value(digits: &[u8]) -> Result<u64, UidError> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return Err(UidError),
        };
        Ok(number * 62 + u64::from(value))
    })
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
    fn what_is_printed_is_read() {
        for text in [
            "C00000000000000010",
            "CzzzzzzzzzzzzzzzzZ",
            "Czzzzzzzzzzzzzzzzz",
            "CHhAvVGS1DHFjwGM9",
            "CmES5u32sYpV7JYN1",
            "Cabcdefghijklmn",
        ] {
            let uid: Uid = text.parse().unwrap();
            assert_eq!(uid.to_string(), text);
            assert_eq!(Uid::from_bytes(uid.to_bytes()), uid);
        }
        let own = Uid::from_bits(u128::MAX);
        assert_eq!(own.to_string().parse(), Ok(own));
        assert_eq!("C12".parse::<Uid>().unwrap().to_string(), "C00000000000012");
        for text in ["", "C", "F0123", "C-", "C000000000000000000", "Cä"] {
            assert_eq!(text.parse::<Uid>(), Err(UidError), "{text}");
        }
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
