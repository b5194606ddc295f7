//! Commands and replies, and which belong together.
//!
//! A client may send commands before it has the replies to earlier ones: which command a reply
//! answers is told by what replies the command may have, and by its words.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DataChannel, FtpRecord, MAX_PENDING, MAX_USER, channel, path};
use crate::protocol::{At, Record, SignIn, SignInOutcome, Text};
use crate::{FlowId, Timestamp};

/// Commands that have rows, with what follows from them.
const LOGGED: [&[u8]; 10] = [
    b"APPE", b"DELE", b"RETR", b"STOR", b"STOU", b"ACCT", b"PORT", b"PASV", b"EPRT", b"EPSV",
];
/// Commands about a file.
const OF_FILES: [&[u8]; 13] = [
    b"APPE", b"CWD", b"DELE", b"MKD", b"RETR", b"RMD", b"RNFR", b"RNTO", b"STOR", b"STOU", b"REST",
    b"SIZE", b"MDTM",
];
/// Stands for what makes a server greet.
const GREETING: &[u8] = b"<init>";

/// A line of a reply.
pub(super) struct Reply<'a> {
    /// Zero of lines in between.
    pub(super) code: u16,
    pub(super) text: &'a [u8],
    /// There are more lines to come.
    pub(super) more: bool,
}

/// A command that waits for its reply.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Command {
    number: u64,
    ts: Timestamp,
    name: Vec<u8>,
    arg: Vec<u8>,
    moved: bool,
}

/// One session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    id: FlowId,
    pending: Vec<Command>,
    next: u64,
    /// Number of the command that the last reply answers.
    answered: Option<u64>,
    /// Where the client is.
    directory: Vec<u8>,
    row: Option<Box<FtpRecord>>,
    logged: bool,
}

impl Session {
    pub(super) const fn new(id: FlowId) -> Self {
        Self {
            id,
            pending: Vec::new(),
            next: 0,
            answered: None,
            directory: Vec::new(),
            row: None,
            logged: false,
        }
    }

    pub(super) fn held(&self) -> usize {
        let len = |command: &Command| size_of::<Command>() + command.arg.len();
        let commands: usize = self.pending.iter().map(len).sum();
        let row = self.row.as_ref().map_or(0, |row| row.size());
        commands + self.directory.len() + row
    }

    fn begin(&mut self, ts: Timestamp) -> &mut FtpRecord {
        if self.row.is_none() {
            self.add(ts, GREETING.to_vec(), b"");
        }
        self.row.get_or_insert_with(|| {
            Box::new(FtpRecord {
                ts,
                user: None,
                password: None,
                command: Text::default(),
                arg: None,
                file_size: None,
                reply_code: None,
                reply_msg: None,
                data_channel: None,
                transfer: None,
                file: None,
            })
        })
    }

    fn add(&mut self, ts: Timestamp, name: Vec<u8>, arg: &[u8]) {
        self.next += 1;
        self.pending.push(Command {
            number: self.next,
            ts,
            name,
            arg: arg.to_vec(),
            moved: false,
        });
    }

    /// Takes a command.
    pub(super) fn request(&mut self, at: &mut At<'_>, name: Vec<u8>, arg: &[u8]) {
        if let Some(command) = self.take_answered() {
            self.message(at, &command);
        }
        self.begin(at.ts);
        let client = self.id.orig.addr;
        let announced = match name.as_slice() {
            b"PORT" => channel::commas(arg),
            b"EPRT" => channel::bars(arg, client),
            _ => None,
        };
        if let Some(resp) = announced {
            let orig_h = self.id.resp.addr;
            self.announce(at, orig_h, resp, false);
        }
        let row = self.begin(at.ts);
        let short = arg.get(..MAX_USER).unwrap_or(arg);
        match name.as_slice() {
            b"USER" => row.user = Some(short.into()),
            b"PASS" => row.password = Some(short.into()),
            _ => {}
        }
        if self.pending.len() < MAX_PENDING {
            self.add(at.ts, name, arg);
        } else {
            at.weird("FTP_too_many_pending_commands");
        }
    }

    fn announce(&mut self, at: &mut At<'_>, orig_h: IpAddr, resp: crate::Endpoint, passive: bool) {
        let channel = DataChannel {
            passive,
            orig_h,
            resp,
        };
        let row = self.begin(at.ts);
        row.data_channel = Some(channel);
        row.transfer = Some(resp);
        at.sink.expect(channel);
    }

    /// Removes the command that the last reply answers.
    fn take_answered(&mut self) -> Option<Command> {
        let number = self.answered?;
        let place = self
            .pending
            .iter()
            .position(|command| command.number == number)?;
        Some(self.pending.remove(place))
    }

    /// Takes a line of a reply.
    pub(super) fn reply(&mut self, at: &mut At<'_>, reply: &Reply<'_>) {
        let known = self.begin(at.ts).reply_code.is_some();
        if reply.more && reply.code == 0 && known && !looks_like_reply(reply.text) {
            return;
        }
        let best = self.best_match(reply);
        self.answered = best.map(|(number, _)| number);
        let row = self.begin(at.ts);
        row.reply_code = Some(reply.code);
        row.reply_msg = Some(reply.text.into());
        if reply.more {
            return;
        }
        if let Some((_, place)) = best {
            self.effect(at, reply, place);
        }
        if self.pending.len() > 1
            && let Some(command) = self.take_answered()
        {
            self.message(at, &command);
        }
    }

    /// The command that a reply answers best: its number and place. Of equals, the oldest.
    fn best_match(&self, reply: &Reply<'_>) -> Option<(u64, usize)> {
        let mut best: Option<(u32, u64, usize)> = None;
        for (place, command) in self.pending.iter().enumerate() {
            let mut score = 0;
            if reply.code == 500 || may_answer(&command.name, reply.code) {
                score += 100;
            }
            if contains(reply.text, &command.name) {
                score += 20;
            }
            if contains(reply.text, &command.arg) {
                score += 10;
            }
            if best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, command.number, place));
            }
        }
        best.map(|(_, number, place)| (number, place))
    }

    /// What follows from a reply.
    fn effect(&mut self, at: &mut At<'_>, reply: &Reply<'_>, place: usize) {
        let (client, server) = (self.id.orig.addr, self.id.resp.addr);
        let Some(command) = self.pending.get_mut(place) else {
            return;
        };
        let text = reply.text;
        match (command.name.as_slice(), reply.code) {
            (b"PASS", code @ (230 | 530)) => {
                let outcome = match code {
                    230 => SignInOutcome::Accepted,
                    _ => SignInOutcome::Refused,
                };
                if !self.begin(at.ts).is_guest() {
                    at.sink.signed_in(SignIn {
                        service: super::FTP,
                        outcome,
                    });
                }
            }
            (b"RETR", 150) | (b"SIZE", 213) => {
                self.begin(at.ts).file_size = Some(last_number(text));
            }
            (b"PASV" | b"EPSV", code @ (227 | 229)) => {
                let resp = if code == 227 {
                    channel::commas(text)
                } else {
                    channel::bars(text, server)
                };
                if let Some(resp) = resp {
                    self.announce(at, client, resp, true);
                }
            }
            (b"CWD", 250) | (b"CDUP", 200 | 250) | (b"PWD" | b"XPWD", 257)
                if !std::mem::replace(&mut command.moved, true) =>
            {
                let here = if self.directory.is_empty() {
                    b"."
                } else {
                    self.directory.as_slice()
                };
                self.directory = match command.name.as_slice() {
                    b"CWD" => path::join(here, &command.arg),
                    b"CDUP" => path::join(here, b".."),
                    _ => path::in_reply(text).unwrap_or_default().to_vec(),
                };
            }
            _ => {}
        }
    }

    /// The flow ended: what waits has had its replies.
    pub(super) fn finish(&mut self, at: &mut At<'_>) {
        for command in std::mem::take(&mut self.pending) {
            self.message(at, &command);
        }
        // Of a session without anything worth a row, the last command.
        if let Some(row) = self.row.take()
            && !self.logged
        {
            at.sink.record(Record::Ftp(row));
        }
    }

    /// A command is done with.
    fn message(&mut self, at: &mut At<'_>, command: &Command) {
        let name = command.name.as_slice();
        let arg = if OF_FILES.contains(&name) {
            Some(self.url(&command.arg))
        } else {
            Some(command.arg.clone()).filter(|arg| !arg.is_empty())
        };
        let row = self.begin(at.ts);
        row.ts = command.ts;
        row.command = name.into();
        row.arg = arg.map(Into::into);
        let filled = row.clone();
        (row.file_size, row.data_channel) = (None, None);
        if LOGGED.contains(&name) {
            self.logged = true;
            at.sink.record(Record::Ftp(Box::new(filled)));
        }
    }

    fn url(&self, file: &[u8]) -> Vec<u8> {
        let here = if self.directory.is_empty() {
            b"."
        } else {
            self.directory.as_slice()
        };
        let path = path::join(here, file);
        let host = match self.id.resp.addr {
            IpAddr::V4(addr) => addr.to_string(),
            IpAddr::V6(addr) => format!("[{addr}]"),
        };
        let slash: &[u8] = if path.first() == Some(&b'/') {
            b""
        } else {
            b"/"
        };
        [b"ftp://", host.as_bytes(), slash, &path].concat()
    }
}

/// `226 Transfer complete.` within a reply that was never ended.
fn looks_like_reply(text: &[u8]) -> bool {
    let code = matches!(text, [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..]);
    let words = text.get(4..14);
    code && words.is_some_and(|words| words.iter().all(|byte| matches!(byte, b' '..=b'~')))
}

/// Whether the text has these words in it; it has no words at all in any case.
fn contains(text: &[u8], words: &[u8]) -> bool {
    words.is_empty() || memchr::memmem::find(text, words).is_some()
}

/// The last number in a text, or zero.
fn last_number(text: &[u8]) -> u64 {
    let mut numbers = text.split(|byte| !byte.is_ascii_digit());
    let last = numbers.rfind(|digits| !digits.is_empty());
    let last = last.and_then(|digits| std::str::from_utf8(digits).ok());
    last.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether a command may have this reply (RFC 959, 5.4; RFC 2389, 2428, 3659).
fn may_answer(name: &[u8], code: u16) -> bool {
    let refused = matches!(code, 421 | 501 | 502 | 530);
    match name {
        GREETING => matches!(code, 0 | 120 | 220 | 421),
        b"USER" => matches!(code, 230 | 331 | 332 | 421 | 501 | 530),
        b"PASS" => matches!(code, 202 | 230 | 332 | 421 | 501 | 503 | 530),
        b"ACCT" => matches!(code, 202 | 230 | 421 | 501 | 503 | 530),
        b"CWD" | b"RMD" => refused || matches!(code, 250 | 550),
        b"CDUP" => refused || matches!(code, 200 | 250 | 550),
        b"SMNT" => refused || matches!(code, 202 | 250 | 550),
        b"REIN" => matches!(code, 120 | 220 | 421 | 502),
        b"QUIT" => matches!(code, 0 | 221),
        b"PORT" => matches!(code, 200 | 421 | 501 | 530),
        b"PASV" => refused || code == 227,
        b"MODE" => refused || matches!(code, 200 | 504),
        b"TYPE" | b"STRU" => matches!(code, 200 | 421 | 501 | 504 | 530),
        b"ALLO" => matches!(code, 200 | 202 | 421 | 501 | 504 | 530),
        b"REST" => refused || matches!(code, 200 | 350),
        b"RETR" | b"LIST" | b"NLST" | b"STOR" | b"STOU" | b"APPE" => {
            refused && (code != 502 || matches!(name, b"LIST" | b"NLST" | b"APPE"))
                || code == 110 && matches!(name, b"RETR" | b"STOR" | b"STOU")
                || matches!(code, 532 | 551 | 552 | 452 | 553)
                    && matches!(name, b"STOR" | b"STOU" | b"APPE")
                || matches!(code, 125 | 150 | 226 | 250 | 425 | 426 | 450 | 451 | 550)
        }
        b"RNFR" => refused || matches!(code, 350 | 450 | 550),
        b"RNTO" => refused || matches!(code, 250 | 503 | 532 | 553),
        b"DELE" => refused || matches!(code, 250 | 450 | 550),
        b"MKD" => refused || matches!(code, 257 | 550),
        b"PWD" => matches!(code, 257 | 421 | 501 | 502 | 550),
        b"ABOR" => matches!(code, 225 | 226 | 421 | 501 | 502),
        b"SYST" => refused || code == 215,
        b"STAT" => refused || matches!(code, 211 | 212 | 213 | 450),
        b"HELP" => matches!(code, 200 | 211 | 214 | 421 | 501 | 502),
        b"SITE" => matches!(code, 200 | 202 | 214 | 501 | 502 | 530),
        b"NOOP" => matches!(code, 200 | 421),
        b"LPRT" => matches!(code, 501 | 521),
        b"FEAT" => matches!(code, 211 | 502),
        b"OPTS" => matches!(code, 200 | 451 | 501),
        b"EPSV" => matches!(code, 229 | 501),
        b"EPRT" => matches!(code, 200 | 501 | 522),
        b"SIZE" | b"MDTM" => matches!(code, 213 | 501 | 550),
        b"MLST" | b"MLSD" => matches!(code, 150 | 226 | 250 | 501 | 550),
        b"CLNT" => code == 200,
        b"MACB" => matches!(code, 200 | 550),
        _ => false,
    }
}
