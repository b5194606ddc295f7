//! Which bytes of one direction were seen, so that bytes acknowledged but never seen can be told:
//! reassembly without the data.
//!
//! Sequence numbers here are relative and start at 1, the SYN being 0. The rules are Zeek's
//! (`docs/conn-log.md`, A.9).

/// Bytes above a hole while nothing was ever acknowledged: beyond this nobody will fill it.
const MAX_ABOVE_HOLE_WITHOUT_ACKS: u64 = 16_384;
/// Bytes that wait for an acknowledgement: beyond this we see one side only.
const MAX_WITHOUT_ACKS: u64 = 10 * 1024 * 1024;
/// Bytes in order that are kept while nothing was ever acknowledged.
const MAX_INITIAL_WINDOW: u64 = 16_384;
/// Separate stretches above a hole: beyond this the sender plays with us.
const MAX_STRETCHES: usize = 256;

/// What is known of one direction's bytes.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// First byte not yet delivered in order.
    next: u64,
    /// First byte not yet acknowledged (or let go of).
    trimmed: u64,
    /// Stretches `[from, to)` above a hole, ascending, apart from each other.
    #[expect(
        clippy::box_collection,
        reason = "rarely there, so 8 bytes in every flow, not 24"
    )]
    above: Option<Box<Vec<(u64, u64)>>>,
    /// Whether deliveries are abandoned: no more gaps are told.
    abandoned: bool,
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
            next: 1,
            trimmed: 1,
            above: None,
            abandoned: false,
        }
    }
}

impl Delivery {
    /// First byte not yet delivered.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether deliveries were abandoned.
    pub(super) const fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Whether bytes wait above a hole.
    pub(super) fn has_undelivered(&self) -> bool {
        self.above.as_ref().is_some_and(|above| !above.is_empty())
    }

    /// Takes note of `len` captured payload bytes at `seq`.
    pub(super) fn sent(&mut self, seq: u64, len: u32, sender: Sender) {
        let upper = seq.saturating_add(u64::from(len));
        if self.abandoned || upper <= sender.acked.max(self.trimmed) {
            return;
        }
        let seq = seq.max(sender.acked.min(upper)).max(self.trimmed);
        if seq <= self.next && self.above.is_none() {
            self.next = self.next.max(upper);
        } else {
            self.insert(seq, upper);
            self.deliver_waiting();
        }
        if sender.nothing_acked && sender.size > MAX_INITIAL_WINDOW && seq <= self.next {
            self.trimmed = self.trimmed.max(self.next);
        }
        self.give_up_if_hopeless(sender);
    }

    fn give_up_if_hopeless(&mut self, sender: Sender) {
        let Some(above) = &self.above else {
            if self.next.saturating_sub(self.trimmed) > MAX_WITHOUT_ACKS {
                self.abandon();
            }
            return;
        };
        let last = above.last().map_or(self.next, |(_, to)| *to);
        let above_hole = last.saturating_sub(self.next);
        let waiting: u64 = above.iter().map(|(from, to)| to - from).sum();
        let held = self
            .next
            .saturating_sub(self.trimmed)
            .saturating_add(waiting);
        if (sender.nothing_acked && above_hole > MAX_ABOVE_HOLE_WITHOUT_ACKS)
            || held > MAX_WITHOUT_ACKS
            || above.len() > MAX_STRETCHES
        {
            self.abandon();
        }
    }

    fn abandon(&mut self) {
        self.abandoned = true;
        self.above = None;
    }

    /// Adds `[from, to)` to the stretches above the hole, joining those it touches.
    fn insert(&mut self, from: u64, to: u64) {
        let above = self.above.get_or_insert_default();
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

    /// Delivers the stretches that the hole below them no longer holds up.
    fn deliver_waiting(&mut self) {
        let Some(above) = &mut self.above else { return };
        let ready = above.partition_point(|stretch| stretch.0 <= self.next);
        for (_, to) in above.drain(..ready) {
            self.next = self.next.max(to);
        }
        if above.is_empty() {
            self.above = None;
        }
    }

    /// Takes note that everything below `seq` was acknowledged, and tells `gap` the length of
    /// each stretch of it that was never seen. `partial`: the flow was picked up midstream, so
    /// its first acknowledgement names bytes from before.
    pub(super) fn acked(&mut self, seq: u64, partial: bool, mut gap: impl FnMut(u64)) {
        if seq <= self.trimmed {
            return;
        }
        self.trimmed = seq;
        if seq <= self.next || (seq <= 2 && partial) {
            return;
        }
        if !self.abandoned {
            while let Some((from, _)) = self.first_above().filter(|(from, _)| *from < seq) {
                gap(from - self.next);
                self.next = from;
                self.deliver_waiting();
            }
            if seq > self.next {
                gap(seq - self.next);
            }
        }
        self.next = self.next.max(seq);
        self.deliver_waiting();
    }

    fn first_above(&self) -> Option<(u64, u64)> {
        self.above.as_ref()?.first().copied()
    }
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

    fn gaps(delivery: &mut Delivery, seq: u64) -> Vec<u64> {
        let mut told = Vec::new();
        delivery.acked(seq, false, |len| told.push(len));
        told
    }

    #[test]
    fn bytes_seen_in_any_order_leave_no_gap() {
        let mut delivery = Delivery::default();
        for (seq, len) in [(1, 10), (21, 10), (31, 5), (11, 10), (5, 10)] {
            delivery.sent(seq, len, ACKING);
        }
        assert_eq!((delivery.next(), delivery.has_undelivered()), (36, false));
        assert_eq!(gaps(&mut delivery, 36), [0; 0]);
    }

    #[test]
    fn acknowledged_holes_are_gaps() {
        let mut delivery = Delivery::default();
        delivery.sent(1, 10, ACKING);
        delivery.sent(21, 10, ACKING);
        delivery.sent(41, 10, ACKING);
        assert_eq!(gaps(&mut delivery, 36), [10, 5]);
        assert_eq!(gaps(&mut delivery, 36), [0; 0], "told once");
        assert_eq!(gaps(&mut delivery, 60), [5, 9]);
    }

    #[test]
    fn the_first_ack_of_a_flow_picked_up_midstream_is_no_gap() {
        let mut delivery = Delivery::default();
        let mut told = Vec::new();
        delivery.acked(2, true, |len| told.push(len));
        assert_eq!(told, [0; 0]);
        delivery.acked(3, true, |len| told.push(len));
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
            let mut delivery = Delivery::default();
            delivery.sent(5, u32::try_from(bytes).unwrap(), sender);
            assert_eq!(delivery.is_abandoned(), abandoned, "{name}");
        }
        let mut delivery = Delivery::default();
        for hole in 1..1000 {
            delivery.sent(hole * 10, 1, ACKING);
        }
        assert!(delivery.is_abandoned(), "holes without end");
    }
}
