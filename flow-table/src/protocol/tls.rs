//! SSL 3 and TLS, up to where nothing more is in the clear.
//!
//! A row is complete once both sides have sent something encrypted; from then on the parser wants
//! nothing. Records and the messages in them may be cut anywhere.

mod ciphers;
mod dtls;
pub(crate) mod fingerprint;
mod handshake;
mod hello;
mod names;
mod record;

use serde::{Deserialize, Serialize};

use super::{At, Parser, Progress, Record, Service, Sink, Text};
use crate::{PerSide, Side, Timestamp};

pub use ciphers::cipher_name;
pub use dtls::Dtls;
use fingerprint::Carrier;
pub(super) use fingerprint::hex;
pub use names::{alert_name, curve_name, version_name};
use record::{Kind, RecordReader, Step};

/// Letters of a history.
pub const MAX_HISTORY: usize = 100;
/// Bytes of one handshake message that are put together.
pub const MAX_MESSAGE: usize = 512 * 1024;
/// Certificates of one side that are looked at.
pub const MAX_CERTIFICATES: usize = 32;

/// Who tells of oddities.
const SOURCE: &str = "SSL";
const SSL: Service = Service("ssl");
const DTLS: Service = Service("dtls");

/// A row of ssl.log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SslRecord {
    /// When the first hello was seen.
    pub ts: Timestamp,
    /// What the server chose; see [`version_name`].
    pub version: Option<u16>,
    /// What the server chose; see [`cipher_name`].
    pub cipher: Option<u16>,
    /// What the server chose; see [`curve_name`].
    pub curve: Option<u16>,
    /// The name the client asked for.
    pub server_name: Option<Text>,
    /// Keys of an earlier session were used again.
    pub resumed: bool,
    /// The last alert in the clear; see [`alert_name`].
    pub last_alert: Option<u8>,
    /// The protocol inside, if the server said so in the clear.
    pub next_protocol: Option<Text>,
    /// Both sides went over to encryption.
    pub established: bool,
    /// A letter for each message; upper case is the client's.
    pub ssl_history: String,
    /// SHA-256 of the server's certificates; `None` if nobody sent any.
    pub cert_chain_fps: Option<Vec<String>>,
    /// SHA-256 of the client's certificates; `None` if nobody sent any.
    pub client_cert_chain_fps: Option<Vec<String>>,
    /// Whether the server's certificate is for the name asked for.
    pub sni_matches_cert: Option<bool>,
    /// Fingerprint of the client's hello.
    pub ja3: Option<String>,
    /// Fingerprint of the server's hello.
    pub ja3s: Option<String>,
    /// Another fingerprint of the client's hello.
    pub ja4: Option<String>,
}

impl SslRecord {
    /// Nothing is known but when it began.
    pub const fn new(ts: Timestamp) -> Self {
        Self {
            ts,
            version: None,
            cipher: None,
            curve: None,
            server_name: None,
            resumed: false,
            last_alert: None,
            next_protocol: None,
            established: false,
            ssl_history: String::new(),
            cert_chain_fps: None,
            client_cert_chain_fps: None,
            sni_matches_cert: None,
            ja3: None,
            ja3s: None,
            ja4: None,
        }
    }
}

impl SslRecord {
    /// Bytes it takes, about.
    fn size(&self) -> usize {
        /// SHA-256 in hexadecimal digits.
        const FINGERPRINT: usize = size_of::<String>() + 64;
        let names = [&self.server_name, &self.next_protocol];
        let chains = [&self.cert_chain_fps, &self.client_cert_chain_fps];
        size_of::<Self>()
            + names
                .into_iter()
                .flatten()
                .map(|name| name.len())
                .sum::<usize>()
            + chains.into_iter().flatten().map(Vec::len).sum::<usize>() * FINGERPRINT
    }
}

/// One direction.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Half {
    records: RecordReader,
    /// The beginning of a handshake message whose end is to come.
    message: Vec<u8>,
    encrypted: bool,
}

/// The parser of one flow.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Tls {
    halves: PerSide<Half>,
    carrier: Carrier,
    row: Option<Box<SslRecord>>,
    /// The responder is the client.
    flipped: bool,
    session_id: Vec<u8>,
    offered_ticket: bool,
    offered_psk: bool,
    key_exchanged: bool,
    retry: bool,
    confirmed: bool,
    /// The row is out, or there will be none.
    over: bool,
}

/// What a client's hello asks for.
pub(super) struct Offer<'a> {
    pub(super) server_name: Option<&'a [u8]>,
    /// The first of those it offers.
    pub(super) protocol: Option<&'a [u8]>,
}

impl<'a> Offer<'a> {
    /// Reads a whole handshake message, with its type and length.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let (kind, body) = handshake::split(message)?;
        let hello = hello::ClientHello::read(body).filter(|_| kind == handshake::CLIENT_HELLO)?;
        Some(Self {
            server_name: hello.server_name,
            protocol: hello.alpn,
        })
    }
}

impl Tls {
    /// Of what QUIC carries: only the hellos can be read (RFC 9001, 4).
    pub(super) fn of_quic() -> Self {
        Self {
            carrier: Carrier::Quic,
            ..Self::default()
        }
    }

    /// Takes a whole handshake message, with its type and length.
    pub(super) fn hello(&mut self, side: Side, ts: Timestamp, message: &[u8], sink: &mut dyn Sink) {
        let mut at = At::new(SOURCE, side, ts, sink);
        if let Some((kind, body)) = handshake::split(message).filter(|_| !self.over) {
            self.message(&mut at, kind, body);
        }
    }

    const fn progress(&self) -> Progress {
        if self.over {
            Progress::Done
        } else {
            Progress::Going
        }
    }

    fn row(&mut self, ts: Timestamp) -> &mut SslRecord {
        self.row.get_or_insert_with(|| Box::new(SslRecord::new(ts)))
    }

    fn is_client(&self, side: Side) -> bool {
        (side == Side::Orig) != self.flipped
    }

    fn note(&mut self, at: &mut At<'_>, letter: u8) {
        let letter = if self.is_client(at.side) {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        let history = &mut self.row(at.ts).ssl_history;
        if history.len() >= MAX_HISTORY {
            return;
        }
        history.push(char::from(letter));
        if history.len() == MAX_HISTORY {
            at.weird("SSL_max_ssl_history_length_reached");
        }
    }

    const fn service(&self) -> Service {
        match self.carrier {
            Carrier::Tcp | Carrier::Quic => SSL,
            Carrier::Dtls => DTLS,
        }
    }

    fn confirm(&mut self, at: &mut At<'_>) {
        if !self.confirmed {
            self.confirmed = true;
            at.sink.confirm(self.service());
        }
    }

    /// This is not TLS, or not any more.
    fn refute(&mut self, at: &mut At<'_>) {
        if self.confirmed {
            at.sink.refute(self.service());
        }
        self.finish(at.ts, at.sink);
    }

    /// Whether records of `side` can no longer be read. From TLS 1.3 on what is encrypted says
    /// that it is application data (RFC 8446, 5.2), whatever change_cipher_spec came before.
    fn is_encrypted(&mut self, side: Side, kind: Kind) -> bool {
        if self.is_tls13() {
            return kind == Kind::Data;
        }
        self.halves.get_mut(side).encrypted
    }

    fn is_tls13(&self) -> bool {
        let version = self.row.as_ref().and_then(|row| row.version);
        version.is_some_and(|version| matches!(version, 0x0304 | 0xfefc | 0x7f00..=0x7fff))
    }

    /// Takes a part of a record's content.
    fn part(&mut self, at: &mut At<'_>, kind: Kind, part: &[u8]) {
        let clear = !self.is_encrypted(at.side, kind);
        if kind == Kind::Handshake && clear {
            self.handshake(at, part);
        }
    }

    /// A record is complete. `alert`: what it is about, if it is an alert in the clear.
    fn record_done(&mut self, at: &mut At<'_>, kind: Kind, alert: Option<u8>) {
        if self.over {
            return;
        }
        if self.is_encrypted(at.side, kind) {
            return self.ciphertext(at);
        }
        match kind {
            Kind::ChangeCipherSpec => {
                self.note(at, b'i');
                let ticket = self.offered_ticket && !self.key_exchanged;
                if self.is_client(at.side) && ticket {
                    self.row(at.ts).resumed = true;
                }
                if !self.is_tls13() {
                    self.halves.get_mut(at.side).encrypted = true;
                }
            }
            Kind::Alert => {
                self.note(at, b'l');
                self.row(at.ts).last_alert = alert;
            }
            Kind::Heartbeat => self.note(at, b'b'),
            Kind::Handshake | Kind::Data => {}
        }
    }

    fn ciphertext(&mut self, at: &mut At<'_>) {
        self.halves.get_mut(at.side).encrypted = true;
        if self.halves.orig.encrypted && self.halves.resp.encrypted {
            self.row(at.ts).established = true;
            self.finish(at.ts, at.sink);
        }
    }
}

impl Parser for Tls {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new(SOURCE, side, ts, sink);
        let mut rest = bytes;
        while !self.over && !rest.is_empty() {
            let first = self.row.is_none();
            let (step, used) = self.halves.get_mut(side).records.step(rest, first);
            let part = rest.get(..used).unwrap_or_default();
            match step {
                Step::More => {}
                Step::Part(kind) => self.part(&mut at, kind, part),
                Step::End(kind) => {
                    self.part(&mut at, kind, part);
                    let alert = self.halves.get_mut(side).records.second_byte();
                    self.record_done(&mut at, kind, alert);
                }
                Step::OldHello(hello) => self.old_hello(&mut at, &hello),
                Step::Bad => self.refute(&mut at),
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        self.progress()
    }

    // Bytes are missing: nobody knows where the next record begins.
    fn gap(&mut self, _: Side, ts: Timestamp, _: u64, sink: &mut dyn Sink) -> Progress {
        self.finish(ts, sink);
        Progress::Done
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        if let Some(row) = self.row.take().filter(|_| !self.over) {
            sink.record(Record::Ssl(row));
        }
        self.over = true;
    }

    fn held(&self) -> usize {
        let row = self.row.as_ref().map_or(0, |row| row.size());
        self.halves.orig.message.len() + self.halves.resp.message.len() + row
    }
}

#[cfg(test)]
mod tests;
