//! Digests that can be asked for.

use flow_table::protocol::files::Hashes;
use serde::{Deserialize, Serialize};

/// A digest that files are to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileHash {
    Md5,
    Sha1,
    Sha256,
}

impl FileHash {
    /// These together.
    pub(crate) fn all(of: &[Self]) -> Hashes {
        Hashes {
            md5: of.contains(&Self::Md5),
            sha1: of.contains(&Self::Sha1),
            sha256: of.contains(&Self::Sha256),
        }
    }
}
