//! Fingerprints of hellos: JA3, JA3S and JA4.

use std::fmt::{Display, Write as _};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hello::{ClientHello, ServerHello, is_grease};

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(digit).collect()
}

fn joined<T: Display>(numbers: impl Iterator<Item = T>, separator: &str) -> String {
    let mut text = String::new();
    for number in numbers {
        if !text.is_empty() {
            text.push_str(separator);
        }
        let _ = write!(text, "{number}");
    }
    text
}

fn dashed(numbers: &[u16]) -> String {
    joined(numbers.iter().filter(|number| !is_grease(**number)), "-")
}

/// MD5 of `version,ciphers,extensions,groups,formats`, without what is reserved to be ignored.
pub(super) fn ja3(hello: &ClientHello<'_>) -> String {
    let text = format!(
        "{},{},{},{},{}",
        hello.version,
        dashed(&hello.ciphers),
        dashed(&hello.extensions),
        dashed(&hello.groups),
        joined(hello.formats.iter(), "-"),
    );
    hex(&Md5::digest(text))
}

/// MD5 of `version,cipher,extensions`.
pub(super) fn ja3s(hello: &ServerHello<'_>) -> String {
    let extensions = joined(hello.extensions.iter(), "-");
    let text = format!("{},{},{extensions}", hello.version, hello.cipher);
    hex(&Md5::digest(text))
}

/// What a hello travels in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) enum Carrier {
    #[default]
    Tcp,
    Dtls,
    Quic,
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`: what is offered, and hashes of ciphers and of extensions
/// with signature algorithms.
pub(super) fn ja4(hello: &ClientHello<'_>, carrier: Carrier) -> String {
    let sane = |numbers: &[u16]| -> Vec<u16> {
        numbers
            .iter()
            .copied()
            .filter(|number| !is_grease(*number))
            .collect()
    };
    let (mut ciphers, mut extensions) = (sane(&hello.ciphers), sane(&hello.extensions));
    let mut text = String::from(match carrier {
        Carrier::Tcp => "t",
        Carrier::Dtls => "d",
        Carrier::Quic => "q",
    });
    text.push_str(version(hello));
    text.push(if extensions.contains(&0) { 'd' } else { 'i' });
    let _ = write!(
        text,
        "{:02}{:02}",
        ciphers.len().min(99),
        extensions.len().min(99)
    );
    text.push_str(&alpn(hello.alpn));
    ciphers.sort_unstable();
    extensions.retain(|kind| !matches!(kind, 0 | 16));
    extensions.sort_unstable();
    let hexes = |numbers: &[u16]| {
        let numbers: Vec<String> = numbers
            .iter()
            .map(|number| hex(&number.to_be_bytes()))
            .collect();
        numbers.join(",")
    };
    let mut last = hexes(&extensions);
    if !hello.signatures.is_empty() {
        let _ = write!(last, "_{}", hexes(&sane(&hello.signatures)));
    }
    let _ = write!(
        text,
        "_{}_{}",
        short_hash(&hexes(&ciphers)),
        short_hash(&last)
    );
    text
}

fn version(hello: &ClientHello<'_>) -> &'static str {
    let offered = hello
        .versions
        .iter()
        .copied()
        .filter(|version| !is_grease(*version));
    // DTLS counts downwards.
    let dtls = hello.version >> 8 == 0xfe;
    let best = if dtls { offered.min() } else { offered.max() };
    match best.unwrap_or(hello.version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// The first and the last letter of the first protocol, or their hexadecimal digits.
fn alpn(protocol: Option<&[u8]>) -> String {
    match protocol {
        Some([first, .., last])
            if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() =>
        {
            [char::from(*first), char::from(*last)].iter().collect()
        }
        Some([only]) if only.is_ascii_alphanumeric() => [char::from(*only); 2].iter().collect(),
        Some([first, .., last]) => format!("{:x}{:x}", first >> 4, last & 0x0f),
        Some([only]) => format!("{only:02x}"),
        Some([]) | None => "00".to_owned(),
    }
}

fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let mut hash = hex(&Sha256::digest(text));
    hash.truncate(12);
    hash
}
