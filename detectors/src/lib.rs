//! From flow events to signals, and from signals to detections.
#![forbid(unsafe_code)]

mod detection;
mod evidence;
mod signal;
mod stub;
pub use stub::*;

pub use detection::{Confidence, Detection, Finding, RuleInfo};
pub use evidence::{BaselineEvidence, Evidence};
pub use signal::{Severity, Signal, SignalKind, StableId, Subject, Window};
