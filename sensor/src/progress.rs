//! How far a run is, on stderr. A thread looks at shared counters a few times per second; the packet
//! path adds to them once per chunk and knows nothing else of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::{ProgressWhen, TalkArgs};
use crate::clock::Stopwatch;
use crate::messages::{self, Event, Message, say};
use crate::output::LogTally;
use crate::pipeline::Now;
use crate::summary::Unit;
use crate::text::rough;

/// What is known while a run goes on.
#[derive(Default, Debug)]
pub(crate) struct Live {
    /// What is counted as `packets`.
    pub(crate) unit: Unit,
    /// Read from the inputs, as they lie on disk.
    pub(crate) bytes: AtomicU64,
    pub(crate) packets: AtomicU64,
    pub(crate) flows: AtomicU64,
    /// Kept up to date by the outputs' thread.
    pub(crate) detections: AtomicU64,
    /// What the stage tells, in a run without an end.
    pub(crate) now: Arc<Now>,
    /// Rows of logs.
    pub(crate) logs: Arc<LogTally>,
}

impl Live {
    /// Nothing read yet of these.
    pub(crate) fn of(unit: Unit) -> Self {
        Self {
            unit,
            ..Self::default()
        }
    }

    /// The numbers, beside a text that has them.
    fn count(&self, message: Message) -> Message {
        let message = message
            .with(self.unit.name(), self.packets.load(Relaxed))
            .with("bytes", self.bytes.load(Relaxed))
            .with("flows", self.flows.load(Relaxed));
        message.with("detections", self.detections.load(Relaxed))
    }
}

/// Shows progress until it is finished or dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Bar,
    Lines,
    Nothing,
}

impl Look {
    fn of(talk: &TalkArgs, terminal: Terminal) -> Self {
        match (talk.progress, terminal) {
            _ if talk.quiet => Self::Nothing,
            (ProgressWhen::Never, _) | (ProgressWhen::Auto, Terminal::No) => Self::Nothing,
            (_, Terminal::Yes) => Self::Bar,
            (ProgressWhen::Always, Terminal::No) => Self::Lines,
        }
    }

    const fn interval(self) -> Duration {
        match self {
            Self::Bar => Duration::from_millis(200),
            Self::Lines | Self::Nothing => Duration::from_secs(1),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Terminal {
    Yes,
    No,
}

impl Progress {
    /// Begins to show `live`; `total` are the bytes to read, if that is known.
    pub(crate) fn start(talk: &TalkArgs, total: Option<u64>, live: Arc<Live>) -> Self {
        let terminal = if messages::are_looked_at() {
            Terminal::Yes
        } else {
            Terminal::No
        };
        let look = Look::of(talk, terminal);
        if look == Look::Nothing {
            return Self {
                stop: None,
                thread: None,
            };
        }
        let (stop, stopped) = bounded(0);
        let shown = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show(look, total, &live, &stopped));
        // Without a thread for it there is just nothing to see.
        Self {
            stop: Some(stop),
            thread: shown.ok(),
        }
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub(crate) fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, the progress display is all that is lost.
            let _ = thread.join();
        }
    }
}

fn show(look: Look, total: Option<u64>, live: &Live, stopped: &Receiver<()>) {
    let watch = Stopwatch::start();
    let bar = bar(look, total);
    loop {
        let ended = stopped.recv_timeout(look.interval()) != Err(RecvTimeoutError::Timeout);
        let bytes = live.bytes.load(Relaxed);
        let text = describe(live, watch.elapsed());
        if look == Look::Bar {
            bar.set_message(text);
            bar.set_position(bytes);
        } else {
            let text = format!("{}{text}", share(bytes, total));
            say(&live.count(Event::Progress.says(text)));
        }
        if ended {
            break;
        }
    }
    bar.finish_and_clear();
}

fn bar(look: Look, total: Option<u64>) -> ProgressBar {
    if look != Look::Bar {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{bar:24} {percent:>3} % of {decimal_total_bytes}, {msg}, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {decimal_bytes} read, {msg}",
        ),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// `12.3 M packets (4.56 M/s), 123 k flows, 3 detections`.
fn describe(live: &Live, elapsed: Duration) -> String {
    let packets = live.packets.load(Relaxed) as f64;
    let rate = packets / elapsed.as_secs_f64().max(1e-3);
    let flows = live.flows.load(Relaxed) as f64;
    let detections = live.detections.load(Relaxed);
    let flows = if flows > 0.0 {
        format!(", {}flows", count(flows))
    } else {
        String::new()
    };
    format!(
        "{}{} ({}/s){flows}, {detections} detections",
        count(packets),
        live.unit.name(),
        rough(rate, "").trim()
    )
}

/// With the space that separates it from what is counted.
fn count(number: f64) -> String {
    let text = rough(number, "");
    format!("{} ", text.trim_end())
}

fn share(bytes: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => format!("{:.0} %, ", bytes as f64 / total as f64 * 100.0),
        _ => format!("{} read, ", rough(bytes as f64, "B")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::MessageForm;

    #[test]
    fn it_shows_where_it_is_wanted() {
        use ProgressWhen::{Always, Auto, Never};
        let cases = [
            (Auto, false, Terminal::Yes, Look::Bar),
            (Auto, false, Terminal::No, Look::Nothing),
            (Always, false, Terminal::Yes, Look::Bar),
            (Always, false, Terminal::No, Look::Lines),
            (Never, false, Terminal::Yes, Look::Nothing),
            (Always, true, Terminal::Yes, Look::Nothing),
        ];
        for (progress, quiet, terminal, want) in cases {
            let talk = TalkArgs {
                quiet,
                verbose: false,
                progress,
                messages: MessageForm::Text,
            };
            assert_eq!(
                Look::of(&talk, terminal),
                want,
                "{progress:?} {quiet} {terminal:?}"
            );
        }
    }

    #[test]
    fn a_line_says_what_is_known() {
        let live = Live::default();
        let second = Duration::from_secs(2);
        assert_eq!(
            describe(&live, Duration::ZERO),
            "0 packets (0/s), 0 detections"
        );
        live.packets.store(12_345_678, Relaxed);
        live.flows.store(1_500, Relaxed);
        assert_eq!(
            describe(&live, second),
            "12.3 M packets (6.17 M/s), 1.50 k flows, 0 detections"
        );
        assert_eq!(share(50, Some(200)), "25 %, ");
        assert_eq!(share(50_000, None), "50.0 kB read, ");
    }

    #[test]
    fn both_templates_are_sound() {
        for total in [None, Some(7)] {
            let bar = bar(Look::Bar, total);
            assert_eq!(bar.length(), total);
        }
    }
}
