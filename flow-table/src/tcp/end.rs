//! One end of a TCP flow: its state and its sequence numbers.

mod plain;

use serde::{Deserialize, Serialize};

use super::delivery::{Above, Delivery, Sender};
use crate::compact::Scaled;
use crate::packet::{Segment, TcpFlags};

/// A sequence number jump larger than this is not believed on SYN, RST or an ACK of zero.
const TOO_LARGE_DELTA: i32 = 1 << 20;

/// What an end is known to have done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
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
    wraps: u16,
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

/// One end of a TCP flow. Packed, because padding in a million flows is megabytes.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
#[repr(Rust, packed(2))]
pub(super) struct TcpEnd {
    start: u32,
    last_seq: u32,
    ack_seq: u32,
    /// The number after the FIN, relative, its low half.
    fin_low: u32,
    last_wraps: u16,
    ack_wraps: u16,
    /// What the last SYN, FIN and RST came with, for telling a repeated one.
    pub(super) last_syn: u16,
    pub(super) last_fin: u16,
    pub(super) last_rst: u16,
    pub(super) delivery: Delivery,
    pub(super) retransmits: Scaled,
    pub(super) zero_windows: Scaled,
    pub(super) state: EndState,
    /// [`Did`] in the low bits, the state before this one in the high ones.
    flags: u8,
}

/// Where the state before stands in the flags.
const PREV_SHIFT: u32 = 4;

/// What an end did once and for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Did {
    /// Its part of the flow is over.
    Close = 1,
    /// It sent a FIN.
    Fin = 2,
    /// All it sent before its end was delivered, or given up.
    Eof = 4,
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
        self.flags = (self.flags & 0x0f) | ((self.state as u8) << PREV_SHIFT);
        self.state = state;
        ended
    }

    const fn last(&self) -> Wrapping {
        Wrapping {
            seq: self.last_seq,
            wraps: self.last_wraps,
        }
    }

    const fn ack(&self) -> Wrapping {
        Wrapping {
            seq: self.ack_seq,
            wraps: self.ack_wraps,
        }
    }

    const fn advance_last(&mut self, to: u32) {
        let mut last = self.last();
        last.advance(to);
        (self.last_seq, self.last_wraps) = (last.seq, last.wraps);
    }

    /// The state before this one.
    pub(super) const fn prev_state(&self) -> EndState {
        match self.flags >> PREV_SHIFT {
            1 => EndState::SynSent,
            2 => EndState::SynAckSent,
            3 => EndState::Partial,
            4 => EndState::Established,
            5 => EndState::Closed,
            6 => EndState::Reset,
            _ => EndState::Inactive,
        }
    }

    pub(super) const fn did(&self, what: Did) -> bool {
        self.flags & what as u8 != 0
    }

    /// Notes what it did; returns whether that is new.
    pub(super) const fn note(&mut self, what: Did) -> bool {
        let new = !self.did(what);
        self.flags |= what as u8;
        new
    }

    /// A FIN was seen; `seq` is the relative number after it.
    pub(super) fn note_fin(&mut self, seq: u64) {
        self.note(Did::Fin);
        self.fin_low = low_half(seq);
    }

    /// The relative number after the FIN: the one nearest to what was sent.
    pub(super) fn fin_seq(&self) -> u64 {
        let sent = u64::try_from(self.last().full() - i64::from(self.start)).unwrap_or(0);
        let ahead = i64::from(seq_delta(self.fin_low, low_half(sent)));
        sent.saturating_add_signed(ahead)
    }

    fn init(&mut self, start: u32, last: u32) {
        self.start = start;
        (self.ack_seq, self.ack_wraps) = (start, 0);
        (self.last_seq, self.last_wraps) = (last, 0);
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
            EndState::Reset if syn && self.prev_state() == EndState::Inactive => {
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
        self.relative_to(self.last(), seq)
    }

    /// An acknowledgement of this end's bytes relative to the start, `None` when before it.
    pub(super) fn relative_ack(&self, ack: u32) -> Option<u64> {
        self.relative_to(self.ack(), ack)
    }

    /// The peer acknowledged up to `ack`.
    pub(super) const fn update_ack(&mut self, ack: u32) {
        let delta = seq_delta(ack, self.ack_seq);
        // An ACK of zero far ahead is broken rather than a long flow that lands there.
        let broken = ack == 0 && delta > TOO_LARGE_DELTA;
        if delta > 0 && !broken {
            let mut reached = self.ack();
            reached.advance(ack);
            (self.ack_seq, self.ack_wraps) = (reached.seq, reached.wraps);
        }
    }

    /// This end sent up to `past`; returns whether it sent only what it had sent before.
    pub(super) fn update_last(&mut self, past: u32, flags: TcpFlags, len: u32) -> bool {
        let delta = seq_delta(past, self.last_seq);
        if (flags.syn() || flags.rst()) && !(-TOO_LARGE_DELTA..=TOO_LARGE_DELTA).contains(&delta) {
            return false;
        }
        if flags.fin() && self.last_seq == self.start.wrapping_add(1) {
            self.advance_last(past);
            return false;
        }
        if self.state == EndState::Reset {
            return false;
        }
        if delta > 0 {
            self.advance_last(past);
            return false;
        }
        len > 0
    }

    /// Payload bytes by sequence numbers, including those acknowledged but never captured.
    pub(super) fn size(&self, peer: EndState) -> u64 {
        let aborted_half_open = self.prev_state() == EndState::SynSent
            && self.state == EndState::Reset
            && peer == EndState::Inactive
            && !self.nothing_acked();
        if aborted_half_open {
            return 0;
        }
        let reached = self.last().full().max(self.ack().full()) - i64::from(self.start);
        let octets = 1 + i64::from(self.did(Did::Fin) && reached > 1);
        u64::try_from(reached - octets).unwrap_or(0)
    }

    /// Whether none of its data was acknowledged.
    pub(super) const fn nothing_acked(&self) -> bool {
        let acked = self.ack().full() - self.start as i64;
        acked == 0 || acked == 1
    }

    fn sender(&self, peer: EndState) -> Sender {
        let acked = u64::try_from(self.ack().full() - i64::from(self.start)).unwrap_or(0);
        Sender {
            acked,
            nothing_acked: self.nothing_acked(),
            size: self.size(peer),
        }
    }

    /// Takes note of captured payload at relative number `seq`; whether deliveries were given up with it.
    pub(super) fn sent(
        &mut self,
        seq: u64,
        len: u32,
        peer: EndState,
        above: &mut Above<'_>,
    ) -> bool {
        let (sender, before) = (self.sender(peer), self.delivery.is_abandoned());
        self.delivery.sent(seq, len, sender, above);
        !before && self.delivery.is_abandoned()
    }

    /// Whether a number lies in what it sent.
    pub(super) fn has_sent(&self, seq: u32) -> bool {
        seq_delta(seq, self.start) >= 0 && seq_delta(seq, self.last_seq) <= 0
    }

    /// Whether a number lies beyond what it sent.
    pub(super) fn is_beyond_last(&self, past: u32) -> bool {
        seq_delta(past, self.last_seq) > 0
    }

    /// Whether bytes are missing before this end's last one, or bytes of its peer's still wait (for a
    /// hole to be filled, or to be acknowledged), so that its close must wait.
    pub(super) fn data_pending(&self, peer_is_held: bool) -> bool {
        if self.delivery.is_abandoned() {
            return false;
        }
        let delivered = i64::try_from(self.delivery.next()).unwrap_or(i64::MAX);
        let last = self.last().full() - i64::from(self.start);
        if last < delivered {
            return false;
        }
        if delivered != last - 1 && delivered != last {
            return true;
        }
        self.state != EndState::Reset && peer_is_held
    }

    /// Whether it is in a state in which missing bytes mean something.
    pub(super) fn is_clean(&self) -> bool {
        self.state == EndState::Established
            || (self.state == EndState::Closed && self.prev_state() == EndState::Established)
    }
}

const fn low_half(wide: u64) -> u32 {
    (wide & 0xffff_ffff) as u32
}
