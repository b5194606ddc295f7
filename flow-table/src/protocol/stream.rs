//! One direction of a TCP flow as bytes in order.
//!
//! A segment that comes in its turn is handed on as it stands, uncopied. What comes too early is
//! held until the hole below it is filled, or until it is known that it never will be: the peer
//! acknowledged it, or more waits than may. Where segments overlap, what came first counts.
//!
//! Sequence numbers are relative to the flow, 64 bits wide, and the first byte is 1 (the SYN is 0).

use serde::{Deserialize, Serialize};

/// Bytes that one direction may hold above a hole.
pub const MAX_HELD: usize = 256 * 1024;
/// Separate stretches that one direction may hold above a hole.
pub const MAX_STRETCHES: usize = 256;
/// What a stretch takes beside its bytes: who sends single bytes must not get more than others.
const STRETCH: usize = 64;

/// What a direction delivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// The next bytes.
    Bytes(&'a [u8]),
    /// As many bytes were missed.
    Gap(u64),
}

/// Bytes that many flows may hold together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    held: usize,
    limit: usize,
    refused: u64,
}

impl Quota {
    /// Up to `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            held: 0,
            limit,
            refused: 0,
        }
    }

    /// Bytes held now.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// How often there was no room.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    const fn take(&mut self, len: usize) -> bool {
        if self.held.saturating_add(len) > self.limit {
            self.refused += 1;
            return false;
        }
        self.held += len;
        true
    }

    const fn give(&mut self, len: usize) {
        self.held = self.held.saturating_sub(len);
    }
}

/// Bytes that came too early.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stretch {
    seq: u64,
    bytes: Vec<u8>,
}

impl Stretch {
    fn end(&self) -> u64 {
        self.seq.saturating_add(self.bytes.len() as u64)
    }

    const fn cost(&self) -> usize {
        STRETCH + self.bytes.len()
    }
}

/// One direction of a flow. Its [`Stream::close`] must be called in the end, or the quota does
/// not get back what is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    next: u64,
    /// Ascending, apart from each other or touching, all above `next`.
    held: Vec<Stretch>,
}

impl Default for Stream {
    fn default() -> Self {
        Self::starting_at(1)
    }
}

impl Stream {
    /// A direction whose first byte has this number.
    pub const fn starting_at(next: u64) -> Self {
        Self {
            next,
            held: Vec::new(),
        }
    }

    /// Number of the first byte not delivered.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that what is held above a hole takes.
    pub fn held(&self) -> usize {
        self.held.iter().map(Stretch::cost).sum()
    }

    /// Takes a segment's captured payload and hands on what is in order now.
    pub fn segment(
        &mut self,
        seq: u64,
        bytes: &[u8],
        quota: &mut Quota,
        mut deliver: impl FnMut(Piece<'_>),
    ) {
        let (mut seq, mut bytes) = after(self.next, seq, bytes);
        while !bytes.is_empty() {
            let above = self.held.partition_point(|stretch| stretch.end() <= seq);
            let room = match self.held.get(above) {
                Some(stretch) if stretch.seq <= seq => {
                    (seq, bytes) = after(stretch.end(), seq, bytes);
                    continue;
                }
                Some(stretch) => usize::try_from(stretch.seq - seq).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let (part, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            if seq == self.next || !self.hold(above, seq, part, quota) {
                self.give_up_below(seq, quota, &mut deliver);
                self.hand_on(part, &mut deliver);
                self.deliver_held(quota, &mut deliver);
            }
            (seq, bytes) = after(self.next, seq.saturating_add(part.len() as u64), rest);
        }
    }

    /// Everything below `seq` (a FIN not counted) reached the peer: what of it was not seen here
    /// never will be.
    pub fn acked(&mut self, seq: u64, quota: &mut Quota, mut deliver: impl FnMut(Piece<'_>)) {
        if seq > self.next {
            self.give_up_below(seq, quota, &mut deliver);
            self.deliver_held(quota, &mut deliver);
        }
    }

    /// Takes from the quota what is held already; false if that cannot be held.
    pub(crate) fn adopt(&self, quota: &mut Quota) -> bool {
        let in_order = self.held.first().is_none_or(|first| first.seq > self.next)
            && self.held.iter().all(|stretch| !stretch.bytes.is_empty())
            && self
                .held
                .is_sorted_by(|below, above| below.end() <= above.seq);
        let is_little = self.held.len() <= MAX_STRETCHES && self.held() <= MAX_HELD;
        in_order && is_little && quota.take(self.held())
    }

    /// Lets go of what is held.
    pub fn close(&mut self, quota: &mut Quota) {
        quota.give(self.held());
        self.held = Vec::new();
    }

    /// Keeps `part`, which belongs at place `at`; false if there is no room.
    fn hold(&mut self, at: usize, seq: u64, part: &[u8], quota: &mut Quota) -> bool {
        let grows = at
            .checked_sub(1)
            .and_then(|before| self.held.get_mut(before));
        let grows = grows.filter(|before| before.end() == seq);
        let more = part.len() + if grows.is_none() { STRETCH } else { 0 };
        if grows.is_none() && self.held.len() >= MAX_STRETCHES
            || self.held().saturating_add(more) > MAX_HELD
            || !quota.take(more)
        {
            return false;
        }
        let grows = at
            .checked_sub(1)
            .and_then(|before| self.held.get_mut(before));
        match grows.filter(|before| before.end() == seq) {
            Some(before) => before.bytes.extend_from_slice(part),
            None => self.held.insert(
                at,
                Stretch {
                    seq,
                    bytes: part.to_vec(),
                },
            ),
        }
        true
    }

    fn hand_on(&mut self, bytes: &[u8], deliver: &mut impl FnMut(Piece<'_>)) {
        deliver(Piece::Bytes(bytes));
        self.next = self.next.saturating_add(bytes.len() as u64);
    }

    /// Delivers what is held below `seq`, and gaps for what is not.
    fn give_up_below(&mut self, seq: u64, quota: &mut Quota, deliver: &mut impl FnMut(Piece<'_>)) {
        let below = self.held.partition_point(|stretch| stretch.seq < seq);
        let mut next = self.next;
        for stretch in self.held.drain(..below) {
            if stretch.seq > next {
                deliver(Piece::Gap(stretch.seq - next));
            }
            quota.give(stretch.cost());
            deliver(Piece::Bytes(&stretch.bytes));
            next = stretch.end();
        }
        if seq > next {
            deliver(Piece::Gap(seq - next));
            next = seq;
        }
        self.next = next;
        self.free_if_empty();
    }

    /// Delivers what the hole below no longer holds up.
    fn deliver_held(&mut self, quota: &mut Quota, deliver: &mut impl FnMut(Piece<'_>)) {
        let mut next = self.next;
        let ready = self
            .held
            .iter()
            .take_while(|stretch| {
                let ready = stretch.seq <= next;
                next = if ready { stretch.end() } else { next };
                ready
            })
            .count();
        for stretch in self.held.drain(..ready) {
            quota.give(stretch.cost());
            deliver(Piece::Bytes(&stretch.bytes));
        }
        self.next = next;
        self.free_if_empty();
    }

    fn free_if_empty(&mut self) {
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }
}

/// What of the bytes at `seq` lies at or after `next`.
fn after(next: u64, seq: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let skip = usize::try_from(next.saturating_sub(seq)).unwrap_or(usize::MAX);
    let rest = bytes.get(skip..).unwrap_or_default();
    (seq.max(next), rest)
}

#[cfg(test)]
mod tests;
