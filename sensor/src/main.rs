//! The command `flowhawk`: what it is asked to do, and how it tells what came of it.

#![warn(clippy::print_stderr)]

mod baseline;
mod capture;
mod check;
mod cli;
mod clock;
mod config;
mod detect;
mod detections;
mod exit;
mod expect;
mod findings;
mod interfaces;
mod live;
mod logged;
mod messages;
mod origins;
mod output;
mod pins;
mod pipeline;
mod progress;
mod rulebook;
mod rules;
mod run;
#[cfg(test)]
mod samples;
mod summary;
mod suppress;
mod suppressions;
mod text;
mod threats;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use detectors::Severity;

use cli::{Cli, Command, CommonArgs, DetectArgs, SettingsArgs, TalkArgs, VerdictArgs};
use config::{Config, Problems};
use exit::Exit;
use expect::Expected;
use findings::Tally;
use messages::{Event, Message, say};
use run::Outcome;

/// What detectors and parsers hold comes and goes with every flow: half the time of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Usage errors exit with 2 from within.
    let cli = Cli::parse();
    if let Some(talk) = cli.command.talk() {
        messages::speak(talk.messages);
    }
    let result = match &cli.command {
        Command::Replay(args) => watch(&args.common, |config| run::replay(args, config)),
        Command::Detect(args) => detect(args),
        Command::Live(args) => watch(&args.common, |config| live::run(args, config)),
        Command::Interfaces(_) => Ok(interfaces::run()),
        Command::Detections(args) => detections::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Suppress(args) => suppress::run(args),
        Command::Check(args) => check::run(args),
    };
    let exit = result.unwrap_or_else(|error| {
        let message = match error.downcast_ref::<Problems>() {
            Some(problems) => {
                let count = problems.0.len();
                Event::BadConfiguration
                    .says(problems)
                    .with("problems", count)
            }
            None => Event::NotStarted.says(format_args!("{error:#}")),
        };
        say(&message);
        Exit::NotStarted
    });
    exit.into()
}

/// Looks at packets.
fn watch(
    common: &CommonArgs,
    work: impl FnOnce(&Config) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Exit> {
    run(&common.input.settings, &common.verdict, &common.talk, work)
}

fn detect(args: &DetectArgs) -> anyhow::Result<Exit> {
    run(&args.settings, &args.verdict, &args.talk, |config| {
        detect::detect(args, config)
    })
}

/// Does the work, and tells by the exit code what came of it.
fn run(
    settings: &SettingsArgs,
    verdict: &VerdictArgs,
    talk: &TalkArgs,
    work: impl FnOnce(&Config) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Exit> {
    // Whatever can be wrong with the request is said before a packet is read.
    let config = config::load(settings.config.as_deref());
    let expected = verdict.expect.as_deref().map(Expected::read).transpose();
    let (config, expected) = match (config, expected) {
        (Ok(config), Ok(expected)) => (config.value, expected),
        (Err(mut problems), Err(more)) => {
            problems.0.extend(more.0);
            return Err(problems.into());
        }
        (Err(problems), _) | (_, Err(problems)) => return Err(problems.into()),
    };
    let outcome = work(&config)?;
    outcome.losses.iter().for_each(say);
    let exit = judge(
        &outcome.losses,
        &outcome.found,
        expected.as_ref(),
        verdict.fail_on,
    );
    if let (Exit::TooSevere, Some(limit)) = (exit, verdict.fail_on)
        && !talk.quiet
    {
        let text = format!("--fail-on {limit}: there are detections at least that severe");
        say(&Event::TooSevere.says(text).with("limit", limit.name()));
    }
    Ok(exit)
}

/// A difference from what was expected weighs most, then severity, then loss.
fn judge(
    losses: &[Message],
    found: &Tally,
    expected: Option<&Expected>,
    fail_on: Option<Severity>,
) -> Exit {
    if let Some(difference) = expected.and_then(|expected| expected.differs(&found.detections())) {
        say(&Event::Unexpected.says(difference));
        return Exit::Unexpected;
    }
    match fail_on {
        Some(limit) if found.worst() >= Some(limit) => Exit::TooSevere,
        _ if losses.is_empty() => Exit::Done,
        _ => Exit::Lost,
    }
}

/// What became of an answer on stdout. Whoever reads it may have had enough.
fn answered(written: anyhow::Result<()>) -> Exit {
    let Err(error) = written else {
        return Exit::Done;
    };
    let closed = error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    });
    if closed {
        return Exit::Done;
    }
    say(&Event::AnswerLost.says(format_args!("stdout: {error:#}")));
    Exit::Lost
}

#[cfg(test)]
mod tests {
    use std::fs;

    use detectors::Finding;

    use super::*;

    #[test]
    fn the_gravest_verdict_wins() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = dir.path().join("e");
            fs::write(&file, text).unwrap();
            Expected::read(&file).unwrap()
        };
        let mut found = Tally::default();
        found.add(&Finding::DetectionMade(samples::detection(1, "10.0.0.1")));
        let (same, other) = (read("LM-001"), read("RECON-001"));
        let lost = [Event::RowsLost.says("a log")];
        let cases: [(&[Message], _, _, Exit); 8] = [
            (&[], None, None, Exit::Done),
            (&lost, None, None, Exit::Lost),
            (&[], None, Some(Severity::Critical), Exit::Done),
            (&[], None, Some(Severity::High), Exit::TooSevere),
            (&lost, None, Some(Severity::Low), Exit::TooSevere),
            (&[], Some(&same), None, Exit::Done),
            (&lost, Some(&same), None, Exit::Lost),
            (&[], Some(&other), Some(Severity::Low), Exit::Unexpected),
        ];
        for (losses, expected, fail_on, want) in cases {
            let got = judge(losses, &found, expected, fail_on);
            assert_eq!(got, want, "{losses:?} {expected:?} {fail_on:?}");
        }
    }
}
