//! QUIC's beginning: its first packets are encrypted with keys that anybody can derive (RFC 9000,
//! RFC 9001, RFC 9369), and carry the hellos of TLS.
//!
//! Read are packets of type Initial until both hellos are known; of the others only the kind
//! tells. A flow may carry several connections, which have a row each.

mod crypto;
mod keys;
mod packet;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::tls::{self, Offer, Tls};
use super::{At, Parser, Progress, Record, Service, Sink, Text};
use crate::{PerSide, Side, Timestamp};

use crypto::{Crypto, Taken};
use keys::Keys;
use packet::{Frame, Kind, Long};

/// Letters in a history.
pub const MAX_HISTORY: usize = 100;
/// Packets of a flow that are decrypted for nothing; of so many it is left alone.
const MAX_FAILURES: u8 = 10;
/// Packets of a side that are decrypted for each hello.
const MAX_DECRYPTED: u8 = 100;
/// Bytes of a row, about: most of them are names and history.
const ROW: usize = size_of::<QuicRecord>() + 512;
/// Connections of a flow that are told.
const MAX_CONNECTIONS: u8 = 100;
/// Other packets among QUIC's that are told.
const MAX_DISCARDED: u8 = 100;

const QUIC: Service = Service("quic");

/// A row of quic.log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuicRecord {
    /// When its first packet was seen.
    pub ts: Timestamp,
    /// Of the first packet; see [`version_name`].
    pub version: u32,
    /// The name the client first gave to the server, in hexadecimal digits.
    pub client_initial_dcid: Option<String>,
    /// The client's own name.
    pub client_scid: Option<String>,
    /// The server's own name.
    pub server_scid: Option<String>,
    /// The host the client asked for.
    pub server_name: Option<Text>,
    /// The first protocol that the client offered.
    pub client_protocol: Option<Text>,
    /// A letter for each event; upper case is the client's.
    pub history: String,
}

/// What Zeek's log calls a version.
pub fn version_name(version: u32) -> Cow<'static, str> {
    match version {
        1 => "1".into(),
        packet::VERSION_2 => "quicv2".into(),
        0xff00_0016..=0xff00_0022 => format!("draft-{}", version & 0xff).into(),
        0xface_b001..=0xface_b013 => format!("mvfst ({version:x})").into(),
        _ => format!("unknown-{version:x}").into(),
    }
}

/// The parser of one flow. The originator is the client.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Quic {
    keys: Option<Box<Keys>>,
    crypto: PerSide<Crypto>,
    decrypted: PerSide<u8>,
    short: PerSide<u64>,
    failures: u8,
    discarded: u8,
    connections: u8,
    row: Option<Box<QuicRecord>>,
    tls: Option<Box<Tls>>,
    confirmed: bool,
}

impl Quic {
    fn row(&mut self, ts: Timestamp, version: u32) -> &mut QuicRecord {
        self.row.get_or_insert_with(|| {
            Box::new(QuicRecord {
                ts,
                version,
                client_initial_dcid: None,
                client_scid: None,
                server_scid: None,
                server_name: None,
                client_protocol: None,
                history: String::new(),
            })
        })
    }

    fn note(&mut self, at: &mut At<'_>, letter: char) {
        let Some(row) = &mut self.row else { return };
        if row.history.len() >= MAX_HISTORY {
            return;
        }
        row.history.push(match at.side {
            Side::Orig => letter.to_ascii_uppercase(),
            Side::Resp => letter.to_ascii_lowercase(),
        });
        if row.history.len() == MAX_HISTORY {
            at.weird("QUIC_max_history_length_reached");
        }
    }

    /// The connection is over.
    fn complete(&mut self, sink: &mut dyn Sink) {
        if let Some(row) = self.row.take() {
            self.connections = self.connections.saturating_add(1);
            sink.record(Record::Quic(row));
        }
    }

    /// Takes the names that a packet is addressed by.
    fn session(&mut self, at: &At<'_>, long: &Long<'_>) {
        let side = at.side;
        let row = self.row(at.ts, long.version);
        let from = Some(tls::hex(long.scid));
        if side == Side::Resp {
            row.server_scid = from;
            return;
        }
        row.client_scid = from;
        if !long.dcid.is_empty() && row.client_initial_dcid.is_none() {
            row.client_initial_dcid = Some(tls::hex(long.dcid));
        }
    }

    fn confirm(&mut self, at: &mut At<'_>) {
        if !std::mem::replace(&mut self.confirmed, true) {
            at.sink.confirm(QUIC);
        }
    }

    /// Takes a packet with a long header.
    fn long(&mut self, at: &mut At<'_>, long: &Long<'_>) -> Progress {
        let letter = match long.kind {
            Kind::Initial { .. } => 'i',
            Kind::ZeroRtt => 'z',
            Kind::Handshake => 'h',
            Kind::Retry => 'r',
            Kind::Unknown => 'u',
        };
        if matches!(long.kind, Kind::Retry | Kind::Unknown) {
            self.row(at.ts, long.version);
            if self.row.as_ref().is_some_and(|row| row.history.is_empty()) {
                self.session(at, long);
            }
        } else {
            self.session(at, long);
        }
        self.note(at, letter);
        match long.kind {
            Kind::Initial { protected } => self.initial(at, long, protected),
            Kind::Retry => {
                self.complete(at.sink);
                // The client begins anew, with other keys.
                (self.keys, self.crypto) = (None, PerSide::default());
                self.decrypted = PerSide::default();
            }
            // Nothing more is known of versions that nobody knows; to a server that offers others
            // the client answers.
            Kind::Unknown => {
                self.complete(at.sink);
                if long.version != 0 {
                    return Progress::Done;
                }
            }
            Kind::ZeroRtt | Kind::Handshake => {}
        }
        if self.failures >= MAX_FAILURES {
            at.weird("QUIC_decryption_failed");
            return Progress::Done;
        }
        if self.connections >= MAX_CONNECTIONS {
            at.weird("QUIC_too_many_connections");
            return Progress::Done;
        }
        Progress::Going
    }

    fn initial(&mut self, at: &mut At<'_>, long: &Long<'_>, protected: usize) {
        let side = at.side;
        let count = self.decrypted.get_mut(side);
        if self.crypto.get_mut(side).is_finished() || *count >= MAX_DECRYPTED {
            return;
        }
        *count += 1;
        let plain = match &self.keys {
            Some(keys) => keys.open(side, long.bytes, protected),
            None if side == Side::Resp => return,
            None => None,
        };
        let plain = plain.or_else(|| {
            // The client may have begun anew.
            let keys = (side == Side::Orig).then(|| Keys::new(long.version, long.dcid))??;
            let plain = keys.open(side, long.bytes, protected)?;
            self.keys = Some(Box::new(keys));
            Some(plain)
        });
        let Some(plain) = plain else {
            self.failures = self.failures.saturating_add(1);
            return;
        };
        self.confirm(at);
        self.frames(at, &plain);
    }

    fn frames(&mut self, at: &mut At<'_>, plain: &[u8]) {
        for frame in packet::frames(plain) {
            match frame {
                Frame::Crypto { offset, bytes } => {
                    match self.crypto.get_mut(at.side).take(offset, bytes) {
                        Taken::More => {}
                        Taken::Message(message) => self.hello(at, &message),
                        Taken::TooMuch => at.weird("QUIC_too_much_crypto_data"),
                    }
                }
                Frame::Close => {
                    self.note(at, 'c');
                    self.complete(at.sink);
                }
                Frame::Unknown => at.weird("QUIC_unknown_frame"),
            }
        }
    }

    /// Takes a hello of TLS.
    fn hello(&mut self, at: &mut At<'_>, message: &[u8]) {
        if at.side == Side::Orig
            && let (Some(row), Some(offer)) = (&mut self.row, Offer::read(message))
        {
            row.server_name = offer.server_name.map(Into::into);
            row.client_protocol = offer.protocol.map(Into::into);
        }
        self.note(at, 's');
        let tls = self.tls.get_or_insert_with(|| Box::new(Tls::of_quic()));
        tls.hello(at.side, at.ts, message, at.sink);
    }

    /// Takes a packet whose kind nothing tells.
    fn short(&mut self, at: &mut At<'_>) {
        let count = self.short.get_mut(at.side);
        *count = count.saturating_add(1);
        if count.is_power_of_two() {
            self.note(at, 'o');
        }
    }

    fn discard(&mut self, at: &mut At<'_>) {
        if self.confirmed && self.discarded < MAX_DISCARDED {
            self.discarded += 1;
            self.note(at, 'x');
        }
    }
}

impl Parser for Quic {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new("QUIC", side, ts, sink);
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            // The bit is not for who offers other versions (RFC 9000, 17.2.1).
            let offers = first & 0x80 != 0 && rest.get(1..5) == Some(&[0; 4]);
            if first & 0x40 == 0 && !offers {
                self.discard(&mut at);
                break;
            }
            if first & 0x80 == 0 {
                self.short(&mut at);
                break;
            }
            let Some((long, after)) = Long::read(rest) else {
                at.weird("QUIC_bad_packet");
                break;
            };
            let progress = self.long(&mut at, &long);
            if progress != Progress::Going {
                return progress;
            }
            rest = after;
        }
        Progress::Going
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        self.complete(sink);
        if let Some(mut tls) = self.tls.take() {
            tls.finish(ts, sink);
        }
    }

    fn held(&self) -> usize {
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held());
        let row = self.row.as_ref().map_or(0, |_| ROW);
        let keys = self.keys.as_ref().map_or(0, |_| size_of::<Keys>());
        self.crypto.orig.held() + self.crypto.resp.held() + tls + row + keys
    }
}

#[cfg(test)]
mod tests;
