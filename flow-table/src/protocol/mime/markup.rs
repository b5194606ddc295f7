//! Text, and what is written in it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Letters of text that make it text.
const ENOUGH: usize = 10;
const BOMS: [&[u8]; 5] = [
    b"\xef\xbb\xbf",
    b"\0\0\xfe\xff",
    b"\xff\xfe\0\0",
    b"\xfe\xff",
    b"\xff\xfe",
];

/// Elements that begin a document, and what it is then.
const ELEMENTS: [(&[u8], &str); 14] = [
    (b"!doctype html", "text/html"),
    (b"html", "text/html"),
    (b"head", "text/html"),
    (b"title", "text/html"),
    (b"body", "text/html"),
    (b"meta http-equiv", "text/html"),
    (b"rss", "text/rss"),
    (b"feed", "text/atom"),
    (b"soap:envelope", "application/soap+xml"),
    (b"soap-env:envelope", "application/soap+xml"),
    (b"methodresponse>", "application/xml-rpc"),
    (
        b"!doctype cross-domain-policy",
        "text/x-cross-domain-policy",
    ),
    (b"cross-domain-policy", "text/x-cross-domain-policy"),
    (b"jnlp ", "application/x-java-jnlp-file"),
];

/// Interpreters that a first line names.
const INTERPRETERS: [(&[u8], &str); 7] = [
    (b"python", "text/x-python"),
    (b"perl", "text/x-perl"),
    (b"ruby", "text/x-ruby"),
    (b"php", "text/x-php"),
    (b"node", "application/javascript"),
    (b"lua", "text/x-lua"),
    (b"sh", "text/x-shellscript"),
];

/// What other texts begin with.
const STARTS: [(&[u8], &str); 8] = [
    (b"-----BEGIN CERTIFICATE-----", "application/x-pem"),
    (b"-----BEGIN PGP SIGNATURE-", "application/pgp-signature"),
    (b"-----BEGIN PGP MESSAGE-", "application/pgp"),
    (b"-----BEGIN PGP PUBLIC KEY BLOCK-", "application/pgp-keys"),
    (b"WARC/", "application/warc"),
    (b"for (;;);", "application/javascript"),
    (b"(function(){", "application/javascript"),
    (b"(function() {", "application/javascript"),
];

/// Wherever in a text it stands.
static PHP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("<?php"));

/// Every type that is told here, but plain text.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let tables = ELEMENTS.iter().chain(&INTERPRETERS).chain(&STARTS);
    let others = ["application/xml", "text/json"];
    tables.map(|(_, name)| *name).chain(others)
}

/// What a text is; `None` if it is none.
pub(super) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    let bom = BOMS.iter().find(|bom| bytes.starts_with(bom));
    let text = bytes.get(bom.map_or(0, |bom| bom.len())..)?;
    let start = text.trim_ascii_start();
    starts(start)
        .or_else(|| interpreter(text))
        .or_else(|| document(start))
        .or_else(|| json(start).then_some("text/json"))
        .or_else(|| PHP.find(text).map(|_| "text/x-php"))
        .or_else(|| plain(text).then_some("text/plain"))
}

fn plain(text: &[u8]) -> bool {
    let start = text.get(..ENOUGH);
    start.is_some_and(|start| {
        start
            .iter()
            .all(|byte| matches!(byte, b'\t'..=b'\r' | b' '..=b'~'))
    })
}

fn starts(text: &[u8]) -> Option<&'static str> {
    let known = STARTS.iter().find(|(start, _)| text.starts_with(start));
    let script = || {
        let tag = begins(text, b"<script")?;
        let (attributes, body) = tag.split_at_checked(memchr::memchr(b'>', tag)?)?;
        let code = body.get(1..)?.trim_ascii_start();
        let typed = attributes.to_ascii_lowercase();
        (memchr::memmem::find(&typed, b"javascript").is_some()
            || (attributes.is_empty()
                && (code.starts_with(b"var ") || code.starts_with(b"function "))))
        .then_some("application/javascript")
    };
    let writes = || {
        let rest = text.strip_prefix(b"document.write")?;
        let rest = rest.strip_prefix(b"ln").unwrap_or(rest).trim_ascii_start();
        rest.starts_with(b"(").then_some("application/javascript")
    };
    known.map(|(_, name)| *name).or_else(script).or_else(writes)
}

/// `#!/usr/bin/env python3`.
fn interpreter(text: &[u8]) -> Option<&'static str> {
    let line = text
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let at = memchr::memmem::find(line, b"bin/")?;
    let name = line.get(at + 4..)?;
    let name = name.strip_prefix(b"env").unwrap_or(name).trim_ascii();
    let known = INTERPRETERS.iter().find(|(known, _)| {
        let word = name
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        if *known == b"sh" {
            word.ends_with(known)
        } else {
            word.starts_with(known)
        }
    });
    known.map(|(_, name)| *name)
}

/// A document of HTML or XML: by the first element, after declarations and comments.
fn document(text: &[u8]) -> Option<&'static str> {
    let (mut rest, mut declared) = (text, false);
    loop {
        rest = rest.trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b"<!--") {
            rest = after(comment, b"-->").unwrap_or_default();
        } else if let Some(declaration) = begins(rest, b"<?xml") {
            declared = true;
            rest = after(declaration, b"?>").unwrap_or_default();
        } else {
            break;
        }
    }
    let element = rest.strip_prefix(b"<").unwrap_or_default();
    let known = ELEMENTS
        .iter()
        .find(|(name, _)| begins(element, name).is_some());
    known
        .map(|(_, name)| *name)
        .or(declared.then_some("application/xml"))
}

/// What follows `start`, in either case.
fn begins<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = text.split_at_checked(start.len())?;
    first.eq_ignore_ascii_case(start).then_some(rest)
}

/// What follows the first `end`.
fn after<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(text, end)?;
    text.get(at + end.len()..)
}

/// `{"name": value` or `[value,`, or nothing in braces.
fn json(text: &[u8]) -> bool {
    match text {
        [b'{', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            let value = name(rest).and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"));
            rest.trim_ascii() == b"}" || value.is_some_and(is_value)
        }
        [b'[', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            let next = scalar(rest).map(<[u8]>::trim_ascii_start);
            rest.trim_ascii() == b"]"
                || matches!(rest.first(), Some(b'{' | b'['))
                || next.is_some_and(|next| next.starts_with(b","))
        }
        _ => false,
    }
}

/// What follows a member's name, quoted or not.
fn name(text: &[u8]) -> Option<&[u8]> {
    if text.starts_with(b"\"") {
        return string(text);
    }
    let len = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    text.get(len..).filter(|_| len > 0)
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest).filter(|end| *end > 0)?;
    rest.get(end + 1..)
}

/// What follows a string, a number or a truth.
fn scalar(text: &[u8]) -> Option<&[u8]> {
    if text.starts_with(b"\"") {
        return string(text);
    }
    for word in [&b"true"[..], b"false"] {
        if let Some(rest) = text.strip_prefix(word) {
            return Some(rest);
        }
    }
    let len = text
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .count();
    text.get(len..).filter(|_| len > 0)
}

fn is_value(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    matches!(text.first(), Some(b'"' | b'[' | b'{' | b'0'..=b'9'))
        || text.starts_with(b"true")
        || text.starts_with(b"false")
}
