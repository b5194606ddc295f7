//! FTP's control connection: commands joined to their replies, and the channels they announce
//! (RFC 959, RFC 2428).
//!
//! Of a line the first [`MAX_LINE`] bytes are looked at, and [`MAX_PENDING`] commands wait for
//! replies. After `AUTH TLS` the flow is TLS (RFC 4217).

mod channel;
mod path;
mod session;
mod transfer;

use serde::{Deserialize, Serialize};

use super::files::{Digests, Hashes};
use super::lines::{TextLines, reply_code, word};
use super::{At, Name, Parser, Progress, Service, Sink, Text, names};
use crate::{Endpoint, FlowId, PerSide, Side, Timestamp, Uid};

use session::{Reply, Session};
pub(super) use transfer::Transfer;

/// Bytes of a line that are looked at.
pub const MAX_LINE: usize = 4_096;
/// Commands that wait for their replies; more than that are not joined to any.
pub const MAX_PENDING: usize = 20;
/// Bytes of a user's name and of a password that are kept.
pub const MAX_USER: usize = 128;
/// Bytes of a command's word; what is longer is none.
const MAX_COMMAND: usize = 40;

const FTP: Service = Service("ftp");

/// A row of ftp.log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FtpRecord {
    /// When the command was sent.
    pub ts: Timestamp,
    /// Who signed in; unset if nobody did.
    pub user: Option<Text>,
    /// With what: shown only of guests, see [`FtpRecord::is_guest`].
    pub password: Option<Text>,
    /// The command.
    pub command: Text,
    /// What it is about; a file's URL, if it is about a file.
    pub arg: Option<Text>,
    /// Bytes of the file, as the server says.
    pub file_size: Option<u64>,
    /// The server's reply.
    pub reply_code: Option<u16>,
    /// Its words.
    pub reply_msg: Option<Text>,
    /// The channel that was announced.
    pub data_channel: Option<DataChannel>,
    /// Where the flow goes that the channel announced last is for: what it carries is what a
    /// command to transfer a file is about.
    pub transfer: Option<Endpoint>,
    /// The file, once who sees all flows has found it.
    pub file: Option<Transferred>,
}

/// The file that a command to transfer one is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transferred {
    /// Of the flow that carried it.
    pub uid: Uid,
    /// Who sent it.
    pub side: Side,
    /// What it is, by how it begins.
    #[serde(with = "names::media_type")]
    pub mime_type: Option<Name>,
}

impl FtpRecord {
    /// Bytes it takes, about.
    fn size(&self) -> usize {
        let texts = [&self.user, &self.password, &self.arg, &self.reply_msg];
        let len = |text: &Text| text.len();
        size_of::<Self>() + texts.into_iter().flatten().map(len).sum::<usize>()
    }

    /// Whether the command is to transfer a file.
    pub fn transfers(&self) -> bool {
        matches!(&*self.command, b"RETR" | b"STOR" | b"STOU" | b"APPE")
    }

    /// Whether the user is one whose password is no secret.
    pub fn is_guest(&self) -> bool {
        let user = self.user.as_deref().unwrap_or_default();
        ["anonymous", "ftp", "ftpuser", "guest"]
            .iter()
            .any(|guest| guest.as_bytes().eq_ignore_ascii_case(user))
    }
}

/// A flow that is to come. Whoever sees it labels it `ftp-data`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct DataChannel {
    /// The client opens it.
    pub passive: bool,
    /// Who opens it.
    pub orig_h: std::net::IpAddr,
    /// Where to.
    pub resp: Endpoint,
}

/// What a flow carries that speaks no protocol and in which only one side says anything. If it was
/// announced, that is a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Who says it.
    pub side: Side,
    /// When the first bytes came.
    pub first: Timestamp,
    /// When the last came, if that is known.
    pub last: Option<Timestamp>,
    /// What it is, by how it begins.
    pub mime_type: Option<&'static str>,
    /// Which digests were begun.
    pub hashes: Hashes,
    /// Those of all that was said, if that is known.
    pub digests: Digests,
}

/// The parser of one flow. The originator is the client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ftp {
    lines: PerSide<TextLines>,
    session: Session,
    /// Of a reply of several lines: the code that ends it.
    continued: Option<u16>,
    /// What the client wants to be protected by.
    auth: Vec<u8>,
    confirmed: bool,
}

impl Ftp {
    /// For this flow.
    pub fn new(id: FlowId) -> Self {
        Self {
            lines: PerSide::default(),
            session: Session::new(id),
            continued: None,
            auth: Vec::new(),
            confirmed: false,
        }
    }

    fn command(&mut self, at: &mut At<'_>, line: &[u8]) {
        let (name, arg) = word(line);
        if name.len() < 3 || !name.iter().all(u8::is_ascii_graphic) {
            if self.confirmed && !line.is_empty() {
                at.weird("FTP_invalid_command");
            }
            return;
        }
        if name.len() > MAX_COMMAND {
            if self.confirmed {
                at.weird("FTP_max_command_length_exceeded");
            }
            return;
        }
        if !std::mem::replace(&mut self.confirmed, true) {
            at.sink.confirm(FTP);
        }
        let name = name.to_ascii_uppercase();
        if name == b"AUTH" {
            self.auth = arg.get(..MAX_COMMAND).unwrap_or(arg).to_vec();
        }
        self.session.request(at, name, arg);
    }

    /// Takes a line of the server's; whether what follows is TLS. `Err`: it is not FTP.
    fn reply(&mut self, at: &mut At<'_>, line: &[u8]) -> Result<bool, ()> {
        if line.is_empty() {
            return Ok(false);
        }
        let code = reply_code(line);
        let (mark, after) = (line.get(3), line.get(3..).unwrap_or_default());
        let (code, text, more) = if let Some(last) = self.continued {
            let ends = code == Some(last) && mark == Some(&b' ');
            if ends {
                self.continued = None;
            }
            let (code, text) = if ends { (last, after) } else { (0, line) };
            (code, text, !ends)
        } else {
            let code = code.filter(|code| *code >= 100).ok_or(())?;
            match mark {
                Some(b'-') => self.continued = Some(code),
                None | Some(b' ') => {}
                Some(_) => return Err(()),
            }
            let more = self.continued.is_some();
            (
                code,
                after.get(usize::from(more)..).unwrap_or_default(),
                more,
            )
        };
        let text = if code == 0 {
            text
        } else {
            text.trim_ascii_start()
        };
        self.session.reply(at, &Reply { code, text, more });
        Ok(code == 234 && self.auth == b"TLS")
    }
}

impl Parser for Ftp {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new("FTP", side, ts, sink);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (line, used) = self.lines.get_mut(side).next(rest, MAX_LINE);
            rest = rest.get(used..).unwrap_or_default();
            let Some(line) = line else { break };
            match side {
                Side::Orig => self.command(&mut at, &line),
                Side::Resp => match self.reply(&mut at, &line) {
                    Ok(false) => {}
                    Ok(true) => return Progress::Inner(bytes.len() - rest.len()),
                    Err(()) => {
                        at.weird("FTP_invalid_reply");
                        at.sink.refute(FTP);
                        return Progress::Done;
                    }
                },
            }
        }
        Progress::Going
    }

    fn gap(&mut self, side: Side, _: Timestamp, _: u64, _: &mut dyn Sink) -> Progress {
        // Lines begin anew after what is missing, and one of them is lost.
        *self.lines.get_mut(side) = TextLines::default();
        self.continued = None;
        Progress::Going
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        self.session
            .finish(&mut At::new("FTP", Side::Orig, ts, sink));
    }

    fn held(&self) -> usize {
        self.lines.orig.held() + self.lines.resp.held() + self.session.held()
    }
}

#[cfg(test)]
mod tests;
