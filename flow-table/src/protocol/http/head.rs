//! What the headers of one message say about its body.

use serde::{Deserialize, Serialize};

use super::super::Text;
use super::start::Version;
use super::text;

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) enum Coding {
    #[default]
    Identity,
    Gzip,
    Deflate,
}

#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    content_length: Option<u64>,
    range_length: Option<u64>,
    /// Where it begins, and of how many bytes.
    range: Option<(u64, Option<u64>)>,
    expects_continue: bool,
    pub(super) chunked: bool,
    pub(super) coding: Coding,
    pub(super) filename: Option<Text>,
    pub(super) content_type: Option<Text>,
}

impl Head {
    /// Where the body begins in what it is a range of, and how long that is (RFC 9110, 14.4).
    pub(super) const fn range(&self) -> Option<(u64, Option<u64>)> {
        self.range
    }

    /// Bytes it takes beside itself.
    pub(super) fn size(&self) -> usize {
        let texts = [&self.filename, &self.content_type];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }
}

/// Name and value of a header line.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// The first word of a value.
pub(super) fn token(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii_start();
    let end = value.iter().position(|byte| {
        byte.is_ascii_whitespace() || b"()<>@,;:\\\"/[]?=".contains(byte) || byte.is_ascii_control()
    });
    value.get(..end.unwrap_or(value.len())).unwrap_or_default()
}

/// The number that `bytes` begin with; `None` if they begin with none or it is too large.
pub(super) fn number(bytes: &[u8], base: u32) -> Option<u64> {
    let bytes = bytes.trim_ascii_start();
    let digits = bytes
        .iter()
        .map_while(|byte| char::from(*byte).to_digit(base));
    let mut any = false;
    let number = digits.into_iter().try_fold(0_i64, |number, digit| {
        any = true;
        number
            .checked_mul(i64::from(base))?
            .checked_add(i64::from(digit))
    })?;
    u64::try_from(number).ok().filter(|_| any)
}

impl Head {
    /// Bytes of the body, if it was said. A range and a length that differ are an attempt to
    /// evade: the longer one counts.
    pub(super) fn length(&self) -> Option<u64> {
        self.content_length.max(self.range_length)
    }

    /// Takes a header. `partial`: it is a reply of code 206.
    pub(super) fn take(
        &mut self,
        name: &[u8],
        value: &[u8],
        version: Version,
        partial: bool,
        mut weird: impl FnMut(&'static str, Option<&[u8]>),
    ) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"content-length") {
            self.content_length(value, &mut weird);
        } else if is(b"content-range") && partial {
            self.content_range(value, &mut weird);
        } else if is(b"transfer-encoding") {
            self.transfer_encoding(value, version, &mut weird);
        } else if is(b"content-encoding") {
            self.coding = match token(value).to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                _ => self.coding,
            };
        } else if is(b"expect") {
            if !token(value).eq_ignore_ascii_case(b"100-continue") {
                weird("HTTP_expect_not_100_continue", Some(token(value)));
            }
            self.expects_continue = true;
            self.expects_nothing(&mut weird);
        } else if is(b"content-type") {
            self.content_type = Some(text(value));
        } else if is(b"content-disposition") {
            self.filename = filename(value).map(text);
        }
    }

    fn expects_nothing(&self, weird: &mut impl FnMut(&'static str, Option<&[u8]>)) {
        if self.content_length == Some(0) && self.expects_continue {
            weird("HTTP_content_length_0_and_expect_100_cont", None);
        }
    }

    fn content_length(
        &mut self,
        value: &[u8],
        weird: &mut impl FnMut(&'static str, Option<&[u8]>),
    ) {
        if self.chunked {
            weird("HTTP_content_length_and_chunked", None);
        }
        let token = token(value);
        let length = number(token, 10);
        match length {
            Some(length) if length > 0 && token.starts_with(b"0") => {
                weird("HTTP_content_length_leading_zeros", Some(token));
            }
            Some(_) => {}
            None => weird("HTTP_bad_content_length", Some(token)),
        }
        self.content_length = Some(length.unwrap_or(0));
        if self.range_length.is_some() && self.range_length != length {
            weird("HTTP_range_not_matching_len", None);
        }
        self.expects_nothing(weird);
    }

    /// `bytes 0-499/1234` (RFC 9110, 14.4).
    fn content_range(&mut self, value: &[u8], weird: &mut impl FnMut(&'static str, Option<&[u8]>)) {
        if self.chunked {
            weird("HTTP_content_range_and_chunked", None);
        }
        let unit = token(value);
        if unit != b"bytes" {
            return weird("HTTP_content_range_unknown_byte_unit", None);
        }
        let range = value.get(unit.len()..).unwrap_or_default();
        let range: Vec<u8> = range.iter().copied().filter(|byte| *byte != b' ').collect();
        let mut parts = range.splitn(2, |byte| *byte == b'/');
        let (ends, whole) = (parts.next().unwrap_or_default(), parts.next());
        let mut ends = ends.splitn(2, |byte| *byte == b'-');
        let first = ends.next().and_then(|first| number(first, 10));
        let last = ends.next().and_then(|last| number(last, 10));
        let (Some(first), Some(last), Some(whole)) = (first, last, whole) else {
            return weird("HTTP_content_range_cannot_parse", Some(&range));
        };
        let Some(len) = last.checked_sub(first).and_then(|len| len.checked_add(1)) else {
            return weird("HTTP_non_positive_content_range", Some(&range));
        };
        self.range_length = Some(len);
        self.range = Some((first, number(whole, 10)));
        if self.content_length.is_some_and(|length| length != len) {
            weird("HTTP_range_not_matching_len", None);
        }
    }

    fn transfer_encoding(
        &mut self,
        value: &[u8],
        version: Version,
        weird: &mut impl FnMut(&'static str, Option<&[u8]>),
    ) {
        let first = token(value);
        if !first.eq_ignore_ascii_case(b"chunked") || version != Version::V1_1 {
            return;
        }
        self.chunked = true;
        let rest = value.get(first.len()..).unwrap_or_default();
        if !rest.is_empty() {
            weird("HTTP_chunked_multi", Some(rest));
        }
        if self.content_length.is_some() {
            weird("HTTP_content_length_and_chunked", None);
        }
    }
}

/// `filename=` in a Content-Disposition (RFC 6266, 4.1).
fn filename(value: &[u8]) -> Option<&[u8]> {
    let lower = value.to_ascii_lowercase();
    let at = memchr::memmem::find(&lower, b"filename=")? + b"filename=".len();
    let rest = value.get(at..)?;
    match rest.split_first() {
        Some((b'"', quoted)) => quoted.split(|byte| *byte == b'"').next(),
        _ => rest
            .split(|byte| *byte == b';')
            .next()
            .map(<[u8]>::trim_ascii),
    }
}
