//! Where data channels go, in the words of commands and replies.

use std::net::{IpAddr, Ipv4Addr};

use crate::Endpoint;

/// `h1,h2,h3,h4,p1,p2`, anywhere in the text (RFC 959, 4.1.2).
pub(super) fn commas(text: &[u8]) -> Option<Endpoint> {
    let mut numbers = [0_u8; 6];
    let part = text
        .split(|byte| !matches!(byte, b'0'..=b'9' | b','))
        .find(|part| part.split(|byte| *byte == b',').count() == 6)?;
    for (number, digits) in numbers.iter_mut().zip(part.split(|byte| *byte == b',')) {
        *number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some(Endpoint::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}

/// `|family|address|port|`, anywhere in the text; `home` stands for an address left out (RFC
/// 2428, 2 and 3).
pub(super) fn bars(text: &[u8], home: IpAddr) -> Option<Endpoint> {
    let start = text.iter().position(|byte| *byte == b'(');
    let text = text.get(start.map_or(0, |open| open + 1)..)?;
    let (bar, rest) = text
        .split_first()
        .filter(|(bar, _)| bar.is_ascii_graphic())?;
    let mut parts = rest.split(|byte| byte == bar).map(std::str::from_utf8);
    let [_family, addr, port] = [
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    ];
    parts.next()?.ok()?;
    let addr = if addr.is_empty() {
        home
    } else {
        addr.parse().ok()?
    };
    Some(Endpoint::new(addr, port.parse().ok()?))
}
