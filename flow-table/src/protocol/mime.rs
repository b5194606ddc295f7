//! What kind of content bytes are, from how they begin.
//!
//! Names are those of Zeek's logs. Of plain text ten letters are enough, as there; what is said in
//! headers does not count.

mod markup;

use serde::{Deserialize, Serialize};

use super::firsts::{ByFirst, Firsts, Set};
use super::{BodyHead, Name, names};

/// Bytes that are looked at.
pub const LOOK: usize = 2_048;

/// Where, what, and what it is. The first that fits counts.
const MAGIC: [(usize, &[u8], &str); 65] = [
    (0, b"\x89PNG", "image/png"),
    (0, b"\xff\xd8", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"\0\0\x02\0", "image/x-cursor"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"jP  ", "image/jp2"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/quicktime"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"\0\0\x01\xba", "video/mpeg"),
    (0, b"\0\0\x01\xb3", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (0, b"OggS", "application/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/x-flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"wOFF", "application/font-woff"),
    (0, b"wOF2", "application/font-woff2"),
    (0, b"OTTO\0", "application/vnd.ms-opentype"),
    (0, b"\0\x01\0\0\0", "application/x-font-ttf"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\xef\xbb\xbf%PDF-", "application/pdf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"{\\rtf", "text/rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
    (0, b"!BDN", "application/vnd.ms-outlook"),
    (4, b"Standard Jet DB\0", "application/x-msaccess"),
    (4, b"Standard ACE DB\0", "application/x-msaccess"),
    (0, b"SQLite format 3\0", "application/x-sqlite3"),
    (0, b"\x1f\x8b", "application/x-gzip"),
    (0, b"\x1f\x9d", "application/x-compress"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"\x04\x22\x4d\x18", "application/x-lz4"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"\x5d\0\0", "application/x-lzma"),
    (0, b"Rar!", "application/x-rar"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (0, b"\xed\xab\xee\xdb", "application/x-rpm"),
    (0, b"!<arch>\ndebian", "application/x-debian-package"),
    (0, b"!<arch>", "application/x-archive"),
    (0, b"xar!", "application/x-xar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"MZ", "application/x-dosexec"),
    (0, b"FWS", "application/x-shockwave-flash"),
    (0, b"CWS", "application/x-shockwave-flash"),
    (0, b"ZWS", "application/x-shockwave-flash"),
    (
        0,
        b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F",
        "application/x-ms-shortcut",
    ),
    (0, b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (0, b"LZIP", "application/x-lzip"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (0, b"\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"),
    (0, b"\xa1\xb2\xc3\xd4", "application/vnd.tcpdump.pcap"),
    (0, b"\x0a\x0d\x0d\x0a", "application/vnd.tcpdump.pcap"),
];

/// Where any of it may stand, and what stands there by its first byte.
static PLACES: [(usize, ByFirst); 3] = [(0, magic_at(0)), (4, magic_at(4)), (257, magic_at(257))];

const fn magic_at(place: usize) -> ByFirst {
    let (mut by_first, mut rest) = (ByFirst::EMPTY, MAGIC.as_slice());
    while let [(at, magic, _), more @ ..] = rest {
        if *at == place
            && let [first, ..] = *magic
        {
            by_first = by_first.with(MAGIC.len() - rest.len(), Firsts::of(&[*first]));
        }
        rest = more;
    }
    by_first
}

/// What content is that begins with these bytes; `None` if nobody knows. More than [`LOOK`] of
/// them change nothing.
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    let name = name_of(bytes);
    debug_assert!(
        name.is_none_or(|name| named(name).is_some()),
        "{name:?} is not listed"
    );
    name
}

fn name_of(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.get(..LOOK).unwrap_or(bytes);
    let known = || {
        let sets = PLACES
            .iter()
            .filter_map(|(at, magic)| Some(magic.of(*bytes.get(*at)?)));
        let candidates = sets.fold(Set::EMPTY, Set::or);
        let fits = |(at, magic, _): &&(usize, &[u8], _)| {
            bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic))
        };
        let mut magic = candidates.places().filter_map(|nth| MAGIC.get(nth));
        magic.find(fits).map(|(_, _, name)| *name)
    };
    zip(bytes)
        .or_else(|| executable(bytes))
        .or_else(|| media(bytes))
        .or_else(|| ocsp(bytes))
        .or_else(known)
        .or_else(|| markup::sniff(bytes))
}

/// The type of this name, if there is one.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let magic = MAGIC.iter().map(|(_, _, name)| *name);
    let documents = SPELT.iter().chain(&OFFICE).map(|(_, name)| *name);
    let all = magic.chain(documents).chain(OTHERS).chain(markup::names());
    all.into_iter().find(|known| *known == name)
}

/// What no table has.
const OTHERS: [&str; 16] = [
    "application/java-archive",
    "application/ocsp-request",
    "application/ocsp-response",
    "application/vnd.openxmlformats-officedocument",
    "application/x-coredump",
    "application/x-executable",
    "application/x-java-applet",
    "application/x-mach-o-executable",
    "application/x-object",
    "application/x-sharedlib",
    "application/zip",
    "audio/x-wav",
    "image/webp",
    "image/x-ms-bmp",
    "video/x-msvideo",
    "text/plain",
];

/// Types that the first entry of an archive spells out.
const SPELT: [(&[u8], &str); 4] = [
    (
        b"vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.text",
    ),
    (
        b"vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.spreadsheet",
    ),
    (
        b"vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.presentation",
    ),
    (b"epub+zip", "application/epub+zip"),
];

/// Folders of office documents, and how their archives begin besides.
const OFFICE: [(&[u8], &str); 3] = [
    (
        b"word/",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (
        b"xl/",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    (
        b"ppt/",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
];
const OFFICE_STARTS: [&[u8]; 2] = [b"[Content_Types].xml", b"_rels/.rels"];

/// Where an entry of an archive begins, and its name in it.
const ENTRY: &[u8] = b"PK\x03\x04";
const ENTRY_NAME: usize = 30;

/// Archives, and documents that are archives: these tell by the names of what is in them.
fn zip(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"PK\x07\x08PK\x03\x04") {
        return Some("application/zip");
    }
    if !bytes.starts_with(ENTRY) {
        return None;
    }
    let name = bytes.get(ENTRY_NAME..).unwrap_or_default();
    if let Some(kind) = name.strip_prefix(b"mimetypeapplication/") {
        let known = SPELT.iter().find(|(start, _)| kind.starts_with(start));
        return Some(known.map_or("application/zip", |(_, name)| name));
    }
    if let Some(document) = office(bytes, name) {
        return Some(document);
    }
    let manifest = memchr::memmem::find(name, b"META-INF/MANIFEST.MF").is_some_and(|at| at < 200);
    if manifest || name.starts_with(b"META-INF/") {
        return Some("application/java-archive");
    }
    if bytes.get(4..8) == Some(b"\x14\0\x06\0") {
        return Some("application/vnd.openxmlformats-officedocument");
    }
    Some("application/zip")
}

fn office(bytes: &[u8], first: &[u8]) -> Option<&'static str> {
    let of = |name: &[u8]| OFFICE.iter().find(|(folder, _)| name.starts_with(folder));
    let starts = OFFICE_STARTS.iter().any(|start| first.starts_with(start));
    if !starts && of(first).is_none() {
        return None;
    }
    let mut entries = memchr::memmem::find_iter(bytes, ENTRY);
    let known = entries.find_map(|entry| of(bytes.get(entry + ENTRY_NAME..)?));
    known.map(|(_, name)| *name)
}

/// Programs: ELF, Mach-O and classes of Java.
fn executable(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x7f, b'E', b'L', b'F', _, order, ..] => {
            let kind = bytes.get(16..18)?.first_chunk::<2>()?;
            let kind = match order {
                2 => u16::from_be_bytes(*kind),
                _ => u16::from_le_bytes(*kind),
            };
            match kind {
                1 => Some("application/x-object"),
                2 => Some("application/x-executable"),
                3 => Some("application/x-sharedlib"),
                4 => Some("application/x-coredump"),
                _ => None,
            }
        }
        [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, _, _, 0, 1..=20, ..] => {
            Some("application/x-mach-o-executable")
        }
        [0xca, 0xfe, 0xba, 0xbe, _, _, _, 0x2d..=0x45, ..] => Some("application/x-java-applet"),
        _ => None,
    }
}

/// What tells only by two marks: RIFF, and bitmaps.
fn media(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] => match kind.first_chunk::<4>()? {
            b"WEBP" => Some("image/webp"),
            b"AVI " => Some("video/x-msvideo"),
            b"WAVE" => Some("audio/x-wav"),
            _ => None,
        },
        [b'B', b'M', ..] => {
            let header = bytes.get(14..16)?;
            matches!(header, [12 | 40 | 64 | 108 | 124 | 128, 0]).then_some("image/x-ms-bmp")
        }
        _ => None,
    }
}

/// Whether a certificate still counts, asked and answered: there is no more magic in it than the
/// names of a hash (RFC 6960, 4.1.1) and of an answer (4.2.1) after a few lengths.
fn ocsp(bytes: &[u8]) -> Option<&'static str> {
    const SHA1: &[u8] = b"\x06\x05\x2b\x0e\x03\x02\x1a";
    const BASIC: &[u8] = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01";
    if bytes.first() != Some(&0x30) {
        return None;
    }
    let within = |oid: &[u8]| {
        let start = bytes.get(11..19 + oid.len()).or_else(|| bytes.get(11..));
        start.is_some_and(|start| memchr::memmem::find(start, oid).is_some())
    };
    if within(SHA1) {
        return Some("application/ocsp-request");
    }
    within(BASIC).then_some("application/ocsp-response")
}

/// Looks at content that comes in pieces.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Sniffer {
    held: Vec<u8>,
    over: bool,
    #[serde(with = "names::media_type")]
    found: Option<Name>,
}

impl Sniffer {
    /// For content of which this is said: what is no beginning tells nothing.
    pub(super) fn of(head: &BodyHead<'_>) -> Self {
        Self {
            held: Vec::new(),
            over: head.range.is_some_and(|range| range.is_later()),
            found: None,
        }
    }

    /// Takes the next bytes.
    pub fn data(&mut self, bytes: &[u8]) {
        if self.over {
            return;
        }
        if self.held.is_empty() && bytes.len() >= LOOK {
            self.over = true;
            self.found = sniff(bytes);
            return;
        }
        let room = LOOK.saturating_sub(self.held.len());
        self.held
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if self.held.len() >= LOOK {
            self.end();
        }
    }

    /// There are no more, or what follows is missing: what it is.
    pub fn end(&mut self) -> Option<&'static str> {
        if !std::mem::replace(&mut self.over, true) {
            self.found = sniff(&std::mem::take(&mut self.held));
        }
        self.found
    }

    /// Bytes held, at most [`LOOK`].
    pub const fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
