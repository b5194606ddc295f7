//! What is known and not to be alerted on.

use std::net::IpAddr;
use std::sync::Arc;

use flow_table::Timestamp;
use ipnet::IpNet;

use crate::config::Suppression;
use crate::{SignalKind, Subject};

/// The configured entries, in their order: the first that applies is named.
pub(crate) struct Suppressions(Vec<(Suppression, Arc<str>)>);

impl Suppressions {
    pub(crate) fn new(entries: &[Suppression]) -> Self {
        Self(
            entries
                .iter()
                .map(|entry| (entry.clone(), Arc::from(entry.reason.as_str())))
                .collect(),
        )
    }

    /// The reason why a signal is known. Entries for a rule do not apply to signals.
    pub(crate) fn of_signal(
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
    pub(crate) fn of_rule(
        &self,
        rule: &str,
        subject: &Subject,
        now: Timestamp,
    ) -> Option<Arc<str>> {
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
        let found = self.0.iter().find(|(entry, _)| {
            applies(entry)
                && entry.expires.is_none_or(|expires| now < expires.get())
                && within(entry.src, subject.src)
                && within(entry.dst, subject.dst)
                && entry.port.is_none_or(|port| subject.dst_port == Some(port))
        });
        found.map(|(_, reason)| Arc::clone(reason))
    }
}

/// A subject without an address is in no network.
fn within(network: Option<IpNet>, addr: Option<IpAddr>) -> bool {
    network.is_none_or(|network| addr.is_some_and(|addr| network.contains(&addr)))
}
