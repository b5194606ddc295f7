//! The signals of echoes that carry something, and of services on ports that are not theirs.

use flow_table::protocol::echo::Echoes;
use flow_table::protocol::{Record, Service};
use flow_table::{PerSide, ProtocolRow};

use super::Severity::{self, Medium};
use super::compare;
use crate::testing::{at, row, signals_of_rows};
use crate::{Config, SignalKind};

type Case = (&'static str, Vec<ProtocolRow>, &'static [Severity]);

#[track_caller]
fn check(kind: SignalKind, cases: Vec<Case>) {
    let found = |(name, rows, want): Case| {
        let found = signals_of_rows(&Config::default(), kind, &rows);
        (name, found, want)
    };
    compare(kind, cases.into_iter().map(found));
}

/// So many rows, `gap` apart, of four messages each way.
fn echoes(src: &str, dst: &str, rows: i64, gap: i64) -> Vec<ProtocolRow> {
    let one = |n: i64| {
        let echoes = Echoes {
            last: at(n * gap),
            messages: PerSide { orig: 1, resp: 3 },
            bytes: 400,
        };
        row(n * gap, (src, dst, 0), Record::Echoes(Box::new(echoes)))
    };
    (0..rows).map(one).collect()
}

#[test]
fn icmp_tunnel() {
    let (inside, outside) = ("10.0.0.1", "203.0.113.1");
    check(
        SignalKind::IcmpTunnel,
        vec![
            ("below the limit", echoes(inside, outside, 4, 1_000), &[]),
            ("at the limit", echoes(inside, outside, 5, 1_000), &[Medium]),
            ("too slow", echoes(inside, outside, 50, 15_000), &[]),
            ("inwards", echoes(outside, inside, 5, 1_000), &[Medium]),
            ("inside", echoes(inside, "10.0.0.2", 5, 1_000), &[Medium]),
            (
                "ipv6",
                echoes("fd00::1", "2001:db8::1", 5, 1_000),
                &[Medium],
            ),
            ("outside", echoes("192.0.2.1", outside, 50, 1_000), &[]),
            ("to many", echoes(inside, "239.0.0.1", 50, 1_000), &[]),
        ],
    );
    let rows = echoes(inside, outside, 8, 1_000);
    let found = signals_of_rows(&Config::default(), SignalKind::IcmpTunnel, &rows);
    assert_eq!(
        found[0].evidence.measure,
        "exchanged 32 echo messages that carry something, 3.2 kB in all (limit 20 in 1min)"
    );
}

#[test]
fn protocol_on_wrong_port() {
    let flow = |service, src, dst, port| {
        let record = Record::Misplaced(Box::new(Service(service)));
        vec![row(0, (src, dst, port), record)]
    };
    let (inside, outside) = ("10.0.0.1", "203.0.113.1");
    check(
        SignalKind::ProtocolOnWrongPort,
        vec![
            ("SSH on 443", flow("ssh", inside, outside, 443), &[Medium]),
            ("inwards", flow("ssh", outside, inside, 443), &[Medium]),
            ("inside", flow("ssh", inside, "10.0.0.2", 8_443), &[Medium]),
            ("outside", flow("ssh", "192.0.2.1", outside, 443), &[]),
            ("HTTP on 53", flow("http", inside, outside, 53), &[Medium]),
            (
                "HTTP on 1023",
                flow("http", inside, outside, 1_023),
                &[Medium],
            ),
            ("HTTP on 1024", flow("http", inside, outside, 1_024), &[]),
            ("TLS on 9999", flow("ssl", inside, outside, 9_999), &[]),
            (
                "DNS on 9999",
                flow("dns", "fd00::1", "2001:db8::1", 9_999),
                &[Medium],
            ),
        ],
    );
    let rows = flow("ssh", inside, outside, 443);
    let found = signals_of_rows(&Config::default(), SignalKind::ProtocolOnWrongPort, &rows);
    assert_eq!(
        found[0].evidence.measure,
        "spoke ssh at port 443 in 1 flow within 10min"
    );
    assert_eq!(found[0].subject.dst_port, Some(443));
}
