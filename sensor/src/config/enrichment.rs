//! Which files say where addresses are.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Files in MaxMind's format, relative to the file that names them.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EnrichmentConfig {
    /// In which country an address is.
    pub(crate) country: OptionalFile,
    /// In whose autonomous system it is.
    pub(crate) asn: OptionalFile,
}

/// A file, or none: written as its path, or as nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub(crate) struct OptionalFile(pub(crate) Option<PathBuf>);

impl From<PathBuf> for OptionalFile {
    fn from(path: PathBuf) -> Self {
        Self(Some(path).filter(|path| *path != Path::new("")))
    }
}

impl From<OptionalFile> for PathBuf {
    fn from(file: OptionalFile) -> Self {
        file.0.unwrap_or_default()
    }
}
