//! Numbers of signals that take hours.

use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::{Bytes, Count, GIGA, MEGA, MIB, Positive, Ratio, WindowSpan};

/// Of the web, mail, sign-in, chat, push, telephony and remote administration.
const USUAL_PORTS: [u16; 32] = [
    20, 21, 22, 25, 53, 80, 88, 110, 123, 143, 389, 443, 465, 587, 636, 853, 873, 990, 993, 995,
    1194, 1883, 3128, 3478, 5060, 5061, 5222, 5223, 5228, 8080, 8443, 8883,
];

signal_config! {
    /// Numbers of LONG_BEACON, in its score from 0 to 1.
    LongBeacon holds (131_072, 32 * MIB) {
        /// Fires from this score: medium.
        limit: Ratio = Ratio::known(0.7),
        /// From this score: high.
        high: Ratio = Ratio::known(0.85),
        /// From this score: critical.
        critical: Ratio = Ratio::known(0.95),
        /// Connections that there must be for a score.
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
        /// A destination of at most so many hosts, or that share of them, may be critical…
        few_hosts: Count = Count::new(3),
        /// …once gaps and sizes are as even as this, from 0 to 1…
        even: Ratio = Ratio::known(0.85),
        /// …or before there is a score, from so many connections…
        early_connections: Count = Count::new(6),
        /// …over at least this long, as what is shorter is PERIODIC_BEACON's…
        early_span: WindowSpan = WindowSpan::secs(300),
        /// …once the coefficients of variation of gaps and of sizes are below this.
        max_variation: Ratio = Ratio::known(0.3),
        /// That of the gaps is then jitter from this on.
        min_variation: Ratio = Ratio::known(0.04),
        /// Ports that much uses, so that they tell nothing.
        usual_ports: Vec<u16> = USUAL_PORTS.to_vec(),
        /// New is what was first contacted after everything had been watched for this long.
        min_history: WindowSpan = WindowSpan::secs(86_400),
        /// Jitter of many gaps is a median absolute deviation of at least this part of their median…
        least_jitter: Ratio = Ratio::known(0.03),
        /// …and at most this.
        most_jitter: Ratio = Ratio::known(0.25),
        /// Gaps that would be as even by chance more often than this are not even as such.
        max_chance: Ratio = Ratio::known(0.001),
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

signal_config! {
    /// Numbers of RARE_UPLOAD, in bytes sent.
    RareUpload holds (32_768, 8 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(86_400),
        /// More than this: medium.
        limit: Bytes = Bytes::new(500 * MEGA),
        /// More than this, to an address without a name: high.
        high: Bytes = Bytes::new(GIGA),
        /// More than this, to what is new: critical.
        critical: Bytes = Bytes::new(4 * GIGA),
        /// More than this many times what came back.
        upload_factor: Positive = Positive::known(10.0),
        /// A destination of at most so many hosts…
        few_hosts: Count = Count::new(3),
        /// …or this share of them, is rare.
        rare: Ratio = Ratio::known(0.02),
        /// New is what was first contacted after everything had been watched for this long…
        min_history: WindowSpan = WindowSpan::secs(86_400),
        /// …in a network of at least so many hosts.
        min_hosts: Count = Count::new(10),
        /// How long it stays open after bytes last moved.
        lasting: WindowSpan = WindowSpan::secs(2 * 3_600),
    }
}
