//! In which order subjects go.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// A slot's neighbours in its list; the next free slot, if it is free, is the older.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) newer: u32,
    pub(crate) older: u32,
}

impl Links {
    /// Those of a slot that is alone.
    pub(crate) const ALONE: Self = Self {
        newer: NONE,
        older: NONE,
    };
}

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
pub(crate) struct List {
    pub(crate) newest: u32,
    pub(crate) oldest: u32,
    pub(crate) len: usize,
    pub(crate) heap: usize,
}

impl List {
    pub(crate) const EMPTY: Self = Self {
        newest: NONE,
        oldest: NONE,
        len: 0,
        heap: 0,
    };

    /// Puts a slot before all others, among these neighbours.
    pub(crate) fn join(&mut self, links: &mut [Links], at: u32) {
        let second = std::mem::replace(&mut self.newest, at);
        if second == NONE {
            self.oldest = at;
        }
        if let Some(links) = links.get_mut(at as usize) {
            (links.newer, links.older) = (NONE, second);
        }
        if let Some(links) = links.get_mut(second as usize) {
            links.newer = at;
        }
    }

    /// Takes a slot out from between its neighbours.
    pub(crate) fn part(&mut self, links: &mut [Links], at: u32) {
        let Some(Links { newer, older }) = links.get(at as usize).copied() else {
            return;
        };
        if self.newest == at {
            self.newest = older;
        }
        if self.oldest == at {
            self.oldest = newer;
        }
        if let Some(links) = links.get_mut(newer as usize) {
            links.older = older;
        }
        if let Some(links) = links.get_mut(older as usize) {
            links.newer = newer;
        }
    }
}
