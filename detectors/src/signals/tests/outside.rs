//! What findings say of the addresses outside that they name.

use flow_table::ProtocolRow;
use flow_table::protocol::Record;
use flow_table::protocol::dns::Answer;

use crate::testing::{Flow, findings_of_both, question, tcp};
use crate::{Config, Finding, Signal, builtin_rules};

const SCANNER: &str = "203.0.113.9";

/// Somebody asks for a name and is told these addresses.
fn told(millis: i64, name: &str, addrs: &[&str]) -> ProtocolRow {
    let mut row = question(millis, "10.0.0.1", name, 1);
    if let Record::Dns(dns) = &mut row.record {
        let answer = |addr: &&str| Answer {
            text: addr.as_bytes().into(),
            ttl: 60,
        };
        dns.answers = addrs.iter().map(answer).collect();
    }
    row
}

/// A scan of hosts inside that is found once it has gone on for five seconds.
fn scan() -> Vec<Flow> {
    let flow = |host: u8| {
        let dst = format!("10.0.1.{host}");
        tcp(100 * i64::from(host), SCANNER, &dst, 22).unanswered()
    };
    (1..=60).map(flow).collect()
}

/// Of each address outside the names that are said of it.
fn outside(signal: &Signal) -> Vec<(String, Vec<String>)> {
    let named = |names: &[std::sync::Arc<str>]| names.iter().map(ToString::to_string).collect();
    let outside = signal.evidence.outside.iter();
    outside
        .map(|at| (at.ip.to_string(), named(&at.names)))
        .collect()
}

/// What, the rows, and the names that are told when the signal opens and when it closes.
type Case<'a> = (&'a str, &'a [ProtocolRow], &'a [&'a str], &'a [&'a str]);

fn check(name: &str, rows: &[ProtocolRow], opened: &[&str], closed: &[&str]) {
    let found = findings_of_both(&Config::default(), builtin_rules(), &scan(), rows);
    let want = |names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        vec![(SCANNER.to_owned(), names)]
    };
    let mut seen = [0; 3];
    for finding in &found {
        match finding {
            Finding::SignalOpened(signal) => {
                assert_eq!(outside(signal), want(opened), "{name}: opened");
                seen[0] += 1;
            }
            Finding::DetectionMade(made) => {
                for signal in &made.signals {
                    assert_eq!(outside(signal), want(opened), "{name}: made");
                }
                seen[1] += 1;
            }
            Finding::SignalClosed(signal) => {
                assert_eq!(outside(signal), want(closed), "{name}: closed");
                seen[2] += 1;
            }
            _ => {}
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "{name}: {seen:?}");
}

#[test]
fn names_that_led_to_an_address_are_told_as_of_then() {
    let many: Vec<ProtocolRow> = (0..7)
        .map(|number| told(number, &format!("n{number}.example"), &[SCANNER]))
        .collect();
    let latest = [
        "n2.example",
        "n3.example",
        "n4.example",
        "n5.example",
        "n6.example",
    ];
    let two = ["a.example", "b.example"];
    let cases: [Case<'_>; 5] = [
        ("nobody asked", &[], &[], &[]),
        (
            "of another",
            &[told(0, "a.example", &["203.0.113.8"])],
            &[],
            &[],
        ),
        (
            "before and after",
            &[
                told(0, "a.example", &["10.0.0.9", SCANNER]),
                told(20_000, "b.example", &[SCANNER]),
            ],
            &two[..1],
            &two,
        ),
        (
            "twice",
            &[
                told(0, "a.example", &[SCANNER]),
                told(9, "a.example", &[SCANNER]),
            ],
            &two[..1],
            &two[..1],
        ),
        ("too many", &many, &latest, &latest),
    ];
    for (name, rows, opened, closed) in cases {
        check(name, rows, opened, closed);
    }
}
