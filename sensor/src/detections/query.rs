//! Reads detections and signals from the database.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{anyhow, bail};
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cli::PickArgs;

/// A row of `detections`, with the ids that belong to it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Found {
    pub(super) detection_id: String,
    pub(super) rule_id: String,
    pub(super) detection_type: String,
    pub(super) severity: String,
    pub(super) confidence: String,
    pub(super) src_ip: Option<String>,
    pub(super) dst_ip: Option<String>,
    pub(super) dst_port: Option<u16>,
    pub(super) first_ts: f64,
    pub(super) last_ts: f64,
    /// The two as text, UTC.
    pub(super) first_time: String,
    pub(super) last_time: String,
    pub(super) count: i64,
    pub(super) signal_count: i64,
    pub(super) status: String,
    pub(super) suppressed_by: Option<String>,
    pub(super) mitre: Vec<String>,
    pub(super) actions: Vec<String>,
    pub(super) summary: String,
    pub(super) signals: Vec<String>,
    pub(super) uids: Vec<String>,
    /// The addresses outside that its signals name, each once, in their order.
    pub(super) outside: Vec<Outside>,
}

/// An address outside, and what is known of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Outside {
    pub(super) ip: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asn: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) as_org: Option<String>,
}

impl Outside {
    /// `203.0.113.9 gate.example DE AS64500 Example Hosting`.
    pub(super) fn line(&self) -> String {
        let mut words = vec![self.ip.clone()];
        words.extend(self.names.iter().cloned());
        words.extend(self.country.clone());
        words.extend(self.asn.map(|number| format!("AS{number}")));
        words.extend(self.as_org.clone());
        words.join(" ")
    }
}

/// A signal of a detection.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct FoundSignal {
    pub(super) signal_id: String,
    pub(super) signal_type: String,
    pub(super) severity: String,
    pub(super) src_ip: Option<String>,
    pub(super) dst_ip: Option<String>,
    pub(super) dst_port: Option<u16>,
    pub(super) start_time: String,
    pub(super) end_time: String,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) evidence_json: String,
    pub(super) suppressed_by: Option<String>,
}

const COLUMNS: &str = "detection_id, rule_id, detection_type, severity, confidence, src_ip, \
    dst_ip, dst_port, first_ts, last_ts, first_time, last_time, count, signal_count, status, \
    suppressed_by, mitre_json, actions_json, summary, \
    (SELECT json_group_array(signal_id) FROM detection_signals ds \
     WHERE ds.detection_id = v.detection_id) AS signals_json, \
    (SELECT json_group_array(uid) FROM v_detection_flows f \
     WHERE f.detection_id = v.detection_id) AS uids_json, \
    (SELECT json_group_array(json(o.value)) FROM detection_signals ds JOIN signals s \
     USING (signal_id), json_each(s.evidence_json, '$.outside') o \
     WHERE ds.detection_id = v.detection_id) AS outside_json";

/// Those asked for, in order of time.
pub(super) fn pick(connection: &Connection, pick: &PickArgs) -> rusqlite::Result<Vec<Found>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM v_detections v \
         WHERE severity_rank >= ?1 AND (?2 IS NULL OR rule_id = ?2 COLLATE NOCASE) \
         AND (?3 IS NULL OR src_ip = ?3 OR dst_ip = ?3) AND (?4 OR suppressed_by IS NULL) \
         ORDER BY first_ts, detection_id"
    );
    let least = pick.severity.map_or(0, |severity| severity as u8 + 1);
    let host = pick.host.map(|host| host.to_string());
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(params![least, pick.rule, host, pick.all], read_found)?;
    found.collect()
}

/// The one whose id begins so.
pub(super) fn by_prefix(connection: &Connection, prefix: &str) -> anyhow::Result<Found> {
    const MOST: u8 = 10;
    let sql = format!(
        "SELECT {COLUMNS} FROM v_detections v \
         WHERE substr(detection_id, 1, length(?1)) = lower(?1) ORDER BY detection_id LIMIT ?2"
    );
    let mut statement = connection.prepare(&sql)?;
    let found = statement.query_map(params![prefix, MOST + 1], read_found)?;
    let mut found: Vec<Found> = found.collect::<Result<_, _>>()?;
    match u8::try_from(found.len()).unwrap_or(u8::MAX) {
        0 => bail!("there is no detection whose id begins with {prefix:?}"),
        1 => found.pop().ok_or_else(|| anyhow!("no detection")),
        several => {
            let more = if several > MOST { "\n  and more" } else { "" };
            let ids = found
                .iter()
                .take(MOST.into())
                .map(|found| format!("\n  {}", found.detection_id));
            bail!(
                "{prefix:?} is the beginning of several ids:{}{more}",
                ids.collect::<String>()
            )
        }
    }
}

/// Its signals, in order of time.
pub(super) fn signals(
    connection: &Connection,
    found: &Found,
) -> rusqlite::Result<Vec<FoundSignal>> {
    let mut statement = connection.prepare(
        "SELECT signal_id, signal_type, signal_severity, src_ip, dst_ip, dst_port, start_time, \
         end_time, value, threshold, evidence_json, suppressed_by FROM v_detection_signals \
         WHERE detection_id = ?1",
    )?;
    let signals = statement.query_map([&found.detection_id], |row| {
        Ok(FoundSignal {
            signal_id: row.get("signal_id")?,
            signal_type: row.get("signal_type")?,
            severity: row.get("signal_severity")?,
            src_ip: row.get("src_ip")?,
            dst_ip: row.get("dst_ip")?,
            dst_port: row.get("dst_port")?,
            start_time: row.get("start_time")?,
            end_time: row.get("end_time")?,
            value: row.get("value")?,
            threshold: row.get("threshold")?,
            evidence_json: row.get("evidence_json")?,
            suppressed_by: row.get("suppressed_by")?,
        })
    })?;
    signals.collect()
}

fn read_found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        detection_id: row.get("detection_id")?,
        rule_id: row.get("rule_id")?,
        detection_type: row.get("detection_type")?,
        severity: row.get("severity")?,
        confidence: row.get("confidence")?,
        src_ip: row.get("src_ip")?,
        dst_ip: row.get("dst_ip")?,
        dst_port: row.get("dst_port")?,
        first_ts: row.get("first_ts")?,
        last_ts: row.get("last_ts")?,
        first_time: row.get("first_time")?,
        last_time: row.get("last_time")?,
        count: row.get("count")?,
        signal_count: row.get("signal_count")?,
        status: row.get("status")?,
        suppressed_by: row.get("suppressed_by")?,
        mitre: list(row, "mitre_json")?,
        actions: list(row, "actions_json")?,
        summary: row.get("summary")?,
        signals: list(row, "signals_json")?,
        uids: list(row, "uids_json")?,
        outside: each_once(list(row, "outside_json")?),
    })
}

fn each_once(outside: Vec<Outside>) -> Vec<Outside> {
    let by_addr: BTreeMap<Option<IpAddr>, Outside> = { outside.into_iter() }
        .map(|outside| (outside.ip.parse().ok(), outside))
        .collect();
    by_addr.into_values().collect()
}

fn list<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<T>> {
    let json: String = row.get(column)?;
    serde_json::from_str(&json).map_err(|error| {
        let at = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error.into())
    })
}

/// `10.0.0.5:445`, `[fe80::1]:445`, `port 445`, `-`.
pub(super) fn endpoint(addr: Option<&str>, port: Option<u16>) -> String {
    match (addr, port) {
        (Some(addr), Some(port)) if addr.contains(':') => format!("[{addr}]:{port}"),
        (Some(addr), Some(port)) => format!("{addr}:{port}"),
        (Some(addr), None) => addr.to_owned(),
        (None, Some(port)) => format!("port {port}"),
        (None, None) => "-".to_owned(),
    }
}
