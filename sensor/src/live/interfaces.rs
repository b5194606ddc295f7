//! What the kernel says of each interface, for whoever asks while the run goes on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::listen::Kernel;

/// See the module. Told once a second by each that listens.
#[derive(Default, Debug)]
pub(super) struct Interfaces(Mutex<BTreeMap<(String, usize), Kernel>>);

impl Interfaces {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<(String, usize), Kernel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a ring: its interface, and which one it is there.
    pub(super) fn tell(&self, ring: (String, usize), kernel: Kernel) {
        self.locked().insert(ring, kernel);
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> BTreeMap<String, Kernel> {
        let mut all = BTreeMap::<String, Kernel>::new();
        for ((name, _), kernel) in self.locked().iter() {
            all.entry(name.clone()).or_default().merge(kernel);
        }
        all
    }
}
