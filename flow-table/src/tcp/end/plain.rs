//! What the two ends of a flow have to do with a plain segment.
//!
//! Numbers are compared as they are here, not in sequence space: a flow of which one has gone
//! through zero has no plain segments.

use super::{Did, EndState, TcpEnd};
use crate::packet::Segment;

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

    /// Takes a segment that acknowledges and does nothing else but, maybe, send: bytes that were
    /// not sent before and follow the ones delivered. It must acknowledge no less than before and
    /// nothing that was not seen. `apart` tells that bytes were seen above a hole. Any other
    /// segment changes nothing and gives nothing; of this one it is told whether it acknowledged
    /// anything new.
    #[inline]
    pub(in crate::tcp) fn take_plain(
        &mut self,
        peer: &mut Self,
        seg: &Segment,
        apart: impl FnOnce() -> bool,
    ) -> Option<bool> {
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
        let trimmed = peer.delivery.plain_acked(acked.into())?;
        if seg.len > 0 {
            if past <= last {
                return None;
            }
            if seg.whole {
                let acked = self.after_start(self.ack_seq);
                if acked <= 1 || acked >= HALF || apart() {
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
            peer.delivery.note_plain_acked(trimmed);
        }
        Some(acked > acked_before)
    }
}
