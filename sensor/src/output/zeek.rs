//! A log as Zeek writes it: tab-separated with a complete header, or JSON lines.

use std::io::{self, Write as _};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use flow_table::Timestamp;

use super::log_file::LogFile;
use crate::cli::LogFormat;

/// A column's name and Zeek's type for it.
pub(crate) type Column = (&'static str, &'static str);

/// What the column `peer` says: the name that Zeek gives to a sensor that is alone.
pub(super) const PEER: &str = "zeek";

/// Bytes that are written at once.
const BLOCK: usize = 128 * 1024;

/// One log file.
pub(crate) struct ZeekLog {
    out: LogFile,
    format: LogFormat,
    path: &'static str,
    columns: Vec<Column>,
    opened: bool,
    /// Not yet written.
    block: Vec<u8>,
    /// Rows in it.
    rows: u64,
    failed: Option<io::Error>,
}

impl ZeekLog {
    /// A log named `path` (as in `#path`) with these columns.
    pub(super) fn new(
        out: LogFile,
        format: LogFormat,
        path: &'static str,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            out,
            format,
            path,
            columns,
            opened: false,
            block: Vec::new(),
            rows: 0,
            failed: None,
        }
    }

    /// What a row is to be appended to; the header comes before the first of them. `now` is
    /// packet time, which is the time of the header in replay: the same on every run. While rows
    /// cannot be written there is none, and the row is counted as lost.
    pub(crate) fn row(&mut self, now: Timestamp) -> Option<&mut Vec<u8>> {
        if !self.out.tally().is_paused() {
            match self.room(now) {
                Ok(_) => {
                    self.rows += 1;
                    return Some(&mut self.block);
                }
                Err(error) => {
                    self.out.tally().pause();
                    self.failed = Some(error);
                }
            }
        }
        self.out.tally().lose(1);
        None
    }

    /// Why a row could not be written, told once.
    pub(super) fn failed(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn room(&mut self, now: Timestamp) -> io::Result<&mut Vec<u8>> {
        if !self.opened {
            self.open(now)?;
        }
        if self.block.len() >= BLOCK {
            self.write_block()?;
        }
        Ok(&mut self.block)
    }

    fn write_block(&mut self) -> io::Result<()> {
        // If it fails, nothing of it is in the file, and it may be tried again.
        self.out.write(&self.block)?;
        self.out.tally().written.fetch_add(self.rows, Relaxed);
        self.rows = 0;
        self.block.clear();
        Ok(())
    }

    fn open(&mut self, now: Timestamp) -> io::Result<()> {
        self.opened = true;
        if self.format == LogFormat::Json {
            return Ok(());
        }
        let list = |which: fn(&Column) -> &'static str| {
            self.columns
                .iter()
                .map(which)
                .collect::<Vec<_>>()
                .join("\t")
        };
        write!(
            self.block,
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
             #path\t{}\n#open\t{}\n#fields\t{}\n#types\t{}\n",
            self.path,
            stamp(now),
            list(|column| column.0),
            list(|column| column.1),
        )
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.write_block()
    }

    /// Ends the log.
    pub(crate) fn close(mut self, now: Timestamp) -> io::Result<()> {
        let format = self.format;
        let block = self.room(now)?;
        if format == LogFormat::Tsv {
            writeln!(block, "#close\t{}", stamp(now))?;
        }
        self.write_block()
    }
}

impl Drop for ZeekLog {
    /// A log that is not closed, because another could not be written, keeps its rows.
    fn drop(&mut self) {
        if self.write_block().is_err() {
            self.out.tally().lose(self.rows);
        }
    }
}

/// `2026-11-20-21-58-07`, UTC.
pub(super) fn stamp(time: Timestamp) -> String {
    let since = Duration::from_nanos(u64::try_from(time.as_nanos()).unwrap_or_default());
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string();
    text.trim_end_matches('Z').replace(['T', ':'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_packet_time() {
        assert_eq!(
            stamp(Timestamp::new(1_795_211_887, 0)),
            "2026-11-20-21-58-07"
        );
        assert_eq!(stamp(Timestamp::MAX), "2262-04-11-23-47-16");
    }

    #[test]
    fn rows_are_written_in_blocks_and_none_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("x.log");
        let written = || std::fs::read(&name).unwrap();
        for format in [LogFormat::Tsv, LogFormat::Json] {
            let file = std::fs::File::create(&name).unwrap();
            let tally = std::sync::Arc::default();
            let file = LogFile::new(file, &tally);
            let mut log = ZeekLog::new(file, format, "x", vec![("ts", "time")]);
            let row = b"1.000000\n".repeat(1_000);
            for _ in 0..20 {
                let block = log.row(Timestamp::ZERO).unwrap();
                block.extend_from_slice(&row);
            }
            assert!((BLOCK..20 * row.len()).contains(&written().len()));
            drop(log);
            assert_eq!((tally.written.load(Relaxed), tally.lost()), (20, 0));
            let rows = written();
            let rows = rows.split(|byte| *byte == b'\n');
            assert_eq!(rows.filter(|row| row.starts_with(b"1")).count(), 20_000);
        }
    }
}
