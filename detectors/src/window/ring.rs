//! A queue of few things that are small: [`std::collections::VecDeque`] takes a third more where it is
//! held, which is in every subject.

/// In order; its room is a power of two, or none. It holds 2¹⁵ at most.
#[derive(Clone, Default, Debug)]
pub(super) struct Ring<T> {
    slots: Box<[T]>,
    head: u16,
    len: u16,
    /// A number that whoever has the queue keeps with it, in room that is there anyway.
    pub(super) note: u32,
}

/// Room that the first thing makes.
const SMALLEST: usize = 2;
const LARGEST: usize = 1 << 15;

impl<T: Copy + Default> Ring<T> {
    /// With things in it, in so much room; nothing if that is no room that it can have for them.
    pub(super) fn with_room(room: usize, mut things: Vec<T>) -> Option<Self> {
        let fits = room == 0 || (room.is_power_of_two() && (SMALLEST..=LARGEST).contains(&room));
        let len = u16::try_from(things.len()).ok();
        let len = len.filter(|_| fits && things.len() <= room)?;
        things.reserve_exact(room - things.len());
        things.resize(room, T::default());
        Some(Self {
            slots: things.into_boxed_slice(),
            head: 0,
            len,
            note: 0,
        })
    }

    pub(super) const fn room(&self) -> usize {
        self.slots.len()
    }

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    /// The room stays.
    pub(super) const fn clear(&mut self) {
        (self.head, self.len) = (0, 0);
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let slot = self.slot(at);
        self.slots.get(slot).filter(|_| at < self.len())
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let (slot, there) = (self.slot(at), at < self.len());
        self.slots.get_mut(slot).filter(|_| there)
    }

    pub(super) fn pop_front(&mut self) {
        if self.len > 0 {
            self.head = self.head.wrapping_add(1);
            self.len -= 1;
        }
    }

    pub(super) fn push_back(&mut self, thing: T) {
        if self.len() == self.slots.len() {
            self.grow();
        }
        let slot = self.slot(self.len());
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = thing;
            self.len += 1;
        }
    }

    /// Puts a thing before that which is there.
    pub(super) fn insert(&mut self, at: usize, thing: T) {
        self.push_back(thing);
        for from in (at + 1..self.len()).rev() {
            let (slot, before) = (self.slot(from), self.slot(from - 1));
            self.slots.swap(slot, before);
        }
    }

    /// Where a thing with this key is, or belongs, if they are in its order.
    pub(super) fn find<K: Ord>(&self, key: &K, key_of: impl Fn(&T) -> K) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle).map(|thing| key_of(thing).cmp(key)) {
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                _ => high = middle,
            }
        }
        Err(low)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        size_of_val(&*self.slots)
    }

    const fn slot(&self, at: usize) -> usize {
        (self.head as usize).wrapping_add(at) & self.slots.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let room = (2 * self.slots.len()).max(SMALLEST);
        let mut larger = Vec::with_capacity(room);
        larger.extend(self.iter().copied());
        larger.resize(room, T::default());
        self.slots = larger.into_boxed_slice();
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It is a queue, whatever comes and goes.
        #[test]
        fn it_is_a_queue(steps in prop::collection::vec((0..6_u8, any::<u16>()), 1..300)) {
            let (mut ring, mut model) = (Ring::default(), VecDeque::new());
            for (step, thing) in steps {
                let at = usize::from(thing) % (model.len() + 1);
                match step {
                    0 | 1 => {
                        ring.push_back(thing);
                        model.push_back(thing);
                    }
                    2 => {
                        ring.insert(at, thing);
                        model.insert(at, thing);
                    }
                    3 | 4 => {
                        ring.pop_front();
                        model.pop_front();
                    }
                    _ if thing < 1_000 => {
                        ring.clear();
                        model.clear();
                    }
                    _ => prop_assert_eq!(ring.get_mut(at), model.get_mut(at)),
                }
                prop_assert!(ring.iter().eq(&model));
                prop_assert!(ring.len() <= ring.slots.len());
            }
        }
    }

    #[test]
    fn finds_what_is_in_order() {
        let mut ring = Ring::default();
        for thing in [9, 9, 10, 20, 30_u64] {
            ring.push_back(thing);
        }
        ring.pop_front();
        ring.pop_front();
        for (key, want) in [
            (5, Err(0)),
            (10, Ok(0)),
            (15, Err(1)),
            (30, Ok(2)),
            (31, Err(3)),
        ] {
            assert_eq!(ring.find(&key, |thing| *thing), want, "{key}");
        }
        assert_eq!(size_of::<Ring<u64>>(), 24);
    }
}
