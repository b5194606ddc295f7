//! What one needs to check a signal by hand, from conn.log and dns.log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use flow_table::Uid;
use serde::{Deserialize, Serialize};

/// A number of a measure, by its name.
pub type Number = (Cow<'static, str>, f64);

/// The measure behind a signal. Bounded: samples are cut at `max_evidence`.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Evidence {
    /// What was measured, in one sentence with its numbers, window and limit.
    pub measure: String,
    /// Whether `value` is exact, or an estimate because a cap was reached.
    pub approximate: bool,
    /// Where a learnt baseline or its prior was used: mean, deviation, windows seen.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "told")]
    pub baseline: Option<BaselineEvidence>,
    /// Named numbers that belong to the measure, in a fixed order.
    pub numbers: Vec<Number>,
    /// Some of the peers.
    pub peers: Vec<IpAddr>,
    /// Some of the ports.
    pub ports: Vec<u16>,
    /// Some of the flows, as named in conn.log.
    #[serde(serialize_with = "as_text")]
    pub uids: Vec<Uid>,
    /// The registered domain it concerns, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Arc<str>>,
    /// Some of the names that it concerns, long ones cut: those asked for, as in dns.log; what was
    /// fetched, and from where, as in http.log and ftp.log; a service, as in conn.log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Arc<str>>,
    /// The threat list that names whom it is about; where there is one, the severity is one step higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Arc<str>>,
    /// The addresses outside that it names, each with what is known of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<Outside>,
}

/// An address outside, and what is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Outside {
    /// The address.
    pub ip: IpAddr,
    /// The latest names that answers of DNS gave it, as in dns.log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Arc<str>>,
    /// The country it is in, as ISO 3166 has it. This and what follows is for others to fill in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Arc<str>>,
    /// The number of the autonomous system it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Whose system that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_org: Option<Arc<str>>,
}

impl Outside {
    /// An address of which nothing is known.
    pub const fn at(ip: IpAddr) -> Self {
        Self {
            ip,
            names: Vec::new(),
            country: None,
            asn: None,
            as_org: None,
        }
    }

    /// Whether anything is known of it.
    pub const fn is_known(&self) -> bool {
        !self.names.is_empty()
            || self.country.is_some()
            || self.asn.is_some()
            || self.as_org.is_some()
    }
}

/// The baseline a measure was held against.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct BaselineEvidence {
    /// Mean of the measure over earlier windows, or the prior's.
    pub mean: f64,
    /// Standard deviation, or the prior's.
    pub deviation: f64,
    /// How many windows were learnt from.
    pub windows: u64,
    /// Whether the configured prior stood in for too short a history.
    pub prior: bool,
    /// The hour of the week that was learnt from alone, from Monday 00:00 UTC, once that was possible.
    pub hour_of_week: Option<u8>,
}

/// A baseline as outputs have it: without an hour of the week where it is of none.
#[expect(clippy::ref_option, reason = "serde's signature")]
fn told<S: serde::Serializer>(
    baseline: &Option<BaselineEvidence>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told {
        mean: f64,
        deviation: f64,
        windows: u64,
        prior: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        hour_of_week: Option<u8>,
    }
    let told = |known: &BaselineEvidence| Told {
        mean: known.mean,
        deviation: known.deviation,
        windows: known.windows,
        prior: known.prior,
        hour_of_week: known.hour_of_week,
    };
    baseline.as_ref().map(told).serialize(serializer)
}

fn as_text<S: serde::Serializer>(uids: &[Uid], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(uids.iter().map(Uid::to_string))
}

/// Evidence as state: all of it, where outputs leave out what is empty, but for what is only told.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Evidence")]
pub(crate) struct Whole {
    measure: String,
    approximate: bool,
    baseline: Option<BaselineEvidence>,
    numbers: Vec<Number>,
    peers: Vec<IpAddr>,
    ports: Vec<u16>,
    uids: Vec<Uid>,
    domain: Option<Arc<str>>,
    names: Vec<Arc<str>>,
    listed: Option<Arc<str>>,
    /// Of a finding, once it is made.
    #[serde(skip)]
    outside: Vec<Outside>,
}
