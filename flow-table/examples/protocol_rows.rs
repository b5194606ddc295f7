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

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, Write};
use std::net::IpAddr;

use flow_table::protocol::dhcp::{self, DhcpMessage, DhcpRecord, Transactions};
use flow_table::protocol::dns;
use flow_table::protocol::http::{HttpRecord, Measure};
use flow_table::protocol::inspect::Inspector;
use flow_table::protocol::ntp::NtpRecord;
use flow_table::protocol::ssh::SshRecord;
use flow_table::protocol::stream::{Piece, Quota, Stream};
use flow_table::protocol::tls;
use flow_table::protocol::x509::X509Record;
use flow_table::protocol::{Findings, Progress, Record, Text};
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

/// A JSON object under way.
struct Json(String);

impl Json {
    fn key(&mut self, key: &str) -> &mut String {
        let comma = if self.0.len() > 1 { ", " } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\": ");
        &mut self.0
    }
    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = write!(self.key(key), "{value}");
    }
    fn string(&mut self, key: &str, value: &str) {
        let value = quoted(value.as_bytes());
        self.put(key, value);
    }
    fn text(&mut self, key: &str, value: Option<&Text>) {
        if let Some(value) = value {
            self.put(key, quoted(value));
        }
    }
    fn optional(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
    fn list<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a [u8]>) {
        let values: Vec<String> = values.map(quoted).collect();
        if !values.is_empty() {
            self.put(key, format!("[{}]", values.join(", ")));
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(out, "\\\\x{:02x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\\\x{byte:02x}");
        }
    }
    out + "\""
}

fn row(flow: &Flow, record: &Record) -> Option<(&'static str, String)> {
    let mut json = Json(String::from("{"));
    json.string("id.orig_h", &flow.orig.addr.to_string());
    json.put("id.orig_p", flow.orig.port);
    json.string("id.resp_h", &flow.resp.addr.to_string());
    json.put("id.resp_p", flow.resp.port);
    let log = match record {
        // Rows are made of all flows' messages.
        Record::Dhcp(_) => return None,
        Record::Dns(row) => {
            dns_row(&mut json, row);
            "dns"
        }
        Record::Http(row) => {
            http_row(&mut json, row);
            "http"
        }
        Record::Ntp(row) => {
            ntp_row(&mut json, row);
            "ntp"
        }
        Record::Ssl(row) => {
            ssl_row(&mut json, row);
            "ssl"
        }
        Record::Ssh(row) => {
            ssh_row(&mut json, row);
            "ssh"
        }
        Record::X509(row) => {
            json = Json(String::from("{"));
            x509_row(&mut json, row);
            "x509"
        }
    };
    Some((log, json.0 + "}"))
}

/// Joins what DHCP's flows say.
fn dhcp_rows(flows: &[Flow]) -> Vec<String> {
    let mut messages: Vec<_> = Vec::new();
    for (at, flow) in flows.iter().enumerate() {
        for record in &flow.findings.records {
            if let Record::Dhcp(message) = record {
                messages.push((message.ts, at, message));
            }
        }
    }
    messages.sort_by_key(|(ts, at, _)| (*ts, *at));
    let (mut all, mut rows) = (Transactions::default(), Vec::new());
    for (_, at, message) in messages {
        let id = FlowId {
            orig: flows[at].orig,
            resp: flows[at].resp,
            proto: IpProto::UDP,
        };
        all.message(at, &id, DhcpMessage::clone(message), |row| {
            rows.push(dhcp_row(&row));
        });
    }
    all.finish(|row| rows.push(dhcp_row(&row)));
    rows
}

fn dhcp_row(row: &DhcpRecord<usize>) -> String {
    let mut json = Json(String::from("{"));
    for (key, addr) in [
        ("client_addr", row.client_addr),
        ("server_addr", row.server_addr),
        ("requested_addr", row.requested_addr.map(Into::into)),
        ("assigned_addr", row.assigned_addr.map(Into::into)),
    ] {
        json.optional(key, addr.map(|addr| quoted(addr.to_string().as_bytes())));
    }
    for (key, text) in [
        ("host_name", &row.host_name),
        ("client_fqdn", &row.client_fqdn),
        ("domain", &row.domain),
        ("client_message", &row.client_message),
        ("server_message", &row.server_message),
    ] {
        json.text(key, text.as_ref());
    }
    if let Some(mac) = row.mac {
        json.string("mac", &mac.to_string());
    }
    let lease = row
        .lease_time
        .map(|span| format!("{:?}", span.as_secs_f64()));
    json.optional("lease_time", lease);
    let kinds: Vec<_> = row
        .msg_types
        .iter()
        .map(|kind| dhcp::message_name(*kind))
        .collect();
    json.list("msg_types", kinds.iter().map(|name| name.as_bytes()));
    json.put("duration", format!("{:?}", row.duration.as_secs_f64()));
    json.0 + "}"
}

fn dns_row(json: &mut Json, row: &dns::DnsRecord) {
    json.string(
        "proto",
        if row.proto == IpProto::TCP {
            "tcp"
        } else {
            "udp"
        },
    );
    json.put("trans_id", row.trans_id);
    json.optional("rtt", row.rtt.map(|rtt| format!("{:?}", rtt.as_secs_f64())));
    json.text("query", row.query.as_ref());
    json.optional("qclass", row.qclass);
    if let (Some(class), Some(name)) = (row.qclass, row.qtype_name()) {
        json.string("qclass_name", &dns::class_name(class));
        json.string("qtype_name", &name);
    }
    json.optional("qtype", row.qtype);
    json.optional("rcode", row.rcode);
    if let Some(rcode) = row.rcode {
        json.string("rcode_name", dns::rcode_name(rcode));
    }
    for (key, value) in [
        ("AA", row.aa),
        ("TC", row.tc),
        ("RD", row.rd),
        ("RA", row.ra),
        ("rejected", row.rejected),
    ] {
        json.put(key, value);
    }
    json.put("Z", row.z);
    json.list("answers", row.answers.iter().map(|answer| &*answer.text));
    let ttls: Vec<String> = row.answers.iter().map(|a| format!("{}.0", a.ttl)).collect();
    if !ttls.is_empty() {
        json.put("TTLs", format!("[{}]", ttls.join(", ")));
    }
    json.put("opcode", row.opcode);
    let naming = if row.netbios {
        dns::Naming::Netbios
    } else {
        dns::Naming::Dns
    };
    json.string("opcode_name", &dns::opcode_name(row.opcode, naming));
}

fn http_row(json: &mut Json, row: &HttpRecord) {
    json.put("trans_depth", row.trans_depth);
    json.text("method", row.method.as_ref());
    json.text("host", row.host.as_ref());
    json.text("uri", row.uri.as_ref());
    json.text("referrer", row.referrer.as_ref());
    if let Some(version) = row.version {
        json.string("version", &version.to_string());
    }
    json.text("user_agent", row.user_agent.as_ref());
    json.text("origin", row.origin.as_ref());
    json.put("request_body_len", row.request_body_len);
    json.put("response_body_len", row.response_body_len);
    json.optional("status_code", row.status_code);
    json.text("status_msg", row.status_msg.as_ref());
    json.optional("info_code", row.info_code);
    json.text("info_msg", row.info_msg.as_ref());
    json.put("tags", "[]");
    json.text("username", row.username.as_ref());
    json.list("proxied", row.proxied.iter().map(|text| &**text));
}

fn ntp_row(json: &mut Json, row: &NtpRecord) {
    for (key, number) in [
        ("version", u32::from(row.version)),
        ("mode", u32::from(row.mode)),
        ("stratum", u32::from(row.stratum)),
        ("num_exts", row.num_exts),
    ] {
        json.put(key, number);
    }
    for (key, secs) in [
        ("poll", 2_f64.powi(row.poll.into())),
        ("precision", 2_f64.powi(row.precision.into())),
        ("root_delay", row.root_delay.as_secs_f64()),
        ("root_disp", row.root_disp.as_secs_f64()),
        ("ref_time", row.ref_time.as_secs_f64()),
        ("org_time", row.org_time.as_secs_f64()),
        ("rec_time", row.rec_time.as_secs_f64()),
        ("xmt_time", row.xmt_time.as_secs_f64()),
    ] {
        json.put(key, format!("{secs:?}"));
    }
    json.string("ref_id", &row.ref_id.to_string());
}

fn ssl_row(json: &mut Json, row: &tls::SslRecord) {
    if let Some(version) = row.version {
        json.string("version", &tls::version_name(version));
    }
    if let Some(cipher) = row.cipher {
        json.string("cipher", &tls::cipher_name(cipher));
    }
    if let Some(curve) = row.curve {
        json.string("curve", &tls::curve_name(curve));
    }
    json.text("server_name", row.server_name.as_ref());
    json.put("resumed", row.resumed);
    if let Some(alert) = row.last_alert {
        json.string("last_alert", &tls::alert_name(alert));
    }
    json.text("next_protocol", row.next_protocol.as_ref());
    json.put("established", row.established);
    json.string("ssl_history", &row.ssl_history);
    for (key, chain) in [
        ("cert_chain_fps", &row.cert_chain_fps),
        ("client_cert_chain_fps", &row.client_cert_chain_fps),
    ] {
        if let Some(chain) = chain {
            json.put(key, format!("{chain:?}"));
        }
    }
    json.optional("sni_matches_cert", row.sni_matches_cert);
    for (key, print) in [("ja3", &row.ja3), ("ja3s", &row.ja3s), ("ja4", &row.ja4)] {
        if let Some(print) = print {
            json.string(key, print);
        }
    }
}

fn ssh_row(json: &mut Json, row: &SshRecord) {
    json.optional("version", row.version);
    json.optional("auth_success", row.auth_success);
    json.put("auth_attempts", row.auth_attempts);
    for (key, text) in [
        ("client", &row.client),
        ("server", &row.server),
        ("cipher_alg", &row.cipher_alg),
        ("mac_alg", &row.mac_alg),
        ("compression_alg", &row.compression_alg),
        ("kex_alg", &row.kex_alg),
        ("host_key_alg", &row.host_key_alg),
    ] {
        json.text(key, text.as_ref());
    }
    if let Some(print) = &row.host_key_fingerprint {
        json.string("host_key_fingerprint", print);
    }
}

fn x509_row(json: &mut Json, row: &X509Record) {
    json.string("fingerprint", &row.fingerprint);
    json.put("certificate.version", row.version);
    json.string("certificate.serial", &row.serial);
    json.text("certificate.subject", Some(&row.subject));
    json.text("certificate.issuer", Some(&row.issuer));
    json.put(
        "certificate.not_valid_before",
        format!("{}.0", row.not_valid_before),
    );
    json.put(
        "certificate.not_valid_after",
        format!("{}.0", row.not_valid_after),
    );
    json.string("certificate.key_alg", &row.key_alg);
    json.string("certificate.sig_alg", &row.sig_alg);
    for (key, text) in [
        ("certificate.key_type", row.key_type),
        ("certificate.exponent", row.exponent.as_deref()),
        ("certificate.curve", row.curve),
    ] {
        if let Some(text) = text {
            json.string(key, text);
        }
    }
    json.optional("certificate.key_length", row.key_length);
    json.list("san.dns", row.san_dns.iter().map(|text| &**text));
    json.list("san.uri", row.san_uri.iter().map(|text| &**text));
    json.list("san.email", row.san_email.iter().map(|text| &**text));
    json.optional("basic_constraints.ca", row.ca);
    json.optional("basic_constraints.path_len", row.path_len);
    json.put("host_cert", row.origin.host_cert);
    json.put("client_cert", row.origin.client_cert);
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
    let server = |port| matches!(port, 53 | 80 | 443 | 8080 | 137 | 5353 | 5355 | 22);
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
    let mut services = File::create(format!("{out}/service.log"))?;
    let mut dhcp = File::create(format!("{out}/dhcp.log"))?;
    for row in dhcp_rows(flows) {
        writeln!(dhcp, "{row}")?;
    }
    for flow in flows {
        let names: Vec<&str> = flow
            .findings
            .services
            .iter()
            .map(|service| service.0)
            .collect();
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
            let Some((log, row)) = row(flow, record) else {
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
