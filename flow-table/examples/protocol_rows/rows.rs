//! Rows as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flow_table::protocol::dhcp::{self, DhcpMessage, DhcpRecord, Transactions};
use flow_table::protocol::dns;
use flow_table::protocol::files::FileRecord;
use flow_table::protocol::ftp::FtpRecord;
use flow_table::protocol::http::HttpRecord;
use flow_table::protocol::ntp::NtpRecord;
use flow_table::protocol::quic::{self, QuicRecord};
use flow_table::protocol::smtp::SmtpRecord;
use flow_table::protocol::ssh::SshRecord;
use flow_table::protocol::tls;
use flow_table::protocol::x509::X509Record;
use flow_table::protocol::{Record, Text};
use flow_table::{Endpoint, FlowId, IpProto};

use super::Flow;

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
                '\t' => out.push_str("\\t"),
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

pub(super) fn row(
    flow: &Flow,
    record: &Record,
    kinds: &BTreeMap<Endpoint, &str>,
) -> Option<(&'static str, String)> {
    let mut json = begin(flow);
    let log = match record {
        // Rows are made of all flows' messages.
        Record::Announced(_)
        | Record::Carried(_)
        | Record::Echoes(_)
        | Record::Misplaced(_)
        | Record::SignIn(_)
        | Record::Dhcp(_)
        | Record::File(_)
        | Record::Part(_)
        | Record::Odd(_) => {
            return None;
        }
        Record::Dns(row) => {
            dns_row(&mut json, row);
            "dns"
        }
        Record::Ftp(row) => {
            ftp_row(&mut json, row);
            let kind = row.transfer.filter(|_| row.transfers());
            if let Some(kind) = kind.and_then(|to| kinds.get(&to)) {
                json.string("mime_type", kind);
            }
            "ftp"
        }
        Record::Http(row) => {
            http_row(&mut json, row);
            "http"
        }
        Record::Ntp(row) => {
            ntp_row(&mut json, row);
            "ntp"
        }
        Record::Quic(row) => {
            quic_row(&mut json, row);
            "quic"
        }
        Record::Smtp(row) => {
            smtp_row(&mut json, row);
            "smtp"
        }
        Record::Ssl(row) => {
            ssl_row(&mut json, row);
            "ssl"
        }
        Record::Ssh(row) => {
            ssh_row(&mut json, row);
            "ssh"
        }
        Record::Weird(row) => {
            json.string("name", row.name);
            "weird"
        }
        Record::X509(row) => {
            json = Json(String::from("{"));
            x509_row(&mut json, row);
            "x509"
        }
    };
    Some((log, json.0 + "}"))
}

fn begin(flow: &Flow) -> Json {
    let mut json = Json(String::from("{"));
    json.string("id.orig_h", &flow.orig.addr.to_string());
    json.put("id.orig_p", flow.orig.port);
    json.string("id.resp_h", &flow.resp.addr.to_string());
    json.put("id.resp_p", flow.resp.port);
    json
}

pub(super) fn file(flow: &Flow, row: &FileRecord) -> String {
    let mut json = begin(flow);
    json.string("source", row.source);
    json.put("depth", row.depth);
    json.put("analyzers", "[]");
    if let Some(kind) = row.mime_type {
        json.string("mime_type", kind);
    }
    json.text("filename", row.filename.as_ref());
    json.put("duration", format!("{:?}", row.duration.as_secs_f64()));
    json.put("is_orig", row.is_orig);
    json.put("seen_bytes", row.seen_bytes);
    json.optional("total_bytes", row.total_bytes);
    json.put("missing_bytes", row.missing_bytes);
    json.put("overflow_bytes", row.overflow_bytes);
    json.put("timedout", row.timedout);
    json.0 + "}"
}

/// Joins what DHCP's flows say.
pub(super) fn dhcp(flows: &[Flow]) -> Vec<String> {
    let mut messages: Vec<_> = Vec::new();
    for (at, flow) in flows.iter().enumerate() {
        for record in &flow.found.findings.records {
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
    for (side, bodies) in [("orig", &row.orig_bodies), ("resp", &row.resp_bodies)] {
        let name = bodies.iter().filter_map(|body| body.filename.as_deref());
        json.list(&format!("{side}_filenames"), name);
        let kind = bodies.iter().filter_map(|body| body.mime_type);
        json.list(&format!("{side}_mime_types"), kind.map(str::as_bytes));
    }
}

fn ftp_row(json: &mut Json, row: &FtpRecord) {
    const HIDDEN: &[u8] = b"<hidden>";
    let shown = |secret| if row.is_guest() { secret } else { HIDDEN };
    let user: &[u8] = row.user.as_deref().unwrap_or(b"<unknown>");
    json.put("user", quoted(user));
    if let Some(password) = &row.password {
        json.put("password", quoted(shown(password)));
    }
    json.text("command", Some(&row.command));
    if let Some(arg) = &row.arg {
        let secret = *row.command == *b"PASS";
        json.put("arg", quoted(if secret { shown(arg) } else { arg }));
    }
    json.optional("file_size", row.file_size);
    json.optional("reply_code", row.reply_code);
    json.text("reply_msg", row.reply_msg.as_ref());
    if let Some(channel) = row.data_channel {
        json.put("data_channel.passive", channel.passive);
        json.string("data_channel.orig_h", &channel.orig_h.to_string());
        json.string("data_channel.resp_h", &channel.resp.addr.to_string());
        json.put("data_channel.resp_p", channel.resp.port);
    }
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

fn quic_row(json: &mut Json, row: &QuicRecord) {
    json.string("version", &quic::version_name(row.version));
    for (key, name) in [
        ("client_initial_dcid", &row.client_initial_dcid),
        ("client_scid", &row.client_scid),
        ("server_scid", &row.server_scid),
    ] {
        if let Some(name) = name {
            json.string(key, name);
        }
    }
    json.text("server_name", row.server_name.as_ref());
    json.text("client_protocol", row.client_protocol.as_ref());
    json.string("history", &row.history);
}

fn smtp_row(json: &mut Json, row: &SmtpRecord) {
    json.put("trans_depth", row.trans_depth);
    json.put("tls", row.tls);
    for (key, text) in [
        ("helo", &row.helo),
        ("mailfrom", &row.mailfrom),
        ("date", &row.date),
        ("from", &row.from),
        ("reply_to", &row.reply_to),
        ("msg_id", &row.msg_id),
        ("in_reply_to", &row.in_reply_to),
        ("subject", &row.subject),
        ("first_received", &row.first_received),
        ("second_received", &row.second_received),
        ("last_reply", &row.last_reply),
        ("user_agent", &row.user_agent),
    ] {
        json.text(key, text.as_ref());
    }
    for (key, set) in [("rcptto", &row.rcptto), ("to", &row.to), ("cc", &row.cc)] {
        if let Some(set) = set {
            json.list(key, set.iter().map(|text| &**text));
        }
    }
    let addr = row.x_originating_ip.map(|addr| addr.to_string());
    json.optional("x_originating_ip", addr.map(|addr| quoted(addr.as_bytes())));
    let path: Vec<String> = row.path.iter().map(ToString::to_string).collect();
    json.list("path", path.iter().map(String::as_bytes));
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
