//! Runs the protocol parsers over packets that tshark took apart, and writes rows as JSON lines:
//! what the parsers say, without a flow table. For comparing with other tools' logs.
//!
//! ```text
//! tshark -n -r FILE -o tcp.relative_sequence_numbers:FALSE -o tcp.desegment_tcp_streams:FALSE \
//!   -E occurrence=l -E 'separator=|' -T fields -e frame.time_epoch -e ip.src -e ip.dst \
//!   -e ipv6.src -e ipv6.dst -e tcp.srcport -e tcp.dstport -e udp.srcport -e udp.dstport \
//!   -e tcp.flags -e tcp.seq -e tcp.ack -e tcp.payload -e udp.payload | protocol_rows OUT
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "a tool for developers, indexed by side"
)]

mod rows;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, Write};
use std::net::IpAddr;

use flow_table::protocol::files::{FileRecord, Files, Hashes};
use flow_table::protocol::ftp::DataChannel;
use flow_table::protocol::http::Measure;
use flow_table::protocol::inspect::Inspector;
use flow_table::protocol::stream::{Piece, Quota, Stream};
use flow_table::protocol::{Body, Findings, Progress, Record, Service, Sink, Weird};
use flow_table::{Endpoint, FlowId, IpProto, Side, Timestamp};

type Key = (IpProto, (IpAddr, u16), (IpAddr, u16));

/// A packet: time|ip.src|ip.dst|ipv6.src|ipv6.dst|tcp ports|udp ports|flags|seq|ack|tcp payload|udp payload
struct Line {
    ts: Timestamp,
    src: Endpoint,
    dst: Endpoint,
    proto: IpProto,
    flags: u16,
    seq: u32,
    ack: u32,
    payload: Vec<u8>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

fn parse(line: &str) -> Option<Line> {
    let f: Vec<&str> = line.split('|').collect();
    let (secs, nanos) = f.first()?.split_once('.')?;
    let ts = Timestamp::new(secs.parse().ok()?, nanos.parse().ok()?);
    let either = |a: usize, b: usize| f.get(a).filter(|s| !s.is_empty()).or(f.get(b)).copied();
    let addr = |a, b| either(a, b).and_then(|s: &str| s.parse().ok());
    let tcp = !f.get(5)?.is_empty();
    let (sport, dport) = if tcp { (5, 6) } else { (7, 8) };
    let number = |at: usize| f.get(at).and_then(|s| s.parse().ok()).unwrap_or(0);
    Some(Line {
        ts,
        src: Endpoint {
            addr: addr(1, 3)?,
            port: f.get(sport)?.parse().ok()?,
        },
        dst: Endpoint {
            addr: addr(2, 4)?,
            port: f.get(dport)?.parse().ok()?,
        },
        proto: if tcp { IpProto::TCP } else { IpProto::UDP },
        flags: u16::from_str_radix(f.get(9)?.trim_start_matches("0x"), 16).unwrap_or(0),
        seq: number(10),
        ack: number(11),
        payload: hex(f.get(if tcp { 12 } else { 13 })?),
    })
}

/// Takes what parsers find, and the files in it.
struct Found {
    findings: Findings,
    files: Files,
    rows: Vec<FileRecord>,
    now: Timestamp,
}

/// A file that came in one.
fn file(record: Record) -> Option<FileRecord> {
    match record {
        Record::File(row) => Some(*row),
        _ => None,
    }
}

impl Found {
    fn finish(&mut self) {
        let ended = self.files.finish().filter_map(file);
        self.rows.extend(ended);
    }
}

impl Sink for Found {
    fn record(&mut self, record: Record) {
        self.findings.record(record);
    }
    fn weird(&mut self, weird: Weird) {
        self.findings.weird(weird);
    }
    fn confirm(&mut self, service: Service) {
        self.findings.confirm(service);
    }
    fn refute(&mut self, service: Service) {
        self.findings.refute(service);
    }
    fn expect(&mut self, channel: DataChannel) {
        self.findings.expect(channel);
    }
    fn body(&mut self, side: Side, part: Body<'_>) {
        let row = self.files.body(side, self.now, part);
        self.rows.extend(row.and_then(file));
    }
}

struct Flow {
    orig: Endpoint,
    resp: Endpoint,
    inspector: Option<Inspector>,
    streams: [Stream; 2],
    /// Sequence number of the first byte of each side.
    start: [Option<u32>; 2],
    fin: [Option<u64>; 2],
    ended: [bool; 2],
    closed: bool,
    found: Found,
}

const fn index(side: Side) -> usize {
    match side {
        Side::Orig => 0,
        Side::Resp => 1,
    }
}

impl Flow {
    fn feed(&mut self, side: Side, ts: Timestamp, piece: Piece<'_>) {
        self.found.now = ts;
        let Some(inspector) = &mut self.inspector else {
            return;
        };
        let progress = match piece {
            Piece::Bytes(bytes) => inspector.data(side, ts, bytes, &mut self.found),
            Piece::Gap(len) => inspector.gap(side, ts, len, &mut self.found),
        };
        if progress == Progress::Done {
            self.inspector = None;
        }
    }

    fn tcp(&mut self, side: Side, line: &Line, quota: &mut Quota) {
        let (me, peer) = (index(side), 1 - index(side));
        let syn = line.flags & 2 != 0;
        let first = if syn {
            line.seq.wrapping_add(1)
        } else {
            line.seq
        };
        let start = *self.start[me].get_or_insert(first);
        let seq = 1 + u64::from(first.wrapping_sub(start));
        let mut pieces: Vec<(Side, Result<Vec<u8>, u64>)> = Vec::new();
        let mut take = |side, piece: Piece<'_>| {
            pieces.push((
                side,
                match piece {
                    Piece::Bytes(bytes) => Ok(bytes.to_vec()),
                    Piece::Gap(len) => Err(len),
                },
            ));
        };
        if seq < 1 << 31 && line.flags & 4 == 0 {
            self.streams[me].segment(seq, &line.payload, quota, |piece| take(side, piece));
        }
        if line.flags & 1 != 0 {
            self.fin[me] = Some(seq + line.payload.len() as u64);
        }
        if line.flags & 0x10 != 0 {
            let start = *self.start[peer].get_or_insert(line.ack);
            let ack = 1 + u64::from(line.ack.wrapping_sub(start));
            let ack = self.fin[peer].map_or(ack, |fin| ack.min(fin));
            if ack < 1 << 31 {
                self.streams[peer].acked(ack, quota, |piece| take(side.peer(), piece));
            }
        }
        for (side, piece) in pieces {
            match piece {
                Ok(bytes) => self.feed(side, line.ts, Piece::Bytes(&bytes)),
                Err(len) => self.feed(side, line.ts, Piece::Gap(len)),
            }
        }
        self.ends(line);
    }

    fn ends(&mut self, line: &Line) {
        for side in [Side::Orig, Side::Resp] {
            let at = index(side);
            let done = self.fin[at].is_some_and(|fin| self.streams[at].next() >= fin);
            if done
                && !std::mem::replace(&mut self.ended[at], true)
                && let Some(inspector) = &mut self.inspector
            {
                inspector.end_of(side, line.ts, &mut self.found);
            }
        }
        if line.flags & 4 != 0 && !self.closed {
            self.closed = true;
            self.finish(line.ts);
        }
    }

    fn finish(&mut self, ts: Timestamp) {
        if let Some(mut inspector) = self.inspector.take() {
            inspector.finish(ts, &mut self.found);
        }
        self.found.finish();
    }
}

fn main() -> std::io::Result<()> {
    let out = std::env::args().nth(1).unwrap_or_else(|| String::from("."));
    let mut flows: BTreeMap<Key, Flow> = BTreeMap::new();
    let mut done: Vec<Flow> = Vec::new();
    let mut quota = Quota::new(64 << 20);
    let mut announced: BTreeSet<(IpAddr, Endpoint)> = BTreeSet::new();
    let mut last = Timestamp::ZERO;
    for line in std::io::stdin().lock().lines() {
        let Some(line) = parse(&line?) else { continue };
        last = line.ts;
        let (a, b) = (
            (line.src.addr, line.src.port),
            (line.dst.addr, line.dst.port),
        );
        let key = (line.proto, a.min(b), a.max(b));
        let syn = line.flags & 0x12 == 2;
        let reused = |flow: &mut Flow| syn && (flow.closed || flow.ended != [false; 2]);
        if flows.get_mut(&key).is_some_and(reused)
            && let Some(mut flow) = flows.remove(&key)
        {
            flow.finish(line.ts);
            done.push(flow);
        }
        let flow = flows.entry(key).or_insert_with(|| open(&line, &announced));
        let side = if (line.src.addr, line.src.port) == (flow.orig.addr, flow.orig.port) {
            Side::Orig
        } else {
            Side::Resp
        };
        if line.proto == IpProto::TCP {
            flow.tcp(side, &line, &mut quota);
        } else {
            flow.feed(side, line.ts, Piece::Bytes(&line.payload));
        }
        let channels = &flow.found.findings.channels;
        announced.extend(
            channels
                .iter()
                .map(|channel| (channel.orig_h, channel.resp)),
        );
    }
    for mut flow in flows.into_values() {
        flow.finish(last);
        done.push(flow);
    }
    write_logs(&out, &done)
}

fn open(line: &Line, announced: &BTreeSet<(IpAddr, Endpoint)>) -> Flow {
    let server = |port| {
        matches!(
            port,
            53 | 80 | 443 | 8080 | 137 | 5353 | 5355 | 21 | 22 | 25
        )
    };
    let flip = if line.proto == IpProto::TCP {
        line.flags & 2 == 0 && server(line.src.port) && !server(line.dst.port)
            || line.flags & 0x12 == 0x12
    } else {
        line.src.port == 67 && line.dst.port != 67
            || line.src.port == 53 && line.payload.get(2).is_some_and(|b| b & 0x80 != 0)
    };
    let (orig, resp) = if flip {
        (line.dst, line.src)
    } else {
        (line.src, line.dst)
    };
    let id = FlowId {
        orig,
        resp,
        proto: line.proto,
    };
    let transfer = announced.contains(&(orig.addr, resp));
    let mut found = Found {
        findings: Findings::default(),
        files: Files::new(Hashes::default()),
        rows: Vec::new(),
        now: Timestamp::ZERO,
    };
    Flow {
        orig,
        resp,
        inspector: if transfer {
            Inspector::of_transfer(id, &mut found)
        } else {
            Inspector::new(id, Measure::Decompressed)
        },
        streams: Default::default(),
        start: [None; 2],
        fin: [None; 2],
        ended: [false; 2],
        closed: false,
        found,
    }
}

/// The files of the logs, opened when they are first written to.
struct Logs<'a> {
    out: &'a str,
    files: BTreeMap<&'static str, File>,
}

impl Logs<'_> {
    fn write(&mut self, log: &'static str, row: &str) -> std::io::Result<()> {
        let file = match self.files.entry(log) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => place.insert(File::create(format!("{}/{log}.log", self.out))?),
        };
        writeln!(file, "{row}")
    }
}

fn write_logs(out: &str, flows: &[Flow]) -> std::io::Result<()> {
    let files = BTreeMap::new();
    let mut logs = Logs { out, files };
    for row in rows::dhcp(flows) {
        logs.write("dhcp", &row)?;
    }
    // What went over channels that were announced.
    let mut kinds: BTreeMap<Endpoint, &str> = BTreeMap::new();
    for flow in flows {
        for row in &flow.found.rows {
            logs.write("files", &rows::file(flow, row))?;
            if row.source == "FTP_DATA" {
                kinds.extend(row.mime_type.map(|kind| (flow.resp, kind)));
            }
        }
    }
    for flow in flows {
        let findings = &flow.found.findings;
        let names: Vec<&str> = findings.services.iter().map(|service| service.0).collect();
        let end = |end: &Endpoint| format!("{}|{}", end.addr, end.port);
        let (orig, resp) = (end(&flow.orig), end(&flow.resp));
        logs.write("service", &format!("{orig}|{resp}|{}", names.join(",")))?;
        for weird in &findings.weirds {
            logs.write("weird", weird.name)?;
        }
        for record in &findings.records {
            if let Some((log, row)) = rows::row(flow, record, &kinds) {
                logs.write(log, &row)?;
            }
        }
    }
    Ok(())
}
