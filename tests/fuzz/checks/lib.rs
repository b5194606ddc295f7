//! What must hold for any input at all.
//!
//! Each module checks one door through which strangers' bytes come in, and takes any bytes: it
//! says in its opening what it asserts. `targets/` feeds them from libFuzzer; `tests/crashes.rs`
//! feeds them what was found once, without any fuzzer.

pub mod captures;
pub mod certificates;
pub mod config;
pub mod decode;
pub mod detectors;
pub mod inspect;
pub mod parsers;
pub mod quic;
pub mod rules;
pub mod streams;
pub mod table;

mod scratch;

/// The parts of the sensor that read files: a binary's modules cannot be depended on, so they are
/// compiled here once more.
#[path = "../../../sensor/src"]
#[allow(
    dead_code,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    reason = "checked where it belongs; not all of it is used here"
)]
mod sensor {
    pub(crate) mod capture;
    pub(crate) mod config;
    pub(crate) mod origins;
    pub(crate) mod rulebook;
    pub(crate) mod suppressions;
    pub(crate) mod threats;
}

/// What the sensor's modules know of its command line.
mod cli {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum LogFormat {
        Tsv,
        Json,
    }
}

/// What the sensor's modules know of its progress display.
mod progress {
    use std::sync::atomic::AtomicU64;

    #[derive(Default)]
    pub(crate) struct Live {
        pub(crate) bytes: AtomicU64,
    }
}
