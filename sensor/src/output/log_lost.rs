//! Why rows are not in the logs.

use crate::messages::{Event, Message};

/// What is not in the logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogLost {
    /// A log could not be written.
    #[error("{name}: cannot write on: {error:#}; rows were lost")]
    Unwritten { name: String, error: anyhow::Error },
    /// As it turned out at the end.
    #[error("{name}: cannot write on: {error:#}; {rows} rows were lost")]
    Rows {
        name: String,
        error: anyhow::Error,
        rows: u64,
    },
    #[error("{rows} rows are in no log because they came faster than they could be written")]
    Crowded { rows: u64 },
}

impl LogLost {
    pub(super) fn new(name: &str, error: impl Into<anyhow::Error>) -> Self {
        Self::Unwritten {
            name: name.to_owned(),
            error: error.into(),
        }
    }

    pub(super) const fn crowded(rows: u64) -> Self {
        Self::Crowded { rows }
    }

    /// As it is said.
    pub(crate) fn message(&self, event: Event) -> Message {
        let message = event.says(self);
        match self {
            Self::Unwritten { name, .. } => message.with("log", name.as_str()),
            Self::Rows { name, rows, .. } => message.with("log", name.as_str()).with("rows", *rows),
            Self::Crowded { rows } => message.with("rows", *rows),
        }
    }

    /// The same, with how many rows it was.
    pub(super) fn of(self, rows: u64) -> Self {
        match self {
            Self::Unwritten { name, error } if rows > 0 => Self::Rows { name, error, rows },
            other => other,
        }
    }
}
