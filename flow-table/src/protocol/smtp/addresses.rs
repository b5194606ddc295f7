//! Addresses in what was written for other readers.

use std::net::IpAddr;

/// What is kept of an address.
pub(super) fn short(address: &[u8]) -> &[u8] {
    address.get(..super::MAX_ADDRESS).unwrap_or(address)
}

/// Mailboxes in the words of a command: `FROM:<a@b> SIZE=1`.
pub(super) fn mailboxes(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = text.split(|byte| matches!(byte, b'<' | b'>' | b',' | b':' | b';' | b' ' | b'\t'));
    words.filter(|word| {
        let at = memchr::memchr(b'@', word);
        at.is_some_and(|at| at > 0 && at + 1 < word.len())
    })
}

/// What stands between commas that are in no quotes: `"A, B" <a@b>, c@d`.
pub(super) fn listed(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let items = text.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    items
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

/// IP addresses in a text, which stand alone between brackets or spaces.
pub(super) fn hosts(text: &[u8]) -> impl Iterator<Item = IpAddr> {
    let words =
        text.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'.' | b':'));
    let mut start = 0;
    words.filter_map(move |word| {
        let (first, end) = (start, start + word.len());
        start = end + 1;
        let (before, after) = (text.get(first.checked_sub(1)?)?, text.get(end)?);
        let alone = matches!(
            (before, after),
            (b'[', b']') | (b'(', b')') | (b'{', b'}') | (b' ', b' ')
        );
        address(word).filter(|_| alone)
    })
}

/// The first IP address in a text.
pub(super) fn host(text: &[u8]) -> Option<IpAddr> {
    text.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'.' | b':'))
        .find_map(address)
}

fn address(word: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
