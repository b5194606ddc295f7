//! How a run ends for whoever started it.

use std::process::ExitCode;

/// The exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Done,
    /// Something was lost or could not be read; stderr said what.
    Lost,
    /// Usage, configuration or permission.
    NotStarted,
    /// A detection as severe as `--fail-on` asks was made.
    TooSevere,
    /// The detections are not those of `--expect`.
    Unexpected,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Lost => 1,
            Exit::NotStarted => 2,
            Exit::TooSevere => 3,
            Exit::Unexpected => 4,
        })
    }
}
