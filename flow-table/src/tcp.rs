//! A TCP flow: one segment at a time, as Zeek's `TCPSessionAdapter` sees it
//! (`docs/conn-log.md`, A.4 to A.11).
//!
//! [`Tcp::segment`] is the whole story, in the order that decides corner cases; what each end
//! knows is in [`end`], how its state moves in [`step`], bytes that went missing in [`delivery`],
//! the end of it all in [`close`], and what conn.log says in [`letters`] and [`told`].

mod close;
mod delivery;
mod end;
mod letters;
mod odd;
mod step;
mod told;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::flow::Common;
use crate::packet::{Segment, TcpFlags};
use crate::timers::{ATTEMPT_DELAY, Patience};
use crate::{Side, Timestamp, ports};

use delivery::Above;
use end::{Did, EndState, TcpEnd};
use letters::{ONLY_SYN_ACK, Seen};

pub(crate) use told::{Acked, Milestones};

/// A TCP flow's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tcp {
    ends: [TcpEnd; 2],
    seen: [Seen; 2],
    flags: u8,
}

/// What holds for the whole flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Is {
    /// Picked up midstream, or its SYN was not seen.
    Partial = 1,
    /// Finished or reset: its own timers mean nothing any more.
    Inactive = 2,
    /// A close waits for missing bytes.
    CloseDeferred = 4,
    /// Something about it was odd.
    Odd = 8,
}

impl Tcp {
    /// A flow nothing was seen of.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    const fn is(&self, what: Is) -> bool {
        self.flags & what as u8 != 0
    }

    const fn set(&mut self, what: Is, holds: bool) {
        if holds {
            self.flags |= what as u8;
        } else {
            self.flags &= !(what as u8);
        }
    }

    fn end(&self, side: Side) -> &TcpEnd {
        let [orig, resp] = &self.ends;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut TcpEnd {
        let [orig, resp] = &mut self.ends;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn seen_mut(&mut self, side: Side) -> &mut Seen {
        let [orig, resp] = &mut self.seen;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn state(&self, side: Side) -> EndState {
        self.end(side).state
    }

    /// Payload bytes sent by `side`.
    pub(crate) fn size(&self, side: Side) -> u64 {
        self.end(side).size(self.state(side.peer()))
    }

    /// Turns the flow round: whoever was taken for the responder is the originator.
    fn flip(&mut self, common: &mut Common) {
        self.ends.swap(0, 1);
        self.seen.swap(0, 1);
        self.set(Is::Partial, false);
        common.flip();
    }

    /// Whether a SYN begins a new flow on this one's ends (Zeek's `IsReuse`).
    pub(crate) fn is_reuse(&self, flags: TcpFlags, seq: u32) -> bool {
        let (orig, resp) = (self.end(Side::Orig), self.end(Side::Resp));
        if !flags.syn() || (flags.ack() && orig.state != EndState::Inactive) {
            return false;
        }
        if orig.did(Did::Close) || resp.did(Did::Close) {
            return true;
        }
        let opener = if flags.ack() { resp } else { orig };
        if seq == opener.start_seq() {
            return false;
        }
        let reversed = !flags.ack()
            && orig.state == EndState::SynAckSent
            && resp.state == EndState::Inactive
            && seq == resp.start_seq();
        !reversed
    }

    /// Takes a segment from `from`, seen at `ts`. Returns the side it is from now (the flow may
    /// have been turned round) and what it made known.
    pub(crate) fn segment(
        &mut self,
        common: &mut Common,
        from: Side,
        seg: &Segment,
        ts: Timestamp,
    ) -> (Side, Milestones) {
        let mut me = from;
        let mut odd = self.odd(me, from, seg);
        self.note_partial(me, seg.flags);
        let consumed = if seg.flags.rst() { 0 } else { seg.len }
            .wrapping_add(u32::from(seg.flags.syn()) + u32::from(seg.flags.fin()));
        let past = seg.seq.wrapping_add(consumed);
        self.end_mut(me).init_from_own(seg, past);
        let relative = self.end(me).relative_seq(seg.seq);
        let rel_seq = relative.unwrap_or(0);
        odd = odd.and(self.odd_numbers(me, seg, relative));
        if self.note_history(common, me, seg, rel_seq) {
            me = me.peer();
        }
        self.note_window(common, me, seg);
        if !self.both_closed() {
            common.last = ts;
        }
        if seg.flags.fin() {
            let past = rel_seq.saturating_add(u64::from(consumed));
            self.end_mut(me).note_fin(past);
        }
        let rel_ack = if seg.flags.ack() {
            Some(self.note_ack(me, seg))
        } else {
            None
        };
        if self.end_mut(me).update_last(past, seg.flags, seg.len)
            && self.end_mut(me).retransmits.count()
        {
            common.note(me, b'T');
        }
        let before = (self.state(Side::Orig), self.state(Side::Resp));
        let (now_me, closes) = self.step(common, me, from, seg, ts);
        me = now_me;
        let mut acked = Acked::default();
        if let Some(rel_ack) = rel_ack {
            acked = self.deliver_ack(common, me.peer(), rel_ack);
        }
        self.seen_mut(me).0 |= Seen::PACKET;
        if relative.is_some() && self.take_payload(common, me, seg, rel_seq) {
            odd.note(self.odd_for_giving_up(me));
        }
        self.check_eof(common, me);
        if closes {
            self.close(common, me);
        }
        if !odd.is_empty() {
            self.set(Is::Odd, true);
        }
        let milestones = self.milestones(before, me, seg);
        let milestones = Milestones {
            odd,
            acked,
            ..milestones
        };
        (me, milestones)
    }

    /// Takes note of captured payload; whether deliveries were given up with it.
    fn take_payload(&mut self, common: &mut Common, me: Side, seg: &Segment, rel_seq: u64) -> bool {
        if seg.len == 0 || !seg.whole || seg.flags.rst() {
            return false;
        }
        let peer = self.state(me.peer());
        let first = rel_seq + u64::from(seg.flags.syn());
        let above = &mut Above::of(&mut common.rare, me);
        self.end_mut(me).sent(first, seg.len, peer, above)
    }

    /// Whether it was picked up midstream, or its SYN was not seen.
    pub(crate) const fn is_partial(&self) -> bool {
        self.is(Is::Partial)
    }

    /// Number of the first payload byte of a segment that was taken, among those that `side` sent: the
    /// first of all is 1.
    pub(crate) fn payload_at(&self, side: Side, segment: &Segment) -> Option<u64> {
        let seq = self.end(side).relative_seq(segment.seq)?;
        Some(seq + u64::from(segment.flags.syn()))
    }

    /// Number of the first byte of `side` that a segment that was taken does not acknowledge.
    pub(crate) fn acked(&self, side: Side, segment: &Segment) -> Option<u64> {
        if !segment.flags.ack() {
            return None;
        }
        let acked = self.end(side).relative_ack(segment.ack)?;
        Some(self.fin_at(side).map_or(acked, |fin| acked.min(fin)))
    }

    /// Number of the byte that `side` would have sent after its last, once its FIN was seen.
    pub(crate) fn fin_at(&self, side: Side) -> Option<u64> {
        let end = self.end(side);
        end.did(Did::Fin).then(|| end.fin_seq().saturating_sub(1))
    }

    /// Takes a segment in the middle of an established flow, in order and telling nothing new: for
    /// nearly every one [`Self::segment`] would come to no more than this. Returns what it
    /// acknowledged; any other segment has changed nothing.
    #[inline]
    pub(crate) fn take_plain(
        &mut self,
        common: &mut Common,
        from: Side,
        seg: &Segment,
    ) -> Option<Acked> {
        let ([orig, resp], [seen_orig, seen_resp]) = (&mut self.ends, self.seen);
        let (me, peer, seen) = match from {
            Side::Orig => (orig, resp, seen_orig),
            Side::Resp => (resp, orig, seen_resp),
        };
        let letter = if seg.len > 0 { Seen::DATA } else { Seen::ACK };
        // The first that was cut is odd.
        let tells_nothing = seg.flags.is_mere_ack()
            && seg.window != 0
            && (seg.whole || self.flags & Is::Odd as u8 != 0)
            && seen.0 & (Seen::PACKET | letter) == Seen::PACKET | letter;
        if !tells_nothing {
            return None;
        }
        let (new, missed) = me.take_plain(peer, seg, from, common.rare.as_deref())?;
        if missed > 0 {
            Self::note_gaps(common, from.peer(), missed, 1);
        }
        Some(Acked {
            new,
            missed: missed > 0,
        })
    }

    fn note_partial(&mut self, side: Side, flags: TcpFlags) {
        if self.seen_mut(side).has(Seen::PACKET) {
            return;
        }
        match side {
            Side::Orig => self.set(Is::Partial, !flags.syn() || flags.ack()),
            Side::Resp => self.set(Is::Partial, self.is(Is::Partial) || !flags.syn()),
        }
    }

    /// Takes the acknowledgement of the peer's bytes; returns it relative to their start.
    fn note_ack(&mut self, side: Side, seg: &Segment) -> u64 {
        let peer = self.end_mut(side.peer());
        if peer.state == EndState::Inactive {
            peer.init_from_peer(seg.ack);
            return 1;
        }
        let Some(rel_ack) = peer.relative_ack(seg.ack) else {
            return 0;
        };
        if !seg.flags.rst() {
            peer.update_ack(seg.ack);
        }
        rel_ack
    }

    /// Everything `side` sent below `rel_ack` arrived: what of it we never saw is a gap, where gaps
    /// count.
    fn deliver_ack(&mut self, common: &mut Common, side: Side, rel_ack: u64) -> Acked {
        let clean = self.ends.iter().all(TcpEnd::is_clean);
        let partial = self.is(Is::Partial);
        let end = self.end_mut(side);
        let seq = if end.did(Did::Fin) && rel_ack >= end.fin_seq() {
            end.fin_seq().saturating_sub(1)
        } else {
            rel_ack
        };
        let (mut missed, mut gaps) = (0, 0_u32);
        let above = &mut Above::of(&mut common.rare, side);
        let new = end.delivery.acked(seq, partial, above, |len| {
            missed += len;
            gaps += 1;
        });
        if clean && gaps > 0 {
            Self::note_gaps(common, side, missed, gaps);
        }
        self.check_eof(common, side);
        Acked {
            new: clean && new,
            missed: clean && gaps > 0,
        }
    }

    #[inline(never)]
    fn note_gaps(common: &mut Common, side: Side, missed: u64, gaps: u32) {
        let rare = common.rare();
        rare.missed_bytes = rare.missed_bytes.saturating_add(missed);
        let letters = (0..gaps)
            .filter(|_| rare.gaps.get_mut(side).count())
            .count();
        for _ in 0..letters {
            common.note(side, b'G');
        }
    }

    /// Arms what follows from a change of state.
    fn set_state(&mut self, common: &mut Common, side: Side, state: EndState) {
        let peer_in_handshake = self.state(side.peer()).is_handshake();
        if self.end_mut(side).set_state(state) && peer_in_handshake {
            common.timers.patience = Patience::FiveMinutes;
        }
    }

    fn arm_attempt(common: &mut Common, ts: Timestamp) {
        common.timers.arm_attempt(ts + ATTEMPT_DELAY);
    }

    /// An interactive service may be silent for long.
    fn on_established(&self, common: &mut Common) {
        let id = common.ports();
        let half = self.state(Side::Orig) == EndState::Inactive
            && !ports::is_likely_tcp_server(id.1)
            && ports::is_likely_tcp_server(id.0);
        let service = if half { id.0 } else { id.1 };
        if ports::is_interactive(service) {
            common.timers.patience = Patience::Hour;
        }
    }

    /// Whether a segment may yet turn the flow round: it began with a SYN-ACK, or with segments
    /// that say nothing at all, and nothing has told since who opened it.
    pub(crate) fn may_turn(&self, history: &[u8]) -> bool {
        history.is_empty()
            || history == ONLY_SYN_ACK
            || (self.state(Side::Orig) == EndState::SynAckSent
                && self.state(Side::Resp) == EndState::Inactive)
    }
}
