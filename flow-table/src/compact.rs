//! Numbers and a slab that keep a flow small: a table holds a million of them.

use serde::{Deserialize, Serialize};

use crate::{Chunks, prefetch};

/// A count below 2^48; it stops there instead of wrapping. Six bytes, aligned to two.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[repr(Rust, packed(2))]
pub(crate) struct U48 {
    low: u32,
    high: u16,
}

impl U48 {
    pub(crate) const MAX: u64 = (1 << 48) - 1;

    /// The nearest value that fits.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is taken apart")]
    pub(crate) const fn new(value: u64) -> Self {
        let value = if value > Self::MAX { Self::MAX } else { value };
        Self {
            low: value as u32,
            high: (value >> 32) as u16,
        }
    }

    #[inline]
    pub(crate) const fn get(self) -> u64 {
        self.low as u64 | (self.high as u64) << 32
    }

    #[inline]
    pub(crate) const fn add(&mut self, more: u64) {
        *self = Self::new(self.get().saturating_add(more));
    }
}

/// The sixteen-bit words of a number, lowest first.
fn words(value: u64) -> [u16; 4] {
    [0, 16, 32, 48].map(|shift| u16::try_from((value >> shift) & 0xffff).unwrap_or_default())
}

/// Counts something that gets a letter at its 1st, 10th, 100th, … time, up to the ten millionth.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Scaled([u8; 3]);

impl Scaled {
    /// Whether the next gets a letter.
    pub(crate) fn tells_next(mut self) -> bool {
        self.count()
    }

    /// Counts one more; whether it gets a letter.
    pub(crate) fn count(&mut self) -> bool {
        const MAX: u32 = 0xff_ffff;
        let [low, middle, high] = self.0;
        let before = u32::from_le_bytes([low, middle, high, 0]);
        if before == MAX {
            return false;
        }
        let count = before + 1;
        let [low, middle, high, _] = count.to_le_bytes();
        self.0 = [low, middle, high];
        let mut step = count;
        while step.is_multiple_of(10) {
            step /= 10;
        }
        step == 1
    }
}

/// Sixteen bits of a sequence number, enough to see that it is another one.
pub(crate) fn fold(seq: u64) -> u16 {
    let [low, middle, ..] = words(seq);
    low ^ middle.rotate_left(1)
}

/// Slots that never move.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Chunks<Option<T>, PIECE>,
    free: Vec<u32>,
}

/// So many more slots are made at a time.
const PIECE: usize = 64;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Chunks::default(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Slots there are, free ones included.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Fetches a slot, without waiting to see whether there is anything in it.
    pub(crate) fn prefetch(&self, slot: u32) {
        if let Some(value) = self.slots.get(slot as usize) {
            prefetch(value);
        }
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Puts a value into a free slot.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            if let Some(free) = self.slots.get_mut(slot as usize) {
                *free = Some(value);
            }
            // The next one needs the next: it was left some time ago.
            if let Some(next) = self.free.last() {
                self.prefetch(*next);
            }
            return slot;
        }
        let slot = self.slots();
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(PIECE);
        }
        self.slots.push(Some(value));
        slot
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_eight_bits_hold_and_stop() {
        for value in [0, 1, 0xffff, 0x1_0000, 0x1234_5678_9abc, U48::MAX] {
            assert_eq!(U48::new(value).get(), value);
        }
        let mut count = U48::new(U48::MAX - 1);
        count.add(5);
        assert_eq!(count.get(), U48::MAX);
        assert_eq!(U48::new(u64::MAX).get(), U48::MAX);
    }

    #[test]
    fn scaled_letters_come_at_powers_of_ten() {
        let mut scaled = Scaled::default();
        let at: Vec<u32> = (1..=100_000).filter(|_| scaled.count()).collect();
        assert_eq!(at, [1, 10, 100, 1_000, 10_000, 100_000]);
        let mut scaled = Scaled::default();
        for _ in 0..101 {
            let told = scaled.tells_next();
            assert_eq!(scaled.count(), told);
        }
        let mut full = Scaled([0xff; 3]);
        assert!(!full.count() && !full.count());
    }

    #[test]
    fn slots_are_used_again() {
        let mut slab = Slab::default();
        let slots: Vec<u32> = (0..300).map(|value| slab.insert(value)).collect();
        assert_eq!(slots, (0..300).collect::<Vec<u32>>());
        assert_eq!(slab.remove(7), Some(7));
        assert_eq!(
            (slab.remove(7), slab.get(7), slab.get(300)),
            (None, None, None)
        );
        assert_eq!(slab.insert(1000), 7);
        assert_eq!((slab.get(7), slab.slots()), (Some(&1000), 300));
    }
}
