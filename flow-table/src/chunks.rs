//! A list in pieces: it grows without a copy, and takes memory only as it fills.

/// See the module. There are `PIECE` values in each.
#[derive(Debug)]
pub struct Chunks<T, const PIECE: usize> {
    /// All of them full but the last.
    pieces: Vec<Vec<T>>,
    len: usize,
    capacity: usize,
}

impl<T, const PIECE: usize> Default for Chunks<T, PIECE> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            len: 0,
            capacity: 0,
        }
    }
}

impl<T, const PIECE: usize> Chunks<T, PIECE> {
    /// Values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values it may take memory for.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// It may take memory for so many more than it has.
    pub fn reserve_exact(&mut self, more: usize) {
        self.capacity = self.capacity.max(self.len + more);
    }

    /// The value at a place.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }

    /// Adds a value, for which there should be capacity.
    pub fn push(&mut self, value: T) {
        let in_piece = self.len % PIECE;
        if in_piece == 0 {
            self.pieces.push(Vec::new());
        }
        self.len += 1;
        self.capacity = self.capacity.max(self.len);
        let room = (self.capacity - (self.len - 1 - in_piece)).min(PIECE);
        if let Some(piece) = self.pieces.last_mut() {
            piece.reserve_exact(room - in_piece);
            piece.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_and_no_more_room_is_taken_than_said() {
        const PIECE: usize = 512;
        let mut list = Chunks::default();
        let taken =
            |list: &Chunks<usize, PIECE>| list.pieces.iter().map(Vec::capacity).sum::<usize>();
        for value in 0..5 * PIECE / 2 {
            if list.len() == list.capacity() {
                list.reserve_exact(list.len().clamp(16, 700));
                assert!(taken(&list) <= list.capacity());
            }
            list.push(value);
            assert!(
                (value + 1..=list.capacity()).contains(&taken(&list)),
                "{value}"
            );
        }
        for at in 0..list.len() {
            assert_eq!(list.get(at), Some(&at));
            assert_eq!(list.get_mut(at).copied(), Some(at));
        }
        assert_eq!(list.get(list.len()), None);
        list.push(7);
        assert_eq!(list.get(list.len() - 1), Some(&7));
    }
}
