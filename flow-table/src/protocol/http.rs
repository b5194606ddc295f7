//! HTTP/0.9 to 1.1: requests joined to their replies.
//!
//! Pipelined requests wait for their replies; interim replies (1xx) belong to the final one; after
//! CONNECT and Upgrade the flow carries something else. Bodies are measured as they are once
//! chunking and compression are taken off, handed to the [`Sink`], and not kept.
//!
//! Read by hand rather than with `httparse`: that wants a whole head in one slice and refuses what
//! rows are to tell of, bare carriage returns and folded headers among it.

mod bodies;
mod body;
mod head;
mod heads;
mod inflate;
mod lines;
mod rows;
mod start;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::entity::Entity;
use super::{Body, BodyHead, Parser, Progress, Service, Sink, Text, Weird};
use crate::{Side, Timestamp};

use bodies::Bodies;
use head::Head;
use inflate::Inflate;
use lines::{Found, LineCount, Lines};
use rows::Rows;
pub use rows::{BodyNote, HttpRecord, MAX_PENDING};
use start::Version;

/// Bytes that a line of a head may have.
pub const MAX_LINE: usize = 64 * 1024;
/// Bytes of a value that a row shows, as in Zeek's logs.
pub const MAX_TEXT: usize = 4096;
/// Requests whose methods are remembered until they are answered.
const MAX_UNANSWERED: usize = 256;

const HTTP: Service = Service("http");

/// What is expected next from one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
struct Half {
    state: State,
    /// Whether a message is being read.
    ongoing: bool,
    lines: Lines,
    /// A header line that the next line may continue.
    held: Vec<u8>,
    head: Head,
    body_len: u64,
    /// The body is damaged, so nobody knows where it ends.
    damaged: bool,
    bodies: Bodies,
    /// What takes apart a body in parts.
    entity: Option<Box<Entity>>,
    #[serde(with = "inflate::kept")]
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
            damaged: false,
            bodies: Bodies::default(),
            entity: None,
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
        self.damaged = false;
        self.entity = None;
        self.inflate = None;
        self.held.clear();
    }

    /// Whether the body was said to go on, if the message ends now.
    fn is_short(&self) -> bool {
        let goes_on = match self.state {
            State::Sized(left) => left > 0,
            State::Chunk(_) | State::ChunkEnd | State::ChunkSize => true,
            _ => self.damaged,
        };
        goes_on || self.inflate.as_ref().is_some_and(|zip| !zip.is_whole())
    }

    fn stop(&mut self) {
        self.state = State::Nothing;
        self.lines = Lines::default();
        self.held = Vec::new();
    }
}

/// The method of a request that was not answered yet, as far as replies depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Method {
    Head,
    Other,
}

/// Whether compressed bodies are measured as they are once decompressed, which costs more than
/// everything else here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Measure {
    /// As Zeek does.
    Decompressed,
    /// As they were sent.
    AsSent,
}

/// The parser of one flow.
#[derive(Debug, Serialize, Deserialize)]
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

    fn progress(&self) -> Progress {
        if self.orig.state == State::Nothing && self.resp.state == State::Nothing {
            return Progress::Done;
        }
        Progress::Going
    }

    /// Reads up to the end of a line; how many bytes that took.
    fn line(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
        let mut lines = std::mem::take(&mut self.half(at.side).lines);
        let mut used = bytes.len();
        match lines.find(bytes) {
            Found::More => self.half(at.side).lines = lines,
            Found::TooLong => {
                at.weird_line("contentline_size_exceeded");
                self.half(at.side).stop();
            }
            Found::Line {
                line,
                used: taken,
                bare_cr,
            } => {
                used = taken;
                if bare_cr {
                    at.weird_line("line_terminated_with_single_CR");
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
}

impl Parser for Http {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
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

    // As many bytes of `side` are missing. Parsing goes on if they lie within a body.
    fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
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
        self.tell_gap(&mut at, len);
        self.advance(&mut at, len);
        self.progress()
    }

    fn end_of(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) {
        if !self.inner {
            self.message_done(&mut At { side, ts, sink }, Ended::Whole);
        }
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        for side in [Side::Orig, Side::Resp] {
            self.message_done(&mut At { side, ts, sink }, Ended::Cut);
        }
        self.rows.finish(sink);
    }

    fn held(&self) -> usize {
        let half = |half: &Half| {
            let inflate = half.inflate.as_ref().map_or(0, |_| inflate::SIZE);
            let entity = half.entity.as_ref().map_or(0, |entity| entity.held());
            half.lines.held()
                + half.held.len()
                + half.head.size()
                + half.bodies.held()
                + entity
                + inflate
        };
        half(&self.orig) + half(&self.resp) + self.rows.size() + self.upgrade_to.len()
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

    /// About the end of a line, which Zeek tells apart from what is in it.
    fn weird_line(&mut self, name: &'static str) {
        self.sink.weird(Weird {
            ts: self.ts,
            name,
            addl: None,
            source: "CONTENTLINE",
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
