//! What the two ends of a flow have to do with a plain segment.
//!
//! Numbers are compared as they are here, not in sequence space: a flow of which one has gone
//! through zero has no plain segments.

use super::{Did, EndState, TcpEnd};
use crate::Side;
use crate::flow::Rare;
use crate::packet::Segment;
use crate::tcp::delivery::stretches;

/// Sequence numbers further apart than this have no order (RFC 1982).
const HALF: u32 = 1 << 31;

impl TcpEnd {
    /// Whether there is nothing to be told of it but what it sends.
    #[inline]
    const fn is_plain(&self) -> bool {
        const DID: u8 = Did::Close as u8 | Did::Fin as u8 | Did::Eof as u8;
        let established = matches!(self.state, EndState::Established);
        established && self.flags & DID == 0 && self.last_wraps | self.ack_wraps == 0
    }

    /// `seq` relative to the start: past half of all numbers, if it is before that.
    #[inline]
    const fn after_start(&self, seq: u32) -> u32 {
        if seq < self.start {
            u32::MAX
        } else {
            seq - self.start
        }
    }

    /// How many bytes of this end, which is the `side` of its flow, were never seen of those below
    /// `acked`: sent, and nothing above them seen, and no gap that the history tells.
    #[inline(never)]
    fn plain_missed(&self, acked: u32, side: Side, rare: &Rare) -> Option<u64> {
        let was_sent = acked <= self.after_start(self.last_seq);
        let is_told = !rare.gaps.of(side).tells_next() && stretches(Some(rare), side).is_empty();
        let missed = self.delivery.plain_missed(acked.into());
        missed.filter(|_| was_sent && is_told)
    }

    /// Takes a segment of `from` that acknowledges and does nothing else but, maybe, send: bytes that
    /// were not sent before and follow the ones delivered. It must acknowledge no less than before,
    /// nothing that was not sent, and nothing that is missing but what the history does not tell
    /// again. Any other segment changes nothing and gives nothing; of this one it is told whether it
    /// acknowledged anything new, and how many bytes of that were never seen.
    #[inline]
    pub(in crate::tcp) fn take_plain(
        &mut self,
        peer: &mut Self,
        seg: &Segment,
        from: Side,
        rare: Option<&Rare>,
    ) -> Option<(bool, u64)> {
        let (acked, acked_before) = (peer.after_start(seg.ack), peer.after_start(peer.ack_seq));
        let (first, last) = (self.after_start(seg.seq), self.after_start(self.last_seq));
        let (end, through_zero) = seg.seq.overflowing_add(seg.len);
        let past = self.after_start(end);
        let in_order = !through_zero
            && (acked | acked_before | first | last | past) < HALF
            && acked >= acked_before;
        if !in_order || !self.is_plain() || !peer.is_plain() {
            return None;
        }
        let all_seen = u64::from(acked) <= peer.delivery.next();
        let missed = if all_seen {
            0
        } else {
            peer.plain_missed(acked, from.peer(), rare?)?
        };
        if seg.len > 0 {
            if past <= last {
                return None;
            }
            if seg.whole {
                let acked = self.after_start(self.ack_seq);
                if acked <= 1 || acked >= HALF || !stretches(rare, from).is_empty() {
                    return None;
                }
                let (first, past) = (u64::from(first), u64::from(past));
                let reached = self.delivery.plain_sent(first, past, acked.into())?;
                self.delivery.note_plain_sent(reached);
            }
        }
        if past > last {
            self.last_seq = end;
        }
        if acked > acked_before {
            peer.ack_seq = seg.ack;
        }
        let new = peer.delivery.is_new(acked.into());
        if new {
            peer.delivery.note_plain_acked(acked.into(), missed);
        }
        Some((new, missed))
    }
}
