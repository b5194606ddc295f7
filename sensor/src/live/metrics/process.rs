//! What the kernel says of this process, under the names that every exporter has.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

/// Memory in use, processor time, open files.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    pub(super) cpu_seconds: f64,
    pub(super) open_files: usize,
}

impl Process {
    /// Of now, as far as the system tells.
    pub(super) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count();
        Self::of(&stat, open_files)
    }

    fn of(stat: &str, open_files: usize) -> Option<Self> {
        // The name before it may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let number = |nth: usize| rest.split(' ').nth(nth - 3)?.parse::<u64>().ok();
        let ticks = number(14)? + number(15)?;
        Some(Self {
            resident_bytes: number(24)? * page_size() as u64,
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
            open_files,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 100 5000000 300 18446744073709551615 1 1";
        let ticks = clock_ticks_per_second() as f64;
        let want = Process {
            resident_bytes: 300 * page_size() as u64,
            cpu_seconds: 300.0 / ticks,
            open_files: 4,
        };
        assert_eq!(Process::of(stat, 4), Some(want));
        assert_eq!(Process::of("7 (a", 4), None);
        assert!(Process::now().unwrap().resident_bytes > 0);
    }
}
