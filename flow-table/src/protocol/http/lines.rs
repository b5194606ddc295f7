//! Lines out of a stream of bytes, ended by CR LF, LF or, as servers take it, CR alone.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::MAX_LINE;

/// The beginning of a line whose end is to come.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Lines {
    partial: Vec<u8>,
    /// The last byte was a CR, which ends a line; an LF may belong to it.
    after_cr: bool,
}

/// What there is in some bytes.
pub(super) enum Found<'a> {
    /// A line, without its end, and how many bytes it took.
    Line {
        line: Cow<'a, [u8]>,
        used: usize,
        bare_cr: bool,
    },
    /// No end of a line.
    More,
    /// More bytes without an end than a line may have.
    TooLong,
}

impl Lines {
    pub(super) const fn held(&self) -> usize {
        self.partial.len()
    }

    /// Looks for the end of the current line.
    pub(super) fn find<'a>(&mut self, bytes: &'a [u8]) -> Found<'a> {
        if std::mem::take(&mut self.after_cr) {
            let lf = bytes.first() == Some(&b'\n');
            let line = std::mem::take(&mut self.partial).into();
            return Found::Line {
                line,
                used: usize::from(lf),
                bare_cr: !lf,
            };
        }
        let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) else {
            return self.keep(bytes);
        };
        let (start, rest) = bytes.split_at_checked(end).unwrap_or_default();
        let (used, bare_cr) = match rest {
            [b'\r', b'\n', ..] => (end + 2, false),
            [b'\r', _, ..] => (end + 1, true),
            [b'\r'] => {
                self.after_cr = true;
                return self.keep(start);
            }
            _ => (end + 1, false),
        };
        if self.partial.len() + start.len() > MAX_LINE {
            return Found::TooLong;
        }
        let line = if self.partial.is_empty() {
            start.into()
        } else {
            self.partial.extend_from_slice(start);
            std::mem::take(&mut self.partial).into()
        };
        Found::Line {
            line,
            used,
            bare_cr,
        }
    }

    fn keep<'a>(&mut self, bytes: &'a [u8]) -> Found<'a> {
        if self.partial.len() + bytes.len() > MAX_LINE {
            return Found::TooLong;
        }
        self.partial.extend_from_slice(bytes);
        Found::More
    }
}

/// Measures a body as Zeek does when it reads it by lines: each end of a line counts two bytes,
/// however it was written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct LineCount {
    after_cr: bool,
    within_line: bool,
}

impl LineCount {
    /// Goes on over `bytes`, and says how much longer the body is.
    pub(super) fn count(mut self, mut bytes: &[u8]) -> (Self, u64) {
        let mut grown = 0;
        if std::mem::take(&mut self.after_cr) && bytes.first() == Some(&b'\n') {
            bytes = bytes.get(1..).unwrap_or_default();
        }
        while let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) {
            grown += end as u64 + 2;
            let cr = bytes.get(end) == Some(&b'\r');
            let lf = cr && bytes.get(end + 1) == Some(&b'\n');
            self.after_cr = cr && end + 1 == bytes.len();
            bytes = bytes.get(end + 1 + usize::from(lf)..).unwrap_or_default();
            self.within_line = false;
        }
        self.within_line |= !bytes.is_empty();
        (self, grown + bytes.len() as u64)
    }

    /// What the end of the flow adds to a line that nothing ended.
    pub(super) const fn unfinished(self) -> u64 {
        if self.within_line { 2 } else { 0 }
    }
}
