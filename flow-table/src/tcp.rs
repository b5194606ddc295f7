//! A TCP flow: one segment at a time, as Zeek's `TCPSessionAdapter` sees it
//! (`docs/conn-log.md`, A.4 to A.11).
//!
//! [`Tcp::segment`] is the whole story, in the order that decides corner cases; what each end
//! knows is in [`end`], bytes that went missing in [`delivery`].

mod delivery;
mod end;
mod odd;
mod step;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::compact::fold;
use crate::flow::Common;
use crate::odd::Oddities;
use crate::packet::{Segment, TcpFlags};
use crate::timers::{ATTEMPT_DELAY, CLOSE_DELAY, Patience, SESSION_TIMER};
use crate::{ConnState, Side, Timestamp, ports};

use delivery::{Above, stretches};
use end::{Did, EndState, TcpEnd};

/// The history of a flow of which only a SYN-ACK was seen.
const ONLY_SYN_ACK: &[u8] = b"H";

/// Letters that stand at most once for each end.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
struct Seen(u8);

impl Seen {
    const SYN: u8 = 1;
    const FIN: u8 = 2;
    const RST: u8 = 4;
    const DATA: u8 = 8;
    const ACK: u8 = 16;
    const FIN_RST: u8 = 32;
    const MULTI: u8 = 64;
    /// Whether a packet of this end went through (not a history letter).
    const PACKET: u8 = 128;

    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

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

/// What a segment made known that detectors hear of at once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Milestones {
    /// The responder sent something that is no reset.
    pub answered: bool,
    /// The originator acknowledged the responder's SYN.
    pub completed: bool,
    /// The responder reset the originator's attempt.
    pub refused: bool,
    /// What is odd about it.
    pub odd: Oddities,
    /// It acknowledged something in the middle of an established flow.
    pub acked: bool,
    /// Some of that was never seen.
    pub missed: bool,
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
        let (mut acked, mut missed) = (false, false);
        if let Some(rel_ack) = rel_ack {
            (acked, missed) = self.deliver_ack(common, me.peer(), rel_ack);
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
            missed,
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
    /// nearly every one [`Self::segment`] would come to no more than this. Returns whether it
    /// acknowledged anything new; any other segment has changed nothing.
    #[inline]
    pub(crate) fn take_plain(
        &mut self,
        common: &Common,
        from: Side,
        seg: &Segment,
    ) -> Option<bool> {
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
        let apart = || !stretches(common.rare.as_deref(), from).is_empty();
        if !tells_nothing {
            return None;
        }
        me.take_plain(peer, seg, apart)
    }

    fn both_closed(&self) -> bool {
        self.end(Side::Orig).did(Did::Close) && self.end(Side::Resp).did(Did::Close)
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

    /// Adds what stands at most once for each end. Returns whether that turned the flow round:
    /// one that began with a SYN-ACK and now shows data or an ACK was opened by the other side.
    fn note_once(&mut self, common: &mut Common, side: Side, what: u8, letter: u8) -> bool {
        if self.seen_mut(side).has(what) {
            return false;
        }
        let turn = matches!(letter, b'A' | b'D') && common.letters() == ONLY_SYN_ACK;
        let side = if turn {
            self.flip(common);
            common.set_letters(b"^h");
            side.peer()
        } else {
            side
        };
        self.seen_mut(side).0 |= what;
        common.note(side, letter);
        turn
    }

    /// Adds a letter again when its packet is not the one that already stands.
    fn note_again(&mut self, common: &mut Common, side: Side, what: u8, letter: u8, moved: bool) {
        if self.seen_mut(side).has(what) {
            if moved {
                common.note(side, letter);
            }
        } else {
            self.note_once(common, side, what, letter);
        }
    }

    fn note_history(
        &mut self,
        common: &mut Common,
        side: Side,
        seg: &Segment,
        rel_seq: u64,
    ) -> bool {
        let flags = seg.flags;
        // Only "the same as last time" matters.
        let rel = fold(rel_seq);
        let rel_end = fold(rel_seq.saturating_add(seg.len.into()));
        match (flags.syn(), flags.fin(), flags.rst()) {
            (false, false, false) if seg.len > 0 => {
                return self.note_once(common, side, Seen::DATA, b'D');
            }
            (false, false, false) if flags.ack() => {
                return self.note_once(common, side, Seen::ACK, b'A');
            }
            (false, false, false) => {}
            (true, false, false) => {
                let letter = if flags.ack() { b'H' } else { b'S' };
                let moved = std::mem::replace(&mut self.end_mut(side).last_syn, rel) != rel;
                self.note_again(common, side, Seen::SYN, letter, moved);
            }
            (false, true, false) => {
                let moved = std::mem::replace(&mut self.end_mut(side).last_fin, rel_end) != rel_end;
                self.note_again(common, side, Seen::FIN, b'F', moved);
            }
            (false, false, true) => {
                let moved = std::mem::replace(&mut self.end_mut(side).last_rst, rel) != rel;
                self.note_again(common, side, Seen::RST, b'R', moved);
            }
            (_, true, true) => return self.note_once(common, side, Seen::FIN_RST, b'I'),
            _ => return self.note_once(common, side, Seen::MULTI, b'Q'),
        }
        false
    }

    fn note_window(&mut self, common: &mut Common, side: Side, seg: &Segment) {
        let telling = seg.window == 0
            && !seg.flags.rst()
            && self.state(side.peer()) != EndState::Closed
            && self.state(side) != EndState::Reset;
        if telling && self.end_mut(side).zero_windows.count() {
            common.note(side, b'W');
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

    /// Everything `side` sent below `rel_ack` arrived: what of it we never saw is a gap. Returns
    /// whether that is something new of which gaps would count, and whether there were any.
    fn deliver_ack(&mut self, common: &mut Common, side: Side, rel_ack: u64) -> (bool, bool) {
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
        (clean && new, clean && gaps > 0)
    }

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

    fn data_pending(&self, common: &Common, side: Side) -> bool {
        let above = stretches(common.rare.as_deref(), side.peer());
        let held = !above.is_empty() || self.end(side.peer()).delivery.has_unacked();
        self.end(side).data_pending(held)
    }

    /// Completes a close that waited for missing bytes, once they came or were given up.
    fn check_eof(&mut self, common: &mut Common, side: Side) {
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
    fn close(&mut self, common: &mut Common, side: Side) {
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

    /// Whether a segment may yet turn the flow round: it began with a SYN-ACK, or with segments
    /// that say nothing at all, and nothing has told since who opened it.
    pub(crate) fn may_turn(&self, history: &[u8]) -> bool {
        history.is_empty()
            || history == ONLY_SYN_ACK
            || (self.state(Side::Orig) == EndState::SynAckSent
                && self.state(Side::Resp) == EndState::Inactive)
    }

    /// Whether its own timers still mean something.
    pub(crate) const fn is_active(&self) -> bool {
        !self.is(Is::Inactive)
    }

    /// Nothing but an attempt so far: the first to go when the table is full.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.state(Side::Orig).is_handshake() && self.state(Side::Resp) == EndState::Inactive
    }

    fn milestones(&self, before: (EndState, EndState), me: Side, seg: &Segment) -> Milestones {
        let (flags, orig) = (seg.flags, self.state(Side::Orig));
        match me {
            Side::Resp if flags.rst() => Milestones {
                refused: matches!(before.0, EndState::SynSent | EndState::SynAckSent),
                ..Milestones::default()
            },
            Side::Resp => Milestones {
                answered: true,
                ..Milestones::default()
            },
            Side::Orig => Milestones {
                completed: flags.ack()
                    && !flags.rst()
                    && !flags.syn()
                    && self.state(Side::Resp) != EndState::Inactive
                    && !matches!(orig, EndState::SynSent | EndState::SynAckSent),
                ..Milestones::default()
            },
        }
    }

    /// conn.log's `conn_state` (`docs/conn-log.md`, A.10), first match.
    pub(crate) fn conn_state(&self, history: &[u8]) -> ConnState {
        use EndState::{Closed, Established, Inactive, Reset, SynAckSent, SynSent};
        let (orig, resp) = (self.state(Side::Orig), self.state(Side::Resp));
        let empty = self.size(Side::Orig) == 0 && self.size(Side::Resp) == 0;
        match (orig, resp) {
            (SynSent | SynAckSent, Reset) => ConnState::Rej,
            (Reset, Reset) if empty => ConnState::Rej,
            (_, Reset) if orig.is_inactive_or_partial() => ConnState::Rstrh,
            (_, Reset) => ConnState::Rstr,
            (Reset, _) if resp.is_inactive_or_partial() => {
                if is_syn_then_reset(history) {
                    ConnState::Rstos0
                } else {
                    ConnState::Oth
                }
            }
            (Reset, _) => ConnState::Rsto,
            (Closed, Closed) => ConnState::Sf,
            (Closed, _) if resp.is_inactive_or_partial() => ConnState::Sh,
            (Closed, _) => ConnState::S2,
            (_, Closed) if orig.is_inactive_or_partial() => ConnState::Shr,
            (_, Closed) => ConnState::S3,
            (SynSent, Inactive) => ConnState::S0,
            (Established, Established) => ConnState::S1,
            _ => ConnState::Oth,
        }
    }
}

/// `\^?S[^HAFGIQ]*R.*`: an optional flip, a SYN, then a RST with nothing of note between.
fn is_syn_then_reset(history: &[u8]) -> bool {
    let history = history.strip_prefix(b"^").unwrap_or(history);
    let Some(rest) = history.strip_prefix(b"S") else {
        return false;
    };
    let quiet = rest
        .iter()
        .take_while(|letter| !b"HAFGIQR".contains(letter))
        .count();
    rest.get(quiet) == Some(&b'R')
}
