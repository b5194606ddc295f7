//! The letters of a flow's history that its segments add (`docs/conn-log.md`, A.11).

use serde::{Deserialize, Serialize};

use super::{EndState, Tcp};
use crate::Side;
use crate::compact::fold;
use crate::flow::Common;
use crate::packet::Segment;

/// The history of a flow of which only a SYN-ACK was seen.
pub(super) const ONLY_SYN_ACK: &[u8] = b"H";

/// Letters that stand at most once for each end.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(super) struct Seen(pub(super) u8);

impl Seen {
    const SYN: u8 = 1;
    const FIN: u8 = 2;
    const RST: u8 = 4;
    pub(super) const DATA: u8 = 8;
    pub(super) const ACK: u8 = 16;
    const FIN_RST: u8 = 32;
    const MULTI: u8 = 64;
    /// Whether a packet of this end went through (not a history letter).
    pub(super) const PACKET: u8 = 128;

    pub(super) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

impl Tcp {
    pub(super) fn note_history(
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

    pub(super) fn note_window(&mut self, common: &mut Common, side: Side, seg: &Segment) {
        let telling = seg.window == 0
            && !seg.flags.rst()
            && self.state(side.peer()) != EndState::Closed
            && self.state(side) != EndState::Reset;
        if telling && self.end_mut(side).zero_windows.count() {
            common.note(side, b'W');
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
}
