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

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, Write};
use std::net::IpAddr;

use flow_table::protocol::http::Measure;
use flow_table::protocol::inspect::Inspector;
use flow_table::protocol::stream::{Piece, Quota, Stream};
use flow_table::protocol::{Findings, Progress};
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
    findings: Findings,
}

const fn index(side: Side) -> usize {
    match side {
        Side::Orig => 0,
        Side::Resp => 1,
    }
}

impl Flow {
    fn feed(&mut self, side: Side, ts: Timestamp, piece: Piece<'_>) {
        let Some(inspector) = &mut self.inspector else {
            return;
        };
        let progress = match piece {
            Piece::Bytes(bytes) => inspector.data(side, ts, bytes, &mut self.findings),
            Piece::Gap(len) => inspector.gap(side, ts, len, &mut self.findings),
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
                inspector.end_of(side, line.ts, &mut self.findings);
            }
        }
        if line.flags & 4 != 0 && !self.closed {
            self.closed = true;
            self.finish(line.ts);
        }
    }

    fn finish(&mut self, ts: Timestamp) {
        if let Some(mut inspector) = self.inspector.take() {
            inspector.finish(ts, &mut self.findings);
        }
    }
}

fn main() -> std::io::Result<()> {
    let out = std::env::args().nth(1).unwrap_or_else(|| String::from("."));
    let mut flows: BTreeMap<Key, Flow> = BTreeMap::new();
    let mut done: Vec<Flow> = Vec::new();
    let mut quota = Quota::new(64 << 20);
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
        let flow = flows.entry(key).or_insert_with(|| open(&line));
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
    }
    for mut flow in flows.into_values() {
        flow.finish(last);
        done.push(flow);
    }
    write_logs(&out, &done)
}

fn open(line: &Line) -> Flow {
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
    Flow {
        orig,
        resp,
        inspector: Inspector::new(
            FlowId {
                orig,
                resp,
                proto: line.proto,
            },
            Measure::Decompressed,
        ),
        streams: Default::default(),
        start: [None; 2],
        fin: [None; 2],
        ended: [false; 2],
        closed: false,
        findings: Findings::default(),
    }
}

fn write_logs(out: &str, flows: &[Flow]) -> std::io::Result<()> {
    let mut logs: BTreeMap<&str, File> = BTreeMap::new();
    let mut weirds = File::create(format!("{out}/weird.txt"))?;
    let channels: BTreeSet<(IpAddr, IpAddr, u16)> = flows
        .iter()
        .flat_map(|flow| &flow.findings.channels)
        .map(|channel| (channel.orig_h, channel.resp.addr, channel.resp.port))
        .collect();
    let mut services = File::create(format!("{out}/service.log"))?;
    let mut dhcp = File::create(format!("{out}/dhcp.log"))?;
    for row in rows::dhcp(flows) {
        writeln!(dhcp, "{row}")?;
    }
    for flow in flows {
        let mut names: Vec<&str> = flow
            .findings
            .services
            .iter()
            .map(|service| service.0)
            .collect();
        if channels.contains(&(flow.orig.addr, flow.resp.addr, flow.resp.port)) {
            names.push("ftp-data");
        }
        let end = |end: &Endpoint| format!("{}|{}", end.addr, end.port);
        writeln!(
            services,
            "{}|{}|{}",
            end(&flow.orig),
            end(&flow.resp),
            names.join(",")
        )?;
        for weird in &flow.findings.weirds {
            writeln!(weirds, "{}", weird.name)?;
        }
        for record in &flow.findings.records {
            let Some((log, row)) = rows::row(flow, record) else {
                continue;
            };
            let file = match logs.entry(log) {
                std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(File::create(format!("{out}/{log}.log"))?)
                }
            };
            writeln!(file, "{row}")?;
        }
        if std::env::var_os("SHOW").is_some() {
            eprintln!(
                "{:?} {:?} {:?} {:?}",
                flow.orig,
                flow.resp,
                flow.findings.services,
                flow.findings
                    .weirds
                    .iter()
                    .map(|w| w.name)
                    .collect::<Vec<_>>()
            );
        }
    }
    Ok(())
}
