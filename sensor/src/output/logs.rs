//! The thread that writes conn.log and the other logs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::select;
use flow_table::{FlowRecord, ProtocolRow, Timestamp, TunnelEvent, Uid};

use super::archive::Archive;
use super::conn::{ConnLog, Extra};
use super::log_lost::LogLost;
use super::log_queue::LogReceiver;
use super::protocols::{self, ProtocolLogs};
use super::tunnel::TunnelLog;
use super::{LogTally, Note, Notice, OutputDir, Upkeep, capture_loss};
use crate::cli::LogFormat;
use crate::clock::time_of_day;
use crate::config::{Config, Log};
use crate::messages::{Event, say};
use crate::pipeline::Reports;

/// A row of conn.log or open_conn.log.
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
    /// Of flows that are still open.
    pub(crate) open: Vec<LogRow>,
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
            && self.open.is_empty()
            && self.tunnels.is_empty()
            && self.protocols.is_empty()
            && self.hosts.is_empty()
            && self.reports.is_empty()
    }

    /// Empties it, keeping its memory.
    pub(super) fn clear(&mut self) {
        let Self {
            rows,
            open,
            tunnels,
            protocols,
            hosts,
            reports,
        } = self;
        rows.clear();
        open.clear();
        tunnels.clear();
        protocols.clear();
        hosts.clear();
        *reports = Reports::default();
    }

    /// Rows in it, as far as they can be told before they are written.
    pub(crate) const fn len(&self) -> usize {
        let flows = self.rows.len() + self.open.len() + self.tunnels.len();
        flows + self.protocols.len() + self.hosts.len()
    }
}

/// All logs of flows.
pub(crate) struct Logs {
    conn: ConnLog,
    /// Made when there is a row for it.
    open: Option<ConnLog>,
    /// Made when there is a row for it, as Zeek does.
    tunnel: Option<TunnelLog>,
    /// Whether there may be one.
    tunnels: bool,
    protocols: ProtocolLogs,
    dir: OutputDir,
    format: LogFormat,
    extra: Extra,
    archive: Option<Archive>,
    /// Logs that were put away, and when they end, until others are begun.
    moved: Vec<PathBuf>,
    ended: Option<Timestamp>,
    /// Time of the last row.
    last: Timestamp,
    tally: Arc<LogTally>,
}

impl Logs {
    /// The file names of all logs there may be, conn.log first.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        let flows = [ConnLog::NAME, ConnLog::OPEN_NAME, TunnelLog::NAME].map(str::to_owned);
        flows.into_iter().chain(protocols::names())
    }

    /// Opens conn.log in `dir`, and takes away what an earlier run left of the others, if it is made
    /// again.
    pub(crate) fn create(
        dir: &OutputDir,
        format: LogFormat,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let (extra, disabled) = (Extra::of(config), &config.disabled_logs);
        for name in [ConnLog::OPEN_NAME, TunnelLog::NAME] {
            dir.remove_file(name)?;
        }
        Ok(Self {
            conn: ConnLog::new(dir.create_file(ConnLog::NAME)?, format, extra),
            open: None,
            tunnel: None,
            tunnels: !disabled.contains(&Log::Tunnel),
            protocols: ProtocolLogs::create(dir, format, disabled)?,
            dir: dir.clone(),
            format,
            extra,
            archive: None,
            moved: Vec::new(),
            ended: None,
            last: Timestamp::ZERO,
            tally: Arc::clone(&dir.tally),
        })
    }

    /// Has logs begin anew now and then.
    pub(crate) fn archived(mut self, archive: Option<Archive>) -> Self {
        self.archive = archive;
        self
    }

    /// Writes what comes until there is no more. After a failure rows are left out and counted, so that
    /// nobody waits for a log that cannot be written, until files can be written or opened again.
    pub(crate) fn run(mut self, receiver: &LogReceiver, upkeep: &Upkeep) -> Result<(), LogLost> {
        let mut first = None;
        loop {
            let done = select! {
                recv(receiver.batches) -> batch => match batch {
                    Ok(batch) => {
                        let taken = self.take(&batch, upkeep);
                        receiver.give_back(batch);
                        taken
                    }
                    Err(_) => break,
                },
                recv(upkeep.notices) -> notice => notice.map_or(Ok(()), |notice| self.notice(&notice)),
                recv(upkeep.clock) -> _ => self.look(upkeep),
                recv(upkeep.reopen) -> _ => self.reopen(),
            };
            if let Err(error) = done {
                self.dir.tally().pause();
                upkeep.tell(&error);
                first = first.or(Some(error));
            }
        }
        let tally = Arc::clone(&self.tally);
        let closed = if tally.is_paused() && !self.dir.has_room() {
            drop(self);
            Ok(())
        } else {
            tally.go_on();
            self.close()
        };
        upkeep.judge(first, closed, tally.lost())
    }

    fn take(&mut self, batch: &LogBatch, upkeep: &Upkeep) -> Result<(), LogLost> {
        let written = self.write(batch);
        self.tally.waiting.fetch_sub(batch.len(), Relaxed);
        let noticed = self.judge_loss(batch, upkeep);
        written.and(noticed)
    }

    /// Says so where acknowledgements tell that too much was never heard.
    fn judge_loss(&mut self, batch: &LogBatch, upkeep: &Upkeep) -> Result<(), LogLost> {
        let Some(limit) = upkeep.too_many_gaps else {
            return Ok(());
        };
        let mut done = Ok(());
        for lost in &batch.reports.lost {
            let share = capture_loss::percent(lost.loss.gaps, lost.loss.acks);
            if share >= 100.0 * limit {
                let msg = format!(
                    "The capture loss script detected an estimated loss rate above {share:.3}%"
                );
                let notice = Notice {
                    ts: lost.ts,
                    note: Note::TooMuchLoss,
                    msg,
                    count: lost.loss.gaps,
                };
                let message = Event::TcpGaps.says(format_args!(
                    "{share:.1} % of what TCP's receivers acknowledged was never heard (capture_loss.log)"
                ));
                let message = message.with("gaps", lost.loss.gaps);
                say(&message.with("acks", lost.loss.acks));
                done = done.and(self.notice(&notice));
            }
        }
        done
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), LogLost> {
        self.protocols.notice(notice)
    }

    /// Goes on in files that are at their names now.
    fn reopen(&mut self) -> Result<(), LogLost> {
        let mut begun = self.begin_anew(self.last);
        if self.tally.is_paused() && begun.is_err() {
            // What could not be written may have no end; what is begun now must be sound.
            begun = self.begin_anew(self.last);
        }
        if begun.is_ok() {
            self.tally.go_on();
        }
        begun
    }

    /// Whether or not there are rows: what waits is written, what is over is put away.
    fn look(&mut self, upkeep: &Upkeep) -> Result<(), LogLost> {
        if self.tally.is_paused() {
            if !self.dir.has_room() || self.flush().is_err() {
                return Ok(());
            }
            self.tally.go_on();
            upkeep.tell_again(self.tally.lost());
        }
        // Sizes are those of files.
        self.flush()?;
        self.put_away(|archive| archive.look(time_of_day(), Self::names))
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<(), LogLost> {
        let conn = self.conn.flush();
        conn.map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        let open = self.open.as_mut().map_or(Ok(()), ConnLog::flush);
        open.map_err(|error| LogLost::new(ConnLog::OPEN_NAME, error))?;
        let tunnel = self.tunnel.as_mut().map_or(Ok(()), TunnelLog::flush);
        tunnel.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
        self.protocols.flush()
    }

    /// Begins new logs where the archive moves those that are there away.
    fn put_away(
        &mut self,
        look: impl FnOnce(&mut Archive) -> Option<(Timestamp, Vec<PathBuf>)>,
    ) -> Result<(), LogLost> {
        if self.tally.is_paused() {
            return Ok(());
        }
        if let Some(archive) = &mut self.archive
            && let Some((end, mut moved)) = look(archive)
        {
            self.moved.append(&mut moved);
            self.ended = Some(end);
        }
        // Where files could not be begun the last time, too.
        if let Some(end) = self.ended {
            self.begin_anew(end)?;
            self.ended = None;
            let moved = std::mem::take(&mut self.moved);
            self.archive.iter().for_each(|archive| archive.pack(&moved));
        }
        Ok(())
    }

    /// Ends all files, wherever they are by now; further rows go into new ones.
    fn begin_anew(&mut self, now: Timestamp) -> Result<(), LogLost> {
        let of_conn = |error| LogLost::new(ConnLog::NAME, error);
        let file = self.dir.create_file(ConnLog::NAME).map_err(of_conn)?;
        let conn = ConnLog::new(file, self.format, self.extra);
        let ended = std::mem::replace(&mut self.conn, conn).close(now);
        ended.map_err(|error| LogLost::new(ConnLog::NAME, error))?;
        self.end_open(now)?;
        let tunnel = self.tunnel.take();
        let ended = tunnel.map_or(Ok(()), |tunnel| tunnel.close(now));
        ended.map_err(|error| LogLost::new(TunnelLog::NAME, error))?;
        self.protocols.end_files(now)
    }

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogLost> {
        // All are in order of time.
        let times = [
            batch.rows.last().map(|row| row.record.end),
            batch.open.last().map(|row| row.record.end),
            batch.tunnels.last().map(|tunnel| tunnel.time),
            batch.protocols.last().map(|row| row.time),
            batch.hosts.last().map(|(time, _)| *time),
        ];
        self.last = times.into_iter().flatten().fold(self.last, Ord::max);
        let last = self.last;
        let begun = self.put_away(|archive| archive.put_away(last, Self::names));
        let protocols = self.protocols.write(&batch.protocols);
        let mut known = Ok(());
        for (time, host) in &batch.hosts {
            known = known.and(self.protocols.host(*host, *time));
        }
        for row in &batch.rows {
            known = known.and(self.protocols.flow(&row.record));
        }
        let reports = self.protocols.reports(&batch.reports);
        let conn = self.conn.write(&batch.rows);
        let conn = conn.map_err(|error| LogLost::new(ConnLog::NAME, error));
        let open = self.write_open(&batch.open);
        let tunnels = self.write_tunnels(&batch.tunnels);
        begun
            .and(protocols)
            .and(known)
            .and(reports)
            .and(conn)
            .and(open)
            .and(tunnels)
    }

    fn write_open(&mut self, rows: &[LogRow]) -> Result<(), LogLost> {
        if rows.is_empty() {
            return Ok(());
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let file = self.dir.create_file(ConnLog::OPEN_NAME).map_err(|error| {
                    self.tally.lose(rows.len() as u64);
                    LogLost::new(ConnLog::OPEN_NAME, error)
                });
                none.insert(ConnLog::of_open(file?, self.format, self.extra))
            }
        };
        open.write(rows)
            .map_err(|error| LogLost::new(ConnLog::OPEN_NAME, error))
    }

    fn end_open(&mut self, now: Timestamp) -> Result<(), LogLost> {
        let ended = self.open.take().map_or(Ok(()), |open| open.close(now));
        ended.map_err(|error| LogLost::new(ConnLog::OPEN_NAME, error))
    }

    fn write_tunnels(&mut self, tunnels: &[TunnelEvent]) -> Result<(), LogLost> {
        if tunnels.is_empty() || !self.tunnels {
            return Ok(());
        }
        let tunnel = match &mut self.tunnel {
            Some(tunnel) => tunnel,
            none => {
                let file = self.dir.create_file(TunnelLog::NAME).map_err(|error| {
                    self.tally.lose(tunnels.len() as u64);
                    LogLost::new(TunnelLog::NAME, error)
                });
                none.insert(TunnelLog::new(file?, self.format))
            }
        };
        let written = tunnel.write(tunnels);
        written.map_err(|error| LogLost::new(TunnelLog::NAME, error))
    }

    fn close(mut self) -> Result<(), LogLost> {
        self.end_open(self.last)?;
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
