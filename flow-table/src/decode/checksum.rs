//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all
//! sixteen-bit words. It is the one thing that looks at every byte of a packet, so it adds eight
//! bytes at a time, twice at once.

/// The sum of `bytes` as big-endian words, not folded yet. An odd last byte is followed by zero.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    // Words may be added in any byte order, and several as one: the carries come round in the end
    // (RFC 1071, 2).
    let (mut even, mut odd) = (0_u128, 0_u128);
    let (pairs, rest) = bytes.as_chunks::<16>();
    for pair in pairs {
        let pair = u128::from_ne_bytes(*pair);
        even += pair & u128::from(u64::MAX);
        odd += pair >> 64;
    }
    let mut last = [0; 16];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    let last = u128::from_ne_bytes(last);
    even += last & u128::from(u64::MAX);
    odd += last >> 64;
    let halves = |sum: u128| (sum & u128::from(u64::MAX)) + (sum >> 64);
    // The second time nothing is carried any more.
    let sum = halves(halves(halves(even) + halves(odd)));
    u64::from(u16::from_be(fold(u64::try_from(sum).unwrap_or_default())))
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
/// sent.
pub(super) fn is_right(sum: u64) -> bool {
    fold(sum) == 0xffff
}

/// Sixteen bits, carries added until there are none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "nothing is left above sixteen bits"
)]
const fn fold(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
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
        fn as_etherparse_sums(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let theirs = Sum16BitWords::new().add_slice(&bytes).ones_complement();
            prop_assert_eq!(is_right(sum(&bytes)), theirs == 0);
            prop_assert_eq!(!fold(sum(&bytes)), u16::from_be(theirs));
            let words = bytes.get(..bytes.len() / 4 * 4).unwrap();
            prop_assert_eq!(fold(sum_header(words)), fold(sum(words)));
        }
    }

    #[test]
    fn carries_come_round() {
        for len in 0..100 {
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
