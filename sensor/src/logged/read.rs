//! Reads the rows of logs, many at once, and counts those that say nothing.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::files::Kind;
use super::form::{Form, FormError};
use super::order::Batch;
use super::pieces::{MAX_ROW, Piece, Pieces, Stop};
use super::values::Refused;
use super::{
    LogFile, Logged, LoggedFlow, LoggedHello, LoggedQuestion, LoggedReply, LoggedSignIn, Order,
    OrderError, conn, dns, http, ssh, ssl,
};
use crate::capture;
use crate::progress::Live;

/// Pieces for each thread that are under way.
const AHEAD: usize = 3;

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

impl Problem {
    fn of(path: String, stop: Stop) -> Self {
        match stop {
            Stop::Read { line, source } => Self::Read { path, line, source },
            Stop::Form { line, source } => Self::Form { path, line, source },
        }
    }
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

impl Rows {
    /// Adds what a piece of a file brought.
    fn add(&mut self, taken: &Taken) {
        self.all += taken.all;
        self.bytes += taken.bytes;
        self.processed += taken.processed;
        self.flows += taken.flows;
        for (sum, more) in self.refused.iter_mut().zip(taken.refused) {
            *sum = (sum.0 + more.0, sum.1 + more.1);
        }
    }
}

/// Puts the rows of all files into `order`: `threads` take the values out of them.
pub(crate) fn read(
    files: &[LogFile],
    threads: usize,
    order: &mut Order,
    live: &Arc<Live>,
) -> Result<Rows, OrderError> {
    thread::scope(|scope| {
        let (to_takers, pieces) = bounded(AHEAD * threads);
        let (taken, from_takers) = unbounded();
        for _ in 0..threads {
            let (pieces, taken) = (pieces.clone(), taken.clone());
            scope.spawn(move || take_all(&pieces, &taken));
        }
        drop(taken);
        let mut crew = Crew {
            to_takers,
            from_takers,
            most: AHEAD * threads,
            first: 0,
            under_way: VecDeque::new(),
            order,
            live,
            rows: Rows::default(),
        };
        for file in files {
            crew.read(file)?;
        }
        Ok(crew.rows)
    })
}

/// A piece on its way, with its number.
type Numbered<T> = (u64, T);

/// Takes the values out of pieces until there are no more.
fn take_all(
    pieces: &Receiver<Numbered<Piece>>,
    taken: &Sender<Numbered<Result<Taken, OrderError>>>,
) {
    for (number, piece) in pieces {
        if taken.send((number, Taken::of(&piece))).is_err() {
            return;
        }
    }
}

/// The threads at work, and what they brought.
struct Crew<'a> {
    to_takers: Sender<Numbered<Piece>>,
    from_takers: Receiver<Numbered<Result<Taken, OrderError>>>,
    /// How many pieces may be under way.
    most: usize,
    /// The number of the first that is; of the others there may be some that are back.
    first: u64,
    under_way: VecDeque<Option<Taken>>,
    order: &'a mut Order,
    live: &'a Arc<Live>,
    rows: Rows,
}

impl Crew<'_> {
    fn read(&mut self, file: &LogFile) -> Result<(), OrderError> {
        let mut log = Log {
            path: file.path.display().to_string(),
            all: 0,
            refused: 0,
            first: None,
        };
        match capture::open(&file.path, self.live) {
            Ok(Some(reader)) => {
                let mut pieces = Pieces::new(reader, Form::new(file.named));
                let stop = loop {
                    match pieces.next() {
                        Ok(Some(piece)) => self.send(piece, &mut log)?,
                        Ok(None) => break None,
                        Err(stop) => break Some(stop),
                    }
                };
                while !self.under_way.is_empty() {
                    self.receive(&mut log)?;
                }
                let problem = stop.map(|stop| Problem::of(log.path.clone(), stop));
                self.rows.problems.extend(problem);
            }
            Ok(None) => {}
            Err(source) => self.rows.problems.push(Problem::Open {
                path: log.path.clone(),
                source,
            }),
        }
        self.rows.problems.extend(log.first_refused());
        Ok(())
    }

    fn send(&mut self, piece: Piece, log: &mut Log) -> Result<(), OrderError> {
        while self.under_way.len() >= self.most {
            self.receive(log)?;
        }
        let number = self.first + self.under_way.len() as u64;
        self.under_way.push_back(None);
        // They are there as long as the crew is.
        let _ = self.to_takers.send((number, piece));
        Ok(())
    }

    /// Waits for a piece, and adds those whose turn it is.
    fn receive(&mut self, log: &mut Log) -> Result<(), OrderError> {
        let Ok((number, taken)) = self.from_takers.recv() else {
            // Whoever had them panicked, which the scope tells.
            self.under_way.clear();
            return Ok(());
        };
        let place = usize::try_from(number - self.first).ok();
        if let Some(place) = place.and_then(|place| self.under_way.get_mut(place)) {
            *place = Some(taken?);
        }
        while let Some(taken) = self
            .under_way
            .pop_front_if(|taken| taken.is_some())
            .flatten()
        {
            self.first += 1;
            log.add(&taken);
            self.rows.add(&taken);
            self.live.packets.fetch_add(taken.all, Relaxed);
            self.order.put(taken.batch)?;
        }
        Ok(())
    }
}

/// What the rows of a piece said.
#[derive(Default)]
struct Taken {
    batch: Batch,
    all: u64,
    bytes: u64,
    processed: u64,
    flows: u64,
    refused: [(u64, u64); Refused::ALL.len()],
    /// The first line that was refused though it should say something.
    first: Option<(u64, Refused)>,
}

impl Taken {
    fn of(piece: &Piece) -> Result<Self, OrderError> {
        let mut taken = Self::default();
        for (number, line) in piece.lines() {
            let bytes = line.len().min(MAX_ROW) as u64;
            taken.all += 1;
            taken.bytes += bytes;
            match row(&piece.form, line) {
                Ok(row) => {
                    taken.processed += 1;
                    taken.flows += u64::from(matches!(row, Logged::Flow(_)));
                    taken.batch.put(&row)?;
                }
                Err(reason) => taken.refuse(number, bytes, reason),
            }
        }
        Ok(taken)
    }

    fn refuse(&mut self, line: u64, bytes: u64, reason: Refused) {
        if reason != Refused::Other {
            self.first.get_or_insert((line, reason));
        }
        if let Some(count) = self.refused.get_mut(reason as usize) {
            *count = (count.0 + 1, count.1 + bytes);
        }
    }
}

/// What a row says.
fn row(form: &Form, line: &[u8]) -> Result<Logged, Refused> {
    if line.len() >= MAX_ROW {
        return Err(Refused::Long);
    }
    Ok(match form.kind(line)? {
        Kind::Conn => Logged::Flow(LoggedFlow::of(&form.values(line, &conn::COLUMNS)?)?),
        Kind::Dns => Logged::Question(LoggedQuestion::of(&form.values(line, &dns::COLUMNS)?)?),
        Kind::Http => Logged::Reply(LoggedReply::of(&form.values(line, &http::COLUMNS)?)?),
        Kind::Ssh => Logged::SignIn(LoggedSignIn::of(&form.values(line, &ssh::COLUMNS)?)?),
        Kind::Ssl => Logged::Hello(LoggedHello::of(&form.values(line, &ssl::COLUMNS)?)?),
    })
}

/// A log while it is read.
struct Log {
    path: String,
    all: u64,
    /// How many rows were refused that should say something, and the first of them.
    refused: u64,
    first: Option<(u64, Refused)>,
}

impl Log {
    fn add(&mut self, taken: &Taken) {
        self.all += taken.all;
        let counted = Refused::ALL.iter().zip(taken.refused);
        let counted = counted.filter(|(reason, _)| **reason != Refused::Other);
        self.refused += counted.map(|(_, (rows, _))| rows).sum::<u64>();
        self.first = self.first.or(taken.first);
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
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;

    use super::super::find;
    use super::*;

    /// What was read of some files, and their rows in order.
    fn read_by(threads: usize, files: &[LogFile]) -> (Rows, Vec<Logged>) {
        let mut order = Order::new(usize::MAX);
        let rows = read(files, threads, &mut order, &Arc::default()).unwrap();
        let mut all = Vec::new();
        order
            .hand_out(|row| {
                all.push(row);
                Ok(())
            })
            .unwrap();
        (rows, all)
    }

    /// All rows are of one time, so that their order is that in which they were read.
    #[test]
    fn any_number_of_threads_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["conn.1.log", "conn.2.log"] {
            let mut text = String::new();
            for number in 0..30_000 {
                let (host, port) = (number / 200, number % 200);
                let row = format!(
                    "{{\"ts\":1.5,\"uid\":\"C{number}\",\"id.orig_h\":\"10.0.0.{host}\",\
                    \"id.orig_p\":{port},\"id.resp_h\":\"10.1.0.1\",\"id.resp_p\":443,\
                    \"proto\":\"tcp\",\"conn_state\":\"SF\"}}"
                );
                let row = if number % 10_000 == 9_999 { "{" } else { &row };
                writeln!(text, "{row}").unwrap();
            }
            fs::write(dir.path().join(name), text).unwrap();
        }
        let (files, _) = find(&[dir.path().to_path_buf()]);
        let (_, want) = read_by(1, &files);
        assert_eq!(want.len(), 2 * 29_997);
        for threads in [1, 2, 5] {
            let (rows, got) = read_by(threads, &files);
            assert!(got == want, "{threads}");
            let counted = [rows.all, rows.processed, rows.flows];
            assert_eq!(counted, [60_000, 59_994, 59_994], "{threads}");
            let said: Vec<String> = rows.problems.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), 2, "{said:?}");
            let same = "3 of 30000 rows were not processed, the first of them line 10000: not_json";
            assert!(said.iter().all(|said| said.ends_with(same)), "{said:?}");
        }
    }
}
