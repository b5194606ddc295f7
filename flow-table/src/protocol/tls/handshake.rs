//! Handshake messages, put together from records and read.

use sha2::{Digest, Sha256};

use super::super::bytes::Reader;
use super::super::{At, Body, BodyHead, Record, x509};
use super::fingerprint::{Carrier, hex, ja3, ja3s, ja4};
use super::hello::{ClientHello, ServerHello};
use super::{MAX_CERTIFICATES, MAX_MESSAGE, Tls, cipher_name, names};

pub(super) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_STATUS: u8 = 22;
/// Type and length.
const HEADER: usize = 4;

/// Whether there is such a version, be it a draft.
const fn is_version(version: u16) -> bool {
    matches!(version, 0x0300..=0x0304 | 0x7f00..=0x7fff | 0x0100 | 0xfefc..=0xfeff)
}

/// Type and whole length of the message that `bytes` begin with.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut reader = Reader::new(bytes);
    let (kind, len) = (reader.u8()?, reader.u24()?);
    Some((kind, usize::try_from(len).ok()? + HEADER))
}

/// Type and body of a whole message.
pub(super) fn split(message: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, len) = header(message)?;
    Some((kind, message.get(HEADER..len)?))
}

/// Whether a certificate still counts (RFC 6066, 8), which is a file like others.
fn certificate_status(at: &mut At<'_>, body: &[u8]) {
    let mut reader = Reader::new(body);
    if let (Some(1), Some(response)) = (reader.u8(), reader.sized24()) {
        let head = BodyHead {
            source: "SSL",
            ..BodyHead::default()
        };
        for part in [Body::Begin(head), Body::Data(response), Body::End] {
            at.sink.body(at.side, part);
        }
    }
}

impl Tls {
    /// Takes a part of a handshake record: messages need not begin or end with it.
    pub(super) fn handshake(&mut self, at: &mut At<'_>, mut part: &[u8]) {
        while !self.over && !part.is_empty() {
            let held = &mut self.halves.get_mut(at.side).message;
            if held.is_empty()
                && let Some((kind, len)) = header(part)
                && let Some((message, rest)) = part.split_at_checked(len)
            {
                part = rest;
                self.message(at, kind, message.get(HEADER..).unwrap_or_default());
                continue;
            }
            let wanted = header(held).map_or(HEADER, |(_, len)| len) - held.len();
            let (more, rest) = part.split_at_checked(wanted).unwrap_or((part, &[]));
            held.extend_from_slice(more);
            part = rest;
            let Some((kind, len)) = header(held) else {
                continue;
            };
            if len > MAX_MESSAGE {
                at.weird("SSL_handshake_message_too_long");
                return self.refute(at);
            }
            if held.len() == len {
                let message = std::mem::take(held);
                self.message(at, kind, message.get(HEADER..).unwrap_or_default());
            }
        }
    }

    pub(super) fn message(&mut self, at: &mut At<'_>, kind: u8, body: &[u8]) {
        let mut letter = names::letter(kind);
        match kind {
            CLIENT_HELLO => self.client_hello(at, body),
            SERVER_HELLO => {
                self.server_hello(at, body);
                if std::mem::take(&mut self.retry) {
                    letter = b'j';
                }
            }
            CERTIFICATE => self.certificates(at, body),
            SERVER_KEY_EXCHANGE => self.server_key_exchange(at, body),
            CERTIFICATE_STATUS => certificate_status(at, body),
            CLIENT_KEY_EXCHANGE => self.key_exchanged |= self.is_client(at.side),
            _ => {}
        }
        if !self.over {
            self.note(at, letter);
        }
    }

    fn client_hello(&mut self, at: &mut At<'_>, body: &[u8]) {
        let mut plain = Vec::new();
        let hello = match self.carrier {
            Carrier::Tcp | Carrier::Quic => ClientHello::read(body),
            Carrier::Dtls => ClientHello::read_dtls(body, &mut plain),
        };
        match hello {
            Some(hello) if is_version(hello.version) => self.client_offers(at, &hello),
            _ => self.refute(at),
        }
    }

    fn client_offers(&mut self, at: &mut At<'_>, hello: &ClientHello<'_>) {
        let carrier = self.carrier;
        if self.row.is_none() && at.side == crate::Side::Resp {
            self.flipped = true;
            self.row(at.ts).ssl_history.push('^');
        }
        self.confirm(at);
        if hello.many_names {
            at.weird("SSL_many_server_names");
        }
        self.offered_ticket |= hello.has_ticket;
        self.offered_psk |= hello.has_psk;
        if hello.session_id.iter().any(|byte| *byte != 0) {
            self.session_id = hello.session_id.to_vec();
            self.offered_ticket = false;
        }
        let row = self.row(at.ts);
        if let Some(name) = hello.server_name {
            row.server_name = Some(name.into());
        }
        row.ja3 = Some(ja3(hello));
        row.ja4 = Some(ja4(hello, carrier));
    }

    fn server_hello(&mut self, at: &mut At<'_>, body: &[u8]) {
        let Some(hello) = ServerHello::read(body) else {
            return self.refute(at);
        };
        self.confirm(at);
        self.retry = hello.is_retry;
        let psk = self.offered_psk && hello.has_psk;
        let same = !self.session_id.is_empty() && self.session_id == hello.session_id;
        let row = self.row(at.ts);
        let version = hello.chosen.or(row.version).unwrap_or(hello.version);
        row.version = Some(version);
        row.cipher = Some(hello.cipher);
        row.resumed |= psk || (same && !matches!(version, 0x0304 | 0xfefc | 0x7f00..=0x7fff));
        if hello.curve.is_some() {
            row.curve = hello.curve;
        }
        if let Some(protocol) = hello.alpn {
            row.next_protocol = Some(protocol.into());
        }
        row.ja3s = Some(ja3s(&hello));
    }

    /// The named curve of a key exchange that has one (RFC 8422, 5.4).
    fn server_key_exchange(&mut self, at: &mut At<'_>, body: &[u8]) {
        let row = self.row(at.ts);
        let elliptic = row
            .cipher
            .is_some_and(|cipher| cipher_name(cipher).contains("ECDH"));
        let mut reader = Reader::new(body);
        if elliptic && reader.u8() == Some(3) {
            row.curve = reader.u16();
        }
    }

    fn certificates(&mut self, at: &mut At<'_>, body: &[u8]) {
        let client = self.is_client(at.side);
        let mut list = Reader::new(Reader::new(body).sized24().unwrap_or_default());
        let mut depth = 0;
        while let Some(certificate) = list.sized24() {
            if depth >= MAX_CERTIFICATES {
                at.weird("SSL_too_many_certificates");
                break;
            }
            let print = hex(&Sha256::digest(certificate));
            let row = self.row(at.ts);
            let chain = row.cert_chain_fps.get_or_insert_default();
            let client_chain = row.client_cert_chain_fps.get_or_insert_default();
            if client { client_chain } else { chain }.push(print.clone());
            let origin = x509::Origin {
                host_cert: depth == 0,
                client_cert: client,
            };
            match x509::read(certificate, at.ts, print, origin) {
                Some(record) => {
                    if let Some(name) = row.server_name.as_deref().filter(|_| depth == 0 && !client)
                    {
                        row.sni_matches_cert = Some(record.is_for(name));
                    }
                    at.sink.record(Record::X509(Box::new(record)));
                }
                None => at.weird("x509_cert_parse_error"),
            }
            depth += 1;
        }
    }

    /// A hello that a client of old sends (RFC 5246, E.2); what follows is ordinary.
    pub(super) fn old_hello(&mut self, at: &mut At<'_>, hello: &[u8]) {
        let mut reader = Reader::new(hello);
        let (kind, version) = (reader.u8(), reader.u16());
        if kind != Some(CLIENT_HELLO)
            || !version.is_some_and(|version| version == 2 || version >> 8 == 3)
        {
            return self.refute(at);
        }
        self.confirm(at);
        self.note(at, b'c');
    }
}
