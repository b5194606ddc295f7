//! What the database keeps about a run.

use std::hash::Hasher;

use flow_table::Timestamp;
use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A run, without the time of day: the same run again is the same record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunRecord {
    /// `replay`, …
    pub(crate) command: &'static str,
    /// [`crate::config::Config::digest`].
    pub(crate) config_digest: String,
    /// As given on the command line.
    pub(crate) inputs: Vec<String>,
    /// Time of the first packet.
    pub(crate) first: Option<Timestamp>,
    /// Time of the last packet.
    pub(crate) last: Option<Timestamp>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    /// Everything else that was counted, by name.
    pub(crate) counters: Vec<(String, u64)>,
}

impl RunRecord {
    pub(super) const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    /// Hash of version, configuration, inputs and everything counted.
    pub(super) fn id(&self) -> String {
        let Self {
            command,
            config_digest,
            inputs,
            first,
            last,
            packets,
            bytes,
            flows,
            counters,
        } = self;
        let times = [first, last].map(|time| time.map(Timestamp::as_nanos));
        let totals = [packets, bytes, flows];
        let all = (
            Self::VERSION,
            command,
            config_digest,
            inputs,
            times,
            totals,
            counters,
        );
        let mut hasher = SipHasher13::new();
        hasher.write(json(&all).as_bytes());
        format!("{:032x}", hasher.finish128().as_u128())
    }

    pub(super) fn inputs_json(&self) -> String {
        json(&self.inputs)
    }

    /// An object, in the order the counters were given.
    pub(super) fn counters_json(&self) -> String {
        struct Object<'a>(&'a [(String, u64)]);
        impl Serialize for Object<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
            }
        }
        json(&Object(&self.counters))
    }
}

/// Texts and numbers always have a JSON form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
