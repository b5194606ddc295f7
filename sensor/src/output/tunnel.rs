//! tunnel.log: a row for the beginning and one for the end of each tunnel, with Zeek's columns.

use std::io::{self, Write};

use flow_table::{Timestamp, TunnelEvent};
use serde::Serialize;

use super::log_file::LogFile;
use super::zeek::{Column, ZeekLog};
use crate::cli::LogFormat;
use crate::config::Log;

const COLUMNS: [Column; 8] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("tunnel_type", "enum"),
    ("action", "enum"),
];

/// tunnel.log.
pub(super) struct TunnelLog {
    log: ZeekLog,
    format: LogFormat,
}

impl TunnelLog {
    pub(super) const NAME: &str = "tunnel.log";

    pub(super) fn new(file: LogFile, format: LogFormat) -> Self {
        Self {
            log: ZeekLog::new(file, format, Log::Tunnel.name(), COLUMNS.to_vec()),
            format,
        }
    }

    pub(super) fn write(&mut self, tunnels: &[TunnelEvent]) -> io::Result<()> {
        for tunnel in tunnels {
            let Some(block) = self.log.row(tunnel.time) else {
                continue;
            };
            match self.format {
                LogFormat::Tsv => write_tsv(block, tunnel)?,
                LogFormat::Json => write_json(block, tunnel)?,
            }
        }
        self.log.failed()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }

    pub(super) fn close(self, now: Timestamp) -> io::Result<()> {
        self.log.close(now)
    }
}

fn write_tsv(out: &mut Vec<u8>, tunnel: &TunnelEvent) -> io::Result<()> {
    let TunnelEvent {
        time,
        uid,
        id,
        kind,
        action,
        ..
    } = tunnel;
    writeln!(
        out,
        "{time}\t{uid}\t{}\t{}\t{}\t{}\t{}\t{}",
        id.orig.addr,
        id.orig.port,
        id.resp.addr,
        id.resp.port,
        kind.name(),
        action.name()
    )
}

#[derive(Serialize)]
struct Row {
    ts: f64,
    uid: String,
    #[serde(rename = "id.orig_h")]
    orig_h: std::net::IpAddr,
    #[serde(rename = "id.orig_p")]
    orig_p: u16,
    #[serde(rename = "id.resp_h")]
    resp_h: std::net::IpAddr,
    #[serde(rename = "id.resp_p")]
    resp_p: u16,
    tunnel_type: &'static str,
    action: &'static str,
}

fn write_json(out: &mut Vec<u8>, tunnel: &TunnelEvent) -> io::Result<()> {
    let id = tunnel.id;
    let row = Row {
        ts: tunnel.time.as_secs_f64(),
        uid: tunnel.uid.to_string(),
        orig_h: id.orig.addr,
        orig_p: id.orig.port,
        resp_h: id.resp.addr,
        resp_p: id.resp.port,
        tunnel_type: tunnel.kind.name(),
        action: tunnel.action.name(),
    };
    serde_json::to_writer(&mut *out, &row)?;
    out.push(b'\n');
    Ok(())
}
