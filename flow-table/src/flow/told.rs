//! How far the detectors were told of a flow, and who looks into it.

use serde::{Deserialize, Serialize};

use crate::inspection::Looked;

/// How far the detectors were told of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Number of the next event; 0 while the flow has not been opened for them.
    pub(crate) seq: u32,
    /// Requests answered since the last event.
    pub(crate) turns: u16,
    flags: u8,
}

impl Told {
    pub(crate) const ANSWERED: u8 = 1;
    pub(crate) const COMPLETED: u8 = 2;
    pub(crate) const REFUSED: u8 = 4;
    /// The originator sent payload, and the responder has not answered it yet.
    pub(super) const ASKED: u8 = 8;
    /// The flow's first packet went against the way of its key as it stands for the uid.
    pub(super) const DOWN: u8 = 16;
    /// Two bits: how far it is with looking into the flow.
    const LOOKED: u8 = 0x60;
    const LOOKED_SHIFT: u32 = 5;

    pub(crate) const fn has(self, what: u8) -> bool {
        self.flags & what != 0
    }

    pub(crate) const fn has_all(self, what: u8) -> bool {
        self.flags & what == what
    }

    pub(crate) const fn note(&mut self, what: u8) {
        self.flags |= what;
    }

    pub(super) const fn forget(&mut self, what: u8) {
        self.flags &= !what;
    }

    /// Whether somebody looks into the flow.
    pub(crate) const fn is_looked_into(self) -> bool {
        self.flags & Self::LOOKED == 1 << Self::LOOKED_SHIFT
    }

    /// Whether nobody looked into the flow yet.
    pub(crate) const fn is_untouched(self) -> bool {
        self.flags & Self::LOOKED == 0
    }

    /// How far it is with looking into the flow.
    pub(crate) const fn looked(self) -> Looked {
        match (self.flags & Self::LOOKED) >> Self::LOOKED_SHIFT {
            0 => Looked::Never,
            1 => Looked::Live,
            2 => Looked::Over,
            _ => Looked::Named,
        }
    }

    pub(crate) const fn note_looked(&mut self, looked: Looked) {
        let bits = match looked {
            Looked::Never => 0,
            Looked::Live => 1,
            Looked::Over => 2,
            Looked::Named => 3,
        };
        self.flags = (self.flags & !Self::LOOKED) | (bits << Self::LOOKED_SHIFT);
    }
}
