//! The headers of a message (RFC 5322, 2.2).

use serde::{Deserialize, Serialize};

use super::{MAX_ADDRESSES, SmtpRecord, addresses};
use crate::protocol::lines::TextLines;
use crate::protocol::{At, Text};

/// Bytes of a header's value that are kept.
const MAX_VALUE: usize = 4_096;
/// Bytes of a header that are kept.
const MAX_HEADER: usize = MAX_VALUE + 64;
/// Bytes of a header, of which more are odd.
const ODD_HEADER: usize = 65_536;
/// Hosts of the way here.
const MAX_PATH: usize = 100;

/// Where in a message we are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
enum Part {
    /// There was none, or nothing of it tells any more.
    #[default]
    None,
    Headers,
    Body,
}

/// A message that comes in.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Mail {
    part: Part,
    /// Of content that comes in chunks.
    lines: TextLines,
    /// A header, which may go on in the next line.
    header: Vec<u8>,
    /// Its length.
    len: usize,
    /// A second message before the first was done with.
    again: bool,
}

impl Mail {
    pub(super) const fn held(&self) -> usize {
        self.lines.held() + self.header.len()
    }

    /// A message begins. Of several for one row, only the first tells.
    pub(super) fn begin(&mut self) {
        self.part = if std::mem::replace(&mut self.again, true) {
            Part::None
        } else {
            Part::Headers
        };
    }

    /// A chunk begins, which may not be the first.
    pub(super) fn begin_once(&mut self) {
        if !self.again {
            self.begin();
        }
    }

    /// The message is over.
    pub(super) fn end(&mut self, at: &mut At<'_>, row: &mut SmtpRecord) {
        self.bytes(at, row, b"\r\n");
        self.line(at, row, b"");
        self.damaged();
    }

    /// Some of the message is missing.
    pub(super) fn damaged(&mut self) {
        self.part = Part::None;
        self.header.clear();
        self.lines = TextLines::default();
    }

    /// Takes content that comes in chunks.
    pub(super) fn bytes(&mut self, at: &mut At<'_>, row: &mut SmtpRecord, mut bytes: &[u8]) {
        while self.part == Part::Headers && !bytes.is_empty() {
            let (line, used) = self.lines.next(bytes, MAX_HEADER);
            if let Some(line) = line {
                self.line(at, row, &line);
            }
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Takes a line.
    pub(super) fn line(&mut self, at: &mut At<'_>, row: &mut SmtpRecord, line: &[u8]) {
        if self.part != Part::Headers {
            return;
        }
        let goes_on = matches!(line.first(), Some(b' ' | b'\t'));
        if !goes_on {
            header(at, row, &std::mem::take(&mut self.header));
            self.len = 0;
        }
        if line.is_empty() {
            self.part = Part::Body;
            return;
        }
        let odd = self.len > ODD_HEADER;
        self.len += line.len();
        if !odd && self.len > ODD_HEADER {
            let addl = ODD_HEADER.to_string().into_bytes();
            at.weird_about("exceeded_mime_max_header_bytes", Some(addl.into()));
        }
        let room = MAX_HEADER.saturating_sub(self.header.len());
        let more = line.get(..room).unwrap_or(line);
        self.header.extend_from_slice(more);
    }
}

fn header(at: &mut At<'_>, row: &mut SmtpRecord, header: &[u8]) {
    let mut parts = header.splitn(2, |byte| *byte == b':');
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
        return;
    };
    let value = value.trim_ascii();
    let value = value.get(..MAX_VALUE).unwrap_or(value);
    let text = || Some(Text::from(value));
    match name.trim_ascii_end().to_ascii_lowercase().as_slice() {
        b"message-id" => row.msg_id = text(),
        b"received" => {
            if let Some(before) = row.first_received.replace(value.into()) {
                row.second_received = Some(before);
            }
            on_the_way(at, row, value);
        }
        b"in-reply-to" => row.in_reply_to = text(),
        b"subject" => row.subject = text(),
        b"from" => row.from = text(),
        b"reply-to" => row.reply_to = text(),
        b"date" => row.date = text(),
        b"to" => {
            let known = row.to.get_or_insert_default();
            list(at, known, value, "smtp_too_many_to_addresses");
        }
        b"cc" => {
            let known = row.cc.get_or_insert_default();
            list(at, known, value, "smtp_too_many_cc_addresses");
        }
        b"x-originating-ip" => {
            row.x_originating_ip = addresses::host(value).or(row.x_originating_ip);
        }
        b"x-mailer" | b"user-agent" | b"x-user-agent" => row.user_agent = text(),
        _ => {}
    }
}

fn list(
    at: &mut At<'_>,
    known: &mut std::collections::BTreeSet<Text>,
    value: &[u8],
    too_many: &'static str,
) {
    for item in addresses::listed(value).map(addresses::short) {
        if known.len() >= MAX_ADDRESSES && !known.contains(item) {
            return at.weird(too_many);
        }
        known.insert(item.into());
    }
}

/// A host that took the message tells from whom: of two addresses the second is the sender's own,
/// the first what it called itself.
fn on_the_way(at: &mut At<'_>, row: &mut SmtpRecord, value: &[u8]) {
    let mut hosts = addresses::hosts(value);
    let first = hosts.next();
    let Some(host) = hosts.next().or(first) else {
        return;
    };
    if row.path.last() == Some(&host) {
        return;
    }
    if row.path.len() >= MAX_PATH {
        return at.weird("smtp_max_path_length_exceeded");
    }
    row.path.push(host);
}
