//! conn.log: a row for each flow, by Zeek's names, order and types, `community_id` after them as
//! Zeek's policy script appends it.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};

use flow_table::{FlowRecord, Timestamp, Traffic, community_id};
use serde::Serialize;

use super::LogRow;
use super::local::is_local;
use super::zeek::{Column, ZeekLog};
use crate::cli::LogFormat;
use crate::config::Config;

const COLUMNS: [Column; 23] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("ip_proto", "count"),
    ("community_id", "string"),
];

const VLAN_COLUMNS: [Column; 2] = [("vlan", "int"), ("inner_vlan", "int")];
const MAC_COLUMNS: [Column; 2] = [("orig_l2_addr", "string"), ("resp_l2_addr", "string")];

/// Columns that only some want, named as in Zeek's policy scripts `vlan-logging` and `mac-logging`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    vlan: bool,
    mac: bool,
}

impl Extra {
    pub(crate) const fn of(config: &Config) -> Self {
        Self {
            vlan: config.log_vlan,
            mac: config.log_mac,
        }
    }
}

/// conn.log.
pub(super) struct ConnLog {
    log: ZeekLog<File>,
    format: LogFormat,
    extra: Extra,
    rows: Vec<u8>,
}

impl ConnLog {
    pub(super) const NAME: &str = "conn.log";

    pub(super) fn new(file: File, format: LogFormat, extra: Extra) -> Self {
        let mut columns = COLUMNS.to_vec();
        if extra.vlan {
            columns.extend(VLAN_COLUMNS);
        }
        if extra.mac {
            columns.extend(MAC_COLUMNS);
        }
        Self {
            log: ZeekLog::new(file, format, "conn", columns),
            format,
            extra,
            rows: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, rows: &[LogRow]) -> io::Result<()> {
        let Some(first) = rows.first() else {
            return Ok(());
        };
        self.rows.clear();
        for row in rows {
            match self.format {
                LogFormat::Tsv => write_tsv(&mut self.rows, row, self.extra)?,
                LogFormat::Json => write_json(&mut self.rows, row, self.extra)?,
            }
        }
        self.log.write(&self.rows, first.record.end)
    }

    pub(super) fn close(self, now: Timestamp) -> io::Result<()> {
        self.log.close(now)
    }
}

fn write_tsv(out: &mut Vec<u8>, row: &LogRow, extra: Extra) -> io::Result<()> {
    let record = &row.record;
    let (id, traffic) = (&record.id, &record.traffic);
    out.extend_from_slice(record.start.to_string().as_bytes());
    out.push(b'\t');
    out.extend_from_slice(&record.uid.text());
    write!(
        out,
        "\t{}\t{}\t{}\t{}\t{}\t-\t",
        id.orig.addr,
        id.orig.port,
        id.resp.addr,
        id.resp.port,
        id.proto.name()
    )?;
    if let Some(micros) = duration_micros(record) {
        let (secs, rest) = (micros / 1_000_000, micros % 1_000_000);
        write!(
            out,
            "{secs}.{rest:06}\t{}\t{}",
            traffic.orig.bytes, traffic.resp.bytes
        )?;
    } else {
        out.extend_from_slice(b"-\t-\t-");
    }
    let flag = |local| if local { 'T' } else { 'F' };
    write!(
        out,
        "\t{}\t{}\t{}\t{}\t",
        record.state,
        flag(is_local(id.orig.addr)),
        flag(is_local(id.resp.addr)),
        record.missed_bytes
    )?;
    let history = record.history.letters();
    out.extend_from_slice(if history.is_empty() { b"-" } else { history });
    let Traffic {
        packets, ip_bytes, ..
    } = traffic.orig;
    write!(out, "\t{packets}\t{ip_bytes}")?;
    let Traffic {
        packets, ip_bytes, ..
    } = traffic.resp;
    write!(out, "\t{packets}\t{ip_bytes}\t")?;
    for (nth, parent) in row.tunnel_parents.iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&parent.text());
    }
    if row.tunnel_parents.is_empty() {
        out.push(b'-');
    }
    write!(out, "\t{}\t{}", id.proto.0, community_id(id))?;
    write_extra(out, record, extra)?;
    out.push(b'\n');
    Ok(())
}

fn write_extra(out: &mut Vec<u8>, record: &FlowRecord, extra: Extra) -> io::Result<()> {
    let link = record.link.as_deref().copied().unwrap_or_default();
    if extra.vlan {
        for vlan in [link.vlan, link.inner_vlan] {
            write_optional(out, vlan)?;
        }
    }
    if extra.mac {
        for addr in [link.src, link.dst] {
            write_optional(out, addr.map(mac))?;
        }
    }
    Ok(())
}

fn write_optional(out: &mut Vec<u8>, value: Option<impl Display>) -> io::Result<()> {
    match value {
        Some(value) => write!(out, "\t{value}"),
        None => write!(out, "\t-"),
    }
}

/// `02:00:5e:00:53:01`.
fn mac(addr: [u8; 6]) -> String {
    addr.map(|byte| format!("{byte:02x}")).join(":")
}

/// Zeek tells duration and bytes only where time passed.
fn duration_micros(record: &FlowRecord) -> Option<i64> {
    let duration = record.duration();
    (duration.as_nanos() > 0).then(|| duration.as_micros_rounded())
}

/// A row as an object: the same names, unset fields left out.
#[derive(Serialize)]
struct Row<'a> {
    ts: f64,
    uid: &'a str,
    #[serde(rename = "id.orig_h")]
    orig_h: std::net::IpAddr,
    #[serde(rename = "id.orig_p")]
    orig_p: u16,
    #[serde(rename = "id.resp_h")]
    resp_h: std::net::IpAddr,
    #[serde(rename = "id.resp_p")]
    resp_p: u16,
    proto: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp_bytes: Option<u64>,
    conn_state: &'static str,
    local_orig: bool,
    local_resp: bool,
    missed_bytes: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    history: &'a str,
    orig_pkts: u64,
    orig_ip_bytes: u64,
    resp_pkts: u64,
    resp_ip_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tunnel_parents: Vec<String>,
    ip_proto: u8,
    community_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_l2_addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp_l2_addr: Option<String>,
}

fn write_json(out: &mut Vec<u8>, row: &LogRow, extra: Extra) -> io::Result<()> {
    let record = &row.record;
    let (id, traffic) = (&record.id, &record.traffic);
    let (uid, micros) = (record.uid.text(), duration_micros(record));
    let link = record.link.as_deref().copied().unwrap_or_default();
    let object = Row {
        ts: record.start.as_secs_f64(),
        uid: std::str::from_utf8(&uid).unwrap_or_default(),
        orig_h: id.orig.addr,
        orig_p: id.orig.port,
        resp_h: id.resp.addr,
        resp_p: id.resp.port,
        proto: id.proto.name(),
        duration: micros.map(|micros| micros as f64 / 1e6),
        orig_bytes: micros.map(|_| traffic.orig.bytes),
        resp_bytes: micros.map(|_| traffic.resp.bytes),
        conn_state: record.state.name(),
        local_orig: is_local(id.orig.addr),
        local_resp: is_local(id.resp.addr),
        missed_bytes: record.missed_bytes,
        history: std::str::from_utf8(record.history.letters()).unwrap_or_default(),
        orig_pkts: traffic.orig.packets,
        orig_ip_bytes: traffic.orig.ip_bytes,
        resp_pkts: traffic.resp.packets,
        resp_ip_bytes: traffic.resp.ip_bytes,
        tunnel_parents: row.tunnel_parents.iter().map(ToString::to_string).collect(),
        ip_proto: id.proto.0,
        community_id: community_id(id),
        vlan: link.vlan.filter(|_| extra.vlan),
        inner_vlan: link.inner_vlan.filter(|_| extra.vlan),
        orig_l2_addr: link.src.filter(|_| extra.mac).map(mac),
        resp_l2_addr: link.dst.filter(|_| extra.mac).map(mac),
    };
    serde_json::to_writer(&mut *out, &object)?;
    out.push(b'\n');
    Ok(())
}
