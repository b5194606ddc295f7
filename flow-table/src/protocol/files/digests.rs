//! Digests of files, made while their bytes pass.

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Which digests are made of files: they cost more than all the rest.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Hashes {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
}

impl Hashes {
    /// None of them.
    pub const NONE: Self = Self {
        md5: false,
        sha1: false,
        sha256: false,
    };
    /// All of them.
    pub const ALL: Self = Self {
        md5: true,
        sha1: true,
        sha256: true,
    };
}

/// The digests of a file; none of one that is not known to be whole.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Digests {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
}

impl Digests {
    /// None of them.
    pub const NONE: Self = Self {
        md5: None,
        sha1: None,
        sha256: None,
    };
}

/// Digests under way.
#[derive(Clone, Debug)]
pub(in crate::protocol) struct Hasher {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Hasher {
    /// `None` if none is wanted.
    pub(in crate::protocol) fn new(hashes: Hashes) -> Option<Box<Self>> {
        (hashes != Hashes::NONE).then(|| {
            Box::new(Self {
                md5: hashes.md5.then(Md5::new),
                sha1: hashes.sha1.then(Sha1::new),
                sha256: hashes.sha256.then(Sha256::new),
            })
        })
    }

    pub(in crate::protocol) fn data(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    pub(in crate::protocol) fn end(self) -> Digests {
        Digests {
            md5: self.md5.map(|md5| md5.finalize().into()),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
            sha256: self.sha256.map(|sha256| sha256.finalize().into()),
        }
    }
}
