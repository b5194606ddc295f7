//! What the outputs of a run without an end need besides rows: a moment now and then, and files
//! opened again when somebody moved them.

use std::str::FromStr;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, tick};
use flow_table::Span;

use super::Notice;
use super::log_lost::LogLost;
use crate::messages::{Event, say};

/// How long a row may wait to be written.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(super) clock: Receiver<Instant>,
    pub(super) reopen: Receiver<()>,
    /// What a person should know, from elsewhere.
    pub(super) notices: Receiver<Notice>,
    /// The share of acknowledgements of what was never heard that is told.
    pub(super) too_many_gaps: Option<f64>,
    /// Whether the end of the run is far away.
    urgent: bool,
}

impl Upkeep {
    /// None, for what ends by itself.
    pub(crate) fn none() -> Self {
        Self {
            clock: never(),
            reopen: never(),
            notices: never(),
            too_many_gaps: None,
            urgent: false,
        }
    }

    /// Tells a failure at once, where the end of the run is far away.
    pub(super) fn tell(&self, failure: &LogLost) {
        if self.urgent {
            say(&failure.message(Event::LogFailed));
        }
    }

    /// Tells that what could not be written can be again; so many rows are in no log by now.
    pub(super) fn tell_again(&self, lost: u64) {
        if self.urgent {
            let text = format!("logs are written again; {lost} rows are in none");
            say(&Event::LogsBack.says(text).with("lost", lost));
        }
    }

    /// What became of the logs: of a failure that was overcome only rows that are missing count.
    pub(super) fn judge(
        &self,
        first: Option<LogLost>,
        closed: Result<(), LogLost>,
        lost: u64,
    ) -> Result<(), LogLost> {
        match first {
            Some(error) if lost > 0 || !self.urgent => Err(error.of(lost)),
            _ => match closed {
                Ok(()) if lost > 0 => Err(LogLost::crowded(lost)),
                Err(error) => Err(error.of(lost)),
                Ok(()) => Ok(()),
            },
        }
    }

    /// With files opened again whenever that is asked for.
    pub(crate) fn with(
        reopen: Receiver<()>,
        notices: Receiver<Notice>,
        too_many_gaps: f64,
    ) -> Self {
        Self {
            clock: tick(LONGEST_WAIT),
            reopen,
            notices,
            too_many_gaps: Some(too_many_gaps),
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
    fn what_was_overcome_is_no_loss_and_what_was_not_is() {
        let failed = || LogLost::new("x.log", anyhow::anyhow!("full"));
        let live = Upkeep::with(never(), never(), 0.1);
        let cases = [
            (&live, None, Ok(()), 0, None),
            (&live, Some(failed()), Ok(()), 0, None),
            (
                &live,
                Some(failed()),
                Ok(()),
                2,
                Some("x.log: cannot write on: full; 2 rows were lost"),
            ),
            (
                &live,
                Some(failed()),
                Err(failed()),
                0,
                Some("x.log: cannot write on: full; rows were lost"),
            ),
            (
                &live,
                None,
                Ok(()),
                3,
                Some("3 rows are in no log because they came faster than they could be written"),
            ),
            (
                &Upkeep::none(),
                Some(failed()),
                Ok(()),
                0,
                Some("x.log: cannot write on: full; rows were lost"),
            ),
        ];
        for (upkeep, first, closed, lost, want) in cases {
            let said = upkeep
                .judge(first, closed, lost)
                .err()
                .map(|lost| lost.to_string());
            assert_eq!(said.as_deref(), want);
        }
    }

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
