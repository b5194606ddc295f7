//! What can be wrong with a capture. Each says which file, where in it, both numbers, and what
//! became of the rest.

/// Why a capture, or the rest of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// It cannot be opened.
    #[error("{path}: cannot open: {source}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Reading failed on the way.
    #[error(
        "{path}: cannot read on after byte {offset}: {source}; everything before it was processed"
    )]
    Read {
        /// The file.
        path: String,
        /// How far it went.
        offset: u64,
        /// Why.
        source: std::io::Error,
    },
    /// It holds nothing at all.
    #[error("{path}: the file is empty: 0 bytes, a capture has at least 24")]
    Empty {
        /// The file.
        path: String,
    },
    /// It does not begin as a capture does.
    #[error(
        "{path}: not a capture: it begins with {found}, not with the magic number of pcap or pcapng \
         (.gz and .zst of them can be read too)"
    )]
    NoCapture {
        /// The file.
        path: String,
        /// Its first bytes.
        found: String,
    },
    /// It ends inside a record.
    #[error(
        "{path}: record {record} at byte {offset} claims {claimed} bytes but {left} remain; \
         everything before it was processed"
    )]
    Truncated {
        /// The file.
        path: String,
        /// Number of the record, from 1.
        record: u64,
        /// Where it begins (in the uncompressed bytes).
        offset: u64,
        /// Bytes it claims, its header included.
        claimed: u64,
        /// Bytes there are.
        left: u64,
    },
    /// A record larger than any packet.
    #[error(
        "{path}: record {record} at byte {offset} claims {claimed} bytes but a record holds at most \
         {limit}; everything before it was processed"
    )]
    TooLarge {
        /// The file.
        path: String,
        /// Number of the record, from 1.
        record: u64,
        /// Where it begins.
        offset: u64,
        /// Bytes it claims.
        claimed: u64,
        /// Bytes we accept.
        limit: u64,
    },
    /// A block or record that contradicts itself.
    #[error(
        "{path}: record {record} at byte {offset} is broken: {what}; everything before it was processed"
    )]
    Broken {
        /// The file.
        path: String,
        /// Number of the record, from 1.
        record: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Packets of a link type we cannot read.
    #[error(
        "{path}: record {record} at byte {offset}: link type {number} is not supported; its packets were counted and left out"
    )]
    UnknownLink {
        /// The file.
        path: String,
        /// Number of the record, from 1.
        record: u64,
        /// Where the record is.
        offset: u64,
        /// The registered number.
        number: u32,
    },
}
