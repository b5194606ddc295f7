//! Somebody else's program that findings go to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written as a URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// JSON lines of everything that is found.
    Tcp(String),
    /// The same, a datagram each.
    Udp(String),
    Unix(PathBuf),
    UnixDatagram(PathBuf),
    Tls(String),
    /// Detections, as RFC 5424 has it.
    SyslogTcp(String),
    SyslogUdp(String),
    SyslogUnix(PathBuf),
    SyslogTls(String),
    /// Detections, each posted to this URL.
    Webhook(String),
}

const KINDS: &str = "tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, unix:///PATH, unixgram:///PATH, \
     syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT, syslog+udp://HOST:PORT, syslog+unixgram:///dev/log, \
     http://HOST/PATH, https://HOST/PATH";

impl Target {
    /// Whether it has to prove who it is.
    pub(crate) fn speaks_tls(&self) -> bool {
        match self {
            Self::Tls(_) | Self::SyslogTls(_) => true,
            Self::Webhook(url) => url.starts_with("https://"),
            Self::Tcp(_)
            | Self::Udp(_)
            | Self::Unix(_)
            | Self::UnixDatagram(_)
            | Self::SyslogTcp(_)
            | Self::SyslogUdp(_)
            | Self::SyslogUnix(_) => false,
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no receiver: {KINDS}");
        let (kind, rest) = text.split_once("://").ok_or_else(bad)?;
        let host = || {
            let (host, port) = rest.rsplit_once(':').ok_or_else(bad)?;
            let sound = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
            sound.then(|| rest.to_owned()).ok_or_else(bad)
        };
        let path = || {
            let path = PathBuf::from(rest);
            path.is_absolute().then_some(path).ok_or_else(bad)
        };
        Ok(match kind {
            "tcp" => Self::Tcp(host()?),
            "tls" => Self::Tls(host()?),
            "udp" => Self::Udp(host()?),
            "unix" => Self::Unix(path()?),
            "unixgram" => Self::UnixDatagram(path()?),
            "syslog+tcp" => Self::SyslogTcp(host()?),
            "syslog+tls" => Self::SyslogTls(host()?),
            "syslog+udp" => Self::SyslogUdp(host()?),
            "syslog+unixgram" => Self::SyslogUnix(path()?),
            "http" | "https" if !rest.is_empty() && !rest.starts_with('/') => {
                Self::Webhook(text.to_owned())
            }
            _ => return Err(bad()),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Tls(host) => write!(f, "tls://{host}"),
            Self::Udp(host) => write!(f, "udp://{host}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::UnixDatagram(path) => write!(f, "unixgram://{}", path.display()),
            Self::SyslogTcp(host) => write!(f, "syslog+tcp://{host}"),
            Self::SyslogTls(host) => write!(f, "syslog+tls://{host}"),
            Self::SyslogUdp(host) => write!(f, "syslog+udp://{host}"),
            Self::SyslogUnix(path) => write!(f, "syslog+unixgram://{}", path.display()),
            Self::Webhook(url) => f.write_str(url),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_and_print() {
        let sound = [
            "tcp://10.0.0.9:5140",
            "tcp://[fe80::1]:5140",
            "tls://[fe80::1]:5140",
            "udp://collector:514",
            "unix:///run/x.sock",
            "unixgram:///run/x.sock",
            "syslog+tcp://collector:601",
            "syslog+tls://collector:6514",
            "syslog+udp://collector:514",
            "syslog+unixgram:///dev/log",
            "http://127.0.0.1:8080/hook?a=b",
            "https://collector/hook",
        ];
        for text in sound {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        let bad = [
            "",
            "tcp://10.0.0.9",
            "tcp://:514",
            "tcp://x:0",
            "udp://x:99999",
            "unix://relative",
            "http://",
            "http:///path",
            "https://",
            "tls://x",
            "ftp://x:21",
        ];
        for text in bad {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
