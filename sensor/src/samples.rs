//! Findings for tests.

use std::sync::Arc;

use detectors::{
    BaselineEvidence, Confidence, Detection, Evidence, RuleInfo, Severity, Signal, SignalKind,
    StableId, Subject, Window,
};
use flow_table::{Timestamp, Uid};

pub(crate) fn signal(id: u128, src: &str) -> Signal {
    Signal {
        id: StableId(id),
        kind: SignalKind::PortScan,
        severity: Severity::Medium,
        subject: Subject {
            src: src.parse().ok(),
            dst: None,
            dst_port: None,
        },
        window: Window {
            start: Timestamp::new(1_700_000_000, 0),
            end: Timestamp::new(1_700_000_042, 123_456_789),
        },
        value: 25.0,
        threshold: 20.0,
        evidence: Evidence {
            measure: "25 distinct ports in 60s, limit 20".to_owned(),
            approximate: false,
            baseline: Some(BaselineEvidence {
                mean: 10.0,
                deviation: 3.5,
                windows: 0,
                prior: true,
                hour_of_week: None,
            }),
            numbers: vec![("hosts".into(), 1.0)],
            peers: vec!["10.9.9.9".parse().unwrap(), "fe80::1".parse().unwrap()],
            ports: vec![22, 445],
            uids: vec![Uid::from_bits(7), Uid::from_bits(8)],
            domain: None,
            names: Vec::new(),
            listed: None,
            outside: Vec::new(),
        },
        suppressed_by: None,
    }
}

/// Made of two signals with ids derived from its own.
pub(crate) fn detection(id: u128, src: &str) -> Detection {
    let signals = vec![signal(id * 100, src), signal(id * 100 + 1, src)];
    Detection {
        id: StableId(id << 64),
        rule: Arc::new(RuleInfo {
            id: "LM-001".to_owned(),
            detection_type: "LATERAL_MOVEMENT".to_owned(),
            confidence: Confidence::High,
            mitre: vec!["TA0008".to_owned(), "T1021".to_owned()],
            actions: vec!["Isolate the host.".to_owned()],
        }),
        severity: Severity::High,
        subject: Subject {
            src: src.parse().ok(),
            dst: None,
            dst_port: Some(445),
        },
        first: Timestamp::new(1_700_000_000, 0),
        last: Timestamp::new(1_700_000_042, 123_456_789),
        detected: Timestamp::new(1_700_000_030, 0),
        count: 1,
        signals,
        uids: vec![Uid::from_bits(7)],
        suppressed_by: None,
        summary: format!("{src} scanned, spiked and logged in."),
    }
}
