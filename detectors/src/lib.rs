//! From flow events to signals, and from signals to detections.
//!
//! [`Detectors`] takes [`flow_table::FlowEvent`]s and rows of protocols' logs. Each of the detectors in `signals/` watches one
//! thing about one kind of subject; when its measure goes over a limit, a [`Signal`] opens, and closes
//! one window after it was last over. [`Rule`]s join signals about one subject into a [`Detection`],
//! which is what a person acts on. Both come out of [`Detectors::drain`] as [`Finding`]s.
//!
//! Time is packet time: nothing here reads a clock, starts a thread or does I/O, and the same events
//! always give the same findings.
//!
//! ```
//! use detectors::{Config, Detectors, builtin_rules};
//! use flow_table::Timestamp;
//!
//! let mut detectors = Detectors::new(&Config::default(), builtin_rules());
//! detectors.advance(Timestamp::new(1_700_000_000, 0));
//! detectors.finish();
//! assert_eq!(detectors.drain().count(), 0);
//! ```
#![forbid(unsafe_code)]

mod asked;
mod baseline;
mod board;
mod channels;
pub mod config;
mod content;
mod correlate;
mod counters;
mod deleted;
mod destinations;
mod detection;
mod detectors;
mod echoed;
mod evenness;
mod evidence;
mod fetched;
mod ghosts;
mod hash;
mod misplaced;
mod names;
mod networks;
mod outside;
mod roles;
mod rule;
mod samples;
mod scattered;
mod seen;
mod signal;
mod signals;
mod signed_in;
mod state;
mod subjects;
mod suppress;
#[cfg(test)]
mod testing;
mod threats;
mod told;
mod wants;
mod window;

pub use config::Config;
pub use content::program_type;
pub use counters::{Counters, RuleCounters, SignalCounters};
pub use detection::{Confidence, Detection, Finding, RuleInfo};
pub use detectors::{Detectors, RestoreError};
pub use evidence::{BaselineEvidence, Evidence, Number, Outside};
pub use rule::{
    BUILTIN_RULES, ChainProblem, Explanation, Heard, Part, Rule, RuleError, Source, Verdict,
    builtin_rules, chain_problems,
};
pub use signal::{Severity, Signal, SignalKind, StableId, Subject, Window};
pub use signals::Guide;
pub use suppress::Suppressions;
pub use threats::{Indicator, ThreatLists, Threats};
