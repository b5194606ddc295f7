//! A detection as it comes back from the database, for tests.

use super::query::{Found, Outside};

/// What [`crate::samples::detection`] of 1 and 10.0.0.1 becomes, where its signals name an address outside.
pub(super) fn found() -> Found {
    Found {
        detection_id: "00000000000000010000000000000000".to_owned(),
        rule_id: "LM-001".to_owned(),
        detection_type: "LATERAL_MOVEMENT".to_owned(),
        severity: "high".to_owned(),
        confidence: "high".to_owned(),
        src_ip: Some("10.0.0.1".to_owned()),
        dst_ip: None,
        dst_port: Some(445),
        first_ts: 1_700_000_000.0,
        last_ts: 1_700_000_042.123_457,
        first_time: "2023-11-14 22:13:20".to_owned(),
        last_time: "2023-11-14 22:14:02".to_owned(),
        count: 1,
        signal_count: 2,
        status: "open".to_owned(),
        suppressed_by: None,
        mitre: vec!["TA0008".to_owned(), "T1021".to_owned()],
        actions: vec!["Isolate the host.".to_owned()],
        summary: "10.0.0.1 scanned, spiked and logged in.".to_owned(),
        signals: vec![
            "00000000000000000000000000000064".to_owned(),
            "00000000000000000000000000000065".to_owned(),
        ],
        uids: vec![
            "C00000000000000007".to_owned(),
            "C00000000000000008".to_owned(),
        ],
        outside: vec![Outside {
            ip: "203.0.113.9".to_owned(),
            names: vec!["gate.example".to_owned()],
            asn: Some(64_500),
            ..Outside::default()
        }],
    }
}
