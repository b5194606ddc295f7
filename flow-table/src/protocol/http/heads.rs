//! First lines and headers of both sides.

use super::{
    At, Ended, HTTP, Http, MAX_LINE, MAX_UNANSWERED, Method, State, Version, head, is_blank, start,
    text,
};
use crate::Side;

impl Http {
    pub(super) fn request_line(&mut self, at: &mut At<'_>, line: &[u8]) {
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

    pub(super) fn set_version(&mut self, at: &mut At<'_>, version: Version) {
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

    pub(super) fn confirm(&mut self, at: &mut At<'_>) {
        if !self.confirmed {
            self.confirmed = true;
            at.sink.confirm(HTTP);
        }
    }

    /// This is not HTTP. If it was taken for it before, nothing is believed any more; if not, the
    /// other side may still be a server that answers nonsense.
    pub(super) fn refute(&mut self, at: &mut At<'_>) {
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

    pub(super) fn reply_line(&mut self, at: &mut At<'_>, line: &[u8]) {
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

    pub(super) fn header_line(&mut self, at: &mut At<'_>, line: &[u8], next: Option<u8>) {
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

    pub(super) fn header(&mut self, at: &mut At<'_>, line: &[u8]) {
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

    pub(super) fn connection_header(&mut self, side: Side, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"connection") {
            let token = head::token(value);
            self.keep_alive |= side == Side::Orig && token.eq_ignore_ascii_case(b"keep-alive");
            if side == Side::Resp {
                self.closes |= token.eq_ignore_ascii_case(b"close");
                self.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
            }
        } else if side == Side::Resp && name.eq_ignore_ascii_case(b"upgrade") {
            let token = head::token(value);
            self.upgrade_to = token
                .get(..token.len().min(64))
                .unwrap_or_default()
                .to_vec();
        }
    }
}
