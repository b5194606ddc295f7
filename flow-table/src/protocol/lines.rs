//! Lines of what talks in lines, ended by LF or CR LF.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The beginning of a line whose end is to come.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct TextLines {
    partial: Vec<u8>,
}

impl TextLines {
    /// Takes what of `bytes` belongs to the current line: the line without its end if it is
    /// complete, and how many bytes it took. Of a line only the first `max` bytes are kept.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        max: usize,
    ) -> (Option<Cow<'a, [u8]>>, usize) {
        let end = memchr::memchr(b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let room = max.saturating_sub(self.partial.len());
        let kept = part.get(..room).unwrap_or(part);
        let Some(end) = end else {
            self.partial.extend_from_slice(kept);
            return (None, bytes.len());
        };
        if self.partial.is_empty() {
            let line = kept.strip_suffix(b"\r").unwrap_or(kept);
            return (Some(line.into()), end + 1);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.extend_from_slice(kept);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (Some(line.into()), end + 1)
    }

    /// Bytes held.
    pub(super) const fn held(&self) -> usize {
        self.partial.len()
    }
}

/// The first word, and what follows the space after it.
pub(super) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = line
        .split_at_checked(end.unwrap_or(line.len()))
        .unwrap_or_default();
    (word, rest.trim_ascii_start())
}

/// The number of three digits that a reply begins with.
pub(super) fn reply_code(line: &[u8]) -> Option<u16> {
    let digits = line.first_chunk::<3>()?;
    digits.iter().all(u8::is_ascii_digit).then(|| {
        digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], cut: usize, max: usize) -> Vec<Vec<u8>> {
        let (mut lines, mut found) = (TextLines::default(), Vec::new());
        for mut part in bytes.chunks(cut) {
            while !part.is_empty() {
                let (line, used) = lines.next(part, max);
                found.extend(line.map(Cow::into_owned));
                part = &part[used..];
            }
            assert!(lines.held() <= max);
        }
        found
    }

    #[test]
    fn lines_end_where_they_end() {
        let cases: [(&[u8], &[&[u8]]); 5] = [
            (b"a\r\nb\n", &[b"a", b"b"]),
            (b"\n\r\n", &[b"", b""]),
            (b"a\rb\r\r\n", &[b"a\rb\r"]),
            (b"0123456789\r\nab\n", &[b"01234567", b"ab"]),
            (b"no end", &[]),
        ];
        for (bytes, want) in cases {
            for cut in 1..=bytes.len() {
                assert_eq!(read(bytes, cut, 8), want, "{bytes:?} {cut}");
            }
        }
    }

    #[test]
    fn words_and_codes() {
        assert_eq!(word(b"  USER  me too"), (&b"USER"[..], &b"me too"[..]));
        assert_eq!(word(b"QUIT"), (&b"QUIT"[..], &b""[..]));
        assert_eq!(word(b""), (&b""[..], &b""[..]));
        for (line, want) in [
            (&b"220 x"[..], Some(220)),
            (b"99", None),
            (b"12x", None),
            (b"007", Some(7)),
        ] {
            assert_eq!(reply_code(line), want);
        }
    }
}
