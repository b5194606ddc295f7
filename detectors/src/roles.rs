//! The roles that a host has.

use crate::config::{Role, Roles};
use crate::hash::KeyedHash;
use crate::networks::Networks;

/// The roles of one host, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HasRoles(u8);

impl HasRoles {
    pub(crate) const NONE: Self = Self(0);

    const fn of(role: Role) -> Self {
        Self(1 << role as u8)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, role: Role) -> bool {
        self.0 & Self::of(role).0 != 0
    }
}

/// Who has which roles.
pub(crate) fn networks(config: &Roles, hash: &KeyedHash) -> Networks<HasRoles> {
    let of_role = |role: &Role| {
        let role = *role;
        let networks = config.of(role).iter();
        networks.map(move |network| (network.get(), HasRoles::of(role)))
    };
    Networks::new(hash, Role::ALL.iter().flat_map(of_role), HasRoles::and)
}
