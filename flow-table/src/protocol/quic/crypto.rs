//! A hello out of pieces that come in any order (RFC 9000, 19.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of a hello, with what is around it (RFC 8446, 5.1).
const MAX_HELLO: usize = 4 + 16_384 + 256;
/// Pieces that wait for what is between them.
const MAX_PIECES: usize = 256;
/// Type and length.
const HEADER: usize = 4;

/// The hello of one side.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Crypto {
    bytes: Vec<u8>,
    /// What is there already: beginnings and ends of pieces that do not touch.
    pieces: BTreeMap<usize, usize>,
    finished: bool,
}

/// What comes of a piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    More,
    /// The hello, with type and length.
    Message(Vec<u8>),
    /// More than a hello has: it is over.
    TooMuch,
}

impl Crypto {
    pub(super) fn held(&self) -> usize {
        self.bytes.len() + self.pieces.len() * size_of::<(usize, usize)>()
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    fn finish(&mut self) -> Vec<u8> {
        self.finished = true;
        self.pieces.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Takes a piece.
    pub(super) fn take(&mut self, offset: u64, piece: &[u8]) -> Taken {
        if self.finished || piece.is_empty() {
            return Taken::More;
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(piece.len());
        if end > MAX_HELLO || self.pieces.len() >= MAX_PIECES {
            self.finish();
            return Taken::TooMuch;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(piece);
        }
        self.add(start, end);
        let Some((0, have)) = self.pieces.first_key_value() else {
            return Taken::More;
        };
        let have = *have;
        let Some([_, high, mid, low]) = self.bytes.first_chunk().filter(|_| have >= HEADER) else {
            return Taken::More;
        };
        let len = u32::from_be_bytes([0, *high, *mid, *low]);
        let whole = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(HEADER);
        if whole > MAX_HELLO {
            self.finish();
            return Taken::TooMuch;
        }
        if have < whole {
            return Taken::More;
        }
        let mut message = self.finish();
        message.truncate(whole);
        Taken::Message(message)
    }

    /// Joins a piece to those that it touches.
    fn add(&mut self, mut start: usize, mut end: usize) {
        while let Some((from, to)) = self.pieces.range(..=end).next_back() {
            let (from, to) = (*from, *to);
            if to < start {
                break;
            }
            (start, end) = (start.min(from), end.max(to));
            self.pieces.remove(&from);
        }
        self.pieces.insert(start, end);
    }
}
