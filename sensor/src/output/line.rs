//! A line of a log under construction: values as text, straight into its bytes.
//!
//! A row has some twenty short values. A call for each of them (formatting, growing, copying so
//! many bytes) costs more than making the digits, so values are written as whole words of which
//! only the first bytes count: the next value overwrites the rest.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};

/// Room for a line. Values of any length do not go here.
const ROOM: usize = 512;

/// `0.` to `255.` and how long each is.
const OCTETS: [([u8; 4], u8); 256] = octets();

/// See the module.
pub(super) struct Line {
    bytes: [u8; ROOM],
    len: usize,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    /// Appends what there is to `out`, and begins again.
    pub(super) fn move_to(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }

    /// The first `used` bytes of `word`.
    #[inline]
    fn word<const N: usize>(&mut self, word: [u8; N], used: usize) {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        if let Some(place) = rest.first_chunk_mut() {
            *place = word;
            self.len += used;
        } else {
            debug_assert!(false, "a line of more than {ROOM} bytes");
        }
    }

    #[inline]
    pub(super) fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.word(bytes, N);
    }

    /// A name of the columns' own, or another text known to be short.
    pub(super) fn text(&mut self, text: &[u8]) {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        if let Some(place) = rest.get_mut(..text.len()) {
            place.copy_from_slice(text);
            self.len += text.len();
        } else {
            debug_assert!(false, "a line of more than {ROOM} bytes");
        }
    }

    #[inline]
    pub(super) fn tab(&mut self) {
        self.word([b'\t'], 1);
    }

    #[inline]
    pub(super) fn number(&mut self, number: u64) {
        if number < 10 {
            return self.word((number | ZEROS).to_le_bytes(), 1);
        }
        if number >= EIGHT {
            return self.long_number(number);
        }
        let digits = eight(number);
        let leading = digits.trailing_zeros() / 8;
        let text = (digits | ZEROS) >> (leading * 8);
        self.word(text.to_le_bytes(), 8 - leading as usize);
    }

    /// One of more than eight digits.
    #[inline(never)]
    fn long_number(&mut self, number: u64) {
        self.number(number / EIGHT);
        self.word((eight(number % EIGHT) | ZEROS).to_le_bytes(), 8);
    }

    /// Seconds with six decimals.
    #[inline]
    pub(super) fn micros(&mut self, micros: u64) {
        self.number(micros / 1_000_000);
        // Eight digits of which two are leading zeros: a point takes the place of the second.
        let text = (eight(micros % 1_000_000) | ZEROS) >> 8;
        let text = (text & !0xff) | u64::from(b'.');
        self.word(text.to_le_bytes(), 7);
    }

    #[inline]
    pub(super) fn addr(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.addr_v4(addr),
            // RFC 5952, which the standard library knows.
            IpAddr::V6(addr) => {
                let _ = write!(self, "{addr}");
            }
        }
    }

    #[inline]
    fn addr_v4(&mut self, addr: Ipv4Addr) {
        for octet in addr.octets() {
            let (text, len) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
            self.word(text, usize::from(len));
        }
        // The point after the last.
        self.len = self.len.saturating_sub(1);
    }

    /// `02:00:5e:00:53:01`.
    pub(super) fn mac(&mut self, addr: [u8; 6]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'?');
        for byte in addr {
            self.bytes([digit(byte >> 4), digit(byte & 15), b':']);
        }
        self.len = self.len.saturating_sub(1);
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text.as_bytes());
        Ok(())
    }
}

const EIGHT: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight decimal digits of a number below 10⁸, one to a byte, the first in the lowest: halves,
/// quarters and eighths are divided side by side, by multiplication with what is near enough to
/// 1/100 below 10⁴ and to 1/10 below 100.
const fn eight(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - tens * 10) << 8)
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn octets() -> [([u8; 4], u8); 256] {
    let mut all = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < all.len() {
        let digits = [
            b'0' + (octet / 100) as u8,
            b'0' + (octet / 10 % 10) as u8,
            b'0' + (octet % 10) as u8,
        ];
        all[octet] = match octet {
            0..10 => ([digits[2], b'.', 0, 0], 2),
            10..100 => ([digits[1], digits[2], b'.', 0], 3),
            _ => ([digits[0], digits[1], digits[2], b'.'], 4),
        };
        octet += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Line)) -> String {
        let (mut line, mut out) = (Line::new(), Vec::new());
        write(&mut line);
        line.move_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Zero, all lengths, and both sides of every power of ten.
    fn numbers() -> impl Iterator<Item = u64> {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power / 7 * 5]);
        near.chain([0, u64::MAX, 123_456_789, 1_700_000_000])
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        for number in numbers().chain(0..20_000) {
            assert_eq!(written(|line| line.number(number)), number.to_string());
            let (secs, rest) = (number / 1_000_000, number % 1_000_000);
            assert_eq!(
                written(|line| line.micros(number)),
                format!("{secs}.{rest:06}")
            );
        }
        for pair in 0..10_000 {
            let want = format!("{:08}", pair * 10_000 + pair);
            let got = (eight(pair * 10_000 + pair) | ZEROS).to_le_bytes();
            assert_eq!(got, want.as_bytes());
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for octet in 0..=255 {
            let addr = IpAddr::from([octet, 0, 255 - octet, octet / 3]);
            assert_eq!(written(|line| line.addr(addr)), addr.to_string());
        }
        for text in ["::", "::1", "2001:db8::ffff:1", "::ffff:1.2.3.4"] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(written(|line| line.addr(addr)), text);
        }
        assert_eq!(
            written(|line| line.mac([2, 0, 0x5e, 0xff, 0x53, 1])),
            "02:00:5e:ff:53:01"
        );
    }

    #[test]
    fn what_follows_overwrites_what_was_too_much() {
        let line = written(|line| {
            line.number(7);
            line.tab();
            line.addr(IpAddr::from([10, 0, 0, 1]));
            line.bytes(*b"\t-\t");
            line.text(b"SF");
        });
        assert_eq!(line, "7\t10.0.0.1\t-\tSF");
    }
}
