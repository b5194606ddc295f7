//! Detections for other programs.

use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::query::Found;
use crate::cli::ExportFormat;

/// The names of the database's columns and of `--json`.
#[derive(Serialize)]
struct Exported<'a, Time, List, Places> {
    detection_id: &'a str,
    rule_id: &'a str,
    detection_type: &'a str,
    severity: &'a str,
    confidence: &'a str,
    src_ip: Option<&'a str>,
    dst_ip: Option<&'a str>,
    dst_port: Option<u16>,
    first_ts: Time,
    last_ts: Time,
    count: i64,
    signal_count: i64,
    status: &'a str,
    suppressed_by: Option<&'a str>,
    mitre: List,
    actions: List,
    summary: &'a str,
    signals: List,
    uids: List,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<Places>,
}

/// Writes them: JSON an object on each line, CSV as in RFC 4180.
pub(super) fn export(
    out: &mut dyn Write,
    format: ExportFormat,
    found: &[Found],
) -> anyhow::Result<()> {
    match format {
        ExportFormat::Json => write_json(out, found),
        ExportFormat::Csv => write_csv(out, found),
    }
}

fn write_json(out: &mut dyn Write, found: &[Found]) -> anyhow::Result<()> {
    for found in found {
        let time = |seconds: f64| RawValue::from_string(epoch(seconds));
        let times = (time(found.first_ts)?, time(found.last_ts)?);
        let outside = Some(&found.outside).filter(|outside| !outside.is_empty());
        let line = serde_json::to_string(&exported(found, times, Vec::as_slice, outside))?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn write_csv(out: &mut dyn Write, found: &[Found]) -> anyhow::Result<()> {
    let mut csv = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .has_headers(false)
        .from_writer(out);
    csv.write_record(CSV_HEADER).map_err(as_io)?;
    for found in found {
        let times = (epoch(found.first_ts), epoch(found.last_ts));
        let outside: Vec<&str> = { found.outside.iter() }
            .map(|outside| outside.ip.as_str())
            .collect();
        let outside = Some(outside.join(" "));
        csv.serialize(exported(found, times, |list| list.join(" "), outside))
            .map_err(as_io)?;
    }
    Ok(csv.flush()?)
}

/// The header stands also where there is no row; the order is that of [`Exported`].
const CSV_HEADER: [&str; 20] = [
    "detection_id",
    "rule_id",
    "detection_type",
    "severity",
    "confidence",
    "src_ip",
    "dst_ip",
    "dst_port",
    "first_ts",
    "last_ts",
    "count",
    "signal_count",
    "status",
    "suppressed_by",
    "mitre",
    "actions",
    "summary",
    "signals",
    "uids",
    "outside",
];

/// So that a closed pipe is known for what it is.
fn as_io(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("{other:?}"),
    }
}

/// Six decimals, as in every output.
fn epoch(seconds: f64) -> String {
    format!("{seconds:.6}")
}

fn exported<'a, Time, List, Places>(
    found: &'a Found,
    (first_ts, last_ts): (Time, Time),
    list: impl Fn(&'a Vec<String>) -> List,
    outside: Option<Places>,
) -> Exported<'a, Time, List, Places> {
    Exported {
        detection_id: &found.detection_id,
        rule_id: &found.rule_id,
        detection_type: &found.detection_type,
        severity: &found.severity,
        confidence: &found.confidence,
        src_ip: found.src_ip.as_deref(),
        dst_ip: found.dst_ip.as_deref(),
        dst_port: found.dst_port,
        first_ts,
        last_ts,
        count: found.count,
        signal_count: found.signal_count,
        status: &found.status,
        suppressed_by: found.suppressed_by.as_deref(),
        mitre: list(&found.mitre),
        actions: list(&found.actions),
        summary: &found.summary,
        signals: list(&found.signals),
        uids: list(&found.uids),
        outside,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::found;
    use super::*;

    fn exported_text(format: ExportFormat, found: &[Found]) -> String {
        let mut out = Vec::new();
        export(&mut out, format, found).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_a_line_each() {
        let text = exported_text(ExportFormat::Json, &[found(), found()]);
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.contains(r#""first_ts":1700000000.000000,"last_ts":1700000042.123457,"#),
            "{text}"
        );
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let names: Vec<&String> = line.as_object().unwrap().keys().collect();
        let mut header = CSV_HEADER;
        header.sort_unstable();
        assert_eq!(names, header);
        assert_eq!(line["mitre"], serde_json::json!(["TA0008", "T1021"]));
        let gate =
            serde_json::json!({"ip": "203.0.113.9", "names": ["gate.example"], "asn": 64_500});
        assert_eq!(line["outside"], serde_json::json!([gate]));
        let inside = Found {
            outside: Vec::new(),
            ..found()
        };
        let text = exported_text(ExportFormat::Json, &[inside]);
        assert!(!text.contains("outside"), "{text}");
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let mut hostile = found();
        hostile.summary = "a \"b\", c\nd".to_owned();
        let text = exported_text(ExportFormat::Csv, &[hostile]);
        let (header, row) = text.split_once("\r\n").unwrap();
        assert_eq!(header, CSV_HEADER.join(","));
        assert!(row.contains(",\"a \"\"b\"\", c\nd\","), "{row}");
        assert!(
            row.starts_with("00000000000000010000000000000000,LM-001,"),
            "{row}"
        );
        assert!(row.ends_with(",203.0.113.9\r\n"), "{row}");
        assert_eq!(exported_text(ExportFormat::Csv, &[]).lines().count(), 1);
        let read = csv::Reader::from_reader(text.as_bytes())
            .records()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(read.len(), CSV_HEADER.len());
    }
}
