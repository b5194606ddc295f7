//! Other programs that findings go to. Each has a thread and a queue of its own: one that is slow or away
//! holds up nobody. What does not fit into the queue is left out and counted; what could not be delivered
//! is tried again, ever less often, until the run ends.

mod courier;
mod trust;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use crossbeam_channel::{Sender, bounded};
use detectors::{Finding, Severity};

use super::rows::Row;
use crate::config::Target;
use crate::messages::{Event, Message};
use courier::Courier;
use trust::Trust;
use wire::Wire;

/// Findings that may wait for one receiver.
const QUEUE: usize = 4_096;

/// A finding as it travels.
#[derive(Debug)]
struct Parcel {
    json: String,
    /// What syslog is told beside.
    label: String,
    severity: Severity,
}

/// What became of what was for one receiver.
#[derive(Default, Debug)]
pub(crate) struct ReceiverTally {
    pub(crate) delivered: AtomicU64,
    /// Not delivered, and will not be.
    pub(crate) lost: AtomicU64,
    /// Attempts that failed.
    pub(crate) failures: AtomicU64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Receivers {
    all: Vec<Receiver>,
    /// Whether the run is over.
    over: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Receiver {
    target: Target,
    queue: Sender<Arc<Parcel>>,
    tally: Arc<ReceiverTally>,
    thread: JoinHandle<()>,
}

impl Receivers {
    /// Nobody is called before there is something for them. Those who speak TLS are believed if an authority
    /// in `ca_file` vouches for them, or else one of the system's.
    pub(crate) fn start(targets: &[Target], ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let over = Arc::<AtomicBool>::default();
        let trust = if targets.iter().any(Target::speaks_tls) {
            Trust::in_those_of(ca_file)?
        } else {
            Trust::in_nobody()?
        };
        let start = |target: &Target| {
            let (queue, parcels) = bounded(QUEUE);
            let tally = Arc::<ReceiverTally>::default();
            let courier = Courier::new(
                Wire::to(target, &trust),
                target.to_string(),
                Arc::clone(&tally),
                &over,
            );
            let thread = thread::Builder::new()
                .name("receiver".to_owned())
                .spawn(move || courier.run(&parcels))
                .context("cannot start a thread")?;
            anyhow::Ok(Receiver {
                target: target.clone(),
                queue,
                tally,
                thread,
            })
        };
        let all = targets.iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { all, over })
    }

    /// By the receiver's URL.
    pub(crate) fn tallies(&self) -> Vec<(String, Arc<ReceiverTally>)> {
        let each = |of: &Receiver| (of.target.to_string(), Arc::clone(&of.tally));
        self.all.iter().map(each).collect()
    }

    pub(super) fn tell(&self, finding: &Finding) {
        let wanted = |receiver: &&Receiver| wants(&receiver.target, finding);
        let mut parcel = None;
        for receiver in self.all.iter().filter(wanted) {
            let parcel = parcel.get_or_insert_with(|| Arc::new(Parcel::of(finding)));
            if receiver.queue.try_send(Arc::clone(parcel)).is_err() {
                receiver.tally.lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// Waits a moment for what is on its way. Returns a sentence for each receiver that has not got
    /// everything.
    pub(super) fn finish(self) -> Vec<Message> {
        let mut lost = Vec::new();
        // All are told before one is waited for.
        self.over.store(true, Relaxed);
        let ending: Vec<_> = self
            .all
            .into_iter()
            .map(|of| (of.target, of.tally, of.thread))
            .collect();
        for (target, tally, thread) in ending {
            if thread.join().is_err() {
                let text = format!("{target}: its thread panicked");
                lost.push(Event::Panicked.says(text));
            }
            let count = tally.lost.load(Relaxed);
            if count > 0 {
                let text = format!("{target}: {count} findings were not delivered");
                let message = Event::NotDelivered.says(text);
                let message = message.with("receiver", target.to_string());
                lost.push(message.with("findings", count));
            }
        }
        lost
    }
}

/// People are told of detections; programs of everything.
const fn wants(target: &Target, finding: &Finding) -> bool {
    let detection = matches!(
        finding,
        Finding::DetectionMade(_) | Finding::DetectionUpdated(_)
    );
    match target {
        Target::Tcp(_)
        | Target::Tls(_)
        | Target::Udp(_)
        | Target::Unix(_)
        | Target::UnixDatagram(_) => true,
        Target::SyslogTcp(_)
        | Target::SyslogTls(_)
        | Target::SyslogUdp(_)
        | Target::SyslogUnix(_)
        | Target::Webhook(_) => detection,
    }
}

impl Parcel {
    fn of(finding: &Finding) -> Self {
        let (label, severity) = match finding {
            Finding::SignalOpened(signal)
            | Finding::SignalRaised(signal)
            | Finding::SignalClosed(signal) => (signal.kind.name().to_owned(), signal.severity),
            Finding::DetectionMade(made) | Finding::DetectionUpdated(made) => {
                (made.rule.id.clone(), made.severity)
            }
        };
        Self {
            // Only values that are no JSON at all could fail; there are none.
            json: serde_json::to_string(&Row::from(finding)).unwrap_or_default(),
            label,
            severity,
        }
    }
}
