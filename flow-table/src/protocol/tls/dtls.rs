//! TLS in datagrams (RFC 6347, RFC 9147).

use serde::{Deserialize, Serialize};

use super::fingerprint::Carrier;
use super::record::Kind;
use super::{MAX_MESSAGE, SOURCE, Tls};
use crate::protocol::bytes::Reader;
use crate::protocol::{At, Parser, Progress, Sink};
use crate::{PerSide, Side, Timestamp};

/// The parser of one flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dtls {
    tls: Tls,
    partial: PerSide<Partial>,
}

/// A handshake message of which fragments are to come.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Partial {
    number: u16,
    bytes: Vec<u8>,
}

impl Default for Dtls {
    fn default() -> Self {
        Self {
            tls: Tls {
                carrier: Carrier::Dtls,
                ..Tls::default()
            },
            partial: PerSide::default(),
        }
    }
}

/// A fragment of a handshake message.
struct Fragment<'a> {
    kind: u8,
    len: usize,
    number: u16,
    offset: usize,
    bytes: &'a [u8],
}

fn fragment<'a>(reader: &mut Reader<'a>) -> Option<Fragment<'a>> {
    let (kind, len, number) = (reader.u8()?, reader.u24()?, reader.u16()?);
    let offset = usize::try_from(reader.u24()?).ok()?;
    let bytes = reader.sized24()?;
    let len = usize::try_from(len).ok()?;
    Some(Fragment {
        kind,
        len,
        number,
        offset,
        bytes,
    })
}

impl Dtls {
    /// Reads a record; `None` if the rest of the datagram cannot be read.
    fn record(&mut self, at: &mut At<'_>, reader: &mut Reader<'_>) -> Option<()> {
        let kind = reader.u8()?;
        if kind & 0xe0 == 0x20 {
            // DTLS 1.3 encrypts the rest of the header, too (RFC 9147, 4).
            if self.tls.is_tls13() {
                self.tls.ciphertext(at);
            }
            return None;
        }
        let version = reader.u16()?;
        let _epoch_and_number = reader.take(8)?;
        let content = reader.sized16()?;
        let known = version >> 8 == 0xfe || version == 0x0100;
        let Some(kind) = Kind::of(kind).filter(|_| known) else {
            self.tls.refute(at);
            return None;
        };
        if kind == Kind::Handshake && !self.tls.is_encrypted(at.side, kind) {
            let mut content = Reader::new(content);
            while let Some(fragment) = fragment(&mut content) {
                self.fragment(at, &fragment);
            }
        }
        self.tls.record_done(at, kind, content.get(1).copied());
        Some(())
    }

    /// Fragments are expected in order: a lost one is sent again with all that belong to it.
    fn fragment(&mut self, at: &mut At<'_>, fragment: &Fragment<'_>) {
        if fragment.offset == 0 && fragment.bytes.len() == fragment.len {
            return self.tls.message(at, fragment.kind, fragment.bytes);
        }
        let partial = self.partial.get_mut(at.side);
        if fragment.offset == 0 {
            partial.number = fragment.number;
            partial.bytes.clear();
        }
        let next = partial.number == fragment.number && partial.bytes.len() == fragment.offset;
        if !next || fragment.len > MAX_MESSAGE {
            return;
        }
        partial.bytes.extend_from_slice(fragment.bytes);
        if partial.bytes.len() == fragment.len {
            let bytes = std::mem::take(&mut partial.bytes);
            self.tls.message(at, fragment.kind, &bytes);
        }
    }
}

impl Parser for Dtls {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut at = At::new(SOURCE, side, ts, sink);
        let mut reader = Reader::new(bytes);
        while !self.tls.over && !reader.is_empty() {
            if self.record(&mut at, &mut reader).is_none() {
                break;
            }
        }
        self.tls.progress()
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        self.tls.finish(ts, sink);
    }

    fn held(&self) -> usize {
        self.partial.orig.bytes.len() + self.partial.resp.bytes.len() + self.tls.held()
    }
}
