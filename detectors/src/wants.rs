//! Which detector wants which event: most want few.

use flow_table::{FlowEvent, FlowEventKind};

use crate::seen::{Seen, Side, connects};

/// What an event says, or what of it a detector asks for; of the latter any will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct What(u8);

impl What {
    /// Anything at all.
    pub(crate) const ANY: Self = Self(1);
    /// A connection is opened: [`crate::seen::Seen::connects`].
    pub(crate) const CONNECTS: Self = Self(1 << 1);
    pub(crate) const ANSWERED: Self = Self(1 << 2);
    pub(crate) const COMPLETED: Self = Self(1 << 3);
    /// The originator sent packets.
    pub(crate) const PACKETS: Self = Self(1 << 4);
    /// The originator sent payload.
    pub(crate) const SENT: Self = Self(1 << 5);
    /// The responder sent payload.
    pub(crate) const RECEIVED: Self = Self(1 << 6);
    /// A flow ended.
    pub(crate) const CLOSED: Self = Self(1 << 7);
    /// How many sets there are.
    const SETS: u16 = 1 << 8;

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn of(event: &FlowEvent) -> Self {
        let kind = match event.kind {
            FlowEventKind::Opened { .. } if connects(event) => Self::CONNECTS,
            FlowEventKind::Answered => Self::ANSWERED,
            FlowEventKind::Completed => Self::COMPLETED,
            FlowEventKind::Opened { .. } | FlowEventKind::Refused | FlowEventKind::Progress => {
                Self::ANY
            }
            FlowEventKind::Closed { .. } => Self::CLOSED,
        };
        let mut what = Self::ANY.or(kind);
        for (moved, said) in [
            (event.orig.packets, Self::PACKETS),
            (event.orig.bytes, Self::SENT),
            (event.resp.bytes, Self::RECEIVED),
        ] {
            what.0 |= if moved > 0 { said.0 } else { 0 };
        }
        what
    }
}

/// The events a detector is given: those that say any of this, between hosts that are so placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    pub(crate) what: What,
    /// From which side to which.
    pub(crate) between: &'static [(Side, Side)],
}

impl Wants {
    /// No event of a flow.
    pub(crate) const NOTHING: Self = Self {
        what: What(0),
        between: &[],
    };
    pub(crate) const INSIDE: &'static [(Side, Side)] = &[(Side::Inside, Side::Inside)];
    pub(crate) const INSIDE_OUT: &'static [(Side, Side)] = &[(Side::Inside, Side::Outside)];
    /// From a host inside to any.
    pub(crate) const FROM_INSIDE: &'static [(Side, Side)] =
        &[(Side::Inside, Side::Inside), (Side::Inside, Side::Outside)];
    /// Between inside and outside, whoever began.
    pub(crate) const ACROSS: &'static [(Side, Side)] =
        &[(Side::Inside, Side::Outside), (Side::Outside, Side::Inside)];
    /// Between hosts, wherever they are.
    pub(crate) const HOSTS: &'static [(Side, Side)] = &[
        (Side::Inside, Side::Inside),
        (Side::Inside, Side::Outside),
        (Side::Outside, Side::Inside),
        (Side::Outside, Side::Outside),
    ];
    /// To a host; the source may be forged to be none.
    pub(crate) const TO_HOSTS: &'static [(Side, Side)] = &[
        (Side::Inside, Side::Inside),
        (Side::Inside, Side::Outside),
        (Side::Outside, Side::Inside),
        (Side::Outside, Side::Outside),
        (Side::Neither, Side::Inside),
        (Side::Neither, Side::Outside),
    ];
}

/// Detectors, a bit each.
pub(crate) type Set = u32;

/// For everything an event can say, between whatever sides, the detectors that want it.
#[derive(Debug)]
pub(crate) struct Takers(Vec<Set>);

impl Takers {
    pub(crate) fn new(wants: &[Wants]) -> Self {
        let mut takers = vec![0; 9 * usize::from(What::SETS)];
        for (number, wants) in wants.iter().enumerate() {
            for between in wants.between {
                let sets = (0..=u8::MAX).filter(|set| set & wants.what.0 != 0);
                for set in sets {
                    if let Some(who) = takers.get_mut(place(What(set), *between)) {
                        *who |= 1 << number;
                    }
                }
            }
        }
        Self(takers)
    }

    /// Who wants this event.
    pub(crate) fn of(&self, seen: &Seen<'_>) -> Set {
        let place = place(What::of(seen.event), (seen.src.side, seen.dst.side));
        self.0.get(place).copied().unwrap_or(0)
    }
}

fn place(what: What, (src, dst): (Side, Side)) -> usize {
    let between = src as usize * 3 + dst as usize;
    between * usize::from(What::SETS) + usize::from(what.0)
}
