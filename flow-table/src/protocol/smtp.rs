//! SMTP: who sent mail to whom, with the headers of what was sent (RFC 5321, RFC 3030, RFC 5322).
//!
//! Every message has a row, and so has a session that goes over to TLS (RFC 3207), from where on
//! the flow is TLS. Of a line the first [`MAX_LINE`] bytes are looked at.

mod addresses;
mod commands;
mod mail;
mod record;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::entity::Entity;
use super::lines::{TextLines, reply_code};
use super::{At, Body, Parser, Progress, Record, Service, SignIn, SignInOutcome, Sink, Text};
use crate::{FlowId, PerSide, Side, Timestamp};

use mail::Mail;
pub use record::SmtpRecord;

/// Bytes of a line that are looked at.
pub const MAX_LINE: usize = 4_096;
/// Addresses of a kind that a row shows.
pub const MAX_ADDRESSES: usize = 100;
/// Bytes of each of them.
pub const MAX_ADDRESS: usize = 512;
/// Files that a row names.
pub const MAX_FILES: usize = 100;
/// Commands that wait for their replies; of more, none knows its reply.
pub const MAX_PENDING: usize = 100;
/// Commands out of order, after which it is not worth reading on.
const MAX_INVALID: u32 = 25;

const SMTP: Service = Service("smtp");

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Mode {
    Commands,
    /// A message, up to a line with nothing but a dot.
    Data,
    /// So many more bytes of a message.
    Chunk(u64, Last),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Last {
    Yes,
    No,
}

/// A command that waits for its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Sent {
    Data,
    /// The end of a message.
    End,
    StartTls,
    Other,
}

/// The parser of one flow. The originator is the client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Smtp {
    id: FlowId,
    lines: PerSide<TextLines>,
    mode: Mode,
    pending: VecDeque<Sent>,
    greeted: bool,
    helo: Option<Text>,
    messages: u32,
    invalid: u32,
    sender_seen: bool,
    recipient_seen: bool,
    row: Option<Box<SmtpRecord>>,
    /// The row is worth telling.
    active: bool,
    mail: Mail,
    /// What takes a message apart.
    entity: Option<Box<Entity>>,
    /// How many files it has told of.
    files: u32,
    confirmed: bool,
}

impl Smtp {
    /// For this flow.
    pub fn new(id: FlowId) -> Self {
        Self {
            id,
            lines: PerSide::default(),
            mode: Mode::Commands,
            pending: VecDeque::new(),
            greeted: false,
            helo: None,
            messages: 0,
            invalid: 0,
            sender_seen: false,
            recipient_seen: false,
            row: None,
            active: false,
            mail: Mail::default(),
            entity: None,
            files: 0,
            confirmed: false,
        }
    }

    fn row(&mut self, ts: Timestamp) -> &mut SmtpRecord {
        self.row.get_or_insert_with(|| {
            Box::new(SmtpRecord {
                ts,
                trans_depth: self.messages.saturating_add(1),
                helo: self.helo.clone(),
                path: vec![self.id.resp.addr, self.id.orig.addr],
                ..SmtpRecord::default()
            })
        })
    }

    /// The row is complete, if there is anything to tell; another begins.
    fn complete(&mut self, at: &mut At<'_>) {
        if let Some(row) = self.row.take()
            && std::mem::take(&mut self.active)
        {
            at.sink.record(Record::Smtp(row));
        }
        self.mail = Mail::default();
        self.row(at.ts);
    }

    /// Takes the client's next bytes; how many were used.
    fn client(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
        if let Mode::Chunk(left, last) = self.mode {
            let whole = usize::try_from(left).unwrap_or(usize::MAX);
            let part = bytes.get(..whole).unwrap_or(bytes);
            self.row(at.ts);
            if let Some(row) = &mut self.row {
                self.mail.bytes(at, row, part);
            }
            self.content(at, part);
            self.chunk_left(at, left - part.len() as u64, last);
            return part.len();
        }
        let (line, used) = self.lines.orig.next(bytes, MAX_LINE);
        match (line, self.mode) {
            (None, _) => {}
            (Some(line), Mode::Data) if *line == *b"." => {
                self.mode = Mode::Commands;
                self.end_mail(at);
                self.wait(Sent::End);
                (self.sender_seen, self.recipient_seen) = (false, false);
            }
            (Some(line), Mode::Data) => {
                self.row(at.ts);
                let may_be_cut = line.len() + 1 >= MAX_LINE;
                let line = line.strip_prefix(b".").unwrap_or(&line);
                if let Some(row) = &mut self.row {
                    self.mail.line(at, row, line);
                }
                self.content(at, line);
                self.content(at, b"\r\n");
                if may_be_cut {
                    self.lose_content();
                }
            }
            (Some(line), _) => self.command(at, &line),
        }
        used
    }

    /// Takes content of a message.
    fn content(&mut self, at: &mut At<'_>, bytes: &[u8]) {
        let entity = self.entity.get_or_insert_with(|| Box::new(Entity::new()));
        let (files, row) = (&mut self.files, &mut self.row);
        entity.data(bytes, &mut |part| {
            if let Body::Begin(_) = part {
                *files = files.saturating_add(1);
                if let Some(row) = row.as_mut().filter(|row| row.files.len() < MAX_FILES) {
                    row.files.push(*files);
                }
            }
            at.sink.body(Side::Orig, part);
        });
    }

    /// Some of the message may be lost.
    fn lose_content(&mut self) {
        if let Some(entity) = &mut self.entity {
            entity.lose();
        }
    }

    fn end_content(&mut self, sink: &mut dyn Sink) {
        if let Some(mut entity) = self.entity.take() {
            entity.end(&mut |part| sink.body(Side::Orig, part));
        }
    }

    fn content_gap(&mut self, sink: &mut dyn Sink, len: u64) {
        self.mail.damaged();
        if let Some(entity) = &mut self.entity {
            entity.gap(len, &mut |part| sink.body(Side::Orig, part));
        }
    }

    fn end_mail(&mut self, at: &mut At<'_>) {
        self.end_content(at.sink);
        self.row(at.ts);
        if let Some(row) = &mut self.row {
            self.mail.end(at, row);
        }
    }

    fn chunk_left(&mut self, at: &mut At<'_>, left: u64, last: Last) {
        self.mode = if left == 0 {
            Mode::Commands
        } else {
            Mode::Chunk(left, last)
        };
        if left == 0 && last == Last::Yes {
            self.end_mail(at);
        }
    }

    fn wait(&mut self, sent: Sent) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(sent);
        }
    }

    /// Takes a line of the server's; whether what follows is TLS.
    fn reply(&mut self, at: &mut At<'_>, line: &[u8]) -> bool {
        let Some(code) = reply_code(line) else {
            if !line.is_empty() {
                at.weird("smtp_invalid_reply");
            }
            return false;
        };
        let text = line.get(4..).unwrap_or_default();
        let shown = [line.get(..3).unwrap_or_default(), b" ", text].concat();
        self.row(at.ts).last_reply = Some(shown.into());
        if line.get(3) == Some(&b'-') {
            return false;
        }
        if !std::mem::replace(&mut self.greeted, true) && matches!(code, 220 | 421 | 554) {
            return false;
        }
        let outcome = match code {
            235 => Some(SignInOutcome::Accepted),
            535 => Some(SignInOutcome::Refused),
            _ => None,
        };
        if let Some(outcome) = outcome {
            at.sink.signed_in(SignIn {
                service: SMTP,
                outcome,
            });
        }
        match self.pending.pop_front() {
            Some(Sent::Data) if code >= 400 && self.mode == Mode::Data => {
                self.mode = Mode::Commands;
            }
            Some(Sent::End) => {
                self.messages = self.messages.saturating_add(1);
                self.complete(at);
            }
            Some(Sent::StartTls) if code == 220 => {
                self.row(at.ts).tls = true;
                self.active = true;
                return true;
            }
            _ => {}
        }
        false
    }
}

impl Parser for Smtp {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new("SMTP", side, ts, sink);
        let mut rest = bytes;
        while !rest.is_empty() && self.invalid <= MAX_INVALID {
            let mut tls = false;
            let used = if side == Side::Orig {
                self.client(&mut at, rest)
            } else {
                let (line, used) = self.lines.resp.next(rest, MAX_LINE);
                tls = line.is_some_and(|line| self.reply(&mut at, &line));
                used
            };
            rest = rest.get(used..).unwrap_or_default();
            if tls {
                return Progress::Inner(bytes.len() - rest.len());
            }
        }
        if self.invalid > MAX_INVALID {
            at.weird("smtp_excessive_invalid_mail_transactions");
            return Progress::Done;
        }
        Progress::Going
    }

    fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        let mut at = At::new("SMTP", side, ts, sink);
        *self.lines.get_mut(side) = TextLines::default();
        match (side, self.mode) {
            (Side::Orig, Mode::Chunk(left, last)) => {
                self.content_gap(at.sink, len.min(left));
                self.chunk_left(&mut at, left.saturating_sub(len), last);
            }
            (Side::Orig, Mode::Data) => self.content_gap(at.sink, len),
            (Side::Orig, Mode::Commands) => {}
            // Nobody knows which replies are missing.
            (Side::Resp, _) => self.pending.clear(),
        }
        Progress::Going
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        let mut at = At::new("SMTP", Side::Orig, ts, sink);
        self.lose_content();
        self.end_content(at.sink);
        self.complete(&mut at);
    }

    fn held(&self) -> usize {
        let entity = self.entity.as_ref().map_or(0, |entity| entity.held());
        let lines = self.lines.orig.held() + self.lines.resp.held();
        let row = self.row.as_ref().map_or(0, |row| row.size());
        lines + self.mail.held() + entity + row + self.pending.len()
    }
}

/// Whether `text` begins with `word`, in either case.
fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
