//! The thread that writes conn.log and the other logs.

use std::net::IpAddr;

use crossbeam_channel::{Receiver, select};
use flow_table::{FlowRecord, ProtocolRow, Timestamp, TunnelEvent, Uid};

use super::archive::Archive;
use super::conn::{ConnLog, Extra};
use super::protocols::{self, ProtocolLogs};
use super::tunnel::TunnelLog;
use super::{OutputDir, Upkeep};
use crate::cli::LogFormat;
use crate::clock::time_of_day;
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
    extra: Extra,
    archive: Option<Archive>,
    /// Time of the last row.
    last: Timestamp,
}

impl Logs {
    /// The file names of all logs there may be, conn.log first.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        let flows = [ConnLog::NAME, TunnelLog::NAME].map(str::to_owned);
        flows.into_iter().chain(protocols::names())
    }

    /// Opens conn.log in `dir`, and takes away what an earlier run left of the others, if it is made
    /// again.
    pub(crate) fn create(dir: &OutputDir, format: LogFormat, extra: Extra) -> anyhow::Result<Self> {
        dir.remove_file(TunnelLog::NAME)?;
        Ok(Self {
            conn: ConnLog::new(dir.create_file(ConnLog::NAME)?, format, extra),
            tunnel: None,
            protocols: ProtocolLogs::create(dir, format)?,
            dir: dir.clone(),
            format,
            extra,
            archive: None,
            last: Timestamp::ZERO,
        })
    }

    /// Has logs begin anew now and then.
    pub(crate) fn archived(mut self, archive: Option<Archive>) -> Self {
        self.archive = archive;
        self
    }

    /// Writes what comes until there is no more. After a failure the rest is taken and left out, so
    /// that nobody waits for a log that cannot be written, until files could be opened again.
    pub(crate) fn run(
        mut self,
        batches: &Receiver<LogBatch>,
        upkeep: &Upkeep,
    ) -> Result<(), LogLost> {
        // What went wrong first, and whether it does still.
        let (mut lost, mut broken) = (None, false);
        loop {
            let done = select! {
                recv(batches) -> batch => match batch {
                    Ok(_) if broken => Ok(()),
                    Ok(batch) => self.write(&batch),
                    Err(_) => break,
                },
                recv(upkeep.clock) -> _ => if broken { Ok(()) } else { self.look() },
                recv(upkeep.reopen) -> _ => {
                    let mut begun = self.begin_anew(self.last);
                    if broken && begun.is_err() {
                        // What was broken may have no end; what is begun now must be sound.
                        begun = self.begin_anew(self.last);
                    }
                    broken = begun.is_err();
                    begun
                }
            };
            if let Err(error) = done {
                upkeep.tell(&error);
                broken = true;
                lost = lost.or(Some(error));
            }
        }
        let closed = if broken { Ok(()) } else { self.close() };
        lost.map_or(closed, Err)
    }

    /// Whether or not there are rows: what waits is written, what is over is put away.
    fn look(&mut self) -> Result<(), LogLost> {
        self.put_away(time_of_day() - Archive::PATIENCE)?;
        let conn = self.conn.flush();
        conn.map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        let tunnel = self.tunnel.as_mut().map_or(Ok(()), TunnelLog::flush);
        tunnel.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
        self.protocols.flush()
    }

    /// Puts the logs away if their time is over at `now`.
    fn put_away(&mut self, now: Timestamp) -> Result<(), LogLost> {
        let names = || Self::names();
        let Some(archive) = &mut self.archive else {
            return Ok(());
        };
        let Some((end, moved)) = archive.put_away(now, names) else {
            return Ok(());
        };
        self.begin_anew(end)?;
        self.archive.iter().for_each(|archive| archive.pack(&moved));
        Ok(())
    }

    /// Ends all files, wherever they are by now; further rows go into new ones.
    fn begin_anew(&mut self, now: Timestamp) -> Result<(), LogLost> {
        let of_conn = |error| LogLost::new(ConnLog::NAME, error);
        let file = self.dir.create_file(ConnLog::NAME).map_err(of_conn)?;
        let conn = ConnLog::new(file, self.format, self.extra);
        let ended = std::mem::replace(&mut self.conn, conn).close(now);
        ended.map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        let tunnel = self.tunnel.take();
        let ended = tunnel.map_or(Ok(()), |tunnel| tunnel.close(now));
        ended.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
        self.protocols.end_files(now)
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
        self.put_away(self.last)?;
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
        let ended = self.tunnel.map_or(Ok(()), |tunnel| tunnel.close(self.last));
        ended.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
        match self.archive {
            Some(archive) => archive.finish(time_of_day(), Self::names()),
            None => Ok(()),
        }
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
