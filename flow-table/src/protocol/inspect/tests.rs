use md5::Digest as _;
use proptest::prelude::*;

use super::super::{Findings, Record, Service};
use super::*;
use crate::Endpoint;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn inspector(proto: IpProto, port: u16) -> Inspector {
    let end = |addr: [u8; 4], port| Endpoint {
        addr: addr.into(),
        port,
    };
    let id = FlowId {
        orig: end([10, 0, 0, 1], 40_000),
        resp: end([10, 0, 0, 2], port),
        proto,
    };
    Inspector::new(id, Measure::AsSent).unwrap()
}

/// Who sends what, in turn.
type Parts = &'static [(Side, &'static [u8])];

fn play(proto: IpProto, port: u16, parts: Parts, cut: usize) -> Findings {
    let (mut flow, mut findings) = (inspector(proto, port), Findings::default());
    for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            if flow.data(*side, T0, part, &mut findings) == Progress::Done {
                assert_eq!(flow.held(), 0);
            }
        }
    }
    flow.finish(T0, &mut findings);
    findings
}

fn kinds(findings: &Findings) -> Vec<&'static str> {
    let kind = |record: &Record| match record {
        Record::Announced(_) => "announced",
        Record::Carried(_) => "carried",
        Record::Echoes(_) => "echoes",
        Record::Misplaced(_) => "misplaced",
        Record::SignIn(_) => "sign_in",
        Record::Dhcp(_) => "dhcp",
        Record::File(_) => "files",
        Record::Part(_) | Record::Odd(_) => "none of a parser's",
        Record::Dns(_) => "dns",
        Record::Ftp(_) => "ftp",
        Record::Http(_) => "http",
        Record::Ntp(_) => "ntp",
        Record::Quic(_) => "quic",
        Record::Smtp(_) => "smtp",
        Record::Ssh(_) => "ssh",
        Record::Ssl(_) => "ssl",
        Record::X509(_) => "x509",
        Record::Weird(_) => "weird",
    };
    let told = findings.records.iter().filter(|record| record.is_told());
    told.map(kind).collect()
}

/// What only one side says is told when it begins and when it ends, with a type.
#[test]
fn what_only_one_side_says_may_be_a_file() {
    let carried = |parts: &[(Side, &[u8])]| {
        let (mut findings, mut flow) = (Findings::default(), inspector(IpProto::TCP, 4_000));
        for (secs, (side, bytes)) in (0..).zip(parts) {
            let ts = T0 + crate::Span::from_secs(secs);
            let _ = flow.data(*side, ts, bytes, &mut findings);
        }
        flow.end_of(Resp, T0, &mut findings);
        flow.finish(T0, &mut findings);
        let told = findings.records.into_iter().map(|record| match record {
            Record::Carried(carried) => {
                let secs = carried.last.map(|last| last.since(T0).as_secs_f64());
                (carried.side, secs, carried.mime_type)
            }
            other => panic!("{other:?}"),
        });
        told.collect::<Vec<_>>()
    };
    let (text, long) = (Some("text/plain"), [b'x'; 170]);
    assert_eq!(carried(&[(Resp, b"some words")]), [(Resp, Some(0.0), text)]);
    assert_eq!(
        carried(&[(Resp, &long), (Resp, b"more")]),
        [(Resp, None, text), (Resp, Some(1.0), text)]
    );
    assert_eq!(carried(&[(Resp, b"some words"), (Orig, b"others")]), []);
}

/// What each side says, in turn.
type Said<'a> = &'a [(Side, &'a [u8])];

/// Digests are of all that was said, and only of what one side said, ended by its FIN.
#[test]
fn what_only_one_side_says_may_be_hashed() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum End {
        Fin,
        Reset,
        Hole,
    }
    use End::{Fin, Hole, Reset};
    let whole = |parts: Said<'_>| {
        let said: Vec<&[u8]> = parts.iter().map(|(_, bytes)| *bytes).collect();
        Some(md5::Md5::digest(said.concat()).into())
    };
    let of = |parts: Said<'_>, end: End| {
        let mut findings = Findings::default();
        let mut flow = inspector(IpProto::TCP, 4_000).hashing(Hashes::ALL);
        for (side, bytes) in parts {
            let _ = flow.data(*side, T0, bytes, &mut findings);
        }
        if end == Hole {
            let _ = flow.gap(Resp, T0, 1, &mut findings);
        }
        if end != Reset {
            flow.end_of(Resp, T0, &mut findings);
        }
        flow.finish(T0, &mut findings);
        assert_eq!(flow.held(), 0);
        let last = findings.records.pop();
        last.and_then(|record| match record {
            Record::Carried(carried) => carried.digests.md5,
            other => panic!("{other:?}"),
        })
    };
    let long: Vec<u8> = (0..=255).cycle().take(9_000).collect();
    let cases: [(&str, Said<'_>); 4] = [
        ("short", &[(Resp, b"some words")]),
        ("in pieces", &[(Resp, b"some "), (Resp, b"words")]),
        ("long", &[(Resp, &long)]),
        (
            "long, in pieces",
            &[(Resp, &long), (Resp, &long[..9]), (Resp, &long)],
        ),
    ];
    for (name, parts) in cases {
        assert_eq!(of(parts, Fin), whole(parts), "{name}");
        assert_eq!(of(parts, Reset), None, "{name}");
        assert_eq!(of(parts, Hole), None, "{name}");
        let answered = [parts, &[(Orig, b"thanks"), (Resp, b"you")]].concat();
        assert_eq!(of(&answered, Fin), None, "{name}");
        assert_ne!(of(parts, Fin), None, "{name}");
    }
}

const HELLO: &[u8] = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x00\x00\x02\xc0\x2f\x01\x00\x00\x00";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Port, what is sent, the services and the logs.
type Case = (
    &'static str,
    u16,
    Parts,
    &'static [&'static str],
    &'static [&'static str],
);

const STREAMS: [Case; 7] = [
    (
        "HTTP",
        4444,
        &[(Orig, GET), (Resp, OK)],
        &["http"],
        &["http"],
    ),
    ("TLS", 443, &[(Orig, HELLO)], &["ssl"], &["ssl"]),
    (
        "SSH",
        22,
        &[(Resp, b"SSH-2.0-s\r\n"), (Orig, b"SSH-2.0-c\r\n")],
        &[],
        &["ssh"],
    ),
    (
        "TLS through a proxy",
        3128,
        &[
            (Orig, b"CONNECT h:443 HTTP/1.1\r\n\r\n"),
            (Resp, b"HTTP/1.1 200 OK\r\n\r\n"),
            (Orig, HELLO),
        ],
        &["http", "ssl"],
        &["http", "ssl"],
    ),
    (
        "STARTTLS",
        25,
        &[
            (Resp, b"220 mx ESMTP\r\n"),
            (Orig, b"STARTTLS\r\n"),
            (Resp, b"220 go\r\n"),
            (Orig, HELLO),
        ],
        &["smtp", "ssl"],
        &["smtp", "ssl"],
    ),
    (
        "without a parser",
        6379,
        &[(Orig, b"*1\r\n$4\r\nPING\r\n"), (Orig, GET)],
        &["redis"],
        &[],
    ),
    (
        "nothing",
        9,
        &[(Orig, &[0xaa; 200]), (Resp, &[0xbb; 200]), (Orig, GET)],
        &[],
        &[],
    ),
];

#[test]
fn streams_go_their_way() {
    for (name, port, parts, services, logs) in STREAMS {
        let findings = play(IpProto::TCP, port, parts, usize::MAX);
        let services: Vec<Service> = services.iter().map(|name| Service(name)).collect();
        assert_eq!(
            (findings.services.as_slice(), kinds(&findings).as_slice()),
            (services.as_slice(), logs),
            "{name}"
        );
    }
}

fn again(flow: &Inspector) -> Inspector {
    postcard::from_bytes(&postcard::to_allocvec(flow).unwrap()).unwrap()
}

#[test]
fn what_is_kept_and_read_back_goes_on() {
    for (name, port, parts, ..) in STREAMS {
        for stop in 0..=parts.len() {
            let (mut flow, mut findings) = (inspector(IpProto::TCP, port), Findings::default());
            for (at, (side, bytes)) in parts.iter().enumerate() {
                if at == stop {
                    flow = again(&flow);
                }
                let _ = flow.data(*side, T0, bytes, &mut findings);
            }
            again(&flow).finish(T0, &mut findings);
            let whole = play(IpProto::TCP, port, parts, usize::MAX);
            assert_eq!(findings, whole, "{name}, kept before part {stop}");
        }
    }
}

/// How much parsers keep that know nothing yet: a byte for each field, about. Whoever changes what they
/// keep raises `FORMAT` in `conversations.rs` with it.
#[test]
fn what_is_kept_is_of_this_format() {
    let id = inspector(IpProto::TCP, 1).id;
    let of = |protocol: &Protocol| parsers::of(*protocol, id, Measure::AsSent);
    let kept = Protocol::ALL.iter().filter_map(of).map(|parser| {
        let mut inspector = inspector(IpProto::TCP, 1);
        inspector.stage = Stage::Parsing(parser);
        postcard::to_allocvec(&inspector).unwrap()
    });
    let kept: Vec<u8> = kept.flatten().collect();
    assert_eq!((crate::conversations::FORMAT, kept.len()), (1, 614));
}

#[test]
fn datagrams_go_their_way() {
    let query: Parts = &[(
        Orig,
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01",
    )];
    assert_eq!(kinds(&play(IpProto::UDP, 53, query, usize::MAX)), ["dns"]);
    assert_eq!(
        kinds(&play(IpProto::UDP, 9_953, query, usize::MAX)),
        ["dns"]
    );
    assert_eq!(
        play(IpProto::UDP, 9, &[(Orig, &[1; 40])], usize::MAX),
        Findings::default()
    );
}

#[test]
fn gaps_end_what_cannot_go_on() {
    let (mut flow, mut findings) = (inspector(IpProto::TCP, 443), Findings::default());
    assert_eq!(flow.data(Orig, T0, HELLO, &mut findings), Progress::Going);
    assert_eq!(flow.gap(Resp, T0, 1, &mut findings), Progress::Done);
    assert_eq!(kinds(&findings), ["ssl"]);
    assert_eq!(flow.data(Resp, T0, GET, &mut findings), Progress::Done);
    // A hole at the beginning of one side: the other is read, up to where the first is needed.
    let (mut flow, mut findings) = (inspector(IpProto::TCP, 443), Findings::default());
    assert_eq!(flow.gap(Resp, T0, 1, &mut findings), Progress::Going);
    assert_eq!(flow.data(Resp, T0, GET, &mut findings), Progress::Going);
    assert_eq!(flow.data(Orig, T0, HELLO, &mut findings), Progress::Going);
    assert_eq!(flow.data(Resp, T0, OK, &mut findings), Progress::Done);
    assert_eq!(kinds(&findings), ["ssl"]);
}

/// A sink that keeps only what bodies are made of.
#[derive(Default)]
struct Bodies(Findings, Vec<u8>);

impl Sink for Bodies {
    fn record(&mut self, record: Record) {
        self.0.record(record);
    }
    fn weird(&mut self, weird: crate::protocol::Weird) {
        self.0.weird(weird);
    }
    fn confirm(&mut self, service: Service) {
        self.0.confirm(service);
    }
    fn refute(&mut self, service: Service) {
        self.0.refute(service);
    }
    fn body(&mut self, side: Side, part: crate::protocol::Body<'_>) {
        use crate::protocol::Body;
        assert_eq!(side, Resp);
        match part {
            Body::Begin(_) => self.1.push(b'|'),
            Body::Data(bytes) => self.1.extend(bytes),
            Body::Gap(_) => self.1.push(b'?'),
            Body::End => self.1.push(b'.'),
            Body::Cut => self.1.push(b'!'),
        }
    }
}

#[test]
fn announced_flows_carry_files() {
    let (id, mut sink) = (inspector(IpProto::TCP, 20).id, Bodies::default());
    let mut flow = Inspector::of_transfer(id, &mut sink).unwrap();
    assert_eq!(flow.gap(Resp, T0, 9, &mut sink), Progress::Going);
    assert_eq!(flow.data(Resp, T0, GET, &mut sink), Progress::Going);
    assert_eq!(flow.data(Orig, T0, b"not this", &mut sink), Progress::Going);
    let _ = flow.gap(Resp, T0, 9, &mut sink);
    flow.end_of(Resp, T0, &mut sink);
    flow.finish(T0, &mut sink);
    assert_eq!(sink.1, [b"|", GET, b"?."].concat());
    assert_eq!(sink.0.services, [Service("ftp-data")]);
}

#[test]
fn other_transports_have_none() {
    let id = inspector(IpProto::TCP, 1).id;
    let icmp = FlowId {
        proto: IpProto::ICMP,
        ..id
    };
    assert!(Inspector::new(icmp, Measure::AsSent).is_none());
}

proptest! {
    /// Except for STARTTLS, which is looked for where segments begin.
    #[test]
    fn however_streams_are_cut_the_findings_are_the_same(case in prop_oneof![0..4_usize, 5..7_usize], cut in 1..40_usize) {
        let (_, port, parts, ..) = STREAMS[case];
        prop_assert_eq!(play(IpProto::TCP, port, parts, cut), play(IpProto::TCP, port, parts, usize::MAX));
    }

    #[test]
    fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..9), tcp in any::<bool>()) {
        let proto = if tcp { IpProto::TCP } else { IpProto::UDP };
        let (mut flow, mut findings) = (inspector(proto, 53), Findings::default());
        for (orig, bytes) in parts {
            let side = if orig { Orig } else { Resp };
            let _ = flow.data(side, T0, &bytes, &mut findings);
            let _ = flow.gap(side, T0, 3, &mut findings);
            flow.end_of(side, T0, &mut findings);
        }
        flow.finish(T0, &mut findings);
    }
}
