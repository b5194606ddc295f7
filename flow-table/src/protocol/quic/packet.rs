//! Packets and the frames in them (RFC 9000, 17 and 19).

use crate::protocol::bytes::Reader;

/// RFC 9369.
pub(super) const VERSION_2: u32 = 0x6b33_43cf;
/// Bytes of a connection's name (RFC 9000, 17.2).
const MAX_NAME: usize = 20;

/// What a packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// What is behind its length begins at `protected`.
    Initial {
        protected: usize,
    },
    ZeroRtt,
    Handshake,
    Retry,
    /// It is of a version that is not known.
    Unknown,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    pub(super) version: u32,
    pub(super) kind: Kind,
    pub(super) dcid: &'a [u8],
    pub(super) scid: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// An integer of one, two, four or eight bytes (RFC 9000, 16).
fn varint(reader: &mut Reader<'_>) -> Option<u64> {
    let first = reader.u8()?;
    let more = (1_usize << (first >> 6)) - 1;
    let rest = reader.take(more)?;
    let start = u64::from(first & 0x3f);
    Some(
        rest.iter()
            .fold(start, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

/// The bytes after their length.
fn sized<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = varint(reader)?;
    reader.take(usize::try_from(len).ok()?)
}

const fn is_known(version: u32) -> bool {
    matches!(version, 1 | VERSION_2 | 0xff00_0016..=0xff00_0022 | 0xface_b001..=0xface_b013)
}

impl<'a> Long<'a> {
    /// Reads the packet that `datagram` begins with, and what follows it.
    pub(super) fn read(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader::new(datagram);
        let first = reader.u8()?;
        let version = reader.u32()?;
        let (dcid, scid) = (reader.sized8()?, reader.sized8()?);
        let mut long = Self {
            version,
            kind: Kind::Unknown,
            dcid,
            scid,
            bytes: datagram,
        };
        if !is_known(version) {
            return Some((long, &[]));
        }
        if dcid.len().max(scid.len()) > MAX_NAME {
            return None;
        }
        // Version 2 moved the kinds by one (RFC 9369, 3.2).
        let moved = u8::from(version == VERSION_2);
        let kind = (first >> 4).wrapping_sub(moved) & 0x03;
        if kind == 3 {
            long.kind = Kind::Retry;
            return Some((long, &[]));
        }
        if kind == 0 {
            sized(&mut reader)?;
        }
        let len = usize::try_from(varint(&mut reader)?).ok()?;
        let protected = datagram.len() - reader.len();
        reader.take(len)?;
        let (bytes, rest) = datagram.split_at_checked(protected.checked_add(len)?)?;
        long.bytes = bytes;
        long.kind = match kind {
            0 => Kind::Initial { protected },
            1 => Kind::ZeroRtt,
            _ => Kind::Handshake,
        };
        Some((long, rest))
    }
}

/// A frame, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Frame<'a> {
    Crypto {
        offset: u64,
        bytes: &'a [u8],
    },
    Close,
    /// It is none that belongs here, or damaged; nobody knows where the next begins.
    Unknown,
}

/// The frames of a packet of type Initial. Padding and acknowledgements say nothing.
pub(super) fn frames(plain: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut reader = Reader::new(plain);
    std::iter::from_fn(move || {
        while let Some(kind) = reader.u8() {
            let frame = match kind {
                0 | 1 => continue,
                2 | 3 if acknowledgement(&mut reader, kind).is_some() => continue,
                6 => crypto(&mut reader),
                0x1c => Some(Frame::Close),
                _ => None,
            };
            if !matches!(frame, Some(Frame::Crypto { .. })) {
                reader = Reader::new(&[]);
            }
            return Some(frame.unwrap_or(Frame::Unknown));
        }
        None
    })
}

fn crypto<'a>(reader: &mut Reader<'a>) -> Option<Frame<'a>> {
    let offset = varint(reader)?;
    let bytes = sized(reader)?;
    Some(Frame::Crypto { offset, bytes })
}

/// RFC 9000, 19.3.
fn acknowledgement(reader: &mut Reader<'_>, kind: u8) -> Option<()> {
    let (_latest, _delay, ranges) = (varint(reader)?, varint(reader)?, varint(reader)?);
    varint(reader)?;
    for _ in 0..ranges {
        varint(reader)?;
        varint(reader)?;
    }
    if kind == 3 {
        for _ in 0..3 {
            varint(reader)?;
        }
    }
    Some(())
}
