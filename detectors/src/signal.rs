//! What a detector hands out: one weak observation about one subject in one window.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use flow_table::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Evidence;

/// How much it matters, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a row.
    Low,
    /// Worth a look.
    Medium,
    /// Worth an interruption.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// One step more severe.
    pub(crate) const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// The word in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stable 128-bit name: a hash of what is named, printed as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StableId(pub u128);

impl fmt::Display for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Whom a signal or a detection is about. What does not apply is `None`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// The acting host.
    pub src: Option<IpAddr>,
    /// The host acted upon.
    pub dst: Option<IpAddr>,
    /// The port acted upon.
    pub dst_port: Option<u16>,
}

impl Subject {
    /// An acting host.
    pub const fn source(src: IpAddr) -> Self {
        Self {
            src: Some(src),
            dst: None,
            dst_port: None,
        }
    }

    /// A host acted upon.
    pub const fn destination(dst: IpAddr) -> Self {
        Self {
            src: None,
            dst: Some(dst),
            dst_port: None,
        }
    }

    /// A host that acts upon another.
    pub const fn pair(src: IpAddr, dst: IpAddr) -> Self {
        Self {
            src: Some(src),
            dst: Some(dst),
            dst_port: None,
        }
    }

    /// A host that acts upon another's port.
    pub const fn service(src: IpAddr, dst: IpAddr, port: u16) -> Self {
        Self {
            src: Some(src),
            dst: Some(dst),
            dst_port: Some(port),
        }
    }
}

/// A stretch of packet time, `[start, end]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Window {
    /// First moment inside.
    pub start: Timestamp,
    /// Last moment inside.
    pub end: Timestamp,
}

/// One weak observation about one subject in one window. Never an alert alone.
///
/// What serde makes of it is state, not output.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Signal {
    /// Hash of kind, rule version, subject and the window in which it fired.
    pub id: StableId,
    /// Which signal.
    pub kind: SignalKind,
    /// May rise while the signal is open, never fall.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// From the start of the window in which it fired to the last event over the limit.
    pub window: Window,
    /// The measure at its peak.
    pub value: f64,
    /// The limit it crossed.
    pub threshold: f64,
    /// What one needs to check it by hand.
    #[serde(with = "crate::evidence::Whole")]
    pub evidence: Evidence,
    /// The suppression or allow-list entry that applies, if one does.
    pub suppressed_by: Option<Arc<str>>,
}

/// Every kind of signal there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(
    missing_docs,
    reason = "each is explained where its detector stands, in signals/"
)]
pub enum SignalKind {
    PortScan,
    ConnectionSpike,
    PrivilegedAccess,
    PeriodicBeacon,
    PersistentDestination,
    CommandExchange,
    DataStaging,
    OutboundSpike,
    DestinationDiversity,
    FanInDdos,
    FanOutScan,
    SynBurst,
    DnsQueryBurst,
    HighEntropyDns,
    EncodedTunnelingPattern,
    ExecutableFileDownload,
    RareExternalSource,
    PostDownloadBeacon,
    BruteForce,
    IcmpTunnel,
    ProtocolOnWrongPort,
    LongBeacon,
    LongConnection,
    Strobe,
    SmbFanOut,
    BackupServerContact,
    AdminManagementProtocol,
    DestructiveRecoveryAction,
    ThreatListMatch,
    /// Much is sent to somewhere outside that hardly any other host contacts.
    RareUpload,
}

impl SignalKind {
    /// Every kind, in the order of all outputs.
    pub const ALL: [Self; 30] = [
        Self::PortScan,
        Self::ConnectionSpike,
        Self::PrivilegedAccess,
        Self::PeriodicBeacon,
        Self::PersistentDestination,
        Self::CommandExchange,
        Self::DataStaging,
        Self::OutboundSpike,
        Self::DestinationDiversity,
        Self::FanInDdos,
        Self::FanOutScan,
        Self::SynBurst,
        Self::DnsQueryBurst,
        Self::HighEntropyDns,
        Self::EncodedTunnelingPattern,
        Self::ExecutableFileDownload,
        Self::RareExternalSource,
        Self::PostDownloadBeacon,
        Self::BruteForce,
        Self::IcmpTunnel,
        Self::ProtocolOnWrongPort,
        Self::LongBeacon,
        Self::LongConnection,
        Self::Strobe,
        Self::SmbFanOut,
        Self::BackupServerContact,
        Self::AdminManagementProtocol,
        Self::DestructiveRecoveryAction,
        Self::ThreatListMatch,
        Self::RareUpload,
    ];

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in rules and in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortScan => "PORT_SCAN",
            Self::ConnectionSpike => "CONNECTION_SPIKE",
            Self::PrivilegedAccess => "PRIVILEGED_ACCESS",
            Self::PeriodicBeacon => "PERIODIC_BEACON",
            Self::PersistentDestination => "PERSISTENT_DESTINATION",
            Self::CommandExchange => "COMMAND_EXCHANGE",
            Self::DataStaging => "DATA_STAGING",
            Self::OutboundSpike => "OUTBOUND_SPIKE",
            Self::DestinationDiversity => "DESTINATION_DIVERSITY",
            Self::FanInDdos => "FAN_IN_DDOS",
            Self::FanOutScan => "FAN_OUT_SCAN",
            Self::SynBurst => "SYN_BURST",
            Self::DnsQueryBurst => "DNS_QUERY_BURST",
            Self::HighEntropyDns => "HIGH_ENTROPY_DNS",
            Self::EncodedTunnelingPattern => "ENCODED_TUNNELING_PATTERN",
            Self::ExecutableFileDownload => "EXECUTABLE_FILE_DOWNLOAD",
            Self::RareExternalSource => "RARE_EXTERNAL_SOURCE",
            Self::PostDownloadBeacon => "POST_DOWNLOAD_BEACON",
            Self::BruteForce => "BRUTE_FORCE",
            Self::IcmpTunnel => "ICMP_TUNNEL",
            Self::ProtocolOnWrongPort => "PROTOCOL_ON_WRONG_PORT",
            Self::LongBeacon => "LONG_BEACON",
            Self::LongConnection => "LONG_CONNECTION",
            Self::Strobe => "STROBE",
            Self::SmbFanOut => "SMB_FAN_OUT",
            Self::BackupServerContact => "BACKUP_SERVER_CONTACT",
            Self::AdminManagementProtocol => "ADMIN_MANAGEMENT_PROTOCOL",
            Self::DestructiveRecoveryAction => "DESTRUCTIVE_RECOVERY_ACTION",
            Self::ThreatListMatch => "THREAT_LIST_MATCH",
            Self::RareUpload => "RARE_UPLOAD",
        }
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_in_order_and_found_by_name() {
        for (place, kind) in SignalKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(SignalKind::named(kind.name()), Some(kind));
        }
    }
}
