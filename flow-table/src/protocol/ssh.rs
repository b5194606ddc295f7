//! SSH: banners, what both sides agree on, the server's key, and whether anybody got in.
//!
//! What is encrypted tells by its size: the answers to failed passwords all have one size, and
//! the answer to the right one another (which is how Zeek guesses, segment by segment: so the
//! guess depends on how the sender cut its stream, and is none where compression is on).

mod algorithms;
mod auth;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bytes::Reader;
use super::{At, Parser, Progress, Record, Service, SignIn, SignInOutcome, Sink, Text};
use crate::{PerSide, Side, Timestamp};

use algorithms::Offer;
use auth::Guess;

/// Bytes of a line before the key exchange (RFC 4253, 4.2 has 255 for the banner).
pub const MAX_LINE: usize = 1_024;
/// Lines a server may send before its banner.
pub const MAX_LINES: u16 = 64;
/// Bytes of a packet; OpenSSH takes as many (RFC 4253, 6.1 asks for 35,000).
pub const MAX_PACKET: usize = 256 * 1024;

const SSH: Service = Service("ssh");
/// Letters of the host key's fingerprint that Zeek shows: of 24 of its 32 bytes.
const FINGERPRINT_LETTERS: usize = 32;

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

/// A row of ssh.log. The direction is for who knows which networks are local.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SshRecord {
    /// When the first banner was seen.
    pub ts: Timestamp,
    /// 1 or 2; unset if only one side spoke, or if they do not fit.
    pub version: Option<u8>,
    /// Whether somebody signed in; unset if nobody can tell.
    pub auth_success: Option<bool>,
    /// How often somebody tried.
    pub auth_attempts: u32,
    /// The client's banner.
    pub client: Option<Text>,
    /// The server's banner.
    pub server: Option<Text>,
    /// Cipher agreed on.
    pub cipher_alg: Option<Text>,
    /// Message authentication agreed on.
    pub mac_alg: Option<Text>,
    /// Compression agreed on.
    pub compression_alg: Option<Text>,
    /// Key exchange agreed on.
    pub kex_alg: Option<Text>,
    /// Kind of host key agreed on.
    pub host_key_alg: Option<Text>,
    /// The host key's fingerprint.
    pub host_key_fingerprint: Option<String>,
    /// HASSH, a fingerprint of what the client offers.
    pub hassh: Option<String>,
    /// HASSH of what the server offers.
    pub hassh_server: Option<String>,
}

/// What is expected next from one side.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
enum State {
    /// A banner, or before a server's other lines; so many came.
    Banner(u16),
    Packets,
    Encrypted,
    /// Nothing that can be read.
    #[default]
    Nothing,
}

/// One direction.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Half {
    state: State,
    /// The beginning of a line or packet whose end is to come.
    held: Vec<u8>,
    offer: Option<Box<Offer>>,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            state: State::Banner(0),
            held: Vec::new(),
            offer: None,
        }
    }
}

/// The parser of one flow. The originator is the client.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Ssh {
    halves: PerSide<Half>,
    row: Option<Box<SshRecord>>,
    guess: Guess,
    confirmed: bool,
    over: bool,
}

impl Ssh {
    fn row(&mut self, ts: Timestamp) -> &mut SshRecord {
        self.row.get_or_insert_with(|| {
            Box::new(SshRecord {
                ts,
                ..SshRecord::default()
            })
        })
    }

    fn line(&mut self, at: &mut At<'_>, bytes: &[u8], lines: u16) -> usize {
        let half = self.halves.get_mut(at.side);
        let end = memchr::memchr(b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        if half.held.len() + part.len() > MAX_LINE || lines >= MAX_LINES {
            self.give_up(at, "malformed_ssh_identification");
            return bytes.len();
        }
        half.held.extend_from_slice(part);
        let Some(end) = end else {
            return bytes.len();
        };
        let line = std::mem::take(&mut half.held);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.starts_with(b"SSH-") {
            half.state = State::Packets;
            self.banner(at, line);
        } else if at.side == Side::Resp {
            half.state = State::Banner(lines + 1);
        } else {
            self.give_up(at, "malformed_ssh_identification");
        }
        end + 1
    }

    fn give_up(&mut self, at: &mut At<'_>, why: &'static str) {
        at.weird(why);
        if self.confirmed {
            at.sink.refute(SSH);
        }
        self.finish(at.ts, at.sink);
    }

    fn banner(&mut self, at: &mut At<'_>, line: &[u8]) {
        let side = at.side;
        let row = self.row(at.ts);
        match side {
            Side::Orig => row.client = Some(line.into()),
            Side::Resp => row.server = Some(line.into()),
        }
        if let (Some(client), Some(server)) = (&row.client, &row.server) {
            row.version = common_version(Spoken::of(client), Spoken::of(server));
        }
        let (both, version) = (row.client.is_some() && row.server.is_some(), row.version);
        let old = Spoken::of(line) == Spoken::One || (both && version != Some(2));
        if old {
            // Its packets look different, and nobody should speak it any more.
            self.halves.get_mut(side).state = State::Nothing;
        }
        if both && version == Some(1) {
            self.confirm(at);
        }
    }

    fn confirm(&mut self, at: &mut At<'_>) {
        if !self.confirmed {
            self.confirmed = true;
            at.sink.confirm(SSH);
        }
    }

    /// Takes what of `bytes` belongs to the current packet (RFC 4253, 6); how many that are.
    fn packet(&mut self, at: &mut At<'_>, bytes: &[u8]) -> usize {
        let half = self.halves.get_mut(at.side);
        let before = half.held.len();
        let start = half.held.iter().chain(bytes).take(4);
        if start.clone().count() < 4 {
            half.held.extend_from_slice(bytes);
            return bytes.len();
        }
        let len = start.fold(0_u32, |len, byte| len << 8 | u32::from(*byte));
        let whole = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(4);
        if whole > MAX_PACKET {
            self.give_up(at, "SSH_packet_too_long");
            return bytes.len();
        }
        let Some((part, _)) = bytes.split_at_checked(whole.saturating_sub(before)) else {
            half.held.extend_from_slice(bytes);
            return bytes.len();
        };
        let mut held = std::mem::take(&mut half.held);
        let packet = if held.is_empty() {
            part
        } else {
            held.extend_from_slice(part);
            held.as_slice()
        };
        self.message(at, packet.get(4..).unwrap_or_default());
        part.len()
    }

    /// A packet without its length: padding's length, message type, message, padding.
    fn message(&mut self, at: &mut At<'_>, packet: &[u8]) {
        let mut reader = Reader::new(packet);
        let (Some(padding), Some(kind)) = (reader.u8(), reader.u8()) else {
            return;
        };
        let len = reader.len().saturating_sub(usize::from(padding));
        let body = reader.take(len).unwrap_or_default();
        match kind {
            KEXINIT => self.offer(at, body),
            NEWKEYS => {
                self.halves.get_mut(at.side).state = State::Encrypted;
                self.confirm(at);
            }
            _ => self.host_key(at, kind, body),
        }
    }

    fn offer(&mut self, at: &mut At<'_>, body: &[u8]) {
        if self.halves.get_mut(at.side).offer.is_some() {
            return;
        }
        let told = |name, addl| at.weird_about(name, Some(addl));
        let Some(offer) = Offer::read(body, told) else {
            return;
        };
        let hassh = offer.hassh(at.side);
        let row = self.row(at.ts);
        match at.side {
            Side::Orig => row.hassh = Some(hassh),
            Side::Resp => row.hassh_server = Some(hassh),
        }
        self.halves.get_mut(at.side).offer = Some(Box::new(offer));
        let (Some(client), Some(server)) = (&self.halves.orig.offer, &self.halves.resp.offer)
        else {
            return;
        };
        let agreed = algorithms::agree(client, server);
        let row = self.row(at.ts);
        row.kex_alg = Some(agreed.kex);
        row.host_key_alg = Some(agreed.host_key);
        row.cipher_alg = Some(agreed.cipher);
        row.mac_alg = Some(agreed.mac);
        row.compression_alg = Some(agreed.compression);
    }

    /// The host key comes first in the server's reply, whose number depends on the method. The
    /// server may be the one who called.
    fn host_key(&mut self, at: &mut At<'_>, kind: u8, body: &[u8]) {
        let row = self.row(at.ts);
        let method = row.kex_alg.as_deref().unwrap_or_default();
        let reply = if method.starts_with(b"diffie-hellman-group-exchange-") {
            33
        } else if method.starts_with(b"gss-") {
            return;
        } else if method.starts_with(b"rsa") {
            30
        } else {
            31
        };
        let mut reader = Reader::new(body);
        let len = reader.u32().and_then(|len| usize::try_from(len).ok());
        if kind == reply
            && let Some(key) = len.and_then(|len| reader.take(len))
        {
            let mut text = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(key));
            text.truncate(FINGERPRINT_LETTERS);
            row.host_key_fingerprint = Some(format!("SHA256:{text}"));
        }
    }

    fn encrypted(&mut self, at: &mut At<'_>, len: usize) {
        let Some(success) = self.guess.segment(at.side, len) else {
            return;
        };
        let row = self.row(at.ts);
        if is_compressed(row) {
            return;
        }
        row.auth_success = Some(success);
        row.auth_attempts = row.auth_attempts.saturating_add(1);
        if success {
            at.sink.signed_in(SignIn {
                service: SSH,
                outcome: SignInOutcome::Accepted,
            });
            self.finish(at.ts, at.sink);
        }
    }
}

impl Parser for Ssh {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new("SSH", side, ts, sink);
        let mut rest = bytes;
        while !self.over && !rest.is_empty() {
            let used = match self.halves.get_mut(side).state {
                State::Banner(lines) => self.line(&mut at, rest, lines),
                State::Packets => self.packet(&mut at, rest),
                State::Encrypted => {
                    self.encrypted(&mut at, rest.len());
                    rest.len()
                }
                State::Nothing => rest.len(),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        if self.over {
            return Progress::Done;
        }
        Progress::Going
    }

    // Bytes are missing: what follows cannot be read, and sizes tell nothing any more.
    fn gap(&mut self, _: Side, ts: Timestamp, _: u64, sink: &mut dyn Sink) -> Progress {
        self.guess.give_up();
        self.finish(ts, sink);
        Progress::Done
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        if let Some(row) = self.row.take().filter(|_| !self.over) {
            if self.guess.was_refused() && !is_compressed(&row) {
                sink.signed_in(SignIn {
                    service: SSH,
                    outcome: SignInOutcome::Refused,
                });
            }
            sink.record(Record::Ssh(row));
        }
        self.over = true;
    }

    fn held(&self) -> usize {
        let half = |half: &Half| half.held.len() + half.offer.as_ref().map_or(0, |o| o.size());
        half(&self.halves.orig) + half(&self.halves.resp)
    }
}

/// Whether sizes tell nothing.
fn is_compressed(row: &SshRecord) -> bool {
    let compressed = row.compression_alg.as_deref().unwrap_or_default();
    matches!(compressed, b"zlib" | b"zlib@openssh.com")
}

/// What a banner offers to speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoken {
    One,
    /// `1.99`: both.
    Both,
    Two,
    Unknown,
}

impl Spoken {
    fn of(banner: &[u8]) -> Self {
        match banner.get(4..).unwrap_or_default() {
            [b'2', ..] => Self::Two,
            [b'1', _, b'9', b'9', ..] => Self::Both,
            [b'1', ..] => Self::One,
            _ => Self::Unknown,
        }
    }
}

/// RFC 4253, 5.
const fn common_version(client: Spoken, server: Spoken) -> Option<u8> {
    match (client, server) {
        (Spoken::Two | Spoken::Both, Spoken::Two | Spoken::Both) => Some(2),
        (Spoken::One | Spoken::Both, Spoken::One | Spoken::Both) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
