//! In which order subjects go.

/// What stands for a subject when others are to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rank {
    Once,
    Back,
    Pinned,
}

/// A list for each rank.
#[derive(Debug)]
pub(super) struct Lists {
    pub(super) once: List,
    pub(super) back: List,
    pub(super) pinned: List,
}

impl Lists {
    pub(super) const fn of(&mut self, rank: Rank) -> &mut List {
        match rank {
            Rank::Once => &mut self.once,
            Rank::Back => &mut self.back,
            Rank::Pinned => &mut self.pinned,
        }
    }

    /// What all of them hold on the heap, in bytes.
    pub(super) const fn heap(&self) -> usize {
        self.once.heap + self.back.heap + self.pinned.heap
    }
}

/// Both ends of a list of slots, how many are in it, and what they hold on the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) newest: u32,
    pub(super) oldest: u32,
    pub(super) len: usize,
    pub(super) heap: usize,
}
