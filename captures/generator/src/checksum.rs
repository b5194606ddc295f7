//! The Internet checksum: whole (RFC 1071) and after a change (RFC 1624).

/// Adds bytes to a running sum. Only the last piece may be of odd length.
pub(crate) fn add(sum: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let odd = words
        .remainder()
        .first()
        .map_or(0, |&last| u64::from(last) << 8);
    words.fold(sum + odd, |sum, word| match *word {
        [high, low] => sum + u64::from(u16::from_be_bytes([high, low])),
        _ => sum,
    })
}

/// The checksum of what a sum was taken over.
pub(crate) fn finish(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// The checksum after `old` became `new`, at an even offset of what it covers.
pub(crate) fn adjust(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    let removed = old
        .chunks_exact(2)
        .fold(u64::from(!checksum), |sum, word| match *word {
            [high, low] => sum + u64::from(!u16::from_be_bytes([high, low])),
            _ => sum,
        });
    finish(add(removed, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusting_equals_summing_again() {
        let cases: [([u8; 8], [u8; 4]); 3] = [
            ([10, 1, 0, 66, 0xff, 0xff, 0, 1], [10, 200, 3, 66]),
            ([0; 8], [0xff; 4]),
            ([203, 0, 113, 9, 1, 2, 3, 4], [203, 0, 113, 9]),
        ];
        for (before, new) in cases {
            let mut after = before;
            after[..4].copy_from_slice(&new);
            let adjusted = adjust(finish(add(0, &before)), &before[..4], &new);
            let again = finish(add(0, &after));
            assert!(
                adjusted == again || adjusted ^ again == 0xffff,
                "{before:?} {adjusted:#x} {again:#x}"
            );
        }
    }

    #[test]
    fn rfc_1071_example() {
        assert_eq!(
            finish(add(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])),
            !0xddf2
        );
    }
}
