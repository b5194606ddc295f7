//! Decoding, layer by layer: what a sink gets, and what becomes of the frame (`docs/conn-log.md`,
//! A.3 and A.7).

#![expect(clippy::too_many_lines, reason = "flat tables")]

use std::net::IpAddr;

use super::*;
use crate::Clock;
use crate::tests::bytes::{
    ACK, SYN, ethernet, icmp, ip, patched, tcp, udp, v4, v4_with, v6, v6_with,
};

/// Remembers all it is told.
#[derive(Default)]
struct Told {
    packets: Vec<Packet>,
    parents: Vec<FlowKey>,
    fragments: Vec<Fragment>,
    kept: Vec<u8>,
    inner_dropped: Vec<DropReason>,
}

impl PacketSink for Told {
    fn packet(&mut self, _hash: u64) -> &mut Packet {
        self.packets.push_mut(Packet::EMPTY)
    }

    fn link(&mut self, _: LinkInfo) -> LinkPlace {
        LinkPlace::NONE
    }

    fn parent(&mut self, key: FlowKey) -> Parent {
        self.parents.push(key);
        Parent::at(self.parents.len() - 1)
    }

    fn fragment(&mut self, fragment: Fragment) {
        self.fragments.push(fragment);
    }

    fn keep(&mut self, datagram: &[u8]) -> usize {
        self.kept.extend_from_slice(datagram);
        self.kept.len() - datagram.len()
    }

    fn inner_dropped(&mut self, reason: DropReason) {
        self.inner_dropped.push(reason);
    }
}

impl Told {
    /// Everything as text, what became of the frame last.
    fn text(&self, outcome: Result<Decoded, DropReason>) -> String {
        let mut words: Vec<String> = self.packets.iter().map(|p| self.packet_text(p)).collect();
        words.extend(
            self.inner_dropped
                .iter()
                .map(|reason| format!("inner {}", reason.name())),
        );
        words.push(match outcome {
            Ok(Decoded::Processed) => "ok".to_owned(),
            Ok(Decoded::Held) => "held".to_owned(),
            Err(reason) => reason.name().to_owned(),
        });
        words.join("; ")
    }

    fn packet_text(&self, packet: &Packet) -> String {
        let (src, dst) = (
            packet.key.source(packet.way),
            packet.key.destination(packet.way),
        );
        let mut text = format!("{}>{}", src.port, dst.port);
        let body = match packet.body.get() {
            Body::Tcp(s) => format!(
                " tcp {:x} {}/{} +{} w{}{}",
                s.flags.0,
                s.seq,
                s.ack,
                s.len,
                s.window,
                if s.whole { "" } else { " cut" }
            ),
            Body::Udp(d) => format!(" udp +{}{}", d.len, if d.dns_reply { " reply" } else { "" }),
            Body::Icmp(m) => format!(" icmp +{}{}", m.len, if m.whole { "" } else { " cut" }),
            Body::Other => format!(" proto {}", packet.proto().0),
            Body::Tunnel => " tunnel".to_owned(),
            Body::BadChecksum { flags, seq } => format!(" sum {:x} {seq}", flags.0),
            Body::BadHeader { flags } => format!(" header {:x}", flags.0),
        };
        text.push_str(&body);
        if let Some(kind) = packet.carries {
            text = format!("{text} carries {kind:?}");
        }
        if let Some(parent) = packet.parent.of(&self.parents) {
            let low: IpAddr = parent.source(Way::Up).addr.into();
            text = format!("{text} in {low}:{}", parent.destination(Way::Up).port);
        }
        text
    }
}

use crate::Way;
use Checksums::{Ignore, Verify};

fn decode_cut(checksums: Checksums, bytes: &[u8], wire_len: usize) -> (Told, String) {
    let mut told = Told::default();
    let frame = Frame {
        ts: Timestamp::new(1_000_000, 0),
        bytes,
        wire_len: u32::try_from(wire_len).unwrap(),
        link: LinkType::RawIp,
        index: 0,
        at: 0,
    };
    let outcome = Decoder::new(1, checksums).decode(frame, &mut told);
    let text = told.text(outcome);
    (told, text)
}

fn decode(checksums: Checksums, bytes: &[u8]) -> String {
    decode_cut(checksums, bytes, bytes.len()).1
}

#[track_caller]
fn check(checksums: Checksums, cases: &[(&str, Vec<u8>, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(name, bytes, want)| (name, decode(checksums, bytes), want))
        .filter(|(_, got, want)| got != *want)
        .map(|(name, got, want)| format!("{name}\n  want {want}\n  got  {got}\n"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

fn datagram() -> Vec<u8> {
    udp(1000, 2000, b"ab")
}

/// The same bytes and some more.
fn padded(mut packet: Vec<u8>, more: usize) -> Vec<u8> {
    packet.resize(packet.len() + more, 0xee);
    packet
}

const FINE: &str = "1000>2000 udp +2; ok";

#[test]
fn ipv4() {
    let whole = || v4(17, datagram());
    let first = |byte| patched(whole(), 0, &[byte]);
    let stated = |len: u16| patched(whole(), 2, &len.to_be_bytes());
    check(
        Verify,
        &[
            ("plain", whole(), FINE),
            (
                "four bytes of options",
                v4_with(&[1; 4], 17, datagram()),
                FINE,
            ),
            (
                "forty bytes of options",
                v4_with(&[1; 40], 17, datagram()),
                FINE,
            ),
            ("nothing", vec![], "bad_ip_header"),
            ("nineteen bytes", whole()[..19].to_vec(), "bad_ip_header"),
            ("a header of 16 bytes", first(0x44), "bad_ip_header"),
            (
                "a header longer than what is there",
                first(0x4f),
                "bad_ip_header",
            ),
            ("version 5", patched(whole(), 0, &[0x55]), "bad_ip_header"),
            ("padding", padded(whole(), 26), FINE),
            ("less than the header", stated(19), "bad_ip_header"),
            ("more than there was", stated(31), "truncated_ip"),
            ("no length", stated(0), "zero_ip_length"),
            ("only the header", stated(20), "truncated_transport_header"),
            (
                "wrong checksum",
                [&whole()[..10], &[0, 0], &whole()[12..]].concat(),
                "bad_ip_checksum",
            ),
            ("ESP", v4(50, vec![0; 30]), "no_transport"),
            ("SCTP", v4(132, vec![0; 30]), "0>0 proto 132; ok"),
            ("SCTP, nothing of it", v4(132, vec![]), "0>0 proto 132; ok"),
            ("a fragment", patched(whole(), 6, &[0x20, 0]), "held"),
            ("a later fragment", patched(whole(), 6, &[0, 1]), "held"),
            ("do not fragment", patched(whole(), 6, &[0x40, 0]), FINE),
        ],
    );
    check(
        Ignore,
        &[
            (
                "wrong checksum",
                [&whole()[..10], &[0, 0], &whole()[12..]].concat(),
                FINE,
            ),
            ("no length", stated(0), FINE),
        ],
    );
    let counted = decode_cut(Ignore, &stated(0), 30).0.packets[0].ip_len;
    assert_eq!(counted, 0, "the header's own statement");
}

#[test]
fn cut_by_the_snap_length() {
    let segment = v4(6, tcp(1, 2, ACK, &[0; 60]));
    let message = v4(1, icmp(8, 0, &[0; 60]));
    let first = patched(v4(17, udp(1000, 2000, &[0; 60])), 6, &[0x20, 0]);
    let later = patched(v4(17, udp(1000, 2000, &[0; 60])), 6, &[0x20, 1]);
    let v6 = v6(17, udp(1000, 2000, &[0; 60]));
    let cases = [
        ("TCP", &segment, 60, "1>2 tcp 10 7/9 +60 w512 cut; ok"),
        (
            "TCP, only its header",
            &segment,
            40,
            "1>2 tcp 10 7/9 +60 w512 cut; ok",
        ),
        (
            "TCP, in its header",
            &segment,
            39,
            "truncated_transport_header",
        ),
        ("TCP, in the IP header", &segment, 19, "bad_ip_header"),
        ("ICMP", &message, 60, "8>0 icmp +60 cut; ok"),
        (
            "ICMP, in its header",
            &message,
            27,
            "truncated_transport_header",
        ),
        ("a first fragment", &first, 60, "1000>2000 udp +60; ok"),
        ("a later fragment", &later, 60, "incomplete_fragment"),
        ("UDP over IPv6", &v6, 48, "1000>2000 udp +60; ok"),
        (
            "UDP over IPv6, in its header",
            &v6,
            47,
            "truncated_transport_header",
        ),
    ];
    for (name, bytes, kept, want) in cases {
        let got = decode_cut(Verify, &bytes[..kept], bytes.len()).1;
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn ipv6_extensions() {
    let ext = |next: u8| vec![next, 0, 0, 0, 0, 0, 0, 0];
    let long = |next: u8| [vec![next, 1], vec![0; 14]].concat();
    let auth = |next: u8| [vec![next, 4], vec![0; 22]].concat();
    let atomic = |next: u8| vec![next, 0, 0, 0, 0, 0, 0, 1];
    let with = |first: u8, chain: &[Vec<u8>]| v6_with(first, &chain.concat(), 17, datagram());
    check(
        Verify,
        &[
            ("none", v6(17, datagram()), FINE),
            ("padding", padded(v6(17, datagram()), 9), FINE),
            ("hop by hop", with(0, &[ext(17)]), FINE),
            ("routing", with(43, &[long(17)]), FINE),
            ("destination", with(60, &[ext(17)]), FINE),
            ("authentication", with(51, &[auth(17)]), FINE),
            ("an atomic fragment", with(44, &[atomic(17)]), FINE),
            (
                "in the usual order",
                with(0, &[ext(60), ext(43), long(51), auth(60), ext(17)]),
                FINE,
            ),
            (
                "in another",
                with(51, &[auth(60), long(0), ext(44), atomic(43), ext(17)]),
                FINE,
            ),
            ("hop by hop twice", with(0, &[ext(0), ext(17)]), FINE),
            (
                "a hundred",
                with(60, &[vec![ext(60); 99], vec![ext(17)]].concat()),
                FINE,
            ),
            ("nothing next", v6(59, vec![0; 20]), "no_transport"),
            (
                "nothing next after options",
                with(60, &[ext(59)]),
                "no_transport",
            ),
            ("ESP after options", with(0, &[ext(50)]), "no_transport"),
            ("mobility", v6(135, vec![0; 20]), "no_transport"),
            (
                "options beyond the end",
                v6(60, vec![17, 9, 0, 0, 0, 0, 0, 0]),
                "bad_ip_header",
            ),
            (
                "authentication beyond the end",
                v6(51, vec![17, 255, 0, 0]),
                "bad_ip_header",
            ),
            ("half a header", v6(0, vec![17]), "bad_ip_header"),
            ("options that never end", v6(60, ext(60)), "bad_ip_header"),
            (
                "thirty-nine bytes",
                v6(17, vec![])[..39].to_vec(),
                "bad_ip_header",
            ),
            (
                "more than there was",
                patched(v6(17, datagram()), 4, &[0, 11]),
                "truncated_ip",
            ),
            (
                "a fragment",
                with(44, &[vec![17, 0, 0, 1, 0, 0, 0, 1]]),
                "held",
            ),
            (
                "a fragment after options",
                with(60, &[ext(44), vec![17, 0, 0, 9, 0, 0, 0, 1]]),
                "held",
            ),
        ],
    );
    let counted = decode_cut(Verify, &with(0, &[ext(17)]), 58).0.packets[0].ip_len;
    assert_eq!(counted, 58, "payload and header");
}

/// Both halves of a packet whose payload is cut after `at` bytes, `header` of them.
fn halves_v4(packet: &[u8], at: usize) -> [Vec<u8>; 2] {
    let (header, rest) = packet.split_at(20);
    let units = u16::try_from(at / 8).unwrap();
    let half = |part: &[u8], place: u16| {
        let whole = [header, part].concat();
        let len = u16::try_from(whole.len()).unwrap();
        let whole = patched(whole, 2, &len.to_be_bytes());
        patched(whole, 6, &place.to_be_bytes())
    };
    [half(&rest[..at], 0x2000), half(&rest[at..], units)]
}

fn halves_v6(before: &[u8], next: u8, rest: &[u8], at: usize) -> [Vec<u8>; 2] {
    let half = |part: &[u8], place: u16| {
        let place = place.to_be_bytes();
        let header = [&[next, 0], &place[..], &[0, 0, 0, 7]].concat();
        v6_with(
            if before.is_empty() { 44 } else { 60 },
            &[before, &header, part].concat(),
            0,
            vec![],
        )
    };
    let units = u16::try_from(at).unwrap();
    [half(&rest[..at], 1), half(&rest[at..], units)]
}

#[test]
fn fragments_make_one_packet() {
    let payload = [7; 40];
    let whole4 = v4(17, udp(1000, 2000, &payload));
    let whole6 = v6(17, udp(1000, 2000, &payload));
    let options = [44, 0, 0, 0, 0, 0, 0, 0];
    let later_options = [&[17, 0, 0, 0, 0, 0, 0, 0][..], &whole6[40..]].concat();
    let cases = [
        ("IPv4", halves_v4(&whole4, 16), 68),
        ("IPv6", halves_v6(&[], 17, &whole6[40..], 24), 88),
        (
            "IPv6, options before",
            halves_v6(&options, 17, &whole6[40..], 24),
            96,
        ),
        (
            "IPv6, options after",
            halves_v6(&[], 60, &later_options, 16),
            96,
        ),
    ];
    for (name, halves, ip_len) in cases {
        for backwards in [false, true] {
            let mut halves = halves.clone();
            if backwards {
                halves.reverse();
            }
            let mut fragments = Fragments::new(FragmentConfig { memory: 1 << 20 });
            let times = [Timestamp::new(1, 0)];
            let clock = Clock::new(&times);
            let mut wholes = Vec::new();
            for half in &halves {
                let (told, text) = decode_cut(Verify, half, half.len());
                assert_eq!(text, "held", "{name}");
                wholes.extend(fragments.take(&told.fragments[0], &clock));
            }
            assert_eq!(wholes.len(), 1, "{name}");
            let mut told = Told::default();
            let outcome = Decoder::new(1, Verify).decode_whole(&wholes[0], &mut told);
            assert_eq!(told.text(outcome), "1000>2000 udp +40; ok", "{name}");
            assert_eq!(told.packets[0].ip_len, ip_len, "{name}");
            assert_eq!(payloads(&told, &[]), [payload], "{name}");
        }
    }
}

#[test]
fn transport() {
    let tcp4 = |segment| v4(6, segment);
    let offset = |words: u8, more: &[u8]| patched_segment(tcp(1, 2, ACK, more), 12, &[words << 4]);
    check(
        Verify,
        &[
            (
                "TCP",
                tcp4(tcp(1, 2, SYN, b"")),
                "1>2 tcp 2 7/9 +0 w512; ok",
            ),
            (
                "TCP with data",
                tcp4(tcp(1, 2, ACK, b"abc")),
                "1>2 tcp 10 7/9 +3 w512; ok",
            ),
            (
                "over IPv6",
                v6(6, tcp(1, 2, ACK, b"abc")),
                "1>2 tcp 10 7/9 +3 w512; ok",
            ),
            (
                "with options",
                tcp4(offset(7, &[1; 10])),
                "1>2 tcp 10 7/9 +2 w512; ok",
            ),
            (
                "nothing but options",
                tcp4(offset(15, &[1; 40])),
                "1>2 tcp 10 7/9 +0 w512; ok",
            ),
            (
                "a header of 16 bytes",
                tcp4(offset(4, b"")),
                "1>2 header 10; bad_transport_header",
            ),
            (
                "a header beyond the end",
                tcp4(offset(6, b"abc")),
                "1>2 header 10; bad_transport_header",
            ),
            (
                "nineteen bytes",
                v4(6, tcp(1, 2, ACK, b"")[..19].to_vec()),
                "truncated_transport_header",
            ),
            (
                "TCP, wrong checksum",
                bad(tcp4(tcp(1, 2, SYN, b"abc"))),
                "1>2 sum 2 7; bad_checksum",
            ),
            (
                "UDP, wrong checksum",
                bad(v4(17, datagram())),
                "1000>2000 sum 0 0; bad_checksum",
            ),
            (
                "ICMP, wrong checksum",
                bad(v4(1, icmp(8, 0, b"ab"))),
                "8>0 sum 0 0; bad_checksum",
            ),
            (
                "ICMPv6, wrong checksum",
                bad(v6(58, icmp(128, 0, b"ab"))),
                "128>129 sum 0 0; bad_checksum",
            ),
            (
                "UDP, no checksum",
                patched(v4(17, datagram()), 26, &[0, 0]),
                FINE,
            ),
            (
                "UDP, no checksum over IPv6",
                patched(v6(17, datagram()), 46, &[0, 0]),
                "1000>2000 sum 0 0; bad_checksum",
            ),
            (
                "UDP, seven bytes",
                v4(17, datagram()[..7].to_vec()),
                "truncated_transport_header",
            ),
            (
                "ICMP, seven bytes",
                v4(1, vec![8; 7]),
                "truncated_transport_header",
            ),
            ("ICMP, eight", v4(1, icmp(8, 0, b"")), "8>0 icmp +0; ok"),
        ],
    );
    let stating = |len: u16| v4(17, patched_segment(datagram(), 4, &len.to_be_bytes()));
    check(
        Ignore,
        &[
            (
                "TCP, wrong checksum",
                bad(tcp4(tcp(1, 2, SYN, b"abc"))),
                "1>2 tcp 2 7/9 +3 w512; ok",
            ),
            ("UDP, wrong checksum", bad(v4(17, datagram())), FINE),
            (
                "ICMP, wrong checksum",
                bad(v4(1, icmp(8, 0, b"ab"))),
                "8>0 icmp +2; ok",
            ),
            (
                "UDP over IPv6 without",
                patched(v6(17, datagram()), 46, &[0, 0]),
                FINE,
            ),
            ("UDP claims more", stating(108), "1000>2000 udp +100; ok"),
            ("UDP claims less", stating(9), "1000>2000 udp +1; ok"),
            (
                "UDP claims less than its header",
                stating(7),
                "1000>2000 udp +0; ok",
            ),
            ("UDP claims nothing", stating(0), "1000>2000 udp +0; ok"),
        ],
    );
}

/// The last byte is another one.
fn bad(mut packet: Vec<u8>) -> Vec<u8> {
    *packet.last_mut().unwrap() ^= 1;
    packet
}

fn patched_segment(mut segment: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    segment[at..at + bytes.len()].copy_from_slice(bytes);
    segment
}

#[test]
fn dns_replies() {
    let message = |flags: u8, len: usize| [&[0, 1, flags], &vec![0; len - 3][..]].concat();
    for (name, src, dst, payload, want) in [
        (
            "question",
            40_000,
            53,
            message(1, 12),
            "40000>53 udp +12; ok",
        ),
        (
            "answer",
            53,
            40_000,
            message(0x81, 12),
            "53>40000 udp +12 reply; ok",
        ),
        (
            "no whole header",
            53,
            40_000,
            message(0x81, 11),
            "53>40000 udp +11; ok",
        ),
        (
            "not DNS",
            54,
            40_000,
            message(0x81, 12),
            "54>40000 udp +12; ok",
        ),
        (
            "mDNS",
            5353,
            5353,
            message(0x84, 12),
            "5353>5353 udp +12 reply; ok",
        ),
    ] {
        let got = decode(Verify, &v4(17, udp(src, dst, &payload)));
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn icmp_that_is_answered_is_one_flow() {
    let pairs: [(u8, &[(u8, u8)]); 2] = [
        (1, &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)]),
        (
            58,
            &[
                (128, 129),
                (133, 134),
                (135, 136),
                (130, 131),
                (139, 140),
                (144, 145),
            ],
        ),
    ];
    for (proto, kinds) in pairs {
        for (ask, answer) in kinds {
            let [there, back] = [(*ask, false), (*answer, true)].map(|(kind, back)| {
                let bytes = icmp_packet(proto, kind, 1, back);
                let (told, text) = decode_cut(Verify, &bytes, bytes.len());
                (told.packets[0].key, text)
            });
            assert_eq!(there.0, back.0, "{ask} and {answer}");
            assert_eq!(there.1, format!("{ask}>{answer} icmp +4; ok"));
            assert_eq!(back.1, format!("{answer}>{ask} icmp +4; ok"));
        }
    }
}

fn icmp_packet(proto: u8, kind: u8, code: u8, back: bool) -> Vec<u8> {
    let (a, b) = if proto == 1 {
        ("10.0.0.1", "10.0.0.2")
    } else {
        ("fd00::1", "fd00::2")
    };
    let (src, dst) = if back { (b, a) } else { (a, b) };
    ip(src, dst, proto, icmp(kind, code, &[0; 4]))
}

#[test]
fn icmp_that_is_not_answered_is_a_flow_for_each_direction() {
    for (proto, kind, code) in [
        (1, 3, 1),
        (1, 11, 0),
        (1, 5, 5),
        (58, 1, 4),
        (58, 3, 0),
        (58, 137, 137),
    ] {
        let [there, back] = [false, true].map(|back| {
            let bytes = icmp_packet(proto, kind, code, back);
            let (told, text) = decode_cut(Verify, &bytes, bytes.len());
            assert_eq!(text, format!("{kind}>{code} icmp +4; ok"));
            told.packets[0].key
        });
        assert_ne!(there, back, "{kind}");
    }
}

/// The innermost packet of all tunnels here.
fn inner() -> Vec<u8> {
    ip("10.1.0.1", "10.1.0.2", 17, datagram())
}

fn inner6() -> Vec<u8> {
    ip("2001:db8::1", "2001:db8::2", 17, datagram())
}

fn over_udp(port: u16, header: &[u8], inside: &[u8]) -> Vec<u8> {
    v4(17, udp(50_000, port, &[header, inside].concat()))
}

const VXLAN: [u8; 8] = [8, 0, 0, 0, 0, 0, 9, 0];
const AYIYA: [u8; 24] = [
    0x40, 0x00, 0x01, 41, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

fn gtp(header: &[u8], inside: &[u8]) -> Vec<u8> {
    over_udp(2152, header, inside)
}

#[test]
fn tunnels_over_udp() {
    let teredo = ip("2001::1", "2001:db8::2", 17, datagram());
    let origin = [&[0, 0, 1, 2, 3, 4, 5, 6], &teredo[..]].concat();
    let told = |kind: &str, port: u16, size: usize| {
        format!("50000>{port} udp +{size} carries {kind}; 1000>2000 udp +2 in 10.0.0.1:{port}; ok")
    };
    let cases = [
        (
            "VXLAN",
            over_udp(4789, &VXLAN, &ethernet(&inner())),
            told("Vxlan", 4789, 52),
        ),
        (
            "VXLAN, IPv6 inside",
            over_udp(4789, &VXLAN, &ethernet(&inner6())),
            told("Vxlan", 4789, 72),
        ),
        (
            "Geneve, Ethernet",
            over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 1, 0], &ethernet(&inner())),
            told("Geneve", 6081, 52),
        ),
        (
            "Geneve, options, IP",
            over_udp(6081, &[1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0], &inner()),
            told("Geneve", 6081, 42),
        ),
        (
            "GTP",
            gtp(&[0x30, 255, 0, 30, 0, 0, 0, 1], &inner()),
            told("Gtp", 2152, 38),
        ),
        (
            "GTP with an extension",
            gtp(
                &[0x34, 255, 0, 38, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0],
                &inner(),
            ),
            told("Gtp", 2152, 46),
        ),
        (
            "Teredo",
            over_udp(3544, &[], &teredo),
            told("Teredo", 3544, 50),
        ),
        (
            "Teredo, origin",
            over_udp(3544, &[], &origin),
            told("Teredo", 3544, 58),
        ),
        (
            "Teredo on another port",
            over_udp(9, &[], &teredo),
            told("Teredo", 9, 50),
        ),
        (
            "AYIYA",
            over_udp(5072, &AYIYA, &inner6()),
            told("Ayiya", 5072, 74),
        ),
        (
            "no VXLAN",
            over_udp(4789, &[0; 8], b"x"),
            "50000>4789 udp +9; ok".to_owned(),
        ),
        (
            "no Geneve",
            over_udp(6081, &[0xc0; 8], b"x"),
            "50000>6081 udp +9; ok".to_owned(),
        ),
        (
            "a GTP echo",
            gtp(&[0x32, 1, 0, 4, 0, 0, 0, 0], &[0; 4]),
            "50000>2152 udp +12; ok".to_owned(),
        ),
        (
            "VXLAN, ARP inside",
            over_udp(4789, &VXLAN, &[&[0; 12][..], &[8, 6], &[0; 28]].concat()),
            "50000>4789 udp +50 carries Vxlan; inner not_ip; ok".to_owned(),
        ),
        (
            "VXLAN, a wrong checksum inside",
            over_udp(4789, &VXLAN, &ethernet(&bad(inner()))),
            "50000>4789 udp +52 carries Vxlan; 1000>2000 sum 0 0 in 10.0.0.1:4789; \
             inner bad_checksum; ok"
                .to_owned(),
        ),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(decode(Verify, &bytes), want, "{name}");
    }
}

#[test]
fn tunnels_named_by_their_ends() {
    let told =
        |kind: &str| format!("0>0 tunnel carries {kind}; 1000>2000 udp +2 in 10.0.0.1:0; ok");
    let gre = |header: &[u8], inside: &[u8]| v4(47, [header, inside].concat());
    let cases = [
        ("4in4", v4(4, inner()), told("Ip")),
        ("6in4", v4(41, inner6()), told("Ip")),
        (
            "4in6",
            v6(4, inner()),
            told("Ip").replace("10.0.0.1", "fd00::1"),
        ),
        ("GRE", gre(&[0, 0, 8, 0], &inner()), told("Gre")),
        (
            "GRE, key",
            gre(&[0x20, 0, 8, 0, 0, 0, 0, 1], &inner()),
            told("Gre"),
        ),
        (
            "GRE, IPv6",
            gre(&[0, 0, 0x86, 0xdd], &inner6()),
            told("Gre"),
        ),
        (
            "GRE, Ethernet",
            gre(&[0, 0, 0x65, 0x58], &ethernet(&inner())),
            told("Gre"),
        ),
        (
            "GRE, routing",
            gre(&[0x40, 0, 8, 0], &inner()),
            "bad_tunnel".to_owned(),
        ),
        (
            "6in4 with IPv4 inside",
            v4(41, inner()),
            "bad_tunnel".to_owned(),
        ),
        (
            "4in4, something after it",
            v4(4, padded(inner(), 3)),
            "bad_tunnel".to_owned(),
        ),
        (
            "4in4, cut inside",
            v4(4, inner()[..29].to_vec()),
            "bad_tunnel".to_owned(),
        ),
        (
            "4in4, ESP inside",
            v4(4, ip("10.1.0.1", "10.1.0.2", 50, vec![0; 9])),
            "0>0 tunnel carries Ip; no_transport".to_owned(),
        ),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(decode(Verify, &bytes), want, "{name}");
    }
}

#[test]
fn tunnels_in_tunnels() {
    let ip_in_ip = |depth: u8| {
        (0..depth).fold(inner(), |inside, n| {
            ip(&format!("10.2.0.{n}"), "10.2.1.0", 4, inside)
        })
    };
    let vxlan = |depth: u8| {
        (0..depth).fold(inner(), |inside, n| {
            let payload = [&VXLAN[..], &ethernet(&inside)].concat();
            ip(
                &format!("10.2.0.{n}"),
                "10.2.1.0",
                17,
                udp(50_000, 4789, &payload),
            )
        })
    };
    for depth in 0..=4 {
        for (packet, port) in [(ip_in_ip(depth), 0), (vxlan(depth), 4789)] {
            let (told, text) = decode_cut(Verify, &packet, packet.len());
            assert!(text.ends_with("; ok"), "{depth}: {text}");
            assert_eq!(told.packets.len(), usize::from(depth) + 1);
            assert_eq!(told.parents.len(), usize::from(depth));
            // Each is named by the one right around it.
            for (n, packet) in told.packets.iter().enumerate().skip(1) {
                let around = told.packets[n - 1].key;
                let parent = *packet.parent.of(&told.parents).unwrap();
                assert_eq!(
                    parent.source(Way::Up).addr,
                    around.source(Way::Up).addr,
                    "{text}"
                );
                assert_eq!(parent.destination(Way::Up).port, port, "{text}");
            }
            assert!(told.packets[0].parent.of(&told.parents).is_none());
        }
    }
    let (told, text) = decode_cut(Verify, &ip_in_ip(5), 130);
    assert_eq!((told.packets.len(), told.parents.len()), (4, 4), "{text}");
    assert!(text.ends_with("; tunnel_too_deep"), "{text}");
    let packet = vxlan(5);
    let (told, text) = decode_cut(Verify, &packet, packet.len());
    assert_eq!((told.packets.len(), told.parents.len()), (5, 4), "{text}");
    assert!(told.packets[4].carries.is_none(), "{text}");
    assert!(text.ends_with("; inner tunnel_too_deep; ok"), "{text}");
}

/// What was captured of each packet's payload.
fn payloads(told: &Told, block: &[u8]) -> Vec<Vec<u8>> {
    let payload = |packet: &Packet| packet.payload.of(block, &told.kept).to_vec();
    told.packets.iter().map(payload).collect()
}

#[test]
fn payload_is_found_where_it_was_captured() {
    // A packet, how much of it was captured, and what each packet in it carries.
    type Case<'a> = (&'a str, Vec<u8>, usize, Vec<Vec<u8>>);
    let stream = v4(6, tcp(1, 2, ACK, b"some text"));
    let carrying = over_udp(4789, &VXLAN, &ethernet(&inner()));
    let carried = carrying[28..].to_vec();
    let cases: [Case<'_>; 12] = [
        ("UDP", v4(17, datagram()), 30, vec![b"ab".to_vec()]),
        (
            "UDP over IPv6",
            v6(17, datagram()),
            50,
            vec![b"ab".to_vec()],
        ),
        (
            "padding is none",
            padded(v4(17, datagram()), 9),
            39,
            vec![b"ab".to_vec()],
        ),
        ("TCP", stream.clone(), 49, vec![b"some text".to_vec()]),
        ("TCP, cut", stream.clone(), 44, vec![b"some".to_vec()]),
        ("TCP, only its header", stream, 40, vec![vec![]]),
        (
            "an echo",
            v4(1, icmp(8, 0, b"ab")),
            30,
            vec![b"\0\x01\0\x01ab".to_vec()],
        ),
        ("an echo, cut", v4(1, icmp(8, 0, b"ab")), 29, vec![vec![]]),
        (
            "an echo over IPv6",
            v6(58, icmp(129, 0, b"ab")),
            50,
            vec![b"\0\x01\0\x01ab".to_vec()],
        ),
        ("no echo", v4(1, icmp(3, 1, b"ab")), 30, vec![vec![]]),
        (
            "a wrong checksum",
            bad(v4(17, datagram())),
            30,
            vec![vec![]],
        ),
        (
            "a tunnel",
            carrying.clone(),
            carrying.len(),
            vec![carried, b"ab".to_vec()],
        ),
    ];
    for (name, bytes, kept, want) in cases {
        let block = [&[0xdd; 100], &bytes[..kept]].concat();
        let mut told = Told::default();
        let frame = Frame {
            ts: Timestamp::ZERO,
            bytes: &block[100..],
            wire_len: u32::try_from(bytes.len()).unwrap(),
            link: LinkType::RawIp,
            index: 0,
            at: 100,
        };
        let _ = Decoder::new(1, Verify).decode(frame, &mut told);
        assert_eq!(payloads(&told, &block), want, "{name}");
    }
}
