//! Certificates as x509.log tells of them.
//!
//! `x509-parser` takes them apart; names are written as OpenSSL writes them, which is how Zeek's
//! log has them.

mod names;

use std::net::IpAddr;

use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Text;
use crate::Timestamp;

/// Names that are kept of a certificate.
pub const MAX_NAMES: usize = 1_000;

/// A row of x509.log. The same certificate comes again and again; Zeek's log has it once a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct X509Record {
    /// When it was seen.
    pub ts: Timestamp,
    /// SHA-256 of it.
    pub fingerprint: String,
    /// 1 to 3.
    pub version: u32,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// Whom it is for.
    pub subject: Text,
    /// Who signed it.
    pub issuer: Text,
    /// From when it counts, in seconds since 1970.
    pub not_valid_before: i64,
    /// Until when it counts, in seconds since 1970.
    pub not_valid_after: i64,
    /// What the key is for.
    pub key_alg: String,
    /// What it was signed with; empty if nobody knows.
    pub sig_alg: String,
    /// Kind of key: `rsa`, `ecdsa` or `dsa`.
    pub key_type: Option<&'static str>,
    /// Bits of the key.
    pub key_length: Option<u32>,
    /// RSA's exponent.
    pub exponent: Option<String>,
    /// The curve the key is on.
    pub curve: Option<&'static str>,
    /// Hosts it is for.
    pub san_dns: Vec<Text>,
    /// URIs it is for.
    pub san_uri: Vec<Text>,
    /// Mailboxes it is for.
    pub san_email: Vec<Text>,
    /// Addresses it is for.
    pub san_ip: Vec<IpAddr>,
    /// Whether its owner may sign others.
    pub ca: Option<bool>,
    /// How many may sign in between.
    pub path_len: Option<u32>,
    /// Where it comes from.
    pub origin: Origin,
    /// The subject's last common name.
    common_name: Option<Text>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// It is its sender's own, not an authority's.
    pub host_cert: bool,
    /// The client sent it.
    pub client_cert: bool,
}

/// Reads a certificate; `None` if it is none.
pub fn read(der: &[u8], ts: Timestamp, fingerprint: String, origin: Origin) -> Option<X509Record> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let mut record = X509Record {
        ts,
        fingerprint,
        version: certificate.version().0.saturating_add(1),
        serial: names::serial(certificate.raw_serial()),
        subject: names::distinguished(subject),
        issuer: names::distinguished(certificate.issuer()),
        not_valid_before: certificate.validity().not_before.timestamp(),
        not_valid_after: certificate.validity().not_after.timestamp(),
        key_alg: String::new(),
        sig_alg: names::algorithm(&certificate.signature_algorithm.algorithm)
            .unwrap_or_default()
            .to_owned(),
        key_type: None,
        key_length: None,
        exponent: None,
        curve: None,
        san_dns: Vec::new(),
        san_uri: Vec::new(),
        san_email: Vec::new(),
        san_ip: Vec::new(),
        ca: None,
        path_len: None,
        origin,
        common_name: subject
            .iter_common_name()
            .last()
            .map(|name| name.as_slice().into()),
    };
    record.key(certificate.public_key());
    for extension in certificate.extensions() {
        record.extension(extension.parsed_extension());
    }
    Some(record)
}

impl X509Record {
    fn key(&mut self, key: &SubjectPublicKeyInfo<'_>) {
        let algorithm = &key.algorithm.algorithm;
        self.key_alg =
            names::algorithm(algorithm).map_or_else(|| algorithm.to_id_string(), str::to_owned);
        match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                self.key_type = Some("rsa");
                self.key_length = Some(bits(rsa.modulus));
                self.exponent = rsa.try_exponent().ok().map(|number| number.to_string());
            }
            Ok(PublicKey::EC(_)) => {
                self.key_type = Some("ecdsa");
                let parameters = key.algorithm.parameters.as_ref();
                let oid = parameters.and_then(|parameters| parameters.as_oid().ok());
                if let Some((curve, length)) = oid.and_then(|oid| names::curve(&oid)) {
                    (self.curve, self.key_length) = (Some(curve), Some(length));
                }
            }
            Ok(PublicKey::DSA(_)) => self.key_type = Some("dsa"),
            _ => {}
        }
    }

    fn extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                self.ca = Some(constraints.ca);
                self.path_len = constraints.path_len_constraint;
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                // There may be several such extensions.
                let room = MAX_NAMES.saturating_sub(self.alternatives());
                for name in names.general_names.iter().take(room) {
                    self.alternative(name);
                }
            }
            _ => {}
        }
    }

    const fn alternatives(&self) -> usize {
        self.san_dns.len() + self.san_uri.len() + self.san_email.len() + self.san_ip.len()
    }

    fn alternative(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.san_dns.push(name.as_bytes().into()),
            GeneralName::URI(name) => self.san_uri.push(name.as_bytes().into()),
            GeneralName::RFC822Name(name) => self.san_email.push(name.as_bytes().into()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                let addr = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                self.san_ip.extend(addr);
            }
            _ => {}
        }
    }

    /// Whether it is for this host (RFC 6125, 6.4): by its alternative names, or, if it has none,
    /// by its common name.
    pub fn is_for(&self, host: &[u8]) -> bool {
        if self.san_dns.is_empty() {
            let name = self.common_name.as_deref();
            return name.is_some_and(|name| names::covers(name, host));
        }
        self.san_dns.iter().any(|name| names::covers(name, host))
    }
}

/// Bits of a number that has its sign in front.
fn bits(number: &[u8]) -> u32 {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let (mut len, mut first) = (0_u32, 0_u8);
    for byte in significant {
        first = if len == 0 { *byte } else { first };
        len = len.saturating_add(1);
    }
    len.saturating_mul(8).saturating_sub(first.leading_zeros())
}

#[cfg(test)]
mod tests;
