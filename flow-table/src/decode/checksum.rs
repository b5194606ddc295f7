//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all
//! sixteen-bit words. It is the one thing that looks at every byte of a packet, so it is written
//! for the compiler to turn into vector instructions.

/// Bytes added at a time.
const STEP: usize = 32;

/// The sum of `bytes` as big-endian words, not folded yet. An odd last byte is followed by zero.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    // Words may be added in any byte order, and in pairs: the carries come round in the end
    // (RFC 1071, 2).
    let mut sums = [0_u64; STEP / 4];
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        let (words, _) = step.as_chunks::<4>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum += u64::from(u32::from_ne_bytes(*word));
        }
    }
    let (words, rest) = rest.as_chunks::<4>();
    let mut sum: u64 = sums.iter().sum();
    for word in words {
        sum += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    sum += u64::from(u32::from_ne_bytes(last));
    u64::from(u16::from_be(fold(sum)))
}

/// Whether a sum over everything, the checksum included, is that of a packet that arrived as it was
/// sent.
pub(super) fn is_right(sum: u64) -> bool {
    fold(sum) == 0xffff
}

/// Sixteen bits, carries added until there are none.
#[expect(clippy::cast_possible_truncation, reason = "nothing is left above sixteen bits")]
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
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 1071, 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)), 0xddf2);
    }
}
