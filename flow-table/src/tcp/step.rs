//! The state machine of a TCP flow's two ends (`docs/conn-log.md`, A.10).

use super::{Did, EndState, Is, Seen, Tcp};
use crate::flow::Common;
use crate::packet::Segment;
use crate::{Side, Timestamp};

impl Tcp {
    /// Moves the state of the end a segment came from, and of its peer where that follows.
    /// `from` is the side it came from when it arrived, before the flow may have been turned
    /// round. Returns the side it is from now, and whether that side is done.
    pub(super) fn step(
        &mut self,
        common: &mut Common,
        me: Side,
        from: Side,
        seg: &Segment,
        ts: Timestamp,
    ) -> (Side, bool) {
        // A state entered by an earlier packet is what "before" means from here on.
        let flags = seg.flags;
        match self.state(me) {
            EndState::Inactive => self.step_inactive(common, me, from, seg, ts),
            EndState::SynSent | EndState::SynAckSent => {
                if flags.fin() {
                    self.set_state(common, me, EndState::Closed);
                }
                if flags.rst() {
                    self.set_state(common, me, EndState::Reset);
                    self.set(Is::Inactive, true);
                }
                (me, flags.fin() || flags.rst())
            }
            EndState::Established | EndState::Partial => {
                (me, self.step_established(common, me, seg))
            }
            EndState::Closed => {
                let resets = flags.rst() && self.state(me.peer()) != EndState::Closed;
                if resets {
                    self.set_state(common, me, EndState::Reset);
                }
                (me, resets && !self.end(me).did(Did::Close))
            }
            EndState::Reset => (me, false),
        }
    }

    fn step_inactive(
        &mut self,
        common: &mut Common,
        me: Side,
        from: Side,
        seg: &Segment,
        ts: Timestamp,
    ) -> (Side, bool) {
        let (flags, mut me) = (seg.flags, me);
        if flags.syn() {
            me = self.step_inactive_syn(common, me, from, seg, ts);
        }
        if flags.fin() {
            self.set_state(common, me, EndState::Closed);
        }
        if flags.rst() {
            self.set_state(common, me, EndState::Reset);
        }
        if self.state(me) == EndState::Inactive {
            self.step_inactive_plain(common, me, from, seg);
        }
        (me, flags.fin() || flags.rst())
    }

    fn step_inactive_syn(
        &mut self,
        common: &mut Common,
        me: Side,
        from: Side,
        seg: &Segment,
        ts: Timestamp,
    ) -> Side {
        if from == Side::Orig {
            let sent = if seg.flags.ack() {
                EndState::SynAckSent
            } else {
                EndState::SynSent
            };
            self.set_state(common, me, sent);
            Self::arm_attempt(common, ts);
            return me;
        }
        let (mut me, mut peer) = (me, me.peer());
        let reversed = !seg.flags.ack()
            && self.state(peer) == EndState::SynAckSent
            && seg.seq == self.end(me).start_seq();
        if reversed {
            // The SYN-ACK was seen before its SYN (A.4, rule 4).
            self.flip(common);
            (me, peer) = (peer, me);
            self.set_state(common, peer, EndState::Established);
            self.seen_mut(Side::Orig).0 |= Seen::PACKET;
        }
        if self.state(peer) == EndState::SynSent {
            self.set_state(common, peer, EndState::Established);
        }
        self.set_state(common, me, EndState::Established);
        if self.state(peer) != EndState::Partial {
            self.on_established(common);
        }
        me
    }

    /// No control flag that would tell: an end whose beginning was not seen.
    fn step_inactive_plain(&mut self, common: &mut Common, me: Side, from: Side, seg: &Segment) {
        let early_ack =
            from == Side::Resp && seg.len == 0 && self.state(Side::Orig) == EndState::SynSent;
        if early_ack {
            return;
        }
        if seg.flags.ack() && self.state(me.peer()) == EndState::Established {
            self.set_state(common, me, EndState::Established);
            self.set(Is::Partial, false);
            self.seen_mut(me).0 |= Seen::PACKET;
        } else {
            self.set_state(common, me, EndState::Partial);
        }
    }

    fn step_established(&mut self, common: &mut Common, me: Side, seg: &Segment) -> bool {
        let (flags, peer) = (seg.flags, me.peer());
        let late_syn = flags.syn()
            && !flags.ack()
            && self.state(me) == EndState::Partial
            && self.state(peer) == EndState::Inactive;
        if late_syn {
            self.set_state(common, me, EndState::SynSent);
        }
        if flags.fin() && !flags.rst() {
            self.set_state(common, me, EndState::Closed);
            let end = self.end(peer);
            if end.state == EndState::Reset && end.prev_state() == EndState::Closed {
                // FIN and then RST from the peer: this was a normal end after all.
                self.set_state(common, peer, EndState::Closed);
            }
        }
        if flags.rst() {
            self.set_state(common, me, EndState::Reset);
            let end = self.end(peer);
            if end.state != EndState::Reset || end.prev_state() != EndState::Established {
                self.set(Is::Inactive, true);
            }
        }
        flags.fin() || flags.rst()
    }
}
