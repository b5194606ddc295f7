//! HTTP/0.9 to 1.1: requests joined to their replies.
//!
//! Pipelined requests wait for their replies; interim replies (1xx) belong to the final one; after
//! CONNECT and Upgrade the flow carries something else. Bodies are measured as they are once
//! chunking and compression are taken off, handed to the [`Sink`], and not kept.
//!
//! Read by hand rather than with `httparse`: that wants a whole head in one slice and refuses what
//! rows are to tell of, bare carriage returns and folded headers among it.

mod head;
mod inflate;
mod lines;
mod rows;
mod start;

use std::collections::VecDeque;

use super::{Body, BodyHead, Progress, Service, Sink, Text, Weird};
use crate::{Side, Timestamp};

use head::{Coding, Head};
use inflate::Inflate;
use lines::{Found, LineCount, Lines};
use rows::Rows;
pub use rows::{HttpRecord, MAX_PENDING};
use start::Version;

/// Bytes that a line of a head may have.
pub const MAX_LINE: usize = 64 * 1024;
/// Bytes of a value that a row shows, as in Zeek's logs.
pub const MAX_TEXT: usize = 4096;
/// Requests whose methods are remembered until they are answered.
const MAX_UNANSWERED: usize = 256;

const HTTP: Service = Service("http");

/// What is expected next from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    StartLine,
    Headers,
    /// Bytes of a body whose length is known.
    Sized(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// A body that the end of the flow ends.
    Rest,
    /// A body of which nothing is said, which Zeek reads by lines.
    RestByLines(LineCount),
    /// A reply of HTTP/0.9: nothing but a body.
    Bare,
    /// Nothing more is read.
    Nothing,
}

/// One direction.
#[derive(Debug)]
struct Half {
    state: State,
    /// Whether a message is being read.
    ongoing: bool,
    lines: Lines,
    /// A header line that the next line may continue.
    held: Vec<u8>,
    head: Head,
    body_len: u64,
    body_began: bool,
    inflate: Option<Box<Inflate>>,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            state: State::StartLine,
            ongoing: false,
            lines: Lines::default(),
            held: Vec::new(),
            head: Head::default(),
            body_len: 0,
            body_began: false,
            inflate: None,
        }
    }
}

impl Half {
    fn begin(&mut self) {
        self.state = State::Headers;
        self.ongoing = true;
        self.head = Head::default();
        self.body_len = 0;
        self.body_began = false;
        self.inflate = None;
        self.held.clear();
    }

    fn stop(&mut self) {
        self.state = State::Nothing;
        self.lines = Lines::default();
        self.held = Vec::new();
    }
}

/// The method of a request that was not answered yet, as far as replies depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    Head,
    Other,
}

/// Whether compressed bodies are measured as they are once decompressed, which costs more than
/// everything else here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// As Zeek does.
    Decompressed,
    /// As they were sent.
    AsSent,
}

/// The parser of one flow.
#[derive(Debug)]
pub struct Http {
    measure: Measure,
    orig: Half,
    resp: Half,
    rows: Rows,
    unanswered: VecDeque<Method>,
    requests: u32,
    request_version: Version,
    reply_version: Version,
    reply_code: u16,
    keep_alive: bool,
    /// The server said that it will close.
    closes: bool,
    connect: bool,
    upgrade: bool,
    upgrade_to: Vec<u8>,
    confirmed: bool,
    /// What the flow turned into, once it did.
    inner: bool,
}

impl Http {
    /// A parser that has seen nothing.
    pub fn new(measure: Measure) -> Self {
        Self {
            measure,
            orig: Half::default(),
            resp: Half::default(),
            rows: Rows::default(),
            unanswered: VecDeque::new(),
            requests: 0,
            request_version: Version::default(),
            reply_version: Version::default(),
            reply_code: 0,
            keep_alive: false,
            closes: false,
            connect: false,
            upgrade: false,
            upgrade_to: Vec::new(),
            confirmed: false,
            inner: false,
        }
    }

    const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Orig => &mut self.orig,
            Side::Resp => &mut self.resp,
        }
    }

    /// Takes the next bytes of `side`.
    pub fn data(
        &mut self,
        side: Side,
        ts: Timestamp,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Progress {
        let mut at = At { side, ts, sink };
        let mut rest = bytes;
        while !rest.is_empty() && !self.inner {
            let used = match self.half(side).state {
                State::Nothing => return self.progress(),
                State::Sized(_) | State::Chunk(_) | State::Rest | State::Bare => {
                    self.body(&mut at, rest)
                }
                State::RestByLines(count) => {
                    let (count, grown) = count.count(rest);
                    self.half(side).state = State::RestByLines(count);
                    self.half(side).body_len += grown;
                    self.tell_body(&mut at, rest);
                    rest.len()
                }
                _ => self.line(&mut at, rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        if self.inner {
            return Progress::Inner(bytes.len() - rest.len());
        }
        self.progress()
    }

    fn progress(&self) -> Progress {
        if self.orig.state == State::Nothing && self.resp.state == State::Nothing {
            return Progress::Done;
        }
        Progress::Going
    }

    /// As many bytes of `side` are missing. Parsing goes on if they lie within a body.
    pub fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        let mut at = At { side, ts, sink };
        let half = self.half(side);
        let left = match half.state {
            State::Sized(left) | State::Chunk(left) => left,
            _ => 0,
        };
        if left < len || half.body_len == 0 || half.inflate.is_some() {
            if side == Side::Orig {
                self.message_done(&mut at, Ended::Cut);
            }
            at.side = Side::Resp;
            self.message_done(&mut at, Ended::Cut);
            self.half(side).stop();
            return self.progress();
        }
        half.body_len += len;
        at.sink.body(side, Body::Gap(len));
        self.advance(&mut at, len);
        self.progress()
    }

    /// `side` has sent all it will (FIN, all before it delivered).
    pub fn end_of(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) {
        if !self.inner {
            self.message_done(&mut At { side, ts, sink }, Ended::Whole);
        }
    }

    /// The flow ended.
    pub fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        for side in [Side::Orig, Side::Resp] {
            self.message_done(&mut At { side, ts, sink }, Ended::Cut);
        }
        self.rows.finish(sink);
    }

    /// Reads up to the end of a line; how many bytes that took.
    fn line(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
        let mut lines = std::mem::take(&mut self.half(at.side).lines);
        let mut used = bytes.len();
        match lines.find(bytes) {
            Found::More => self.half(at.side).lines = lines,
            Found::TooLong => {
                at.weird("contentline_size_exceeded", None);
                self.half(at.side).stop();
            }
            Found::Line {
                line,
                used: taken,
                bare_cr,
            } => {
                used = taken;
                if bare_cr {
                    at.weird("line_terminated_with_single_CR", None);
                }
                let next = bytes.get(taken).copied();
                self.take_line(at, &line, next);
            }
        }
        used
    }

    fn take_line(&mut self, at: &mut At<'_>, line: &[u8], next: Option<u8>) {
        match self.half(at.side).state {
            State::StartLine if at.side == Side::Orig => self.request_line(at, line),
            State::StartLine => self.reply_line(at, line),
            State::Headers | State::Trailers => self.header_line(at, line, next),
            State::ChunkSize => self.chunk_size(at, line),
            State::ChunkEnd => self.half(at.side).state = State::ChunkSize,
            _ => {}
        }
    }

    fn request_line(&mut self, at: &mut At<'_>, line: &[u8]) {
        let before = self.request_version;
        let request = start::request(line, before, |name| at.weird(name, None));
        let Some(request) = request else {
            let expected = self.requests == 0 || self.keep_alive;
            if expected && line.is_empty() {
                at.weird("empty_http_request", None);
            } else if expected {
                self.refute(at);
            }
            return;
        };
        self.set_version(at, request.version);
        self.requests += 1;
        if !self.keep_alive && self.requests > 1 {
            at.weird("unexpected_multiple_HTTP_requests", None);
        }
        self.confirm(at);
        self.connect |= start::is_short_for(request.method, b"CONNECT");
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        let head = start::is_short_for(request.method, b"HEAD");
        self.unanswered
            .push_back(if head { Method::Head } else { Method::Other });
        if !start::is_known_method(request.method) {
            at.weird("unknown_HTTP_method", Some(text(request.method)));
        }
        self.rows
            .request(at, text(request.method), text(&request.uri));
        self.orig.begin();
        if request.version == Version::V0_9 {
            if request.method != b"GET" {
                at.weird("invalid_http_09_request_method", Some(text(request.method)));
            }
            self.resp.state = State::Bare;
        }
    }

    fn set_version(&mut self, at: &mut At<'_>, version: Version) {
        let known = match at.side {
            Side::Orig => &mut self.request_version,
            Side::Resp => &mut self.reply_version,
        };
        if *known != Version::default() && *known != version {
            at.weird("HTTP_version_mismatch", None);
        }
        *known = version;
        self.keep_alive |= version > Version::V1_0;
    }

    fn confirm(&mut self, at: &mut At<'_>) {
        if !self.confirmed {
            self.confirmed = true;
            at.sink.confirm(HTTP);
        }
    }

    /// This is not HTTP. If it was taken for it before, nothing is believed any more; if not, the
    /// other side may still be a server that answers nonsense.
    fn refute(&mut self, at: &mut At<'_>) {
        self.half(at.side).stop();
        if self.confirmed {
            at.sink.refute(HTTP);
            for side in [Side::Orig, Side::Resp] {
                at.side = side;
                self.message_done(at, Ended::Cut);
                self.half(side).stop();
            }
        }
    }

    fn reply_line(&mut self, at: &mut At<'_>, line: &[u8]) {
        let Some(reply) = start::reply(line, |name| at.weird(name, None)) else {
            if !line.is_empty() {
                self.refute(at);
            }
            return;
        };
        self.set_version(at, reply.version);
        if !self.unanswered.is_empty() {
            self.confirm(at);
        }
        self.reply_code = reply.code;
        let reason = reply.reason.unwrap_or(b"<empty>");
        self.rows.reply(at, reply.version, reply.code, text(reason));
        self.connect &= reply.code == 200;
        self.resp.begin();
    }

    /// Whether a reply to the oldest request, with this code, may have a body (RFC 9110, 6.4.1).
    fn expects_body(&self, side: Side) -> bool {
        side == Side::Orig
            || (self.unanswered.front() != Some(&Method::Head)
                && !matches!(self.reply_code, 100..=199 | 204 | 304))
    }

    fn header_line(&mut self, at: &mut At<'_>, line: &[u8], next: Option<u8>) {
        let folds = line.first().is_some_and(|byte| is_blank(*byte));
        let half = self.half(at.side);
        if folds && half.held.len() + line.len() <= MAX_LINE {
            half.held.extend_from_slice(line);
            return;
        }
        if !half.held.is_empty() {
            let held = std::mem::take(&mut half.held);
            self.header(at, &held);
        }
        if line.is_empty() {
            return self.headers_done(at);
        }
        // Whether it goes on is known only with the byte after it.
        if next.is_some_and(|byte| !is_blank(byte)) {
            self.header(at, line);
        } else {
            self.half(at.side).held.extend_from_slice(line);
        }
    }

    fn header(&mut self, at: &mut At<'_>, line: &[u8]) {
        if self.half(at.side).state == State::Trailers {
            return;
        }
        let Some((name, value)) = head::split(line) else {
            return;
        };
        let version = if self.orig.ongoing {
            self.request_version
        } else {
            self.reply_version
        };
        let partial = at.side == Side::Resp && self.reply_code == 206;
        let half = self.half(at.side);
        half.head.take(name, value, version, partial, |name, addl| {
            at.weird(name, addl.map(text));
        });
        self.connection_header(at.side, name, value);
        self.rows.header(at, name, value);
    }

    fn connection_header(&mut self, side: Side, name: &[u8], value: &[u8]) {
        let token = head::token(value);
        if name.eq_ignore_ascii_case(b"connection") {
            self.keep_alive |= side == Side::Orig && token.eq_ignore_ascii_case(b"keep-alive");
            if side == Side::Resp {
                self.closes |= token.eq_ignore_ascii_case(b"close");
                self.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
            }
        } else if side == Side::Resp && name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade_to = token
                .get(..token.len().min(64))
                .unwrap_or_default()
                .to_vec();
        }
    }

    /// The blank line came: what follows depends on what the head said (RFC 9112, 6.3).
    fn headers_done(&mut self, at: &mut At<'_>) {
        if self.half(at.side).state == State::Trailers {
            return self.message_done(at, Ended::Whole);
        }
        if self.connect && at.side == Side::Resp {
            self.inner = true;
            return;
        }
        let (expects, closes, measure) = (self.expects_body(at.side), self.closes, self.measure);
        let half = self.half(at.side);
        let head = &half.head;
        let state = match head.length() {
            _ if !expects => None,
            _ if head.chunked => Some(State::ChunkSize),
            Some(0) => None,
            Some(length) => Some(State::Sized(length)),
            None if closes || head.coding != Coding::Identity => Some(State::Rest),
            None if at.side == Side::Resp => Some(State::RestByLines(LineCount::default())),
            None => None,
        };
        match state {
            Some(state) => {
                half.state = state;
                half.inflate = Inflate::of(head.coding, measure);
            }
            None => self.message_done(at, Ended::Whole),
        }
    }

    fn chunk_size(&mut self, at: &mut At<'_>, line: &[u8]) {
        let size = head::number(line, 16);
        if size.is_none() {
            at.weird("HTTP_bad_chunk_size", None);
        }
        self.half(at.side).state = match size {
            Some(size) if size > 0 => State::Chunk(size),
            _ => State::Trailers,
        };
    }

    /// Takes what of `bytes` belongs to the body; how many that are.
    fn body(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
        if self.half(at.side).state == State::Bare && !self.resp.ongoing {
            self.bare_reply(at);
        }
        let left = match self.half(at.side).state {
            State::Sized(left) | State::Chunk(left) => usize::try_from(left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let part = bytes.get(..left).unwrap_or(bytes);
        if self.half(at.side).inflate.is_none() {
            self.half(at.side).body_len += part.len() as u64;
            self.tell_body(at, part);
        } else {
            self.inflate(at, part);
        }
        self.advance(at, part.len() as u64);
        part.len()
    }

    fn inflate(&mut self, at: &mut At<'_>, part: &[u8]) {
        let Some(mut inflate) = self.half(at.side).inflate.take() else {
            return;
        };
        let result = inflate.data(part, |bytes| {
            self.half(at.side).body_len += bytes.len() as u64;
            self.tell_body(at, bytes);
        });
        if let Err(name) = result {
            at.weird(name, None);
        }
        self.half(at.side).inflate = Some(inflate);
    }

    fn tell_body(&mut self, at: &mut At<'_>, bytes: &[u8]) {
        let half = self.half(at.side);
        if !half.body_began {
            half.body_began = true;
            let head = BodyHead {
                length: half.head.length().filter(|_| half.inflate.is_none()),
                filename: half.head.filename.as_deref(),
                content_type: half.head.content_type.as_deref(),
            };
            at.sink.body(at.side, Body::Begin(head));
        }
        at.sink.body(at.side, Body::Data(bytes));
    }

    fn advance(&mut self, at: &mut At<'_>, len: u64) {
        let half = self.half(at.side);
        match &mut half.state {
            State::Sized(left) => {
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.message_done(at, Ended::Whole);
                }
            }
            State::Chunk(left) => {
                *left = left.saturating_sub(len);
                if *left == 0 {
                    half.state = State::ChunkEnd;
                }
            }
            _ => {}
        }
    }

    fn bare_reply(&mut self, at: &mut At<'_>) {
        self.set_version(at, Version::V0_9);
        self.closes = true;
        self.reply_code = 0;
        self.rows.reply(at, Version::V0_9, 0, text(b"<empty>"));
        self.resp.begin();
        self.resp.state = State::Bare;
    }

    /// A message ended, or will not go on.
    fn message_done(&mut self, at: &mut At<'_>, ended: Ended) {
        let half = self.half(at.side);
        if !half.ongoing {
            return;
        }
        half.ongoing = false;
        if let State::RestByLines(count) = half.state {
            half.body_len += count.unfinished();
        }
        if half.body_began {
            at.sink.body(at.side, Body::End);
        }
        let body_len = half.body_len;
        half.inflate = None;
        half.state = State::StartLine;
        self.rows.message_done(at, body_len);
        if at.side == Side::Resp {
            self.reply_done(at);
        }
        if ended == Ended::Cut {
            self.half(at.side).stop();
        }
    }

    fn reply_done(&mut self, at: &mut At<'_>) {
        let code = std::mem::take(&mut self.reply_code);
        if !(100..200).contains(&code) {
            self.unanswered.pop_front();
        }
        let upgrade_to = std::mem::take(&mut self.upgrade_to);
        let upgrade = std::mem::take(&mut self.upgrade) && !upgrade_to.is_empty();
        if code == 101 && self.unanswered.len() == 1 && upgrade {
            self.inner = true;
            if upgrade_to.eq_ignore_ascii_case(b"websocket") {
                at.sink.confirm(Service("websocket"));
            }
        }
    }
}

/// How a message ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    /// As it should.
    Whole,
    /// Because nothing more of it will be seen.
    Cut,
}

/// Where and when, and who is told.
struct At<'a> {
    side: Side,
    ts: Timestamp,
    sink: &'a mut dyn Sink,
}

impl At<'_> {
    fn weird(&mut self, name: &'static str, addl: Option<Text>) {
        self.sink.weird(Weird {
            ts: self.ts,
            name,
            addl,
            source: "HTTP",
        });
    }
}

fn text(bytes: &[u8]) -> Text {
    bytes.get(..MAX_TEXT).unwrap_or(bytes).into()
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
