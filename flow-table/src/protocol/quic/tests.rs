use proptest::prelude::*;

use super::super::Findings;
use super::*;

use Side::{Orig, Resp};

const T0: Timestamp = Timestamp::new(1_700_000_000, 0);
const DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const SCID: [u8; 4] = [1, 2, 3, 4];
/// Bytes of everything before the number, in a packet without a token.
const HEADER: usize = 1 + 4 + 1 + 8 + 1 + 4 + 1 + 2;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

/// A client's hello that asks for `h` and offers `h3`.
fn hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend(b"\0\0\x02\x13\x01\x01\0\0\x13\0\0\0\x06\0\x04\0\0\x01h\0\x10\0\x05\0\x03\x02h3");
    let len = u8::try_from(body.len()).unwrap();
    [&[1, 0, 0, len], body.as_slice()].concat()
}

fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(b"\0\x13\x01\0\0\x06\0\x2b\0\x02\x03\x04");
    let len = u8::try_from(body.len()).unwrap();
    [&[2, 0, 0, len], body.as_slice()].concat()
}

fn crypto_frame(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let two = |number: usize| (u16::try_from(number).unwrap() | 0x4000).to_be_bytes();
    [&[6], &two(offset)[..], &two(bytes.len()), bytes].concat()
}

fn initial(side: Side, version: u32, number: u8, frames: &[u8]) -> Vec<u8> {
    let keys = Keys::new(version, &DCID).unwrap();
    let mut plain = frames.to_vec();
    plain.resize(plain.len().max(20), 0);
    let (to, from): (&[u8], &[u8]) = match side {
        Orig => (&DCID, &SCID),
        Resp => (&SCID, &[5, 6, 7, 8, 9, 9, 9, 9]),
    };
    let first = if version == packet::VERSION_2 {
        0xd0
    } else {
        0xc0
    };
    let len = u16::try_from(1 + plain.len() + 16).unwrap() | 0x4000;
    let mut header = vec![first];
    header.extend(version.to_be_bytes());
    for name in [to, from] {
        header.push(u8::try_from(name.len()).unwrap());
        header.extend(name);
    }
    header.push(0);
    header.extend(len.to_be_bytes());
    assert_eq!(header.len(), HEADER);
    header.push(number);
    keys.seal(side, &header, &plain)
}

/// Who sends which datagram, in turn.
fn play(datagrams: &[(Side, Vec<u8>)]) -> (Findings, Progress) {
    let (mut quic, mut findings) = (Quic::default(), Findings::default());
    let mut progress = Progress::Going;
    for (side, bytes) in datagrams {
        if progress == Progress::Going {
            progress = quic.data(*side, T0, bytes, &mut findings);
        }
    }
    quic.finish(T0, &mut findings);
    (findings, progress)
}

fn rows(findings: &Findings) -> Vec<&QuicRecord> {
    let rows = findings.records.iter().filter_map(|record| match record {
        Record::Quic(row) => Some(&**row),
        _ => None,
    });
    rows.collect()
}

#[test]
fn the_packets_of_the_standards_are_read() {
    let plain = "020000000006 00405a 020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304";
    let packets = [
        (
            1,
            "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
        ),
        (
            packet::VERSION_2,
            "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140",
        ),
    ];
    for (version, packet) in packets {
        let packet = unhex(packet);
        let (long, rest) = Long::read(&packet).unwrap();
        assert!(rest.is_empty());
        let Kind::Initial { protected } = long.kind else {
            panic!("{long:?}")
        };
        let keys = Keys::new(version, &DCID).unwrap();
        let got = keys.open(Resp, long.bytes, protected);
        assert_eq!(got, Some(unhex(plain)), "{version:x}");
        assert_eq!(keys.open(Orig, long.bytes, protected), None);
    }
}

#[test]
fn a_connection_is_told() {
    for version in [1, packet::VERSION_2, 0xff00_001d, 0xff00_0017] {
        let (message, answer) = (hello(), server_hello());
        let (start, end) = message.split_at(10);
        // The end comes first, and what is behind the server's first packet is another.
        let both = [
            initial(Resp, version, 0, &crypto_frame(0, &answer)),
            vec![0x40, 1, 2, 3],
        ];
        let datagrams = [
            (
                Orig,
                initial(
                    Orig,
                    version,
                    0,
                    &[crypto_frame(10, end), vec![1, 0]].concat(),
                ),
            ),
            (Orig, initial(Orig, version, 1, &crypto_frame(0, start))),
            (Resp, both.concat()),
            (Orig, vec![0x40, 1]),
            (Orig, vec![0x00, 1]),
        ];
        let (findings, _) = play(&datagrams);
        assert_eq!(findings.services, [QUIC, Service("ssl")], "{version:x}");
        let rows = rows(&findings);
        assert_eq!(rows[0].history, "IISisoOX");
        assert_eq!(rows[0].server_name.as_deref(), Some(&b"h"[..]));
        assert_eq!(rows[0].client_protocol.as_deref(), Some(&b"h3"[..]));
        assert_eq!(
            rows[0].client_initial_dcid.as_deref(),
            Some("8394c8f03e515708")
        );
        assert_eq!(rows[0].client_scid.as_deref(), Some("01020304"));
        assert_eq!(rows[0].server_scid.as_deref(), Some("0506070809090909"));
        let Some(Record::Ssl(ssl)) = findings.records.last() else {
            panic!("{findings:?}")
        };
        assert_eq!(
            (ssl.ssl_history.as_str(), ssl.version),
            ("Cs", Some(0x0304))
        );
        assert!(
            ssl.ja4
                .as_ref()
                .is_some_and(|ja4| ja4.starts_with("q12d0102h3_"))
        );
    }
}

#[test]
fn connections_end_and_begin_anew() {
    let first = initial(Orig, 1, 0, &crypto_frame(0, &hello()));
    let retry = b"\xf0\0\0\0\x01\x04\x01\x02\x03\x04\x02\x07\x07token-and-a-tag-of-it".to_vec();
    let offers = b"\x80\0\0\0\0\x04\x01\x02\x03\x04\x02\x07\x07\x6b\x33\x43\xcf".to_vec();
    let unknown = b"\xc0\x1a\x2a\x3a\x4a\x04\x01\x02\x03\x04\x02\x07\x07".to_vec();
    let close = initial(Resp, 1, 1, &[0x1c, 0, 0, 0]);
    let cases: [(&str, Vec<u8>, &[&str], Progress); 4] = [
        ("retry", retry, &["ISr", "IS"], Progress::Going),
        ("other versions", offers, &["ISu", "I"], Progress::Going),
        ("an unknown version", unknown, &["ISu"], Progress::Done),
        ("close", close, &["ISic", "I"], Progress::Going),
    ];
    for (name, answer, want, progress) in cases {
        let (findings, got) = play(&[(Orig, first.clone()), (Resp, answer), (Orig, first.clone())]);
        let histories: Vec<&str> = rows(&findings).iter().map(|row| &*row.history).collect();
        assert_eq!((histories.as_slice(), got), (want, progress), "{name}");
    }
}

#[test]
fn damage_is_not_believed() {
    let mut damaged = initial(Orig, 1, 0, &crypto_frame(0, &hello()));
    damaged[HEADER + 9] ^= 1;
    let (findings, progress) = play(&vec![(Orig, damaged); 12]);
    assert_eq!(progress, Progress::Done);
    assert!(findings.services.is_empty());
    assert_eq!(rows(&findings)[0].history, "I".repeat(10));
}

/// Beginnings and ends.
type Pieces = Vec<(usize, usize)>;

#[test]
fn pieces_are_put_together() {
    let message = hello();
    let len = message.len();
    let cases: [(&str, Pieces, bool); 7] = [
        ("whole", vec![(0, len)], true),
        ("backwards", vec![(20, len), (10, 20), (0, 10)], true),
        ("overlapping", vec![(0, 12), (30, len), (8, 33)], true),
        ("twice", vec![(0, 12), (0, 12), (12, len)], true),
        ("around", vec![(5, 6), (8, 9), (0, len)], true),
        ("a hole", vec![(0, 12), (13, len)], false),
        ("nothing", vec![(0, 0)], false),
    ];
    for (name, pieces, whole) in cases {
        let mut crypto = Crypto::default();
        let taken = pieces
            .iter()
            .map(|(start, end)| crypto.take(*start as u64, &message[*start..*end]));
        let last = taken.last().unwrap();
        let want = if whole {
            Taken::Message(message.clone())
        } else {
            Taken::More
        };
        assert_eq!(last, want, "{name}");
    }
    let mut crypto = Crypto::default();
    assert_eq!(crypto.take(17_000, &[1]), Taken::TooMuch);
    assert_eq!(Crypto::default().take(0, &[1, 255, 0, 0]), Taken::TooMuch);
    assert_eq!(Crypto::default().take(u64::MAX, &[1]), Taken::TooMuch);
    let mut crypto = Crypto::default();
    let many = (0..300).map(|at| crypto.take(at * 2 + 1, &[0]));
    assert_eq!(many.filter(|taken| *taken == Taken::TooMuch).count(), 1);
}

#[test]
fn histories_have_a_limit() {
    let mut datagrams = vec![(Orig, initial(Orig, 1, 0, &crypto_frame(0, &hello())))];
    datagrams.extend(vec![(Orig, vec![0; 9]); 300]);
    let handshake = b"\xe0\0\0\0\x01\x04\x01\x02\x03\x04\x02\x07\x07\x01\xff".to_vec();
    datagrams.extend(vec![(Orig, handshake); 300]);
    let (findings, _) = play(&datagrams);
    assert_eq!(rows(&findings)[0].history.len(), MAX_HISTORY);
    assert_eq!(findings.weirds.len(), 1);
}

#[test]
fn connections_have_a_limit() {
    let offers = b"\x80\0\0\0\0\x04\x01\x02\x03\x04\x02\x07\x07\x6b\x33\x43\xcf".to_vec();
    let (findings, progress) = play(&vec![(Resp, offers); 200]);
    assert_eq!(progress, Progress::Done);
    assert_eq!((rows(&findings).len(), findings.weirds.len()), (100, 1));
}

#[test]
fn hellos_of_versions_whose_keys_are_known_are_read() {
    let versions = [
        1,
        packet::VERSION_2,
        0xff00_0016,
        0xff00_0017,
        0xff00_001d,
        0xff00_0021,
        0xface_b001,
        0xface_b002,
        0xface_b00e,
    ];
    for version in versions {
        let (findings, _) = play(&[(Orig, initial(Orig, version, 0, &crypto_frame(0, &hello())))]);
        let name = rows(&findings)[0].server_name.as_deref();
        assert_eq!(name, Some(&b"h"[..]), "{version:x}");
    }
}

#[test]
fn versions_have_names() {
    for (version, want) in [
        (1, "1"),
        (packet::VERSION_2, "quicv2"),
        (0xff00_001d, "draft-29"),
        (0xface_b002, "mvfst (faceb002)"),
        (0x1a2a_3a4a, "unknown-1a2a3a4a"),
    ] {
        assert_eq!(version_name(version), want);
    }
}

proptest! {
    #[test]
    fn however_the_hello_is_cut_it_is_the_same(cut in 1..40_usize) {
        let message = hello();
        let mut datagrams: Vec<_> = (0..).zip(message.chunks(cut)).map(|(number, piece)| {
            let frame = crypto_frame(usize::from(number) * cut, piece);
            (Orig, initial(Orig, 1, number, &frame))
        }).collect();
        datagrams.reverse();
        let (findings, _) = play(&datagrams);
        prop_assert_eq!(rows(&findings)[0].server_name.as_deref(), Some(&b"h"[..]));
    }

    #[test]
    fn random_frames_do_no_harm(frames in prop::collection::vec(any::<u8>(), 0..90), version in prop_oneof![Just(1), Just(packet::VERSION_2)]) {
        let _ = play(&[(Orig, initial(Orig, version, 0, &frames)), (Resp, initial(Resp, version, 0, &frames))]);
    }

    #[test]
    fn random_bytes_do_no_harm(datagrams in prop::collection::vec((any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..80)), 0..9)) {
        let datagrams: Vec<_> = datagrams.into_iter().map(|(orig, first, mut bytes)| {
            bytes.splice(0..0, [first | 0xc0, 0, 0, 0, 1, 4]);
            (if orig { Orig } else { Resp }, bytes)
        }).collect();
        let _ = play(&datagrams);
    }
}
