//! What detectors know, and conversations under way, kept in a file from one run to the next.
//!
//! The file is replaced as a whole: whoever reads it finds what was known then or what is known now,
//! never a part. One that is something else is never written over.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, bounded};
use detectors::{Detectors, RestoreError, Threats};
use flow_table::{Conversations, Span, Timestamp};
use tempfile::NamedTempFile;

use crate::clock::time_of_day;
use crate::config::Config;
use crate::messages::{Event, Message, say};

/// One part in so many of `memory_limit` that detectors and rules may take.
const DETECTOR_SHARE: u64 = 4;
/// One part in so many that parsers, and what they wait for, may take.
pub(crate) const PARSER_SHARE: u64 = 8;

/// What detectors are told, within their share of memory.
pub(crate) struct Limits {
    pub(crate) detectors: detectors::Config,
    pub(crate) rules: Vec<detectors::Rule>,
    pub(crate) threats: Arc<Threats>,
    pub(crate) measures: Measures,
}

/// Whether signals are looked for within other limits than before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Measures {
    AsBefore,
    Otherwise,
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        let rules = config.rulebook.rules();
        let mut detectors = config.detectors.clone();
        detectors.fit(config.memory_limit.0 / DETECTOR_SHARE, rules.len());
        let threats = Threats::with(&detectors, &config.threats.lists);
        Self {
            detectors,
            rules,
            threats: Arc::new(threats),
            measures: Measures::AsBefore,
        }
    }
}

/// Detectors that know nothing yet, and rules.
fn make_detectors(config: &Config) -> Detectors {
    let limits = Limits::of(config);
    Detectors::with_threats(&limits.detectors, limits.rules, limits.threats)
}

/// Bytes by which states are known.
const MAGIC: usize = 8;
/// Clocks may be set back that far.
const CLOCK_SET_BACK: Span = Span::from_mins(10);

/// Packets that are heard now are not later than this.
fn soon() -> Timestamp {
    time_of_day() + CLOCK_SET_BACK
}

/// What becomes of a run whose file cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    /// There is none: it would find something else than it was asked to.
    Refuse,
    /// It begins anew, and says so: to watch matters more than to remember. The file is put aside.
    BeginAnew,
}

/// What is asked of a run.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) file: PathBuf,
    pub(crate) or: Unusable,
    /// How often in packet time it is written, besides at the end.
    pub(crate) every: Option<Span>,
}

/// The file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Baseline {
    path: PathBuf,
}

/// Detectors, and what they know already.
pub(crate) struct Informed {
    pub(crate) detectors: Detectors,
    /// Up to when, where they know anything.
    pub(crate) until: Option<Timestamp>,
    /// Flows that go on.
    pub(crate) conversations: Conversations,
}

impl Informed {
    /// Before anything is written: a run that cannot know what it should, does not begin.
    pub(crate) fn begin(
        wanted: Option<&Wanted>,
        config: &Config,
    ) -> anyhow::Result<(Self, Option<Baseline>)> {
        let Some(wanted) = wanted else {
            return Ok((Self::of_nothing(config), None));
        };
        let file = Baseline::at(&wanted.file)?;
        Ok((file.inform(config, wanted.or)?, Some(file)))
    }

    fn of_nothing(config: &Config) -> Self {
        Self {
            detectors: make_detectors(config),
            until: None,
            conversations: Conversations::default(),
        }
    }
}

/// Says if the input began before what is known `until` ends: that part of it was not judged.
pub(crate) fn overlap(
    until: Option<Timestamp>,
    first: Option<Timestamp>,
    late: u64,
) -> Option<Message> {
    let until = until.filter(|_| late > 0)?;
    let first = first.filter(|first| *first < until)?;
    let message = Event::NotJudged.says(format_args!(
        "the baseline knows what happened up to {until}, and the input begins at {first}: {late} \
         events before then were not looked at"
    ));
    Some(message.with("events", late))
}

impl Baseline {
    /// A file that is there or is to be made.
    pub(crate) fn named(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path }
    }

    /// The same; proves that it can be written.
    pub(crate) fn at(path: &Path) -> anyhow::Result<Self> {
        let this = Self::named(path);
        this.beside()
            .with_context(|| format!("cannot write the baseline {}", path.display()))?;
        Ok(this)
    }

    /// Detectors that know what is in the file, if there is one.
    pub(crate) fn inform(&self, config: &Config, or: Unusable) -> anyhow::Result<Informed> {
        let Some(state) = self.read(config)? else {
            return Ok(Informed::of_nothing(config));
        };
        let problem = match make_detectors(config).informed(&state) {
            Ok(detectors) if or == Unusable::Refuse || detectors.watermark() <= soon() => {
                let until = Some(detectors.watermark());
                let conversations = self.conversations(&state, config);
                return Ok(Informed {
                    detectors,
                    until,
                    conversations,
                });
            }
            Ok(_) => "knows of times to come",
            Err(problem) if or == Unusable::Refuse || problem == RestoreError::Foreign => bail!(
                "the baseline {} {problem}; name another file, or remove it to begin anew",
                self.path.display()
            ),
            Err(problem) => &problem.to_string(),
        };
        let aside = self.put_aside()?;
        let [file, aside] = [&self.path, &aside].map(|path| path.display().to_string());
        let message = Event::StatePutAside.says(format_args!(
            "the baseline {file} {problem}: it is put aside as {aside}, and detectors begin anew"
        ));
        say(&message.with("file", file).with("aside", aside));
        Ok(Informed::of_nothing(config))
    }

    /// Those in the state, as far as they are of use: detectors know what they know without them.
    fn conversations(&self, state: &[u8], config: &Config) -> Conversations {
        let kept = Detectors::beside(state).ok();
        let share = config.memory_limit.0 / PARSER_SHARE;
        let known = kept.and_then(|kept| Conversations::from_bytes(kept, share));
        known.unwrap_or_else(|| {
            let file = self.path.display().to_string();
            let message = Event::ConversationsUnread.says(format_args!(
                "the baseline {file} keeps conversations as another version of flowhawk does: they \
                 are not gone on with"
            ));
            say(&message.with("file", file));
            Conversations::default()
        })
    }

    /// Nothing if there is no file.
    fn read(&self, config: &Config) -> anyhow::Result<Option<Vec<u8>>> {
        let most = config.memory_limit.0;
        let read = || -> io::Result<Vec<u8>> {
            let mut state = Vec::new();
            File::open(&self.path)?
                .take(most + 1)
                .read_to_end(&mut state)?;
            Ok(state)
        };
        let path = self.path.display();
        match read() {
            Ok(state) if state.len() as u64 > most => bail!(
                "the baseline {path} is larger than memory_limit, {}",
                config.memory_limit
            ),
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(format!("cannot read the baseline {path}")),
        }
    }

    fn put_aside(&self) -> anyhow::Result<PathBuf> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".unusable");
        let aside = PathBuf::from(aside);
        fs::rename(&self.path, &aside)
            .with_context(|| format!("cannot put the baseline {} aside", self.path.display()))?;
        Ok(aside)
    }

    /// Replaces the file; it is on disk before the old one is gone.
    pub(crate) fn write(&self, state: &[u8]) -> anyhow::Result<()> {
        if self.is_foreign(state) {
            bail!(
                "cannot write the baseline {}: something else is there by now",
                self.path.display()
            );
        }
        let write = || -> io::Result<()> {
            let mut file = self.beside()?;
            file.write_all(state)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            File::open(self.directory())?.sync_all()
        };
        write().with_context(|| format!("cannot write the baseline {}", self.path.display()))
    }

    /// Whether what is there does not even begin as states do.
    fn is_foreign(&self, state: &[u8]) -> bool {
        let mut there = [0; MAGIC];
        let begins = File::open(&self.path).and_then(|mut file| file.read_exact(&mut there));
        match begins {
            Ok(()) => !state.starts_with(&there),
            Err(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        }
    }

    /// A file that nobody but its owner may read, to take the place of the other.
    fn beside(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::with_prefix_in(".flowhawk-", self.directory())
    }

    fn directory(&self) -> &Path {
        let parent = self.path.parent();
        parent
            .filter(|parent| *parent != Path::new(""))
            .unwrap_or(Path::new("."))
    }
}

/// What a run over packets knows in the beginning, and what becomes of what it knows in the end.
pub(crate) struct Memory {
    until: Option<Timestamp>,
    /// Flows that go on, until whoever they belong to takes them.
    pub(crate) conversations: Arc<Mutex<Conversations>>,
    writer: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Memory {
    /// With the detectors that go on from there, and what takes what they know then.
    pub(crate) fn begin(
        wanted: Option<&Wanted>,
        config: &Config,
    ) -> anyhow::Result<(Detectors, Option<Keeper>, Self)> {
        let (mut informed, file) = Informed::begin(wanted, config)?;
        informed.detectors.wait_for_flows(config.progress_interval);
        let begin = |file| {
            let (keeper, states) = Keeper::new(wanted.and_then(|wanted| wanted.every));
            let write = move || write_all(&file, &states);
            let writer = thread::Builder::new().name("state".to_owned());
            Ok::<_, io::Error>((keeper, writer.spawn(write)?))
        };
        let (keeper, writer) = file.map(begin).transpose()?.unzip();
        let this = Self {
            until: informed.until,
            conversations: Arc::new(Mutex::new(informed.conversations)),
            writer,
        };
        Ok((informed.detectors, keeper, this))
    }

    /// A sentence for everything that was lost.
    pub(crate) fn end(self, first: Option<Timestamp>, late: u64) -> Vec<Message> {
        let written = self.writer.map(|writer| match writer.join() {
            Ok(written) => written,
            Err(_) => Err(anyhow!("cannot write the baseline: its thread panicked")),
        });
        let lost = written.and_then(Result::err);
        let lost = lost.as_ref().map(not_written);
        lost.into_iter()
            .chain(overlap(self.until, first, late))
            .collect()
    }
}

/// Hands what detectors know to whoever writes it.
pub(crate) struct Keeper {
    /// How often in packet time, besides at the end.
    every: Option<Span>,
    last: Option<Timestamp>,
    states: Sender<Vec<u8>>,
}

impl Keeper {
    fn new(every: Option<Span>) -> (Self, Receiver<Vec<u8>>) {
        // While one is written another may wait; more would only be older.
        let (states, to_write) = bounded(1);
        let keeper = Self {
            every,
            last: None,
            states,
        };
        (keeper, to_write)
    }

    /// Packet time goes on; where the one before is not written yet, this one is left out.
    pub(crate) fn advance(&mut self, now: Timestamp, detectors: &Detectors) {
        let Some(every) = self.every else {
            return;
        };
        let last = *self.last.get_or_insert(now);
        if now.since(last) >= every && self.states.is_empty() {
            self.last = Some(now);
            let _ = self.states.try_send(detectors.snapshot());
        }
    }

    /// What is known in the end, and the flows that go on.
    pub(crate) fn finish(self, detectors: &Detectors, conversations: &Conversations) {
        let state = detectors.snapshot_beside(&conversations.to_bytes());
        // Nobody there to take it: it panicked, which is told where it is joined.
        let _ = self.states.send(state);
    }
}

/// What is said where the file cannot be written.
pub(crate) fn not_written(why: &anyhow::Error) -> Message {
    Event::StateNotWritten.says(format_args!("{why:#}"))
}

/// Writes what comes, until no more does; the error is that of the last.
fn write_all(baseline: &Baseline, states: &Receiver<Vec<u8>>) -> anyhow::Result<()> {
    let mut last = Ok(());
    for state in states {
        let written = baseline.write(&state);
        if let (Ok(()), Err(problem)) = (&last, &written) {
            say(&not_written(problem));
        }
        last = written;
    }
    last
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config() -> Config {
        crate::config::load(None).unwrap().value
    }

    fn known() -> Vec<u8> {
        make_detectors(&config()).snapshot()
    }

    #[test]
    fn what_is_written_is_read_and_nobody_elses_business() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let baseline = Baseline::at(&path).unwrap();
        let informed = baseline.inform(&config(), Unusable::Refuse).unwrap();
        assert_eq!((informed.until, path.exists()), (None, false));
        for _ in 0..2 {
            baseline.write(&known()).unwrap();
            let informed = baseline.inform(&config(), Unusable::Refuse).unwrap();
            assert_eq!(informed.until, Some(Timestamp::ZERO));
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_or_put_aside() {
        let mut damaged = known();
        damaged[40] ^= 1;
        let cases: [(&str, &[u8], Unusable, Option<&str>); 5] = [
            (
                "damaged",
                &damaged,
                Unusable::Refuse,
                Some("is damaged; name another"),
            ),
            ("damaged, live", &damaged, Unusable::BeginAnew, None),
            ("cut", &damaged[..20], Unusable::BeginAnew, None),
            (
                "foreign",
                b"text",
                Unusable::Refuse,
                Some("is no saved state"),
            ),
            (
                "foreign, live",
                b"text",
                Unusable::BeginAnew,
                Some("is no saved state"),
            ),
        ];
        for (name, bytes, or, refused) in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("state");
            fs::write(&path, bytes).unwrap();
            let result = Baseline::at(&path).unwrap().inform(&config(), or);
            match (result, refused) {
                (Err(error), Some(want)) => {
                    assert!(format!("{error:#}").contains(want), "{name}: {error:#}");
                    assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
                }
                (Ok(informed), None) => {
                    assert_eq!((informed.until, path.exists()), (None, false), "{name}");
                    let aside = dir.path().join("state.unusable");
                    assert_eq!(fs::read(aside).unwrap(), bytes, "{name}");
                }
                (result, _) => panic!("{name}: {:?}", result.err()),
            }
        }
    }

    #[test]
    fn times_to_come_are_for_captures_alone() {
        let mut detectors = make_detectors(&config());
        detectors.advance(soon() + Span::from_mins(60));
        for (or, kept) in [(Unusable::Refuse, true), (Unusable::BeginAnew, false)] {
            let dir = tempfile::tempdir().unwrap();
            let baseline = Baseline::at(&dir.path().join("state")).unwrap();
            baseline.write(&detectors.snapshot()).unwrap();
            let informed = baseline.inform(&config(), or).unwrap();
            assert_eq!(informed.until.is_some(), kept, "{or:?}");
        }
    }

    #[test]
    fn what_is_something_else_by_now_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flowhawk.db");
        let baseline = Baseline::at(&path).unwrap();
        for other in ["SQLite format 3", "", "text"] {
            fs::write(&path, other).unwrap();
            let error = baseline.write(&known()).unwrap_err();
            assert!(
                error
                    .to_string()
                    .ends_with("something else is there by now")
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }

    #[test]
    fn where_nothing_can_be_written_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = Baseline::at(&dir.path().join("missing/state")).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot write the baseline "));
    }

    #[test]
    fn states_are_kept_as_often_as_asked() {
        let detectors = make_detectors(&config());
        let (mut keeper, states) = Keeper::new(Some(Span::from_secs(60)));
        let mut times = Vec::new();
        for second in 1_000..1_200 {
            keeper.advance(Timestamp::new(second, 0), &detectors);
            if states.try_recv().is_ok() {
                times.push(second);
            }
        }
        assert_eq!(times, [1_060, 1_120, 1_180]);
        // One that waits is not overtaken, and the last is never left out.
        keeper.advance(Timestamp::new(2_000, 0), &detectors);
        keeper.advance(Timestamp::new(3_000, 0), &detectors);
        assert_eq!(states.len(), 1);
        let finished = thread::spawn(move || keeper.finish(&detectors, &Conversations::default()));
        assert_eq!(states.iter().count(), 2);
        finished.join().unwrap();
    }
}
