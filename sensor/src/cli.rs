//! The command line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use detectors::Severity;
use serde::{Deserialize, Serialize};

use crate::baseline::{Unusable, Wanted};
pub(crate) use detections::{DetectionsAction, DetectionsArgs, ExportFormat, PickArgs};
pub(crate) use live::{InterfacesArgs, LiveArgs};
pub(crate) use rules::{CheckArgs, RulesAction, RulesArgs, RulesTestArgs};
pub(crate) use suppress::{SuppressAction, SuppressAddArgs, SuppressArgs};

/// Of commands that look at traffic; part of several help texts.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0  done
  1  done, but something was lost or could not be read; stderr says what
  2  could not start: usage, configuration or permission
  3  a detection as severe as --fail-on asks was made
  4  the detections differ from those that --expect lists"
    };
}

/// Of commands that only answer.
macro_rules! answer_codes {
    () => {
        "\
Exit codes:
  0  done
  2  could not start: usage, configuration or permission"
    };
}

mod detections;
mod live;
mod rules;
mod suppress;

/// Where outputs go unless told otherwise.
pub(crate) const DEFAULT_OUT: &str = "flowhawk-out";
/// The database in the output directory.
pub(crate) const DATABASE: &str = "flowhawk.db";

/// Watches network traffic: writes flow logs and tells what looks like an attack.
#[derive(Parser, Debug)]
#[command(
    name = "flowhawk",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = exit_codes!();

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Replay(Box<ReplayArgs>),
    Detect(Box<DetectArgs>),
    Live(Box<LiveArgs>),
    Interfaces(InterfacesArgs),
    Detections(DetectionsArgs),
    Rules(RulesArgs),
    Suppress(SuppressArgs),
    Check(CheckArgs),
}

impl Command {
    /// How it is to talk, where it can be told that.
    pub(crate) fn talk(&self) -> Option<&TalkArgs> {
        match self {
            Self::Replay(args) => Some(&args.common.talk),
            Self::Live(args) => Some(&args.common.talk),
            Self::Detect(args) => Some(&args.talk),
            Self::Interfaces(_)
            | Self::Detections(_)
            | Self::Rules(_)
            | Self::Suppress(_)
            | Self::Check(_) => None,
        }
    }
}

/// Reads capture files as if their packets arrived now
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES, after_long_help = REPLAY_EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Captures to read, in this order: pcap or pcapng, also .gz or .zst; '-' is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

const REPLAY_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk replay office.pcap.gz
      Logs and a database in ./flowhawk-out, a summary on stderr.
  flowhawk replay --no-db --json - office.pcap | jq 'select(.type == \"detection\")'
      Detections into a pipe.
  flowhawk replay -q --fail-on high --expect expected.txt nightly.pcap
      In a test: tells by its exit code whether the detections are as expected.

",
    exit_codes!()
);

/// Runs the detectors over logs that Zeek or flowhawk wrote
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES, after_long_help = DETECT_EXAMPLES)]
pub(crate) struct DetectArgs {
    /// Logs, or directories of them: conn, dns, http, ssh, ssl; also .gz, .zst; '-' is stdin
    ///
    /// Zeek's tab-separated form with its header, or a JSON object on each line. Of a directory, all logs in it and below it that detectors read, whatever their rotation
    /// named them. Rows of all files are put into one order by time.
    #[arg(value_name = "LOG", required = true)]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    #[command(flatten)]
    pub(crate) output: FindingArgs,
    #[command(flatten)]
    pub(crate) verdict: VerdictArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

const DETECT_EXAMPLES: &str = concat!(
    "\
Examples:
  flowhawk detect /opt/zeek/logs/2024-05-01
      Everything that was logged on a day; a database in ./flowhawk-out, a summary on stderr.
  flowhawk detect --no-db --json - conn.log dns.log | jq 'select(.type == \"detection\")'
      Detections into a pipe.

",
    exit_codes!()
);

/// What every command that looks at traffic can be told.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) verdict: VerdictArgs,
    #[command(flatten)]
    pub(crate) talk: TalkArgs,
}

#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Look only at packets that match, written as for tcpdump
    #[arg(long, value_name = "BPF")]
    pub(crate) filter: Option<String>,
    /// Take packets with a wrong checksum for good
    ///
    /// Captures made on the sending host hold such packets when its network card fills
    /// the checksums in.
    #[arg(short = 'C', long)]
    pub(crate) ignore_checksums: bool,
    /// Share the work among N threads [default: one for each core but one]
    ///
    /// Detection has a thread of its own besides, which keeps a core busy. The output does not depend
    /// on N.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// Where settings are.
#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct SettingsArgs {
    /// Read settings from this TOML file
    ///
    /// Unknown keys are refused. `flowhawk check --print-defaults` writes a file to start from,
    /// `flowhawk check --config FILE` tests one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    #[command(flatten)]
    pub(crate) findings: FindingArgs,
    /// Format of conn.log and the other logs [default: tsv]
    ///
    /// Zeek's names, columns and order in either: tab-separated with its header, or a JSON object
    /// on each line. The configuration can set it, too.
    #[arg(long, value_name = "tsv|json", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
}

/// Where findings go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct FindingArgs {
    /// Put the database, and logs, into DIR
    #[arg(short, long, value_name = "DIR", default_value = DEFAULT_OUT)]
    pub(crate) out: PathBuf,
    /// Keep findings in this SQLite database [default: OUT/flowhawk.db]
    ///
    /// Findings are signals and detections. What is in it already stays; the same capture replayed again changes nothing.
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Write no database
    #[arg(long, conflicts_with = "db")]
    pub(crate) no_db: bool,
    /// Write findings as JSON lines; '-' is stdout
    ///
    /// Findings are signals and detections; an object's keys are the columns of the database.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Begin with what detectors know from FILE, and keep it there
    ///
    /// Baselines, windows, open signals, half-complete rules: a run goes on where the one before ended,
    /// as if it were one. The file is made if there is none, and replaced as a whole at a clean end.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
}

impl FindingArgs {
    /// The file that JSON lines go to, if it is one.
    pub(crate) fn json_file(&self) -> Option<&Path> {
        self.json.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The files that findings go to.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let json = self.json_file().map(Path::to_owned);
        self.database().into_iter().chain(json)
    }

    /// What is to be known from the run before, or there is no run.
    pub(crate) fn baseline(&self) -> Option<Wanted> {
        let wanted = |file| Wanted {
            file,
            or: Unusable::Refuse,
            every: None,
        };
        self.baseline.clone().map(wanted)
    }

    /// Where the database is to be, if one is wanted.
    pub(crate) fn database(&self) -> Option<PathBuf> {
        let named = || self.db.clone().unwrap_or_else(|| self.out.join(DATABASE));
        (!self.no_db).then(named)
    }
}

#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Verdict")]
pub(crate) struct VerdictArgs {
    /// Exit with 3 if a detection at least this severe was made
    ///
    /// low, medium, high or critical. Suppressed detections do not count.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), hide_possible_values = true)]
    pub(crate) fail_on: Option<Severity>,
    /// Exit with 4 unless exactly the detections listed were made
    ///
    /// A line for each: RULE_ID, then any of src=ADDRESS, dst=ADDRESS, port=NUMBER; what is not
    /// stated is not compared. '#' begins a comment. Suppressed detections do not count.
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,
}

#[derive(Args, Clone, Default, Debug)]
#[command(next_help_heading = "Messages")]
pub(crate) struct TalkArgs {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more: counters that are zero, every detection
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Show progress on stderr: auto, always, never
    ///
    /// auto shows it on a terminal; always shows it as lines where there is none.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) progress: ProgressWhen,
    /// Form of messages on stderr: text, json [default: text]
    ///
    /// json writes an object on each line, the summary included: ts, level (info, warning, error), event,
    /// message, and numbers as fields of their own. docs/messages.md lists the events.
    #[arg(
        long,
        value_name = "FORM",
        default_value = "text",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) messages: MessageForm,
}

/// Format of the flow logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Tab-separated with Zeek's header
    Tsv,
    /// A JSON object on each line
    Json,
}

/// Form of messages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(crate) enum MessageForm {
    /// For people
    #[default]
    Text,
    /// A JSON object on each line
    Json,
}

/// When to show progress.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
pub(crate) enum ProgressWhen {
    /// On a terminal, unless -q
    #[default]
    Auto,
    /// As lines where there is no terminal
    Always,
    /// Not at all
    Never,
}

const ANSWER_CODES: &str = answer_codes!();

const SEVERITIES: [Severity; 4] = [
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// The severity of that name.
pub(crate) fn severity_named(name: &str) -> Option<Severity> {
    SEVERITIES
        .into_iter()
        .find(|severity| severity.name() == name)
}

fn severity() -> impl TypedValueParser<Value = Severity> {
    // The parser lets only the four names through.
    PossibleValuesParser::new(SEVERITIES.map(Severity::name))
        .map(|name| severity_named(&name).unwrap_or(Severity::Low))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn short_help_is_a_line_for_each_flag() {
        let mut command = Cli::command();
        command.build();
        for name in [
            "replay",
            "detect",
            "live",
            "interfaces",
            "detections",
            "rules",
            "suppress",
            "check",
        ] {
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_help()
                .to_string();
            // What does not fit goes on under the text of the line before.
            let more = help
                .lines()
                .filter(|line| line.starts_with(&" ".repeat(12)));
            assert_eq!(more.count(), 0, "{help}");
        }
    }

    #[test]
    fn long_help_has_an_example() {
        let mut command = Cli::command();
        command.build();
        for name in [
            "replay",
            "detect",
            "live",
            "interfaces",
            "detections",
            "rules",
            "suppress",
            "check",
        ] {
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_long_help()
                .to_string();
            assert!(
                help.contains(&format!("Examples:\n  flowhawk {name}")),
                "{help}"
            );
        }
    }

    fn common(args: &[&str]) -> Result<CommonArgs, clap::error::ErrorKind> {
        let line = ["flowhawk", "replay", "a.pcap"].iter().chain(args);
        match Cli::try_parse_from(line).map(|cli| cli.command) {
            Ok(Command::Replay(replay)) => Ok(replay.common),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn the_database_is_where_asked() {
        let cases: [(&[&str], Option<&str>); 4] = [
            (&[], Some("flowhawk-out/flowhawk.db")),
            (&["-o", "x"], Some("x/flowhawk.db")),
            (&["-o", "x", "--db", "y.db"], Some("y.db")),
            (&["--no-db"], None),
        ];
        for (args, want) in cases {
            assert_eq!(
                common(args).unwrap().output.findings.database(),
                want.map(PathBuf::from),
                "{args:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let cases: [&[&str]; 5] = [
            &["--threads", "0"],
            &["--no-db", "--db", "x"],
            &["--fail-on", "terrible"],
            &["-q", "-v"],
            &["--log-format", "xml"],
        ];
        for args in cases {
            assert!(common(args).is_err(), "{args:?}");
        }
        assert_eq!(
            common(&["--fail-on", "high"]).unwrap().verdict.fail_on,
            Some(Severity::High)
        );
    }
}
