//! Parsers: any bytes from either side of one flow, in any pieces, with gaps and ends.
//!
//! Asserted: what is held stays below what the parsers' caps add up to, nothing is held once it is
//! over, no service is named twice, and rows come only before the end.

use flow_table::protocol::http::Measure;
use flow_table::protocol::inspect::Inspector;
use flow_table::protocol::{Findings, Progress};
use flow_table::{Endpoint, FlowId, IpProto, Side, Timestamp};

/// Bytes before the steps: protocol and port.
const HEADER: usize = 2;
const PORTS: [u16; 16] = [
    80, 443, 53, 22, 25, 21, 110, 143, 5353, 137, 8080, 3389, 3306, 9_999, 67, 123,
];
/// More than any parser may hold: two sides of the largest messages, and rows that wait.
const MOST: usize = 64 << 20;

/// Checks a sequence of steps.
pub fn check(data: &[u8]) {
    let Some((header, rest)) = data.split_first_chunk::<HEADER>() else {
        return;
    };
    let end = |addr: [u8; 4], port| Endpoint {
        addr: addr.into(),
        port,
    };
    let (proto, ports) = match header[0] >> 2 & 3 {
        1 => (IpProto::ICMP, (8, 0)),
        2 => (IpProto::ICMPV6, (129, 128)),
        _ => (
            [IpProto::TCP, IpProto::UDP][usize::from(header[0] & 1)],
            (40_000, PORTS[usize::from(header[1] & 15)]),
        ),
    };
    let id = FlowId {
        orig: end([10, 0, 0, 1], ports.0),
        resp: end([192, 0, 2, 1], ports.1),
        proto,
    };
    let measure = [Measure::Decompressed, Measure::AsSent][usize::from(header[0] >> 1 & 1)];
    if let Some(mut inspector) = Inspector::new(id, measure) {
        play(&mut inspector, rest, id.proto == IpProto::TCP);
    }
}

/// A seed of steps that carry these payloads, each with its flow (by port) and the side it is from.
pub fn seed(payloads: &[(u8, bool, Vec<u8>)]) -> Vec<u8> {
    let flow = payloads.first().map_or(0, |(flow, ..)| *flow);
    let mut steps = vec![u8::from(flow == 2), flow & 15];
    for (_, from_server, payload) in payloads {
        for part in payload.chunks(255) {
            steps.extend([
                u8::from(*from_server) | 2 << 1,
                u8::try_from(part.len()).unwrap_or(255),
            ]);
            steps.extend(part);
        }
    }
    steps
}

/// A step: side and kind, how many bytes (or how long a gap is), the bytes.
fn play(inspector: &mut Inspector, mut rest: &[u8], stream: bool) {
    let mut findings = Findings::default();
    let mut secs = 1_700_000_000;
    let mut over = false;
    while let [what, len, after @ ..] = rest {
        secs += 1;
        let ts = Timestamp::new(secs, 0);
        let side = [Side::Orig, Side::Resp][usize::from(what & 1)];
        let before = findings.records.len();
        match what >> 1 & 7 {
            0 if stream => {
                let len = u64::from(*len) << (what >> 4);
                over |= inspector.gap(side, ts, len.max(1), &mut findings) == Progress::Done;
                rest = after;
            }
            1 if stream => {
                inspector.end_of(side, ts, &mut findings);
                rest = after;
            }
            _ => {
                let (bytes, after) = after.split_at(after.len().min(usize::from(*len)));
                over |= inspector.data(side, ts, bytes, &mut findings) == Progress::Done;
                rest = after;
            }
        }
        assert!(inspector.held() <= MOST, "{} bytes held", inspector.held());
        if over {
            assert_eq!(inspector.held(), 0, "held after the end");
            break;
        }
        assert!(findings.records.len() >= before);
    }
    inspector.finish(Timestamp::new(secs + 1, 0), &mut findings);
    assert_eq!(inspector.held(), 0, "held after the end");
    let rows = findings.records.len();
    inspector.finish(Timestamp::new(secs + 2, 0), &mut findings);
    let more = inspector.data(
        Side::Orig,
        Timestamp::ZERO,
        b"GET / HTTP/1.0\r\n",
        &mut findings,
    );
    assert_eq!((rows, more), (findings.records.len(), Progress::Done));
    let mut services = findings.services.clone();
    services.sort_unstable();
    services.dedup();
    assert_eq!(services.len(), findings.services.len());
}
