//! Which bytes of one direction were seen, so that bytes acknowledged but never seen can be told:
//! reassembly without the data.
//!
//! Sequence numbers here are relative and start at 1, the SYN being 0. The rules are Zeek's
//! (`docs/conn-log.md`, A.9).

use serde::{Deserialize, Serialize};

use crate::Side;
use crate::compact::U48;
use crate::flow::Rare;

/// Bytes above a hole while nothing was ever acknowledged: beyond this nobody will fill it.
const MAX_ABOVE_HOLE_WITHOUT_ACKS: u64 = 16_384;
/// Bytes that wait for an acknowledgement: beyond this we see one side only.
const MAX_WITHOUT_ACKS: u64 = 10 * 1024 * 1024;
/// Bytes in order that are kept while nothing was ever acknowledged.
const MAX_INITIAL_WINDOW: u64 = 16_384;
/// Separate stretches above a hole: beyond this the sender plays with us.
const MAX_STRETCHES: usize = 256;

/// What is known of one direction's bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// First byte not yet delivered in order.
    next: U48,
    /// First byte not yet acknowledged (or let go of); [`ABANDONED`] once deliveries are abandoned
    /// and no more gaps are told.
    trimmed: U48,
}

/// What the first acknowledgement of a flow picked up midstream may name without a gap.
const FIRST_ACK: u64 = 2;
/// More bytes than can be told.
const ABANDONED: u64 = u64::MAX;

/// The stretches `[from, to)` above a hole, ascending, apart from each other. Few flows have any.
pub(super) struct Above<'a> {
    rare: &'a mut Option<Box<Rare>>,
    side: Side,
}

impl<'a> Above<'a> {
    pub(super) const fn of(rare: &'a mut Option<Box<Rare>>, side: Side) -> Self {
        Self { rare, side }
    }

    fn get(&self) -> &[(u64, u64)] {
        stretches(self.rare.as_deref(), self.side)
    }

    fn make(&mut self) -> &mut Vec<(u64, u64)> {
        self.rare.get_or_insert_default().above.get_mut(self.side)
    }
}

/// The stretches above a hole that one end of a flow has.
pub(super) fn stretches(rare: Option<&Rare>, side: Side) -> &[(u64, u64)] {
    rare.map_or(&[], |rare| rare.above.of(side))
}

/// What the endpoint knows that delivery depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// Relative number of the first byte not acknowledged.
    pub acked: u64,
    /// Whether no data was acknowledged yet.
    pub nothing_acked: bool,
    /// Bytes sent, by sequence numbers.
    pub size: u64,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            next: U48::new(1),
            trimmed: U48::new(1),
        }
    }
}

impl Delivery {
    /// First byte not yet delivered.
    pub(super) fn next(&self) -> u64 {
        self.next.get()
    }

    fn reach(&mut self, seq: u64) {
        self.next = U48::new(self.next().max(seq));
    }

    /// Whether bytes that were seen have not been acknowledged.
    pub(super) fn has_unacked(&self) -> bool {
        !self.is_abandoned() && self.next.get() > self.trimmed.get()
    }

    /// Whether deliveries were abandoned.
    pub(super) fn is_abandoned(&self) -> bool {
        self.trimmed == U48::new(ABANDONED)
    }

    /// Where `[seq, past)` moves what was delivered in order, if it goes on from there and there is
    /// nothing above a hole. Bytes below `acked` are acknowledged: some are.
    #[inline]
    pub(super) fn plain_sent(&self, seq: u64, past: u64, acked: u64) -> Option<u64> {
        let (next, trimmed) = (self.next.get(), self.trimmed.get());
        if past <= acked.max(trimmed) {
            return Some(next);
        }
        let reached = next.max(past);
        let goes_on = seq.max(acked.min(past)).max(trimmed) <= next;
        (goes_on && reached - trimmed <= MAX_WITHOUT_ACKS).then_some(reached)
    }

    #[inline]
    pub(super) fn note_plain_sent(&mut self, reached: u64) {
        self.next = U48::new(reached);
    }

    /// Whether an acknowledgement of everything below `seq` is for anything new.
    #[inline]
    pub(super) fn is_new(&self, seq: u64) -> bool {
        seq > self.trimmed.get()
    }

    /// How many bytes below `seq` were not delivered, there being nothing above a hole, if an
    /// acknowledgement of them makes a gap.
    pub(super) fn plain_missed(&self, seq: u64) -> Option<u64> {
        let makes_gap = self.is_new(seq) && seq > FIRST_ACK;
        makes_gap.then(|| seq.saturating_sub(self.next()))
    }

    #[inline]
    pub(super) fn note_plain_acked(&mut self, seq: u64, missed: u64) {
        self.trimmed = U48::new(seq);
        if missed > 0 {
            self.next = self.trimmed;
        }
    }

    /// Takes note of `len` captured payload bytes at `seq`.
    pub(super) fn sent(&mut self, seq: u64, len: u32, sender: Sender, above: &mut Above<'_>) {
        let trimmed = self.trimmed.get();
        let upper = seq.saturating_add(u64::from(len));
        if self.is_abandoned() || upper <= sender.acked.max(trimmed) {
            return;
        }
        let seq = seq.max(sender.acked.min(upper)).max(trimmed);
        if seq <= self.next() && above.get().is_empty() {
            self.reach(upper);
        } else {
            insert(above.make(), seq, upper);
            self.deliver_waiting(above);
        }
        if sender.nothing_acked && sender.size > MAX_INITIAL_WINDOW && seq <= self.next() {
            self.trimmed = U48::new(trimmed.max(self.next()));
        }
        self.give_up_if_hopeless(sender, above);
    }

    fn give_up_if_hopeless(&mut self, sender: Sender, above: &mut Above<'_>) {
        let stretches = above.get();
        let last = stretches.last().map_or(self.next(), |(_, to)| *to);
        let above_hole = last.saturating_sub(self.next());
        let waiting: u64 = stretches.iter().map(|(from, to)| to - from).sum();
        let unacked = self.next().saturating_sub(self.trimmed.get());
        if (sender.nothing_acked && above_hole > MAX_ABOVE_HOLE_WITHOUT_ACKS)
            || unacked.saturating_add(waiting) > MAX_WITHOUT_ACKS
            || stretches.len() > MAX_STRETCHES
        {
            self.trimmed = U48::new(ABANDONED);
            if !above.get().is_empty() {
                *above.make() = Vec::new();
            }
        }
    }

    /// Delivers the stretches that the hole below them no longer holds up.
    fn deliver_waiting(&mut self, above: &mut Above<'_>) {
        let ready = above
            .get()
            .partition_point(|stretch| stretch.0 <= self.next());
        if ready > 0 {
            for (_, to) in above.make().drain(..ready) {
                self.reach(to);
            }
        }
    }

    /// Takes note that everything below `seq` was acknowledged, and tells `gap` the length of
    /// each stretch of it that was never seen. `partial`: the flow was picked up midstream, so
    /// its first acknowledgement names bytes from before. Returns whether any of that is new.
    pub(super) fn acked(
        &mut self,
        seq: u64,
        partial: bool,
        above: &mut Above<'_>,
        mut gap: impl FnMut(u64),
    ) -> bool {
        if self.is_abandoned() {
            self.reach(seq);
            return false;
        }
        if seq <= self.trimmed.get() {
            return false;
        }
        self.trimmed = U48::new(seq);
        if seq > self.next() && !(seq <= FIRST_ACK && partial) {
            self.tell_gaps(seq, above, &mut gap);
        }
        true
    }

    /// Everything below `seq` arrived there: tells what of it was never seen here.
    fn tell_gaps(&mut self, seq: u64, above: &mut Above<'_>, gap: &mut impl FnMut(u64)) {
        while let Some((from, _)) = above.get().first().copied().filter(|(from, _)| *from < seq) {
            gap(from - self.next());
            self.reach(from);
            self.deliver_waiting(above);
        }
        if seq > self.next() {
            gap(seq - self.next());
        }
        self.reach(seq);
        self.deliver_waiting(above);
    }
}

/// Adds `[from, to)` to the stretches above a hole, joining those it touches.
fn insert(above: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    let first = above.partition_point(|stretch| stretch.1 < from);
    let after = above.partition_point(|stretch| stretch.0 <= to);
    let joined = above
        .get(first..after)
        .unwrap_or_default()
        .iter()
        .fold((from, to), |sum, stretch| {
            (sum.0.min(stretch.0), sum.1.max(stretch.1))
        });
    above.splice(first..after.max(first), [joined]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACKING: Sender = Sender {
        acked: 0,
        nothing_acked: false,
        size: 0,
    };
    const SILENT: Sender = Sender {
        acked: 0,
        nothing_acked: true,
        size: 100_000,
    };

    fn gaps(delivery: &mut Delivery, rare: &mut Option<Box<Rare>>, seq: u64) -> Vec<u64> {
        let mut told = Vec::new();
        let new = delivery.acked(seq, false, &mut Above::of(rare, Side::Orig), |len| {
            told.push(len);
        });
        assert!(new || told.is_empty());
        told
    }

    #[test]
    fn bytes_seen_in_any_order_leave_no_gap() {
        let (mut delivery, mut rare) = (Delivery::default(), None);
        for (seq, len) in [(1, 10), (21, 10), (31, 5), (11, 10), (5, 10)] {
            delivery.sent(seq, len, ACKING, &mut Above::of(&mut rare, Side::Orig));
        }
        assert_eq!(
            (
                delivery.next(),
                !stretches(rare.as_deref(), Side::Orig).is_empty()
            ),
            (36, false)
        );
        assert_eq!(gaps(&mut delivery, &mut rare, 36), [0; 0]);
    }

    #[test]
    fn acknowledged_holes_are_gaps() {
        let (mut delivery, mut rare) = (Delivery::default(), None);
        delivery.sent(1, 10, ACKING, &mut Above::of(&mut rare, Side::Orig));
        delivery.sent(21, 10, ACKING, &mut Above::of(&mut rare, Side::Orig));
        delivery.sent(41, 10, ACKING, &mut Above::of(&mut rare, Side::Orig));
        assert_eq!(gaps(&mut delivery, &mut rare, 36), [10, 5]);
        assert_eq!(gaps(&mut delivery, &mut rare, 36), [0; 0], "told once");
        assert_eq!(gaps(&mut delivery, &mut rare, 60), [5, 9]);
    }

    #[test]
    fn the_first_ack_of_a_flow_picked_up_midstream_is_no_gap() {
        let (mut delivery, mut rare) = (Delivery::default(), None);
        let mut told = Vec::new();
        delivery.acked(2, true, &mut Above::of(&mut rare, Side::Orig), |len| {
            told.push(len);
        });
        assert_eq!(told, [0; 0]);
        delivery.acked(3, true, &mut Above::of(&mut rare, Side::Orig), |len| {
            told.push(len);
        });
        assert_eq!(told, [2]);
    }

    #[test]
    fn hopeless_directions_are_abandoned() {
        let cases: [(&str, Sender, u64, bool); 4] = [
            ("16 KiB above a hole, nothing acked", SILENT, 16_385, true),
            ("a little above a hole", SILENT, 1_000, false),
            (
                "16 KiB above a hole, but acks are seen",
                ACKING,
                16_385,
                false,
            ),
            ("10 MiB above a hole", ACKING, 10 * 1024 * 1024 + 2, true),
        ];
        for (name, sender, bytes, abandoned) in cases {
            let (mut delivery, mut rare) = (Delivery::default(), None);
            delivery.sent(
                5,
                u32::try_from(bytes).unwrap(),
                sender,
                &mut Above::of(&mut rare, Side::Orig),
            );
            assert_eq!(delivery.is_abandoned(), abandoned, "{name}");
        }
        let (mut delivery, mut rare) = (Delivery::default(), None);
        for hole in 1..1000 {
            delivery.sent(hole * 10, 1, ACKING, &mut Above::of(&mut rare, Side::Orig));
        }
        assert!(delivery.is_abandoned(), "holes without end");
    }
}
