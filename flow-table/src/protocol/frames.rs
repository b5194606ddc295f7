//! Messages that come after their length, of which only the beginning matters.

use serde::{Deserialize, Serialize};

/// Bytes of a message that are kept.
pub(super) const KEPT: usize = 4_096;

/// One direction of a stream of such messages.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Frames {
    held: Vec<u8>,
    /// Bytes of the current message that are still to come, once its length is known.
    left: Option<u64>,
}

impl Frames {
    /// Takes what of `bytes` belongs to the current message, whose header of `header` bytes tells
    /// its whole length: how many that are, and the beginning of the message if it is complete.
    /// `None` if the header tells no length.
    pub(super) fn next(
        &mut self,
        bytes: &[u8],
        header: usize,
        length: impl Fn(&[u8]) -> Option<u64>,
    ) -> Option<(usize, Option<Vec<u8>>)> {
        let mut used = 0;
        let left = if let Some(left) = self.left {
            left
        } else {
            let wanted = header.saturating_sub(self.held.len());
            let part = bytes.get(..wanted).unwrap_or(bytes);
            self.held.extend_from_slice(part);
            used = part.len();
            if self.held.len() < header {
                return Some((used, None));
            }
            length(&self.held)?.checked_sub(self.held.len() as u64)?
        };
        let rest = bytes.get(used..).unwrap_or_default();
        let whole = usize::try_from(left).unwrap_or(usize::MAX);
        let part = rest.get(..whole).unwrap_or(rest);
        let room = KEPT.saturating_sub(self.held.len());
        self.held
            .extend_from_slice(part.get(..room).unwrap_or(part));
        let left = left - part.len() as u64;
        self.left = Some(left);
        let message = (left == 0).then(|| {
            self.left = None;
            std::mem::take(&mut self.held)
        });
        Some((used + part.len(), message))
    }

    /// So many bytes are missing; whether one knows where the next message begins.
    pub(super) fn gap(&mut self, len: u64) -> bool {
        match &mut self.left {
            Some(left) if *left > len => {
                *left -= len;
                true
            }
            _ => false,
        }
    }

    /// Bytes held.
    pub(super) const fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of which the first byte is the length.
    fn read(bytes: &[u8], cut: usize) -> Option<Vec<Vec<u8>>> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for mut part in bytes.chunks(cut) {
            while !part.is_empty() {
                let (used, message) = frames.next(part, 1, |head| Some(u64::from(head[0])))?;
                found.extend(message);
                part = &part[used..];
            }
        }
        Some(found)
    }

    #[test]
    fn messages_end_where_they_end() {
        for cut in 1..9 {
            let got = read(b"\x03ab\x01\x02c\x04", cut).unwrap();
            assert_eq!(got, [&b"\x03ab"[..], b"\x01", b"\x02c"]);
        }
        assert_eq!(read(b"\x00", 1), None);
    }

    #[test]
    fn long_ones_are_cut() {
        let mut frames = Frames::default();
        let length = |_: &[u8]| Some(10_000);
        let (used, message) = frames.next(&[7; 9_000], 1, length).unwrap();
        assert_eq!((used, message, frames.held()), (9_000, None, KEPT));
        assert!(frames.gap(500));
        let (used, message) = frames.next(&[7; 9_000], 1, length).unwrap();
        assert_eq!((used, message.map(|m| m.len())), (500, Some(KEPT)));
        assert!(!frames.gap(1));
    }
}
