//! Every number a detector or rule uses. Defaults are those of docs/signals.md.
//!
//! What one value alone can get wrong is refused where it is read; what only several together can get
//! wrong is told by [`Config::problems`].
//!
//! # Memory
//!
//! At worst, counting the room that tables and lists have, not what an allocator adds:
//!
//! | what | default |
//! |---|---|
//! | tables of the first fifteen signals: `max_memory` each | 15 × 32 MiB |
//! | tables of the other signals | 36 MiB |
//! | tables of LONG_BEACON, STROBE and RARE_UPLOAD | 48 MiB |
//! | tables of SMB_FAN_OUT, THREAT_LIST_MATCH and the signals of backup hosts | 18 MiB |
//! | destinations outside: `destinations.max_memory` | 32 MiB |
//! | names of addresses outside: `answers.max_memory` | 16 MiB |
//! | flows FAN_OUT_SCAN has yet to judge: `max_undecided` × 96 bytes | 24 MiB |
//! | open signals: `max_open_signals` × 2 KiB | 32 MiB |
//! | groups of the built-in rules: `rules.max_memory` each | 12 × 8 MiB |
//! | all | 782 MiB |
//!
//! [`Config::fit`] scales all of these down into one budget. A quarter of a table's `max_memory`
//! is kept for what subjects hold beside their place in it, where they do, so it may be full with
//! fewer than `max_subjects`.

mod budget;
mod limits;
mod per_signal;
mod roles;
mod steps;

use flow_table::Span;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(crate) use budget::PER_UNDECIDED;
pub use limits::{Bytes, Count, Moment, Positive, Ratio, WindowSpan};
pub use per_signal::{
    AdminManagementProtocol, Answers, BackupServerContact, BruteForce, CommandExchange,
    ConnectionSpike, DataStaging, DestinationDiversity, Destinations, DestructiveRecoveryAction,
    DnsQueryBurst, EncodedTunnelingPattern, ExecutableFileDownload, FanInDdos, FanOutScan,
    HighEntropyDns, IcmpTunnel, LongBeacon, LongConnection, OutboundSpike, PeriodicBeacon,
    PersistentDestination, PortScan, PostDownloadBeacon, PrivilegedAccess, ProtocolOnWrongPort,
    RareExternalSource, RareUpload, SmbFanOut, Strobe, SynBurst, ThreatListMatch,
};

pub use roles::{Network, Role, Roles};

use crate::SignalKind;

/// What all detectors and rules are told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is inside; everything else that is unicast is outside.
    pub internal_networks: Vec<IpNet>,
    /// How far an event may lie behind the latest and still count.
    pub allowed_lateness: Span,
    /// How many flows, peers and ports evidence names at most.
    pub max_evidence: Count,
    /// How many distinct keys are counted exactly for one subject; above it they are estimated.
    pub max_exact: Count,
    /// How many signals may be open at once; beyond it the one that is to close first closes early.
    pub max_open_signals: Count,
    /// Keys the hashes over addresses, so that nobody can choose addresses that collide.
    pub hash_seed: u64,
    /// Signals that are not looked for: nothing is remembered for them, and no rule that needs one can
    /// be complete.
    pub disabled_signals: Vec<SignalKind>,
    /// Which hosts are there for what.
    pub roles: Roles,
    /// What is known of destinations outside.
    pub destinations: Destinations,
    /// Which names lead to addresses outside.
    pub answers: Answers,
    /// PORT_SCAN.
    pub port_scan: PortScan,
    /// CONNECTION_SPIKE.
    pub connection_spike: ConnectionSpike,
    /// PRIVILEGED_ACCESS.
    pub privileged_access: PrivilegedAccess,
    /// PERIODIC_BEACON.
    pub periodic_beacon: PeriodicBeacon,
    /// PERSISTENT_DESTINATION.
    pub persistent_destination: PersistentDestination,
    /// COMMAND_EXCHANGE.
    pub command_exchange: CommandExchange,
    /// DATA_STAGING.
    pub data_staging: DataStaging,
    /// OUTBOUND_SPIKE.
    pub outbound_spike: OutboundSpike,
    /// DESTINATION_DIVERSITY.
    pub destination_diversity: DestinationDiversity,
    /// FAN_IN_DDOS.
    pub fan_in_ddos: FanInDdos,
    /// FAN_OUT_SCAN.
    pub fan_out_scan: FanOutScan,
    /// SYN_BURST.
    pub syn_burst: SynBurst,
    /// DNS_QUERY_BURST.
    pub dns_query_burst: DnsQueryBurst,
    /// HIGH_ENTROPY_DNS.
    pub high_entropy_dns: HighEntropyDns,
    /// ENCODED_TUNNELING_PATTERN.
    pub encoded_tunneling_pattern: EncodedTunnelingPattern,
    /// EXECUTABLE_FILE_DOWNLOAD.
    pub executable_file_download: ExecutableFileDownload,
    /// RARE_EXTERNAL_SOURCE.
    pub rare_external_source: RareExternalSource,
    /// POST_DOWNLOAD_BEACON.
    pub post_download_beacon: PostDownloadBeacon,
    /// BRUTE_FORCE.
    pub brute_force: BruteForce,
    /// ICMP_TUNNEL.
    pub icmp_tunnel: IcmpTunnel,
    /// PROTOCOL_ON_WRONG_PORT.
    pub protocol_on_wrong_port: ProtocolOnWrongPort,
    /// LONG_BEACON.
    pub long_beacon: LongBeacon,
    /// LONG_CONNECTION.
    pub long_connection: LongConnection,
    /// STROBE.
    pub strobe: Strobe,
    /// SMB_FAN_OUT.
    pub smb_fan_out: SmbFanOut,
    /// BACKUP_SERVER_CONTACT.
    pub backup_server_contact: BackupServerContact,
    /// ADMIN_MANAGEMENT_PROTOCOL.
    pub admin_management_protocol: AdminManagementProtocol,
    /// DESTRUCTIVE_RECOVERY_ACTION.
    pub destructive_recovery_action: DestructiveRecoveryAction,
    /// THREAT_LIST_MATCH.
    pub threat_list_match: ThreatListMatch,
    /// RARE_UPLOAD.
    pub rare_upload: RareUpload,
    /// What holds for all correlation rules.
    pub rules: RulesConfig,
    /// What is known and not to be alerted on.
    pub suppressions: Vec<Suppression>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            internal_networks: default_internal_networks(),
            allowed_lateness: Span::from_secs(2),
            max_evidence: Count::new(10),
            max_exact: Count::new(4_096),
            max_open_signals: Count::new(16_384),
            hash_seed: 0x666c_6f77_6861_776b,
            disabled_signals: Vec::new(),
            roles: Roles::default(),
            destinations: Destinations::default(),
            answers: Answers::default(),
            port_scan: PortScan::default(),
            connection_spike: ConnectionSpike::default(),
            privileged_access: PrivilegedAccess::default(),
            periodic_beacon: PeriodicBeacon::default(),
            persistent_destination: PersistentDestination::default(),
            command_exchange: CommandExchange::default(),
            data_staging: DataStaging::default(),
            outbound_spike: OutboundSpike::default(),
            destination_diversity: DestinationDiversity::default(),
            fan_in_ddos: FanInDdos::default(),
            fan_out_scan: FanOutScan::default(),
            syn_burst: SynBurst::default(),
            dns_query_burst: DnsQueryBurst::default(),
            high_entropy_dns: HighEntropyDns::default(),
            encoded_tunneling_pattern: EncodedTunnelingPattern::default(),
            executable_file_download: ExecutableFileDownload::default(),
            rare_external_source: RareExternalSource::default(),
            post_download_beacon: PostDownloadBeacon::default(),
            brute_force: BruteForce::default(),
            icmp_tunnel: IcmpTunnel::default(),
            protocol_on_wrong_port: ProtocolOnWrongPort::default(),
            long_beacon: LongBeacon::default(),
            long_connection: LongConnection::default(),
            strobe: Strobe::default(),
            smb_fan_out: SmbFanOut::default(),
            backup_server_contact: BackupServerContact::default(),
            admin_management_protocol: AdminManagementProtocol::default(),
            destructive_recovery_action: DestructiveRecoveryAction::default(),
            threat_list_match: ThreatListMatch::default(),
            rare_upload: RareUpload::default(),
            rules: RulesConfig::default(),
            suppressions: Vec::new(),
        }
    }
}

fn default_internal_networks() -> Vec<IpNet> {
    const NETWORKS: [&str; 7] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    ];
    NETWORKS
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect()
}

impl Config {
    /// What does not fit together, each as a sentence that starts with the dotted key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.out_of_order();
        problems.extend(self.odd_roles());
        if self.allowed_lateness > Span::from_mins(10) {
            problems.push(format!(
                "allowed_lateness: {} is longer than windows can bear; allowed are \"0s\" to \"10min\"",
                self.allowed_lateness
            ));
        }
        for (key, grace, window) in [
            (
                "fan_out_scan",
                self.fan_out_scan.answer_grace,
                self.fan_out_scan.window,
            ),
            (
                "syn_burst",
                self.syn_burst.answer_grace,
                self.syn_burst.window,
            ),
        ] {
            if grace >= window.get() {
                let window = window.get();
                problems.push(format!(
                    "{key}.answer_grace: {grace} must be shorter than {key}.window, {window}"
                ));
            }
        }
        for (number, suppression) in self.suppressions.iter().enumerate() {
            problems.extend(
                suppression
                    .problem()
                    .map(|text| format!("suppressions[{number}]: {text}")),
            );
        }
        problems
    }
}

/// What holds for all correlation rules.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesConfig {
    /// A repeat for the same rule and subject this soon after the last updates that detection.
    /// A rule file may say otherwise for its rule.
    pub dedup_window: WindowSpan,
    /// How many groups one rule keeps: half complete, or detected and still within `dedup_window`.
    pub max_partial: Count,
    /// How many signals one detection names at most.
    pub max_signals: Count,
    /// How much memory the groups of one rule may take, in bytes.
    pub max_memory: Bytes,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            dedup_window: WindowSpan::secs(3_600),
            max_partial: Count::new(4_096),
            max_signals: Count::new(32),
            max_memory: Bytes::new(8 << 20),
        }
    }
}

/// Something known: kept and marked when found, fed to no rule. All that is given must match.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// Only this signal.
    #[serde(default)]
    pub signal: Option<SignalKind>,
    /// Only detections of the rule with this id, such as `LM-001`.
    #[serde(default)]
    pub rule: Option<String>,
    /// Only this source network.
    #[serde(default)]
    pub src: Option<IpNet>,
    /// Only this destination network.
    #[serde(default)]
    pub dst: Option<IpNet>,
    /// Only sources with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_role: Option<Role>,
    /// Only destinations with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_role: Option<Role>,
    /// Only this destination port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Why it is known; written beside what it suppresses.
    pub reason: String,
    /// From this moment of packet time on it no longer applies.
    #[serde(default)]
    pub expires: Option<Moment>,
}

impl Suppression {
    /// Why it cannot be meant, if it cannot.
    pub fn problem(&self) -> Option<&'static str> {
        let given = self.signal.is_some()
            || self.rule.is_some()
            || self.src.is_some()
            || self.dst.is_some()
            || self.src_role.is_some()
            || self.dst_role.is_some()
            || self.port.is_some();
        if !given {
            return Some(
                "would suppress everything; name at least one of signal, rule, src, dst, src_role, \
                 dst_role, port",
            );
        }
        if self.signal.is_some() && self.rule.is_some() {
            return Some("names a signal and a rule; write two suppressions");
        }
        self.reason
            .trim()
            .is_empty()
            .then_some("has no reason; say why this is known")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound_and_read_back() {
        let config = Config::default();
        assert_eq!(config.problems(), Vec::<String>::new());
        assert_eq!(config.internal_networks.len(), 7);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), config);
        assert!(serde_json::from_str::<Config>(r#"{"port_scam": {}}"#).is_err());
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let config: Config = serde_json::from_str(
            r#"{"port_scan": {"high": 10}, "syn_burst": {"answer_grace": "10s"},
                "suppressions": [{"reason": "all"}]}"#,
        )
        .unwrap();
        let problems = config.problems();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(
            problems[0].starts_with("port_scan.limit, high, critical: "),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("syn_burst.answer_grace: "),
            "{problems:?}"
        );
        assert!(problems[2].starts_with("suppressions[0]: "), "{problems:?}");
    }
}
