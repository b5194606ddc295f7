//! One end of a TCP flow: its state and its sequence numbers.

use super::delivery::{Delivery, Sender};
use crate::history::Scaled;
use crate::packet::{Segment, TcpFlags};

/// A sequence number jump larger than this is not believed on SYN, RST or an ACK of zero.
const TOO_LARGE_DELTA: i32 = 1 << 20;

/// What an end is known to have done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum EndState {
    /// Nothing seen from it.
    #[default]
    Inactive,
    /// It sent a SYN first.
    SynSent,
    /// It sent a SYN-ACK first.
    SynAckSent,
    /// It speaks, but its SYN was not seen.
    Partial,
    /// The handshake is over for it.
    Established,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
}

impl EndState {
    /// Nothing but a handshake so far.
    pub(super) const fn is_handshake(self) -> bool {
        matches!(self, Self::Inactive | Self::SynSent | Self::SynAckSent)
    }

    /// Whether what was seen of it may have begun anywhere.
    pub(super) const fn is_inactive_or_partial(self) -> bool {
        matches!(self, Self::Inactive | Self::Partial)
    }
}

/// Distance from `b` to `a` in sequence space (RFC 1982), positive when `a` is ahead.
pub(super) const fn seq_delta(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// A sequence number and how often it went through zero.
#[derive(Clone, Copy, Default, Debug)]
struct Wrapping {
    seq: u32,
    wraps: u32,
}

impl Wrapping {
    const fn full(self) -> i64 {
        ((self.wraps as i64) << 32) + self.seq as i64
    }

    const fn advance(&mut self, to: u32) {
        if to < self.seq {
            self.wraps = self.wraps.saturating_add(1);
        }
        self.seq = to;
    }
}

/// One end of a TCP flow.
#[derive(Clone, Default, Debug)]
pub(super) struct TcpEnd {
    pub state: EndState,
    pub prev_state: EndState,
    pub did_close: bool,
    pub saw_fin: bool,
    pub saw_eof: bool,
    /// Letters S or H, F, R already in the history, and the relative number they came with.
    pub last_syn: u32,
    pub last_fin: u32,
    pub last_rst: u32,
    pub fin_seq: u64,
    start: u32,
    last: Wrapping,
    ack: Wrapping,
    pub delivery: Delivery,
    pub bad_checksums: Scaled,
    pub retransmits: Scaled,
    pub zero_windows: Scaled,
    pub gaps: Scaled,
}

impl TcpEnd {
    /// The initial sequence number, or one less than the first one seen.
    pub(super) const fn start_seq(&self) -> u32 {
        self.start
    }

    /// Moves to `state`; returns whether that ended this end's part of a handshake.
    pub(super) fn set_state(&mut self, state: EndState) -> bool {
        if state == self.state {
            return false;
        }
        let ended = !state.is_handshake() && self.state.is_handshake();
        self.prev_state = self.state;
        self.state = state;
        ended
    }

    fn init(&mut self, start: u32, last: u32) {
        self.start = start;
        self.ack = Wrapping {
            seq: start,
            wraps: 0,
        };
        self.last = Wrapping {
            seq: last,
            wraps: 0,
        };
    }

    /// Sets the sequence space from a segment of this end's, where its state asks for it.
    /// `past` is the number after the segment.
    pub(super) fn init_from_own(&mut self, segment: &Segment, past: u32) {
        let syn = segment.flags.syn();
        match self.state {
            // As though a SYN had come before, to keep relative numbers the same.
            EndState::Inactive if !syn => self.init(segment.seq.wrapping_sub(1), segment.seq),
            EndState::SynSent | EndState::SynAckSent if syn && segment.seq != self.start => {
                self.init(segment.seq, past);
            }
            EndState::Inactive | EndState::Established | EndState::Partial if syn => {
                self.init(segment.seq, past);
            }
            EndState::Reset if syn && self.prev_state == EndState::Inactive => {
                self.init(segment.seq, past);
            }
            _ => {}
        }
    }

    /// Sets the sequence space of an end not heard yet from what its peer acknowledges.
    pub(super) fn init_from_peer(&mut self, ack: u32) {
        self.init(ack.wrapping_sub(1), ack.wrapping_sub(1));
    }

    fn relative_to(&self, reference: Wrapping, seq: u32) -> Option<u64> {
        let delta = seq_delta(seq, reference.seq);
        let mut wraps = reference.wraps;
        if delta < 0 && wraps > 0 && seq > reference.seq {
            wraps -= 1;
        } else if delta > 0 && seq < reference.seq {
            wraps += 1;
        }
        if wraps == 0 {
            return u64::try_from(seq_delta(seq, self.start)).ok();
        }
        u64::try_from(Wrapping { seq, wraps }.full() - i64::from(self.start)).ok()
    }

    /// `seq` relative to the start, `None` when it lies before it.
    pub(super) fn relative_seq(&self, seq: u32) -> Option<u64> {
        self.relative_to(self.last, seq)
    }

    /// An acknowledgement of this end's bytes relative to the start, `None` when before it.
    pub(super) fn relative_ack(&self, ack: u32) -> Option<u64> {
        self.relative_to(self.ack, ack)
    }

    /// The peer acknowledged up to `ack`.
    pub(super) const fn update_ack(&mut self, ack: u32) {
        let delta = seq_delta(ack, self.ack.seq);
        // An ACK of zero far ahead is broken rather than a long flow that lands there.
        let broken = ack == 0 && delta > TOO_LARGE_DELTA;
        if delta > 0 && !broken {
            self.ack.advance(ack);
        }
    }

    /// This end sent up to `past`; returns whether it sent only what it had sent before.
    pub(super) fn update_last(&mut self, past: u32, flags: TcpFlags, len: u32) -> bool {
        let delta = seq_delta(past, self.last.seq);
        if (flags.syn() || flags.rst()) && !(-TOO_LARGE_DELTA..=TOO_LARGE_DELTA).contains(&delta) {
            return false;
        }
        if flags.fin() && self.last.seq == self.start.wrapping_add(1) {
            self.last.advance(past);
            return false;
        }
        if self.state == EndState::Reset {
            return false;
        }
        if delta > 0 {
            self.last.advance(past);
            return false;
        }
        len > 0
    }

    /// Payload bytes by sequence numbers, including those acknowledged but never captured.
    pub(super) fn size(&self, peer: EndState) -> u64 {
        let aborted_half_open = self.prev_state == EndState::SynSent
            && self.state == EndState::Reset
            && peer == EndState::Inactive
            && !self.nothing_acked();
        if aborted_half_open {
            return 0;
        }
        let reached = self.last.full().max(self.ack.full()) - i64::from(self.start);
        let octets = 1 + i64::from(self.saw_fin && reached > 1);
        u64::try_from(reached - octets).unwrap_or(0)
    }

    /// Whether none of its data was acknowledged.
    pub(super) const fn nothing_acked(&self) -> bool {
        let acked = self.ack.full() - self.start as i64;
        acked == 0 || acked == 1
    }

    fn sender(&self, peer: EndState) -> Sender {
        let acked = u64::try_from(self.ack.full() - i64::from(self.start)).unwrap_or(0);
        Sender {
            acked,
            nothing_acked: self.nothing_acked(),
            size: self.size(peer),
        }
    }

    /// Takes note of captured payload at relative number `seq`.
    pub(super) fn sent(&mut self, seq: u64, len: u32, peer: EndState) {
        let sender = self.sender(peer);
        self.delivery.sent(seq, len, sender);
    }

    /// Whether bytes are missing before this end's last one, so that its close must wait.
    pub(super) fn data_pending(&self, peer_has_undelivered: bool) -> bool {
        if self.delivery.is_abandoned() {
            return false;
        }
        let delivered = i64::try_from(self.delivery.next()).unwrap_or(i64::MAX);
        let last = self.last.full() - i64::from(self.start);
        if last < delivered {
            return false;
        }
        if delivered != last - 1 && delivered != last {
            return true;
        }
        self.state != EndState::Reset && peer_has_undelivered
    }

    /// Whether it is in a state in which missing bytes mean something.
    pub(super) fn is_clean(&self) -> bool {
        self.state == EndState::Established
            || (self.state == EndState::Closed && self.prev_state == EndState::Established)
    }
}
