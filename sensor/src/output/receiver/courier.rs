//! The thread that delivers to one receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;

use super::wire::{Failure, Wire};
use super::{Parcel, ReceiverTally};
use crate::clock::Stopwatch;
use crate::messages::{Event, say};

/// How long it waits after a failure, and at most after many.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often it looks whether the run is over, while it waits.
const LOOK: Duration = Duration::from_millis(50);
/// Once the run is over, what is not delivered by then is lost.
const LAST: Duration = Duration::from_secs(3);

/// See the module.
pub(super) struct Courier {
    wire: Wire,
    name: String,
    tally: Arc<ReceiverTally>,
    /// What comes when the first attempt after a success fails.
    pause: Duration,
    /// Whether the run is over, and how long it has been.
    over: Arc<AtomicBool>,
    ending: Option<Stopwatch>,
}

impl Courier {
    pub(super) fn new(
        wire: Wire,
        name: String,
        tally: Arc<ReceiverTally>,
        over: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            wire,
            name,
            tally,
            pause: FIRST_PAUSE,
            over: Arc::clone(over),
            ending: None,
        }
    }

    pub(super) fn run(mut self, parcels: &Receiver<Arc<Parcel>>) {
        while let Ok(parcel) = parcels.recv() {
            self.deliver(&parcel);
        }
    }

    /// Until it is there, or never will be.
    fn deliver(&mut self, parcel: &Parcel) {
        while !self.is_too_late() {
            match self.wire.deliver(parcel) {
                Ok(()) => {
                    self.tally.delivered.fetch_add(1, Relaxed);
                    if self.pause > FIRST_PAUSE {
                        self.say(Event::ReceiverBack, "it is there again");
                    }
                    self.pause = FIRST_PAUSE;
                    return;
                }
                Err(Failure::Refused(why)) => {
                    self.say(
                        Event::FindingRefused,
                        &format!("{why}; a finding is left out"),
                    );
                    self.tally.failures.fetch_add(1, Relaxed);
                    self.tally.lost.fetch_add(1, Relaxed);
                    return;
                }
                Err(Failure::Away(why)) => {
                    self.tally.failures.fetch_add(1, Relaxed);
                    if self.pause == FIRST_PAUSE {
                        self.say(Event::ReceiverAway, &format!("{why}; it is tried again"));
                    }
                }
            }
            self.wait();
        }
        self.tally.lost.fetch_add(1, Relaxed);
    }

    fn say(&self, event: Event, what: &str) {
        let message = event.says(format_args!("{}: {what}", self.name));
        say(&message.with("receiver", self.name.as_str()));
    }

    /// Waits before the next attempt.
    fn wait(&mut self) {
        let begun = Stopwatch::start();
        while begun.elapsed() < self.pause && !self.is_too_late() {
            thread::sleep(LOOK);
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Whether the run has been over for so long that nothing more is delivered.
    fn is_too_late(&mut self) -> bool {
        if self.over.load(Relaxed) {
            let ending = self.ending.get_or_insert_with(Stopwatch::start);
            return ending.elapsed() > LAST;
        }
        false
    }
}
