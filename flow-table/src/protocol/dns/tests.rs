use proptest::prelude::*;

use super::super::Findings;
use super::*;

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn flow(proto: IpProto, addr: &str, port: u16) -> Dns {
    let addr = addr.parse().unwrap();
    Dns::new(proto, Endpoint { addr, port })
}

fn udp() -> Dns {
    flow(IpProto::UDP, "10.0.0.53", 53)
}

/// A message: id, flags, the counts, and what follows.
fn message(id: u16, flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [id, flags].iter().flat_map(|n| n.to_be_bytes()).collect();
    bytes.extend(counts.iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend(parts.concat());
    bytes
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn question(text: &str, qtype: u16) -> Vec<u8> {
    [name(text).as_slice(), &qtype.to_be_bytes(), &[0, 1]].concat()
}

/// A record whose name is that of the first question.
fn record(rtype: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [
        &[0xc0, 12],
        &rtype.to_be_bytes()[..],
        &[0, 1],
        &ttl.to_be_bytes(),
        &len.to_be_bytes(),
        data,
    ]
    .concat()
}

const QUERY: u16 = 0x0100;
const REPLY: u16 = 0x8180;

fn rows(findings: &Findings) -> Vec<&DnsRecord> {
    findings
        .records
        .iter()
        .map(|record| {
            let Record::Dns(row) = record else {
                panic!("{record:?}")
            };
            &**row
        })
        .collect()
}

fn texts(row: &DnsRecord) -> Vec<String> {
    let text = |answer: &Answer| String::from_utf8_lossy(&answer.text).into_owned();
    row.answers.iter().map(text).collect()
}

fn query_of(row: &DnsRecord) -> Option<String> {
    let query = row.query.as_ref()?;
    Some(String::from_utf8_lossy(query).into_owned())
}

/// Feeds datagrams a millisecond apart, then ends the flow.
fn play(mut dns: Dns, messages: &[&[u8]]) -> Findings {
    let mut findings = Findings::default();
    let mut ts = T0;
    for bytes in messages {
        assert_eq!(
            dns.data(Side::Orig, ts, bytes, &mut findings),
            Progress::Going
        );
        ts = ts + Span::from_millis(1);
    }
    dns.finish(T0, &mut findings);
    findings
}

fn weirds(findings: &Findings) -> Vec<&'static str> {
    findings.weirds.iter().map(|weird| weird.name).collect()
}

#[test]
fn a_query_and_its_answer_make_one_row() {
    let asked = message(7, QUERY, [1, 0, 0, 0], &[&question("WWW.Example.com", 1)]);
    let answered = message(
        7,
        REPLY | 0x0400,
        [1, 2, 0, 0],
        &[
            &question("www.example.com", 1),
            &record(5, 300, &[3, b'c', b'd', b'n', 0xc0, 16]),
            &record(1, 60, &[192, 0, 2, 1]),
        ],
    );
    let findings = play(udp(), &[&asked, &answered]);
    let [row] = rows(&findings)[..] else {
        panic!("{findings:?}")
    };
    assert_eq!(row.ts, T0);
    assert_eq!(row.rtt, Some(Span::from_millis(1)));
    assert_eq!(query_of(row).unwrap(), "www.example.com");
    assert_eq!(
        (row.qtype, row.qclass, row.rcode),
        (Some(1), Some(1), Some(0))
    );
    assert_eq!((row.aa, row.tc, row.rd, row.ra), (true, false, true, true));
    assert_eq!(texts(row), ["cdn.example.com", "192.0.2.1"]);
    assert_eq!(row.answers[0].ttl, 300);
    assert!(!row.rejected);
    assert_eq!(findings.services, [Service("dns")]);
    assert_eq!(findings.weirds, []);
}

fn to_owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Query and answers of each row.
type Rows = &'static [(&'static str, &'static [&'static str])];

#[test]
fn messages_find_their_counterpart() {
    let q = |id, name| message(id, QUERY, [1, 0, 0, 0], &[&question(name, 1)]);
    let r = |id, name, last| {
        let data = record(1, 1, &[10, 0, 0, last]);
        message(id, REPLY, [1, 1, 0, 0], &[&question(name, 1), &data])
    };
    let (qa, qb, ra, rb) = (q(1, "a"), q(2, "b"), r(1, "a", 1), r(2, "b", 2));
    let cases: [(&str, Dns, &[&[u8]], Rows); 7] = [
        (
            "in turn",
            udp(),
            &[&qa, &ra, &qb, &rb],
            &[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])],
        ),
        (
            "crossed",
            udp(),
            &[&qa, &qb, &rb, &ra],
            &[("b", &["10.0.0.2"]), ("a", &["10.0.0.1"])],
        ),
        ("reply first", udp(), &[&ra, &qa], &[("a", &["10.0.0.1"])]),
        (
            "asked twice",
            udp(),
            &[&qa, &qa, &ra],
            &[("a", &["10.0.0.1"]), ("a", &[])],
        ),
        (
            "answered twice",
            udp(),
            &[&qa, &ra, &ra],
            &[("a", &["10.0.0.1"]), ("a", &["10.0.0.1"])],
        ),
        (
            "never answered",
            udp(),
            &[&qa, &rb],
            &[("a", &[]), ("b", &["10.0.0.2"])],
        ),
        (
            "multicast",
            flow(IpProto::UDP, "224.0.0.251", 5353),
            &[&qa, &ra],
            &[("a", &[]), ("a", &["10.0.0.1"])],
        ),
    ];
    for (name, dns, messages, want) in cases {
        let findings = play(dns, messages);
        let got: Vec<_> = rows(&findings)
            .iter()
            .map(|row| (query_of(row).unwrap(), texts(row)))
            .collect();
        assert_eq!(got.len(), want.len(), "{name}");
        for ((query, answers), want) in got.iter().zip(want) {
            assert_eq!(
                (query.as_str(), answers.as_slice()),
                (want.0, &to_owned(want.1)[..]),
                "{name}"
            );
        }
    }
}

#[test]
fn a_reply_alone_has_no_round_trip() {
    let data = record(1, 1, &[10, 0, 0, 1]);
    let reply = message(1, REPLY, [1, 1, 0, 0], &[&question("a", 1), &data]);
    let findings = play(udp(), &[&reply]);
    let row = rows(&findings)[0];
    assert_eq!((row.rtt, row.qtype, row.rcode), (None, None, Some(0)));
    assert_eq!(query_of(row).unwrap(), "a");
}

/// Of each: its type, its data, and what is shown of it.
const TYPES: [(&str, u16, &[u8], Option<&str>); 24] = [
    ("A", 1, &[192, 0, 2, 1], Some("192.0.2.1")),
    (
        "AAAA",
        28,
        &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        Some("2001:db8::1"),
    ),
    ("NS", 2, &[2, b'N', b's', 0xc0, 12], Some("ns.example.com")),
    ("PTR", 12, &[0xc0, 12], Some("example.com")),
    ("MX", 15, &[0, 10, 1, b'm', 0], Some("m")),
    (
        "SOA",
        6,
        &[
            1, b'm', 0, 1, b'r', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1,
        ],
        Some("m"),
    ),
    ("SRV", 33, &[0, 1, 0, 2, 0, 80, 1, b't', 0], Some("t")),
    ("TXT", 16, b"\x02hi\x05there", Some("TXT 2 hi TXT 5 there")),
    ("TXT cut", 16, b"\x09hi", Some("TXT 2 hi")),
    ("SPF", 99, b"\x03v=1", Some("SPF 3 v=1")),
    ("WKS", 11, &[1, 2, 3], None),
    ("DS", 43, &[0, 1, 8, 2, 0xff], Some("DS 8 2")),
    ("SSHFP", 44, &[1, 1, 0xab, 0x01], Some("SSHFP: ab01")),
    (
        "RRSIG",
        46,
        &[
            0, 5, 8, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 12, 9, 9,
        ],
        Some("RRSIG 5 example.com"),
    ),
    (
        "RRSIG of the root",
        46,
        &[0, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        Some("RRSIG 6 <Root>"),
    ),
    (
        "NSEC",
        47,
        &[1, b'z', 0, 0, 1, 0x40],
        Some("NSEC example.com z"),
    ),
    ("DNSKEY", 48, &[1, 1, 3, 15, 7], Some("DNSKEY 15")),
    ("NSEC3", 50, &[1, 0, 0, 0], Some("NSEC3")),
    ("NSEC3PARAM", 51, &[1, 0, 0, 0, 0], Some("NSEC3PARAM")),
    (
        "LOC",
        29,
        &[0, 0x12, 0x16, 0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        Some("LOC:  18 22 19"),
    ),
    (
        "NAPTR",
        35,
        b"\0\x64\0\x32\x01s\x03SIP\0\x01r\0",
        Some("NAPTR 100 50 s SIP r"),
    ),
    (
        "NAPTR with a pattern",
        35,
        b"\0\x01\0\x02\x01u\x01E\x02!!\0",
        Some("NAPTR 1 2 u E !!"),
    ),
    (
        "BIND",
        65534,
        &[1, 2, 3, 4, 5],
        Some("BIND9 signing signal"),
    ),
    ("unknown", 52, &[1, 2, 3], Some("<unknown type=52>")),
];

#[test]
fn each_type_has_its_text() {
    for (name, rtype, data, want) in TYPES {
        let query = message(1, QUERY, [1, 0, 0, 0], &[&question("example.com", rtype)]);
        let reply = message(
            1,
            REPLY,
            [1, 1, 0, 0],
            &[&question("example.com", rtype), &record(rtype, 9, data)],
        );
        let findings = play(udp(), &[&query, &reply]);
        let row = rows(&findings)[0];
        let want: Vec<String> = want.map(str::to_owned).into_iter().collect();
        assert_eq!(texts(row), want, "{name}");
        assert!(row.rtt.is_some() && weirds(&findings).is_empty(), "{name}");
    }
    for untold in [13, 32, 41, 64, 65, 257] {
        let query = message(1, QUERY, [1, 0, 0, 0], &[&question("a", untold)]);
        let data = record(untold, 9, &[1, 2, 3]);
        let reply = message(1, REPLY, [1, 1, 0, 0], &[&question("a", untold), &data]);
        let row = play(udp(), &[&query, &reply]);
        let row = rows(&row)[0];
        assert_eq!((row.rtt, row.answers.len()), (None, 0), "{untold}");
    }
}

#[test]
fn refusals_are_told() {
    let query = message(1, QUERY, [1, 0, 0, 0], &[&question("a", 1)]);
    let cases: [(&str, Vec<u8>, u8, bool); 4] = [
        (
            "nothing in it",
            message(1, REPLY | 5, [1, 0, 0, 0], &[&question("a", 1)]),
            5,
            true,
        ),
        (
            "not even a question",
            message(1, REPLY | 2, [0; 4], &[]),
            2,
            true,
        ),
        ("an empty success", message(1, REPLY, [0; 4], &[]), 0, false),
        (
            "with an authority",
            message(
                1,
                REPLY | 3,
                [1, 0, 1, 0],
                &[&question("a", 1), &record(6, 1, &[0])],
            ),
            3,
            false,
        ),
    ];
    for (name, reply, rcode, rejected) in cases {
        let findings = play(udp(), &[&query, &reply]);
        let row = rows(&findings)[0];
        assert_eq!((row.rcode, row.rejected), (Some(rcode), rejected), "{name}");
        assert_eq!(row.rtt, None, "{name}");
    }
}

/// Of each: the message, the weirds and the number of rows it makes.
/// A query that asks once, with these bytes after its header.
fn query(bytes: &[u8]) -> Vec<u8> {
    message(1, QUERY, [1, 0, 0, 0], &[bytes])
}

fn damaged() -> [(&'static str, Vec<u8>, &'static [&'static str], usize); 9] {
    let looped = [0xc0, 12, 0, 1, 0, 1];
    [
        (
            "no header",
            vec![1, 2, 3],
            &["DNS_truncated_len_lt_hdr_len"],
            0,
        ),
        (
            "inverse query",
            message(1, 0x0800, [1, 0, 0, 0], &[]),
            &["DNS_unknown_opcode"],
            0,
        ),
        (
            "26 questions",
            message(1, QUERY, [26, 0, 0, 0], &[]),
            &["DNS_Conn_count_too_large"],
            1,
        ),
        ("label cut", query(b"\x03a"), &["DNS_label_len_gt_pkt"], 1),
        ("name cut", query(b"\x03abc"), &["dns_invalid_name"], 1),
        (
            "question cut",
            query(b"\x01a\0\0"),
            &["DNS_truncated_quest_too_short"],
            1,
        ),
        (
            "points at itself",
            query(&looped),
            &["DNS_label_forward_compress_offset"],
            1,
        ),
        ("long label", query(&[64; 70]), &["DNS_label_too_long"], 1),
        (
            "rdata cut",
            message(
                1,
                REPLY,
                [0, 1, 0, 0],
                &[b"\0\0\x01\0\x01\0\0\0\x01\0\x09abc"],
            ),
            &["DNS_truncated_RR_rdlength_lt_len"],
            1,
        ),
    ]
}

#[test]
fn damaged_messages_say_why() {
    for (name, bytes, want, len) in damaged() {
        let findings = play(udp(), &[&bytes]);
        assert_eq!(weirds(&findings), want, "{name}");
        assert_eq!(rows(&findings).len(), len, "{name}");
        assert_eq!(findings.services, [], "{name}");
    }
}

#[test]
fn netbios_names_are_decoded() {
    let encoded = "FHEPFCELEHFCEPFFFACACACACACACABL"; // "WORKGROUP" and padding (RFC 1001, 14.1)
    let query = message(1, 0x0110, [1, 0, 0, 0], &[&question(encoded, 32)]);
    let findings = play(flow(IpProto::UDP, "10.0.0.255", 137), &[&query]);
    let row = rows(&findings)[0];
    assert_eq!(query_of(row).unwrap(), "WORKGROUP");
    assert_eq!(row.qtype_name().unwrap(), "NIMLOC");
    assert_eq!((row.netbios, row.z), (true, 1));
    let status = message(
        1,
        0,
        [1, 0, 0, 0],
        &[&question(&format!("CK{}", "AA".repeat(15)), 33)],
    );
    let findings = play(flow(IpProto::UDP, "10.0.0.2", 137), &[&status]);
    let row = rows(&findings)[0];
    assert_eq!(
        (query_of(row).unwrap(), row.qtype_name().unwrap()),
        ("*".into(), "NBSTAT".into())
    );
}

#[test]
fn pointers_are_bounded() {
    // Each of many names is a pointer to the pointer before it.
    let mut bytes = question("a", 1);
    for nth in 0_u16..5_000 {
        let to = if nth == 0 {
            12
        } else {
            12 + 7 + (nth - 1) * 12
        };
        bytes.extend((0xc000 | to).to_be_bytes());
        bytes.extend([0, 1, 0, 1, 0, 0, 0, 1, 0, 0]);
        if usize::from(to) > 0x3fff - 12 {
            break;
        }
    }
    let reply = message(1, REPLY, [1, 5_000, 0, 0], &[&bytes]);
    let findings = play(udp(), &[&reply]);
    assert_eq!(weirds(&findings), ["DNS_RR_bad_length"]);
    // A name behind so many pointers, which lie inside a label and end at a count of nothing.
    for (hops, want) in [(32, None), (33, Some("DNS_too_many_compression_pointers"))] {
        let pointers = (0..35_u16).flat_map(|nth| {
            let to = if nth == 0 { 6 } else { 13 + (nth - 1) * 2 };
            (0xc000 | to).to_be_bytes()
        });
        let mut label: Vec<u8> = pointers.collect();
        label.splice(62..62, [8]);
        label.splice(0..0, [62]);
        let first = [label.as_slice(), &[0, 0, 1, 0, 1]].concat();
        let last = 13 + (hops - 2) * 2 + u16::from(hops > 32);
        let second = [&(0xc000 | last).to_be_bytes()[..], &[0, 1, 0, 1]].concat();
        let query = message(1, QUERY, [2, 0, 0, 0], &[&first, &second]);
        let findings = play(udp(), &[&query]);
        assert_eq!(weirds(&findings).first().copied(), want, "{hops}");
    }
}

#[test]
fn many_answers_are_cut() {
    let answers: Vec<u8> = (0..200).flat_map(|_| record(1, 1, &[1, 1, 1, 1])).collect();
    let reply = message(1, REPLY, [1, 200, 0, 0], &[&question("a", 1), &answers]);
    let findings = play(udp(), &[&reply]);
    assert_eq!(rows(&findings)[0].answers.len(), MAX_ANSWERS);
    assert_eq!(weirds(&findings), ["DNS_answers_not_shown"]);
}

#[test]
fn waiting_messages_are_bounded() {
    let mut dns = udp();
    let mut findings = Findings::default();
    for id in 0..1_000 {
        let query = message(id, QUERY, [1, 0, 0, 0], &[&question("a", 1)]);
        let _ = dns.data(Side::Orig, T0, &query, &mut findings);
        assert!(dns.queries.len() <= MAX_PENDING);
    }
    dns.finish(T0, &mut findings);
    assert_eq!(findings.records.len(), 1_000);
}

/// Two queries and their replies as a TCP stream of each side.
fn streams() -> [Vec<u8>; 2] {
    let framed = |messages: &[Vec<u8>]| {
        let frame = |m: &Vec<u8>| [&u16::try_from(m.len()).unwrap().to_be_bytes(), &m[..]].concat();
        messages.iter().flat_map(frame).collect::<Vec<u8>>()
    };
    let q = |id| message(id, QUERY, [1, 0, 0, 0], &[&question("example.com", 16)]);
    let r = |id| {
        let data = record(16, 5, b"\x05hello");
        message(
            id,
            REPLY,
            [1, 1, 0, 0],
            &[&question("example.com", 16), &data],
        )
    };
    [framed(&[q(1), q(2)]), framed(&[r(1), vec![], r(2)])]
}

fn play_tcp(cuts: [&[usize]; 2]) -> Findings {
    let mut dns = flow(IpProto::TCP, "10.0.0.53", 53);
    let mut findings = Findings::default();
    for ((side, stream), cuts) in [Side::Orig, Side::Resp]
        .into_iter()
        .zip(streams())
        .zip(cuts)
    {
        let mut rest = stream.as_slice();
        for cut in cuts {
            let (part, after) = rest.split_at((*cut).min(rest.len()));
            let _ = dns.data(side, T0, part, &mut findings);
            rest = after;
        }
        let _ = dns.data(side, T0, rest, &mut findings);
    }
    dns.finish(T0, &mut findings);
    findings
}

#[test]
fn tcp_streams_are_messages_with_lengths() {
    let findings = play_tcp([&[], &[]]);
    let rows = rows(&findings);
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| texts(row) == ["TXT 5 hello"] && row.proto == IpProto::TCP)
    );
    let mut dns = flow(IpProto::TCP, "10.0.0.53", 53);
    assert_eq!(
        dns.gap(Side::Orig, T0, 1, &mut Findings::default()),
        Progress::Done
    );
}

#[test]
fn numbers_have_names() {
    let cases = [
        (1, "A"),
        (53, "SMIMEA"),
        (54, "query-54"),
        (55, "HIP"),
        (65, "HTTPS"),
        (66, "query-66"),
        (99, "SPF"),
        (109, "EUI64"),
        (249, "TKEY"),
        (255, "*"),
        (257, "CAA"),
        (258, "query-258"),
        (0, "query-0"),
        (32769, "DLV"),
        (65535, "query-65535"),
    ];
    for (number, name) in cases {
        assert_eq!(type_name(number), name);
    }
    assert_eq!(
        (class_name(1), class_name(9)),
        ("C_INTERNET".into(), "qclass-9".into())
    );
    assert_eq!(opcode_name(5, Naming::Netbios), "netbios-registration");
    assert_eq!(
        (rcode_name(3), rcode_name(15)),
        ("NXDOMAIN", "unassigned-15")
    );
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_the_rows_are_the_same(
        orig in prop::collection::vec(1..9_usize, 0..40), resp in prop::collection::vec(1..9_usize, 0..60),
    ) {
        prop_assert_eq!(play_tcp([&orig, &resp]), play_tcp([&[], &[]]));
    }

    #[test]
    fn random_bytes_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..600), tcp in any::<bool>(), port in prop_oneof![Just(53), Just(137)],
    ) {
        let proto = if tcp { IpProto::TCP } else { IpProto::UDP };
        let findings = play(flow(proto, "10.0.0.53", port), &[&bytes, &bytes]);
        prop_assert!(findings.records.len() <= 2 + bytes.len());
    }

    #[test]
    fn changed_messages_do_no_harm(at in 0..100_usize, to in any::<u8>(), kind in 0..100_u16) {
        let data = [0xc0, 12, 3, b'a', b'b', b'c', 0xc0, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0xc0, 12];
        let parts = [question("example.com", kind), record(kind, 1, &data), record(1, 1, &[1, 2, 3, 4])];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut reply = message(1, REPLY, [1, 2, 0, 0], &parts);
        if let Some(byte) = reply.get_mut(at) {
            *byte = to;
        }
        let _ = play(udp(), &[&reply]);
    }
}
