//! What an end has to do with a plain segment, see [`Tcp::take_plain`](crate::tcp::Tcp).
//!
//! Numbers are compared as they are here, not in sequence space: an end of which one has gone
//! through zero has no plain segments.

use super::{EndState, TcpEnd};
use crate::packet::Segment;

/// Sequence numbers further apart than this have no order (RFC 1982).
const HALF: u32 = 1 << 31;

/// What a plain segment changes at the end it comes from.
#[derive(Clone, Copy)]
pub(in crate::tcp) struct Sent {
    last: u32,
    delivered: Option<u64>,
}

/// What it changes at the other end, which it acknowledges.
#[derive(Clone, Copy)]
pub(in crate::tcp) struct Acked {
    ack: u32,
    trimmed: u64,
}

impl TcpEnd {
    /// Whether there is nothing to be told of it but what it sends.
    #[inline]
    pub(in crate::tcp) fn is_plain(&self) -> bool {
        let did_nothing = self.flags & 0x0f == 0;
        self.state == EndState::Established
            && did_nothing
            && self.last_wraps == 0
            && self.ack_wraps == 0
    }

    /// `seq` relative to the start.
    #[inline]
    fn plain_relative(&self, seq: u32) -> Option<u32> {
        seq.checked_sub(self.start)
            .filter(|relative| *relative < HALF)
    }

    /// What a segment of its own changes, if that is plain: bytes that were not sent before and
    /// follow the ones delivered, or none at all. `apart` tells that there are bytes above a hole.
    #[inline]
    pub(in crate::tcp) fn plain_sent(
        &self,
        segment: &Segment,
        apart: impl FnOnce() -> bool,
    ) -> Option<Sent> {
        let first = self.plain_relative(segment.seq)?;
        let past = self.plain_relative(segment.seq.checked_add(segment.len)?)?;
        let last = self.plain_relative(self.last_seq)?;
        if segment.len == 0 {
            let last = self.start + last.max(past);
            let delivered = None;
            return Some(Sent { last, delivered });
        }
        if past <= last {
            return None;
        }
        let delivered = if segment.whole {
            let acked = self.plain_relative(self.ack_seq)?;
            if acked <= 1 || apart() {
                return None;
            }
            Some(
                self.delivery
                    .plain_sent(first.into(), past.into(), acked.into())?,
            )
        } else {
            None
        };
        let last = self.start + past;
        Some(Sent { last, delivered })
    }

    /// What an acknowledgement of its bytes changes, if that is plain: it leaves no gap.
    #[inline]
    pub(in crate::tcp) fn plain_acked(&self, ack: u32) -> Option<Acked> {
        let acked = self.plain_relative(ack)?;
        let before = self.plain_relative(self.ack_seq)?;
        if acked < before {
            return None;
        }
        let trimmed = self.delivery.plain_acked(acked.into())?;
        Some(Acked { ack, trimmed })
    }

    #[inline]
    pub(in crate::tcp) fn note_plain_sent(&mut self, sent: Sent) {
        self.last_seq = sent.last;
        if let Some(delivered) = sent.delivered {
            self.delivery.note_plain_sent(delivered);
        }
    }

    #[inline]
    pub(in crate::tcp) fn note_plain_acked(&mut self, acked: Acked) {
        self.ack_seq = acked.ack;
        self.delivery.note_plain_acked(acked.trimmed);
    }
}
