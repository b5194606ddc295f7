//! Logs of hours that are over: `DIR/2026-11-20/conn.21:00:00-22:00:00.log.gz`, in UTC, where readers of
//! Zeek's logs look for them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, unbounded};
use flate2::Compression;
use flate2::write::GzEncoder;
use flow_table::{Span, Timestamp};

use super::log_lost::LogLost;
use super::shelf::{Keep, Shelf};
use super::zeek::stamp;
use super::{Every, OutputDir};
use crate::clock::Stopwatch;

/// How often old logs are looked for.
const TIDY: Span = Span::from_secs(10);
/// Logs that could not be compressed and are tried again.
const MOST_AGAIN: usize = 1_024;
/// Once the run is over, what takes longer to compress stays as it is.
const LAST: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Archive {
    dir: PathBuf,
    rotation: Rotation,
    /// When the logs began, and when they are over.
    begun: Timestamp,
    over: Timestamp,
    packer: Packer,
}

/// When logs begin anew.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Rotation {
    pub(crate) every: Option<Every>,
    /// Once one of them is as large.
    pub(crate) size: Option<u64>,
}

impl Rotation {
    /// Whether they ever do.
    pub(crate) const fn is_some(self) -> bool {
        self.every.is_some() || self.size.is_some()
    }
}

impl Archive {
    /// How long after its end an hour still may get rows: they come with their end, not at once.
    pub(super) const PATIENCE: Span = Span::from_secs(2);

    /// Of the logs with these names. What an earlier run left of them is put away at once.
    pub(crate) fn begin(
        dir: &OutputDir,
        rotation: Rotation,
        keep: Keep,
        now: Timestamp,
        names: impl Iterator<Item = String>,
    ) -> anyhow::Result<Self> {
        let names: Vec<String> = names.collect();
        let shelf = Shelf::new(dir.path(), keep, &names);
        let mut archive = Self {
            dir: dir.path().to_owned(),
            rotation,
            begun: now,
            over: now,
            packer: Packer::spawn(shelf).context("cannot start a thread")?,
        };
        for name in names {
            let left = archive.dir.join(&name);
            if let Ok(meta) = fs::metadata(&left) {
                let end = meta.modified().map_or(now, time_of);
                let begun = meta.created().map_or(end, time_of);
                let moved = archive.move_away(&name, (begun.min(end), end));
                let moved = moved.with_context(|| format!("cannot move {}", left.display()))?;
                archive.pack(&[moved]);
            }
        }
        archive.restart(now);
        Ok(archive)
    }

    /// The next one begins at `now`.
    fn restart(&mut self, now: Timestamp) {
        self.begun = now;
        self.over = self.rotation.every.map_or(Timestamp::MAX, |every| {
            let past = now.as_nanos().rem_euclid(every.nanos());
            now + Span::from_nanos(every.nanos() - past)
        });
    }

    /// Whether one of the logs is as large as any may become.
    fn is_large(&self, names: impl Iterator<Item = String>) -> bool {
        let Some(most) = self.rotation.size else {
            return false;
        };
        let mut sizes =
            names.filter_map(|name| Some(fs::metadata(self.dir.join(name)).ok()?.len()));
        sizes.any(|size| size >= most)
    }

    /// The same as [`Archive::put_away`] at the time of day, or where a log has become too large.
    pub(super) fn look<N: Iterator<Item = String>>(
        &mut self,
        now: Timestamp,
        names: impl Fn() -> N,
    ) -> Option<(Timestamp, Vec<PathBuf>)> {
        self.packer.tidy(now);
        let over = self.put_away(now - Self::PATIENCE, &names);
        if over.is_some() || !self.is_large(names()) {
            return over;
        }
        let moved = self.move_all(now, names());
        self.restart(now);
        Some((now, moved))
    }

    /// If the logs are over at `now`, moves those that are there to where they stay. They are still
    /// being written; returns when they end, and where they are.
    pub(super) fn put_away<N: Iterator<Item = String>>(
        &mut self,
        now: Timestamp,
        names: impl FnOnce() -> N,
    ) -> Option<(Timestamp, Vec<PathBuf>)> {
        if now < self.over {
            return None;
        }
        let end = self.over;
        let moved = self.move_all(end, names());
        // Where nothing came for hours, no log is made for them.
        let every = self.rotation.every.map_or(i64::MAX, Every::nanos);
        let past = now.as_nanos().rem_euclid(every);
        self.restart(end.max(now - Span::from_nanos(past)));
        Some((end, moved))
    }

    fn move_all(&self, end: Timestamp, names: impl Iterator<Item = String>) -> Vec<PathBuf> {
        let there = names.filter(|name| self.dir.join(name).exists());
        let moved = there.map(|name| self.move_away(&name, (self.begun, end)));
        // One that cannot be moved goes on where it is.
        moved.filter_map(Result::ok).collect()
    }

    fn move_away(&self, name: &str, (begun, end): (Timestamp, Timestamp)) -> io::Result<PathBuf> {
        let (begun, end) = (stamp(begun), stamp(end));
        let (day, begun) = begun.split_at_checked(10).unwrap_or_default();
        let clock = |stamp: &str| stamp.trim_start_matches('-').replace('-', ":");
        let hours = format!(
            "{}-{}",
            clock(begun),
            clock(end.get(10..).unwrap_or_default())
        );
        let day = self.dir.join(day);
        fs::create_dir_all(&day)?;
        let kind = name.strip_suffix(".log").unwrap_or(name);
        let free = (0..u16::MAX)
            .map(|n| match n {
                0 => day.join(format!("{kind}.{hours}.log")),
                n => day.join(format!("{kind}.{hours}-{n}.log")),
            })
            .find(|path| !path.exists() && !packed(path).exists());
        let to = free.unwrap_or_else(|| day.join(name));
        fs::rename(self.dir.join(name), &to)?;
        Ok(to)
    }

    /// Has logs compressed that are not written any more.
    pub(super) fn pack(&self, logs: &[PathBuf]) {
        for log in logs {
            // Without the thread it stays as it is; joining tells.
            let _ = self.packer.to_thread.send(Task::Pack(log.clone()));
        }
    }

    /// Puts away what is there when all is over.
    pub(super) fn finish(
        self,
        now: Timestamp,
        names: impl Iterator<Item = String>,
    ) -> Result<(), LogLost> {
        let moved = self.move_all(now, names);
        self.pack(&moved);
        self.packer.finish()
    }
}

fn time_of(time: std::time::SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or_default(), 0)
}

fn packed(log: &Path) -> PathBuf {
    log.with_extension("log.gz")
}

/// The thread that compresses.
struct Packer {
    to_thread: Sender<Task>,
    /// When old logs are looked for next.
    next: Timestamp,
    thread: JoinHandle<Option<io::Error>>,
    /// Runs when the run is over.
    ending: Arc<OnceLock<Stopwatch>>,
}

impl Packer {
    fn spawn(shelf: Shelf) -> io::Result<Self> {
        let (to_thread, logs) = unbounded();
        let ending = Arc::new(OnceLock::new());
        let seen = Arc::clone(&ending);
        let thread = thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || pack_all(&logs, &seen, &shelf))?;
        Ok(Self {
            to_thread,
            next: Timestamp::ZERO,
            thread,
            ending,
        })
    }

    /// Has old logs looked for, now and then.
    fn tidy(&mut self, now: Timestamp) {
        if now >= self.next {
            self.next = now + TIDY;
            // Without the thread they stay; joining tells.
            let _ = self.to_thread.send(Task::Tidy(now));
        }
    }

    fn finish(self) -> Result<(), LogLost> {
        self.ending.get_or_init(Stopwatch::start);
        drop(self.to_thread);
        match self.thread.join() {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(LogLost::new("archive", error)),
            Err(_) => Err(LogLost::new(
                "archive",
                anyhow::anyhow!("its thread panicked"),
            )),
        }
    }
}

#[derive(Debug)]
enum Task {
    Pack(PathBuf),
    /// It is so late.
    Tidy(Timestamp),
}

/// Returns what went wrong last, unless it went well later. What could not be compressed stays, and is
/// tried again when old logs are looked for.
fn pack_all(
    tasks: &Receiver<Task>,
    ending: &OnceLock<Stopwatch>,
    shelf: &Shelf,
) -> Option<io::Error> {
    let mut failed = None;
    let mut again: Vec<PathBuf> = Vec::new();
    for task in tasks {
        let logs = match task {
            Task::Pack(log) => vec![log],
            Task::Tidy(now) => {
                shelf.tidy(now);
                std::mem::take(&mut again)
            }
        };
        for log in logs {
            let late = || ending.get().is_some_and(|ending| ending.elapsed() > LAST);
            match pack_one(&log, late) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    failed = Some(error);
                    again.push(log);
                }
            }
        }
        if again.is_empty() {
            failed = None;
        }
        again.truncate(MOST_AGAIN);
    }
    failed
}

fn pack_one(log: &Path, late: impl Fn() -> bool) -> io::Result<()> {
    let part = log.with_extension("part");
    let done = pack(log, &part, late);
    if !matches!(done, Ok(Packed::Whole)) {
        // It may not even be there.
        let _ = fs::remove_file(&part);
    }
    done.map(drop)
}

#[derive(PartialEq, Eq, Debug)]
enum Packed {
    Whole,
    /// There was no time left.
    No,
}

fn pack(log: &Path, part: &Path, late: impl Fn() -> bool) -> io::Result<Packed> {
    let mut from = File::open(log)?;
    let mut to = GzEncoder::new(File::create(part)?, Compression::default());
    let mut piece = vec![0; 1 << 20];
    loop {
        if late() {
            return Ok(Packed::No);
        }
        match from.read(&mut piece)? {
            0 => break,
            read => to.write_all(piece.get(..read).unwrap_or_default())?,
        }
    }
    to.finish()?.sync_all()?;
    fs::rename(part, packed(log))?;
    fs::remove_file(log)?;
    Ok(Packed::Whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flate2::read::GzDecoder;

    use super::super::Existing;
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    fn hourly() -> Rotation {
        Rotation {
            every: Some("1h".parse().unwrap()),
            size: None,
        }
    }

    #[test]
    fn logs_that_are_too_large_are_put_away() {
        let root = tempfile::tempdir().unwrap();
        let dir = OutputDir::create(root.path(), Existing::Keep).unwrap();
        let names = || ["conn.log"].map(str::to_owned).into_iter();
        let rotation = Rotation {
            every: None,
            size: Some(4),
        };
        let start = 1_795_210_200;
        let mut archive =
            Archive::begin(&dir, rotation, Keep::default(), at(start), names()).unwrap();
        for (secs, text, moved) in [
            (1, "abc", false),
            (2, "abcd", true),
            (2, "", false),
            (2, "efgh", true),
        ] {
            fs::write(root.path().join("conn.log"), text).unwrap();
            let done = archive.look(at(start + secs), names);
            assert_eq!(done.is_some(), moved, "{secs} {text}");
            if let Some((_, moved)) = done {
                archive.pack(&moved);
            }
        }
        archive.finish(at(start + 3), names()).unwrap();
        let want = [
            ("2026-11-20/conn.21:30:00-21:30:02.log.gz", "abcd"),
            ("2026-11-20/conn.21:30:02-21:30:02.log.gz", "efgh"),
        ];
        let want = want.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(archived(root.path()), BTreeMap::from(want));
    }

    /// What is in the archive, by path, decompressed.
    fn archived(dir: &Path) -> BTreeMap<String, String> {
        let entries = |dir: &Path| {
            fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        let days = entries(dir).filter(|path| path.is_dir());
        let logs = days.flat_map(|day| entries(&day).collect::<Vec<_>>());
        logs.map(|log| {
            let mut text = String::new();
            let file = File::open(&log).unwrap();
            if log.extension().unwrap() == "gz" {
                GzDecoder::new(file).read_to_string(&mut text).unwrap();
            } else {
                io::BufReader::new(file).read_to_string(&mut text).unwrap();
            }
            let name = log.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            (name, text)
        })
        .collect()
    }

    #[test]
    fn logs_go_where_their_hour_is() {
        let root = tempfile::tempdir().unwrap();
        let dir = OutputDir::create(root.path(), Existing::Keep).unwrap();
        let names = || ["conn.log", "dns.log"].map(str::to_owned).into_iter();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        // 2026-11-20, half past nine in the evening.
        let start = 1_795_210_200;
        let mut archive =
            Archive::begin(&dir, hourly(), Keep::default(), at(start), names()).unwrap();
        write("conn.log", "first");
        assert_eq!(archive.put_away(at(start + 1_799), names), None);
        let mut put_away = |secs| {
            let (end, moved) = archive.put_away(at(secs), names).unwrap();
            archive.pack(&moved);
            end
        };
        assert_eq!(put_away(start + 1_800), at(start + 1_800));
        write("conn.log", "second");
        write("dns.log", "questions");
        // The next row comes the day after.
        assert_eq!(put_away(start + 86_400), at(start + 5_400));
        write("conn.log", "third");
        archive.finish(at(start + 86_500), names()).unwrap();
        let want = [
            ("2026-11-20/conn.21:30:00-22:00:00.log.gz", "first"),
            ("2026-11-20/conn.22:00:00-23:00:00.log.gz", "second"),
            ("2026-11-20/dns.22:00:00-23:00:00.log.gz", "questions"),
            ("2026-11-21/conn.21:00:00-21:31:40.log.gz", "third"),
        ];
        let want = want.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(archived(root.path()), BTreeMap::from(want));
    }

    #[test]
    fn what_a_run_left_is_put_away_and_nothing_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let dir = OutputDir::create(root.path(), Existing::Keep).unwrap();
        let names = || ["conn.log"].map(str::to_owned).into_iter();
        for text in ["one", "other"] {
            fs::write(root.path().join("conn.log"), text).unwrap();
            let file = File::options()
                .write(true)
                .open(root.path().join("conn.log"));
            let then = UNIX_EPOCH + Duration::from_mins(29_920_170);
            file.unwrap().set_modified(then).unwrap();
            let archive =
                Archive::begin(&dir, hourly(), Keep::default(), at(1_795_300_000), names())
                    .unwrap();
            archive.finish(at(1_795_300_001), names()).unwrap();
        }
        let texts: Vec<_> = archived(root.path()).into_values().collect();
        assert_eq!(
            texts,
            ["other", "one"],
            "{:?}",
            archived(root.path()).keys()
        );
    }

    #[test]
    fn a_log_that_there_is_no_time_for_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (log, part) = (root.path().join("x.log"), root.path().join("x.part"));
        fs::write(&log, "rows").unwrap();
        assert_eq!(pack(&log, &part, || true).unwrap(), Packed::No);
        assert_eq!(fs::read_to_string(&log).unwrap(), "rows");
    }
}
