//! The record layer (RFC 8446, 5.1): where records begin and end in a stream cut anywhere.

use serde::{Deserialize, Serialize};

/// What a record carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    ChangeCipherSpec,
    Alert,
    Handshake,
    Data,
    Heartbeat,
}

impl Kind {
    pub(super) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::Data,
            24 => Self::Heartbeat,
            _ => return None,
        })
    }
}

/// What some bytes are.
#[derive(Debug)]
pub(super) enum Step {
    /// Part of a header.
    More,
    /// Content, more of which is to come.
    Part(Kind),
    /// The end of a record's content.
    End(Kind),
    /// A whole client hello in the words of SSL 2, without its length.
    OldHello(Vec<u8>),
    /// No record.
    Bad,
}

const HEADER: usize = 5;
/// Longest record: RFC 5246's limit with all that encryption may add.
const MAX_RECORD: u16 = 16_384 + 2_048;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Open {
    kind: Kind,
    left: u16,
    /// Content bytes seen, and the second of them.
    seen: u16,
    second: Option<u8>,
}

/// One direction's records.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct RecordReader {
    /// A header, or an old hello, that is not whole yet.
    held: Vec<u8>,
    open: Option<Open>,
    /// Records begun.
    count: u32,
    second: Option<u8>,
}

impl RecordReader {
    /// The second byte of the content of the last record, which tells what an alert is about.
    pub(super) const fn second_byte(&self) -> Option<u8> {
        self.second
    }

    /// Takes some of `bytes`, which are not empty: what they are, and how many. `first`: nothing
    /// was understood in either direction yet.
    pub(super) fn step(&mut self, bytes: &[u8], first: bool) -> (Step, usize) {
        if let Some(open) = self.open {
            return self.content(open, bytes);
        }
        let old = first && self.count == 0 && self.is_old(bytes);
        let whole = if old {
            self.old_len(bytes)
        } else {
            Some(HEADER)
        };
        let wanted = whole.unwrap_or(2).saturating_sub(self.held.len());
        let part = bytes.get(..wanted).unwrap_or(bytes);
        self.held.extend_from_slice(part);
        if whole.is_none_or(|whole| self.held.len() < whole) {
            return (Step::More, part.len());
        }
        let held = std::mem::take(&mut self.held);
        self.count += 1;
        if old {
            let hello = held.get(2..).unwrap_or_default().to_vec();
            return (Step::OldHello(hello), part.len());
        }
        (self.header(&held), part.len())
    }

    /// SSL 2 has the top bit of the length set, and then a message type of 1.
    fn is_old(&self, bytes: &[u8]) -> bool {
        let mut start = self.held.iter().chain(bytes);
        let (first, third) = (start.next(), start.nth(1));
        first.is_some_and(|byte| byte & 0x80 != 0) && third.is_none_or(|byte| *byte == 1)
    }

    fn old_len(&self, bytes: &[u8]) -> Option<usize> {
        let mut start = self.held.iter().chain(bytes);
        let (high, low) = (start.next()?, start.next()?);
        Some(usize::from(u16::from_be_bytes([high & 0x7f, *low])) + 2)
    }

    fn header(&mut self, held: &[u8]) -> Step {
        let [kind, 3, minor, high, low] = *held else {
            return Step::Bad;
        };
        let left = u16::from_be_bytes([high, low]);
        match Kind::of(kind) {
            Some(kind) if minor <= 4 && left <= MAX_RECORD => {
                self.open = Some(Open {
                    kind,
                    left,
                    seen: 0,
                    second: None,
                });
                if left == 0 {
                    self.open = None;
                    return Step::Part(kind);
                }
                Step::More
            }
            _ => Step::Bad,
        }
    }

    fn content(&mut self, mut open: Open, bytes: &[u8]) -> (Step, usize) {
        let part = bytes.get(..usize::from(open.left)).unwrap_or(bytes);
        let len = u16::try_from(part.len()).unwrap_or(u16::MAX);
        if open.seen < 2
            && let Some(byte) = part.get(usize::from(1 - open.seen))
        {
            open.second = Some(*byte);
        }
        open.seen = open.seen.saturating_add(len);
        open.left = open.left.saturating_sub(len);
        if open.left > 0 {
            self.open = Some(open);
            return (Step::Part(open.kind), part.len());
        }
        self.open = None;
        self.second = open.second;
        (Step::End(open.kind), part.len())
    }
}
