use proptest::prelude::*;

use super::datagram::Rtp;
use super::*;
use crate::IpProto;
use crate::protocol::Service;

use Side::{Orig, Resp};

/// Who sends what, in turn, to which port; what it is.
type Case = (&'static str, &'static [(Side, &'static [u8])], u16, Verdict);

const fn is(protocol: Protocol) -> Verdict {
    Verdict::Is(protocol)
}

const TEXT: [Case; 29] = [
    (
        "HTTP",
        &[(Orig, b"GET / HTTP/1.1\r\n")],
        4444,
        is(Protocol::Http),
    ),
    (
        "HTTP WebDAV",
        &[(Orig, b"PROPFIND /x HTTP/1.1\r\n")],
        80,
        is(Protocol::Http),
    ),
    (
        "HTTP from the reply",
        &[(Resp, b"HTTP/1.1 200 OK\r\n")],
        80,
        is(Protocol::Http),
    ),
    (
        "HTTP OPTIONS",
        &[(Orig, b"OPTIONS * HTTP/1.1\r\n")],
        80,
        is(Protocol::Http),
    ),
    (
        "HTTP CONNECT, cut",
        &[(Orig, b"CONNECT "), (Orig, b"a:443 HTTP/1.1\r\n")],
        80,
        is(Protocol::Http),
    ),
    (
        "RTSP OPTIONS",
        &[(Orig, b"OPTIONS rtsp://a/ RTSP/1.0\r\n")],
        8554,
        Verdict::Undecided,
    ),
    (
        "RTSP OPTIONS, cut",
        &[(Orig, b"OPTIONS rt"), (Orig, b"sp://a/ RTSP/1.0\r\n")],
        8554,
        Verdict::Undecided,
    ),
    (
        "CONNECT of NATS",
        &[
            (Resp, b"INFO {\"port\":4222}\r\n"),
            (Orig, b"CONNECT {\"verbose\":false}\r\n"),
        ],
        4222,
        Verdict::Unknown,
    ),
    (
        "SIP OPTIONS",
        &[(Orig, b"OPTIONS sip:a@b SIP/2.0\r\n")],
        80,
        is(Protocol::Sip),
    ),
    (
        "SIP reply",
        &[(Resp, b"SIP/2.0 200 OK\r\n")],
        5060,
        is(Protocol::Sip),
    ),
    ("SSH", &[(Resp, b"SSH-2.0-x\r\n")], 2222, is(Protocol::Ssh)),
    (
        "SSH, a client that is never answered",
        &[(Orig, b"SSH-1.99-x\r\n")],
        22,
        is(Protocol::Ssh),
    ),
    (
        "FTP by its greeting",
        &[(Resp, b"220 ProFTPD ready\r\n")],
        21,
        is(Protocol::Ftp),
    ),
    (
        "FTP by its client",
        &[(Resp, b"220 hello\r\n"), (Orig, b"user me\r\n")],
        21,
        is(Protocol::Ftp),
    ),
    (
        "SMTP",
        &[(Resp, b"220 mx.example ESMTP Postfix\r\n")],
        25,
        is(Protocol::Smtp),
    ),
    (
        "SMTP by its client",
        &[(Resp, b"220 hi\r\n"), (Orig, b"EHLO x\r\n")],
        25,
        is(Protocol::Smtp),
    ),
    (
        "SMTP, one side",
        &[(Orig, b"HELO x\r\n")],
        25,
        is(Protocol::Smtp),
    ),
    (
        "SMTP that names FTP",
        &[(Resp, b"220 ftp.example SMTP\r\n")],
        25,
        is(Protocol::Smtp),
    ),
    (
        "POP3",
        &[(Resp, b"+OK ready\r\n"), (Orig, b"USER me\r\n")],
        110,
        is(Protocol::Pop3),
    ),
    (
        "IMAP",
        &[(Resp, b"* OK IMAP4rev1\r\n")],
        143,
        is(Protocol::Imap),
    ),
    (
        "Redis",
        &[(Orig, b"*1\r\n$4\r\nPING\r\n"), (Resp, b"+PONG\r\n")],
        6379,
        is(Protocol::Redis),
    ),
    (
        "IRC",
        &[(Orig, b"NICK me\r\nUSER me 0 * :Me\r\n")],
        6667,
        is(Protocol::Irc),
    ),
    (
        "IRC, user first",
        &[(Orig, b"USER me 0 * :Me\r\n")],
        6667,
        is(Protocol::Irc),
    ),
    (
        "IRC, password first",
        &[(Orig, b"PASS x\r\nNICK me\r\n")],
        6667,
        is(Protocol::Irc),
    ),
    (
        "IRC by its server",
        &[(Resp, b":irc.example NOTICE AUTH :hi\r\n")],
        6667,
        is(Protocol::Irc),
    ),
    (
        "a name longer than a server of IRC has",
        &[
            (Orig, b"what is your name?\r\n"),
            (
                Resp,
                b":0123456789012345678901234567890123456789012345678901234567890123456789 NOTICE x",
            ),
        ],
        6667,
        Verdict::Unknown,
    ),
    (
        "a word of HTTP",
        &[
            (Orig, b"GETTING started\r\n"),
            (Resp, b"what do you mean?\r\n"),
        ],
        80,
        Verdict::Unknown,
    ),
    (
        "a star",
        &[
            (Orig, b"* hello, is anybody there?\r\n"),
            (Resp, b"- no, or what is it?\r\n"),
        ],
        6379,
        Verdict::Unknown,
    ),
    (
        "a greeting alone",
        &[(Resp, b"220 hello\r\n")],
        21,
        Verdict::Undecided,
    ),
];

const BINARY: [Case; 32] = [
    ("SOCKS 5", &[(Orig, b"\x05\x02\x00\x02"), (Resp, b"\x05\x02")], 10_080, is(Protocol::Socks)),
    ("SOCKS 4", &[(Orig, b"\x04\x01\x00\x50\x01\x02\x03\x04me\x00"), (Resp, b"\x00\x5a\x00\x00\x00\x00\x00\x00")], 1_080, is(Protocol::Socks)),
    ("TLS client", &[(Orig, b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03")], 4444, is(Protocol::Tls)),
    ("TLS server", &[(Resp, b"\x16\x03\x03\x00\x5a\x02\x00\x00\x56\x03\x03")], 443, is(Protocol::Tls)),
    ("TLS alert", &[(Orig, b"?"), (Resp, b"\x15\x03\x01\x00\x02\x02\x28")], 443, is(Protocol::Tls)),
    ("TLS in SSL 2's words", &[(Orig, b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x39")], 443, is(Protocol::Tls)),
    ("no TLS: a long message", &[(Orig, b"\x16\x03\x01\x00\xf4\x01\x7f\x00\xf0\x03\x03 and ten more bytes"), (Resp, b"no, thank you very much")], 443, Verdict::Unknown),
    ("SMB 1", &[(Orig, b"\x00\x00\x00\x85\xffSMBr")], 445, is(Protocol::Smb)),
    ("SMB 2", &[(Orig, b"\x00\x00\x00\xa8\xfeSMB@")], 4450, is(Protocol::Smb)),
    ("MySQL", &[(Resp, b"\x4a\x00\x00\x00\x0a8.0.36\x00")], 3306, is(Protocol::Mysql)),
    ("MariaDB", &[(Resp, b"\x4a\x00\x00\x00\x0a10.6\x00")], 3307, is(Protocol::Mysql)),
    ("PostgreSQL", &[(Orig, b"\x00\x00\x00\x4c\x00\x03\x00\x00user\x00")], 15432, is(Protocol::Postgresql)),
    ("PostgreSQL, encrypted", &[(Orig, b"\x00\x00\x00\x08\x04\xd2\x16\x2f")], 5432, is(Protocol::Postgresql)),
    ("MQTT", &[(Orig, b"\x10\x1e\x00\x04MQTT\x04")], 1883, is(Protocol::Mqtt)),
    ("MQTT, old", &[(Orig, b"\x10\x80\x01\x00\x06MQIsdp\x03")], 1883, is(Protocol::Mqtt)),
    ("RDP, cookie", &[(Orig, b"\x03\x00\x00\x2a\x25\xe0\x00\x00\x00\x00\x00Cookie: mstshash=a\r\n")], 33890, is(Protocol::Rdp)),
    ("RDP, negotiation", &[(Orig, b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00")], 3390, is(Protocol::Rdp)),
    ("no RDP: S7", &[(Orig, b"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x01\x00\xc1\x02\x10\x00\xc2\x02\x03\x00\xc0\x01\x0a"), (Resp, b"no, thank you very much")], 102, Verdict::Unknown),
    ("Kerberos", &[(Orig, b"\x00\x00\x00\xb2\x6a\x81\xaf\x30\x81\xac\xa1\x03\x02\x01\x05")], 88, is(Protocol::Kerberos)),
    ("DCE/RPC", &[(Orig, b"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00")], 49155, is(Protocol::DceRpc)),
    ("LDAP", &[(Orig, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")], 389, is(Protocol::Ldap)),
    ("LDAP, long lengths", &[(Orig, b"\x30\x84\x00\x00\x00\x2d\x02\x01\x01\x63\x84")], 3890, is(Protocol::Ldap)),
    ("DNP3", &[(Orig, b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21")], 20000, is(Protocol::Dnp3)),
    ("no DNP3: a wrong sum", &[(Orig, b"\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x22\x00\x00\x00\x00\x00\x00\x00\x00"), (Resp, b"no, thank you very much")], 20000, Verdict::Unknown),
    ("Modbus", &[(Orig, b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a"), (Resp, b"\x00\x01\x00\x00\x00\x17\x01\x03\x14")], 5020, is(Protocol::Modbus)),
    ("Modbus, an error", &[(Orig, b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a"), (Resp, b"\x00\x01\x00\x00\x00\x03\x01\x83\x02")], 502, is(Protocol::Modbus)),
    ("no Modbus: another's reply", &[(Orig, b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a"), (Resp, b"\x00\x02\x00\x00\x00\x17\x01\x03\x14")], 502, Verdict::Unknown),
    ("Telnet", &[(Resp, b"\xff\xfd\x18\xff\xfd\x20")], 23, is(Protocol::Telnet)),
    ("BitTorrent", &[(Orig, b"\x13BitTorrent protocol\x00")], 6881, is(Protocol::BitTorrent)),
    ("VNC", &[(Resp, b"RFB 003.008\n")], 5901, is(Protocol::Rfb)),
    ("DNS on another port", &[(Orig, b"\x00\x13\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")], 5300, is(Protocol::Dns)),
    ("zeros", &[(Orig, &[0; 64]), (Resp, &[0; 64])], 9999, Verdict::Unknown),
];

fn play(parts: &[(Side, &[u8])], port: u16, cut: usize) -> Verdict {
    let mut recogniser = Recogniser::default();
    let mut verdict = Verdict::Undecided;
    for (side, bytes) in parts {
        for part in bytes.chunks(cut) {
            verdict = recogniser.data(*side, part, port);
            if let Verdict::Is(_) = verdict {
                return verdict;
            }
        }
    }
    verdict
}

#[test]
fn streams_are_recognised_however_they_are_cut() {
    for (name, parts, port, want) in TEXT.iter().chain(&BINARY) {
        for cut in [usize::MAX, 1, 3] {
            assert_eq!(play(parts, *port, cut), *want, "{name}, cut every {cut}");
        }
    }
}

#[test]
fn what_was_seen_undecided_is_held() {
    let mut recogniser = Recogniser::default();
    assert_eq!(recogniser.data(Resp, b"220 hi\r\n", 21), Verdict::Undecided);
    assert_eq!(recogniser.data(Orig, b"US", 21), Verdict::Undecided);
    assert_eq!(
        recogniser.data(Orig, b"ER me\r\n", 21),
        Verdict::Is(Protocol::Ftp)
    );
    let (first, held) = recogniser.held();
    assert_eq!(
        (first, held.orig.as_slice(), held.resp.as_slice()),
        (Resp, &b"US"[..], &b"220 hi\r\n"[..])
    );
}

#[test]
fn little_is_held() {
    let mut recogniser = Recogniser::default();
    for _ in 0..100 {
        let _ = recogniser.data(Orig, &[0xaa; 100], 9);
        assert!(recogniser.held().1.orig.len() <= LOOK);
    }
    let mut deaf = recogniser.clone();
    let verdicts: Vec<Verdict> = (0..100).map(|_| deaf.data(Orig, b"x", 9)).collect();
    assert_eq!(verdicts.last(), Some(&Verdict::Unknown));
    assert_eq!(
        recogniser.data(Resp, b"HTTP/1.1 200 OK\r\n", 9),
        Verdict::Is(Protocol::Http)
    );
}

/// A datagram, its ports, what it is.
type Datagram = (&'static str, Vec<u8>, (u16, u16), Option<Protocol>);

fn padded(start: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.resize(len, 0);
    bytes
}

#[expect(clippy::too_many_lines, reason = "one flat table")]
fn datagrams() -> Vec<Datagram> {
    let mut dhcp = padded(&[1, 1, 6, 0], 236);
    dhcp.extend([0x63, 0x82, 0x53, 0x63, 0x35, 1, 1]);
    let query =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01".to_vec();
    vec![
        ("DNS", query.clone(), (40_000, 53), Some(Protocol::Dns)),
        ("DNS elsewhere", query, (40_000, 9_953), Some(Protocol::Dns)),
        ("nonsense on DNS's port", vec![1, 2, 3], (40_000, 53), None),
        ("DHCP", dhcp, (680, 670), Some(Protocol::Dhcp)),
        (
            "QUIC",
            padded(&[0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0], 1_200),
            (40_000, 4_433),
            Some(Protocol::Quic),
        ),
        (
            "QUIC 2",
            padded(&[0xd3, 0x6b, 0x33, 0x43, 0xcf, 0, 0], 1_200),
            (40_000, 443),
            Some(Protocol::Quic),
        ),
        (
            "QUIC handshake",
            padded(&[0xe3, 0, 0, 0, 1, 0, 0], 1_200),
            (40_000, 443),
            None,
        ),
        (
            "NTP",
            padded(&[0x23], 48),
            (40_000, 123),
            Some(Protocol::Ntp),
        ),
        (
            "NTP elsewhere",
            padded(&[0x23], 48),
            (40_000, 1_230),
            Some(Protocol::Ntp),
        ),
        ("zeros", padded(&[], 48), (40_000, 1_230), None),
        (
            "SNMP 1",
            b"\x30\x26\x02\x01\x00\x04\x06public\xa0\x19".to_vec(),
            (1, 1_161),
            Some(Protocol::Snmp),
        ),
        (
            "SNMP 3",
            b"\x30\x3e\x02\x01\x03\x30\x11\x02\x04".to_vec(),
            (1, 161),
            Some(Protocol::Snmp),
        ),
        (
            "Kerberos",
            b"\x6a\x81\xaf\x30\x81\xac\xa1\x03\x02\x01\x05".to_vec(),
            (1, 88),
            Some(Protocol::Kerberos),
        ),
        (
            "Kerberos error",
            b"\x7e\x81\x92\x30\x81\x8f\xa0\x03\x02\x01\x05".to_vec(),
            (1, 88),
            Some(Protocol::Kerberos),
        ),
        (
            "LDAP",
            b"\x30\x84\x00\x00\x00\x2d\x02\x01\x01\x63\x84".to_vec(),
            (1, 389),
            Some(Protocol::Ldap),
        ),
        (
            "SIP",
            b"INVITE sip:a@b SIP/2.0\r\n".to_vec(),
            (1, 2),
            Some(Protocol::Sip),
        ),
        (
            "RDP",
            padded(&[0xff, 0xff, 0xff, 0xff, 0, 64, 0, 1], 1_232),
            (50_000, 3389),
            Some(Protocol::RdpUdp),
        ),
        (
            "STUN",
            padded(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], 20),
            (1, 2),
            Some(Protocol::Stun),
        ),
        (
            "syslog",
            b"<34>Oct 11 22:14:15 host su: hi".to_vec(),
            (1, 5_140),
            Some(Protocol::Syslog),
        ),
        ("no syslog", b"<html>".to_vec(), (1, 514), None),
        (
            "no syslog: a high priority",
            b"<999>x".to_vec(),
            (1, 514),
            None,
        ),
        (
            "BitTorrent",
            b"d1:ad2:id20:abcdefghij".to_vec(),
            (1, 2),
            Some(Protocol::BitTorrent),
        ),
        (
            "DTLS",
            padded(b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x10\x01", 40),
            (1, 2),
            Some(Protocol::Dtls),
        ),
        (
            "RADIUS",
            padded(&[1, 7, 0, 40], 40),
            (1, 1812),
            Some(Protocol::Radius),
        ),
        ("RADIUS elsewhere", padded(&[1, 7, 0, 40], 40), (1, 2), None),
        ("empty", vec![], (1, 2), None),
    ]
}

#[test]
fn datagrams_are_recognised() {
    for (name, bytes, ports, want) in datagrams() {
        assert_eq!(datagram::protocol(&bytes, ports), want, "{name}");
    }
}

#[test]
fn rtp_shows_in_packets_that_follow_each_other() {
    let packet = |number: u16| {
        let mut bytes = vec![0x80, 0];
        bytes.extend(number.to_be_bytes());
        bytes.extend([0, 0, 0, 160, 1, 2, 3, 4, 0xd5, 0xd5]);
        bytes
    };
    let mut recogniser = DatagramRecogniser::default();
    let verdicts: Vec<Verdict> = [7, 8, 9]
        .map(|number| recogniser.data(&packet(number), (1, 2)))
        .to_vec();
    assert_eq!(
        verdicts[1..],
        [Verdict::Undecided, Verdict::Is(Protocol::Rtp)]
    );
    let mut recogniser = DatagramRecogniser::default();
    for number in [7, 9, 11, 13, 15, 17, 19] {
        assert_eq!(recogniser.data(&packet(number), (1, 2)), Verdict::Undecided);
    }
    assert_eq!(recogniser.data(&packet(21), (1, 2)), Verdict::Unknown);
}

#[test]
fn services_have_zeeks_names_and_homes() {
    let cases = [
        (Protocol::Tls, IpProto::TCP, "ssl", 443),
        (Protocol::Kerberos, IpProto::TCP, "krb_tcp", 88),
        (Protocol::Kerberos, IpProto::UDP, "krb", 88),
        (Protocol::Dnp3, IpProto::TCP, "dnp3_tcp", 20000),
        (Protocol::Ldap, IpProto::UDP, "ldap_udp", 389),
        (Protocol::Ssh, IpProto::TCP, "ssh", 22),
    ];
    for (protocol, proto, name, port) in cases {
        assert_eq!(protocol.service(proto), Service(name));
        assert!(
            protocol.is_at_home(port) && !protocol.is_at_home(4444),
            "{name}"
        );
        assert!(is_at_home(Service(name), proto, port), "{name}");
        assert!(!is_at_home(Service(name), proto, 4444), "{name}");
    }
    // What nobody recognises is nowhere out of place.
    assert!(is_at_home(Service("ftp-data"), IpProto::TCP, 4444));
}

#[test]
fn all_are_all() {
    let mut all = Protocol::ALL.to_vec();
    all.sort_unstable();
    all.dedup();
    assert_eq!(
        (all.len(), all.last()),
        (Protocol::Tls as usize + 1, Some(&Protocol::Tls))
    );
}

proptest! {
    #[test]
    fn random_bytes_are_nothing_and_do_no_harm(
        orig in prop::collection::vec(any::<u8>(), 0..300), resp in prop::collection::vec(any::<u8>(), 0..300), cut in 4..40_usize,
    ) {
        let whole = play(&[(Orig, &orig), (Resp, &resp)], 9, usize::MAX);
        let pieces = play(&[(Orig, &orig), (Resp, &resp)], 9, cut);
        prop_assert!(whole == pieces || matches!(pieces, Verdict::Is(_)));
        let _ = datagram::protocol(&orig, (9, 9));
        let _ = Rtp::default().protocol(&orig);
    }
}

/// Who was not asked, as nothing of his begins so, would have said no.
#[test]
fn what_nobody_begins_with_is_asked_of_nobody() {
    let cases = TEXT.iter().chain(&BINARY);
    let parts = cases.flat_map(|(_, parts, ..)| parts.iter().map(|(_, bytes)| *bytes));
    let mut sides: Vec<Vec<u8>> = parts
        .flat_map(|bytes| [bytes.len().min(5), bytes.len()].map(|len| bytes[..len].to_vec()))
        .flat_map(|bytes| [bytes.to_ascii_lowercase(), bytes])
        .chain((0..=255).map(|first| vec![first; 40]))
        .chain([Vec::new()])
        .collect();
    sides.sort();
    sides.dedup();
    for (orig, resp) in sides
        .iter()
        .flat_map(|orig| sides.iter().map(move |resp| (orig, resp)))
    {
        for (port, server_first) in [(4444, true), (21, false), (53, false), (502, false)] {
            for begun in [Begun::Whole, Begun::Midstream] {
                let starts = Starts {
                    begun,
                    orig,
                    resp,
                    server_first,
                    port,
                };
                let everybody = starts.tests().iter().flat_map(|tests| tests.all);
                assert_eq!(starts.verdict(), starts.first_of(everybody), "{starts:x?}");
            }
        }
    }
}

#[test]
fn few_protocols_are_read_from_midstream() {
    const READ: &[u8] = b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a";
    let cases: [(&str, &[u8], u16, Verdict); 6] = [
        ("SMB", b"\x00\x00\x00\xa8\xfeSMB@", 4450, is(Protocol::Smb)),
        (
            "DCE/RPC",
            b"\x05\x00\x00\x03\x10\x00\x00\x00\x20\x00\x00\x00",
            1032,
            is(Protocol::DceRpc),
        ),
        ("Modbus", READ, 502, is(Protocol::Modbus)),
        ("what may be Modbus", READ, 5020, Verdict::Undecided),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", 22, Verdict::Undecided),
        ("HTTP", b"GET / HTTP/1.1\r\n", 80, Verdict::Undecided),
    ];
    for (name, bytes, port, want) in cases {
        let mut recogniser = Recogniser::new(Begun::Midstream);
        assert_eq!(recogniser.data(Orig, bytes, port), want, "{name}");
        if want == Verdict::Undecided {
            // The other side may still begin with a message.
            assert_eq!(
                recogniser.data(Resp, bytes, port),
                Verdict::Unknown,
                "{name}"
            );
        }
    }
}

#[test]
fn words_are_told_by_how_they_begin() {
    const WORDS: Words = Words::of(&[b"AB ", b"ACE", b"*x"]);
    for (bytes, exactly, in_any_case) in [
        (&b""[..], Match::Maybe, Match::Maybe),
        (b"A", Match::Maybe, Match::Maybe),
        (b"AC", Match::Maybe, Match::Maybe),
        (b"ACE!", Match::Yes, Match::Yes),
        (b"*x", Match::Yes, Match::Yes),
        (b"ab c", Match::No, Match::Yes),
        (b"AD", Match::No, Match::No),
        (b"B", Match::No, Match::No),
        // The same but for the highest bit.
        (b"\xc1B ", Match::No, Match::No),
    ] {
        assert_eq!(WORDS.begin(bytes), exactly, "{bytes:?}");
        assert_eq!(WORDS.begin_in_any_case(bytes), in_any_case, "{bytes:?}");
    }
}
