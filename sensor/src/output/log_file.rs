//! The file of a log: what is written goes into it whole or not at all, and rows are counted.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Rows of all logs, counted once for each block of them.
#[derive(Default, Debug)]
pub(crate) struct LogTally {
    /// In their files.
    pub(crate) written: AtomicU64,
    /// Left out because files could not be written.
    pub(crate) unwritten: AtomicU64,
    /// Left out because too many waited.
    pub(crate) crowded: AtomicU64,
    /// On their way to the logs' thread.
    pub(super) waiting: AtomicUsize,
    paused: AtomicBool,
}

impl LogTally {
    /// Rows that are in no file, and will not be.
    pub(crate) fn lost(&self) -> u64 {
        self.unwritten.load(Relaxed) + self.crowded.load(Relaxed)
    }

    /// Whether rows are left out for now.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    pub(super) fn pause(&self) {
        self.paused.store(true, Relaxed);
    }

    pub(super) fn go_on(&self) {
        self.paused.store(false, Relaxed);
    }

    pub(super) fn lose(&self, rows: u64) {
        self.unwritten.fetch_add(rows, Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    /// Up to here it is whole.
    len: u64,
    tally: Arc<LogTally>,
}

impl LogFile {
    /// One that is written on where it ends.
    pub(super) fn new(file: File, tally: &Arc<LogTally>) -> Self {
        let len = file.metadata().map_or(0, |meta| meta.len());
        Self {
            file,
            len,
            tally: Arc::clone(tally),
        }
    }

    pub(super) fn tally(&self) -> &LogTally {
        &self.tally
    }

    /// Writes all of it. If that fails, nothing of it is there.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        match written {
            Ok(()) => self.len += bytes.len() as u64,
            Err(_) => self.cut(),
        }
        written
    }

    /// Takes away what was written in part. What is no plain file has nothing to be taken away.
    fn cut(&mut self) {
        let longer = self
            .file
            .metadata()
            .is_ok_and(|meta| meta.is_file() && meta.len() > self.len);
        if longer && self.file.set_len(self.len).is_ok() {
            let _ = self.file.seek(SeekFrom::Start(self.len));
        }
    }
}
