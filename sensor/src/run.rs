//! The main path, read from top to bottom: open every output, then run what is captured through
//! workers and detection stage into them, then say what came of it.

mod counted;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, bounded, never};
use flow_table::protocol::http::Measure;
use flow_table::{
    Checksums, End, FlowConfig, FragmentConfig, InspectionConfig, KEY_GROUPS, Links, Tells,
};

use crate::baseline::{Limits, Memory, PARSER_SHARE, Wanted};
use crate::capture::{Filter, Input};
use crate::cli::{CommonArgs, FindingArgs, InputArgs, ReplayArgs};
use crate::clock::{Stopwatch, time_of_day};
use crate::config::{Config, FileHash, Log, Target};
use crate::findings::Tally;
use crate::messages::{Event, Message};
use crate::output::{
    Archive, Crowd, Existing, FindingSender, Keep, Logs, OutputDir, Outputs, ReceiverTally,
    Receivers, Rotation, Sink, Upkeep, log_queue,
};
use crate::pins::Pins;
use crate::pipeline::{self, HandOut, Settings, Source, Stage, StageOutputs, ToStage, Totals};
use crate::progress::{Live, Progress};
use crate::summary;

use counted::Counted;

/// uids of replay derive from this: the same on every run.
const REPLAY_SEED: u64 = 0x5eed_0f10_0717_4a3e;
/// Batches that may wait between two threads.
const QUEUE: usize = 4;
/// One part in so many of `memory_limit` that flows may take.
const FLOW_SHARE: u64 = 2;
/// One part in so many that fragments may take. The rest is for blocks and queues.
const FRAGMENT_SHARE: u64 = 16;

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A sentence for everything that was lost or could not be read.
    pub(crate) losses: Vec<Message>,
    pub(crate) found: Tally,
}

/// Reads the captures.
pub(crate) fn replay(args: &ReplayArgs, config: &Config) -> anyhow::Result<Outcome> {
    check_filter(&args.common.input)?;
    check_stdin(&args.files)?;
    let job = Job {
        command: "replay",
        common: &args.common,
        config,
        inputs: args.files.clone(),
        size: total_size(&args.files),
        seed: REPLAY_SEED,
        filter: args.common.input.filter.clone(),
        pins: Pins::default(),
    };
    let files = args.files.clone();
    job.run(
        Keeping::made_again(&args.common.output.findings),
        |started| {
            Ok((
                Source::Files(Box::new(Input::new(files, Arc::clone(&started.live)))),
                (),
            ))
        },
        |(), _| Heard::default(),
    )
}

/// What a run is about.
pub(crate) struct Job<'a> {
    pub(crate) command: &'static str,
    pub(crate) common: &'a CommonArgs,
    pub(crate) config: &'a Config,
    /// What is looked at. Where these are files, none of them is written.
    pub(crate) inputs: Vec<PathBuf>,
    /// How much that is in bytes, where it has an end.
    pub(crate) size: Option<u64>,
    /// What uids derive from.
    pub(crate) seed: u64,
    /// Which packets workers look at, written as for tcpdump.
    pub(crate) filter: Option<String>,
    /// Where workers stay.
    pub(crate) pins: Pins,
}

/// How outputs are kept, and what can be changed while they are written.
pub(crate) struct Keeping {
    pub(crate) existing: Existing,
    pub(crate) upkeep: Upkeep,
    pub(crate) rotation: Rotation,
    /// How long findings and logs that were put away are kept.
    pub(crate) keep: Keep,
    /// Where what detectors know is kept.
    pub(crate) baseline: Option<Wanted>,
    /// What detectors are to do otherwise from some time on.
    pub(crate) reloads: Receiver<Limits>,
    pub(crate) telling: Telling,
    /// Rows of logs that come faster than they are written.
    pub(crate) crowd: Crowd,
    /// Other programs that are told what is found.
    pub(crate) send: Vec<Target>,
}

/// Whether anybody may ask how it goes before the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Telling {
    WhileItRuns,
    AtTheEnd,
}

impl Keeping {
    /// What is kept, goes on.
    const fn end(&self) -> End {
        match self.baseline {
            Some(_) => End::GoesOn,
            None => End::Closes,
        }
    }

    fn archive(&self, dir: &OutputDir) -> anyhow::Result<Option<Archive>> {
        let begin = || Archive::begin(dir, self.rotation, self.keep, time_of_day(), Logs::names());
        self.rotation.is_some().then(begin).transpose()
    }

    /// For what can be run again, and ends by itself.
    fn made_again(findings: &FindingArgs) -> Self {
        Self {
            existing: Existing::Empty,
            upkeep: Upkeep::none(),
            rotation: Rotation::default(),
            keep: Keep::default(),
            baseline: findings.baseline(),
            reloads: never(),
            telling: Telling::AtTheEnd,
            crowd: Crowd::Waits,
            send: Vec::new(),
        }
    }
}

/// What became of findings, by the URL of whom they were for.
pub(crate) type Tallies = Vec<(String, Arc<ReceiverTally>)>;

/// What there is once outputs are open.
pub(crate) struct Started {
    pub(crate) live: Arc<Live>,
    pub(crate) findings: FindingSender,
    /// What became of what other programs were sent.
    pub(crate) receivers: Tallies,
}

/// What is known only when capturing is over.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// What was counted besides, by name.
    pub(crate) counters: Vec<(String, u64)>,
    /// A sentence for everything that was lost.
    pub(crate) losses: Vec<Message>,
}

impl Job<'_> {
    /// Runs what `begin` captures to its end; `end` adds what else there was.
    pub(crate) fn run<T>(
        &self,
        keeping: Keeping,
        begin: impl FnOnce(&Started) -> anyhow::Result<(Source, T)>,
        end: impl FnOnce(T, &mut Totals) -> Heard,
    ) -> anyhow::Result<Outcome> {
        let (common, config) = (self.common, self.config);
        let watch = Stopwatch::start();
        let live = Arc::new(Live::default());

        // Every output is open before the first packet is read.
        let (detectors, keeper, memory) = Memory::begin(keeping.baseline.as_ref(), config)?;
        let settings = self.settings(&keeping, &memory);
        let (dir, logs) = self.logs(&keeping, &live)?;
        let (sink, receivers) = self.findings(&keeping, &live)?;
        let progress = Progress::start(&common.talk, self.size, Arc::clone(&live));

        // Source → workers → stage → logs, findings.
        let (to_sealed, sealed) = bounded(QUEUE);
        let (give_back, spare) = bounded(QUEUE);
        let (to_logs, batches) = log_queue(keeping.crowd, &live.logs);
        let to_stage = ToStage {
            sealed: to_sealed,
            spare,
        };
        let stage_outputs = StageOutputs {
            logs: to_logs,
            findings: sink.sender(),
            spare: give_back,
        };
        let stage = Stage::new(settings.threads, config.tick, detectors, stage_outputs)
            .hearing(keeping.reloads)
            .telling((keeping.telling == Telling::WhileItRuns).then(|| Arc::clone(&live.now)))
            .kept_by(keeper);
        let log_thread = named("logs").spawn(move || logs.run(&batches, &keeping.upkeep))?;
        let stage_thread = named("stage").spawn(move || stage.run(&sealed))?;
        let started = Started {
            live: Arc::clone(&live),
            findings: sink.sender(),
            receivers,
        };
        let (source, capturing) = begin(&started)?;
        let totals = pipeline::run(source, &settings, &to_stage, &live);
        drop(to_stage);
        let (stage_totals, counters) = joined(stage_thread)?;
        let mut totals = totals.context("cannot start a worker thread")?;
        let heard = end(capturing, &mut totals);
        let logged = joined(log_thread)?;

        let counted = Counted {
            totals: &totals,
            stage: stage_totals,
            detectors: &counters,
            heard: &heard,
            live: &live,
        };
        let report = sink.finish(counted.record(self));
        progress.finish();
        let mut summary = counted.summary();
        summary.wall = watch.elapsed();
        summary.written = written(common, &dir);
        summary::print(&common.talk, &summary, &report.tally);

        let mut losses = Event::NotRead.says_all(&totals.problems);
        losses.extend(heard.losses);
        losses.extend(logged.err().map(|lost| lost.message(Event::RowsLost)));
        losses.extend(report.lost);
        losses.extend(memory.end(totals.first, counters.late_events));
        Ok(Outcome {
            losses,
            found: report.tally,
        })
    }

    /// The logs, and where they are.
    fn logs(&self, keeping: &Keeping, live: &Live) -> anyhow::Result<(OutputDir, Logs)> {
        let output = &self.common.output;
        let dir = OutputDir::create(&output.findings.out, keeping.existing)?;
        let dir = dir.counting(&live.logs);
        let archive = keeping.archive(&dir)?;
        let format = output.log_format.unwrap_or(self.config.log_format);
        let logs = Logs::create(&dir, format, self.config)?;
        Ok((dir, logs.archived(archive)))
    }

    /// Where findings go, and what is counted of those that other programs get.
    fn findings(&self, keeping: &Keeping, live: &Arc<Live>) -> anyhow::Result<(Sink, Tallies)> {
        let args = &self.common.output.findings;
        let outputs = Outputs::open(args, &self.inputs, keeping.existing)?;
        let ca_file = self.config.live.ca_file.0.as_deref();
        let receivers = Receivers::start(&keeping.send, ca_file)?;
        let tallies = receivers.tallies();
        let outputs = outputs.with(receivers).asking(&self.config.origins);
        let outputs = outputs.keeping(keeping.keep.age);
        Ok((Sink::spawn(outputs, Arc::clone(live))?, tallies))
    }

    fn settings(&self, keeping: &Keeping, memory: &Memory) -> Settings {
        let (input, config) = (&self.common.input, self.config);
        // Detection takes about as much as everything before it, and a thread of its own.
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let usual = || self.pins.count().unwrap_or_else(|| (cores() - 1).max(1));
        let threads = input.threads.map_or_else(usual, usize::from);
        let threads = threads.min(KEY_GROUPS);
        let ignore = input.ignore_checksums || config.ignore_checksums;
        Settings {
            threads,
            pins: self.pins.clone(),
            end: keeping.end(),
            // What has no end yet, as a pipe, may be a capture under way.
            hand_out: self.size.map_or(HandOut::EachBlock, |_| HandOut::Together),
            conversations: Arc::clone(&memory.conversations),
            flows: FlowConfig {
                seed: self.seed,
                tells: Tells {
                    events: keeping.telling == Telling::WhileItRuns || config.hears_of_flows(),
                    oddities: !config.disabled_logs.contains(&Log::Weird),
                },
                progress_interval: config.progress_interval,
                open_every: config.open_connections_every(),
                memory: config.memory_limit.0 / FLOW_SHARE,
                inspection: if config.parse_protocols {
                    InspectionConfig {
                        memory: config.memory_limit.0 / PARSER_SHARE,
                        measure: Measure::Decompressed,
                        hashes: FileHash::all(&config.file_hashes),
                    }
                } else {
                    InspectionConfig::NONE
                },
            },
            fragments: FragmentConfig {
                memory: usize::try_from(config.memory_limit.0 / FRAGMENT_SHARE)
                    .unwrap_or(usize::MAX),
            },
            links: if config.log_vlan || config.log_mac {
                Links::Note
            } else {
                Links::Skip
            },
            checksums: if ignore {
                Checksums::Ignore
            } else {
                Checksums::Verify
            },
            filter: self.filter.clone(),
        }
    }
}

/// Whether `--filter` can be understood.
fn check_filter(input: &InputArgs) -> anyhow::Result<()> {
    let Some(text) = &input.filter else {
        return Ok(());
    };
    Filter::new(text)
        .map(drop)
        .map_err(|error| anyhow::anyhow!("--filter {text:?}: {error}"))
}

fn check_stdin(files: &[PathBuf]) -> anyhow::Result<()> {
    let stdin = files.iter().filter(|file| *file == Path::new("-")).count();
    if stdin > 1 {
        bail!("'-' is named {stdin} times, but stdin can be read only once");
    }
    Ok(())
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

fn joined<T>(thread: thread::JoinHandle<T>) -> anyhow::Result<T> {
    let name = thread.thread().name().unwrap_or("?").to_owned();
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the thread {name} panicked"))
        .context("internal error")
}

/// Bytes of all inputs as they lie on disk, if that can be told.
pub(crate) fn total_size(files: &[PathBuf]) -> Option<u64> {
    files
        .iter()
        .map(|file| {
            std::fs::metadata(file)
                .ok()
                .filter(std::fs::Metadata::is_file)
        })
        .try_fold(0, |sum: u64, meta| Some(sum + meta?.len()))
}

fn written(common: &CommonArgs, dir: &OutputDir) -> Vec<String> {
    // What an earlier run left of them was taken away: those that are there are of this one.
    let logs = Logs::names().map(|name| dir.path().join(name));
    logs.filter(|log| log.exists())
        .chain(common.output.findings.files())
        .map(|path| path.display().to_string())
        .collect()
}
