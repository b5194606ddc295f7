//! What is known and not to be alerted on.

use std::net::IpAddr;
use std::sync::Arc;

use flow_table::Timestamp;
use ipnet::IpNet;

use crate::config::{Role, Roles, Suppression};
use crate::{SignalKind, Subject};

/// The configured entries, in their order: the first that applies is named.
pub struct Suppressions {
    entries: Vec<(Suppression, Arc<str>)>,
    roles: Roles,
}

impl Suppressions {
    /// These, where hosts have these roles.
    pub fn new(entries: &[Suppression], roles: &Roles) -> Self {
        let mut this = Self {
            entries: Vec::new(),
            roles: roles.clone(),
        };
        this.replace(entries);
        this
    }

    /// From now on it is these.
    pub(crate) fn replace(&mut self, entries: &[Suppression]) {
        let with_reason = |entry: &Suppression| (entry.clone(), entry.reason.as_str().into());
        self.entries = entries.iter().map(with_reason).collect();
    }

    /// The reason why a signal is known. Entries for a rule do not apply to signals.
    pub fn of_signal(
        &self,
        kind: SignalKind,
        subject: &Subject,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        let applies =
            |entry: &Suppression| entry.rule.is_none() && entry.signal.is_none_or(|s| s == kind);
        self.first(subject, now, applies)
    }

    /// The reason why a detection is known. Entries for one signal do not apply to detections: what
    /// they suppress never reaches a rule.
    pub fn of_rule(&self, rule: &str, subject: &Subject, now: Timestamp) -> Option<Arc<str>> {
        let applies = |entry: &Suppression| {
            entry.signal.is_none() && entry.rule.as_ref().is_none_or(|name| name == rule)
        };
        self.first(subject, now, applies)
    }

    fn first(
        &self,
        subject: &Subject,
        now: Timestamp,
        applies: impl Fn(&Suppression) -> bool,
    ) -> Option<Arc<str>> {
        let found = self.entries.iter().find(|(entry, _)| {
            applies(entry)
                && entry.expires.is_none_or(|expires| now < expires.get())
                && within(entry.src, subject.src)
                && within(entry.dst, subject.dst)
                && self.has(entry.src_role, subject.src)
                && self.has(entry.dst_role, subject.dst)
                && entry.port.is_none_or(|port| subject.dst_port == Some(port))
        });
        found.map(|(_, reason)| Arc::clone(reason))
    }

    fn has(&self, role: Option<Role>, addr: Option<IpAddr>) -> bool {
        role.is_none_or(|role| {
            let networks = self.roles.of(role);
            addr.is_some_and(|addr| networks.iter().any(|network| network.get().contains(&addr)))
        })
    }
}

/// A subject without an address is in no network.
fn within(network: Option<IpNet>, addr: Option<IpAddr>) -> bool {
    network.is_none_or(|network| addr.is_some_and(|addr| network.contains(&addr)))
}
