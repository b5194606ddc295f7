//! `flowhawk live`: what interfaces hear, into the same pipeline that reads captures.
//!
//! A thread listens to each interface (`listen.rs`) and copies packets out of the kernel's buffer
//! into blocks (`ring.rs`); blocks of several interfaces are put into one order of time (`merge.rs`).
//! None of them waits for the workers longer than the kernel's buffer can bear.

mod control;
mod interfaces;
mod listen;
mod loss;
mod merge;
mod metrics;
mod rights;
mod ring;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::{Receiver, bounded};
use flow_table::{DropReason, Span};

use crate::baseline::Limits;
use crate::baseline::{Unusable, Wanted};
use crate::cli::{LiveArgs, TalkArgs};
use crate::config::{Config, MetricsAt};
use crate::messages::{Event, say};
use crate::output::{Crowd, Existing, Keep, Rotation, Upkeep};
use crate::pins::Pins;
use crate::pipeline::{Fed, Feeder, Missing, Source, Totals, feed};
use crate::progress::Live;
use crate::run::{Heard, Job, Keeping, Outcome, Started, Telling};
use control::{Control, Reach, Stop, Watch};
use interfaces::Interfaces;
use listen::{Listener, Outlet, Report};
use loss::LossWatch;
use merge::Merger;
use metrics::{Server, Sources};
pub(crate) use rights::Rights;
use ring::{Promiscuous, Ring, RingOptions};

/// One part in so many of `memory_limit` that blocks on their way may take.
const QUEUE_SHARE: u64 = 16;

/// One part in so many of it that rows may take which wait to be written, and about what one takes.
const ROW_SHARE: u64 = 32;
const ROW_BYTES: u64 = 1_024;

/// Notices that may wait; more tell nothing that those do not.
const NOTICES: usize = 16;

/// Workers that are behind are waited for so long before blocks are left out.
const PATIENCE: Duration = Duration::from_millis(100);

/// However long the detectors' ticks are: rows and the end of the run are not to wait for them.
const LONGEST_TICK: Span = Span::from_millis(100);

/// Listens until told to stop.
pub(crate) fn run(args: &LiveArgs, config: &Config) -> anyhow::Result<Outcome> {
    let pins = Pins::on(args.cpus.as_ref().unwrap_or(&config.live.cpus))?;
    let rings = open(args)?;
    let metrics = bind(args, config)?;
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
        pins: pins.after(rings.len()),
    };
    let chunks = config.memory_limit.0 / QUEUE_SHARE / ring::CHUNK_BYTES;
    let (feeder, feed) = feed(usize::try_from(chunks).unwrap_or(usize::MAX).max(2));
    // One of each may wait.
    let (to_logs, reopen) = bounded(1);
    let (to_stage, reloads) = bounded(1);
    let (to_notices, notices) = bounded(NOTICES);
    let upkeep = Upkeep::with(reopen, notices, config.live.too_many_gaps);
    let keeping = keeping(args, config, upkeep, reloads);
    let begin = |started: &Started| {
        let ear = Ear::of(args, config, started, (control.stop(), feeder.missing()));
        let reach = Reach {
            file: args.common.input.settings.config.clone(),
            config: config.clone(),
            stage: to_stage,
            logs: to_logs,
            findings: started.findings.clone(),
            waiting: None,
        };
        let progress = feeder.progress();
        let sources = sources(config, started, &feeder, &ear);
        let server = metrics.map(|listener| Server::answer(listener, sources));
        let server = server.transpose().context("cannot serve metrics")?;
        let ears = Ears::start(rings, feeder, &ear, &pins)?;
        let loss = LossWatch::new(
            Arc::clone(&ear.missing),
            config.live.too_much_loss,
            to_notices,
        );
        let watch = Watch::start(&control, reach, loss, progress)?;
        announce(args, server.as_ref());
        Ok((Source::Interfaces(feed), (ears, watch, server)))
    };
    job.run(keeping, begin, |(ears, watch, server), totals| {
        drop((watch, server));
        ears.join(totals)
    })
}

/// How outputs are kept: the command line wins.
fn keeping(args: &LiveArgs, config: &Config, upkeep: Upkeep, reloads: Receiver<Limits>) -> Keeping {
    let most = config.memory_limit.0 / ROW_SHARE / ROW_BYTES;
    let send = if args.send.is_empty() {
        &config.live.send
    } else {
        &args.send
    };
    Keeping {
        existing: Existing::Keep,
        upkeep,
        baseline: wanted(args, config),
        rotation: Rotation {
            every: args.rotate,
            size: args.rotate_size.map(|size| size.0),
        },
        keep: Keep {
            age: args.keep,
            size: args.keep_size.map(|size| size.0),
        },
        reloads,
        telling: Telling::WhileItRuns,
        send: send.clone(),
        crowd: Crowd::IsLeftOut {
            most: usize::try_from(most).unwrap_or(usize::MAX),
        },
    }
}

/// What metrics are made of.
fn sources(config: &Config, started: &Started, feeder: &Feeder, ear: &Ear) -> Sources {
    Sources {
        live: Arc::clone(&started.live),
        missing: feeder.missing(),
        interfaces: Arc::clone(&ear.interfaces),
        depth: Box::new(feeder.depth()),
        progress: Box::new(feeder.progress()),
        receivers: started.receivers.clone(),
        memory_limit: config.memory_limit.0,
    }
}

fn announce(args: &LiveArgs, server: Option<&Server>) {
    if args.common.talk.quiet {
        return;
    }
    if let Some(server) = server {
        let address = server.address();
        let text = format!("metrics at http://{address}/metrics");
        let message = Event::MetricsServed.says(text);
        say(&message.with("address", address.to_string()));
    }
    let text = format!("listening on {}", args.interfaces.join(", "));
    let message = Event::Listening.says(text);
    say(&message.with("interfaces", args.interfaces.clone()));
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

/// Where metrics are asked for, before anything is written.
fn bind(args: &LiveArgs, config: &Config) -> anyhow::Result<Option<TcpListener>> {
    match args.metrics.unwrap_or(config.live.metrics) {
        MetricsAt::Nowhere => Ok(None),
        MetricsAt::Address(address) => {
            let bound = Server::bind(address);
            let bound = bound.with_context(|| format!("cannot serve metrics at {address}"))?;
            Ok(Some(bound))
        }
    }
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
    if args.keep_size.is_some() && args.rotate.is_none() && args.rotate_size.is_none() {
        bail!("--keep-size is about logs that are put away: it needs --rotate or --rotate-size");
    }
    for (n, name) in args.interfaces.iter().enumerate() {
        // Each of its packets would count twice.
        if args.interfaces.iter().take(n).any(|other| other == name) {
            bail!("{name} is named twice");
        }
    }
    let mut rings = Vec::new();
    for name in &args.interfaces {
        rings.append(&mut Ring::open_all(
            name,
            &options,
            args.capture_threads.into(),
        )?);
    }
    Ok(rings)
}

/// What every listener needs.
#[derive(Clone)]
struct Ear {
    stop: Stop,
    live: Arc<Live>,
    /// How often time moves where nothing is heard.
    tick: Span,
    talk: TalkArgs,
    /// Where to count what the workers never see.
    missing: Arc<Missing>,
    interfaces: Arc<Interfaces>,
}

impl Ear {
    fn of(
        args: &LiveArgs,
        config: &Config,
        started: &Started,
        (stop, missing): (Stop, Arc<Missing>),
    ) -> Self {
        Self {
            stop,
            live: Arc::clone(&started.live),
            tick: config.tick.min(LONGEST_TICK),
            talk: args.common.talk.clone(),
            missing,
            interfaces: Arc::default(),
        }
    }
}

/// The threads that listen.
struct Ears {
    listeners: Vec<JoinHandle<Report>>,
    /// Where there are several.
    merger: Option<JoinHandle<Fed>>,
}

impl Ears {
    fn start(rings: Vec<Ring>, feeder: Feeder, ear: &Ear, pins: &Pins) -> anyhow::Result<Self> {
        let mut ears = Self {
            listeners: Vec::new(),
            merger: None,
        };
        let mut outlets = Vec::new();
        if rings.len() == 1 {
            outlets.push(Outlet::Workers(feeder));
        } else {
            let (merger, lanes) = Merger::new(rings.len(), &ear.missing);
            outlets.extend(lanes.into_iter().map(Outlet::Merger));
            let run = move || merger.run(feeder);
            ears.merger = Some(thread::Builder::new().name("merge".to_owned()).spawn(run)?);
        }
        for (nth, (ring, outlet)) in rings.into_iter().zip(outlets).enumerate() {
            let name = format!("{}/{}", ring.name(), ring.nth());
            let listener = Listener::new(ring, outlet, ear.clone());
            let pins = pins.clone();
            let run = move || {
                pins.pin(nth);
                listener.run()
            };
            ears.listeners
                .push(thread::Builder::new().name(name).spawn(run)?);
        }
        Ok(ears)
    }

    /// Waits until all is heard, and adds what did not reach the workers.
    fn join(self, totals: &mut Totals) -> Heard {
        let mut heard = Heard::default();
        let (mut fed, mut reports) = (Vec::new(), Vec::<Report>::new());
        for listener in self.listeners {
            let name = listener.thread().name().unwrap_or("?").to_owned();
            let Ok(report) = listener.join() else {
                let text = format!("{name}: its thread panicked");
                heard.losses.push(Event::Panicked.says(text));
                continue;
            };
            fed.push(report.fed);
            match reports.iter_mut().find(|other| other.name == report.name) {
                Some(other) => other.merge(report),
                None => reports.push(report),
            }
        }
        for report in reports {
            heard.counters.extend(report.kernel.named(&report.name));
            heard.losses.extend(report.losses());
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
            let (packets, bytes) = lost;
            let message = Event::QueueFull.says(format_args!(
                "{packets} packets ({bytes} bytes) were left out because the workers were behind (queue_full); more \
                 --threads or a --filter may help"
            ));
            let message = message.with("packets", packets).with("bytes", bytes);
            heard.losses.push(message);
        }
        heard
    }
}
