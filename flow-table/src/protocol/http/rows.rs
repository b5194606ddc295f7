//! Rows of http.log that wait for their replies.

use std::collections::BTreeMap;

use base64::Engine as _;

use super::super::{Record, Sink, Text};
use super::start::Version;
use super::{At, text};
use crate::{Side, Timestamp};

/// Requests that wait for replies; when more do, all of them get their rows.
pub const MAX_PENDING: usize = 100;
/// Headers that tell of proxies, kept of one request.
const MAX_PROXIED: usize = 100;

/// A row of http.log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpRecord {
    /// When the request (or else the reply) was seen.
    pub ts: Timestamp,
    /// Which request of the flow it is, from 1.
    pub trans_depth: u32,
    /// What is to be done.
    pub method: Option<Text>,
    /// The Host header.
    pub host: Option<Text>,
    /// To what, escapes resolved.
    pub uri: Option<Text>,
    /// The Referer header.
    pub referrer: Option<Text>,
    /// The reply's version.
    pub version: Option<Version>,
    /// The User-Agent header.
    pub user_agent: Option<Text>,
    /// The Origin header.
    pub origin: Option<Text>,
    /// Bytes of the request's body.
    pub request_body_len: u64,
    /// Bytes of the reply's body.
    pub response_body_len: u64,
    /// The reply's code.
    pub status_code: Option<u16>,
    /// What the reply says to it.
    pub status_msg: Option<Text>,
    /// Code of the last interim reply.
    pub info_code: Option<u16>,
    /// What it says to it.
    pub info_msg: Option<Text>,
    /// Who signs in (RFC 7617). The password is not kept.
    pub username: Option<Text>,
    /// Headers that proxies add, `NAME -> value`, sorted.
    pub proxied: Vec<Text>,
    /// The request's bodies: several, if one is in parts.
    pub orig_bodies: Vec<BodyNote>,
    /// The reply's bodies.
    pub resp_bodies: Vec<BodyNote>,
}

/// What a message carries. In files.log it has a row of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyNote {
    /// Which body of its side it is in this flow, from 1: as in
    /// [`FileRecord`](crate::protocol::files::FileRecord).
    pub number: u32,
    /// What it is, by how it begins.
    pub mime_type: Option<&'static str>,
    /// The name it is to be saved under.
    pub filename: Option<Text>,
}

impl HttpRecord {
    const fn new(ts: Timestamp, trans_depth: u32) -> Self {
        Self {
            ts,
            trans_depth,
            method: None,
            host: None,
            uri: None,
            referrer: None,
            version: None,
            user_agent: None,
            origin: None,
            request_body_len: 0,
            response_body_len: 0,
            status_code: None,
            status_msg: None,
            info_code: None,
            info_msg: None,
            username: None,
            proxied: Vec::new(),
            orig_bodies: Vec::new(),
            resp_bodies: Vec::new(),
        }
    }

    fn is_interim(&self) -> bool {
        self.status_code
            .is_some_and(|code| (100..200).contains(&code))
    }
}

/// Rows by the number of their request.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pending: BTreeMap<u32, Box<HttpRecord>>,
    request: u32,
    reply: u32,
    depth: u32,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// The row that `at`'s side is at; a new one if it has none (any more).
    fn current(&mut self, at: &At<'_>) -> &mut HttpRecord {
        let nth = match at.side {
            Side::Orig => self.request,
            Side::Resp => self.reply,
        };
        self.pending.entry(nth).or_insert_with(|| {
            self.depth += 1;
            Box::new(HttpRecord::new(at.ts, self.depth))
        })
    }

    pub(super) fn request(&mut self, at: &mut At<'_>, method: Text, uri: Text) {
        if self.request < self.reply {
            at.weird("HTTP_response_before_request", None);
            self.request = self.reply;
        }
        if self.pending.len() > MAX_PENDING {
            let addl = format!("{} > {MAX_PENDING}", self.pending.len());
            at.weird("HTTP_excessive_pipelining", Some(addl.into_bytes().into()));
            self.reply = self.reply.max(1);
            while self.reply < self.request {
                if let Some(row) = self.pending.remove(&self.reply) {
                    at.sink.record(Record::Http(row));
                }
                self.reply += 1;
            }
        }
        self.request += 1;
        let row = self.current(at);
        (row.method, row.uri) = (Some(method), Some(uri));
    }

    pub(super) fn reply(&mut self, at: &At<'_>, version: Version, code: u16, reason: Text) {
        let answered = match self.pending.get(&self.reply) {
            None => true,
            Some(row) => row.status_code.is_some() && !row.is_interim(),
        };
        self.reply += u32::from(answered);
        let row = self.current(at);
        row.version = Some(version);
        row.status_code = Some(code);
        if row.is_interim() {
            (row.info_code, row.info_msg) = (Some(code), Some(reason.clone()));
        }
        row.status_msg = Some(reason);
    }

    pub(super) fn header(&mut self, at: &At<'_>, name: &[u8], value: &[u8]) {
        let row = self.current(at);
        if at.side == Side::Resp {
            return;
        }
        match name.to_ascii_uppercase().as_slice() {
            b"REFERER" => row.referrer = Some(text(value)),
            b"HOST" => row.host = Some(text(value)),
            b"ORIGIN" => row.origin = Some(text(value)),
            b"USER-AGENT" => row.user_agent = Some(text(value)),
            b"AUTHORIZATION" | b"PROXY-AUTHORIZATION" => {
                row.username = username(value).or(row.username.take());
            }
            upper @ (b"FORWARDED" | b"X-FORWARDED-FOR" | b"X-FORWARDED-FROM" | b"CLIENT-IP"
            | b"VIA" | b"XROXY-CONNECTION" | b"PROXY-CONNECTION") => {
                let proxied = text(&[upper, b" -> ", value].concat());
                if let Err(place) = row.proxied.binary_search(&proxied)
                    && row.proxied.len() < MAX_PROXIED
                {
                    row.proxied.insert(place, proxied);
                }
            }
            _ => {}
        }
    }

    pub(super) fn message_done(&mut self, at: &mut At<'_>, body_len: u64, bodies: Vec<BodyNote>) {
        let row = self.current(at);
        if at.side == Side::Orig {
            (row.request_body_len, row.orig_bodies) = (body_len, bodies);
            return;
        }
        (row.response_body_len, row.resp_bodies) = (body_len, bodies);
        if !row.is_interim()
            && let Some(row) = self.pending.remove(&self.reply)
        {
            at.sink.record(Record::Http(row));
        }
    }

    /// Hands out the rows of requests that were never answered.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) {
        // Before the first request nothing has a number.
        self.pending.remove(&0);
        for row in std::mem::take(&mut self.pending).into_values() {
            sink.record(Record::Http(row));
        }
    }
}

/// Who signs in with `Basic` credentials.
fn username(value: &[u8]) -> Option<Text> {
    let (scheme, rest) = value.split_first_chunk::<6>()?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = base64::engine::general_purpose::STANDARD
        .decode(rest.trim_ascii())
        .unwrap_or_default();
    let mut parts = pair.splitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(_)) => Some(text(name)),
        _ => Some(text(&[b"<problem-decoding> (", value, b")"].concat())),
    }
}
