//! Rows of http.log that wait for their replies.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::super::files::Place;
use super::super::{Name, Record, Sink, Text, names};
use super::start::Version;
use super::{At, text};
use crate::{Side, Timestamp};

/// Requests that wait for replies; when more do, all of them get their rows.
pub const MAX_PENDING: usize = 100;
/// Headers that tell of proxies, kept of one request.
const MAX_PROXIED: usize = 100;

/// What a message carries. In files.log it has a row of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BodyNote {
    /// Which body of its side it is in this flow, from 1: as in
    /// [`FileRecord`](crate::protocol::files::FileRecord).
    pub number: u32,
    /// Where the file lies, if this is a part of it: then that names it.
    pub place: Option<Place>,
    /// What it is, by how it begins.
    #[serde(with = "names::media_type")]
    pub mime_type: Option<Name>,
    /// The name it is to be saved under.
    pub filename: Option<Text>,
    /// Its media type as announced, of no log.
    pub content_type: Option<Text>,
}

impl BodyNote {
    /// Bytes it takes, about.
    fn size(&self) -> usize {
        let texts = [&self.filename, &self.content_type];
        let len = |text: &Text| text.len();
        size_of::<Self>() + texts.into_iter().flatten().map(len).sum::<usize>()
    }
}

/// A row of http.log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
    /// Ranges were asked for.
    pub(super) ranged: bool,
}

impl HttpRecord {
    /// The request of a flow that was seen at `ts`, of which nothing else is known.
    pub fn new(ts: Timestamp, trans_depth: u32) -> Self {
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
            ranged: false,
        }
    }

    /// Bytes it takes, about.
    fn size(&self) -> usize {
        let texts = [
            &self.method,
            &self.host,
            &self.uri,
            &self.referrer,
            &self.user_agent,
            &self.origin,
            &self.status_msg,
            &self.info_msg,
            &self.username,
        ];
        let bodies = [&self.orig_bodies, &self.resp_bodies].into_iter().flatten();
        let len = |text: &Text| size_of::<Text>() + text.len();
        size_of::<Self>()
            + bodies.map(BodyNote::size).sum::<usize>()
            + texts.into_iter().flatten().map(len).sum::<usize>()
            + self.proxied.iter().map(len).sum::<usize>()
    }

    /// Takes what a header of the request says.
    fn header(&mut self, name: &[u8], value: &[u8]) {
        match name.to_ascii_uppercase().as_slice() {
            b"REFERER" => self.referrer = Some(text(value)),
            b"RANGE" => self.ranged = true,
            b"HOST" => self.host = Some(text(value)),
            b"ORIGIN" => self.origin = Some(text(value)),
            b"USER-AGENT" => self.user_agent = Some(text(value)),
            b"AUTHORIZATION" | b"PROXY-AUTHORIZATION" => {
                self.username = username(value).or(self.username.take());
            }
            upper @ (b"FORWARDED" | b"X-FORWARDED-FOR" | b"X-FORWARDED-FROM" | b"CLIENT-IP"
            | b"VIA" | b"XROXY-CONNECTION" | b"PROXY-CONNECTION") => {
                let proxied = text(&[upper, b" -> ", value].concat());
                if let Err(place) = self.proxied.binary_search(&proxied)
                    && self.proxied.len() < MAX_PROXIED
                {
                    self.proxied.insert(place, proxied);
                }
            }
            _ => {}
        }
    }

    /// Where that lies of which ranges were asked for.
    fn place(&self) -> Option<Place> {
        let (host, uri) = (self.host.as_ref()?, self.uri.as_ref()?);
        self.ranged.then(|| Place::of(host, uri))
    }

    fn is_interim(&self) -> bool {
        self.status_code
            .is_some_and(|code| (100..200).contains(&code))
    }
}

/// Rows by the number of their request.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Rows {
    pending: BTreeMap<u32, Box<HttpRecord>>,
    /// Bytes they take.
    size: usize,
    request: u32,
    reply: u32,
    depth: u32,
}

impl Rows {
    /// Bytes they take, about.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Changes the row that `at`'s side is at; a new one if it has none (any more).
    fn change(&mut self, at: &At<'_>, change: impl FnOnce(&mut HttpRecord)) {
        let nth = match at.side {
            Side::Orig => self.request,
            Side::Resp => self.reply,
        };
        let (mut before, depth) = (0, &mut self.depth);
        let row = match self.pending.entry(nth) {
            Entry::Occupied(row) => {
                before = row.get().size();
                row.into_mut()
            }
            Entry::Vacant(place) => {
                *depth += 1;
                place.insert(Box::new(HttpRecord::new(at.ts, *depth)))
            }
        };
        change(row);
        self.size = (self.size + row.size()).saturating_sub(before);
    }

    /// Takes a row out.
    fn remove(&mut self, nth: u32) -> Option<Box<HttpRecord>> {
        let row = self.pending.remove(&nth)?;
        self.size = self.size.saturating_sub(row.size());
        Some(row)
    }

    pub(super) fn request(&mut self, at: &mut At<'_>, method: Text, uri: Text) {
        if self.request < self.reply {
            at.weird("HTTP_response_before_request", None);
            self.request = self.reply;
        }
        if self.pending.len() > MAX_PENDING {
            let addl = format!("{} > {MAX_PENDING}", self.pending.len());
            at.weird("HTTP_excessive_pipelining", Some(addl.into_bytes().into()));
            let from = self.reply.max(1);
            while let Some((nth, _)) = self.pending.range(from..self.request.max(from)).next() {
                if let Some(row) = self.remove(*nth) {
                    at.sink.record(Record::Http(row));
                }
            }
            self.reply = from.max(self.request);
        }
        self.request += 1;
        self.change(at, |row| (row.method, row.uri) = (Some(method), Some(uri)));
    }

    pub(super) fn reply(&mut self, at: &At<'_>, version: Version, code: u16, reason: Text) {
        let answered = match self.pending.get(&self.reply) {
            None => true,
            Some(row) => row.status_code.is_some() && !row.is_interim(),
        };
        self.reply += u32::from(answered);
        self.change(at, |row| {
            row.version = Some(version);
            row.status_code = Some(code);
            if row.is_interim() {
                (row.info_code, row.info_msg) = (Some(code), Some(reason.clone()));
            }
            row.status_msg = Some(reason);
        });
    }

    /// Where that lies of which the reply is to bring ranges.
    pub(super) fn place(&self) -> Option<Place> {
        self.pending.get(&self.reply)?.place()
    }

    pub(super) fn header(&mut self, at: &At<'_>, name: &[u8], value: &[u8]) {
        if at.side == Side::Orig {
            self.change(at, |row| row.header(name, value));
        } else if !self.pending.contains_key(&self.reply) {
            self.change(at, |_| {});
        }
    }

    pub(super) fn message_done(&mut self, at: &mut At<'_>, body_len: u64, bodies: Vec<BodyNote>) {
        let mut done = false;
        self.change(at, |row| match at.side {
            Side::Orig => (row.request_body_len, row.orig_bodies) = (body_len, bodies),
            Side::Resp => {
                (row.response_body_len, row.resp_bodies) = (body_len, bodies);
                done = !row.is_interim();
            }
        });
        if done && let Some(row) = self.remove(self.reply) {
            at.sink.record(Record::Http(row));
        }
    }

    /// Hands out the rows of requests that were never answered.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) {
        // Before the first request nothing has a number.
        self.pending.remove(&0);
        self.size = 0;
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
