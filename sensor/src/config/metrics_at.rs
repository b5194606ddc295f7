//! An address to serve at.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where metrics are served.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum MetricsAt {
    #[default]
    Nowhere,
    Address(SocketAddr),
}

const OFF: &str = "off";

impl fmt::Display for MetricsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str(OFF),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl FromStr for MetricsAt {
    type Err = String;

    /// A port alone is one of this host, which nobody else reaches.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == OFF {
            return Ok(Self::Nowhere);
        }
        let port = || Some(SocketAddr::from(([127, 0, 0, 1], text.parse().ok()?)));
        let address = text.parse().ok().or_else(port);
        let address = address.ok_or_else(|| {
            format!("{text:?} is no address: 9617, 127.0.0.1:9617 or [::1]:9617; \"off\" for none")
        })?;
        Ok(Self::Address(address))
    }
}

impl Serialize for MetricsAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MetricsAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        let cases = [
            ("off", Some("off")),
            ("9617", Some("127.0.0.1:9617")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("[::1]:9617", Some("[::1]:9617")),
            ("0.0.0.0:9617", Some("0.0.0.0:9617")),
            ("localhost:9617", None),
            ("127.0.0.1", None),
            ("99999", None),
            ("", None),
        ];
        for (text, want) in cases {
            let got = text.parse::<MetricsAt>().ok().map(|at| at.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }
}
