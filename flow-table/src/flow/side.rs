//! The two ends of a flow.

use serde::{Deserialize, Serialize};

/// Which end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Side {
    /// Who opened it.
    Orig,
    /// Who was asked.
    Resp,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }
}

/// One value for each end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PerSide<T> {
    /// The originator's.
    pub orig: T,
    /// The responder's.
    pub resp: T,
}

impl<T> PerSide<T> {
    /// The value of `side`.
    pub(crate) const fn of(&self, side: Side) -> &T {
        match side {
            Side::Orig => &self.orig,
            Side::Resp => &self.resp,
        }
    }

    /// The value of `side`, to change.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Orig => &mut self.orig,
            Side::Resp => &mut self.resp,
        }
    }

    pub(crate) const fn swap(&mut self) {
        std::mem::swap(&mut self.orig, &mut self.resp);
    }
}
