//! What can be told to a sensor that runs, by signals, and what it tells systemd.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::loss::LossWatch;
use crate::baseline::{Limits, Measures};
use crate::clock::{Stopwatch, time_of_day};
use crate::config::{self, Config};
use crate::messages::{Event, say};
use crate::output::FindingSender;

/// How often signals are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Whether it is time to stop.
#[derive(Clone, Debug)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn asked(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Hears signals.
pub(super) struct Control {
    stop: Stop,
    hung_up: Arc<AtomicBool>,
}

impl Control {
    /// From now on the first SIGINT or SIGTERM asks to stop; a second one ends the process at once.
    pub(super) fn new() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        let hung_up = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&hung_up))?;
        Ok(Self {
            stop: Stop(stop),
            hung_up,
        })
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

/// What SIGHUP reaches.
pub(super) struct Reach {
    pub(super) file: Option<PathBuf>,
    /// What is in force.
    pub(super) config: Config,
    pub(super) stage: Sender<Limits>,
    pub(super) logs: Sender<()>,
    pub(super) findings: FindingSender,
    /// For the stage, which has yet to take what it was sent before.
    pub(super) waiting: Option<Limits>,
}

impl Reach {
    /// Opens files again, and puts into force of the configuration what can change on the way.
    fn reload(&mut self) {
        // Whoever is gone has an end of its own.
        let _ = self.logs.try_send(());
        let _ = self.findings.reopen();
        let document = match config::load(self.file.as_deref()) {
            Ok(document) => document,
            Err(problems) => {
                let text = format!("the configuration stays as it was:\n{problems}");
                let message = Event::ConfigurationKept.says(text);
                say(&message.with("problems", problems.0.len()));
                return;
            }
        };
        let now = &document.value;
        let in_force = self.config.reloaded(now);
        let changed =
            in_force.detectors.with_limits_of(&self.config.detectors) != in_force.detectors;
        let (rules, suppressions) = (now.rulebook.len(), now.detectors.suppressions.len());
        let message = Event::Reloaded.says(format_args!(
            "opened logs again, {rules} rules and {suppressions} suppressions in force{}{}",
            now.threats.told(),
            if changed { ", other limits" } else { "" }
        ));
        let message = message.with("rules", rules);
        say(&message.with("suppressions", suppressions));
        for key in in_force.differences(now) {
            let text = format!("{key} changed: that is in force after a restart");
            say(&Event::RestartNeeded.says(text).with("key", key));
        }
        let _ = self.findings.ask(Arc::clone(&now.origins));
        let mut limits = Limits::of(&in_force);
        let waits = |before: &Limits| before.measures == Measures::Otherwise;
        if changed || self.waiting.as_ref().is_some_and(waits) {
            limits.measures = Measures::Otherwise;
        }
        (self.config, self.waiting) = (in_force, Some(limits));
    }

    /// Hands what waits for the stage on, if it can take it.
    fn hand_on(&mut self) {
        if let Some(limits) = self.waiting.take()
            && let Err(TrySendError::Full(limits)) = self.stage.try_send(limits)
        {
            self.waiting = Some(limits);
        }
    }
}

/// The thread that does what signals ask for, until it is dropped.
pub(super) struct Watch {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// `progress` stands still when the run does.
    pub(super) fn start(
        control: &Control,
        reach: Reach,
        loss: LossWatch,
        progress: impl Fn() -> u64 + Send + 'static,
    ) -> io::Result<Self> {
        let (over, is_over) = bounded(0);
        let hung_up = Arc::clone(&control.hung_up);
        let thread = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || watch(&is_over, &hung_up, reach, loss, progress))?;
        Ok(Self {
            over: Some(over),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, signals are all that is lost.
            let _ = thread.join();
        }
    }
}

fn watch(
    over: &Receiver<()>,
    hung_up: &AtomicBool,
    mut reach: Reach,
    mut loss: LossWatch,
    progress: impl Fn() -> u64,
) {
    notify(NotifyState::Ready);
    let mut watchdog = Watchdog::new();
    while over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if hung_up.swap(false, Relaxed) {
            reach.reload();
        }
        reach.hand_on();
        watchdog.look(progress());
        loss.look(time_of_day());
    }
    notify(NotifyState::Stopping);
}

/// Tells systemd that the run goes on, as long as it does.
struct Watchdog {
    /// How long it may stay silent, where systemd asks for a word.
    patience: Option<Duration>,
    told: Stopwatch,
    progress: u64,
}

impl Watchdog {
    fn new() -> Self {
        Self {
            patience: sd_notify::watchdog_enabled(),
            told: Stopwatch::start(),
            progress: 0,
        }
    }

    fn look(&mut self, progress: u64) {
        let due = self
            .patience
            .is_some_and(|patience| self.told.elapsed() > patience / 3);
        if due && progress != self.progress {
            (self.told, self.progress) = (Stopwatch::start(), progress);
            notify(NotifyState::Watchdog);
        }
    }
}

/// Where systemd did not start it, this does nothing.
fn notify(state: NotifyState<'_>) {
    let _ = sd_notify::notify(&[state]);
}

/// A number that nobody can foresee.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
