//! Protocols of binary messages over TCP.

use std::cmp::Ordering;

use super::ber::{kerberos_tcp, ldap, snmp};
use super::{Firsts, Match, Protocol, Starts, Test, begins};
use crate::protocol::bytes::Reader;

pub(super) const TESTS: [Test; 19] = [
    (Protocol::Tls, Firsts::of(&[0x15, 0x16]), |starts| {
        starts.either(tls)
    }),
    (Protocol::Smb, Firsts::of(&[0, 0x81, 0x82]), |starts| {
        starts.either(smb)
    }),
    (Protocol::BitTorrent, Firsts::of(b"\x13"), |starts| {
        starts.either(|bytes| begins(bytes, b"\x13BitTorrent protocol"))
    }),
    (Protocol::Rfb, Firsts::of(b"R"), |starts| {
        starts.either(|bytes| begins(bytes, b"RFB 003.").or(begins(bytes, b"RFB 004.")))
    }),
    (Protocol::Mysql, Firsts::ANY, |starts| mysql(starts.resp)),
    (Protocol::Postgresql, Firsts::of(&[0]), |starts| {
        postgresql(starts.orig)
    }),
    (Protocol::Mqtt, Firsts::of(b"\x10"), |starts| {
        Match::yes_if(mqtt(starts.orig)).and(begins(starts.orig, b"\x10"))
    }),
    (Protocol::Rdp, Firsts::of(&[3]), rdp),
    (Protocol::Kerberos, Firsts::of(&[0]), |starts| {
        starts.either(kerberos_tcp)
    }),
    (Protocol::DceRpc, Firsts::of(&[5]), |starts| {
        starts.either(dce_rpc)
    }),
    (Protocol::Ldap, Firsts::of(&[0x30]), |starts| {
        starts.either(ldap)
    }),
    (Protocol::Dnp3, Firsts::of(&[5]), |starts| {
        starts.either(dnp3)
    }),
    (Protocol::Modbus, Firsts::ANY, modbus),
    (Protocol::Socks, Firsts::of(&[4, 5]), socks),
    (Protocol::Telnet, Firsts::of(&[0xff]), |starts| {
        starts.either(telnet)
    }),
    (Protocol::Dns, Firsts::ANY, dns),
    (Protocol::Snmp, Firsts::of(&[0x30]), |starts| {
        starts.either(snmp)
    }),
    (Protocol::Syslog, Firsts::of(b"<0123456789"), |starts| {
        syslog_tcp(starts.orig)
    }),
    (Protocol::Tls, Firsts::from(0x80), |starts| {
        sslv2(starts.orig)
    }),
];

/// Those that are read from the middle of a flow on.
pub(super) const MIDSTREAM: [Test; 3] = [
    (Protocol::Smb, Firsts::of(&[0, 0x81, 0x82]), |starts| {
        starts.either(smb)
    }),
    (Protocol::DceRpc, Firsts::of(&[5]), |starts| {
        starts.either(dce_rpc)
    }),
    (Protocol::Modbus, Firsts::ANY, |starts| match starts.port {
        502 => starts.either(|bytes| Match::yes_if(adu(bytes).map(|(good, ..)| good))),
        _ => Match::No,
    }),
];

/// A handshake record with a client's or a server's first message, or an alert (RFC 8446, 5.1).
pub(super) fn tls(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        if !matches!(kind, 0x15 | 0x16) {
            return Some(false);
        }
        if reader.u8()? != 3 || reader.u8()? > 4 {
            return Some(false);
        }
        let len = reader.u16()?;
        if kind == 0x15 {
            return Some(len == 2 && matches!(reader.u8()?, 1 | 2));
        }
        if !(4..=0x4800).contains(&len) {
            return Some(false);
        }
        let message = reader.u8()?;
        // A record of four bytes or less holds no version.
        let (len, version) = (reader.u24()?, reader.u8()?);
        Some(matches!(message, 1 | 2) && version == 3 && len < 0x2_0000)
    };
    Match::yes_if(read())
}

/// A client of old offers SSL 3 or TLS in the words of SSL 2 (RFC 5246, E.2).
fn sslv2(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        let len = reader.u16()?;
        if len & 0x8000 == 0 || reader.u8()? != 1 {
            return Some(false);
        }
        let version = reader.u16()?;
        let (ciphers, session, challenge) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let whole = ciphers.checked_add(session)?.checked_add(challenge)?;
        Some(
            (version == 2 || version >> 8 == 3 && version & 0xff <= 3)
                && ciphers != 0
                && ciphers.is_multiple_of(3)
                && matches!(session, 0 | 16)
                && (16..=32).contains(&challenge)
                && whole.checked_add(9) == Some(len & 0x7fff),
        )
    };
    Match::yes_if(read())
}

/// A NetBIOS session message with SMB in it, perhaps after a session request (RFC 1002, 4.3).
fn smb(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        let mut kind = reader.u8()?;
        if kind == 0x81 {
            let len = reader.u24()?;
            if len != 68 {
                return Some(false);
            }
            reader.take(68)?;
            kind = reader.u8()?;
        } else if kind == 0x82 {
            if reader.u24()? != 0 {
                return Some(false);
            }
            kind = reader.u8()?;
        }
        if kind != 0 {
            return Some(false);
        }
        reader.u24()?;
        Some(matches!(
            reader.take(4)?,
            b"\xffSMB" | b"\xfeSMB" | b"\xfdSMB" | b"\xfcSMB"
        ))
    };
    Match::yes_if(read())
}

/// The server's greeting: protocol 10 and a version in digits.
fn mysql(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        let [_, high, top, number] = [reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?];
        if high > 2 || top != 0 || number != 0 {
            return Some(false);
        }
        Some(
            reader.u8()? == 10
                && reader.u8()?.is_ascii_digit()
                && matches!(reader.take(2)?, [b'.', _] | [b'0'..=b'9', b'.']),
        )
    };
    Match::yes_if(read())
}

/// A startup message of version 3, or a request for encryption or to cancel.
fn postgresql(bytes: &[u8]) -> Match {
    const REQUESTS: [u32; 3] = [80_877_102, 80_877_103, 80_877_104];
    let read = || {
        let mut reader = Reader::new(bytes);
        let (len, code) = (reader.u32()?, reader.u32()?);
        if matches!(len, 8 | 16) && REQUESTS.contains(&code) {
            return Some(true);
        }
        if !(9..=10_000).contains(&len) || code >> 16 != 3 || code & 0xffff > 2 {
            return Some(false);
        }
        let name = reader.take(4)?;
        Some(
            name.iter()
                .all(|byte| byte.is_ascii_lowercase() || *byte == b'_'),
        )
    };
    Match::yes_if(read())
}

/// CONNECT (MQTT 3.1.1, 3.1).
fn mqtt(bytes: &[u8]) -> Option<bool> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != 0x10 {
        return Some(false);
    }
    for _ in 0..4 {
        if reader.u8()? & 0x80 == 0 {
            let len = usize::from(reader.u16()?);
            if len != 4 && len != 6 {
                return Some(false);
            }
            return Some(matches!(reader.take(len)?, b"MQTT" | b"MQIsdp"));
        }
    }
    Some(false)
}

/// A TPKT with a connection request that asks for what only RDP has (MS-RDPBCGR, 2.2.1.1).
fn rdp(starts: &Starts<'_>) -> Match {
    let read = || {
        let mut reader = Reader::new(starts.orig);
        if reader.u8()? != 3 || reader.u8()? != 0 {
            return Some(false);
        }
        let len = reader.u16()?;
        let (rest, kind) = (reader.u8()?, reader.u8()?);
        if kind & 0xf0 != 0xe0 || u16::from(rest) + 5 != len {
            return Some(false);
        }
        reader.take(5)?;
        if len == 11 {
            return Some(starts.port == 3389);
        }
        let next = reader.take(8.min(usize::from(len).saturating_sub(11)))?;
        Some(
            next.starts_with(b"Cookie: ") || next.starts_with(&[1, 0, 8, 0]) || starts.port == 3389,
        )
    };
    Match::yes_if(read()).and(begins(starts.orig, b"\x03\x00"))
}

/// Connection-oriented RPC, version 5 (C706, 12.6.3).
fn dce_rpc(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 5 || reader.u8()? > 1 {
            return Some(false);
        }
        let (kind, _flags, order) = (reader.u8()?, reader.u8()?, reader.u8()?);
        if kind > 20 || !matches!(order, 0 | 0x10) {
            return Some(false);
        }
        Some(reader.take(3)? == [0, 0, 0] && reader.take(2)? != [0, 0])
    };
    Match::yes_if(read())
}

/// A link header with a right checksum (IEEE 1815, 9.2).
pub(super) fn dnp3(bytes: &[u8]) -> Match {
    match begins(bytes, &[0x05, 0x64]) {
        Match::Yes => Match::yes_if(bytes.get(..10).map(|header| {
            let (covered, sum) = header.split_at_checked(8).unwrap_or_default();
            covered.get(2).is_some_and(|len| *len >= 5) && sum == dnp3_crc(covered).to_le_bytes()
        })),
        other => other,
    }
}

fn dnp3_crc(bytes: &[u8]) -> u16 {
    let step = |crc: u16, _| {
        let low = crc & 1;
        (crc >> 1) ^ (low * 0xa6bc)
    };
    let crc = bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ u16::from(*byte), step)
    });
    !crc
}

/// A message of Modbus: whether it can be one, its number, unit and function.
fn adu(bytes: &[u8]) -> Option<(bool, u16, u8, u8)> {
    let mut reader = Reader::new(bytes);
    let (number, protocol, len) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let (unit, function) = (reader.u8()?, reader.u8()?);
    let known = matches!(function & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90);
    let good = protocol == 0 && (2..=260).contains(&len) && known;
    Some((good, number, unit, function & 0x7f))
}

/// A request, and the reply to it: alone, either is nothing but a few small numbers.
fn modbus(starts: &Starts<'_>) -> Match {
    match (adu(starts.orig), adu(starts.resp)) {
        (Some((false, ..)), _) | (_, Some((false, ..))) => Match::No,
        (Some((_, asked, unit, function)), Some((_, answered, who, did))) => {
            Match::yes_if(Some(asked == answered && unit == who && function == did))
        }
        _ => match (starts.orig.get(2..4), starts.resp.get(2..4)) {
            (Some(protocol), _) | (_, Some(protocol)) if protocol != [0, 0] => Match::No,
            _ => Match::Maybe,
        },
    }
}

/// A client's first message and the proxy's answer, and nothing else (RFC 1928, 3).
fn socks(starts: &Starts<'_>) -> Match {
    let new = match starts.orig {
        [] | [5] => Match::Maybe,
        [5, count @ 1..=16, methods @ ..] => match methods.len().cmp(&usize::from(*count)) {
            Ordering::Less => Match::Maybe,
            Ordering::Equal => match starts.resp {
                [] | [5] => Match::Maybe,
                [5, 0..=3 | 0xff] => Match::Yes,
                _ => Match::No,
            },
            Ordering::Greater => Match::No,
        },
        _ => Match::No,
    };
    let old = match (starts.orig, starts.resp) {
        ([] | [4], []) | ([4, 1 | 2, ..], [] | [0]) => Match::Maybe,
        ([4, 1 | 2, rest @ .., 0], [0, 0x5a..=0x5d, ..]) if rest.len() >= 6 => {
            Match::yes_if((starts.resp.len() >= 8).then_some(starts.resp.len() == 8))
        }
        _ => Match::No,
    };
    new.or(old)
}

/// Options are negotiated first (RFC 854): IAC, will/won't/do/don't, an option.
fn telnet(bytes: &[u8]) -> Match {
    match bytes {
        [0xff, 0xfb..=0xfe, option, ..] => Match::yes_if(Some(*option <= 49 || *option == 0xff)),
        [] | [0xff] | [0xff, 0xfb..=0xfe] => Match::Maybe,
        _ => Match::No,
    }
}

fn dns(starts: &Starts<'_>) -> Match {
    let test = |bytes: &[u8]| {
        let message = bytes.get(2..).unwrap_or_default();
        if starts.port == 53 {
            return Match::yes_if(message.get(..12).map(|_| true));
        }
        let [high, low, ..] = bytes else {
            return Match::Maybe;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len < 17 || message.len() > len {
            return Match::No;
        }
        super::datagram::dns(message)
    };
    starts.either(test)
}

/// Octet counting (RFC 6587, 3.4.1): `51 <34>1 …`, or plain lines.
fn syslog_tcp(bytes: &[u8]) -> Match {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match (digits, bytes.get(digits..).unwrap_or_default()) {
        (1..=5, []) => Match::Maybe,
        (0, rest) | (1..=5, [b' ', rest @ ..]) => super::datagram::syslog(rest),
        _ => Match::No,
    }
}
