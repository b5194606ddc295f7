//! The logs that can be done without.

use serde::{Deserialize, Serialize};

/// A log, by the name of its file without `.log`. conn.log is not among them: it is always written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Log {
    CaptureLoss,
    Dhcp,
    Dns,
    Files,
    Ftp,
    Http,
    KnownHosts,
    KnownServices,
    Notice,
    Ntp,
    Quic,
    Smtp,
    Ssh,
    Ssl,
    Stats,
    Tunnel,
    Weird,
    X509,
}

impl Log {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CaptureLoss => "capture_loss",
            Self::Dhcp => "dhcp",
            Self::Dns => "dns",
            Self::Files => "files",
            Self::Ftp => "ftp",
            Self::Http => "http",
            Self::KnownHosts => "known_hosts",
            Self::KnownServices => "known_services",
            Self::Notice => "notice",
            Self::Ntp => "ntp",
            Self::Quic => "quic",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Ssl => "ssl",
            Self::Stats => "stats",
            Self::Tunnel => "tunnel",
            Self::Weird => "weird",
            Self::X509 => "x509",
        }
    }
}
