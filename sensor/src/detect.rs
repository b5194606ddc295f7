//! The main path of `flowhawk detect`, read from top to bottom: open the outputs, read the logs, put
//! their rows into order, and run the detectors over what they tell.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use detectors::{Counters, Detectors};
use flow_table::{FlowEvent, Span, Timestamp};

use crate::baseline::{self, Baseline, Informed};
use crate::cli::DetectArgs;
use crate::clock::Stopwatch;
use crate::config::Config;
use crate::logged::{self, Again, Happening, Order, OrderError, Refused, Rows};
use crate::messages::Event;
use crate::output::{Existing, FindingSender, OutputDir, Outputs, RunRecord, Sink};
use crate::progress::{Live, Progress};
use crate::run::{Outcome, total_size};
use crate::summary::{self, Dropped, RunSummary, Unit};

/// One part in so many of `memory_limit` that rows may take before they are put on disk.
const ROW_SHARE: u64 = 4;
/// Threads that read rows, if there are so many cores.
const MOST_THREADS: usize = 8;
/// Events between two looks at what was found.
const LOOK: usize = 4_096;

/// Reads the logs.
pub(crate) fn detect(args: &DetectArgs, config: &Config) -> anyhow::Result<Outcome> {
    let watch = Stopwatch::start();
    let live = Arc::new(Live::of(Unit::Rows));
    let (files, unlisted) = logged::find(&args.logs);
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();

    // Every output is open before the first row is read.
    let (informed, baseline) = Informed::begin(args.output.baseline().as_ref(), config)?;
    if args.output.database().is_some() {
        OutputDir::create(&args.output.out, Existing::Empty)?;
    }
    let outputs = Outputs::open(&args.output, &paths, Existing::Empty)?;
    let sink = Sink::spawn(outputs.asking(&config.origins), Arc::clone(&live))?;
    let progress = Progress::start(&args.talk, total_size(&paths), Arc::clone(&live));

    // Logs → rows in order → flows again → detectors → findings.
    let memory = usize::try_from(config.memory_limit.0 / ROW_SHARE).unwrap_or(usize::MAX);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut order = Order::new(memory);
    let threads = cores.min(MOST_THREADS);
    let rows = logged::read(&files, threads, &mut order, &live).context("cannot keep rows")?;
    let mut run = Run {
        detectors: informed.detectors,
        findings: sink.sender(),
        waiting: Vec::new(),
        events: 0,
        times: None,
    };
    let cut_short = tell_again(order, config.progress_interval, |happening| {
        run.take(happening);
    })
    .context("cannot put rows into order")?;
    let (times, events) = (run.times, run.events);
    let (detectors, kept) = run.finish(baseline.as_ref());
    let counted = Counted {
        rows: &rows,
        times,
        events,
        cut_short,
        detectors: &detectors,
    };
    let report = sink.finish(counted.record(args, config));
    progress.finish();
    let mut summary = counted.summary();
    summary.wall = watch.elapsed();
    let files = args.output.files();
    summary.written = files.map(|path| path.display().to_string()).collect();
    summary::print(&args.talk, &summary, &report.tally);

    let mut losses = Event::NotRead.says_all(&unlisted);
    losses.extend(Event::NotRead.says_all(&rows.problems));
    losses.extend(report.lost);
    losses.extend(kept.as_ref().err().map(baseline::not_written));
    let first = times.map(|(first, _)| first);
    losses.extend(baseline::overlap(
        informed.until,
        first,
        detectors.late_events,
    ));
    Ok(Outcome {
        losses,
        found: report.tally,
    })
}

/// The detectors at work.
struct Run {
    detectors: Detectors,
    findings: FindingSender,
    /// Events that were not put yet: many at once are cheaper.
    waiting: Vec<FlowEvent>,
    events: u64,
    /// Of what happened first and last.
    times: Option<(Timestamp, Timestamp)>,
}

impl Run {
    fn take(&mut self, happening: Happening) {
        let time = match happening {
            Happening::Event(event) => {
                self.waiting.push(event);
                event.time
            }
            Happening::Row(row) => {
                self.put_waiting();
                self.detectors.put_row(&row);
                row.time
            }
        };
        let (first, _) = self.times.unwrap_or((time, time));
        self.times = Some((first, time));
        self.events += 1;
        if self.waiting.len() >= LOOK {
            self.pass_on();
        }
    }

    fn put_waiting(&mut self) {
        self.detectors.put_all(&self.waiting, |_, _| ());
        self.waiting.clear();
    }

    fn pass_on(&mut self) {
        self.put_waiting();
        // Nobody there to take them: the outputs failed, and say so themselves.
        let _ = self.findings.send(self.detectors.drain().collect());
    }

    /// Another run goes on from what is kept.
    fn finish(mut self, keep: Option<&Baseline>) -> (Counters, anyhow::Result<()>) {
        self.put_waiting();
        let Some(file) = keep else {
            self.detectors.finish();
            self.pass_on();
            return (self.detectors.counters(), Ok(()));
        };
        self.pass_on();
        let kept = file.write(&self.detectors.snapshot());
        let counters = self.detectors.counters();
        let _ = self.findings.send(self.detectors.suspend().collect());
        (counters, kept)
    }
}

/// Has flows live again. Returns how many of them were cut short.
fn tell_again(
    order: Order,
    interval: Span,
    mut tell: impl FnMut(Happening),
) -> Result<u64, OrderError> {
    let mut again = Again::new(interval);
    order.hand_out(|logged| {
        again.tell_before(logged.time(), &mut tell);
        again.put(logged, &mut tell);
        Ok(())
    })?;
    again.finish(&mut tell);
    Ok(again.cut_short)
}

/// Everything that was counted in a run.
struct Counted<'a> {
    rows: &'a Rows,
    times: Option<(Timestamp, Timestamp)>,
    events: u64,
    cut_short: u64,
    detectors: &'a Counters,
}

impl Counted<'_> {
    fn dropped(&self) -> impl Iterator<Item = Dropped> {
        let counted = Refused::ALL.iter().zip(&self.rows.refused);
        counted.map(|(reason, (rows, bytes))| Dropped {
            reason: reason.name(),
            packets: *rows,
            bytes: *bytes,
        })
    }

    fn summary(&self) -> RunSummary {
        RunSummary {
            unit: Unit::Rows,
            packets: self.rows.all,
            bytes: self.rows.bytes,
            flows: self.rows.flows,
            first: self.times.map(|(first, _)| first),
            last: self.times.map(|(_, last)| last),
            dropped: self.dropped().collect(),
            counters: self.counters(),
            ..RunSummary::default()
        }
    }

    fn record(&self, args: &DetectArgs, config: &Config) -> RunRecord {
        let dropped = self.dropped().filter(|dropped| dropped.packets > 0);
        let dropped =
            dropped.map(|dropped| (format!("dropped.{}", dropped.reason), dropped.packets));
        RunRecord {
            command: "detect",
            config_digest: config.digest(),
            inputs: args
                .logs
                .iter()
                .map(|log| log.display().to_string())
                .collect(),
            first: self.times.map(|(first, _)| first),
            last: self.times.map(|(_, last)| last),
            packets: self.rows.all,
            bytes: self.rows.bytes,
            flows: self.rows.flows,
            counters: self.counters().into_iter().chain(dropped).collect(),
        }
    }

    fn counters(&self) -> Vec<(String, u64)> {
        let mut counters = vec![
            ("rows processed".to_owned(), self.rows.processed),
            ("flow events".to_owned(), self.events),
            ("flows cut short".to_owned(), self.cut_short),
        ];
        counters.extend(self.detectors.named());
        counters
    }
}
