//! Other limits while it runs. A detector that is told other limits is made anew with them, and takes back
//! what it knew, as it would from a run before; those whose limits are as they were are left alone.

use super::{Detectors, on, takers};
use crate::state::{Loader, Saver, Unfit};
use crate::{Config, SignalKind, signals};

impl Detectors {
    /// From now on signals are looked for within these limits: all that is said of each kind of signal and of
    /// [`Config::disabled_signals`] and [`Config::allowed_lateness`]. What is known stays, but for signals that
    /// are measured over windows of another length now: they begin anew, counted in
    /// [`crate::Counters::state_dropped`]. Whatever else `config` says changes nothing.
    pub fn replace_limits(&mut self, config: &Config) {
        let before = std::mem::take(&mut self.config);
        self.config = before.with_limits_of(config);
        for kind in SignalKind::ALL {
            if !same(kind, &before, &self.config) {
                self.make_anew(kind);
            }
        }
        self.takers = takers(&self.signals);
        self.allowed_lateness = self.config.allowed_lateness;
        self.on = on(&self.config);
    }

    fn make_anew(&mut self, kind: SignalKind) {
        let observer = &self.observer;
        let mut new = signals::one(kind, &self.config, &observer.hash, &observer.threats);
        let Some(detector) = self.signals.get_mut(kind as usize) else {
            return;
        };
        let mut state = Saver::default();
        detector.save(&mut state);
        let state = state.into_bytes();
        match new.load(&mut Loader::new(&state)) {
            Ok(()) => {}
            Err(Unfit::Changed) => self.dropped += 1,
            // It was saved just now.
            Err(Unfit::Damaged) => {
                return debug_assert!(false, "{kind} cannot take back its state");
            }
        }
        let usage = detector.usage();
        if let Some(lost) = self.lost.get_mut(kind as usize) {
            *lost = (lost.0 + usage.evicted, lost.1 + usage.hurried);
        }
        *detector = new;
    }
}

impl Config {
    /// These, with what can change while detectors run as another has it; see
    /// [`Detectors::replace_limits`].
    #[must_use]
    pub fn with_limits_of(&self, other: &Self) -> Self {
        Self {
            internal_networks: self.internal_networks.clone(),
            max_evidence: self.max_evidence,
            max_exact: self.max_exact,
            max_open_signals: self.max_open_signals,
            hash_seed: self.hash_seed,
            roles: self.roles.clone(),
            destinations: self.destinations.clone(),
            answers: self.answers.clone(),
            rules: self.rules.clone(),
            suppressions: self.suppressions.clone(),
            ..other.clone()
        }
    }
}

/// Whether two configurations say the same of a kind of signal.
fn same(kind: SignalKind, one: &Config, other: &Config) -> bool {
    match kind {
        SignalKind::PortScan => one.port_scan == other.port_scan,
        SignalKind::ConnectionSpike => one.connection_spike == other.connection_spike,
        SignalKind::PrivilegedAccess => one.privileged_access == other.privileged_access,
        SignalKind::PeriodicBeacon => one.periodic_beacon == other.periodic_beacon,
        SignalKind::PersistentDestination => {
            one.persistent_destination == other.persistent_destination
        }
        SignalKind::CommandExchange => one.command_exchange == other.command_exchange,
        SignalKind::DataStaging => one.data_staging == other.data_staging,
        SignalKind::OutboundSpike => one.outbound_spike == other.outbound_spike,
        SignalKind::DestinationDiversity => {
            one.destination_diversity == other.destination_diversity
        }
        SignalKind::FanInDdos => one.fan_in_ddos == other.fan_in_ddos,
        SignalKind::FanOutScan => one.fan_out_scan == other.fan_out_scan,
        SignalKind::SynBurst => one.syn_burst == other.syn_burst,
        SignalKind::DnsQueryBurst => one.dns_query_burst == other.dns_query_burst,
        SignalKind::HighEntropyDns => one.high_entropy_dns == other.high_entropy_dns,
        SignalKind::EncodedTunnelingPattern => {
            one.encoded_tunneling_pattern == other.encoded_tunneling_pattern
        }
        SignalKind::ExecutableFileDownload => {
            one.executable_file_download == other.executable_file_download
        }
        SignalKind::RareExternalSource => one.rare_external_source == other.rare_external_source,
        SignalKind::PostDownloadBeacon => one.post_download_beacon == other.post_download_beacon,
        SignalKind::BruteForce => one.brute_force == other.brute_force,
        SignalKind::IcmpTunnel => one.icmp_tunnel == other.icmp_tunnel,
        SignalKind::ProtocolOnWrongPort => {
            one.protocol_on_wrong_port == other.protocol_on_wrong_port
        }
        SignalKind::LongBeacon => one.long_beacon == other.long_beacon,
        SignalKind::LongConnection => one.long_connection == other.long_connection,
        SignalKind::Strobe => one.strobe == other.strobe,
        SignalKind::SmbFanOut => one.smb_fan_out == other.smb_fan_out,
        SignalKind::BackupServerContact => one.backup_server_contact == other.backup_server_contact,
        SignalKind::AdminManagementProtocol => {
            one.admin_management_protocol == other.admin_management_protocol
        }
        SignalKind::DestructiveRecoveryAction => {
            one.destructive_recovery_action == other.destructive_recovery_action
        }
        SignalKind::ThreatListMatch => one.threat_list_match == other.threat_list_match,
        SignalKind::RareUpload => one.rare_upload == other.rare_upload,
    }
}
