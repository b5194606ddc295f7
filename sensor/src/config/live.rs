//! What only `flowhawk live` is told.

use serde::{Deserialize, Deserializer, Serialize};

use super::{CpuList, MetricsAt, OptionalFile, Target};

/// See the module.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LiveConfig {
    /// CPUs that threads stay on, one each; as the kernel likes, if empty.
    pub(crate) cpus: CpuList,
    /// Where metrics are served.
    pub(crate) metrics: MetricsAt,
    /// The share of packets that may be lost in ten seconds before that is told.
    #[serde(deserialize_with = "share")]
    pub(crate) too_much_loss: f64,
    /// The share of acknowledgements that may be of what was never heard before that is told.
    #[serde(deserialize_with = "share")]
    pub(crate) too_many_gaps: f64,
    /// Other programs that findings go to.
    pub(crate) send: Vec<Target>,
    /// Certificates of the authorities that may say who they are, where not those of the system; relative to
    /// the file that names it.
    pub(crate) ca_file: OptionalFile,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            cpus: CpuList::default(),
            metrics: MetricsAt::Nowhere,
            too_much_loss: 0.01,
            too_many_gaps: 0.1,
            send: Vec::new(),
            ca_file: OptionalFile::default(),
        }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(serde::de::Error::custom(format!(
            "{share} is not between 0.0 and 1.0"
        )))
    }
}
