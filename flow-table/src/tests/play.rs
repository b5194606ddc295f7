//! Packets written as text, and the rows they give as text.
//!
//! A packet is a word: `>` from the client or `<` from the server, what it is, and fields.
//!
//! - TCP: flags out of `SFRA` (`.` for none) and the sequence number relative to the sender's
//!   initial one; `/` the acknowledgement relative to the peer's; `+` bytes of payload. `=` before
//!   a number makes it absolute. `>SA0/1`, `<A1+100/21`, `>A1/=0`.
//! - UDP: `u`, or `r` for a DNS reply, with `+` bytes of payload. `>u+40`.
//! - ICMP: `i` with `+` bytes after its first eight. Any other protocol: `o`.
//! - Any, `@` seconds since the beginning (without: ten milliseconds after the packet before),
//!   `w` window, `!` wrong checksum, `?` bad transport header, `~` cut by the snap length.
//!
//! `3way` stands for a handshake. `[9 >A1/1 <A1/1]` is what is in it nine times. `*` is a packet of some other flow, which moves time and gives no row here.
//!
//! A row is `STATE HISTORY`, then any of the fields in [`field`]; rows are apart by ` | `, in
//! order of removal.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::flow::Flow;
use crate::key::{End, KeyHasher, Way};
use crate::packet::{
    Body, Datagram, LinkPlace, Message, Packet, Parent, PayloadPlace, Segment, TcpFlags,
};
use crate::protocol::Record;
use crate::{
    Block, Clock, FlowConfig, FlowEvent, FlowEventKind, FlowKey, FlowRecord, InspectionConfig,
    IpProto, Shard, ShardId, Span, TableOutput, Tells, Timestamp,
};

/// When plays begin.
const BEGIN: Timestamp = Timestamp::new(1_000_000, 0);
const HEADERS: u32 = 40;

/// Who talks to whom.
#[derive(Clone, Copy)]
pub(crate) struct Play {
    client: (IpAddr, u16),
    server: (IpAddr, u16),
    proto: IpProto,
    isn: (u32, u32),
}

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

impl Play {
    /// Between these ports.
    pub(crate) const fn new(proto: IpProto, client: u16, server: u16) -> Self {
        Self {
            client: (CLIENT, client),
            server: (SERVER, server),
            proto,
            isn: (1_000, 5_000),
        }
    }

    /// TCP from 40000 to a port where nothing is expected to listen, or another.
    pub(crate) const fn tcp(server: u16) -> Self {
        Self::new(IpProto::TCP, 40_000, server)
    }

    /// UDP from 40000.
    pub(crate) const fn udp(server: u16) -> Self {
        Self::new(IpProto::UDP, 40_000, server)
    }

    /// With these initial sequence numbers.
    pub(crate) const fn isn(self, client: u32, server: u32) -> Self {
        Self {
            isn: (client, server),
            ..self
        }
    }

    /// With these addresses.
    pub(crate) fn between(self, client: &str, server: &str) -> Self {
        Self {
            client: (client.parse().unwrap(), self.client.1),
            server: (server.parse().unwrap(), self.server.1),
            ..self
        }
    }

    /// The packets, each with packet time.
    pub(crate) fn packets(&self, text: &str) -> (Vec<Packet>, Vec<Timestamp>) {
        let (mut packets, mut times) = (Vec::new(), Vec::new());
        let (mut ts, mut now) = (BEGIN, BEGIN);
        let text = repeated(&text.replace("3way", ">S0 <SA0/1 >A1/1"));
        for (index, word) in (0..).zip(text.split_whitespace()) {
            let mut packet = self.packet(word, &mut ts);
            packet.index = index;
            now = now.max(packet.ts);
            packets.push(packet);
            times.push(now);
        }
        (packets, times)
    }

    fn packet(&self, word: &str, ts: &mut Timestamp) -> Packet {
        let mut word = Word(word);
        let from_client = !word.takes('<');
        let other = from_client && !word.takes('>') && word.takes('*');
        let (own, peer) = match (other, from_client) {
            (true, _) => return other_flow(&mut word, ts),
            (_, true) => (self.isn.0, self.isn.1),
            (_, false) => (self.isn.1, self.isn.0),
        };
        let mut body = word.body(own);
        let mut cut = false;
        let mut at = *ts + Span::from_millis(10);
        let mut len = 0;
        let mut spoilt = None;
        while let Some(field) = word.next() {
            match field {
                '+' => len = u32::try_from(word.number()).unwrap(),
                '/' => set_ack(&mut body, word.sequence(peer)),
                'w' => set_window(&mut body, u16::try_from(word.number()).unwrap()),
                '@' => at = word.time(),
                '~' => cut = true,
                '!' | '?' => spoilt = Some(field),
                _ => panic!("{field} in {word:?}"),
            }
        }
        *ts = at;
        set_payload(&mut body, len, !cut);
        if let Some(how) = spoilt {
            body = spoil(body, how);
        }
        let (src, dst) = if from_client {
            (self.client, self.server)
        } else {
            (self.server, self.client)
        };
        self.between_ends(src, dst, at, body, HEADERS + len)
    }

    fn between_ends(
        &self,
        src: (IpAddr, u16),
        dst: (IpAddr, u16),
        ts: Timestamp,
        body: Body,
        ip_len: u32,
    ) -> Packet {
        let end = |(addr, port): (IpAddr, u16)| End {
            addr: addr.into(),
            port,
        };
        let (key, way) = FlowKey::of(end(src), end(dst), self.proto);
        packet(key, way, ts, body, ip_len)
    }

    /// The flow that these packets make, none of them beginning a new one.
    pub(crate) fn flow(&self, text: &str) -> Flow {
        let (packets, times) = self.packets(text);
        let mut flow = Flow::open(&packets[0], times[0], 1, 0, None);
        for (n, packet) in packets.iter().enumerate() {
            assert!(n == 0 || !flow.is_reused_by(packet), "{text}: a new flow");
            flow.take(packet);
        }
        flow
    }

    /// What a shard makes of the packets when the input ends with the last of them.
    pub(crate) fn run(&self, text: &str) -> (Vec<FlowRecord>, Vec<FlowEvent>) {
        let out = self.output(text);
        (out.records, out.events)
    }

    fn output(&self, text: &str) -> TableOutput {
        let (packets, times) = self.packets(text);
        let config = FlowConfig {
            seed: 1,
            tells: Tells::ALL,
            progress_interval: Span::from_secs(10),
            open_every: Some(Span::from_secs(7)),
            memory: 1 << 24,
            inspection: InspectionConfig::NONE,
        };
        let new = || Shard::new(ShardId { index: 0, of: 1 }, &config);
        let end = *times.last().unwrap();
        let mut whole = TableOutput::default();
        let mut shard = new();
        shard.take(&packets, &Block::new(Clock::new(&times)), &mut whole);
        shard.finish(end, &mut whole);
        assert!(shard.is_empty(), "{text}");
        let mut single = TableOutput::default();
        let mut shard = new();
        for (packet, time) in packets.iter().zip(&times) {
            let packet = Packet {
                index: 0,
                ..packet.clone()
            };
            shard.take(&[packet], &Block::new(Clock::new(&[*time])), &mut single);
        }
        shard.finish(end, &mut single);
        let sorted = |out: &TableOutput| {
            let records = out.records.iter().map(|row| format!("{row:?}"));
            let open = out.open.iter().map(|row| format!("open {row:?}"));
            let events = out.events.iter().map(|event| format!("{event:?}"));
            let rows = out.protocols.iter().map(|row| format!("{row:?}"));
            let mut told: Vec<String> = records.chain(open).chain(events).chain(rows).collect();
            told.sort();
            told
        };
        assert_eq!(sorted(&whole), sorted(&single), "{text}: block by block");
        assert_eq!(losses(&whole), losses(&single), "{text}: block by block");
        let mut uids: Vec<_> = whole.records.iter().map(|row| row.uid).collect();
        uids.sort_unstable();
        uids.dedup();
        assert_eq!(uids.len(), whole.records.len(), "{text}: names");
        for record in &whole.records {
            let told = whole.events.iter().filter(|e| e.uid == record.uid);
            let told: u64 = told.map(|e| e.orig.packets + e.resp.packets).sum();
            let counted = record.traffic.orig.packets + record.traffic.resp.packets;
            assert_eq!(told, counted, "{text}: packets in events");
        }
        let other = IpAddr::V4(OTHER);
        whole.records.retain(|record| record.id.orig.addr != other);
        whole.records.sort_by_key(|row| (row.end, row.start));
        whole.events.retain(|event| event.id.orig.addr != other);
        whole.protocols.retain(|row| row.id.orig.addr != other);
        whole
    }

    /// Acknowledgements of something new, and of something that was never seen, by parts of time.
    pub(crate) fn losses(&self, text: &str) -> Vec<(u64, u64)> {
        losses(&self.output(text))
    }

    /// The names of what is odd about the packets, in order.
    pub(crate) fn odd(&self, text: &str) -> String {
        let mut rows = self.output(text).protocols;
        rows.sort_by_key(|row| (row.time, row.seq));
        let names = rows.iter().map(|row| match &row.record {
            Record::Weird(weird) => weird.name,
            other => panic!("{other:?}"),
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// The kinds of events that the packets give, by flow and in order.
    pub(crate) fn events(&self, text: &str) -> String {
        let (_, mut events) = self.run(text);
        events.sort_by_key(|event| (event.start, event.uid, event.seq));
        let kinds = events.iter().map(|event| match event.kind {
            FlowEventKind::Opened { syn: true } => "opened by SYN".to_owned(),
            FlowEventKind::Closed { state, .. } => format!("closed {state}"),
            FlowEventKind::Opened { syn: false } => "opened".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        });
        kinds.collect::<Vec<_>>().join(", ")
    }

    /// What is wrong with the rows that the packets give.
    fn differs(&self, (name, text, want): (&str, &str, &str)) -> Option<String> {
        let (records, _) = self.run(text);
        let mut asked: Vec<&str> = want.split(" | ").collect();
        asked.resize(records.len().max(asked.len()), "");
        let got: Vec<String> = asked
            .iter()
            .enumerate()
            .map(|(n, asked)| {
                records
                    .get(n)
                    .map_or(String::new(), |row| row_as(row, asked))
            })
            .collect();
        let got = got.join(" | ");
        (got != want).then(|| format!("{name}: {text}\n  want {want}\n  got  {got}\n"))
    }

    /// Fails unless each case's packets give its rows.
    #[track_caller]
    pub(crate) fn check(&self, cases: &[Case<'_>]) {
        let wrong: String = cases
            .iter()
            .filter_map(|case| self.differs(*case))
            .collect();
        assert!(wrong.is_empty(), "\n{wrong}");
    }
}

/// A name, packets, and rows.
pub(crate) type Case<'a> = (&'a str, &'a str, &'a str);

/// Writes out what stands in brackets.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once('[') else {
        return text.to_owned();
    };
    let (inside, after) = rest.split_once(']').unwrap();
    let (times, inside) = inside.split_once(' ').unwrap();
    let inside = format!("{inside} ").repeat(times.parse().unwrap());
    before.to_owned() + &inside + &repeated(after)
}

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

fn other_flow(word: &mut Word<'_>, ts: &mut Timestamp) -> Packet {
    assert!(word.takes('@'), "{word:?}");
    *ts = word.time();
    let play = Play::new(IpProto::UDP, 9, 9);
    let body = Body::Udp(Datagram {
        len: 0,
        dns_reply: false,
    });
    play.between_ends((OTHER.into(), 9), (SERVER, 9), *ts, body, 28)
}

fn packet(key: FlowKey, way: Way, ts: Timestamp, body: Body, ip_len: u32) -> Packet {
    Packet {
        ts,
        hash: KeyHasher::new(1).hash(&key),
        index: 0,
        ip_len,
        key,
        way,
        link: LinkPlace::NONE,
        parent: Parent::NONE,
        carries: None,
        body: body.into(),
        payload: PayloadPlace::NONE,
    }
}

fn set_ack(body: &mut Body, ack: u32) {
    if let Body::Tcp(segment) = body {
        segment.ack = ack;
    }
}

fn set_window(body: &mut Body, window: u16) {
    if let Body::Tcp(segment) = body {
        segment.window = window;
    }
}

fn set_payload(body: &mut Body, payload: u32, all: bool) {
    match body {
        Body::Tcp(segment) => (segment.len, segment.whole) = (payload, all),
        Body::Udp(datagram) => datagram.len = payload,
        Body::Icmp(message) => {
            *message = Message {
                len: payload,
                whole: all,
            }
        }
        _ => {}
    }
}

fn spoil(body: Body, how: char) -> Body {
    let (flags, seq) = match body {
        Body::Tcp(segment) => (segment.flags, segment.seq),
        _ => (TcpFlags::default(), 0),
    };
    match how {
        '!' => Body::BadChecksum { flags, seq },
        _ => Body::BadHeader { flags },
    }
}

/// What is left of a packet's text.
#[derive(Debug)]
struct Word<'a>(&'a str);

impl Word<'_> {
    fn next(&mut self) -> Option<char> {
        let first = self.0.chars().next()?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    fn takes(&mut self, want: char) -> bool {
        let is = self.0.starts_with(want);
        if is {
            self.next();
        }
        is
    }

    fn digits(&mut self) -> &str {
        let len = self.0.find(|c| !matches!(c, '0'..='9' | '.' | '-'));
        let (digits, rest) = self.0.split_at(len.unwrap_or(self.0.len()));
        self.0 = rest;
        digits
    }

    fn number(&mut self) -> i64 {
        let digits = self.digits();
        digits.parse().unwrap_or_else(|_| panic!("{digits:?}"))
    }

    fn sequence(&mut self, isn: u32) -> u32 {
        let base = if self.takes('=') { 0 } else { i64::from(isn) };
        u32::try_from((base + self.number()) & 0xffff_ffff).unwrap()
    }

    fn time(&mut self) -> Timestamp {
        if self.takes('M') {
            return Timestamp::MAX;
        }
        let digits = self.digits();
        let (secs, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let nanos: i64 = format!("{fraction:0<9}").parse().unwrap();
        let secs: i64 = secs.parse().unwrap();
        Timestamp::from_nanos(BEGIN.as_nanos() + secs * 1_000_000_000 + nanos)
    }

    fn body(&mut self, isn: u32) -> Body {
        let dns_reply = self.0.starts_with('r');
        match self.0.chars().next() {
            Some('u' | 'r') => {
                self.next();
                Body::Udp(Datagram { len: 0, dns_reply })
            }
            Some('i') => {
                self.next();
                Body::Icmp(Message {
                    len: 0,
                    whole: true,
                })
            }
            Some('o') => {
                self.next();
                Body::Other
            }
            _ => self.segment(isn),
        }
    }

    fn segment(&mut self, isn: u32) -> Body {
        let mut flags = 0;
        for (letter, bit) in [('.', 0), ('S', 2), ('F', 1), ('R', 4), ('A', 16)] {
            if self.takes(letter) {
                flags |= bit;
            }
        }
        Body::Tcp(Segment {
            seq: self.sequence(isn),
            ack: 0,
            len: 0,
            window: 1_000,
            flags: TcpFlags(flags),
            whole: true,
        })
    }
}

/// The row with the fields that `asked` has.
fn row_as(record: &FlowRecord, asked: &str) -> String {
    let history = match record.history.letters() {
        [] => "-".to_owned(),
        letters => String::from_utf8_lossy(letters).into_owned(),
    };
    let mut row = format!("{} {history}", record.state);
    for wanted in asked.split(' ').skip(2) {
        let name = wanted.split('=').next().unwrap_or_default();
        row = format!("{row} {name}={}", field(record, name));
    }
    row
}

fn field(record: &FlowRecord, name: &str) -> String {
    let (orig, resp) = (record.traffic.orig, record.traffic.resp);
    match name {
        "bytes" => format!("{}/{}", orig.bytes, resp.bytes),
        "pkts" => format!("{}/{}", orig.packets, resp.packets),
        "ip" => format!("{}/{}", orig.ip_bytes, resp.ip_bytes),
        "missed" => record.missed_bytes.to_string(),
        "dur" => record.duration().as_secs_f64().to_string(),
        "at" => record.start.since(BEGIN).as_secs_f64().to_string(),
        "end" => record.end.since(BEGIN).as_secs_f64().to_string(),
        "ports" => format!("{}>{}", record.id.orig.port, record.id.resp.port),
        "by" if record.id.orig.addr == CLIENT => "client".to_owned(),
        "by" => "server".to_owned(),
        _ => "?".to_owned(),
    }
}

fn losses(out: &TableOutput) -> Vec<(u64, u64)> {
    let mut parts = BTreeMap::<i64, (u64, u64)>::new();
    for (time, loss) in &out.losses {
        let (acks, gaps) = parts.entry(time.part()).or_default();
        *acks += loss.acks;
        *gaps += loss.gaps;
    }
    parts.into_values().collect()
}
