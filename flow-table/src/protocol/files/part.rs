//! Parts of a file: who asks for ranges of it gets it in several answers, maybe of several flows
//! (RFC 9110, 14). Each part is told by itself; who sees all flows joins them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::protocol::mime::LOOK;
use crate::protocol::{BodyHead, Name, Text, names};
use crate::{Side, Timestamp, Uid};

/// Where a file lies that is asked for in ranges: host and path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Place(u128);

impl Place {
    /// On this host, by this name.
    pub fn of(host: &[u8], uri: &[u8]) -> Self {
        Self(hash(&[host, b"\n", uri]))
    }

    /// The printed name of the file that `client` gets from there.
    pub fn file(self, client: IpAddr) -> [u8; 18] {
        let addr = match client {
            IpAddr::V4(addr) => addr.to_ipv6_mapped(),
            IpAddr::V6(addr) => addr,
        };
        let name = hash(&[&self.0.to_be_bytes(), &addr.octets()]);
        Uid::from_bits(name).file(Side::Orig, 0)
    }
}

/// Nobody may choose two names that come to the same.
fn hash(parts: &[&[u8]]) -> u128 {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update(part);
    }
    let sum = sum.finalize();
    sum.first_chunk()
        .map_or(0, |first| u128::from_be_bytes(*first))
}

/// What is said of a part before it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// The file, where other flows may get parts of it too.
    pub of: Option<Place>,
    /// Where in the file it begins; unset where that is not said.
    pub at: Option<u64>,
    /// The length of the whole file.
    pub whole: Option<u64>,
}

impl Range {
    /// Whether it is known to begin within the file.
    pub fn is_later(&self) -> bool {
        self.at.is_some_and(|at| at > 0)
    }
}

/// Bytes of a file that came in one piece.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilePart {
    /// Of which file, and where in it the bytes begin that are missing before this part.
    pub range: Range,
    /// Which file of its side it is, from 1.
    pub number: u32,
    /// What carried it, as Zeek names its analyzers.
    #[serde(with = "names::source")]
    pub source: Name,
    /// Who sent it.
    pub side: Side,
    /// The name it is to be saved under.
    pub filename: Option<Text>,
    /// When its first byte was seen.
    pub first: Timestamp,
    /// When its last byte was seen.
    pub last: Timestamp,
    /// Bytes missing before it.
    pub gap: u64,
    /// Bytes of it.
    pub len: u64,
    /// How it begins, where that is how the file may begin.
    pub beginning: Vec<u8>,
}

impl FilePart {
    /// Of which nothing was seen yet.
    pub(super) fn new(head: &BodyHead<'_>, range: Range, side: Side, ts: Timestamp) -> Self {
        Self {
            range,
            number: 0,
            source: head.source,
            side,
            filename: head.filename.map(super::short),
            first: ts,
            last: ts,
            gap: 0,
            len: 0,
            beginning: Vec::new(),
        }
    }

    pub(super) fn data(&mut self, ts: Timestamp, bytes: &[u8]) {
        if self.len == 0 {
            self.first = ts;
        }
        self.last = ts;
        self.len = self.len.saturating_add(bytes.len() as u64);
        let at = self.range.at.unwrap_or(0).saturating_add(self.gap);
        let room = LOOK.saturating_sub(self.beginning.len()) as u64;
        let room = usize::try_from(room.saturating_sub(at)).unwrap_or(0);
        self.beginning
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// So many bytes are missing: what came before them, if anything did, and what comes after.
    pub(super) fn gap(&mut self, ts: Timestamp, len: u64) -> Option<Self> {
        if self.len == 0 {
            self.gap = self.gap.saturating_add(len);
            self.last = ts;
            return None;
        }
        let mut after = self.clone();
        let past = self.gap.saturating_add(self.len);
        after.range.at = self.range.at.map(|at| at.saturating_add(past));
        (after.gap, after.len, after.first, after.last) = (len, 0, ts, ts);
        after.beginning.clear();
        Some(std::mem::replace(self, after))
    }
}
