//! The wall clock: for what people are told about speed, and where packets come as they please. What
//! is found in a capture does not depend on it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flow_table::Timestamp;

/// Measures from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that may ask for the time"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The time of day, as packets of interfaces are stamped with.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that may ask for the time"
)]
pub(crate) fn time_of_day() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let secs = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::new(secs, since.subsec_nanos().into())
}
