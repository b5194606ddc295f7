//! When a TCP flow is over (`docs/conn-log.md`, A.6).

use super::delivery::stretches;
use super::{Did, EndState, Is, Tcp};
use crate::Side;
use crate::flow::Common;
use crate::timers::{CLOSE_DELAY, SESSION_TIMER};

impl Tcp {
    pub(super) fn both_closed(&self) -> bool {
        self.end(Side::Orig).did(Did::Close) && self.end(Side::Resp).did(Did::Close)
    }

    fn data_pending(&self, common: &Common, side: Side) -> bool {
        let above = stretches(common.rare.as_deref(), side.peer());
        let held = !above.is_empty() || self.end(side.peer()).delivery.has_unacked();
        self.end(side).data_pending(held)
    }

    /// Completes a close that waited for missing bytes, once they came or were given up.
    pub(super) fn check_eof(&mut self, common: &mut Common, side: Side) {
        let end = self.end(side);
        let closing = end.did(Did::Fin) || matches!(end.state, EndState::Closed | EndState::Reset);
        if end.did(Did::Eof) || !closing || self.data_pending(common, side) {
            return;
        }
        self.end_mut(side).note(Did::Eof);
        if self.is(Is::CloseDeferred) {
            self.close(common, side);
            self.set(Is::CloseDeferred, false);
        }
    }

    /// `side` is done: the flow leaves the table soon if the other is done too, or never was.
    pub(super) fn close(&mut self, common: &mut Common, side: Side) {
        if self.data_pending(common, side) {
            self.set(Is::CloseDeferred, true);
            return;
        }
        self.set(Is::CloseDeferred, false);
        if !self.end_mut(side).note(Did::Close) {
            return;
        }
        let peer = self.end(side.peer());
        if self.state(side) == EndState::Reset
            || peer.did(Did::Close)
            || peer.state == EndState::Inactive
        {
            common.timers.arm_delete(common.last + CLOSE_DELAY);
        } else if self.end(side).prev_state() != EndState::Inactive {
            common.timers.arm_expire(common.last + SESSION_TIMER);
        }
    }

    /// The attempt timer fired: whether the flow leaves the table.
    pub(crate) fn attempt_failed(&self) -> bool {
        self.is_active()
            && matches!(
                self.state(Side::Orig),
                EndState::SynSent | EndState::SynAckSent
            )
            && self.state(Side::Resp) == EndState::Inactive
    }

    /// An expire timer fired after the flow lingered: whether it leaves the table.
    pub(crate) fn has_expired(&self) -> bool {
        let (orig, resp) = (self.end(Side::Orig), self.end(Side::Resp));
        let any = |state| orig.state == state || resp.state == state;
        let one_closed = orig.did(Did::Close) || resp.did(Did::Close);
        (one_closed && (self.both_closed() || any(EndState::Reset) || any(EndState::Inactive)))
            || (orig.state == EndState::Inactive && resp.state == EndState::Inactive)
    }

    /// Whether its own timers still mean something.
    pub(crate) const fn is_active(&self) -> bool {
        !self.is(Is::Inactive)
    }

    /// Nothing but an attempt so far: the first to go when the table is full.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.state(Side::Orig).is_handshake() && self.state(Side::Resp) == EndState::Inactive
    }
}
