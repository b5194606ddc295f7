//! What the outputs of a run without an end need besides rows: a moment now and then, and files
//! opened again when somebody moved them.

use std::str::FromStr;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, tick};
use flow_table::Span;

use super::logs::LogLost;
use crate::say;

/// How long a row may wait to be written.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(super) clock: Receiver<Instant>,
    pub(super) reopen: Receiver<()>,
    /// Whether the end of the run is far away.
    urgent: bool,
}

impl Upkeep {
    /// None, for what ends by itself.
    pub(crate) fn none() -> Self {
        Self {
            clock: never(),
            reopen: never(),
            urgent: false,
        }
    }

    /// Tells a failure at once, where the end of the run is far away.
    pub(super) fn tell(&self, failure: &LogLost) {
        if self.urgent {
            say(failure);
        }
    }

    /// With files opened again whenever that is asked for.
    pub(crate) fn with(reopen: Receiver<()>) -> Self {
        Self {
            clock: tick(LONGEST_WAIT),
            reopen,
            urgent: true,
        }
    }
}

/// How often logs begin anew: so often that a day has a whole number of times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Every(Span);

const DAY: i64 = 86_400;
const SECOND: i64 = 1_000_000_000;

impl Every {
    pub(super) const fn nanos(self) -> i64 {
        self.0.as_nanos()
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span: Span = text.parse().map_err(|error| format!("{error}"))?;
        let nanos = span.as_nanos();
        if nanos >= SECOND && nanos % SECOND == 0 && DAY % (nanos / SECOND) == 0 {
            Ok(Self(span))
        } else {
            Err("a day must have a whole number of them: 1h, 10m, 24h".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_whole_number_of_them() {
        for text in ["1h", "10m", "1s", "24h", "86400s"] {
            assert!(text.parse::<Every>().is_ok(), "{text}");
        }
        for text in ["7h", "0s", "48h", "500ms", "1500ms", "x", ""] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }
}
