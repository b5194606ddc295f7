//! conn.log: a row for each flow, by Zeek's names, order and types, `community_id` after them as
//! Zeek's policy script appends it. open_conn.log: the same of flows that are still open.

use std::io;

use flow_table::protocol::Service;
use flow_table::{FlowRecord, Timestamp, Uid, community_id_text};
use serde::Serialize;

use super::LogRow;
use super::line::Line;
use super::local::is_local;
use super::log_file::LogFile;
use super::rows::each_as_text;
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

/// conn.log, or open_conn.log.
pub(super) struct ConnLog {
    log: ZeekLog,
    format: LogFormat,
    extra: Extra,
}

impl ConnLog {
    pub(super) const NAME: &str = "conn.log";
    pub(super) const OPEN_NAME: &str = "open_conn.log";

    pub(super) fn new(file: LogFile, format: LogFormat, extra: Extra) -> Self {
        Self::named("conn", file, format, extra)
    }

    pub(super) fn of_open(file: LogFile, format: LogFormat, extra: Extra) -> Self {
        Self::named("open_conn", file, format, extra)
    }

    fn named(path: &'static str, file: LogFile, format: LogFormat, extra: Extra) -> Self {
        let mut columns = COLUMNS.to_vec();
        if extra.vlan {
            columns.extend(VLAN_COLUMNS);
        }
        if extra.mac {
            columns.extend(MAC_COLUMNS);
        }
        Self {
            log: ZeekLog::new(file, format, path, columns),
            format,
            extra,
        }
    }

    pub(super) fn write(&mut self, rows: &[LogRow]) -> io::Result<()> {
        for row in rows {
            let Some(block) = self.log.row(row.record.end) else {
                continue;
            };
            match self.format {
                LogFormat::Tsv => write_tsv(block, row, self.extra),
                LogFormat::Json => write_json(block, row, self.extra)?,
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

fn write_tsv(out: &mut Vec<u8>, row: &LogRow, extra: Extra) {
    let mut line = Line::new();
    let record = &row.record;
    write_ids(&mut line, record);
    write_services(&mut line, record.services.as_slice());
    write_measures(&mut line, record);
    write_history(&mut line, out, record.history.letters());
    for traffic in [record.traffic.orig, record.traffic.resp] {
        line.number(traffic.packets);
        line.tab();
        line.number(traffic.ip_bytes);
        line.tab();
    }
    write_parents(&mut line, out, &row.tunnel_parents);
    line.number(u64::from(record.id.proto.0));
    line.tab();
    line.bytes(community_id_text(&record.id));
    write_extra(&mut line, record, extra);
    line.bytes(*b"\n");
    line.move_to(out);
}

/// From `ts` to `proto`.
fn write_ids(line: &mut Line, record: &FlowRecord) {
    line.micros(record.start.as_micros_rounded().unsigned_abs());
    line.tab();
    line.bytes(record.uid.text());
    line.tab();
    for end in [record.id.orig, record.id.resp] {
        line.addr(end.addr);
        line.tab();
        line.number(u64::from(end.port));
        line.tab();
    }
    line.text(record.id.proto.name().as_bytes());
    line.tab();
}

fn write_services(line: &mut Line, services: &[Service]) {
    if services.is_empty() {
        line.bytes(*b"-");
    }
    for (nth, service) in services.iter().enumerate() {
        if nth > 0 {
            line.bytes(*b",");
        }
        line.text(service.0.as_bytes());
    }
    line.tab();
}

/// From `duration` to `missed_bytes`.
fn write_measures(line: &mut Line, record: &FlowRecord) {
    if let Some(micros) = duration_micros(record) {
        line.micros(micros);
        line.tab();
        line.number(record.traffic.orig.bytes);
        line.tab();
        line.number(record.traffic.resp.bytes);
    } else {
        line.bytes(*b"-\t-\t-");
    }
    line.tab();
    line.text(record.state.name().as_bytes());
    let flag = |addr| if is_local(addr) { b'T' } else { b'F' };
    let (orig, resp) = (flag(record.id.orig.addr), flag(record.id.resp.addr));
    line.bytes([b'\t', orig, b'\t', resp, b'\t']);
    line.number(record.missed_bytes);
    line.tab();
}

fn write_history(line: &mut Line, out: &mut Vec<u8>, letters: &[u8]) {
    if letters.is_empty() {
        line.bytes(*b"-");
    } else {
        // May be longer than the line has room.
        line.move_to(out);
        out.extend_from_slice(letters);
    }
    line.tab();
}

fn write_parents(line: &mut Line, out: &mut Vec<u8>, parents: &[Uid]) {
    if parents.is_empty() {
        line.bytes(*b"-");
    }
    for (nth, parent) in parents.iter().enumerate() {
        if nth > 0 {
            line.bytes(*b",");
        }
        line.bytes(parent.text());
        line.move_to(out);
    }
    line.tab();
}

fn write_extra(line: &mut Line, record: &FlowRecord, extra: Extra) {
    let link = record.link.as_deref().copied().unwrap_or_default();
    if extra.vlan {
        for vlan in [link.vlan, link.inner_vlan] {
            line.tab();
            match vlan {
                Some(vlan) => line.number(u64::from(vlan)),
                None => line.bytes(*b"-"),
            }
        }
    }
    if extra.mac {
        for addr in [link.src, link.dst] {
            line.tab();
            match addr {
                Some(addr) => line.mac(addr),
                None => line.bytes(*b"-"),
            }
        }
    }
}

/// Zeek tells duration and bytes only where time passed.
fn duration_micros(record: &FlowRecord) -> Option<u64> {
    let duration = record.duration();
    (duration.as_nanos() > 0).then(|| duration.as_micros_rounded().unsigned_abs())
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
    #[serde(skip_serializing_if = "String::is_empty")]
    service: String,
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
    #[serde(
        skip_serializing_if = "<[Uid]>::is_empty",
        serialize_with = "each_as_text"
    )]
    tunnel_parents: &'a [Uid],
    ip_proto: u8,
    community_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_vlan: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orig_l2_addr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resp_l2_addr: Option<String>,
}

fn names(services: &[Service]) -> String {
    let names: Vec<_> = services.iter().map(|service| service.0).collect();
    names.join(",")
}

/// As the line of a table has it.
fn mac(addr: [u8; 6]) -> String {
    let (mut line, mut text) = (Line::new(), Vec::new());
    line.mac(addr);
    line.move_to(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn write_json(out: &mut Vec<u8>, row: &LogRow, extra: Extra) -> io::Result<()> {
    let record = &row.record;
    let (id, traffic) = (&record.id, &record.traffic);
    let (uid, community_id) = (record.uid.text(), community_id_text(id));
    let micros = duration_micros(record);
    let link = record.link.as_deref().copied().unwrap_or_default();
    let object = Row {
        ts: record.start.as_secs_f64(),
        uid: str::from_utf8(&uid).unwrap_or_default(),
        orig_h: id.orig.addr,
        orig_p: id.orig.port,
        resp_h: id.resp.addr,
        resp_p: id.resp.port,
        proto: id.proto.name(),
        service: names(record.services.as_slice()),
        duration: micros.map(|micros| micros as f64 / 1e6),
        orig_bytes: micros.map(|_| traffic.orig.bytes),
        resp_bytes: micros.map(|_| traffic.resp.bytes),
        conn_state: record.state.name(),
        local_orig: is_local(id.orig.addr),
        local_resp: is_local(id.resp.addr),
        missed_bytes: record.missed_bytes,
        history: str::from_utf8(record.history.letters()).unwrap_or_default(),
        orig_pkts: traffic.orig.packets,
        orig_ip_bytes: traffic.orig.ip_bytes,
        resp_pkts: traffic.resp.packets,
        resp_ip_bytes: traffic.resp.ip_bytes,
        tunnel_parents: &row.tunnel_parents,
        ip_proto: id.proto.0,
        community_id: str::from_utf8(&community_id).unwrap_or_default(),
        vlan: link.vlan.filter(|_| extra.vlan),
        inner_vlan: link.inner_vlan.filter(|_| extra.vlan),
        orig_l2_addr: link.src.filter(|_| extra.mac).map(mac),
        resp_l2_addr: link.dst.filter(|_| extra.mac).map(mac),
    };
    serde_json::to_writer(&mut *out, &object)?;
    out.push(b'\n');
    Ok(())
}
