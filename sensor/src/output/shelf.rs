//! How long logs that were put away are kept: only what has one of their names, in a directory of a day,
//! is ever taken away.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use flow_table::{Span, Timestamp};

/// What is kept; everything where nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Keep {
    /// Since they were written last.
    pub(crate) age: Option<Span>,
    /// Bytes of all of them; the oldest go first.
    pub(crate) size: Option<u64>,
}

/// Where they are.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    keep: Keep,
    /// What their names begin with: `conn.`.
    kinds: Vec<String>,
}

/// A log that was put away.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Old {
    written: Timestamp,
    path: PathBuf,
    size: u64,
}

impl Shelf {
    pub(super) fn new(dir: &Path, keep: Keep, names: &[String]) -> Self {
        let kinds = names
            .iter()
            .map(|name| name.trim_end_matches("log").to_owned());
        Self {
            dir: dir.to_owned(),
            keep,
            kinds: kinds.collect(),
        }
    }

    /// Takes away what is too old or too much.
    pub(super) fn tidy(&self, now: Timestamp) {
        if self.keep == Keep::default() {
            return;
        }
        let mut logs = self.logs();
        // The oldest last, to be taken away from there.
        logs.sort_by(|a, b| b.cmp(a));
        let mut size: u64 = logs.iter().map(|log| log.size).sum();
        while let Some(oldest) = logs.last()
            && self.is_too_much(oldest, size, now)
        {
            size -= oldest.size;
            // What cannot be taken away now is tried again.
            let _ = fs::remove_file(&oldest.path);
            if let Some(day) = oldest.path.parent() {
                // Only the last one leaves it empty.
                let _ = fs::remove_dir(day);
            }
            logs.pop();
        }
    }

    fn is_too_much(&self, oldest: &Old, size: u64, now: Timestamp) -> bool {
        let too_old = self
            .keep
            .age
            .is_some_and(|age| now.since(oldest.written) > age);
        too_old || self.keep.size.is_some_and(|most| size > most)
    }

    fn logs(&self) -> Vec<Old> {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
        let days = entries(&self.dir).filter(|entry| is_day(&entry.file_name().to_string_lossy()));
        let files = days.flat_map(|day| entries(&day.path()));
        let logs = files.filter(|file| self.is_log(&file.file_name().to_string_lossy()));
        logs.filter_map(|log| {
            let meta = log.metadata().ok().filter(fs::Metadata::is_file)?;
            let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(Old {
                written: Timestamp::new(i64::try_from(since.as_secs()).ok()?, 0),
                path: log.path(),
                size: meta.len(),
            })
        })
        .collect()
    }

    /// Whether this is the name of a log that was put away: `conn.21:00:00-22:00:00.log.gz`.
    fn is_log(&self, name: &str) -> bool {
        let rest = self
            .kinds
            .iter()
            .find_map(|kind| name.strip_prefix(kind.as_str()));
        let times = rest.and_then(|rest| {
            rest.strip_suffix(".gz")
                .unwrap_or(rest)
                .strip_suffix(".log")
        });
        times.is_some_and(|times| is_like(times.get(..17).unwrap_or_default(), "00:00:00-00:00:00"))
    }
}

fn is_day(name: &str) -> bool {
    is_like(name, "0000-00-00")
}

/// Whether it has digits where `form` has, and is the same elsewhere.
fn is_like(text: &str, form: &str) -> bool {
    let same = |(a, b): (u8, u8)| (a.is_ascii_digit() && b == b'0') || a == b;
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: i64 = 1_795_300_000;

    /// A directory with logs that were written some hours ago, and others' files.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("2026-11-19/conn.21:00:00-22:00:00.log.gz", 30, 100),
            ("2026-11-19/known_hosts.21:00:00-22:00:00-1.log", 29, 10),
            ("2026-11-19/report.pdf", 30, 1_000),
            ("2026-11-20/conn.20:00:00-21:00:00.log.gz", 3, 100),
            ("2026-11-20/conn.21:00:00-22:00:00.log.gz", 2, 100),
            ("2026-11-20/conn.21:00:00-22:00:00.part", 99, 100),
            ("notes/conn.21:00:00-22:00:00.log.gz", 99, 100),
            ("conn.log", 99, 100),
        ];
        for (name, hours, size) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![b'x'; size]).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            let secs = u64::try_from(NOW - 3_600 * hours).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(secs))
                .unwrap();
        }
        dir
    }

    #[test]
    fn only_old_logs_are_taken_away() {
        let hours = |hours: i64| Some(Span::from_mins(60 * hours));
        let cases = [
            (None, None, 8),
            (hours(40), Some(310), 8),
            (hours(24), None, 6),
            (None, Some(309), 7),
            (None, Some(200), 6),
            (None, Some(0), 4),
            (hours(1), None, 4),
        ];
        for (age, size, left) in cases {
            let dir = filled();
            let names = ["conn.log", "known_hosts.log"].map(str::to_owned);
            let shelf = Shelf::new(dir.path(), Keep { age, size }, &names);
            shelf.tidy(Timestamp::new(NOW, 0));
            let files = |dir: &Path| fs::read_dir(dir).unwrap().flatten();
            let count = files(dir.path())
                .map(|entry| {
                    if entry.path().is_dir() {
                        files(&entry.path()).count()
                    } else {
                        1
                    }
                })
                .sum::<usize>();
            assert_eq!(count, left, "{age:?} {size:?}");
            assert!(dir.path().join("2026-11-19/report.pdf").exists());
        }
    }
}
