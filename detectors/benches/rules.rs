//! What a signal costs the built-in rules.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use detectors::{
    Config, Detectors, Evidence, Severity, Signal, SignalKind, StableId, Subject, Window,
    builtin_rules,
};
use flow_table::Timestamp;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIGNALS: u32 = 100_000;
const START: i64 = 1_700_006_400;

/// Signals of these kinds in turn, a millisecond apart, each about one of so many hosts.
fn signals(kinds: &[SignalKind], hosts: u32) -> Vec<Arc<Signal>> {
    let signal = |(number, kind): (u32, &SignalKind)| {
        let at = Timestamp::new(START, 0) + flow_table::Span::from_millis(number.into());
        let host = number / u32::try_from(kinds.len()).unwrap_or(1) % hosts;
        let addr = |net: u32, host: u32| IpAddr::V4(Ipv4Addr::from_bits(net | host));
        Arc::new(Signal {
            id: StableId(u128::from(number) << 64 | u128::from(host)),
            kind: *kind,
            severity: Severity::High,
            subject: Subject::service(addr(0x0a00_0000, host), addr(0x5db8_0000, host), 443),
            window: Window { start: at, end: at },
            value: 25.0,
            threshold: 20.0,
            evidence: Evidence {
                measure: "scanned 25 ports on 2 hosts (vertical, limit 20 in 1min)".to_owned(),
                peers: vec![addr(0x0a01_0000, host); 10],
                ports: vec![443; 10],
                numbers: vec![("hosts".into(), 2.0), ("ports".into(), 25.0)],
                ..Evidence::default()
            },
            suppressed_by: None,
        })
    };
    (0..SIGNALS).zip(kinds.iter().cycle()).map(signal).collect()
}

fn rules(c: &mut Criterion) {
    let lateral = [
        SignalKind::PortScan,
        SignalKind::ConnectionSpike,
        SignalKind::PrivilegedAccess,
    ];
    let mixes = [
        ("every-kind-of-2000-hosts", signals(&SignalKind::ALL, 2_000)),
        (
            "every-kind-of-one-host-after-another",
            signals(&SignalKind::ALL, SIGNALS),
        ),
        (
            "one-part-of-more-hosts-than-are-kept",
            signals(&lateral[..1], SIGNALS),
        ),
        ("every-host-completes-a-rule", signals(&lateral, SIGNALS)),
    ];
    let mut group = c.benchmark_group("rules");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SIGNALS.into()));
    for (mix, signals) in &mixes {
        group.bench_function(*mix, |b| {
            b.iter_batched_ref(
                || Detectors::new(&Config::default(), builtin_rules()),
                |detectors| {
                    let mut findings = 0;
                    for some in signals.chunks(1_000) {
                        for signal in some {
                            detectors.correlate(signal);
                        }
                        findings += detectors.drain().count();
                    }
                    black_box(findings)
                },
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group!(benches, rules);
criterion_main!(benches);
