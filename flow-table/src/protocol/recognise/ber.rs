//! Protocols whose messages are written in BER (X.690).

use super::Match;
use crate::protocol::bytes::Reader;

pub(super) fn kerberos_tcp(bytes: &[u8]) -> Match {
    let mut reader = Reader::new(bytes);
    match reader.u32() {
        None => Match::yes_if(bytes.first().filter(|byte| **byte != 0).map(|_| false)),
        Some(len) if !(16..=0x10_0000).contains(&len) => Match::No,
        Some(_) => kerberos(reader.rest()),
    }
}

/// An application tag of Kerberos, a sequence, and version 5 (RFC 4120, 5.4).
pub(super) fn kerberos(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        let tag = reader.u8()?;
        if !matches!(tag, 0x6a..=0x6f | 0x74..=0x76 | 0x7e) {
            return Some(false);
        }
        ber_len(&mut reader)?;
        if reader.u8()? != 0x30 {
            return Some(false);
        }
        ber_len(&mut reader)?;
        let version = reader.take(5)?;
        Some(matches!(version, [0xa0 | 0xa1, 3, 2, 1, 5]))
    };
    Match::yes_if(read())
}

/// A length as BER writes it (X.690, 8.1.3); anything up to four bytes.
fn ber_len(reader: &mut Reader<'_>) -> Option<u32> {
    let first = reader.u8()?;
    if first & 0x80 == 0 {
        return Some(u32::from(first));
    }
    let bytes = reader.take(usize::from(first & 0x7f).min(4))?;
    Some(
        bytes
            .iter()
            .fold(0, |len, byte| len << 8 | u32::from(*byte)),
    )
}

/// A message with a number, and an operation that LDAP has (RFC 4511, 4.2).
pub(super) fn ldap(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 0x30 {
            return Some(false);
        }
        let len = ber_len(&mut reader)?;
        if reader.u8()? != 2 {
            return Some(false);
        }
        let digits = reader.u8()?;
        if !(1..=4).contains(&digits) || len < 5 {
            return Some(false);
        }
        reader.take(usize::from(digits))?;
        let operation = reader.u8()?;
        // After SNMP's version comes a string, 0x04.
        Some(matches!(
            operation,
            0x42 | 0x4a | 0x50 | 0x60 | 0x61 | 0x63..=0x69 | 0x6b..=0x6f | 0x73 | 0x77..=0x79
        ))
    };
    Match::yes_if(read())
}

/// Version, then community or header data, then a PDU (RFC 3416, 3; RFC 3412, 6).
pub(super) fn snmp(bytes: &[u8]) -> Match {
    let read = || {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 0x30 {
            return Some(false);
        }
        ber_len(&mut reader)?;
        if reader.take(2)? != [2, 1] {
            return Some(false);
        }
        match (reader.u8()?, reader.u8()?) {
            (0 | 1, 4) => {
                let len = ber_len(&mut reader)?;
                if len > 64 {
                    return Some(false);
                }
                reader.take(usize::try_from(len).ok()?)?;
                Some(matches!(reader.u8()?, 0xa0..=0xa8))
            }
            (3, 0x30) => {
                ber_len(&mut reader)?;
                Some(reader.u8()? == 2)
            }
            _ => Some(false),
        }
    };
    Match::yes_if(read())
}
