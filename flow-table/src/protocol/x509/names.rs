//! Names as OpenSSL writes them.

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Oid, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::super::Text;

/// A distinguished name the way RFC 2253 has it, the last part first.
pub(super) fn distinguished(name: &X509Name<'_>) -> Text {
    let mut text = Vec::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        let mut between = b',';
        let attributes: Vec<_> = part.iter().collect();
        for attribute in attributes.into_iter().rev() {
            if !text.is_empty() {
                text.push(between);
            }
            between = b'+';
            attribute_text(attribute, &mut text);
        }
    }
    text.into()
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>, text: &mut Vec<u8>) {
    let oid = attribute.attr_type().to_id_string();
    let known = attribute_name(&oid);
    text.extend_from_slice(known.unwrap_or(&oid).as_bytes());
    text.push(b'=');
    let value = attribute.attr_value();
    let wide = value.tag() == Tag::BmpString;
    if wide {
        let units = value
            .data
            .chunks_exact(2)
            .filter_map(|pair| pair.first_chunk());
        let units = units.map(|pair| u16::from_be_bytes(*pair));
        let plain: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or('\u{fffd}'))
            .collect();
        return escape(plain.as_bytes(), text);
    }
    escape(value.data, text);
}

/// RFC 2253, 2.4, and what is not printable as digits.
fn escape(value: &[u8], text: &mut Vec<u8>) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.iter().enumerate() {
        let edge = (at == 0 && matches!(byte, b' ' | b'#')) || (at == last && *byte == b' ');
        if edge || b",+\"\\<>;".contains(byte) {
            text.extend([b'\\', *byte]);
        } else if (0x20..0x7f).contains(byte) {
            text.push(*byte);
        } else {
            text.extend(format!("\\{byte:02X}").bytes());
        }
    }
}

fn attribute_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.16" => "postalAddress",
        "2.5.4.17" => "postalCode",
        "2.5.4.18" => "postOfficeBox",
        "2.5.4.20" => "telephoneNumber",
        "2.5.4.41" => "name",
        "2.5.4.42" => "GN",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionL",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionST",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionC",
        _ => return None,
    })
}

/// Name of an algorithm that signs, or that keys are for.
pub(super) fn algorithm(oid: &Oid<'_>) -> Option<&'static str> {
    Some(match oid.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => "rsaEncryption",
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.3.14.3.2.29" => "sha1WithRSA",
        "1.2.840.10045.2.1" => "id-ecPublicKey",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.10040.4.1" => "dsaEncryption",
        "1.2.840.10040.4.3" => "dsaWithSHA1",
        "2.16.840.1.101.3.4.3.2" => "dsa_with_SHA256",
        "1.3.101.112" => "ED25519",
        "1.3.101.113" => "ED448",
        _ => return None,
    })
}

/// Name of a curve, and the bits of keys on it.
pub(super) fn curve(oid: &Oid<'_>) -> Option<(&'static str, u32)> {
    Some(match oid.to_id_string().as_str() {
        "1.2.840.10045.3.1.1" => ("prime192v1", 192),
        "1.2.840.10045.3.1.7" => ("prime256v1", 256),
        "1.3.132.0.33" => ("secp224r1", 224),
        "1.3.132.0.34" => ("secp384r1", 384),
        "1.3.132.0.35" => ("secp521r1", 521),
        "1.3.132.0.10" => ("secp256k1", 256),
        "1.3.36.3.3.2.8.1.1.7" => ("brainpoolP256r1", 256),
        "1.3.36.3.3.2.8.1.1.11" => ("brainpoolP384r1", 384),
        "1.3.36.3.3.2.8.1.1.13" => ("brainpoolP512r1", 512),
        _ => return None,
    })
}

/// A serial number in upper-case digits, without the byte that only keeps it positive.
pub(super) fn serial(bytes: &[u8]) -> String {
    let digits = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    digits.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Whether a name in a certificate is that of `host`; `*` stands for one label.
pub(super) fn covers(name: &[u8], host: &[u8]) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(parent) = name.strip_prefix(b"*") else {
        return false;
    };
    let Some(dot) = host
        .iter()
        .position(|byte| *byte == b'.')
        .filter(|dot| *dot > 0)
    else {
        return false;
    };
    let dots = parent.split(|byte| *byte == b'.').count() - 1;
    host.get(dot..)
        .is_some_and(|rest| dots > 1 && rest.eq_ignore_ascii_case(parent))
}
