//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all
//! sixteen-bit words. It is the one thing that looks at every byte of a packet, so it adds eight
//! bytes at a time, or sixty-four where the processor has instructions for that.

/// The sum of `bytes` as big-endian words, not folded yet. An odd last byte is followed by zero.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    // Words may be added in any byte order: the sum comes out in that order (RFC 1071, 2).
    u64::from(fold(sum_swapped(bytes)).swap_bytes())
}

/// The sum of `bytes` as little-endian words, not folded yet: it has room for as much again.
pub(super) fn sum_swapped(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(sum) = wide::sum(bytes) {
        return sum;
    }
    sum_short(bytes)
}

/// [`sum_words`] where it is no part of something larger.
#[inline(never)]
fn sum_short(bytes: &[u8]) -> u64 {
    sum_words(bytes)
}

/// The same, eight bytes at a time: words may also be added several as one, if the carries come
/// round.
#[inline]
pub(super) fn sum_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = 0_u64;
    for word in words {
        let (more, carry) = sum.overflowing_add(u64::from_le_bytes(*word));
        sum = more + u64::from(carry);
    }
    // Both fit into 33 bits.
    halves(sum) + halves(last_word(bytes, rest))
}

/// `rest`, the end of `bytes` that is no whole word, as a word that ends in zeros.
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    let missing = 8 * (8 - rest.len());
    match bytes.last_chunk() {
        _ if rest.is_empty() => 0,
        Some(last) => u64::from_le_bytes(*last) >> missing,
        None => {
            let mut word = [0; 8];
            for (place, byte) in word.iter_mut().zip(rest) {
                *place = *byte;
            }
            u64::from_le_bytes(word)
        }
    }
}

const fn halves(sum: u64) -> u64 {
    (sum >> 32) + (sum & 0xffff_ffff)
}

/// Sixty-four bytes at a time.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_set_epi64x,
        _mm256_set1_epi16, _mm256_setzero_si256, _mm256_xor_si256,
    };
    use std::ops::RangeInclusive;

    /// Lengths for which it pays; sums of longer ones would not fit into 32 bits.
    const PAYS: RangeInclusive<usize> = 64..=65_536;

    /// The sum as little-endian words, where that pays and the processor can do it.
    #[inline]
    #[expect(unsafe_code, reason = "not every processor has these instructions")]
    pub(super) fn sum(bytes: &[u8]) -> Option<u64> {
        if !PAYS.contains(&bytes.len()) || !std::arch::is_x86_feature_detected!("avx2") {
            return None;
        }
        // SAFETY: the processor has AVX2, and the function needs nothing else.
        Some(unsafe { with_avx2(bytes) })
    }

    #[target_feature(enable = "avx2")]
    fn with_avx2(bytes: &[u8]) -> u64 {
        let (steps, rest) = bytes.as_chunks::<64>();
        let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for step in steps {
            let (halves, _) = step.as_chunks::<32>();
            if let [first, second] = halves {
                even = _mm256_add_epi32(even, pairs(first));
                odd = _mm256_add_epi32(odd, pairs(second));
            }
        }
        let (halves, _) = rest.as_chunks::<32>();
        if let [half] = halves {
            even = _mm256_add_epi32(even, pairs(half));
        }
        let added = 64 * steps.len() + 32 * halves.len();
        let sum = i64::from(total(_mm256_add_epi32(even, odd)));
        let rest = bytes.get(added..).unwrap_or_default();
        // Of every two bytes added, 2^15 are missing.
        let missing = (added as u64) << 14;
        missing.saturating_add_signed(sum) + end(bytes, rest)
    }

    /// The sum of the last bytes of `bytes`, fewer than 32.
    #[inline]
    fn end(bytes: &[u8], rest: &[u8]) -> u64 {
        let (words, rest) = rest.as_chunks::<8>();
        let word = |bytes: &[u8; 8]| super::halves(u64::from_le_bytes(*bytes));
        let words = match words {
            [] => 0,
            [a] => word(a),
            [a, b] => word(a) + word(b),
            [a, b, c, ..] => word(a) + word(b) + word(c),
        };
        let missing = 8 * (8 - rest.len());
        match bytes.last_chunk() {
            Some(last) if !rest.is_empty() => {
                words + super::halves(u64::from_le_bytes(*last) >> missing)
            }
            _ => words,
        }
    }

    /// The sums of two words each, every word less by 2^15: the instruction takes them for signed.
    #[target_feature(enable = "avx2")]
    fn pairs(bytes: &[u8; 32]) -> __m256i {
        const SIGN: i16 = i16::MIN;
        let (words, _) = bytes.as_chunks::<8>();
        let words = match words {
            [a, b, c, d] => [a, b, c, d].map(|word| i64::from_le_bytes(*word)),
            _ => [0; 4],
        };
        let [a, b, c, d] = words;
        let words = _mm256_set_epi64x(d, c, b, a);
        let signed = _mm256_xor_si256(words, _mm256_set1_epi16(SIGN));
        _mm256_madd_epi16(signed, _mm256_set1_epi16(1))
    }

    #[target_feature(enable = "avx2")]
    fn total(sums: __m256i) -> i32 {
        let four = _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        );
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b1110>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)))
    }
}

/// The same for the twenty bytes that most IPv4 headers have.
pub(super) fn sum_header(header: &[u8]) -> u64 {
    let (words, rest) = header.as_chunks::<4>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_be_bytes(*word)))
        .sum();
    // A header is a whole number of words.
    debug_assert!(rest.is_empty());
    words
}

/// Whether a sum over everything, the checksum included, is that of a packet that arrived as it was
/// sent; in either byte order.
#[inline]
pub(super) fn is_right(sum: u64) -> bool {
    // What folds to all ones: no remainder, but no zero either.
    sum != 0 && sum.is_multiple_of(0xffff)
}

/// Sixteen bits, carries added until there are none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "nothing is left above sixteen bits"
)]
const fn fold(sum: u64) -> u16 {
    // 33 bits, 18 bits, 17 bits, 16 bits.
    let sum = halves(sum);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

#[cfg(test)]
mod tests {
    use etherparse::checksum::Sum16BitWords;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Another program's arithmetic comes to the same.
        #[test]
        fn as_etherparse_sums(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let theirs = Sum16BitWords::new().add_slice(&bytes).ones_complement();
            prop_assert_eq!(is_right(sum(&bytes)), theirs == 0);
            prop_assert_eq!(!fold(sum(&bytes)), u16::from_be(theirs));
            prop_assert_eq!(is_right(sum_swapped(&bytes)), theirs == 0);
            prop_assert_eq!(fold(sum_words(&bytes)), fold(sum_swapped(&bytes)));
            let words = bytes.get(..bytes.len() / 4 * 4).unwrap();
            prop_assert_eq!(fold(sum_header(words)), fold(sum(words)));
        }
    }

    #[test]
    fn carries_come_round() {
        for len in (0..200).chain(65_500..65_600).chain([200_000]) {
            assert_eq!(fold(sum(&vec![0xff; len])), expected(len), "{len}");
        }
    }

    /// The sum of so many bytes of all ones.
    const fn expected(len: usize) -> u16 {
        match len {
            0 => 0,
            1 => 0xff00,
            odd if odd % 2 == 1 => 0xff00,
            _ => 0xffff,
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 1071, 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)), 0xddf2);
    }
}
