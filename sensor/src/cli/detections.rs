//! `flowhawk detections`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use detectors::Severity;

use super::{ANSWER_CODES, severity};

/// Shows what was found
#[derive(Args, Debug)]
#[command(after_help = ANSWER_CODES, after_long_help = DETECTIONS_EXAMPLES)]
pub(crate) struct DetectionsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<DetectionsAction>,
    /// Database to look into [default: flowhawk-out/flowhawk.db]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) db: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pick: PickArgs,
}

const DETECTIONS_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk detections --severity high
      A table of what is high or critical.
  flowhawk detections show 3f2a
      Everything about the detection whose id begins with 3f2a.
  flowhawk detections export --format csv > detections.csv

",
    answer_codes!()
);

#[derive(Subcommand, Debug)]
pub(crate) enum DetectionsAction {
    /// A line for each detection; what happens when no action is named
    List {
        #[command(flatten)]
        pick: PickArgs,
    },
    /// Everything about one detection: signals, evidence, flows, what to do
    Show {
        /// Its id, or as much of the beginning as makes it unique
        id: String,
    },
    /// Writes detections to stdout for other programs
    Export {
        /// json: an object on each line; csv: RFC 4180 with a header
        #[arg(
            long,
            value_name = "json|csv",
            default_value = "json",
            hide_possible_values = true
        )]
        format: ExportFormat,
        #[command(flatten)]
        pick: PickArgs,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    Json,
    Csv,
}

/// Which detections.
#[derive(Args, Clone, PartialEq, Default, Debug)]
#[command(next_help_heading = "Which detections")]
pub(crate) struct PickArgs {
    /// Only those at least this severe: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), hide_possible_values = true)]
    pub(crate) severity: Option<Severity>,
    /// Only those of this rule, such as LM-001
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Only those about this host, acting or acted upon
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<IpAddr>,
    /// Suppressed ones, too
    #[arg(long)]
    pub(crate) all: bool,
}
