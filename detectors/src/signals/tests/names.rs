//! The signals that questions to DNS make.

use flow_table::ProtocolRow;

use super::Severity::{self, Critical, High, Medium};
use super::{compare, lone};
use crate::testing::{question, signals_of_rows};
use crate::{Config, Signal, SignalKind};

const A: u16 = 1;
const NULL: u16 = 10;
const PTR: u16 = 12;

type Case = (&'static str, Vec<ProtocolRow>, &'static [Severity]);

#[track_caller]
fn check(kind: SignalKind, cases: Vec<Case>) {
    let found = |(name, rows, want): Case| {
        let found = signals_of_rows(&Config::default(), kind, &rows);
        (name, found, want)
    };
    compare(kind, cases.into_iter().map(found));
}

fn only(kind: SignalKind, rows: &[ProtocolRow]) -> Signal {
    lone(signals_of_rows(&Config::default(), kind, rows))
}

/// So many questions, `gap` milliseconds apart, the name made from its number.
fn ask(
    client: &str,
    count: i64,
    gap: i64,
    qtype: u16,
    name: impl Fn(i64) -> String,
) -> Vec<ProtocolRow> {
    (0..count)
        .map(|n| question(n * gap, client, &name(n), qtype))
        .collect()
}

fn plain(count: i64, gap: i64) -> Vec<ProtocolRow> {
    ask("10.0.0.1", count, gap, A, |n| format!("www{n}.example.com"))
}

/// Thirty-two characters of base 32 that change with `n`, cut into labels of `label`.
fn encoded(n: i64, label: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let step = usize::try_from(n).unwrap() * 2 + 1;
    let text: Vec<u8> = (0..32)
        .map(|at| ALPHABET[(at * step + step / 2) % 32])
        .collect();
    let labels: Vec<&str> = text
        .chunks(label)
        .map(|part| str::from_utf8(part).unwrap())
        .collect();
    labels.join(".")
}

fn tunnel(client: &str, count: i64, gap: i64, qtype: u16) -> Vec<ProtocolRow> {
    ask(client, count, gap, qtype, |n| {
        format!("{}.t.example.com", encoded(n, 32))
    })
}

/// So many clients ask for one encoded name each below a domain, and for a plain one below another.
fn by_many(clients: i64, encoded_too: i64, domain: &str) -> Vec<ProtocolRow> {
    let mut rows: Vec<ProtocolRow> = (0..clients)
        .map(|n| question(n, &format!("10.0.1.{n}"), "www.example.org", A))
        .collect();
    rows.extend((0..encoded_too).map(|n| {
        let name = format!("{}.{domain}", encoded(n + 100, 32));
        question(100 + n, &format!("10.0.1.{n}"), &name, A)
    }));
    rows.extend((0..30).map(|n| {
        let name = format!("{}.{domain}", encoded(n, 32));
        question(1_000 + n * 100, "10.0.1.200", &name, A)
    }));
    rows
}

/// Look-ups of so many hashes.
fn hashes(count: i64, domain: &str) -> Vec<ProtocolRow> {
    let digits = |n: i64| {
        u128::from(n.unsigned_abs() + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    };
    ask("10.0.0.1", count, 100, A, |n| {
        format!("{:032x}.{domain}", digits(n))
    })
}

#[test]
fn encoded_names_that_are_usual() {
    check(
        SignalKind::EncodedTunnelingPattern,
        vec![
            ("of one client", by_many(39, 0, "t.example"), &[Critical]),
            (
                "of eight of forty",
                by_many(39, 8, "t.example"),
                &[Critical],
            ),
            ("of ten of forty", by_many(39, 10, "t.example"), &[]),
            ("of all of nine", by_many(8, 8, "t.example"), &[Critical]),
            (
                "below a usual domain",
                by_many(39, 0, "h.sophosxl.net"),
                &[],
            ),
            ("of hashes", hashes(30, "h.example"), &[]),
            (
                "of two hashes each",
                hashes(30, "0123456789.h.example"),
                &[Critical],
            ),
            ("in capitals", by_many(39, 0, "H.SOPHOSXL.NET"), &[]),
        ],
    );
}

#[test]
fn dns_query_burst() {
    check(
        SignalKind::DnsQueryBurst,
        vec![
            ("below the limit", plain(24, 100), &[]),
            ("at the limit", plain(25, 100), &[Medium]),
            ("high", plain(40, 100), &[High]),
            (
                "nineteen names",
                ask("10.0.0.1", 60, 100, A, |n| {
                    format!("www{}.example.com", n % 19)
                }),
                &[],
            ),
            ("split over the edge", plain(48, 13_000), &[]),
            (
                "ipv6",
                ask("fd00::1", 25, 100, A, |n| format!("www{n}.example.com")),
                &[Medium],
            ),
            (
                "from outside",
                ask("8.8.8.8", 100, 100, A, |n| format!("www{n}.example.com")),
                &[],
            ),
        ],
    );
    let signal = only(SignalKind::DnsQueryBurst, &plain(30, 100));
    assert_eq!(
        signal.evidence.measure,
        "asked for 30 names in 30 queries (limit 25 in 5min)"
    );
    assert_eq!(signal.evidence.names.len(), 5);
    assert_eq!(&*signal.evidence.names[4], "www29.example.com");
}

#[test]
fn dns_query_burst_learns_what_is_usual() {
    // Thirty in each of twenty windows; then twice that in one.
    let windows = |first: i64, windows: i64, queries: i64| -> Vec<ProtocolRow> {
        (0..windows * queries)
            .map(|n| {
                let millis = (first + n / queries) * 300_000 + (n % queries) * 4_000;
                question(millis, "10.0.0.1", &format!("www{n}.example.com"), A)
            })
            .collect()
    };
    // Eighteen a window is under every limit, and learnt.
    let mut rows = windows(0, 20, 18);
    rows.extend(windows(20, 1, 60));
    let signal = only(SignalKind::DnsQueryBurst, &rows);
    let baseline = signal.evidence.baseline.unwrap();
    assert!(
        !baseline.prior && (baseline.mean - 18.0).abs() < 1e-9,
        "{baseline:?}"
    );
    assert!(
        (signal.threshold - 27.0).abs() < 1e-9,
        "{}",
        signal.threshold
    );
}

#[test]
fn high_entropy_dns() {
    check(
        SignalKind::HighEntropyDns,
        vec![
            ("below the limit", tunnel("10.0.0.1", 9, 100, A), &[]),
            ("at the limit", tunnel("10.0.0.1", 10, 100, A), &[High]),
            ("critical", tunnel("10.0.0.1", 20, 100, A), &[Critical]),
            (
                "one name again and again",
                ask("10.0.0.1", 10, 100, A, |_| {
                    format!("{}.example.com", encoded(3, 32))
                }),
                &[High],
            ),
            (
                "split over labels",
                ask("10.0.0.1", 10, 100, A, |n| {
                    format!("{}.example.com", encoded(n, 5))
                }),
                &[High],
            ),
            (
                "long but plain",
                ask("10.0.0.1", 50, 100, A, |_| {
                    format!("{}.example.com", "ab".repeat(16))
                }),
                &[],
            ),
            (
                "varied but short",
                ask("10.0.0.1", 50, 100, A, |n| {
                    format!("{}.example.com", &encoded(n, 32)[..23])
                }),
                &[],
            ),
            (
                "the registered domain does not count",
                ask("10.0.0.1", 50, 100, A, |n| {
                    format!("www.{}.com", encoded(n, 32))
                }),
                &[],
            ),
            (
                "split over the edge",
                tunnel("10.0.0.1", 18, 34_000, A),
                &[],
            ),
        ],
    );
}

#[test]
fn encoded_tunneling_pattern() {
    let many_domains = |n: i64| format!("{}.t{n}.com", encoded(n, 32));
    check(
        SignalKind::EncodedTunnelingPattern,
        vec![
            ("below the limit", tunnel("10.0.0.1", 11, 100, A), &[]),
            ("at the limit", tunnel("10.0.0.1", 12, 100, A), &[High]),
            ("critical", tunnel("10.0.0.1", 20, 100, A), &[Critical]),
            (
                "a type that carries",
                tunnel("10.0.0.1", 12, 100, NULL),
                &[High],
            ),
            (
                "a private type",
                tunnel("10.0.0.1", 12, 100, 65_399),
                &[High],
            ),
            (
                "a type that does not",
                tunnel("10.0.0.1", 12, 100, PTR),
                &[],
            ),
            (
                "one name again and again",
                ask("10.0.0.1", 50, 100, A, |_| {
                    format!("{}.example.com", encoded(3, 32))
                }),
                &[],
            ),
            (
                "a domain each",
                ask("10.0.0.1", 30, 100, A, many_domains),
                &[],
            ),
            ("ipv6", tunnel("fd00::1", 12, 100, A), &[High]),
            ("from outside", tunnel("8.8.8.8", 12, 100, A), &[]),
        ],
    );
    let signal = only(
        SignalKind::EncodedTunnelingPattern,
        &tunnel("10.0.0.1", 13, 100, NULL),
    );
    assert_eq!(
        signal.evidence.measure,
        "asked for 13 encoded names below example.com (limit 12 in 10min)"
    );
    assert_eq!(signal.evidence.domain.as_deref(), Some("example.com"));
}

#[test]
fn each_tunnel_of_one_client_is_a_signal() {
    let domains: Vec<String> = (0..100).map(|n| format!("tunnel{n:03}.com")).collect();
    let mut rows = Vec::new();
    for n in 0..15 {
        for domain in &domains {
            let name = format!("{}.{domain}", encoded(n, 32));
            rows.push(question(n * 100, "10.0.0.1", &name, A));
        }
    }
    let found = signals_of_rows(
        &Config::default(),
        SignalKind::EncodedTunnelingPattern,
        &rows,
    );
    let mut named: Vec<&str> = (found.iter())
        .filter_map(|signal| signal.evidence.domain.as_deref())
        .collect();
    named.sort_unstable();
    assert_eq!(named, domains);
    let ids: std::collections::BTreeSet<_> = found.iter().map(|signal| signal.id).collect();
    assert_eq!(ids.len(), domains.len());
}
