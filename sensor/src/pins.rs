//! Threads that stay on a CPU each: what its caches hold is theirs.

use std::sync::Arc;

use anyhow::{Context, bail};
use rustix::io;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::config::CpuList;
use crate::messages::{Event, say};

const _: () = assert!(CpuList::END <= CpuSet::MAX_CPU, "there is room for each");

/// Which CPU each of some threads has. They are given out in turn; without any, the kernel decides.
#[derive(Clone, Default, Debug)]
pub(crate) struct Pins {
    cpus: Arc<[usize]>,
    /// How many threads come before.
    before: usize,
}

impl Pins {
    /// Proves that this process may have all of them, and stay there.
    pub(crate) fn on(list: &CpuList) -> anyhow::Result<Self> {
        let all = list.all();
        if !all.is_empty() {
            let allowed = sched_getaffinity(None).context("cannot ask for CPUs")?;
            if let Some(cpu) = all.iter().find(|cpu| !allowed.is_set(**cpu)) {
                let allowed = list_of(&allowed);
                bail!(
                    "cannot run on CPU {cpu}: it is not there, or not for this process, which may run on {allowed}"
                );
            }
            sched_setaffinity(None, &allowed).context("cannot keep threads on CPUs")?;
        }
        Ok(Self {
            cpus: all.into(),
            before: 0,
        })
    }

    /// For threads that come after so many others.
    pub(crate) fn after(&self, threads: usize) -> Self {
        Self {
            cpus: Arc::clone(&self.cpus),
            before: self.before + threads,
        }
    }

    /// How many CPUs there are, if not all.
    pub(crate) fn count(&self) -> Option<usize> {
        Some(self.cpus.len()).filter(|count| *count > 0)
    }

    /// Keeps the thread that calls, the n-th of its kind, where it is to be.
    pub(crate) fn pin(&self, nth: usize) {
        let Some(cpu) = self.cpu(nth) else { return };
        if let Err(error) = stay_on(cpu) {
            // It was allowed at the start; without it all is slower, and as sound.
            let text = format!("cannot stay on CPU {cpu}: {error}");
            say(&Event::NotPinned.says(text).with("cpu", cpu));
        }
    }

    fn cpu(&self, nth: usize) -> Option<usize> {
        let at = (self.before + nth).checked_rem(self.cpus.len())?;
        self.cpus.get(at).copied()
    }
}

fn list_of(set: &CpuSet) -> CpuList {
    (0..CpuList::END).filter(|cpu| set.is_set(*cpu)).collect()
}

fn stay_on(cpu: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn cpus_are_given_out_in_turn() {
        let pins = Pins {
            cpus: [4, 0, 7].into(),
            before: 0,
        };
        let workers = pins.after(2);
        let given = |pins: &Pins| [0, 1, 2, 3].map(|nth| pins.cpu(nth).unwrap());
        assert_eq!(given(&pins), [4, 0, 7, 4]);
        assert_eq!(given(&workers), [7, 4, 0, 7]);
        assert_eq!(Pins::default().after(2).cpu(1), None);
    }

    #[test]
    fn a_thread_stays_where_it_is_put_and_others_are_left_alone() {
        let before = sched_getaffinity(None).unwrap();
        let allowed = list_of(&before);
        let pins = Pins::on(&allowed).unwrap();
        for (nth, cpu) in allowed.all().iter().enumerate() {
            let stays = || {
                pins.pin(nth);
                list_of(&sched_getaffinity(None).unwrap())
            };
            let stays = thread::scope(|scope| scope.spawn(stays).join().unwrap());
            assert_eq!(stays.all(), [*cpu]);
        }
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}
