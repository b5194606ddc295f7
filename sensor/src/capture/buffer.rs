//! The bytes of a block. A `Vec` would have its memory cleared for each read.

use std::io::{self, ErrorKind, Read};

/// Bytes in memory that is cleared once, when it grows.
#[derive(Clone, Default, Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    len: usize,
}

impl Buffer {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets all but the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Takes over bytes that were read elsewhere.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.reach(end);
        if let Some(place) = self.memory.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
    }

    /// Reads until there are `target` bytes or no more come; tells whether there are. What came
    /// before a failure is kept.
    pub(super) fn fill(&mut self, reader: &mut dyn Read, target: usize) -> io::Result<bool> {
        self.reach(target);
        while let Some(room) = self.memory.get_mut(self.len..target)
            && !room.is_empty()
        {
            match reader.read(room) {
                Ok(0) => return Ok(false),
                Ok(read) => self.len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn reach(&mut self, len: usize) {
        if self.memory.len() < len {
            self.memory.resize(len, 0);
        }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_comes_in_pieces_and_keeps_what_came() {
        let mut buffer = Buffer::default();
        buffer.put(b"ab");
        let mut reader = b"cd".chain(&b"efgh"[..]);
        assert!(buffer.fill(&mut reader, 5).unwrap());
        assert_eq!(&*buffer, b"abcde");
        assert!(!buffer.fill(&mut reader, 100).unwrap());
        assert_eq!(&*buffer, b"abcdefgh");
        assert!(
            buffer.fill(&mut reader, 3).unwrap(),
            "more than that is there"
        );
        buffer.truncate(1);
        buffer.put(b"xy");
        assert_eq!(&*buffer, b"axy");
        buffer.clear();
        assert!(buffer.is_empty());
    }
}
