//! The signals, a file each. All work alike: an event updates the state of its subject; if the
//! measure is then over its limit, the board is told, and what the board makes of it is no concern
//! of the detector's.

mod admin_management_protocol;
mod backup_server_contact;
mod brute_force;
mod command_exchange;
mod connection_spike;
mod data_staging;
mod destination_diversity;
mod destructive_recovery_action;
mod dns_query_burst;
mod encoded_tunneling_pattern;
mod executable_file_download;
mod fan_in_ddos;
mod fan_out_scan;
mod guide;
mod high_entropy_dns;
mod icmp_tunnel;
mod long_beacon;
mod long_connection;
mod outbound_spike;
mod periodic_beacon;
mod persistent_destination;
mod port_scan;
mod post_download_beacon;
mod privileged_access;
mod protocol_on_wrong_port;
mod rare_external_source;
mod rare_upload;
mod smb_fan_out;
mod strobe;
mod syn_burst;
pub(crate) mod threat_list_match;

use std::sync::Arc;

pub use guide::Guide;
pub(crate) use threat_list_match::Matched;

use crate::asked::Asked;
use crate::board::{Board, Facts};
use crate::deleted::Deleted;
use crate::echoed::Echoed;
use crate::fetched::Fetched;
use crate::hash::KeyedHash;
use crate::misplaced::Misplaced;
use crate::seen::Seen;
use crate::signed_in::SignedIn;
use crate::state::State;
use crate::subjects::{Held, Subjects};
use crate::threats::Threats;
use crate::told::{Told, Topic};
use crate::wants::Wants;
use crate::{Config, Severity, SignalKind, Subject};

/// One kind of signal.
pub(crate) trait Detector: Send + State {
    /// Which events it is given.
    fn wants(&self) -> Wants;
    /// An event that it wants is put soon: fetches what it will look at.
    fn fetch(&self, _seen: &Seen<'_>) {}
    /// An event that it wants happened.
    fn put(&mut self, _seen: &Seen<'_>, _board: &mut Board) {}
    /// Which rows of protocols it is told of.
    fn topic(&self) -> Option<Topic> {
        None
    }
    /// A row of its topic came.
    fn told(&mut self, told: &Told<'_>, board: &mut Board) {
        match told {
            Told::Asked(asked) => self.asked(asked, board),
            Told::Fetched(fetched) => self.fetched(fetched, board),
            Told::SignedIn(signed_in) => self.signed_in(signed_in, board),
            Told::Echoed(echoed) => self.echoed(echoed, board),
            Told::Misplaced(misplaced) => self.misplaced(misplaced, board),
            Told::Deleted(deleted) => self.deleted(deleted, board),
            Told::Matched(matched) => self.matched(matched, board),
        }
    }
    /// A host inside asked for a name.
    fn asked(&mut self, _asked: &Asked<'_>, _board: &mut Board) {}
    /// A host inside fetched content.
    fn fetched(&mut self, _fetched: &Fetched<'_>, _board: &mut Board) {}
    /// Somebody tried to sign in.
    fn signed_in(&mut self, _signed_in: &SignedIn<'_>, _board: &mut Board) {}
    /// Messages of ICMP carry something.
    fn echoed(&mut self, _echoed: &Echoed<'_>, _board: &mut Board) {}
    /// A service is on a port that is not its own.
    fn misplaced(&mut self, _misplaced: &Misplaced<'_>, _board: &mut Board) {}
    /// A host with the role `backup` was told to delete something.
    fn deleted(&mut self, _deleted: &Deleted<'_>, _board: &mut Board) {}
    /// A row names what a threat list names.
    fn matched(&mut self, _matched: &Matched<'_>, _board: &mut Board) {}
    /// From now on these say what is malicious.
    fn replace_threats(&mut self, _threats: &Arc<Threats>) {}
    /// The subject's signal is no longer open.
    fn closed(&mut self, subject: &Subject, key: u64);
    /// A moment came that [`Board::wake_at`] was asked for.
    fn wake(&mut self, _subject: &Subject, _key: u64, _board: &mut Board) {}
    /// What its tables hold.
    fn usage(&self) -> Usage;
}

/// What a detector's tables hold, and what they could not hold.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Usage {
    pub(crate) subjects: u64,
    pub(crate) bytes: u64,
    pub(crate) evicted: u64,
    pub(crate) hurried: u64,
}

impl Usage {
    fn of<K: Copy + Eq, V: Held>(table: &Subjects<K, V>) -> Self {
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        Self {
            subjects: number(table.len()),
            bytes: number(table.bytes()),
            evicted: table.evicted(),
            hurried: 0,
        }
    }

    /// With a second table, whose entries are no subjects.
    fn and<K: Copy + Eq, V: Held>(self, table: &Subjects<K, V>) -> Self {
        let other = Self::of(table);
        Self {
            bytes: self.bytes + other.bytes,
            evicted: self.evicted + other.evicted,
            ..self
        }
    }
}

/// What all detectors are told alike.
#[derive(Clone, Debug)]
pub(crate) struct General {
    max_evidence: usize,
    max_exact: usize,
    hash: KeyedHash,
    /// Whether a host has the role `backup`.
    backups: bool,
}

/// Every detector, in the order of [`SignalKind::ALL`].
pub(crate) fn all(
    config: &Config,
    hash: &KeyedHash,
    threats: &Arc<Threats>,
) -> Vec<Box<dyn Detector>> {
    SignalKind::ALL
        .map(|kind| one(kind, config, hash, threats))
        .into()
}

/// The detector of a kind.
pub(crate) fn one(
    kind: SignalKind,
    config: &Config,
    hash: &KeyedHash,
    threats: &Arc<Threats>,
) -> Box<dyn Detector> {
    let general = General {
        max_evidence: config.max_evidence.size(),
        max_exact: config.max_exact.size(),
        hash: hash.clone(),
        backups: !config.roles.backup.is_empty(),
    };
    make(kind, config, general, threats)
}

#[expect(clippy::too_many_lines, reason = "one flat match")]
fn make(
    kind: SignalKind,
    config: &Config,
    general: General,
    threats: &Arc<Threats>,
) -> Box<dyn Detector> {
    match kind {
        SignalKind::PortScan => Box::new(port_scan::Scans::new(&config.port_scan, general)),
        SignalKind::ConnectionSpike => Box::new(connection_spike::Spikes::new(
            &config.connection_spike,
            general,
        )),
        SignalKind::PrivilegedAccess => Box::new(privileged_access::Accesses::new(
            &config.privileged_access,
            general,
        )),
        SignalKind::PeriodicBeacon => Box::new(periodic_beacon::Beacons::new(
            &config.periodic_beacon,
            general,
        )),
        SignalKind::PersistentDestination => Box::new(persistent_destination::Destinations::new(
            &config.persistent_destination,
            general,
        )),
        SignalKind::CommandExchange => Box::new(command_exchange::Exchanges::new(
            &config.command_exchange,
            general,
        )),
        SignalKind::DataStaging => {
            Box::new(data_staging::Stagings::new(&config.data_staging, general))
        }
        SignalKind::OutboundSpike => {
            Box::new(outbound_spike::Spikes::new(&config.outbound_spike, general))
        }
        SignalKind::DestinationDiversity => Box::new(destination_diversity::Uploads::new(
            &config.destination_diversity,
            general,
        )),
        SignalKind::FanInDdos => Box::new(fan_in_ddos::Floods::new(&config.fan_in_ddos, general)),
        SignalKind::FanOutScan => Box::new(fan_out_scan::Scans::new(&config.fan_out_scan, general)),
        SignalKind::SynBurst => Box::new(syn_burst::Bursts::new(&config.syn_burst, general)),
        SignalKind::DnsQueryBurst => Box::new(dns_query_burst::Bursts::new(
            &config.dns_query_burst,
            general,
        )),
        SignalKind::HighEntropyDns => Box::new(high_entropy_dns::Riddles::new(
            &config.high_entropy_dns,
            general,
        )),
        SignalKind::EncodedTunnelingPattern => Box::new(encoded_tunneling_pattern::Tunnels::new(
            &config.encoded_tunneling_pattern,
            general,
        )),
        SignalKind::ExecutableFileDownload => Box::new(executable_file_download::Downloads::new(
            &config.executable_file_download,
            general,
        )),
        SignalKind::RareExternalSource => Box::new(rare_external_source::Sources::new(
            &config.rare_external_source,
            general,
        )),
        SignalKind::PostDownloadBeacon => Box::new(post_download_beacon::Beacons::new(
            &config.post_download_beacon,
            general,
        )),
        SignalKind::BruteForce => Box::new(brute_force::Guesses::new(&config.brute_force, general)),
        SignalKind::IcmpTunnel => Box::new(icmp_tunnel::Tunnels::new(&config.icmp_tunnel, general)),
        SignalKind::ProtocolOnWrongPort => Box::new(protocol_on_wrong_port::Strays::new(
            &config.protocol_on_wrong_port,
            general,
        )),
        SignalKind::LongBeacon => Box::new(long_beacon::Beacons::new(&config.long_beacon, general)),
        SignalKind::LongConnection => Box::new(long_connection::Flows::new(
            &config.long_connection,
            general,
        )),
        SignalKind::Strobe => Box::new(strobe::Strobes::new(&config.strobe, general)),
        SignalKind::SmbFanOut => Box::new(smb_fan_out::Shares::new(&config.smb_fan_out, general)),
        SignalKind::BackupServerContact => Box::new(backup_server_contact::Contacts::new(
            &config.backup_server_contact,
            general,
        )),
        SignalKind::AdminManagementProtocol => {
            Box::new(admin_management_protocol::Administrators::new(
                &config.admin_management_protocol,
                general,
            ))
        }
        SignalKind::DestructiveRecoveryAction => {
            Box::new(destructive_recovery_action::Deletions::new(
                &config.destructive_recovery_action,
                general,
            ))
        }
        SignalKind::ThreatListMatch => Box::new(threat_list_match::Matches::new(
            &config.threat_list_match,
            general,
            Arc::clone(threats),
        )),
        SignalKind::RareUpload => Box::new(rare_upload::Uploads::new(&config.rare_upload, general)),
    }
}

/// What says a kind's measure as a clause that follows its subject: “scanned 25 ports on 2 hosts (…)”.
pub(crate) fn clause(kind: SignalKind) -> fn(&Facts<'_>) -> String {
    match kind {
        SignalKind::PortScan => port_scan::clause,
        SignalKind::ConnectionSpike => connection_spike::clause,
        SignalKind::PrivilegedAccess => privileged_access::clause,
        SignalKind::PeriodicBeacon => periodic_beacon::clause,
        SignalKind::PersistentDestination => persistent_destination::clause,
        SignalKind::CommandExchange => command_exchange::clause,
        SignalKind::DataStaging => data_staging::clause,
        SignalKind::OutboundSpike => outbound_spike::clause,
        SignalKind::DestinationDiversity => destination_diversity::clause,
        SignalKind::FanInDdos => fan_in_ddos::clause,
        SignalKind::FanOutScan => fan_out_scan::clause,
        SignalKind::SynBurst => syn_burst::clause,
        SignalKind::DnsQueryBurst => dns_query_burst::clause,
        SignalKind::HighEntropyDns => high_entropy_dns::clause,
        SignalKind::EncodedTunnelingPattern => encoded_tunneling_pattern::clause,
        SignalKind::ExecutableFileDownload => executable_file_download::clause,
        SignalKind::RareExternalSource => rare_external_source::clause,
        SignalKind::PostDownloadBeacon => post_download_beacon::clause,
        SignalKind::BruteForce => brute_force::clause,
        SignalKind::IcmpTunnel => icmp_tunnel::clause,
        SignalKind::ProtocolOnWrongPort => protocol_on_wrong_port::clause,
        SignalKind::LongBeacon => long_beacon::clause,
        SignalKind::LongConnection => long_connection::clause,
        SignalKind::Strobe => strobe::clause,
        SignalKind::SmbFanOut => smb_fan_out::clause,
        SignalKind::BackupServerContact => backup_server_contact::clause,
        SignalKind::AdminManagementProtocol => admin_management_protocol::clause,
        SignalKind::DestructiveRecoveryAction => destructive_recovery_action::clause,
        SignalKind::ThreatListMatch => threat_list_match::clause,
        SignalKind::RareUpload => rare_upload::clause,
    }
}

/// Critical or high when the value is above that step, otherwise medium.
fn above(value: f64, high: f64, critical: f64) -> Severity {
    if value > critical {
        Severity::Critical
    } else if value > high {
        Severity::High
    } else {
        Severity::Medium
    }
}

/// Critical or high when the value reaches that step, otherwise medium.
fn reaching(value: f64, high: f64, critical: f64) -> Severity {
    if value >= critical {
        Severity::Critical
    } else if value >= high {
        Severity::High
    } else {
        Severity::Medium
    }
}

/// An amount of bytes as people read it: `1.25 GB`.
fn bytes_text(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", short(bytes / unit)),
        None => format!("{bytes:.0} B"),
    }
}

/// A number with at most two decimals, and none it does not need.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 port`, `2 ports`.
fn counted(number: f64, noun: &str) -> String {
    if number > 0.5 && number < 1.5 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) => format!("{number:.0} {stem}ies"),
        None => format!("{number:.0} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
