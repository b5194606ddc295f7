//! What kind of content bytes are, by how they begin, under the names that Zeek has for it.

use memchr::memmem;

/// Bytes that are looked at.
pub const LOOK: usize = 1_024;

/// The media type of content that begins like this.
pub fn of(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.get(..LOOK).unwrap_or(bytes);
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    script(bytes)
        .or_else(|| magic(bytes))
        .or_else(|| certificates(bytes))
        .or_else(|| markup(text))
        .or_else(|| javascript(text.trim_ascii_start()))
        .or_else(|| is_json(text.trim_ascii_start()).then_some("text/json"))
        .or_else(|| is_plain(bytes).then_some("text/plain"))
}

/// Bytes that stand at the beginning of one kind of content and of no other.
const MAGIC: [(&[u8], &str); 52] = [
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"\xff\xd8", "image/jpeg"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-cursor"),
    (b"MM\0*", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"II*\0", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "text/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword"),
    (b"MZ", "application/x-dosexec"),
    (b"\xce\xfa\xed\xfe", "application/x-mach-o-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-mach-o-executable"),
    (
        b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F",
        "application/x-ms-shortcut",
    ),
    (b"FWS", "application/x-shockwave-flash"),
    (b"CWS", "application/x-shockwave-flash"),
    (b"ZWS", "application/x-shockwave-flash"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x07\x08PK\x03\x04", "application/zip"),
    (b"Rar!", "application/x-rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/x-gzip"),
    (b"\x1f\x9d", "application/x-compress"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x5d\0\0", "application/x-lzma"),
    (b"LZIP", "application/x-lzip"),
    (b"\x04\x22\x4d\x18", "application/x-lz4"),
    (b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (b"xar!", "application/x-xar"),
    (b"\xed\xab\xee\xdb", "application/x-rpm"),
    (b"!<arch>\ndebian", "application/x-debian-package"),
    (b"!<arch>", "application/x-archive"),
    (b"\xa1\xb2\xc3\xd4", "application/vnd.tcpdump.pcap"),
    (b"\xd4\xc3\xb2\xa1", "application/vnd.tcpdump.pcap"),
    (b"\x0a\x0d\x0d\x0a", "application/vnd.tcpdump.pcap"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/x-flac"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (b"wOFF", "application/font-woff"),
    (b"wOF2", "application/font-woff2"),
    (b"-----BEGIN CERTIFICATE-----", "application/x-pem"),
    (b"-----BEGIN PGP SIGNATURE-", "application/pgp-signature"),
    (b"-----BEGIN PGP MESSAGE-", "application/pgp"),
    (b"-----BEGIN PGP PUBLIC KEY BLOCK-", "application/pgp-keys"),
    (b"WARC/", "application/warc"),
];

fn magic(bytes: &[u8]) -> Option<&'static str> {
    if let [0x7f, b'E', b'L', b'F', _, order, ..] = bytes {
        return elf(bytes.get(16..18)?, *order);
    }
    match bytes {
        [0xca, 0xfe, 0xba, 0xbe, _, _, 0, 1..=20, ..] => {
            return Some("application/x-mach-o-executable");
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => return Some("application/x-java-applet"),
        [b'R', b'I', b'F', b'F', _, _, _, _, kind @ ..] => return riff(kind),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => return Some("video/mp4"),
        _ => {}
    }
    let found = MAGIC.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, name)| *name)
}

/// By the field `e_type`.
const fn elf(kind: &[u8], order: u8) -> Option<&'static str> {
    let kind = match (kind, order) {
        ([kind, 0], 1) | ([0, kind], 2) => *kind,
        _ => return None,
    };
    match kind {
        1 => Some("application/x-object"),
        2 => Some("application/x-executable"),
        3 => Some("application/x-sharedlib"),
        4 => Some("application/x-coredump"),
        _ => None,
    }
}

fn riff(kind: &[u8]) -> Option<&'static str> {
    match kind.first_chunk()? {
        b"WEBP" => Some("image/webp"),
        b"WAVE" => Some("audio/x-wav"),
        b"AVI " => Some("video/x-msvideo"),
        _ => None,
    }
}

/// What a first line `#!/usr/bin/env NAME` names.
fn script(bytes: &[u8]) -> Option<&'static str> {
    const SHELLS: [&[u8]; 8] = [
        b"sh", b"bash", b"tcsh", b"csh", b"zsh", b"fash", b"aesh", b"ksh",
    ];
    const OTHERS: [(&[u8], &str); 9] = [
        (b"perl", "text/x-perl"),
        (b"ruby", "text/x-ruby"),
        (b"python", "text/x-python"),
        (b"awk", "text/x-awk"),
        (b"gawk", "text/x-awk"),
        (b"tcl", "text/x-tcl"),
        (b"wish", "text/x-tcl"),
        (b"node", "application/javascript"),
        (b"php", "text/x-php"),
    ];
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let place = memmem::find(line, b"bin/")?;
    let name = line.get(place + 4..)?;
    let name = name.strip_prefix(b"env").unwrap_or(name).trim_ascii_start();
    let found = OTHERS.iter().find(|(start, _)| name.starts_with(start));
    let shell = || SHELLS.iter().any(|shell| name.starts_with(shell));
    found
        .map(|(_, kind)| *kind)
        .or_else(|| shell().then_some("text/x-shellscript"))
}

/// OCSP (RFC 6960, appendix A): the object identifiers that requests and replies begin with.
fn certificates(bytes: &[u8]) -> Option<&'static str> {
    const SHA1: &[u8] = b"\x06\x05\x2b\x0e\x03\x02\x1a";
    const BASIC_RESPONSE: &[u8] = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01";
    let has = |what: &[u8]| {
        let places = bytes.get(11..(19 + what.len()).min(bytes.len()));
        places.is_some_and(|places| memmem::find(places, what).is_some())
    };
    if has(BASIC_RESPONSE) {
        Some("application/ocsp-response")
    } else if has(SHA1) {
        Some("application/ocsp-request")
    } else {
        None
    }
}

/// What stands before the first element: blanks and comments.
fn after_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let Some(comment) = text.strip_prefix(b"<!--") else {
            return text;
        };
        let Some(end) = memmem::find(comment, b"-->") else {
            return text;
        };
        text = comment.get(end + 3..).unwrap_or_default();
    }
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(with))
}

fn markup(text: &[u8]) -> Option<&'static str> {
    const ELEMENTS: [(&[u8], &str); 12] = [
        (b"<!doctype html", "text/html"),
        (b"<html", "text/html"),
        (b"<meta http-equiv", "text/html"),
        (b"<head", "text/html"),
        (b"<title", "text/html"),
        (b"<body", "text/html"),
        (b"<rss", "text/rss"),
        (b"<soap:envelope", "application/soap+xml"),
        (b"<soap-env:envelope", "application/soap+xml"),
        (b"<cross-domain-policy", "text/x-cross-domain-policy"),
        (
            b"<!doctype cross-domain-policy",
            "text/x-cross-domain-policy",
        ),
        (b"<methodresponse>", "application/xml-rpc"),
    ];
    let text = after_comments(text);
    let xml = text.starts_with(b"<?xml ");
    let inner = if xml {
        let end = memmem::find(text, b"?>").map_or(text.len(), |end| end + 2);
        after_comments(text.get(end..).unwrap_or_default())
    } else {
        text
    };
    let found = ELEMENTS.iter().find(|(start, _)| begins(inner, start));
    found
        .map(|(_, name)| *name)
        .or_else(|| xml.then_some("application/xml"))
}

fn javascript(text: &[u8]) -> Option<&'static str> {
    let script = || {
        let inside = text.strip_prefix(b"<script")?;
        let inside = inside.get(..64).unwrap_or(inside).to_ascii_lowercase();
        memmem::find(&inside, b"javascript").or_else(|| {
            let code = inside.strip_prefix(b">")?.trim_ascii_start();
            (code.starts_with(b"var ") || code.starts_with(b"function ")).then_some(0)
        })
    };
    let is = text.starts_with(b"for (;;);")
        || text.starts_with(b"document.write")
        || (text.starts_with(b"(function()") && text.get(11..).is_some_and(opens_block))
        || script().is_some();
    is.then_some("application/javascript")
}

fn opens_block(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// An object whose first name has a value, or a list whose first value is followed by another.
fn is_json(text: &[u8]) -> bool {
    match text {
        [b'{', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            if let [b'}', rest @ ..] = rest {
                return rest.trim_ascii().is_empty();
            }
            let rest = match rest {
                [b'"', rest @ ..] => match rest.iter().position(|byte| *byte == b'"') {
                    Some(end @ 1..) => rest.get(end + 1..),
                    _ => None,
                },
                [b'a'..=b'z' | b'A'..=b'Z', ..] => {
                    let end = rest.iter().position(|byte| !is_name(*byte));
                    end.and_then(|end| rest.get(end..))
                }
                _ => None,
            };
            let value = rest.map(<[u8]>::trim_ascii_start);
            value.is_some_and(|rest| rest.strip_prefix(b":").is_some_and(begins_value))
        }
        [b'[', rest @ ..] => match rest.trim_ascii_start() {
            [b'{' | b'[', ..] => true,
            [b']', rest @ ..] => rest.trim_ascii().is_empty(),
            rest => begins_value(rest) && rest.contains(&b','),
        },
        _ => false,
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'\\'
}

fn begins_value(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    matches!(text.first(), Some(b'"' | b'[' | b'{' | b'0'..=b'9'))
        || text.starts_with(b"true")
        || text.starts_with(b"false")
}

/// Ten bytes of text, whatever says how they are encoded.
fn is_plain(bytes: &[u8]) -> bool {
    const MARKS: [&[u8]; 5] = [
        b"\xef\xbb\xbf",
        b"\0\0\xfe\xff",
        b"\xff\xfe\0\0",
        b"\xfe\xff",
        b"\xff\xfe",
    ];
    let mark = MARKS.iter().find_map(|mark| bytes.strip_prefix(*mark));
    let is_text = |byte: &u8| matches!(byte, 0x09..=0x0d | 0x20..=0x7e);
    let beginning = mark.unwrap_or(bytes).first_chunk::<10>();
    beginning.is_some_and(|text| text.iter().all(is_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_by_how_it_begins() {
        let cases: [(&[u8], Option<&str>); 34] = [
            (b"", None),
            (b"short", None),
            (b"just some text", Some("text/plain")),
            (b"\xff\xfetext, they say", Some("text/plain")),
            (b"\x89PNG\r\n", Some("image/png")),
            (b"MZ\x90\0", Some("application/x-dosexec")),
            (b"PK\x03\x04....", Some("application/zip")),
            (
                b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0",
                Some("application/x-sharedlib"),
            ),
            (b"\x7fELF\x02\x01\x01", None),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"RIFF....", None),
            (
                b"\xca\xfe\xba\xbe\0\0\0\x02",
                Some("application/x-mach-o-executable"),
            ),
            (
                b"\xca\xfe\xba\xbe\0\0\0\x34",
                Some("application/x-java-applet"),
            ),
            (b"<!DOCTYPE html><p>", Some("text/html")),
            (
                b"\xef\xbb\xbf <!-- a --> <!-- b --><HTML>",
                Some("text/html"),
            ),
            (b"<?xml version=\"1.0\"?>\n<html>", Some("text/html")),
            (b"<?xml version=\"1.0\"?>\n<thing>", Some("application/xml")),
            (b"<?xml version=\"1.0", Some("application/xml")),
            (b"<!-- never closed, text", Some("text/plain")),
            (b"{\"a\": 1}", Some("text/json")),
            (b" { name : [1] }", Some("text/json")),
            (b"{ not json at all }", Some("text/plain")),
            (b"{}", Some("text/json")),
            (b"[]\n", Some("text/json")),
            (b"[1, 2]", Some("text/json")),
            (b"[1 2 3 4 5 6]", Some("text/plain")),
            (b"{\"", None),
            (b"{\"\": 1, 2, 3, 4", Some("text/plain")),
            (b"#!/bin/sh\nexit", Some("text/x-shellscript")),
            (b"#!/usr/bin/env python3\n", Some("text/x-python")),
            (b"#!/no shebang of ours", Some("text/plain")),
            (b"(function() {", Some("application/javascript")),
            (
                b"<script type=\"text/javascript\">",
                Some("application/javascript"),
            ),
            (b"-----BEGIN CERTIFICATE-----", Some("application/x-pem")),
        ];
        for (bytes, want) in cases {
            assert_eq!(of(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
            for cut in 0..bytes.len() {
                let _ = of(&bytes[..cut]);
            }
        }
        let response = b"\x30\x82\x01\x00\x0a\x01\x00\xa0\x82\x01\x00\x30\x82\x01\x00\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01\x04";
        assert_eq!(of(response), Some("application/ocsp-response"));
    }
}
