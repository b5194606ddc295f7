//! Numbers of signals that take hours.

use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::{Bytes, Count, MIB, Positive, Ratio, WindowSpan};

signal_config! {
    /// Numbers of LONG_BEACON, in its score from 0 to 1.
    LongBeacon holds (131_072, 32 * MIB) {
        /// Fires from this score: medium.
        limit: Ratio = Ratio::known(0.7),
        /// From this score: high.
        high: Ratio = Ratio::known(0.85),
        /// From this score: critical.
        critical: Ratio = Ratio::known(0.95),
        /// Connections that there must be.
        min_connections: Count = Count::new(12),
        /// Connections closer together than this are one.
        min_gap: Span = Span::from_millis(100),
        /// Destination ports that do not count.
        ignore_ports: Vec<u16> = vec![53, 123],
        /// Internal hosts there must be for rarity to count.
        min_hosts: Count = Count::new(10),
        /// A destination that at most this share of them contacts is rare…
        rare: Ratio = Ratio::known(0.02),
        /// …and one that at least this share contacts is common.
        common: Ratio = Ratio::known(0.5),
        /// What that adds to the score, or takes from it.
        weight: Ratio = Ratio::known(0.15),
        /// How long it stays open after the last connection over the limit.
        lasting: WindowSpan = WindowSpan::secs(2 * 3_600),
    }
}

/// Numbers of LONG_CONNECTION, in hours. It keeps no table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LongConnection {
    /// Longer than this: low.
    pub limit: Positive,
    /// Longer than this: medium.
    pub medium: Positive,
    /// Longer than this: high.
    pub high: Positive,
    /// How long it stays open after the flow last moved something.
    pub lasting: WindowSpan,
}

impl Default for LongConnection {
    fn default() -> Self {
        Self {
            limit: Positive::known(1.0),
            medium: Positive::known(4.0),
            high: Positive::known(8.0),
            lasting: WindowSpan::secs(600),
        }
    }
}

signal_config! {
    /// Numbers of STROBE, in connections.
    Strobe holds (32_768, 8 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(86_400),
        /// Fires from this many: high.
        limit: Count = Count::new(86_400),
        /// How long it stays open after the last connection over the limit.
        lasting: WindowSpan = WindowSpan::secs(600),
    }
}
