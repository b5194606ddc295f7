//! The thread that writes conn.log and the other logs.

use std::net::IpAddr;

use crossbeam_channel::Receiver;
use flow_table::{FlowRecord, ProtocolRow, Timestamp, TunnelEvent, Uid};

use super::OutputDir;
use super::conn::{ConnLog, Extra};
use super::protocols::{self, ProtocolLogs};
use super::tunnel::TunnelLog;
use crate::cli::LogFormat;
use crate::pipeline::Reports;

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
    pub(crate) protocols: Vec<ProtocolRow>,
    /// Hosts that completed a handshake, and when.
    pub(crate) hosts: Vec<(Timestamp, IpAddr)>,
    /// Of stats.log and capture_loss.log.
    pub(crate) reports: Reports,
}

impl LogBatch {
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.tunnels.is_empty()
            && self.protocols.is_empty()
            && self.hosts.is_empty()
            && self.reports.is_empty()
    }
}

/// All logs of flows.
pub(crate) struct Logs {
    conn: ConnLog,
    /// Made when there is a row for it, as Zeek does.
    tunnel: Option<TunnelLog>,
    protocols: ProtocolLogs,
    dir: OutputDir,
    format: LogFormat,
    /// Time of the last row.
    last: Timestamp,
}

impl Logs {
    /// The file names of all logs there may be, conn.log first.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        let flows = [ConnLog::NAME, TunnelLog::NAME].map(str::to_owned);
        flows.into_iter().chain(protocols::names())
    }

    /// Opens conn.log in `dir`, and takes away what an earlier run left of the others.
    pub(crate) fn create(dir: &OutputDir, format: LogFormat, extra: Extra) -> anyhow::Result<Self> {
        dir.remove_file(TunnelLog::NAME)?;
        Ok(Self {
            conn: ConnLog::new(dir.create_file(ConnLog::NAME)?, format, extra),
            tunnel: None,
            protocols: ProtocolLogs::create(dir, format)?,
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
        // All are in order of time.
        let times = [
            batch.rows.last().map(|row| row.record.end),
            batch.tunnels.last().map(|tunnel| tunnel.time),
            batch.protocols.last().map(|row| row.time),
            batch.hosts.last().map(|(time, _)| *time),
        ];
        self.last = times.into_iter().flatten().fold(self.last, Ord::max);
        self.protocols.write(&batch.protocols)?;
        for (time, host) in &batch.hosts {
            self.protocols.host(*host, *time)?;
        }
        for row in &batch.rows {
            self.protocols.flow(&row.record)?;
        }
        self.protocols.reports(&batch.reports)?;
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
        self.protocols.close(self.last)?;
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
    name: String,
    error: anyhow::Error,
}

impl LogLost {
    pub(super) fn new(name: &str, error: impl Into<anyhow::Error>) -> Self {
        Self {
            name: name.to_owned(),
            error: error.into(),
        }
    }
}
