//! What is odd about a segment. The conditions are Zeek's.

use super::{Did, EndState, Is, Tcp};
use crate::Side;
use crate::Span;
use crate::odd::{Oddities, Oddity};
use crate::packet::{Segment, TcpFlags};
use crate::timers::LINGER;

impl Tcp {
    /// About a segment from `me`, before anything is made of it.
    pub(super) fn odd(&self, me: Side, from: Side, seg: &Segment) -> Oddities {
        let (flags, mut odd) = (seg.flags, Oddities::default());
        if flags.syn() {
            odd = self.odd_syn(me, seg);
        }
        let (mine, peers) = (self.state(me), self.state(me.peer()));
        let settled = mine == EndState::Established && peers == EndState::Established;
        if settled && flags.is_mere_ack() {
            return odd;
        }
        let (control, answered) = (
            flags.syn() || flags.fin() || flags.rst(),
            peers != EndState::Inactive,
        );
        let opened = matches!(
            mine,
            EndState::SynSent | EndState::SynAckSent | EndState::Established
        );
        if flags.ack() && !control && opened && !answered && !self.is(Is::Odd) {
            odd.note(Oddity::SplitRouting);
        }
        odd.and(self.odd_for_state(me, from, seg))
    }

    fn odd_syn(&self, me: Side, seg: &Segment) -> Oddities {
        let mut odd = Oddities::default();
        let (end, flags) = (self.end(me), seg.flags);
        let jumps = seg.seq != end.start_seq();
        match end.state {
            EndState::SynSent | EndState::SynAckSent if jumps => odd.note(Oddity::SynSeqJump),
            EndState::Established | EndState::Partial => {
                if self.size(me) > 0 {
                    odd.note(Oddity::SynInside);
                }
                if jumps {
                    odd.note(Oddity::SynSeqJump);
                }
            }
            _ => {}
        }
        if flags.rst() {
            odd.note(Oddity::Christmas);
        }
        if flags.urg() {
            odd.note(Oddity::BaroqueSyn);
        }
        if seg.len > 0 {
            odd.note(Oddity::SynWithData);
        }
        odd
    }

    fn odd_for_state(&self, me: Side, from: Side, seg: &Segment) -> Oddities {
        let (flags, mut odd) = (seg.flags, Oddities::default());
        let peers = self.state(me.peer());
        match self.state(me) {
            EndState::Inactive => return self.odd_beginning(me, from, seg),
            mine @ (EndState::SynSent | EndState::SynAckSent) => {
                let clean = !flags.fin() && !flags.rst();
                if flags.syn() && from == Side::Orig {
                    if flags.ack() && clean && mine != EndState::SynAckSent {
                        odd.note(Oddity::RepeatedSynWithAck);
                    }
                } else if flags.syn() && !flags.ack() && mine != EndState::SynSent {
                    odd.note(Oddity::RepeatedSynWithoutAck);
                }
                if flags.fin() && matches!(peers, EndState::Inactive | EndState::SynSent) {
                    odd.note(Oddity::InappropriateFin);
                }
                if seg.len > 0 && !flags.rst() {
                    odd.note(Oddity::DataBeforeEstablished);
                }
            }
            EndState::Partial => {
                if flags.syn() && !flags.ack() && peers == EndState::Inactive {
                    odd.note(Oddity::SynAfterPartial);
                }
            }
            EndState::Established => {}
            EndState::Closed => {
                if flags.syn() {
                    odd.note(Oddity::SynAfterClose);
                }
                let past = seg.seq.wrapping_add(seg.len).wrapping_add(1);
                if flags.fin() && self.end(me).is_beyond_last(past) {
                    odd.note(Oddity::FinAdvanced);
                }
            }
            EndState::Reset => {
                if flags.syn() {
                    odd.note(Oddity::SynAfterReset);
                }
                if flags.fin() {
                    odd.note(Oddity::Unremarked);
                }
                if seg.len > 0 && !flags.rst() {
                    odd.note(Oddity::DataAfterReset);
                }
            }
        }
        odd
    }

    /// About the first segment of an end.
    fn odd_beginning(&self, me: Side, from: Side, seg: &Segment) -> Oddities {
        let (flags, mut odd) = (seg.flags, Oddities::default());
        let (peer, peers) = (self.end(me.peer()), self.state(me.peer()));
        if flags.syn() && from == Side::Orig {
            if flags.ack() {
                odd.note(Oddity::OriginatorSynAck);
            }
        } else if flags.syn() {
            let reversed = peers == EndState::SynAckSent && seg.seq == self.end(me).start_seq();
            if flags.ack() {
                if !peers.is_inactive_or_partial() && !peer.has_sent(seg.ack) {
                    odd.note(Oddity::BadSynAck);
                }
            } else if !reversed {
                odd.note(Oddity::SimultaneousOpen);
            }
            if peers == EndState::Inactive {
                odd.note(Oddity::Unremarked);
            }
        }
        let lone_fin = flags.fin() && !flags.syn() && peers != EndState::Partial;
        if lone_fin || (flags.rst() && peers == EndState::Inactive) {
            odd.note(Oddity::Unremarked);
        }
        odd
    }

    /// About numbers that lie before the beginning; `seq` says that the segment's own does.
    pub(super) fn odd_numbers(&self, me: Side, seg: &Segment, seq: Option<u64>) -> Oddities {
        let mut odd = Oddities::default();
        if seq.is_none() && !seg.flags.rst() {
            odd.note(Oddity::SeqUnderflow);
        }
        let peer = self.end(me.peer());
        let heard = seg.flags.ack() && peer.state != EndState::Inactive;
        if heard && peer.relative_ack(seg.ack).is_none() {
            odd.note(Oddity::AckUnderflow);
        }
        if seg.len > 0 && !seg.whole && !seg.flags.rst() && seq.is_some() {
            odd.note(Oddity::TruncatedPayload);
        }
        odd
    }

    /// Deliveries were given up with this segment.
    pub(super) fn odd_for_giving_up(&self, me: Side) -> Oddity {
        if self.end(me).nothing_acked() {
            Oddity::AboveHole
        } else {
            Oddity::ExcessiveData
        }
    }

    /// About this flow, in that a SYN begins another one on its ends (see [`Self::is_reuse`]).
    /// `idle`: how long nothing came.
    pub(crate) fn odd_reuse(&self, flags: TcpFlags, idle: Span) -> Oddities {
        let [orig, resp] = &self.ends;
        let mut odd = Oddities::default();
        let reset = orig.state == EndState::Reset || resp.state == EndState::Reset;
        let is_active = |end: &super::TcpEnd| {
            !matches!(end.state, EndState::Inactive | EndState::Reset) && !end.did(Did::Close)
        };
        let opener = if flags.ack() { resp } else { orig };
        if !orig.did(Did::Close) && !resp.did(Did::Close) {
            odd.note(if opener.state == EndState::SynSent {
                Oddity::SynSeqJump
            } else {
                Oddity::ActiveReuse
            });
        } else if !reset && (is_active(orig) || is_active(resp)) {
            odd.note(Oddity::ActiveReuse);
        } else if !reset && idle < LINGER {
            odd.note(Oddity::PrematureReuse);
        }
        odd
    }
}
