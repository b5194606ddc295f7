//! Protocols over UDP.

use serde::{Deserialize, Serialize};

use super::ber::{kerberos, ldap, snmp};
use super::binary::dnp3;
use super::{Match, Protocol, begins, text};
use crate::protocol::bytes::Reader;

/// What one datagram shows.
pub(super) fn protocol(bytes: &[u8], (from, to): (u16, u16)) -> Option<Protocol> {
    let on = |port| from == port || to == port;
    if bytes.is_empty() {
        return None;
    }
    if matches!(to, 53 | 137 | 5353 | 5355) || matches!(from, 53 | 5353 | 5355) {
        return (bytes.len() >= 12).then_some(Protocol::Dns);
    }
    let known: [(Protocol, bool); 13] = [
        (Protocol::Dhcp, dhcp(bytes)),
        (Protocol::Quic, quic(bytes).unwrap_or(false)),
        (Protocol::Dtls, dtls(bytes).unwrap_or(false)),
        (Protocol::Stun, stun(bytes).unwrap_or(false)),
        (Protocol::Ntp, ntp(bytes, on(123)).unwrap_or(false)),
        (Protocol::Snmp, snmp(bytes) == Match::Yes),
        (Protocol::Kerberos, kerberos(bytes) == Match::Yes),
        (Protocol::Ldap, ldap(bytes) == Match::Yes),
        (Protocol::Sip, text::sip(bytes) == Match::Yes),
        (Protocol::Dnp3, dnp3(bytes) == Match::Yes),
        (Protocol::BitTorrent, bittorrent(bytes)),
        (Protocol::RdpUdp, to == 3389 && rdp(bytes)),
        (Protocol::Syslog, syslog(bytes) == Match::Yes),
    ];
    let found = known.iter().find(|(_, is)| *is).map(|(name, _)| *name);
    let radius = matches!(to, 1812 | 1813 | 1645 | 1646) && radius(bytes).unwrap_or(false);
    let dns = || (dns(bytes) == Match::Yes).then_some(Protocol::Dns);
    found.or(radius.then_some(Protocol::Radius)).or_else(dns)
}

/// A DNS message off its port: a query or reply with one question that makes sense and nothing
/// unusual in its header.
pub(super) fn dns(message: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(message);
        let _id = reader.u16()?;
        let flags = reader.u16()?;
        let (questions, answers) = (reader.u16()?, reader.u16()?);
        let (authorities, additional) = (reader.u16()?, reader.u16()?);
        let reply = flags & 0x8000 != 0;
        let few = if reply { 64 } else { 0 };
        if flags & 0x7840 != 0
            || questions != 1
            || answers > few
            || authorities > few
            || additional > 64
            || (!reply && flags & 0x000f != 0)
        {
            return Some(false);
        }
        let mut labels = 0;
        loop {
            let len = usize::from(reader.u8()?);
            if len == 0 {
                break;
            }
            let label = reader.take(len.min(63))?;
            if len > 63 || label.iter().any(u8::is_ascii_control) {
                return Some(false);
            }
            labels += 1;
        }
        let (qtype, qclass) = (reader.u16()?, reader.u16()?);
        Some(
            labels > 0
                && matches!(qtype, 1..=65 | 99 | 249..=257)
                && matches!(qclass & 0x7fff, 1 | 3 | 255),
        )
    };
    Match::yes_if(read())
}

/// RFC 2131, 2, with the magic cookie.
fn dhcp(bytes: &[u8]) -> bool {
    let plain = matches!(bytes, [1 | 2, 1..=32, 0..=16, ..]);
    plain && bytes.get(236..240) == Some(&[0x63, 0x82, 0x53, 0x63])
}

/// A packet that begins a connection, of a version that is known (RFC 9000, 17.2; RFC 9369).
fn quic(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    let first = reader.u8()?;
    let version = reader.u32()?;
    let kind = first >> 4 & 0x03;
    // Data may come with the client's first packet (0-RTT), and overtake it.
    let begins = match version {
        1 | 0xff00_0016..=0xff00_0022 | 0xface_b001..=0xface_b013 => kind <= 1,
        0x6b33_43cf => matches!(kind, 1 | 2),
        // Google's own, before it was standardised: Q046, Q050, T051.
        0x5130_3436 | 0x5130_3530 | 0x5430_3531 => true,
        _ => return Some(false),
    };
    let to = usize::from(reader.u8()?);
    reader.take(to)?;
    let from = usize::from(reader.u8()?);
    Some(first & 0xc0 == 0xc0 && begins && to <= 20 && from <= 20)
}

/// A handshake record that begins a handshake (RFC 6347, 4.1).
fn dtls(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8()?;
    let version = reader.u16()?;
    let _epoch_and_number = reader.take(8)?;
    let len = usize::from(reader.u16()?);
    let message = reader.u8()?;
    Some(
        kind == 22
            && matches!(version, 0xfeff | 0xfefd | 0x0100)
            && len > 12
            && len <= reader.len() + 1
            && matches!(message, 1..=3),
    )
}

/// RFC 8489, 5.
fn stun(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    let (kind, len, cookie) = (reader.u16()?, reader.u16()?, reader.u32()?);
    Some(
        kind < 0x4000
            && cookie == 0x2112_a442
            && len.is_multiple_of(4)
            && bytes.len() == 20 + usize::from(len),
    )
}

/// RFC 5905, 7.3; off its port only a plain request of a client.
fn ntp(bytes: &[u8], at_home: bool) -> Option<bool> {
    let first = *bytes.first()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    if at_home {
        return Some((1..=4).contains(&version) && mode != 0 && (bytes.len() >= 48 || mode > 5));
    }
    let stratum = *bytes.get(1)?;
    let zeros = bytes.get(12..40)?.iter().all(|byte| *byte == 0);
    Some(bytes.len() == 48 && matches!(version, 3 | 4) && mode == 3 && stratum == 0 && zeros)
}

/// Distributed hash table and trackers (BEP 5, BEP 15).
fn bittorrent(bytes: &[u8]) -> bool {
    bytes.starts_with(b"d1:ad2:id20:")
        || bytes.starts_with(b"d1:rd2:id20:")
        || (bytes.len() == 16 && bytes.starts_with(&0x0417_2710_1980_u64.to_be_bytes()))
}

/// The first packet of a connection: nothing acknowledged, and SYN (MS-RDPEUDP, 2.2.2.1).
fn rdp(bytes: &[u8]) -> bool {
    let Some([0xff, 0xff, 0xff, 0xff, _, _, _, flags, ..]) = bytes.first_chunk::<16>() else {
        return false;
    };
    flags & 1 != 0
}

/// RFC 2865, 3.
fn radius(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    let (code, _id, len) = (reader.u8()?, reader.u8()?, reader.u16()?);
    Some(matches!(code, 1..=5 | 11..=13) && len >= 20 && usize::from(len) <= bytes.len())
}

/// `<34>` and then text (RFC 3164, 4.1).
pub(super) fn syslog(bytes: &[u8]) -> Match {
    let [b'<', rest @ ..] = bytes else {
        return begins(bytes, b"<");
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = rest.get(..digits).unwrap_or_default();
    let priority = number.iter().fold(0_u32, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    });
    match rest.get(digits..).unwrap_or_default() {
        _ if digits > 3 || priority > 191 => Match::No,
        [b'>', first, ..] if digits > 0 => {
            Match::yes_if(Some(first.is_ascii_graphic() || *first == b' '))
        }
        [] | [b'>'] => Match::Maybe,
        _ => Match::No,
    }
}

/// RTP has no mark of its own: it shows in packets that follow each other (RFC 3550, 5.1).
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(super) struct Rtp {
    source: u32,
    number: u16,
    run: u8,
}

/// Packets that must follow each other.
const RTP_RUN: u8 = 3;

impl Rtp {
    pub(super) fn protocol(&mut self, bytes: &[u8]) -> Option<Protocol> {
        let mut reader = Reader::new(bytes);
        let (first, kind, number) = (reader.u8()?, reader.u8()? & 0x7f, reader.u16()?);
        let (_time, source) = (reader.u32()?, reader.u32()?);
        if first >> 6 != 2 || !matches!(kind, 0..=34 | 96..=127) || reader.is_empty() {
            return None;
        }
        let follows =
            self.run > 0 && source == self.source && number == self.number.wrapping_add(1);
        self.run = if follows { self.run + 1 } else { 1 };
        (self.source, self.number) = (source, number);
        (self.run >= RTP_RUN).then_some(Protocol::Rtp)
    }
}
