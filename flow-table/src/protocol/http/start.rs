//! First lines of requests and replies, read as Zeek reads them: what a row shows of an odd line is
//! what its parser makes of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A version of HTTP; 0.0 where none could be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Before the dot.
    pub major: u8,
    /// After it.
    pub minor: u8,
}

impl Version {
    pub(super) const V0_9: Self = Self { major: 0, minor: 9 };
    pub(super) const V1_0: Self = Self { major: 1, minor: 0 };
    pub(super) const V1_1: Self = Self { major: 1, minor: 1 };

    fn read(bytes: &[u8]) -> Self {
        match bytes {
            [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', ..] => Self {
                major: major - b'0',
                minor: minor - b'0',
            },
            _ => Self::default(),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    pub(super) uri: Cow<'a, [u8]>,
    pub(super) version: Version,
}

/// Reads a request line. `before`: the version so far, which stays where none can be read.
pub(super) fn request(
    line: &[u8],
    before: Version,
    mut weird: impl FnMut(&'static str),
) -> Option<Request<'_>> {
    let method_len = line.iter().take_while(|byte| is_token(**byte)).count();
    let (method, rest) = line.split_at_checked(method_len)?;
    let target = skip_blanks(rest);
    if method.is_empty() || target.len() == rest.len() {
        let tail = line.len().checked_sub(9).and_then(|at| line.get(at..));
        let http = tail.and_then(|tail| tail.first_chunk::<6>());
        let with_version = http.is_some_and(|http| http.eq_ignore_ascii_case(b" HTTP/"));
        weird(if method.is_empty() && with_version {
            "bad_HTTP_request_with_version"
        } else {
            "bad_HTTP_request"
        });
        return None;
    }
    let (uri, version) = target_and_version(target, before, &mut weird);
    if version == Version::V0_9 && (method.len() < 3 || uri.is_empty()) {
        if before != Version::default() && before != version {
            weird("HTTP_version_mismatch");
        }
        weird("bad_HTTP_request");
        return None;
    }
    let uri = unescape(uri, &mut weird);
    Some(Request {
        method,
        uri,
        version,
    })
}

/// The target goes up to the blanks before `HTTP/`, or, where there is no such thing, about to the
/// last blank.
fn target_and_version<'a>(
    target: &'a [u8],
    before: Version,
    weird: &mut impl FnMut(&'static str),
) -> (&'a [u8], Version) {
    let mut end = target.iter().take_while(|byte| is_uri(**byte)).count();
    if keyword(target, weird).is_some() && end == target.len() {
        weird("missing_HTTP_uri");
        end = 0;
    }
    let mut at = end;
    while let Some(rest) = target.get(at..).filter(|rest| !rest.is_empty()) {
        end = at;
        let word = skip_blanks(rest);
        at = target.len() - word.len();
        if let Some(version) = keyword(word, weird) {
            let version = if word.len() >= 8 {
                Version::read(version)
            } else {
                before
            };
            return (target.get(..end).unwrap_or_default(), version);
        }
        at += 1;
    }
    (target.get(..end).unwrap_or_default(), Version::V0_9)
}

/// What follows `HTTP/` at the beginning of `bytes`.
fn keyword<'a>(bytes: &'a [u8], weird: &mut impl FnMut(&'static str)) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_first_chunk::<5>()?;
    if start != b"HTTP/" {
        if !start.eq_ignore_ascii_case(b"HTTP/") {
            return None;
        }
        weird("lowercase_HTTP_keyword");
    }
    Some(rest)
}

pub(super) struct Reply<'a> {
    pub(super) version: Version,
    pub(super) code: u16,
    pub(super) reason: Option<&'a [u8]>,
}

/// Reads a status line.
pub(super) fn reply(line: &[u8], mut weird: impl FnMut(&'static str)) -> Option<Reply<'_>> {
    let rest = keyword(line, &mut weird)?;
    let version = Version::read(rest);
    let (code, reason) = skip_blanks(from_blank(rest)?).split_first_chunk::<3>()?;
    let code = code.iter().try_fold(0_u16, |code, digit| {
        digit
            .is_ascii_digit()
            .then(|| code * 10 + u16::from(digit - b'0'))
    });
    Some(Reply {
        version,
        code: code.unwrap_or(0),
        reason: from_blank(reason).map(skip_blanks),
    })
}

/// From the first blank on.
fn from_blank(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.iter().position(|byte| super::is_blank(*byte))?;
    bytes.get(at..)
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| super::is_blank(**byte));
    bytes.get(blanks.count()..).unwrap_or_default()
}

fn unescape<'a>(uri: &'a [u8], weird: &mut impl FnMut(&'static str)) -> Cow<'a, [u8]> {
    if !uri.contains(&b'%') {
        return uri.into();
    }
    let mut plain = Vec::with_capacity(uri.len());
    let mut rest = uri;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            plain.push(*byte);
            continue;
        }
        match after {
            [] => {
                weird("illegal_%_at_end_of_URI");
                plain.push(b'%');
            }
            [last] => {
                weird("partial_escape_at_end_of_URI");
                plain.extend([b'%', *last]);
                rest = &[];
            }
            [b'%', ..] => weird("double_%_in_URI"),
            [high, low, after @ ..] => {
                if let Some(byte) = hex(*high, *low) {
                    plain.push(byte);
                    rest = after;
                } else if let Some((unicode, after)) = wide(rest) {
                    plain.extend(unicode.into_iter().skip_while(|byte| *byte == 0));
                    rest = after;
                } else {
                    weird("unescaped_%_in_URI");
                    plain.extend([b'%', *high]);
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
    }
    plain.into()
}

/// `u` and four hexadecimal digits, as Microsoft's servers take them after a `%`.
fn wide(bytes: &[u8]) -> Option<([u8; 2], &[u8])> {
    match bytes {
        [b'u', a, b, c, d, after @ ..] => Some(([hex(*a, *b)?, hex(*c, *d)?], after)),
        _ => None,
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

const fn is_token(byte: u8) -> bool {
    matches!(byte, 33..=126)
        && !matches!(
            byte,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
                | b'{'
                | b'}'
        )
}

/// RFC 3986's characters, and `%`.
fn is_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'[' | b']' | b'_' | b'~' | 0
        )
}

/// Whether `method` begins `word` or is all of it; Zeek's parser takes that for the word.
pub(super) fn is_short_for(method: &[u8], word: &[u8]) -> bool {
    word.get(..method.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(method))
}

/// Whether Zeek knows it.
pub(super) fn is_known_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET"
            | b"POST"
            | b"HEAD"
            | b"OPTIONS"
            | b"PUT"
            | b"DELETE"
            | b"TRACE"
            | b"CONNECT"
            | b"PATCH"
            | b"QUERY"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"MKCOL"
            | b"COPY"
            | b"MOVE"
            | b"LOCK"
            | b"UNLOCK"
            | b"POLL"
            | b"REPORT"
            | b"SUBSCRIBE"
            | b"BMOVE"
            | b"SEARCH"
    )
}
