//! The numbers of each signal. `window` is always the stretch of packet time the measure covers;
//! `limit` what it must exceed (or reach, where the field says so); `medium`, `high` and `critical`
//! where its severity rises; `max_subjects` and `max_memory` what its table may hold before it evicts.

use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::{Bytes, Count, Positive, Ratio, WindowSpan};

pub use of_days::{LongBeacon, LongConnection, RareUpload, Strobe};
pub use of_roles::{
    AdminManagementProtocol, BackupServerContact, DestructiveRecoveryAction, SmbFanOut,
    ThreatListMatch,
};
pub use of_rows::{
    Answers, BruteForce, Destinations, ExecutableFileDownload, IcmpTunnel, PostDownloadBeacon,
    ProtocolOnWrongPort, RareExternalSource,
};

const MIB: u64 = 1 << 20;
const MEGA: u64 = 1_000_000;
const GIGA: u64 = 1_000_000_000;

/// Numbers of a signal, and how many subjects in how much memory its tables hold.
macro_rules! signal_config {
    ($(#[$doc:meta])* $name:ident { $($fields:tt)* }) => {
        signal_config! { $(#[$doc])* $name holds (131_072, 32 * MIB) { $($fields)* } }
    };
    ($(#[$doc:meta])* $name:ident holds ($subjects:expr, $memory:expr)
        { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// How many subjects are kept.
            pub max_subjects: Count,
            /// How much memory its state may take, in bytes.
            pub max_memory: Bytes,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    max_subjects: Count::new($subjects),
                    max_memory: Bytes::new($memory),
                }
            }
        }
    };
}

mod of_days;
mod of_roles;
mod of_rows;

signal_config! {
    /// Numbers of PORT_SCAN, in distinct destination ports.
    PortScan {
        /// Window.
        window: WindowSpan = WindowSpan::secs(60),
        /// More ports than this: medium.
        limit: Count = Count::new(20),
        /// More ports than this: high.
        high: Count = Count::new(30),
        /// More ports than this: critical.
        critical: Count = Count::new(50),
        /// Medium, however many, if this share of them took part in a conversation.
        max_completed: Ratio = Ratio::known(0.7),
    }
}

signal_config! {
    /// Numbers of CONNECTION_SPIKE, in standard deviations above the host's mean.
    ConnectionSpike {
        /// Window, also that of the baseline.
        window: WindowSpan = WindowSpan::secs(60),
        /// More deviations than this: medium.
        limit: Positive = Positive::known(3.0),
        /// More deviations than this: high.
        high: Positive = Positive::known(4.0),
        /// More deviations than this: critical.
        critical: Positive = Positive::known(5.0),
        /// Connections per window of a host not known yet.
        prior_mean: Positive = Positive::known(10.0),
        /// Their standard deviation.
        prior_deviation: Positive = Positive::known(3.0),
        /// A learnt deviation counts as at least this, so that a steady host may vary a little.
        min_deviation: Positive = Positive::known(3.0),
        /// Windows with traffic that must be seen before the learnt baseline replaces the prior.
        min_history: Count = Count::new(30),
    }
}

signal_config! {
    /// Numbers of PRIVILEGED_ACCESS.
    PrivilegedAccess {
        /// Window.
        window: WindowSpan = WindowSpan::secs(60),
        /// Destination ports that administer hosts.
        ports: Vec<u16> = vec![22, 445, 3389, 5985, 5986],
        /// Fires at this many distinct services.
        services: Count = Count::new(2),
        /// Fires at this many hosts for one service.
        hosts: Count = Count::new(3),
        /// This many services: high.
        high: Count = Count::new(2),
        /// This many services: critical.
        critical: Count = Count::new(3),
    }
}

signal_config! {
    /// Numbers of PERIODIC_BEACON's short form.
    PeriodicBeacon {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many gaps between connections.
        min_gaps: Count = Count::new(3),
        /// The gaps' coefficient of variation must be below this.
        max_variation: Ratio = Ratio::known(0.3),
        /// Connections closer together than this are one beat.
        min_gap: Span = Span::from_secs(1),
        /// Internal hosts there must be for it to matter whether a destination is called by name.
        min_hosts: Count = Count::new(10),
        /// One that is needs gaps that differ by this part of their median to be more than medium.
        least_jitter: Ratio = Ratio::known(0.03),
        /// Gaps that would be as even by chance more often than this are no more than medium.
        max_chance: Ratio = Ratio::known(0.001),
        /// How many beats are kept for a pair.
        max_beats: Count = Count::new(64),
        /// This many beats: high.
        high: Count = Count::new(5),
        /// This many beats: critical.
        critical: Count = Count::new(10),
    }
}

signal_config! {
    /// Numbers of PERSISTENT_DESTINATION, in connections.
    PersistentDestination {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// Fires from this many connections: medium.
        limit: Count = Count::new(5),
        /// This many: high.
        high: Count = Count::new(10),
        /// This many: critical.
        critical: Count = Count::new(20),
        /// A destination that this many internal hosts contact is common…
        common_hosts: Count = Count::new(5),
        /// …unless that is at most this share of the internal hosts known.
        common_share: Ratio = Ratio::known(0.02),
        /// How many internal hosts are remembered to take that share of.
        max_known_hosts: Count = Count::new(65_536),
    }
}

signal_config! {
    /// Numbers of COMMAND_EXCHANGE, in request and response exchanges of one session.
    CommandExchange {
        /// A pause this long ends a session.
        gap: WindowSpan = WindowSpan::secs(120),
        /// A flow this old is judged by its requests and answers; a younger one is one exchange.
        interactive_after: WindowSpan = WindowSpan::secs(10),
        /// Fires from this many exchanges: medium.
        limit: Count = Count::new(3),
        /// This many: high.
        high: Count = Count::new(5),
        /// This many: critical.
        critical: Count = Count::new(10),
        /// Mean bytes sent per exchange must be below this.
        max_sent: Bytes = Bytes::new(500),
        /// Mean bytes received must be above this many times the mean sent.
        min_mean_factor: Positive = Positive::known(2.0),
        /// All bytes received must be above this many times all bytes sent.
        min_total_factor: Positive = Positive::known(3.0),
    }
}

signal_config! {
    /// Numbers of DATA_STAGING, in bytes received.
    DataStaging {
        /// Window, also that of the baseline.
        window: WindowSpan = WindowSpan::secs(300),
        /// More than this, and more than the baseline allows: medium.
        limit: Bytes = Bytes::new(500 * MEGA),
        /// More than this: high.
        high: Bytes = Bytes::new(GIGA),
        /// Flows that moved no more than this in one direction do not count.
        min_transfer: Bytes = Bytes::new(MEGA),
        /// Destination ports of file transfer services.
        ports: Vec<u16> = vec![445, 139, 22, 21, 20, 2049, 873],
        /// Bytes per window of a host not known yet.
        prior_mean: Bytes = Bytes::new(100 * MEGA),
        /// Their standard deviation.
        prior_deviation: Bytes = Bytes::new(50 * MEGA),
        /// A learnt deviation counts as at least this.
        min_deviation: Bytes = Bytes::new(50 * MEGA),
        /// How many standard deviations above the mean the baseline allows.
        deviations: Positive = Positive::known(3.0),
        /// Windows with traffic that must be seen before the learnt baseline replaces the prior.
        min_history: Count = Count::new(30),
    }
}

signal_config! {
    /// Numbers of OUTBOUND_SPIKE, in bytes sent outside.
    OutboundSpike {
        /// Window, also that of the baseline.
        window: WindowSpan = WindowSpan::secs(300),
        /// More than this fires whatever the baseline says.
        limit: Bytes = Bytes::new(GIGA),
        /// This many standard deviations above the host's mean fire.
        deviations: Positive = Positive::known(3.0),
        /// More than this many times what the host received fires…
        upload_factor: Positive = Positive::known(10.0),
        /// …from this many bytes sent.
        min_upload: Bytes = Bytes::new(50 * MEGA),
        /// More than this: medium, otherwise low.
        medium: Bytes = Bytes::new(500 * MEGA),
        /// More than this: high.
        high: Bytes = Bytes::new(GIGA),
        /// More than this: critical.
        critical: Bytes = Bytes::new(2 * GIGA),
        /// Bytes per window of a host not known yet.
        prior_mean: Bytes = Bytes::new(50 * MEGA),
        /// Their standard deviation.
        prior_deviation: Bytes = Bytes::new(25 * MEGA),
        /// A learnt deviation counts as at least this.
        min_deviation: Bytes = Bytes::new(25 * MEGA),
        /// Windows with traffic that must be seen before the learnt baseline replaces the prior.
        min_history: Count = Count::new(30),
    }
}

signal_config! {
    /// Numbers of DESTINATION_DIVERSITY, in destinations.
    DestinationDiversity {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// Fires from this many destinations: low.
        limit: Count = Count::new(5),
        /// More than this: medium.
        medium: Count = Count::new(10),
        /// More than this: high.
        high: Count = Count::new(15),
        /// Each must have been sent more than this.
        min_each: Bytes = Bytes::new(100_000),
        /// The host must have sent outside more than this in all.
        min_total: Bytes = Bytes::new(50 * MEGA),
    }
}

signal_config! {
    /// Numbers of FAN_IN_DDOS.
    FanInDdos {
        /// Window, also that of the baseline.
        window: WindowSpan = WindowSpan::secs(10),
        /// Fires from this many distinct sources, if a rate is over its limit too.
        min_sources: Count = Count::new(100),
        /// Packets per second that must be exceeded, or…
        packets_per_second: Positive = Positive::known(10_000.0),
        /// …bits per second (IP headers included), or…
        bits_per_second: Positive = Positive::known(100_000_000.0),
        /// …this many times the destination's own mean of packets per second…
        baseline_factor: Positive = Positive::known(10.0),
        /// …if it is above this many packets per second…
        min_packets_per_second: Positive = Positive::known(1_000.0),
        /// …and was learnt from at least this many windows with traffic.
        min_history: Count = Count::new(30),
        /// This many times the limit: high, otherwise medium.
        high: Positive = Positive::known(2.0),
        /// This many times the limit: critical.
        critical: Positive = Positive::known(5.0),
    }
}

signal_config! {
    /// Numbers of FAN_OUT_SCAN, in distinct destinations.
    FanOutScan {
        /// Window.
        window: WindowSpan = WindowSpan::secs(60),
        /// Fires from this many destinations: medium.
        limit: Count = Count::new(50),
        /// More than this: high.
        high: Count = Count::new(250),
        /// More than this: critical.
        critical: Count = Count::new(1_000),
        /// The share that did not answer must be at least this.
        min_unanswered: Ratio = Ratio::known(0.6),
        /// Window of the long form.
        long_window: WindowSpan = WindowSpan::secs(2 * 3_600),
        /// It fires from this many ports of hosts inside that did not answer…
        long_limit: Count = Count::new(60),
        /// …tried over at least this long…
        long_spread: WindowSpan = WindowSpan::secs(1_500),
        /// …each at most this many times, on average.
        long_attempts: Positive = Positive::known(3.0),
        /// How long a destination may take to answer before it is judged.
        answer_grace: Span = Span::from_secs(1),
        /// How many destinations may wait to be judged; beyond it the oldest is judged early.
        max_undecided: Count = Count::new(262_144),
    }
}

signal_config! {
    /// Numbers of SYN_BURST, in SYNs.
    SynBurst {
        /// Window.
        window: WindowSpan = WindowSpan::secs(10),
        /// Fires from this many SYNs: medium.
        limit: Count = Count::new(500),
        /// The share never completed must be at least this.
        min_incomplete: Ratio = Ratio::known(0.8),
        /// How long a handshake may take before it is judged.
        answer_grace: Span = Span::from_secs(1),
        /// This many times the limit: high.
        high: Positive = Positive::known(2.0),
        /// This many times the limit: critical.
        critical: Positive = Positive::known(5.0),
    }
}

signal_config! {
    /// Numbers of DNS_QUERY_BURST, in queries.
    DnsQueryBurst {
        /// Window, also that of the baseline.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many queries: medium.
        limit: Count = Count::new(25),
        /// This many queries: high.
        high: Count = Count::new(40),
        /// They must be for at least this many distinct names…
        min_names: Count = Count::new(20),
        /// …and more than so many standard deviations above the client's mean…
        deviations: Positive = Positive::known(3.0),
        /// …of which the deviation counts as at least this…
        min_deviation: Positive = Positive::known(3.0),
        /// …once it was learnt from this many windows with queries.
        min_history: Count = Count::new(12),
    }
}

signal_config! {
    /// Numbers of HIGH_ENTROPY_DNS, in queries.
    HighEntropyDns {
        /// Window.
        window: WindowSpan = WindowSpan::secs(300),
        /// Fires from this many queries: high.
        limit: Count = Count::new(10),
        /// This many: critical.
        critical: Count = Count::new(20),
        /// What stands left of the registered domain must have at least this many characters…
        min_length: Count = Count::new(24),
        /// …of at least this many bits each (Shannon entropy).
        min_entropy: Positive = Positive::known(3.5),
    }
}

/// Registered domains of services that answer for hashes of files and addresses, or put content under
/// names that are made of numbers.
const USUAL_DOMAINS: [&str; 16] = [
    "avast.com",
    "avcdn.net",
    "bitdefender.net",
    "e5.sk",
    "fireeyecloud.com",
    "googlesyndication.com",
    "googlevideo.com",
    "kaspersky-labs.com",
    "ksn-url.net",
    "mcafee.com",
    "senderbase.org",
    "sophosxl.net",
    "spamhaus.org",
    "surbl.org",
    "trendmicro.com",
    "webroot.com",
];

signal_config! {
    /// Numbers of ENCODED_TUNNELING_PATTERN, in distinct encoded names below one registered domain.
    EncodedTunnelingPattern {
        /// Window.
        window: WindowSpan = WindowSpan::secs(600),
        /// Fires from this many names: high.
        limit: Count = Count::new(12),
        /// This many: critical.
        critical: Count = Count::new(20),
        /// What stands left of the registered domain must have at least this many characters…
        min_length: Count = Count::new(24),
        /// …of at least this many bits each (Shannon entropy).
        min_entropy: Positive = Positive::known(3.5),
        /// Domains below which such names are usual: antivirus and reputation services, content networks.
        ignore_domains: Vec<String> = USUAL_DOMAINS.map(str::to_owned).to_vec(),
        /// Clients there must be for others to count:
        min_hosts: Count = Count::new(10),
        /// those below which this share of all clients ask for such names.
        common: Ratio = Ratio::known(0.25),
    }
}
