//! What content is encoded with for its way (RFC 2045, 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// How content is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) enum Coding {
    #[default]
    Plain,
    Base64,
    QuotedPrintable,
}

impl Coding {
    pub(super) fn of(value: &[u8]) -> Self {
        match value.to_ascii_lowercase().as_slice() {
            b"base64" => Self::Base64,
            b"quoted-printable" => Self::QuotedPrintable,
            _ => Self::Plain,
        }
    }
}

/// Takes an encoding off.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Decoder {
    coding: Coding,
    /// Letters of which one cannot tell yet what they stand for: at most three.
    held: Vec<u8>,
    /// Some letters stood for nothing.
    damaged: bool,
}

impl Decoder {
    pub(super) const fn new(coding: Coding) -> Self {
        Self {
            coding,
            held: Vec::new(),
            damaged: false,
        }
    }

    /// Whether all letters so far stood for something.
    pub(super) fn is_whole(&self) -> bool {
        let groups_end = self.coding != Coding::Base64 || self.held.is_empty();
        groups_end && !self.damaged
    }

    /// Takes the next letters; `take` gets what they stand for.
    pub(super) fn data(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        match self.coding {
            Coding::Plain => take(bytes),
            Coding::Base64 => self.base64(bytes, take),
            Coding::QuotedPrintable => take(&self.quoted(bytes)),
        }
    }

    fn base64(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        let letters =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let mut text = std::mem::take(&mut self.held);
        text.extend(bytes.iter().filter(letters));
        let whole = text.len() - text.len() % 4;
        self.held = text.split_off(whole);
        if let Ok(decoded) = STANDARD.decode(&text) {
            return take(&decoded);
        }
        // Something in between is damaged, or ends early: what can be read, group by group.
        for group in text.chunks(4) {
            match STANDARD.decode(group) {
                Ok(decoded) => take(&decoded),
                Err(_) => self.damaged = true,
            }
        }
    }

    fn quoted(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_slice();
        while let Some((byte, after)) = rest.split_first() {
            if *byte != b'=' {
                out.push(*byte);
                rest = after;
                continue;
            }
            let decoded = match after {
                // It may go on with the next bytes.
                [] | [b'\r' | b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f'] => {
                    self.held = rest.to_vec();
                    return out;
                }
                [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => {
                    rest = after;
                    continue;
                }
                [high, low, next @ ..] => digit(*high).zip(digit(*low)).map(|pair| (pair, next)),
                _ => None,
            };
            if let Some(((high, low), next)) = decoded {
                out.push(high << 4 | low);
                rest = next;
            } else {
                out.push(b'=');
                rest = after;
            }
        }
        out
    }
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
