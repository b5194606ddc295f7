//! Where findings go. Everything is opened before the first packet is read, and written by a thread
//! of its own, so that nothing slow or full is met on the packet path.

mod archive;
mod batch;
mod capture_loss;
mod conn;
mod dhcp;
mod dns;
mod fields;
mod files;
mod ftp;
mod http;
mod jsonl;
mod known;
mod line;
mod local;
mod locks;
mod log_file;
mod log_lost;
mod log_queue;
mod logs;
mod notice;
mod ntp;
mod protocols;
mod quic;
mod receiver;
mod recent;
mod rows;
mod run_record;
mod shelf;
mod sink;
mod smtp;
mod sqlite;
mod ssh;
mod ssl;
mod stats;
mod tunnel;
mod upkeep;
mod weird;
mod x509;
mod zeek;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};

use flow_table::Span;

use crate::cli::FindingArgs;
use crate::origins::{Enricher, Origins};
pub(crate) use log_file::LogTally;
pub(crate) use log_queue::{Crowd, LogSender, log_queue};
pub(crate) use logs::{LogBatch, LogRow, Logs};
pub(crate) use notice::{Note, Notice, QUIET};
pub(crate) use receiver::{ReceiverTally, Receivers};
pub(crate) use run_record::RunRecord;
pub(crate) use sink::{FindingSender, Sink};
pub(crate) use sqlite::{mark_again, open_for_reading};
pub(crate) use upkeep::{Every, Upkeep};

pub(crate) use archive::{Archive, Rotation};
pub(crate) use shelf::Keep;

use jsonl::JsonLines;
use log_file::LogFile;
use sqlite::SqliteStore;

/// What becomes of files that are there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Existing {
    /// What they hold was made of the same captures, and is made again.
    Empty,
    /// What they hold will not come again: more goes after it.
    Keep,
}

impl Existing {
    fn open(self, path: &Path) -> anyhow::Result<File> {
        let mut options = File::options();
        match self {
            Self::Empty => options.write(true).truncate(true),
            Self::Keep => options.append(true),
        };
        let file = options.create(true).open(path);
        file.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A file that is there for a moment, to see whether there is room, and its size.
const PROBE: &str = ".flowhawk-probe";
const PROBE_BYTES: usize = 64 * 1024;

/// The directory that logs go into.
#[derive(Clone, Debug)]
pub(crate) struct OutputDir {
    path: PathBuf,
    existing: Existing,
    /// Of the rows that are written in it.
    tally: Arc<LogTally>,
}

impl OutputDir {
    /// Makes it if missing.
    pub(crate) fn create(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make the output directory {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            existing,
            tally: Arc::default(),
        })
    }

    /// Counts rows there.
    pub(crate) fn counting(mut self, tally: &Arc<LogTally>) -> Self {
        self.tally = Arc::clone(tally);
        self
    }

    /// Creates a file in it, or opens it to be written.
    pub(crate) fn create_file(&self, name: &str) -> anyhow::Result<LogFile> {
        let file = self.existing.open(&self.path.join(name))?;
        Ok(LogFile::new(file, &self.tally))
    }

    pub(super) fn tally(&self) -> &LogTally {
        &self.tally
    }

    /// Whether more can be written in it, as far as a small file tells.
    fn has_room(&self) -> bool {
        let probe = self.path.join(PROBE);
        let written = fs::write(&probe, vec![0; PROBE_BYTES]).is_ok();
        written & fs::remove_file(&probe).is_ok()
    }

    /// Removes what an earlier run left of a file in it, if that is not to be kept.
    pub(crate) fn remove_file(&self, name: &str) -> anyhow::Result<()> {
        if self.existing == Existing::Keep {
            return Ok(());
        }
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The outputs that findings go to, open.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    jsonl: Option<JsonLines>,
    store: Option<SqliteStore>,
    receivers: Receivers,
    enricher: Enricher,
    /// How long the database keeps findings.
    keep: Option<Span>,
}

impl Outputs {
    /// Opens what is asked for. `inputs` are the files about to be read: none of them is written.
    pub(crate) fn open(
        args: &FindingArgs,
        inputs: &[PathBuf],
        existing: Existing,
    ) -> anyhow::Result<Self> {
        let database = args.database();
        let json = args.json_file();
        for (option, path) in [("--json", json), ("--db", database.as_deref())] {
            let Some(path) = path else { continue };
            if inputs.iter().any(|input| same_file(input, path)) {
                bail!(
                    "{option} {}: this is an input; it would be overwritten",
                    path.display()
                );
            }
        }
        if let (Some(json), Some(database)) = (json, &database)
            && same_file(json, database)
        {
            bail!("--json and --db are the same file {}", json.display());
        }
        for other in args.files() {
            if args
                .baseline
                .as_ref()
                .is_some_and(|file| same_file(file, &other))
            {
                bail!(
                    "--baseline and another output are the same file {}",
                    other.display()
                );
            }
        }
        // The database first: opening it harms nothing, while a JSON file is emptied.
        let store = database.as_deref().map(SqliteStore::open).transpose()?;
        let jsonl = args.json.as_deref();
        let jsonl = jsonl.map(|path| JsonLines::create(path, existing));
        let jsonl = jsonl.transpose()?;
        Ok(Self {
            jsonl,
            store,
            receivers: Receivers::default(),
            enricher: Enricher::default(),
            keep: None,
        })
    }

    /// With findings forgotten that are older.
    pub(crate) const fn keeping(mut self, age: Option<Span>) -> Self {
        self.keep = age;
        self
    }

    /// With what these say of where addresses are.
    pub(crate) fn asking(mut self, origins: &Arc<Origins>) -> Self {
        self.enricher.ask(Arc::clone(origins));
        self
    }

    /// With other programs that are told.
    pub(crate) fn with(mut self, receivers: Receivers) -> Self {
        self.receivers = receivers;
        self
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    one == other || file(one).is_some_and(|one| file(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(out: &Path) -> FindingArgs {
        FindingArgs {
            out: out.to_owned(),
            db: None,
            baseline: None,
            no_db: false,
            json: None,
        }
    }

    #[test]
    fn what_cannot_be_written_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = OutputDir::create(&file.join("sub"), Existing::Empty).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot make the output directory"),
            "{error:#}"
        );
        let out = OutputDir::create(&dir.path().join("a/b"), Existing::Empty).unwrap();
        fs::create_dir(out.path().join("conn.log")).unwrap();
        let error = out.create_file("conn.log").unwrap_err();
        assert!(
            format!("{error:#}").contains("a/b/conn.log: Is a directory"),
            "{error:#}"
        );
    }

    #[test]
    fn inputs_are_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("a.pcap");
        fs::write(&capture, "precious").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&capture, &link).unwrap();
        for name in [&capture, &link] {
            let json = FindingArgs {
                json: Some(name.clone()),
                ..args(dir.path())
            };
            let db = FindingArgs {
                db: Some(name.clone()),
                ..args(dir.path())
            };
            for args in [json, db] {
                let error = Outputs::open(&args, std::slice::from_ref(&capture), Existing::Empty)
                    .unwrap_err();
                assert!(error.to_string().contains("this is an input"), "{error}");
            }
        }
        assert_eq!(fs::read_to_string(&capture).unwrap(), "precious");
    }
}
