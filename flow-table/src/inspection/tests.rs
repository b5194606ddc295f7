//! Flows with payload through a whole shard.

use super::*;
use crate::protocol::Record;
use crate::tests::bytes::{ACK, SYN, icmp, tcp, udp, v4};
use crate::{
    Checksums, Clock, Decoder, FlowConfig, Frame, KEY_GROUPS, LinkType, Packet, Shard, ShardId,
    Side, Span, Tells, Timestamp,
};

const BEGIN: i64 = 1_000_000_000_000;
const MILLI: i64 = 1_000_000;
const FIN: u8 = 0x01;
const RST: u8 = 0x04;
/// No port that a service is expected on.
const SERVER: u16 = 9_999;
/// What each side's first byte is numbered.
const FIRST: [u32; 2] = [1_000, 4_294_967_290];
const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const EXCHANGE: &str = "http GET 200 5 at 4";

/// What happens on the wire, packet by packet.
#[derive(Clone, Default)]
struct Play {
    frames: Vec<Vec<u8>>,
    /// Bytes each side sent so far.
    sent: [u32; 2],
    client_port: u16,
}

const fn index(side: Side) -> usize {
    match side {
        Orig => 0,
        Resp => 1,
    }
}

use Side::{Orig, Resp};

impl Play {
    fn from(client_port: u16) -> Self {
        Self {
            client_port,
            ..Self::default()
        }
    }

    /// With its handshake.
    fn open(client_port: u16) -> Self {
        let mut play = Self::from(client_port);
        play.segment(Orig, u32::MAX, SYN, b"");
        play.segment(Resp, u32::MAX, SYN | ACK, b"");
        play.segment(Orig, 0, ACK, b"");
        play
    }

    /// A segment that begins so many bytes after the first, and acknowledges all there is.
    fn segment(&mut self, side: Side, at: u32, flags: u8, payload: &[u8]) {
        let (src, dst) = match side {
            Orig => (self.client_port, SERVER),
            Resp => (SERVER, self.client_port),
        };
        let mut segment = tcp(src, dst, flags, payload);
        let (me, peer) = (index(side), index(side.peer()));
        let seq = FIRST[me].wrapping_add(at);
        let ack = FIRST[peer].wrapping_add(self.sent[peer]);
        segment[4..8].copy_from_slice(&seq.to_be_bytes());
        segment[8..12].copy_from_slice(&ack.to_be_bytes());
        self.frames.push(Self::addressed(side, 6, segment));
    }

    fn addressed(side: Side, proto: u8, segment: Vec<u8>) -> Vec<u8> {
        let mut packet = v4(proto, segment);
        if side == Resp {
            let (src, dst) = ([10, 0, 0, 1], [10, 0, 0, 2]);
            packet[12..16].copy_from_slice(&dst);
            packet[16..20].copy_from_slice(&src);
        }
        packet
    }

    fn say(&mut self, side: Side, payload: &[u8]) {
        self.segment(side, self.sent[index(side)], ACK, payload);
        self.sent[index(side)] += u32::try_from(payload.len()).unwrap();
    }

    fn datagram(&mut self, side: Side, port: u16, payload: &[u8]) {
        let datagram = match side {
            Orig => udp(self.client_port, port, payload),
            Resp => udp(port, self.client_port, payload),
        };
        self.frames.push(Self::addressed(side, 17, datagram));
    }

    fn flag(&mut self, side: Side, flags: u8) {
        self.segment(side, self.sent[index(side)], flags, b"");
    }
}

fn config(memory: u64) -> FlowConfig {
    FlowConfig {
        seed: 1,
        tells: Tells::ALL,
        progress_interval: Span::from_secs(10),
        open_every: None,
        memory: 1 << 26,
        inspection: InspectionConfig {
            memory,
            measure: Measure::Decompressed,
            hashes: Hashes::NONE,
        },
    }
}

/// Runs frames through a shard, so many to a block; what it holds then, and what came of it.
fn run(frames: &[Vec<u8>], block: usize, memory: u64) -> (usize, TableOutput) {
    let decoder = Decoder::new(1, Checksums::Ignore);
    let mut shard = Shard::new(ShardId { index: 0, of: 1 }, &config(memory));
    let mut out = TableOutput::default();
    let (mut nth, mut now) = (0, Timestamp::ZERO);
    for frames in frames.chunks(block) {
        let (mut bytes, mut packets, mut times) = (Vec::new(), Vec::<Packet>::new(), Vec::new());
        for (index, frame) in (0..).zip(frames) {
            now = Timestamp::from_nanos(BEGIN + nth * MILLI);
            nth += 1;
            let frame = Frame {
                ts: now,
                bytes: frame,
                wire_len: u32::from(u16::from_be_bytes([frame[2], frame[3]])),
                link: LinkType::RawIp,
                index,
                at: bytes.len(),
            };
            decoder.decode(frame, &mut packets).unwrap();
            bytes.extend_from_slice(frame.bytes);
            times.push(now);
        }
        let block = Block {
            bytes: &bytes,
            ..Block::new(Clock::new(&times))
        };
        shard.take(&packets, &block, &mut out);
    }
    let held = shard.inspection_held();
    shard.finish(now, &mut out);
    assert_eq!(shard.inspection_held(), 0);
    (held, out)
}

fn text(row: &ProtocolRow) -> String {
    let shown = |text: Option<&crate::protocol::Text>| {
        text.map_or_else(
            || "-".to_owned(),
            |text| String::from_utf8_lossy(text).into_owned(),
        )
    };
    match &row.record {
        Record::Http(http) => format!(
            "http {} {} {} at {}",
            shown(http.method.as_ref()),
            http.status_code.unwrap_or_default(),
            http.response_body_len,
            (row.time.as_nanos() - BEGIN) / MILLI,
        ),
        Record::Dns(dns) => format!("dns {} {:?}", shown(dns.query.as_ref()), dns.rcode),
        Record::File(file) => format!("file {}+{}", file.seen_bytes, file.missing_bytes),
        Record::Weird(weird) => format!("weird {}", weird.name),
        _ => "another".to_owned(),
    }
}

/// Rows, and the services of each flow.
fn told(out: &TableOutput) -> String {
    let rows = out.protocols.iter().filter(|row| row.record.is_told());
    let rows = rows.map(text);
    let services = out.records.iter().map(|record| {
        let names = record.services.as_slice().iter().map(|service| service.0);
        format!("[{}]", names.collect::<Vec<_>>().join(","))
    });
    rows.chain(services).collect::<Vec<_>>().join("; ")
}

/// However it is cut into blocks.
fn outcome(play: &Play) -> String {
    let whole = run(&play.frames, usize::MAX, 1 << 24).1;
    for block in [1, 2, 3] {
        let parts = run(&play.frames, block, 1 << 24).1;
        assert_eq!(parts.protocols, whole.protocols);
        assert_eq!(told(&parts), told(&whole));
    }
    told(&whole)
}

#[test]
fn a_request_and_its_reply_make_a_row() {
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.say(Resp, OK);
    assert_eq!(outcome(&play), format!("file 5+0; {EXCHANGE}; [http]"));
}

#[test]
fn files_and_rows_count_alike_whatever_is_inside() {
    let mut play = Play::open(4_000);
    play.say(Orig, b"CONNECT a HTTP/1.1\r\n\r\n");
    play.say(Resp, b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno");
    play.say(Orig, b"CONNECT a HTTP/1.1\r\n\r\n");
    play.say(Resp, b"HTTP/1.1 200 OK\r\n\r\n");
    play.say(Orig, GET);
    play.say(Resp, OK);
    let out = run(&play.frames, usize::MAX, 1 << 24).1;
    let files = out.protocols.iter().filter_map(|row| match &row.record {
        Record::File(file) => Some((file.number, file.seen_bytes)),
        _ => None,
    });
    assert_eq!(files.collect::<Vec<_>>(), [(1, 2), (2, 5)]);
    let bodies = out.protocols.iter().filter_map(|row| match &row.record {
        Record::Http(http) => Some(&http.resp_bodies),
        _ => None,
    });
    let numbers = bodies.flatten().map(|body| body.number);
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn segments_may_come_in_any_way() {
    let (first, rest) = GET.split_at(7);
    let late = 7;
    let mut swapped = Play::open(4_000);
    swapped.segment(Orig, late, ACK, rest);
    swapped.say(Orig, first);
    swapped.sent[0] = 28;
    swapped.say(Resp, OK);
    let mut again = Play::open(4_000);
    again.say(Orig, GET);
    again.segment(Orig, 0, ACK, GET);
    again.say(Resp, OK);
    again.segment(Resp, 2, ACK, &OK[2..]);
    let mut bytes = Play::open(4_000);
    GET.chunks(1).for_each(|byte| bytes.say(Orig, byte));
    OK.chunks(2).for_each(|pair| bytes.say(Resp, pair));
    let mut with_fin = Play::open(4_000);
    with_fin.say(Orig, GET);
    with_fin.flag(Orig, ACK | FIN);
    with_fin.say(Resp, OK);
    with_fin.flag(Resp, ACK | FIN);
    for (name, play, last) in [
        ("swapped", swapped, 5),
        ("again", again, 5),
        ("byte by byte", bytes, 3 + 28 + 21),
        ("with FINs", with_fin, 5),
    ] {
        let want = format!("file 5+0; http GET 200 5 at {last}; [http]");
        assert_eq!(outcome(&play), want, "{name}");
    }
}

#[test]
fn what_was_missed_is_a_gap() {
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.say(Resp, &OK[..40]);
    play.sent[1] += 3;
    play.flag(Orig, ACK);
    play.flag(Resp, ACK | FIN);
    let got = outcome(&play);
    assert!(got.starts_with("file 2+3; http GET 200 5 "), "{got}");
}

#[test]
fn what_the_snap_length_cut_is_a_gap() {
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.say(Resp, OK);
    play.say(Orig, GET);
    play.say(Resp, OK);
    let reply = &mut play.frames[4];
    reply.truncate(reply.len() - 3);
    let got = outcome(&play);
    assert_eq!(
        got,
        "weird truncated_tcp_payload; \
         file 2+3; http GET 200 5 at 5; file 5+0; http GET 200 5 at 6; [http]",
        "its body is counted all the same"
    );
}

#[test]
fn only_flows_seen_from_their_beginning_are_looked_into() {
    let mut play = Play::from(4_000);
    play.say(Orig, GET);
    play.say(Resp, OK);
    assert_eq!(outcome(&play), "[]", "midstream");
    let mut play = Play::from(4_000);
    for _ in 0..2 {
        play.say(Orig, b"\x00\x00\x00\x08\xffSMB\x2b...");
        play.say(Resp, b"\x00\x00\x00\x08\xffSMB\x2b...");
    }
    assert_eq!(outcome(&play), "[smb]", "midstream, and read from there");
    let mut play = Play::from(4_000);
    play.segment(Resp, u32::MAX, SYN | ACK, b"");
    play.say(Orig, GET);
    play.say(Resp, OK);
    assert_eq!(
        outcome(&play),
        "weird connection_originator_SYN_ack; weird data_before_established; \
         file 5+0; http GET 200 5 at 2; [http]",
        "turned round"
    );
    let mut play = Play::from(4_000);
    play.segment(Resp, u32::MAX, SYN | ACK, b"xyz");
    play.segment(Orig, u32::MAX, SYN, b"");
    play.sent[1] = 3;
    play.say(Orig, GET);
    play.say(Resp, OK);
    assert_eq!(
        outcome(&play),
        "weird SYN_with_data; weird connection_originator_SYN_ack; \
         file 5+0; http GET 200 5 at 3; [http]",
        "turned round with something said"
    );
}

#[test]
fn nothing_is_read_after_a_reset() {
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.flag(Orig, RST);
    play.say(Resp, OK);
    assert_eq!(outcome(&play), "http GET 0 0 at 4; [http]");
}

#[test]
fn datagrams_are_read_one_by_one() {
    let query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";
    let mut answer = query.to_vec();
    (answer[2], answer[3]) = (0x81, 0x83);
    let mut play = Play::from(4_000);
    play.datagram(Orig, 53, query);
    play.datagram(Resp, 53, &answer);
    assert_eq!(outcome(&play), "dns a Some(3); [dns]");
    let mut turned = Play::from(4_000);
    turned.datagram(Resp, 53, &answer);
    assert_eq!(outcome(&turned), "dns - Some(3); [dns]", "the answer alone");
}

#[test]
fn what_nobody_knows_is_let_go() {
    let mut frames = Vec::new();
    for port in 1_000..1_100 {
        let mut play = Play::from(port);
        play.datagram(Orig, 9, b"\xffnothing");
        frames.extend(play.frames);
    }
    assert_eq!(run(&frames, usize::MAX, 1 << 24).0, 0, "a datagram each");
    let mut play = Play::open(4_000);
    play.say(Orig, b"\xff\xfe\xfd nothing that is known");
    play.say(Resp, b"\xff\xfe\xfd nothing that is known");
    assert_eq!(run(&play.frames, usize::MAX, 1 << 24).0, 0, "a stream");
    assert_eq!(outcome(&play), "[]");
}

#[test]
fn with_no_memory_nobody_looks() {
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.say(Resp, OK);
    let (_, out) = run(&play.frames, usize::MAX, 0);
    assert_eq!((told(&out).as_str(), out.given_up), ("[]", 0));
}

/// Somebody begins requests, and holds bytes above holes, that never end: what he does comes to its
/// limits, and a request after that is read.
#[test]
fn memory_is_limited_and_what_is_new_is_read() {
    let mut frames = Vec::new();
    for port in 1_000..3_000 {
        let mut play = Play::open(port);
        play.say(Orig, b"GET /");
        play.say(Orig, &[b'a'; 1_000]);
        play.segment(Orig, 5_000, ACK, &[b'b'; 1_000]);
        play.segment(Orig, 7_000, ACK, &[b'c'; 1_000]);
        play.segment(Orig, 9_000, ACK, &[b'd'; 1_000]);
        frames.extend(play.frames);
    }
    let mut play = Play::open(4_000);
    play.say(Orig, GET);
    play.say(Resp, OK);
    frames.extend(play.frames);
    let groups = u64::try_from(KEY_GROUPS).unwrap();
    for each in [8_192, 32_768] {
        let (held, out) = run(&frames, 100, each * groups);
        let most = usize::try_from(each * groups).unwrap();
        assert!(held <= most, "{held} of {most}");
        assert!(
            out.given_up > 100 && out.not_held > 0,
            "{} {}",
            out.given_up,
            out.not_held
        );
        let read = out
            .protocols
            .iter()
            .filter(|row| text(row).contains("GET 200"));
        assert_eq!(read.count(), 1, "{each}");
    }
}

/// What was found in flows that live on takes no more than its share either.
#[test]
fn names_are_kept_within_their_share() {
    let mut frames = Vec::new();
    for port in 1_000..4_000 {
        let mut play = Play::open(port);
        play.say(
            Orig,
            b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b",
        );
        play.say(Orig, b"\x00\x00\x00");
        play.say(Resp, b"SSH-2.0-x\r\n");
        play.say(Orig, b"SSH-2.0-y\r\n");
        play.flag(Orig, ACK);
        frames.extend(play.frames);
    }
    let groups = u64::try_from(KEY_GROUPS).unwrap();
    let (held, out) = run(&frames, 100, 4_096 * groups);
    assert!(held <= 4_096 * KEY_GROUPS, "{held}");
    assert!(out.given_up > 0);
}

#[test]
fn only_the_outermost_service_can_be_out_of_place() {
    let mut play = Play::open(4_000);
    play.say(Orig, b"CONNECT a HTTP/1.1\r\n\r\n");
    play.say(Resp, b"HTTP/1.1 200 OK\r\n\r\n");
    play.say(Resp, b"SSH-2.0-server\r\n");
    play.say(Orig, b"SSH-2.0-client\r\n");
    let out = run(&play.frames, usize::MAX, 1 << 24).1;
    let misplaced = out.protocols.iter().filter_map(|row| match &row.record {
        Record::Misplaced(service) => Some(service.0),
        _ => None,
    });
    assert_eq!(misplaced.collect::<Vec<_>>(), ["http"]);
}

/// An echo request or its reply.
fn echo(side: Side, number: u8, data: &[u8]) -> Vec<u8> {
    let kind = if side == Orig { 8 } else { 0 };
    let numbers = [&[0, 7, 0, number], data].concat();
    let mut message = icmp(kind, 0, &numbers[4..]);
    message[4..8].copy_from_slice(&numbers[..4]);
    Play::addressed(side, 1, message)
}

#[test]
fn echoes_are_told_of_where_they_carry_something() {
    // What requests and replies bring by their number; how many of each side carry something.
    type Bring = fn(u8) -> [u8; 40];
    let same: Bring = |_| [1; 40];
    let changing: Bring = |number| [number; 40];
    let other: Bring = |number| [!number; 40];
    let cases: [(&str, Bring, Bring, (u32, u32)); 4] = [
        ("ping", same, same, (0, 0)),
        ("changing", changing, changing, (19, 0)),
        ("answered by something else", same, other, (0, 20)),
        ("both", changing, other, (19, 20)),
    ];
    for (name, request, reply, want) in cases {
        let frames: Vec<Vec<u8>> = (0..21)
            .flat_map(|n| [echo(Orig, n, &request(n)), echo(Resp, n, &reply(n))])
            .collect();
        let out = run(&frames, 3, 1 << 24).1;
        let mut sum = (0, 0);
        for row in &out.protocols {
            let Record::Echoes(echoes) = &row.record else {
                panic!("{name}: {row:?}")
            };
            sum.0 += echoes.messages.orig;
            sum.1 += echoes.messages.resp;
        }
        assert_eq!((sum, out.records.len()), (want, 1), "{name}");
    }
}
