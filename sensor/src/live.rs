//! `flowhawk live`: what interfaces hear, into the same pipeline that reads captures.
//!
//! A thread listens to each interface (`listen.rs`) and copies packets out of the kernel's buffer
//! into blocks (`ring.rs`); blocks of several interfaces are put into one order of time (`merge.rs`).
//! None of them ever waits for the workers.

mod control;
mod listen;
mod merge;
mod rights;
mod ring;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, bail};
use crossbeam_channel::bounded;
use flow_table::{DropReason, Span};

use crate::baseline::{Unusable, Wanted};
use crate::cli::{LiveArgs, TalkArgs};
use crate::config::Config;
use crate::output::{Existing, Upkeep};
use crate::pipeline::{Fed, Feeder, Source, Totals, feed};
use crate::progress::Live;
use crate::run::{Heard, Job, Keeping, Outcome, Started};
use crate::say;
use control::{Control, Reach, Stop, Watch};
use listen::{Listener, Outlet, Report};
use merge::Merger;
pub(crate) use rights::Rights;
use ring::{Promiscuous, Ring, RingOptions};

/// One part in so many of `memory_limit` that blocks on their way may take.
const QUEUE_SHARE: u64 = 16;

/// However long the detectors' ticks are: rows and the end of the run are not to wait for them.
const LONGEST_TICK: Span = Span::from_millis(100);

/// Listens until told to stop.
pub(crate) fn run(args: &LiveArgs, config: &Config) -> anyhow::Result<Outcome> {
    let rings = open(args)?;
    let control = Control::new().context("cannot listen for signals")?;
    let job = Job {
        command: "live",
        common: &args.common,
        config,
        inputs: args.interfaces.iter().map(PathBuf::from).collect(),
        size: None,
        seed: control::random(),
        // The kernel does it.
        filter: None,
    };
    let chunks = config.memory_limit.0 / QUEUE_SHARE / ring::CHUNK_BYTES;
    let (feeder, feed) = feed(usize::try_from(chunks).unwrap_or(usize::MAX).max(2));
    // One of each may wait: a second signal before the first was heard asks for the same.
    let (to_logs, reopen) = bounded(1);
    let (to_stage, suppressions) = bounded(1);
    let keeping = Keeping {
        existing: Existing::Keep,
        upkeep: Upkeep::with(reopen),
        rotate: args.rotate,
        baseline: wanted(args, config),
        suppressions,
    };
    let begin = |started: &Started| {
        let ear = Ear {
            stop: control.stop(),
            live: Arc::clone(&started.live),
            tick: config.tick.min(LONGEST_TICK),
            talk: args.common.talk.clone(),
        };
        let reach = Reach {
            file: args.common.input.settings.config.clone(),
            config: config.clone(),
            suppressions: to_stage,
            logs: to_logs,
            findings: started.findings.clone(),
        };
        let progress = feeder.progress();
        let ears = Ears::start(rings, feeder, &ear)?;
        let watch = Watch::start(&control, reach, progress)?;
        if !args.common.talk.quiet {
            say(format_args!("listening on {}", args.interfaces.join(", ")));
        }
        Ok((Source::Interfaces(feed), (ears, watch)))
    };
    job.run(keeping, begin, |(ears, watch), totals| {
        drop(watch);
        ears.join(totals)
    })
}

/// What is to be known from the run before: the command line says where, or else the configuration.
fn wanted(args: &LiveArgs, config: &Config) -> Option<Wanted> {
    let named = args.common.output.findings.baseline.clone();
    let wanted = |file| Wanted {
        file,
        or: Unusable::BeginAnew,
        every: Some(config.checkpoint_interval),
    };
    named.or_else(|| config.state_file.0.clone()).map(wanted)
}

/// All interfaces, before anything is written.
fn open(args: &LiveArgs) -> anyhow::Result<Vec<Ring>> {
    let options = RingOptions {
        buffer: args.buffer_size,
        promiscuous: if args.no_promiscuous {
            Promiscuous::No
        } else {
            Promiscuous::Yes
        },
        filter: args.common.input.filter.clone(),
    };
    for (n, name) in args.interfaces.iter().enumerate() {
        // Each of its packets would count twice.
        if args.interfaces.iter().take(n).any(|other| other == name) {
            bail!("{name} is named twice");
        }
    }
    let names = args.interfaces.iter();
    names.map(|name| Ring::open(name, &options)).collect()
}

/// What every listener needs.
#[derive(Clone)]
struct Ear {
    stop: Stop,
    live: Arc<Live>,
    /// How often time moves where nothing is heard.
    tick: Span,
    talk: TalkArgs,
}

/// The threads that listen.
struct Ears {
    listeners: Vec<JoinHandle<Report>>,
    /// Where there are several.
    merger: Option<JoinHandle<Fed>>,
}

impl Ears {
    fn start(rings: Vec<Ring>, feeder: Feeder, ear: &Ear) -> anyhow::Result<Self> {
        let mut ears = Self {
            listeners: Vec::new(),
            merger: None,
        };
        let names: Vec<String> = rings.iter().map(|ring| ring.name().to_owned()).collect();
        let mut outlets = Vec::new();
        if rings.len() == 1 {
            outlets.push(Outlet::Workers(feeder));
        } else {
            let (merger, lanes) = Merger::new(rings.len());
            outlets.extend(lanes.into_iter().map(Outlet::Merger));
            let run = move || merger.run(feeder);
            ears.merger = Some(thread::Builder::new().name("merge".to_owned()).spawn(run)?);
        }
        for ((name, ring), outlet) in names.into_iter().zip(rings).zip(outlets) {
            let listener = Listener::new(ring, outlet, ear.clone());
            let run = move || listener.run();
            ears.listeners
                .push(thread::Builder::new().name(name).spawn(run)?);
        }
        Ok(ears)
    }

    /// Waits until all is heard, and adds what did not reach the workers.
    fn join(self, totals: &mut Totals) -> Heard {
        let mut heard = Heard::default();
        let mut fed = Vec::new();
        for listener in self.listeners {
            let name = listener.thread().name().unwrap_or("?").to_owned();
            match listener.join() {
                Ok(report) => {
                    fed.push(report.fed);
                    heard.counters.extend(report.kernel.named(&name));
                    heard.losses.extend(report.losses(&name));
                }
                Err(_) => heard.losses.push(format!("{name}: its thread panicked")),
            }
        }
        fed.extend(self.merger.and_then(|merger| merger.join().ok()));
        let mut lost = (0, 0);
        for fed in fed {
            totals.first = totals.first.into_iter().chain(fed.first).min();
            totals.last = totals.last.max(fed.now);
            lost = (lost.0 + fed.lost.0, lost.1 + fed.lost.1);
        }
        totals.packets += lost.0;
        totals.bytes += lost.1;
        totals.dropped.add_many(DropReason::QueueFull, lost);
        if lost.0 > 0 {
            heard.losses.push(format!(
                "{} packets ({} bytes) were left out because the workers were behind (queue_full); more \
                 --threads or a --filter may help",
                lost.0, lost.1
            ));
        }
        heard
    }
}
