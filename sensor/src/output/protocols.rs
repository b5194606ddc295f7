//! The logs of protocols. Each is made when there is a row for it, as Zeek does; what its rows say
//! is in a module of its own.

use std::net::IpAddr;

use flow_table::protocol::Record;
use flow_table::protocol::dhcp::{DhcpRecord, Transactions};
use flow_table::{FlowRecord, ProtocolRow, Timestamp, Uid};

use super::fields::{FLOW, Fields};
use super::log_lost::LogLost;
use super::zeek::{Column, ZeekLog};
use super::{
    Notice, OutputDir, capture_loss, dhcp, dns, files, ftp, http, known, notice, ntp, quic, smtp,
    ssh, ssl, stats, weird, x509,
};
use crate::cli::LogFormat;
use crate::config::Log;
use crate::pipeline::Reports;

/// One of the logs, and its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    log: Log,
    /// The first columns, and those after.
    columns: [&'static [Column]; 2],
}

impl Kind {
    /// A log with these columns.
    pub(super) const fn of(log: Log, first: &'static [Column], others: &'static [Column]) -> Self {
        Self {
            log,
            columns: [first, others],
        }
    }

    /// A log whose rows begin with the flow they are of.
    pub(super) const fn of_flows(log: Log, columns: &'static [Column]) -> Self {
        Self::of(log, &FLOW, columns)
    }
}

/// All of them.
const KINDS: [Kind; 17] = [
    capture_loss::CAPTURE_LOSS,
    dhcp::DHCP,
    dns::DNS,
    files::FILES,
    ftp::FTP,
    http::HTTP,
    known::HOSTS,
    known::SERVICES,
    notice::NOTICE,
    ntp::NTP,
    quic::QUIC,
    smtp::SMTP,
    ssh::SSH,
    ssl::SSL,
    stats::STATS,
    weird::WEIRD,
    x509::X509,
];

/// The file names of all of them.
pub(super) fn names() -> impl Iterator<Item = String> {
    KINDS.into_iter().map(|kind| Lazy::new(kind).name)
}

/// A log that may not have been needed yet.
struct Lazy {
    kind: Kind,
    name: String,
    columns: Vec<Column>,
    /// Whether it is never needed.
    disabled: bool,
    log: Option<ZeekLog>,
}

impl Lazy {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: format!("{}.log", kind.log.name()),
            columns: kind.columns.concat(),
            disabled: false,
            log: None,
        }
    }
}

/// See the module.
pub(super) struct ProtocolLogs {
    logs: [Lazy; KINDS.len()],
    certificates: x509::Known,
    weirds: weird::Told,
    known: known::Known,
    /// Of all flows. Rows come in one order, so what is made of them does not depend on how.
    dhcp: Transactions<Uid>,
    dir: OutputDir,
    format: LogFormat,
}

impl ProtocolLogs {
    /// Takes away what an earlier run left of them.
    pub(super) fn create(
        dir: &OutputDir,
        format: LogFormat,
        disabled: &[Log],
    ) -> anyhow::Result<Self> {
        let mut logs = KINDS.map(Lazy::new);
        for log in &mut logs {
            log.disabled = disabled.contains(&log.kind.log);
        }
        for log in &logs {
            dir.remove_file(&log.name)?;
        }
        Ok(Self {
            logs,
            certificates: x509::Known::default(),
            weirds: weird::Told::default(),
            known: known::Known::default(),
            dhcp: Transactions::default(),
            dir: dir.clone(),
            format,
        })
    }

    pub(super) fn write(&mut self, rows: &[ProtocolRow]) -> Result<(), LogLost> {
        // While rows cannot be written, all that are left out are counted.
        let written = rows.iter().map(|row| self.write_row(row));
        written.fold(Ok(()), Result::and)
    }

    fn write_row(&mut self, row: &ProtocolRow) -> Result<(), LogLost> {
        let expired = self.put_dhcp(row.time, |all, ready| {
            all.advance(row.time, |dhcp| ready.push(dhcp));
        });
        let written = self.write_record(row);
        expired.and(written)
    }

    fn write_record(&mut self, row: &ProtocolRow) -> Result<(), LogLost> {
        match &row.record {
            Record::Dhcp(message) => self.put_dhcp(row.time, |all, ready| {
                let message = message.as_ref().clone();
                all.message(row.uid, &row.id, message, |dhcp| ready.push(dhcp));
            }),
            Record::Dns(dns) => self.put(dns::DNS, row, dns.ts, |fields| dns::write(fields, dns)),
            Record::File(file) => self.begin(files::FILES, row.time, |fields| {
                files::write(fields, row, file);
            }),
            Record::Ftp(ftp) => self.put(ftp::FTP, row, ftp.ts, |fields| ftp::write(fields, ftp)),
            Record::Http(http) => self.put(http::HTTP, row, http.ts, |fields| {
                http::write(fields, row, http);
            }),
            Record::Ntp(ntp) => self.put(ntp::NTP, row, ntp.ts, |fields| ntp::write(fields, ntp)),
            Record::Quic(quic) => self.put(quic::QUIC, row, quic.ts, |fields| {
                quic::write(fields, quic);
            }),
            Record::Smtp(smtp) => self.put(smtp::SMTP, row, smtp.ts, |fields| {
                smtp::write(fields, row.uid, smtp);
            }),
            Record::Ssh(ssh) => self.put(ssh::SSH, row, ssh.ts, |fields| {
                ssh::write(fields, &row.id, ssh);
            }),
            Record::Ssl(ssl) => self.put(ssl::SSL, row, ssl.ts, |fields| ssl::write(fields, ssl)),
            Record::Weird(weird) if self.weirds.is_new(row, weird) => {
                self.put(weird::WEIRD, row, weird.ts, |fields| {
                    weird::write(fields, weird);
                })
            }
            Record::Odd(odd) if self.weirds.is_new_frame(row.time, odd) => {
                self.begin(weird::WEIRD, row.time, |fields| {
                    weird::write_frame(fields, odd);
                })
            }
            Record::X509(x509) if self.certificates.is_new(x509) => {
                self.begin(x509::X509, row.time, |fields| x509::write(fields, x509))
            }
            Record::X509(_)
            | Record::Odd(_)
            | Record::Weird(_)
            | Record::Announced(_)
            | Record::Carried(_)
            | Record::Part(_)
            | Record::Echoes(_)
            | Record::Misplaced(_)
            | Record::SignIn(_) => Ok(()),
        }
    }

    /// A host completed a handshake.
    pub(super) fn host(&mut self, host: IpAddr, now: Timestamp) -> Result<(), LogLost> {
        if !self.known.is_new_host(host, now) {
            return Ok(());
        }
        self.begin(known::HOSTS, now, |fields| {
            known::write_host(fields, now, host);
        })
    }

    /// A flow ended.
    pub(super) fn flow(&mut self, flow: &FlowRecord) -> Result<(), LogLost> {
        if flow.services.is_empty() || !self.known.is_new_service(flow) {
            return Ok(());
        }
        self.begin(known::SERVICES, flow.end, |fields| {
            known::write_service(fields, flow);
        })
    }

    /// How it went.
    pub(super) fn reports(&mut self, reports: &Reports) -> Result<(), LogLost> {
        let mut done = Ok(());
        for row in &reports.stats {
            done = done.and(self.begin(stats::STATS, row.ts, |fields| stats::write(fields, row)));
        }
        for row in &reports.lost {
            done = done.and(self.begin(capture_loss::CAPTURE_LOSS, row.ts, |fields| {
                capture_loss::write(fields, row);
            }));
        }
        done
    }

    /// What a person should know.
    pub(super) fn notice(&mut self, notice: &Notice) -> Result<(), LogLost> {
        self.begin(notice::NOTICE, notice.ts, |fields| {
            notice::write(fields, notice);
        })
    }

    /// Writes what became ready of all transactions by something that happened to them.
    fn put_dhcp(
        &mut self,
        now: Timestamp,
        happen: impl FnOnce(&mut Transactions<Uid>, &mut Vec<DhcpRecord<Uid>>),
    ) -> Result<(), LogLost> {
        let mut ready = Vec::new();
        happen(&mut self.dhcp, &mut ready);
        let rows = ready.iter();
        let written =
            rows.map(|row| self.begin(dhcp::DHCP, now, |fields| dhcp::write(fields, row)));
        written.fold(Ok(()), Result::and)
    }

    /// Writes a row that begins with its flow.
    fn put(
        &mut self,
        kind: Kind,
        row: &ProtocolRow,
        ts: Timestamp,
        write: impl FnOnce(&mut Fields<'_>),
    ) -> Result<(), LogLost> {
        self.begin(kind, row.time, |fields| {
            fields.flow(ts, row.uid, &row.id);
            write(fields);
        })
    }

    /// Writes a row.
    fn begin(
        &mut self,
        kind: Kind,
        now: Timestamp,
        write: impl FnOnce(&mut Fields<'_>),
    ) -> Result<(), LogLost> {
        let (dir, format) = (&self.dir, self.format);
        let Some(lazy) = self.logs.iter_mut().find(|log| log.kind.log == kind.log) else {
            return Ok(());
        };
        if lazy.disabled {
            return Ok(());
        }
        let Lazy {
            name, columns, log, ..
        } = lazy;
        let log = match log {
            Some(log) => log,
            None if dir.tally().is_paused() => {
                dir.tally().lose(1);
                return Ok(());
            }
            none => {
                let file = dir.create_file(name).map_err(|error| {
                    dir.tally().pause();
                    dir.tally().lose(1);
                    LogLost::new(name, error)
                });
                none.insert(ZeekLog::new(
                    file?,
                    format,
                    kind.log.name(),
                    columns.clone(),
                ))
            }
        };
        if let Some(block) = log.row(now) {
            let mut fields = Fields::new(block, format, columns);
            write(&mut fields);
            fields.end();
        }
        log.failed().map_err(|error| LogLost::new(name, error))
    }

    pub(super) fn close(mut self, now: Timestamp) -> Result<(), LogLost> {
        self.put_dhcp(now, |all, ready| all.finish(|dhcp| ready.push(dhcp)))?;
        self.end_files(now)
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Result<(), LogLost> {
        for Lazy { name, log, .. } in &mut self.logs {
            let flushed = log.as_mut().map_or(Ok(()), ZeekLog::flush);
            flushed.map_err(|error| LogLost::new(name, error))?;
        }
        Ok(())
    }

    /// Ends all files. Further rows go into new ones.
    pub(super) fn end_files(&mut self, now: Timestamp) -> Result<(), LogLost> {
        for Lazy { name, log, .. } in &mut self.logs {
            let closed = log.take().map_or(Ok(()), |log| log.close(now));
            closed.map_err(|error| LogLost::new(name, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn every_log_can_be_disabled_by_its_name() {
        for kind in KINDS {
            let name: StrDeserializer<'_, Error> = kind.log.name().into_deserializer();
            assert_eq!(Log::deserialize(name).unwrap(), kind.log);
        }
    }
}
