//! Everything about one detection.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use super::query::{Found, FoundSignal, Outside, endpoint};
use crate::text::printable;

/// What is read back of a signal's evidence; a field may be absent.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Evidence {
    measure: String,
    approximate: bool,
    baseline: Option<Baseline>,
    numbers: Vec<(String, Value)>,
    peers: Vec<String>,
    ports: Vec<u16>,
    uids: Vec<String>,
    outside: Vec<Outside>,
}

#[derive(Deserialize)]
struct Baseline {
    mean: Value,
    deviation: Value,
    windows: u64,
    prior: bool,
    #[serde(default)]
    hour_of_week: Option<u8>,
}

pub(super) fn show(out: &mut dyn Write, found: &Found, signals: &[FoundSignal]) -> io::Result<()> {
    writeln!(out, "{}", printable(&found.summary))?;
    writeln!(out)?;
    write_facts(out, found)?;
    writeln!(out)?;
    writeln!(out, "signals")?;
    signals
        .iter()
        .try_for_each(|signal| write_signal(out, signal))?;
    write_list(out, "flows, to look up in conn.log", &found.uids)?;
    write_list(out, "recommended", &found.actions)
}

fn write_facts(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let mut fact = |name: &str, value: &str| writeln!(out, "{name:<12} {}", printable(value));
    fact("id", &found.detection_id)?;
    fact(
        "rule",
        &format!("{} {}", found.rule_id, found.detection_type),
    )?;
    fact(
        "severity",
        &format!("{}, confidence {}", found.severity, found.confidence),
    )?;
    fact("source", found.src_ip.as_deref().unwrap_or("-"))?;
    fact(
        "destination",
        &endpoint(found.dst_ip.as_deref(), found.dst_port),
    )?;
    fact("first", &format!("{} UTC", found.first_time))?;
    fact("last", &format!("{} UTC", found.last_time))?;
    fact("count", &found.count.to_string())?;
    fact("status", &found.status)?;
    if let Some(by) = &found.suppressed_by {
        fact("suppressed", &format!("by {by}"))?;
    }
    fact("ATT&CK", &found.mitre.join(" "))
}

fn write_signal(out: &mut dyn Write, signal: &FoundSignal) -> io::Result<()> {
    let FoundSignal {
        signal_type,
        severity,
        start_time,
        end_time,
        ..
    } = signal;
    writeln!(
        out,
        "  {signal_type}  {severity}  {start_time} to {end_time} UTC"
    )?;
    let mut fact = |name: &str, value: &str| {
        if value.is_empty() {
            return Ok(());
        }
        writeln!(out, "    {name:<12} {}", printable(value))
    };
    fact("id", &signal.signal_id)?;
    fact("source", signal.src_ip.as_deref().unwrap_or_default())?;
    if signal.dst_ip.is_some() || signal.dst_port.is_some() {
        fact(
            "destination",
            &endpoint(signal.dst_ip.as_deref(), signal.dst_port),
        )?;
    }
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
    fact(
        "value",
        &format!(
            "{}, limit {}",
            number(signal.value),
            number(signal.threshold)
        ),
    )?;
    if let Some(by) = &signal.suppressed_by {
        fact("suppressed", &format!("by {by}"))?;
    }
    match serde_json::from_str::<Evidence>(&signal.evidence_json) {
        Ok(evidence) => write_evidence(&mut fact, &evidence),
        // Written by another version.
        Err(_) => fact("evidence", &signal.evidence_json),
    }
}

fn write_evidence(
    fact: &mut impl FnMut(&str, &str) -> io::Result<()>,
    evidence: &Evidence,
) -> io::Result<()> {
    fact("measure", &evidence.measure)?;
    if evidence.approximate {
        fact("", "the value is an estimate: a cap was reached")?;
    }
    if let Some(Baseline {
        mean,
        deviation,
        windows,
        prior,
        hour_of_week,
    }) = &evidence.baseline
    {
        let from = match (prior, hour_of_week) {
            (true, _) => "the configured prior".to_owned(),
            (false, None) => format!("learnt from {windows} windows"),
            (false, Some(hour)) => {
                format!("learnt from {windows} windows in hour {hour} of the week")
            }
        };
        fact(
            "baseline",
            &format!("mean {mean}, deviation {deviation}, {from}"),
        )?;
    }
    evidence
        .numbers
        .iter()
        .try_for_each(|(name, value)| fact(name, &value.to_string()))?;
    fact("peers", &evidence.peers.join(" "))?;
    let ports: Vec<String> = evidence.ports.iter().map(ToString::to_string).collect();
    fact("ports", &ports.join(" "))?;
    let mut outside = evidence.outside.iter();
    outside.try_for_each(|outside| fact("outside", &outside.line()))?;
    fact("flows", &evidence.uids.join(" "))
}

fn write_list(out: &mut dyn Write, title: &str, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    lines
        .iter()
        .try_for_each(|line| writeln!(out, "  {}", printable(line)))
}
