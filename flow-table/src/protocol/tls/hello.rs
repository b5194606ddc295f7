//! The first messages of both sides (RFC 8446, 4.1), as far as rows and fingerprints need them.
//!
//! Read by hand: fingerprints want extensions in their order, unknown ones too, and rows what a
//! damaged hello says before the damage.

use super::super::bytes::Reader;

/// Numbers of a list that are kept; no honest hello has more.
const MAX_LIST: usize = 512;

/// Whether a number was reserved to be ignored (RFC 8701).
pub(super) const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// What a client offers.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct ClientHello<'a> {
    pub(super) version: u16,
    pub(super) session_id: &'a [u8],
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) formats: &'a [u8],
    pub(super) signatures: Vec<u16>,
    pub(super) versions: Vec<u16>,
    pub(super) server_name: Option<&'a [u8]>,
    /// More than one name was asked for.
    pub(super) many_names: bool,
    pub(super) alpn: Option<&'a [u8]>,
    pub(super) has_ticket: bool,
    pub(super) has_psk: bool,
}

/// What the server takes of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct ServerHello<'a> {
    pub(super) version: u16,
    /// Of the supported_versions extension, which overrides the above.
    pub(super) chosen: Option<u16>,
    pub(super) session_id: &'a [u8],
    pub(super) cipher: u16,
    pub(super) extensions: Vec<u16>,
    pub(super) alpn: Option<&'a [u8]>,
    pub(super) curve: Option<u16>,
    pub(super) has_psk: bool,
    /// It is no hello but asks for another one.
    pub(super) is_retry: bool,
}

/// The random that says so (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .take(MAX_LIST)
        .filter_map(|pair| pair.first_chunk().copied())
        .map(u16::from_be_bytes)
        .collect()
}

fn each_extension<'a>(bytes: &'a [u8], mut take: impl FnMut(u16, &'a [u8])) {
    let mut reader = Reader::new(bytes);
    for _ in 0..MAX_LIST {
        let (Some(kind), Some(data)) = (reader.u16(), reader.sized16()) else {
            return;
        };
        take(kind, data);
    }
}

/// The first protocol of an ALPN extension (RFC 7301, 3.1).
fn first_protocol(data: &[u8]) -> Option<&[u8]> {
    Reader::new(Reader::new(data).sized16()?).sized8()
}

impl<'a> ClientHello<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let _random = reader.take(32)?;
        let session_id = reader.sized8()?;
        let ciphers = numbers(reader.sized16()?);
        let _compression = reader.sized8()?;
        let mut hello = Self {
            version,
            session_id,
            ciphers,
            ..Self::default()
        };
        each_extension(reader.sized16().unwrap_or_default(), |kind, data| {
            hello.extensions.push(kind);
            hello.extension(kind, data);
        });
        Some(hello)
    }

    /// Of DTLS: the same, with a cookie in it (RFC 6347, 4.2.1).
    pub(super) fn read_dtls(body: &'a [u8], plain: &'a mut Vec<u8>) -> Option<Self> {
        let mut reader = Reader::new(body);
        plain.extend_from_slice(reader.take(34)?);
        let session_id = reader.sized8()?;
        plain.push(u8::try_from(session_id.len()).ok()?);
        plain.extend_from_slice(session_id);
        let _cookie = reader.sized8()?;
        plain.extend_from_slice(reader.rest());
        Self::read(plain)
    }

    fn extension(&mut self, kind: u16, data: &'a [u8]) {
        let mut reader = Reader::new(data);
        match kind {
            0 => self.names(reader.sized16().unwrap_or_default()),
            10 => self.groups = numbers(reader.sized16().unwrap_or_default()),
            11 => self.formats = reader.sized8().unwrap_or_default(),
            13 => self.signatures = numbers(reader.sized16().unwrap_or_default()),
            16 => self.alpn = first_protocol(data),
            35 => self.has_ticket = !data.is_empty(),
            41 => self.has_psk = true,
            43 => self.versions = numbers(reader.sized8().unwrap_or_default()),
            _ => {}
        }
    }

    /// RFC 6066, 3.
    fn names(&mut self, list: &'a [u8]) {
        let mut reader = Reader::new(list);
        while let (Some(kind), Some(name)) = (reader.u8(), reader.sized16()) {
            if kind != 0 {
                continue;
            }
            if self.server_name.is_some() {
                self.many_names = true;
            } else {
                self.server_name = Some(name);
            }
        }
    }
}

impl<'a> ServerHello<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let mut hello = Self {
            version,
            ..Self::default()
        };
        hello.is_retry = reader.take(32)? == RETRY;
        // Drafts before the 22nd had neither session nor compression.
        let draft = version >> 8 == 0x7f && version & 0xff < 22;
        if !draft {
            hello.session_id = reader.sized8()?;
        }
        hello.cipher = reader.u16()?;
        if !draft {
            reader.u8()?;
        }
        each_extension(reader.sized16().unwrap_or_default(), |kind, data| {
            hello.extensions.push(kind);
            let mut data = Reader::new(data);
            match kind {
                16 => hello.alpn = first_protocol(data.rest()),
                40 | 51 => hello.curve = data.u16(),
                41 => hello.has_psk = true,
                43 => hello.chosen = data.u16(),
                _ => {}
            }
        });
        Some(hello)
    }
}
