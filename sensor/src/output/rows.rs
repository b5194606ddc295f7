//! Findings as records: the names in JSON lines are those of the database's columns.

use std::collections::BTreeMap;
use std::net::IpAddr;

use detectors::{Detection, Evidence, Finding, Outside, Signal, StableId};
use flow_table::{Timestamp, Uid};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A detection is `open` until a person says otherwise in the database, where it then stays so.
pub(super) const STATUS_NEW: &str = "open";

/// A finding as a line of JSON.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Row<'a> {
    Signal(SignalRow<'a>),
    Detection(DetectionRow<'a>),
}

#[derive(Serialize)]
pub(super) struct SignalRow<'a> {
    event: &'static str,
    signal_id: IdText,
    signal_type: &'static str,
    severity: &'static str,
    src_ip: Option<IpAddr>,
    dst_ip: Option<IpAddr>,
    dst_port: Option<u16>,
    window_start: Epoch,
    window_end: Epoch,
    value: f64,
    threshold: f64,
    evidence: &'a Evidence,
    suppressed_by: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct DetectionRow<'a> {
    event: &'static str,
    detection_id: IdText,
    rule_id: &'a str,
    detection_type: &'a str,
    severity: &'static str,
    confidence: &'static str,
    src_ip: Option<IpAddr>,
    dst_ip: Option<IpAddr>,
    dst_port: Option<u16>,
    first_ts: Epoch,
    last_ts: Epoch,
    count: u64,
    signal_count: usize,
    status: &'static str,
    suppressed_by: Option<&'a str>,
    mitre: &'a [String],
    actions: &'a [String],
    summary: &'a str,
    signals: Vec<IdText>,
    #[serde(serialize_with = "each_as_text")]
    uids: &'a [Uid],
    /// The addresses outside that its signals name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outside: Vec<&'a Outside>,
}

/// A stable id as it is printed.
pub(super) struct IdText([u8; 32]);

impl IdText {
    pub(super) fn of(id: StableId) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or_default();
        let mut text = [0; 32];
        for (place, byte) in text.as_chunks_mut().0.iter_mut().zip(id.0.to_be_bytes()) {
            *place = [digit(byte >> 4), digit(byte & 15)];
        }
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Serialize for IdText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Uids as a list of texts.
pub(super) fn each_as_text<S: Serializer>(uids: &[Uid], serializer: S) -> Result<S::Ok, S::Error> {
    struct Text(Uid);
    impl Serialize for Text {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&self.0)
        }
    }
    serializer.collect_seq(uids.iter().map(|uid| Text(*uid)))
}

/// Seconds since the epoch as a JSON number with six decimals, like `ts` in the logs.
struct Epoch(Timestamp);

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'a> From<&'a Finding> for Row<'a> {
    fn from(finding: &'a Finding) -> Self {
        match finding {
            Finding::SignalOpened(signal) => Self::Signal(SignalRow::new("opened", signal)),
            Finding::SignalRaised(signal) => Self::Signal(SignalRow::new("raised", signal)),
            Finding::SignalClosed(signal) => Self::Signal(SignalRow::new("closed", signal)),
            Finding::DetectionMade(made) => Self::Detection(DetectionRow::new("made", made)),
            Finding::DetectionUpdated(made) => Self::Detection(DetectionRow::new("updated", made)),
        }
    }
}

impl<'a> SignalRow<'a> {
    fn new(event: &'static str, signal: &'a Signal) -> Self {
        Self {
            event,
            signal_id: IdText::of(signal.id),
            signal_type: signal.kind.name(),
            severity: signal.severity.name(),
            src_ip: signal.subject.src,
            dst_ip: signal.subject.dst,
            dst_port: signal.subject.dst_port,
            window_start: Epoch(signal.window.start),
            window_end: Epoch(signal.window.end),
            value: signal.value,
            threshold: signal.threshold,
            evidence: &signal.evidence,
            suppressed_by: signal.suppressed_by.as_deref(),
        }
    }
}

impl<'a> DetectionRow<'a> {
    fn new(event: &'static str, made: &'a Detection) -> Self {
        Self {
            event,
            detection_id: IdText::of(made.id),
            rule_id: &made.rule.id,
            detection_type: &made.rule.detection_type,
            severity: made.severity.name(),
            confidence: made.rule.confidence.name(),
            src_ip: made.subject.src,
            dst_ip: made.subject.dst,
            dst_port: made.subject.dst_port,
            first_ts: Epoch(made.first),
            last_ts: Epoch(made.last),
            count: made.count,
            signal_count: made.signals.len(),
            status: STATUS_NEW,
            suppressed_by: made.suppressed_by.as_deref(),
            mitre: &made.rule.mitre,
            actions: &made.rule.actions,
            summary: &made.summary,
            signals: made
                .signals
                .iter()
                .map(|signal| IdText::of(signal.id))
                .collect(),
            uids: &made.uids,
            outside: outside(made),
        }
    }
}

/// Each once, in their order.
fn outside(made: &Detection) -> Vec<&Outside> {
    let signals = made.signals.iter();
    let named = signals.flat_map(|signal| &signal.evidence.outside);
    let by_addr: BTreeMap<IpAddr, &Outside> = named.map(|at| (at.ip, at)).collect();
    by_addr.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_print() {
        for id in [0, 1, 0xff << 64, 0x0123_4567_89ab_cdef << 60, u128::MAX].map(StableId) {
            assert_eq!(IdText::of(id).as_str(), id.to_string());
        }
    }
}
