//! Reads the rows of logs, line by line, and counts those that say nothing.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::files::Kind;
use super::form::{Form, FormError};
use super::values::Refused;
use super::{
    LogFile, Logged, LoggedFlow, LoggedHello, LoggedQuestion, LoggedReply, LoggedSignIn, Order,
    OrderError, conn, dns, http, ssh, ssl,
};
use crate::capture;
use crate::progress::Live;

/// Bytes of the longest row.
const MAX_ROW: u64 = 1 << 20;
const BUFFER: usize = 1 << 18;

/// Why a log, or the rest of it, could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// It cannot be opened.
    #[error("{path}: cannot open: {source}")]
    Open { path: String, source: io::Error },
    /// Reading failed on the way.
    #[error(
        "{path}: cannot read on after line {line}: {source}; everything before it was processed"
    )]
    Read {
        path: String,
        line: u64,
        source: io::Error,
    },
    /// Its rows cannot be told.
    #[error("{path}: line {line}: {source}")]
    Form {
        path: String,
        line: u64,
        source: FormError,
    },
    /// Rows that say nothing.
    #[error(
        "{path}: {rows} of {all} rows were not processed, the first of them line {line}: {reason}"
    )]
    Rows {
        path: String,
        rows: u64,
        all: u64,
        line: u64,
        reason: &'static str,
    },
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) all: u64,
    /// Bytes of the rows, uncompressed.
    pub(crate) bytes: u64,
    pub(crate) processed: u64,
    /// Rows of conn.log.
    pub(crate) flows: u64,
    /// Rows, and their bytes, by [`Refused`].
    pub(crate) refused: [(u64, u64); Refused::ALL.len()],
    pub(crate) problems: Vec<Problem>,
}

/// Puts the rows of all files into `order`.
pub(crate) fn read(
    files: &[LogFile],
    order: &mut Order,
    live: &Arc<Live>,
) -> Result<Rows, OrderError> {
    let mut rows = Rows::default();
    for file in files {
        let mut log = Log::new(file);
        match capture::open(&file.path, live) {
            Ok(Some(reader)) => log.read(reader, &mut rows, order, live)?,
            Ok(None) => {}
            Err(source) => rows.problems.push(Problem::Open {
                path: log.path.clone(),
                source,
            }),
        }
        rows.problems.extend(log.first_refused());
    }
    Ok(rows)
}

/// A log while it is read.
struct Log {
    path: String,
    form: Form,
    line: u64,
    all: u64,
    /// How many rows were refused, and the first of them.
    refused: u64,
    first: Option<(u64, Refused)>,
}

impl Log {
    fn new(file: &LogFile) -> Self {
        Self {
            path: file.path.display().to_string(),
            form: Form::new(file.named),
            line: 0,
            all: 0,
            refused: 0,
            first: None,
        }
    }

    fn read(
        &mut self,
        reader: impl Read,
        rows: &mut Rows,
        order: &mut Order,
        live: &Live,
    ) -> Result<(), OrderError> {
        let mut reader = BufReader::with_capacity(BUFFER, reader);
        let mut line = Vec::new();
        loop {
            match next_line(&mut reader, &mut line) {
                Ok(true) => self.line += 1,
                Ok(false) => return Ok(()),
                Err(source) => {
                    rows.problems.push(Problem::Read {
                        path: self.path.clone(),
                        line: self.line,
                        source,
                    });
                    return Ok(());
                }
            }
            if line.is_empty() {
                continue;
            }
            let is_header = line.starts_with(b"#");
            let taken = if is_header {
                self.form.header(&line)
            } else {
                self.form.begin(&line)
            };
            if let Err(source) = taken {
                rows.problems.push(Problem::Form {
                    path: self.path.clone(),
                    line: self.line,
                    source,
                });
                return Ok(());
            }
            if is_header {
                continue;
            }
            let row = self.row(&line);
            self.count(row, line.len() as u64, rows, order)?;
            live.packets.fetch_add(1, Relaxed);
        }
    }

    fn count(
        &mut self,
        row: Result<Logged, Refused>,
        bytes: u64,
        rows: &mut Rows,
        order: &mut Order,
    ) -> Result<(), OrderError> {
        self.all += 1;
        rows.all += 1;
        rows.bytes += bytes;
        match row {
            Ok(row) => {
                rows.processed += 1;
                rows.flows += u64::from(matches!(row, Logged::Flow(_)));
                order.put(&row)?;
            }
            Err(reason) => {
                if reason != Refused::Other {
                    self.refused += 1;
                    self.first.get_or_insert((self.line, reason));
                }
                if let Some(count) = rows.refused.get_mut(reason as usize) {
                    *count = (count.0 + 1, count.1 + bytes);
                }
            }
        }
        Ok(())
    }

    fn first_refused(&self) -> Option<Problem> {
        let (line, reason) = self.first?;
        Some(Problem::Rows {
            path: self.path.clone(),
            rows: self.refused,
            all: self.all,
            line,
            reason: reason.name(),
        })
    }

    fn row(&self, line: &[u8]) -> Result<Logged, Refused> {
        if line.len() as u64 >= MAX_ROW {
            return Err(Refused::Long);
        }
        let form = &self.form;
        Ok(match form.kind(line)? {
            Kind::Conn => Logged::Flow(LoggedFlow::of(&form.values(line, &conn::COLUMNS)?)?),
            Kind::Dns => Logged::Question(LoggedQuestion::of(&form.values(line, &dns::COLUMNS)?)?),
            Kind::Http => Logged::Reply(LoggedReply::of(&form.values(line, &http::COLUMNS)?)?),
            Kind::Ssh => Logged::SignIn(LoggedSignIn::of(&form.values(line, &ssh::COLUMNS)?)?),
            Kind::Ssl => Logged::Hello(LoggedHello::of(&form.values(line, &ssl::COLUMNS)?)?),
        })
    }
}

/// Reads a line without its end; of one that is too long, the beginning. Returns whether there was
/// one.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if reader.by_ref().take(MAX_ROW).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.len() as u64 == MAX_ROW && !line.ends_with(b"\n") {
        reader.skip_until(b'\n')?;
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop();
    }
    Ok(true)
}
