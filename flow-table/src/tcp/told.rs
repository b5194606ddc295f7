//! What conn.log and detectors are told of a TCP flow (`docs/conn-log.md`, A.10).

use super::{EndState, Tcp};
use crate::odd::Oddities;
use crate::packet::Segment;
use crate::{ConnState, Side};

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
    /// What it acknowledged in the middle of an established flow.
    pub acked: Acked,
}

/// What a segment acknowledged, where gaps count: between two ends that are established.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Acked {
    /// Something new.
    pub new: bool,
    /// Some of that was never seen.
    pub missed: bool,
}

impl Tcp {
    pub(super) fn milestones(
        &self,
        before: (EndState, EndState),
        me: Side,
        seg: &Segment,
    ) -> Milestones {
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
