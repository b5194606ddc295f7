//! The thread that writes conn.log and tunnel.log.

use crossbeam_channel::Receiver;
use flow_table::{FlowRecord, Timestamp, TunnelEvent, Uid};

use super::OutputDir;
use super::conn::{ConnLog, Extra};
use super::tunnel::TunnelLog;
use crate::cli::LogFormat;

/// A row of conn.log.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) record: FlowRecord,
    /// The tunnels it was seen in, ascending.
    pub(crate) tunnel_parents: Vec<Uid>,
}

/// Rows that became ready together, in their order.
#[derive(Debug, Default)]
pub(crate) struct LogBatch {
    pub(crate) rows: Vec<LogRow>,
    pub(crate) tunnels: Vec<TunnelEvent>,
}

/// All logs of flows.
pub(crate) struct Logs {
    conn: ConnLog,
    /// Made when there is a row for it, as Zeek does.
    tunnel: Option<TunnelLog>,
    dir: OutputDir,
    format: LogFormat,
    /// Time of the last row.
    last: Timestamp,
}

impl Logs {
    /// Opens conn.log in `dir`, and takes away what an earlier run left of the others.
    pub(crate) fn create(dir: &OutputDir, format: LogFormat, extra: Extra) -> anyhow::Result<Self> {
        dir.remove_file(TunnelLog::NAME)?;
        Ok(Self {
            conn: ConnLog::new(dir.create_file(ConnLog::NAME)?, format, extra),
            tunnel: None,
            dir: dir.clone(),
            format,
            last: Timestamp::ZERO,
        })
    }

    /// Writes what comes until there is no more. After a failure the rest is taken and left out, so
    /// that nobody waits for a log that cannot be written.
    pub(crate) fn run(mut self, batches: &Receiver<LogBatch>) -> Result<(), LogLost> {
        let mut failed = None;
        for batch in batches {
            if failed.is_none() {
                failed = self.write(&batch).err();
            }
        }
        match failed {
            Some(error) => Err(error),
            None => self.close(),
        }
    }

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogLost> {
        // Both are in order of time.
        let end = batch.rows.last().map(|row| row.record.end);
        let time = batch.tunnels.last().map(|tunnel| tunnel.time);
        self.last = end.into_iter().chain(time).fold(self.last, Ord::max);
        self.conn
            .write(&batch.rows)
            .map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        if batch.tunnels.is_empty() {
            return Ok(());
        }
        let tunnel = match &mut self.tunnel {
            Some(tunnel) => tunnel,
            none => {
                let file = self.dir.create_file(TunnelLog::NAME);
                let file = file.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
                none.insert(TunnelLog::new(file, self.format))
            }
        };
        tunnel
            .write(&batch.tunnels)
            .map_err(|error| LogLost::new(TunnelLog::NAME, error))
    }

    fn close(self) -> Result<(), LogLost> {
        self.conn
            .close(self.last)
            .map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        let Some(tunnel) = self.tunnel else {
            return Ok(());
        };
        tunnel
            .close(self.last)
            .map_err(|error| LogLost::new(TunnelLog::NAME, error))
    }
}

/// A log that could not be written to its end.
#[derive(Debug, thiserror::Error)]
#[error("{name}: cannot write on: {error:#}; rows were lost")]
pub(crate) struct LogLost {
    name: &'static str,
    error: anyhow::Error,
}

impl LogLost {
    fn new(name: &'static str, error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        Self { name, error }
    }
}
