//! THREAT_LIST_MATCH, and what is more severe as it is about somebody on a list.

use std::sync::Arc;

use flow_table::ProtocolRow;
use flow_table::protocol::Record;
use flow_table::protocol::tls::SslRecord;

use super::Severity::{Critical, High, Medium};
use crate::testing::{Flow, at, events, question, row, tcp};
use crate::{
    Config, Detection, Detectors, Finding, Indicator, Signal, SignalKind, ThreatLists, Threats,
    builtin_rules,
};

const JA3: &str = "e7d705a3286e19ea42f587b344ee6865";

fn known() -> Arc<Threats> {
    let mut lists = ThreatLists::default();
    let indicators = ["203.0.113.0/24", "2001:db8:66::/48", "evil.example", JA3];
    lists.add(
        "bad.txt",
        indicators.into_iter().filter_map(Indicator::parse),
    );
    Arc::new(Threats::with(&Config::default(), &lists))
}

fn play(flows: &[Flow], rows: &[ProtocolRow]) -> Vec<Finding> {
    let mut detectors = Detectors::with_threats(&Config::default(), builtin_rules(), known());
    for row in rows {
        detectors.put_row(row);
    }
    for event in events(flows) {
        detectors.put(&event);
    }
    detectors.finish();
    detectors.drain().collect()
}

fn matches(flows: &[Flow], rows: &[ProtocolRow]) -> Vec<Signal> {
    let found = play(flows, rows).into_iter();
    found
        .filter_map(|finding| match finding {
            Finding::SignalClosed(signal) if signal.kind == SignalKind::ThreatListMatch => {
                Some(signal)
            }
            _ => None,
        })
        .collect()
}

fn hello(name: Option<&str>, ja3: Option<&str>) -> ProtocolRow {
    let ssl = SslRecord {
        ts: at(0),
        version: None,
        cipher: None,
        curve: None,
        server_name: name.map(|name| name.as_bytes().into()),
        resumed: false,
        last_alert: None,
        next_protocol: None,
        established: false,
        ssl_history: String::new(),
        cert_chain_fps: None,
        client_cert_chain_fps: None,
        sni_matches_cert: None,
        ja3: ja3.map(str::to_owned),
        ja3s: None,
        ja4: None,
    };
    row(
        0,
        ("10.0.0.1", "198.51.100.7", 443),
        Record::Ssl(Box::new(ssl)),
    )
}

/// What of these flows and rows is on a list, by name.
fn check(name: &str, flows: &[Flow], rows: &[ProtocolRow], want: &[&str]) {
    let found = matches(flows, rows);
    let names: Vec<&str> = { found.iter() }
        .flat_map(|signal| signal.evidence.names.iter().map(|name| &**name))
        .collect();
    assert_eq!(names, want, "{name}");
    assert!(found.iter().all(|signal| signal.severity == High), "{name}");
}

#[test]
fn threat_list_match_of_flows() {
    let (inside, outside) = ("10.0.0.1", "198.51.100.7");
    let (bad, bad_v6) = (["203.0.113.9 (bad.txt)"], ["2001:db8:66::9 (bad.txt)"]);
    let cases: [(&str, Flow, &[&str]); 7] = [
        ("to an address", tcp(0, inside, "203.0.113.9", 80), &bad),
        ("from one", tcp(0, "203.0.113.9", inside, 22), &bad),
        ("UDP", tcp(0, inside, "203.0.113.9", 80).udp(), &bad),
        ("IPv6", tcp(0, "fd00::1", "2001:db8:66::9", 80), &bad_v6),
        (
            "midstream",
            tcp(0, inside, "203.0.113.9", 80).midstream(),
            &[],
        ),
        ("to another", tcp(0, inside, "203.0.114.9", 80), &[]),
        ("outside", tcp(0, outside, "203.0.113.9", 80), &bad),
    ];
    for (name, flow, want) in cases {
        check(name, &[flow], &[], want);
    }
}

#[test]
fn threat_list_match_of_rows() {
    let inside = "10.0.0.1";
    let fingerprint = format!("{JA3} (bad.txt)");
    let cases: [(&str, ProtocolRow, &[&str]); 5] = [
        (
            "asked for",
            question(0, inside, "a.evil.example", 1),
            &["a.evil.example (bad.txt)"],
        ),
        (
            "another name",
            question(0, inside, "notevil.example", 1),
            &[],
        ),
        (
            "server's name",
            hello(Some("Evil.example"), None),
            &["evil.example (bad.txt)"],
        ),
        (
            "fingerprint",
            hello(Some("good.example"), Some(JA3)),
            &[&fingerprint],
        ),
        ("another fingerprint", hello(None, Some("0123")), &[]),
    ];
    for (name, row, want) in cases {
        check(name, &[], &[row], want);
    }
}

#[test]
fn a_match_is_told_once_however_often_it_is_seen() {
    let again: Vec<Flow> = (0..3)
        .map(|n| tcp(n * 1_000, "10.0.0.1", "203.0.113.9", 80))
        .collect();
    let found = matches(&again, &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].evidence.measure,
        "dealt 3 times with what threat lists name: 203.0.113.9 (bad.txt), in 10min"
    );
}

#[test]
fn what_is_about_somebody_on_a_list_is_more_severe() {
    // Six beats are high; about somebody on a list, critical.
    let beacon = |dst: &str| -> Vec<Flow> {
        (0..6)
            .map(|n| tcp(n * 20_000, "10.0.0.1", dst, 443))
            .collect()
    };
    let severity = |dst: &str| {
        let found = play(&beacon(dst), &[]);
        let beacons = found.into_iter().filter_map(|finding| match finding {
            Finding::SignalClosed(signal) if signal.kind == SignalKind::PeriodicBeacon => {
                Some(signal)
            }
            _ => None,
        });
        let beacon = beacons.last().unwrap();
        (
            beacon.severity,
            beacon.evidence.listed.as_deref().map(str::to_owned),
        )
    };
    assert_eq!(severity("198.51.100.7"), (High, None));
    assert_eq!(
        severity("203.0.113.9"),
        (Critical, Some("bad.txt".to_owned()))
    );

    let sweep = |src: &str| -> Vec<Flow> {
        (0..60)
            .map(|n| tcp(n, src, &format!("10.0.8.{n}"), 80).unanswered())
            .collect()
    };
    let made = |src: &str| -> Vec<Detection> {
        let found = play(&sweep(src), &[]).into_iter();
        found
            .filter_map(|finding| match finding {
                Finding::DetectionMade(made) => Some(made),
                _ => None,
            })
            .collect()
    };
    let severities = |src: &str| {
        made(src)
            .iter()
            .map(|made| made.severity)
            .collect::<Vec<_>>()
    };
    assert_eq!(severities("198.51.100.7"), [Medium]);
    assert_eq!(severities("203.0.113.9"), [High]);
}

#[test]
fn what_matched_is_known_after_a_restart() {
    let make = || Detectors::with_threats(&Config::default(), builtin_rules(), known());
    let mut before = make();
    for event in events(&[tcp(0, "10.0.0.1", "203.0.113.9", 80)]) {
        before.put(&event);
    }
    let mut after = make().informed(&before.snapshot()).unwrap();
    for detectors in [&before, &after] {
        let counters = detectors.counters().signals;
        let matches = { counters.iter() }.find(|it| it.kind == SignalKind::ThreatListMatch);
        assert_eq!(matches.unwrap().subjects, 1);
    }
    after.finish();
    let closed = after.drain().any(|finding| {
        matches!(finding, Finding::SignalClosed(signal) if signal.evidence.listed.is_some())
    });
    assert!(closed, "it was open, and by which list is known");
}

#[test]
fn lists_can_be_replaced_on_the_way() {
    let none = Arc::new(Threats::with(&Config::default(), &ThreatLists::default()));
    let (inside, bad) = ("10.0.0.1", "203.0.113.9");
    let minute = |minutes: i64| minutes * 60_000;
    // A scan goes on all the while: what is known of it stays.
    let scan = (0..40).map(|port| {
        tcp(
            minute(1) - 10_000 + 1_000 * i64::from(port),
            inside,
            "10.0.0.2",
            100 + port,
        )
    });
    let call = |millis| tcp(millis, inside, bad, 80);
    let flows: Vec<Flow> = scan
        .chain([0, 60, 120].map(|minutes| call(minute(minutes))))
        .collect();
    let asked = [0, 61, 121].map(|minutes| question(minute(minutes), inside, "evil.example", 1));
    let mut detectors =
        Detectors::with_threats(&Config::default(), builtin_rules(), Arc::clone(&none));
    let mut replacements = [(minute(1), known()), (minute(90), none)]
        .into_iter()
        .peekable();
    let mut rows = asked.iter().peekable();
    for event in events(&flows) {
        while let Some(row) = rows.next_if(|row| row.time <= event.time) {
            detectors.put_row(row);
        }
        while let Some((_, threats)) = replacements.next_if(|(millis, _)| at(*millis) <= event.time)
        {
            detectors.replace_threats(&threats);
        }
        detectors.put(&event);
    }
    rows.for_each(|row| detectors.put_row(row));
    detectors.finish();
    let opened = |kind| {
        let opened = move |finding: &Finding| match finding {
            Finding::SignalOpened(signal) if signal.kind == kind => Some(signal.window.end),
            _ => None,
        };
        move |found: &[Finding]| found.iter().filter_map(opened).collect::<Vec<_>>()
    };
    let found: Vec<Finding> = detectors.drain().collect();
    let matched = opened(SignalKind::ThreatListMatch)(&found);
    assert_eq!(matched, [at(minute(60)), at(minute(61) + 1)]);
    assert_eq!(opened(SignalKind::PortScan)(&found), [at(70_000)]);
}
