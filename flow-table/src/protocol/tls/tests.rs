use proptest::prelude::*;

use super::super::Findings;
use super::fingerprint::{Carrier, ja3, ja3s, ja4};
use super::hello::{ClientHello, ServerHello};
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

fn u16s(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

fn sized16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn sized24(bytes: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(bytes.len()).unwrap().to_be_bytes()[1..],
        bytes,
    ]
    .concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), sized16(data)].concat()
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1], sized16(content).as_slice()].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], sized24(body).as_slice()].concat()
}

fn client_body(version: u16, session: &[u8], ciphers: &[u16], extensions: &[Vec<u8>]) -> Vec<u8> {
    let len = u8::try_from(session.len()).unwrap();
    let mut body = version.to_be_bytes().to_vec();
    body.extend([9; 32]);
    body.push(len);
    body.extend(session);
    body.extend(sized16(&u16s(ciphers)));
    body.extend([1, 0]);
    body.extend(sized16(&extensions.concat()));
    body
}

fn server_body(version: u16, session: &[u8], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let len = u8::try_from(session.len()).unwrap();
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(len);
    body.extend(session);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    body.extend(sized16(&extensions.concat()));
    body
}

fn server_name(name: &str) -> Vec<u8> {
    extension(
        0,
        &sized16(&[&[0], sized16(name.as_bytes()).as_slice()].concat()),
    )
}

fn alpn(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    extension(16, &sized16(&[&[len], name.as_bytes()].concat()))
}

fn play(parts: &[(Side, Vec<u8>)], cut: usize) -> Findings {
    let (mut tls, mut findings) = (Tls::default(), Findings::default());
    'all: for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            if tls.data(*side, T0, part, &mut findings) == Progress::Done {
                break 'all;
            }
        }
    }
    tls.finish(T0, &mut findings);
    findings
}

fn row(findings: &Findings) -> &SslRecord {
    let rows: Vec<_> = findings.records.iter().collect();
    match rows[..] {
        [.., Record::Ssl(row)] => row,
        _ => panic!("{findings:?}"),
    }
}

const CCS: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

fn hello12(session: &[u8], more: &[Vec<u8>]) -> Vec<u8> {
    let extensions = [&[server_name("www.example.com")], more].concat();
    record(
        HANDSHAKE,
        &message(1, &client_body(0x0303, session, &[0xc02f], &extensions)),
    )
}

/// A full handshake of TLS 1.2 with a certificate that is none.
fn full12() -> Vec<(Side, Vec<u8>)> {
    let server = [
        message(2, &server_body(0x0303, &[1; 32], 0xc02f, &[alpn("h2")])),
        message(11, &sized24(&sized24(b"no certificate"))),
        message(12, &[3, 0, 29, 1, 7]),
        message(14, &[]),
    ];
    vec![
        (Orig, hello12(&[], &[])),
        (Resp, record(HANDSHAKE, &server.concat())),
        (Orig, record(HANDSHAKE, &message(16, &[0; 33]))),
        (Orig, record(CCS, &[1])),
        (Orig, record(HANDSHAKE, &[0xee; 40])),
        (Resp, record(HANDSHAKE, &message(4, &[0; 9]))),
        (Resp, record(CCS, &[1])),
        (Resp, record(HANDSHAKE, &[0xdd; 40])),
        (Orig, record(DATA, &[0xcc; 40])),
    ]
}

fn full13() -> Vec<(Side, Vec<u8>)> {
    let versions = extension(43, &[2, 3, 4]);
    let offer = [
        server_name("a.example"),
        extension(43, &[4, 3, 4, 3, 3]),
        alpn("h2"),
    ];
    let chosen = [extension(43, &[3, 4]), extension(51, &[0, 29, 0, 0])];
    let _ = versions;
    vec![
        (
            Orig,
            record(
                HANDSHAKE,
                &message(1, &client_body(0x0303, &[5; 32], &[0x1301], &offer)),
            ),
        ),
        (
            Resp,
            record(
                HANDSHAKE,
                &message(2, &server_body(0x0303, &[5; 32], 0x1301, &chosen)),
            ),
        ),
        (Resp, record(CCS, &[1])),
        (Resp, record(DATA, &[0xaa; 60])),
        (Orig, record(CCS, &[1])),
        (Orig, record(DATA, &[0xbb; 60])),
    ]
}

#[test]
fn a_full_handshake_of_1_2() {
    let findings = play(&full12(), usize::MAX);
    let row = row(&findings);
    assert_eq!(
        (row.version, row.cipher, row.curve),
        (Some(0x0303), Some(0xc02f), Some(29))
    );
    assert_eq!(row.server_name.as_deref(), Some(&b"www.example.com"[..]));
    assert_eq!(row.next_protocol.as_deref(), Some(&b"h2"[..]));
    assert_eq!((row.established, row.resumed), (true, false));
    assert_eq!(row.ssl_history, "CsxknGIti");
    let print = "c58f8a67ab7a7a2ff69cd5fc6fa7ffb2a3e5ad9d";
    assert_ne!(row.cert_chain_fps.as_ref().unwrap()[0], print);
    assert_eq!(row.client_cert_chain_fps.as_deref(), Some(&[][..]));
    assert_eq!(findings.services, [SSL]);
    assert_eq!(findings.weirds[0].name, "x509_cert_parse_error");
}

#[test]
fn a_handshake_of_1_3() {
    let findings = play(&full13(), usize::MAX);
    let row = row(&findings);
    assert_eq!(
        (row.version, row.cipher, row.curve),
        (Some(0x0304), Some(0x1301), Some(29))
    );
    assert_eq!(
        (row.ssl_history.as_str(), row.established, row.resumed),
        ("CsiI", true, false)
    );
    assert_eq!(row.cert_chain_fps, None);
    assert!(
        row.ja3.is_some()
            && row.ja3s.is_some()
            && row.ja4.as_deref().unwrap().starts_with("t13d0103h2_")
    );
}

/// What happened; history, established, resumed.
type Case = (
    &'static str,
    Vec<(Side, Vec<u8>)>,
    &'static str,
    (bool, bool),
);

#[expect(clippy::too_many_lines, reason = "one flat table")]
fn endings() -> Vec<Case> {
    let ticket = || hello12(&[], &[extension(35, &[1, 2, 3])]);
    let hello = |session: &[u8]| {
        record(
            HANDSHAKE,
            &message(2, &server_body(0x0303, session, 0xc02f, &[])),
        )
    };
    let short = |side| {
        (
            side,
            [record(CCS, &[1]), record(HANDSHAKE, &[0xee; 40])].concat(),
        )
    };
    let alert = |side, number| (side, record(ALERT, &[2, number]));
    let mut retry = server_body(0x0303, &[], 0x1301, &[extension(43, &[3, 4])]);
    retry.splice(
        2..34,
        [
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65,
            0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
            0xc8, 0xa8, 0x33, 0x9c,
        ],
    );
    let retry = (Resp, record(HANDSHAKE, &message(2, &retry)));
    vec![
        (
            "a hello alone",
            vec![(Orig, hello12(&[], &[]))],
            "C",
            (false, false),
        ),
        (
            "refused",
            vec![(Orig, hello12(&[], &[])), alert(Resp, 40)],
            "Cl",
            (false, false),
        ),
        (
            "an old session",
            vec![
                (Orig, hello12(&[4; 32], &[])),
                (Resp, hello(&[4; 32])),
                short(Resp),
                short(Orig),
            ],
            "CsiI",
            (true, true),
        ),
        (
            "another session",
            vec![
                (Orig, hello12(&[4; 32], &[])),
                (Resp, hello(&[6; 32])),
                short(Resp),
                short(Orig),
            ],
            "CsiI",
            (true, false),
        ),
        (
            "by ticket",
            vec![
                (Orig, ticket()),
                (Resp, hello(&[])),
                short(Resp),
                short(Orig),
            ],
            "CsiI",
            (true, true),
        ),
        (
            "heartbeat",
            vec![
                (Orig, hello12(&[], &[])),
                (Orig, record(HEARTBEAT, &[1, 0x40, 0])),
            ],
            "CB",
            (false, false),
        ),
        (
            "the responder is the client",
            vec![(Resp, hello12(&[], &[])), (Orig, hello(&[]))],
            "^Cs",
            (false, false),
        ),
        (
            "asked again",
            [
                vec![full13()[0].clone(), retry, (Orig, record(CCS, &[1]))],
                full13(),
            ]
            .concat(),
            "CjICsiI",
            (true, false),
        ),
        (
            "one side of 1.3",
            full13()[..4].to_vec(),
            "Csi",
            (false, false),
        ),
    ]
}

#[test]
fn handshakes_end_in_many_ways() {
    for (name, parts, history, ends) in endings() {
        let findings = play(&parts, usize::MAX);
        let row = row(&findings);
        assert_eq!(
            (row.ssl_history.as_str(), (row.established, row.resumed)),
            (history, ends),
            "{name}"
        );
    }
    let (_, refused, ..) = endings().remove(1);
    assert_eq!(row(&play(&refused, 1)).last_alert, Some(40));
}

#[test]
fn a_hello_in_the_words_of_ssl_2() {
    let mut hello = vec![0x80, 46, 1, 3, 1, 0, 21, 0, 0, 0, 16];
    hello.extend([0; 37]);
    let server = record(
        HANDSHAKE,
        &message(2, &server_body(0x0301, &[], 0x002f, &[])),
    );
    for cut in [usize::MAX, 1] {
        let findings = play(&[(Orig, hello.clone()), (Resp, server.clone())], cut);
        assert_eq!(
            (row(&findings).ssl_history.as_str(), row(&findings).version),
            ("Cs", Some(0x0301))
        );
    }
}

#[test]
fn what_is_no_tls_is_refuted() {
    let http = b"HTTP/1.1 400 Bad Request\r\n".to_vec();
    let findings = play(&[(Orig, hello12(&[], &[])), (Resp, http)], usize::MAX);
    assert_eq!(
        (row(&findings).ssl_history.as_str(), findings.services.len()),
        ("C", 0)
    );
    assert_eq!(
        play(&[(Orig, b"GET / HTTP/1.1\r\n".to_vec())], usize::MAX),
        Findings::default()
    );
}

#[test]
fn state_is_bounded() {
    let huge = [
        &[HANDSHAKE, 3, 1, 0x40, 0, 11, 0xff, 0xff, 0xff][..],
        &[0; 16_380],
    ]
    .concat();
    let findings = play(&[(Orig, hello12(&[], &[])), (Resp, huge)], 1_000);
    assert_eq!(findings.weirds[0].name, "SSL_handshake_message_too_long");
    let many = (0..300).flat_map(|_| record(ALERT, &[1, 0])).collect();
    let findings = play(&[(Orig, hello12(&[], &[])), (Resp, many)], usize::MAX);
    assert_eq!(row(&findings).ssl_history.len(), MAX_HISTORY);
    let chain = sized24(&sized24(b"x").repeat(100));
    let findings = play(
        &[
            (Orig, hello12(&[], &[])),
            (Resp, record(HANDSHAKE, &message(11, &chain))),
        ],
        usize::MAX,
    );
    assert_eq!(
        row(&findings).cert_chain_fps.as_ref().unwrap().len(),
        MAX_CERTIFICATES
    );
}

/// Vectors of the makers of JA3, and one of md5sum.
#[test]
fn ja3_is_that_of_others() {
    let hello = |version, ciphers: &[u16], extensions: &[u16], groups: &[u16], formats| {
        let (ciphers, extensions) = (ciphers.to_vec(), extensions.to_vec());
        ja3(&ClientHello {
            version,
            ciphers,
            extensions,
            groups: groups.to_vec(),
            formats,
            ..ClientHello::default()
        })
    };
    assert_eq!(
        hello(
            769,
            &[47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
            &[0, 10, 11],
            &[23, 24, 25],
            &[0]
        ),
        "ada70206e40642a3e4461f35503241d5"
    );
    assert_eq!(
        hello(
            769,
            &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99, 0x0a0a],
            &[],
            &[],
            &[]
        ),
        "de350869b8c85de67a350c8d186f11e6"
    );
    let server = ServerHello {
        version: 769,
        cipher: 47,
        extensions: vec![65281, 0, 11, 35, 5, 16],
        ..ServerHello::default()
    };
    assert_eq!(ja3s(&server), "836ce314215654b5b1f85f97c73e506f");
}

/// The vector of JA4's technical description.
#[test]
fn ja4_is_that_of_others() {
    let mut hello = ClientHello {
        version: 0x0303,
        ciphers: vec![
            0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        extensions: vec![
            0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
            0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ],
        signatures: vec![
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
        ],
        versions: vec![0x3a3a, 0x0304, 0x0303],
        alpn: Some(b"h2"),
        ..ClientHello::default()
    };
    assert_eq!(
        ja4(&hello, Carrier::Tcp),
        "t13d1516h2_8daaf6152771_e5627efa2ab1"
    );
    hello = ClientHello {
        version: 0x0302,
        alpn: Some(b"\xab"),
        ..ClientHello::default()
    };
    assert_eq!(
        ja4(&hello, Carrier::Tcp),
        "t11i0000ab_000000000000_000000000000"
    );
}

#[test]
fn numbers_have_names() {
    assert_eq!(cipher_name(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    assert_eq!(
        (cipher_name(0x1301), cipher_name(0xeeee)),
        ("TLS_AES_128_GCM_SHA256".into(), "unknown-61166".into())
    );
    assert_eq!(
        (version_name(0x0304), version_name(0x7f10)),
        ("TLSv13".into(), "TLSv13-draft16".into())
    );
    assert_eq!(
        (curve_name(23), curve_name(0x0a0a)),
        ("secp256r1".into(), "grease_0x0A0A".into())
    );
    assert_eq!(
        (alert_name(48), alert_name(200)),
        ("unknown_ca".into(), "unknown-200".into())
    );
}

proptest! {
    #[test]
    fn however_records_are_cut_the_row_is_the_same(cut in 1..50_usize, which in 0..3_usize) {
        let parts = match which { 0 => full12(), 1 => full13(), _ => endings().remove(7).1 };
        prop_assert_eq!(play(&parts, cut), play(&parts, usize::MAX));
    }

    /// Messages may lie in records as they like.
    #[test]
    fn however_messages_are_spread_the_row_is_the_same(size in 1..60_usize) {
        let spread: Vec<_> = full12().into_iter().map(|(side, bytes)| {
            if bytes[0] != HANDSHAKE || bytes[5] >= 0xdd { return (side, bytes); }
            (side, bytes[5..].chunks(size).flat_map(|part| record(HANDSHAKE, part)).collect())
        }).collect();
        prop_assert_eq!(play(&spread, usize::MAX), play(&full12(), usize::MAX));
    }

    #[test]
    fn random_bytes_do_no_harm(kind in 18..26_u8, bytes in prop::collection::vec(any::<u8>(), 0..200), message_kind in 0..26_u8) {
        let inner = message(message_kind, &bytes);
        let parts = [(Orig, record(kind, &bytes)), (Resp, record(HANDSHAKE, &inner)), (Orig, bytes)];
        let _ = play(&parts, usize::MAX);
    }

    #[test]
    fn changed_handshakes_do_no_harm(part in 0..4_usize, at in 0..150_usize, to in any::<u8>(), cut in 1..60_usize) {
        for mut parts in [full12(), full13()] {
            if let Some(byte) = parts[part].1.get_mut(at) { *byte = to; }
            let _ = play(&parts, cut);
        }
    }
}

/// A DTLS record of 1.2.
fn dtls_record(kind: u8, content: &[u8]) -> Vec<u8> {
    let start = [kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1];
    [&start, sized16(content).as_slice()].concat()
}

/// A handshake message in fragments of so many bytes.
fn dtls_message(kind: u8, number: u8, body: &[u8], size: usize) -> Vec<Vec<u8>> {
    let len = sized24(body)[..3].to_vec();
    let fragment = |(nth, part): (usize, &[u8])| {
        let offset = u32::try_from(nth * size).unwrap().to_be_bytes();
        let head = [&[kind], len.as_slice(), &[0, number], &offset[1..]].concat();
        dtls_record(HANDSHAKE, &[head, sized24(part)].concat())
    };
    let parts: Vec<&[u8]> = if body.is_empty() {
        vec![&[]]
    } else {
        body.chunks(size).collect()
    };
    parts.into_iter().enumerate().map(fragment).collect()
}

fn dtls_hello() -> Vec<u8> {
    let mut body = client_body(0xfefd, &[], &[0xc02f], &[server_name("d.example")]);
    body.splice(35..35, [2, 0xaa, 0xbb]);
    body
}

fn play_dtls(datagrams: &[(Side, Vec<u8>)]) -> Findings {
    let (mut dtls, mut findings) = (Dtls::default(), Findings::default());
    for (side, bytes) in datagrams {
        if dtls.data(*side, T0, bytes, &mut findings) == Progress::Done {
            break;
        }
    }
    dtls.finish(T0, &mut findings);
    findings
}

fn dtls12(size: usize) -> Vec<(Side, Vec<u8>)> {
    let from = |side, messages: Vec<Vec<u8>>| messages.into_iter().map(move |bytes| (side, bytes));
    let finish = [dtls_record(CCS, &[1]), dtls_record(HANDSHAKE, &[0xee; 40])].concat();
    from(Orig, dtls_message(1, 0, &dtls_hello(), size))
        .chain(from(
            Resp,
            dtls_message(3, 0, &[0xfe, 0xfd, 2, 0xaa, 0xbb], size),
        ))
        .chain(from(Orig, dtls_message(1, 1, &dtls_hello(), size)))
        .chain(from(
            Resp,
            dtls_message(2, 1, &server_body(0xfefd, &[], 0xc02f, &[]), size),
        ))
        .chain(from(Resp, dtls_message(14, 2, &[], size)))
        .chain(from(Orig, dtls_message(16, 2, &[9; 40], size)))
        .chain([(Orig, finish.clone()), (Resp, finish)])
        .collect()
}

/// A sink that keeps only bodies.
#[derive(Default)]
struct Bodies(Vec<u8>);

impl Sink for Bodies {
    fn record(&mut self, _: Record) {}
    fn weird(&mut self, _: crate::protocol::Weird) {}
    fn confirm(&mut self, _: Service) {}
    fn refute(&mut self, _: Service) {}
    fn body(&mut self, _: Side, part: crate::protocol::Body<'_>) {
        if let crate::protocol::Body::Data(bytes) = part {
            self.0.extend(bytes);
        }
    }
}

#[test]
fn whether_a_certificate_counts_is_a_file() {
    for (name, kind, want) in [("OCSP", 1, &b"response"[..]), ("another", 2, b"")] {
        let body = [&[kind], sized24(b"response").as_slice()].concat();
        let (mut tls, mut bodies) = (Tls::default(), Bodies::default());
        tls.hello(Resp, T0, &message(22, &body), &mut bodies);
        assert_eq!(bodies.0, want, "{name}");
        tls.hello(Resp, T0, &message(22, &body[..5]), &mut bodies);
        assert_eq!(bodies.0, want, "{name}, cut");
    }
}

#[test]
fn tls_in_datagrams() {
    for size in [1_000, 7] {
        let findings = play_dtls(&dtls12(size));
        let row = row(&findings);
        assert_eq!(row.ssl_history, "CvCsnGIi", "{size}");
        assert_eq!((row.version, row.established), (Some(0xfefd), true));
        assert_eq!(row.server_name.as_deref(), Some(&b"d.example"[..]));
        assert_eq!(row.ja4.as_deref().unwrap()[..10], *"dd2d010100");
        assert_eq!(findings.services, [DTLS]);
    }
    let chosen = server_body(0xfefd, &[], 0x1301, &[extension(43, &[0xfe, 0xfc])]);
    let mut datagrams = dtls12(1_000);
    datagrams.truncate(1);
    datagrams.push((Resp, dtls_message(2, 0, &chosen, 1_000).concat()));
    datagrams.extend([(Resp, vec![0x2f; 30]), (Orig, vec![0x2f; 30])]);
    let findings = play_dtls(&datagrams);
    assert_eq!(
        (row(&findings).version, row(&findings).established),
        (Some(0xfefc), true)
    );
    assert_eq!(row(&findings).ssl_history, "Cs");
    assert_eq!(play_dtls(&[(Orig, vec![0x99; 40])]), Findings::default());
}

proptest! {
    #[test]
    fn changed_datagrams_do_no_harm(at in 0..120_usize, to in any::<u8>(), size in 1..60_usize) {
        let mut datagrams = dtls12(size);
        for (_, bytes) in &mut datagrams {
            if let Some(byte) = bytes.get_mut(at) { *byte = to; }
        }
        let _ = play_dtls(&datagrams);
    }
}
