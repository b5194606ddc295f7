//! What `flowhawk suppress` can be told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ANSWER_CODES, SettingsArgs};

/// Keeps what is known and not to be alerted on
#[derive(Args, Debug)]
#[command(after_help = ANSWER_CODES, after_long_help = EXAMPLES)]
pub(crate) struct SuppressArgs {
    #[command(subcommand)]
    pub(crate) action: SuppressAction,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Keep them in this file [default: the first that the configuration names]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum SuppressAction {
    /// Adds one; all that is given must match
    Add(SuppressAddArgs),
    /// A line for each: built in, of the configuration, of its files
    List,
    /// Takes one out of the file
    Remove {
        /// Its number in the list
        number: usize,
    },
    /// Marks what is stored as known, or no longer so
    Apply {
        /// Database to mark [default: flowhawk-out/flowhawk.db]
        #[arg(long, value_name = "FILE")]
        db: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct SuppressAddArgs {
    /// Only this signal, such as PORT_SCAN
    #[arg(long, value_name = "NAME")]
    pub(crate) signal: Option<String>,
    /// Only detections of this rule, such as LM-001
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Only this source network, such as 10.1.0.30/32
    #[arg(long, value_name = "NETWORK")]
    pub(crate) src: Option<String>,
    /// Only this destination network
    #[arg(long, value_name = "NETWORK")]
    pub(crate) dst: Option<String>,
    /// Only sources with this role, such as scanner
    #[arg(long, value_name = "ROLE")]
    pub(crate) src_role: Option<String>,
    /// Only destinations with this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) dst_role: Option<String>,
    /// Only this destination port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Why it is known; written beside what it suppresses
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// When it ends, such as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

const EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk suppress --config flowhawk.toml add --rule RECON-001 --src 10.1.0.30/32 \\
      --reason 'the scanner, until the audit is over' --expires 2027-01-31T00:00:00Z
      From now on it is kept and marked, but not alerted on. A sensor that runs hears of it with SIGHUP.
  flowhawk suppress --config flowhawk.toml list
  flowhawk suppress --config flowhawk.toml apply --db flowhawk-out/flowhawk.db
      What was found before is marked as if all of them had been known then.

",
    answer_codes!()
);
