//! Numbers of signals that rows of protocols' logs make.

use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::{Bytes, Count, MEGA, MIB, WindowSpan};

signal_config! {
    /// What is remembered of destinations outside: addresses and registered domains.
    Destinations {}
}

signal_config! {
    /// What is remembered of answers of DNS: addresses outside and the names that led there.
    Answers holds (65_536, 16 * MIB) {}
}

signal_config! {
    /// Numbers of EXECUTABLE_FILE_DOWNLOAD, in programs.
    ExecutableFileDownload holds (16_384, 4 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// Fires from this many: high.
        limit: Count = Count::new(1),
    }
}

signal_config! {
    /// Numbers of RARE_EXTERNAL_SOURCE, in internal hosts that use the source.
    RareExternalSource holds (32_768, 8 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// A source that at most this many internal hosts use is rare.
        few_hosts: Count = Count::new(2),
        /// So is one that was first contacted within this time…
        new_for: WindowSpan = WindowSpan::secs(7 * 86_400),
        /// …if everything had been watched for this long by then. Pages, as opposed to files, count
        /// only once everything has been watched for this long.
        min_history: WindowSpan = WindowSpan::secs(86_400),
    }
}

signal_config! {
    /// Numbers of POST_DOWNLOAD_BEACON, in connections.
    PostDownloadBeacon holds (16_384, 8 * MIB) {
        /// How long after a download connections count.
        window: WindowSpan = WindowSpan::secs(600),
        /// Fires from this many connections to one destination: critical.
        limit: Count = Count::new(3),
        /// Connections closer together than this are one.
        min_gap: Span = Span::from_secs(1),
        /// They must have moved at most this much each, both ways together, on average.
        max_bytes: Bytes = Bytes::new(MEGA),
    }
}

signal_config! {
    /// Numbers of ICMP_TUNNEL, in echo messages that carry something.
    IcmpTunnel holds (16_384, 4 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(60),
        /// Fires from this many: medium.
        limit: Count = Count::new(20),
    }
}

signal_config! {
    /// Numbers of PROTOCOL_ON_WRONG_PORT, in flows; one is enough: medium.
    ProtocolOnWrongPort holds (16_384, 4 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// What runs on any port, as conn.log names it…
        anywhere: Vec<String> = ["http", "ssl", "quic"].map(str::to_owned).to_vec(),
        /// …from this one on.
        first_free_port: u16 = 1_024,
    }
}

signal_config! {
    /// Numbers of BRUTE_FORCE, in refusals.
    BruteForce holds (32_768, 8 * MIB) {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many: medium.
        limit: Count = Count::new(10),
        /// This many: high.
        high: Count = Count::new(50),
        /// Window of the long form.
        long_window: WindowSpan = WindowSpan::secs(2 * 3_600),
        /// It fires from this many: high.
        long_limit: Count = Count::new(100),
        /// Ports of services of which only the length of a session tells anything.
        ports: Vec<u16> = vec![3389],
        /// There, a session that is over within this time was refused…
        short: Span = Span::from_secs(10),
        /// …and one that is open for this long was let in.
        long: Span = Span::from_secs(60),
    }
}
