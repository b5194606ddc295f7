//! Bodies: where they begin and end (RFC 9112, 6.3), and how long they are.

use super::head::Coding;
use super::lines::LineCount;
use super::{
    At, Body, BodyHead, BodyNote, Ended, Http, Inflate, Measure, Method, State, Version, head, text,
};
use crate::Side;
use crate::protocol::Service;
use crate::protocol::entity::Entity;
use crate::protocol::files::Range;

impl Http {
    /// Whether a reply to the oldest request, with this code, may have a body (RFC 9110, 6.4.1).
    pub(super) fn expects_body(&self, side: Side) -> bool {
        side == Side::Orig
            || (self.unanswered.front() != Some(&Method::Head)
                && !matches!(self.reply_code, 100..=199 | 204 | 304))
    }

    /// The blank line came: what follows depends on what the head said (RFC 9112, 6.3).
    pub(super) fn headers_done(&mut self, at: &mut At<'_>) {
        if self.half(at.side).state == State::Trailers {
            return self.message_done(at, Ended::Whole);
        }
        if self.connect && at.side == Side::Resp {
            self.inner = true;
            return;
        }
        let (expects, closes, measure) = (self.expects_body(at.side), self.closes, self.measure);
        let range = self.range(at.side);
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
                let kind = head.content_type.as_deref().unwrap_or_default();
                half.entity = Entity::of_type(kind, range).map(Box::new);
                half.inflate = Inflate::of(head.coding, measure);
            }
            None => self.message_done(at, Ended::Whole),
        }
    }

    pub(super) fn chunk_size(&mut self, at: &mut At<'_>, line: &[u8]) {
        let size = head::number(line, 16);
        let half = self.half(at.side);
        if size.is_none() {
            half.damaged = true;
            at.weird("HTTP_bad_chunk_size", None);
        }
        half.state = match size {
            Some(size) if size > 0 => State::Chunk(size),
            _ => State::Trailers,
        };
    }

    /// Takes what of `bytes` belongs to the body; how many that are.
    pub(super) fn body(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
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

    pub(super) fn inflate(&mut self, at: &mut At<'_>, part: &[u8]) {
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

    pub(super) fn tell_body(&mut self, at: &mut At<'_>, bytes: &[u8]) {
        let measured = self.measure == Measure::AsSent;
        let begins = self.half(at.side).entity.is_none() && !self.half(at.side).bodies.is_open();
        let range = begins.then(|| self.range(at.side)).flatten();
        let half = self.half(at.side);
        let as_sent = measured || half.head.coding == Coding::Identity;
        let bodies = &mut half.bodies;
        if let Some(entity) = &mut half.entity {
            return entity.data(bytes, &mut |part| bodies.tell(at.side, part, at.sink));
        }
        if !bodies.is_open() {
            let head = BodyHead {
                source: "HTTP",
                length: half.head.length().filter(|_| as_sent),
                filename: half.head.filename.as_deref(),
                content_type: half.head.content_type.as_deref(),
                depth: 0,
                range,
            };
            bodies.tell(at.side, Body::Begin(head), at.sink);
        }
        bodies.tell(at.side, Body::Data(bytes), at.sink);
    }

    /// What a reply with parts of a file (RFC 9110, 15.3.7) says of them.
    fn range(&self, side: Side) -> Option<Range> {
        if side == Side::Orig || self.reply_code != 206 {
            return None;
        }
        let (at, whole) = self.resp.head.range().unzip();
        Some(Range {
            of: self.rows.place(),
            at,
            whole: whole.flatten(),
        })
    }

    /// Tells that so many bytes of a body are missing.
    pub(super) fn tell_gap(&mut self, at: &mut At<'_>, len: u64) {
        let half = self.half(at.side);
        let bodies = &mut half.bodies;
        if let Some(entity) = &mut half.entity {
            entity.gap(len, &mut |part| bodies.tell(at.side, part, at.sink));
        } else if bodies.is_open() {
            bodies.tell(at.side, Body::Gap(len), at.sink);
        }
    }

    /// The body ended: what was noted.
    fn end_bodies(&mut self, at: &mut At<'_>, ended: Ended) -> Vec<BodyNote> {
        let half = self.half(at.side);
        let is_cut = ended == Ended::Cut || half.is_short();
        let bodies = &mut half.bodies;
        if let Some(mut entity) = half.entity.take() {
            if is_cut {
                entity.lose();
            }
            entity.end(&mut |part| bodies.tell(at.side, part, at.sink));
        } else if bodies.is_open() {
            let end = if is_cut { Body::Cut } else { Body::End };
            bodies.tell(at.side, end, at.sink);
        }
        bodies.notes()
    }

    pub(super) fn advance(&mut self, at: &mut At<'_>, len: u64) {
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

    pub(super) fn bare_reply(&mut self, at: &mut At<'_>) {
        self.set_version(at, Version::V0_9);
        self.closes = true;
        self.reply_code = 0;
        self.rows.reply(at, Version::V0_9, 0, text(b"<empty>"));
        self.resp.begin();
        self.resp.state = State::Bare;
    }

    /// A message ended, or will not go on.
    pub(super) fn message_done(&mut self, at: &mut At<'_>, ended: Ended) {
        let half = self.half(at.side);
        if !half.ongoing {
            return;
        }
        half.ongoing = false;
        if let State::RestByLines(count) = half.state {
            half.body_len += count.unfinished();
        }
        let body_len = half.body_len;
        let notes = self.end_bodies(at, ended);
        let half = self.half(at.side);
        half.inflate = None;
        half.state = State::StartLine;
        self.rows.message_done(at, body_len, notes);
        if at.side == Side::Resp {
            self.reply_done(at);
        }
        if ended == Ended::Cut {
            self.half(at.side).stop();
        }
    }

    pub(super) fn reply_done(&mut self, at: &mut At<'_>) {
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
