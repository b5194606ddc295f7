//! What can be told to a sensor that runs: signals.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

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
}

impl Control {
    /// From now on the first SIGINT or SIGTERM asks to stop; a second one ends the process at once.
    pub(super) fn new() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self { stop: Stop(stop) })
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

/// A number that nobody can foresee.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
