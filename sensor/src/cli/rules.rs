//! `flowhawk rules` and `flowhawk check`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ANSWER_CODES, SettingsArgs};

/// Shows the correlation rules
#[derive(Args, Debug)]
#[command(after_help = ANSWER_CODES, after_long_help = RULES_EXAMPLES)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) action: Option<RulesAction>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum RulesAction {
    /// A line for each rule; what happens when no action is named
    List,
    /// The file of one rule
    Show {
        /// Its id, such as LM-001
        rule: String,
    },
    /// A page about a rule, in Markdown: what it means, how to check it by hand, how to tune it
    Page {
        /// Its id, such as LM-001; without it, a table of all rules
        rule: Option<String>,
    },
    /// What one rule makes of captures: which parts held for whom, and what missed
    Test(RulesTestArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RulesTestArgs {
    /// Its id, such as LM-001
    pub(crate) rule: String,
    /// Captures to replay for it, as for replay
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) capture: Vec<PathBuf>,
}

const RULES_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk rules
      Which rules there are, built in and those of the default configuration.
  flowhawk rules --config flowhawk.toml show LM-001 > rules/lm.yml
      What the configuration makes of a rule, as a file to change.
  flowhawk rules --config flowhawk.toml test LM-001 --capture office.pcap
      Which parts of the rule held, with the signals that were seen, and what was missing.

",
    answer_codes!()
);

/// Tests a configuration and its rules, and names every problem
#[derive(Args, Debug)]
#[command(after_help = ANSWER_CODES, after_long_help = CHECK_EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The TOML file; without it, what is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write every setting with its default to stdout, as a file to start from
    #[arg(long, conflicts_with = "config")]
    pub(crate) print_defaults: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  flowhawk check --print-defaults > flowhawk.toml
  flowhawk check --config flowhawk.toml

Exit codes:
  0  no problem
  2  could not start: usage, or a problem in the configuration";
