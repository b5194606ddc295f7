//! x509.log: a row for each certificate that was seen in the clear, once a day.

use std::collections::HashMap;

use flow_table::protocol::Text;
use flow_table::protocol::x509::{Origin, X509Record};
use flow_table::{Span, Timestamp};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const X509: Kind = Kind::of(
    Log::X509,
    &[("ts", "time")],
    &[
        ("fingerprint", "string"),
        ("certificate.version", "count"),
        ("certificate.serial", "string"),
        ("certificate.subject", "string"),
        ("certificate.issuer", "string"),
        ("certificate.not_valid_before", "time"),
        ("certificate.not_valid_after", "time"),
        ("certificate.key_alg", "string"),
        ("certificate.sig_alg", "string"),
        ("certificate.key_type", "string"),
        ("certificate.key_length", "count"),
        ("certificate.exponent", "string"),
        ("certificate.curve", "string"),
        ("san.dns", "vector[string]"),
        ("san.uri", "vector[string]"),
        ("san.email", "vector[string]"),
        ("san.ip", "vector[addr]"),
        ("basic_constraints.ca", "bool"),
        ("basic_constraints.path_len", "count"),
        ("host_cert", "bool"),
        ("client_cert", "bool"),
    ],
);

/// Names of a kind that a row shows, as in Zeek.
const MAX_NAMES: usize = 500;

pub(super) fn write(fields: &mut Fields<'_>, row: &X509Record) {
    fields.time(row.ts);
    fields.text(Some(&row.fingerprint));
    fields.count(row.version.into());
    fields.text(Some(&row.serial));
    fields.text(Some(&row.subject));
    fields.text(Some(&row.issuer));
    fields.seconds(row.not_valid_before);
    fields.seconds(row.not_valid_after);
    fields.text(Some(&row.key_alg));
    fields.text(Some(&row.sig_alg));
    fields.name(row.key_type);
    fields.maybe_count(row.key_length);
    fields.text(row.exponent.as_ref());
    fields.name(row.curve);
    for names in [&row.san_dns, &row.san_uri, &row.san_email] {
        let shown: &[Text] = names.get(..MAX_NAMES).unwrap_or(names);
        fields.texts(shown);
    }
    let addrs = row.san_ip.get(..MAX_NAMES).unwrap_or(&row.san_ip);
    fields.addrs(addrs);
    fields.flag(row.ca);
    fields.maybe_count(row.path_len);
    fields.flag(row.origin.host_cert);
    fields.flag(row.origin.client_cert);
}

/// Certificates that were logged within a day.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<(String, Origin), Timestamp>);

/// How long a certificate is remembered.
const DAY: Span = Span::from_mins(24 * 60);
/// Certificates that are remembered.
const MAX_KNOWN: usize = 1 << 16;

impl Known {
    /// Whether a certificate is to be logged, which it then is.
    pub(super) fn is_new(&mut self, row: &X509Record) -> bool {
        let key = (row.fingerprint.clone(), row.origin);
        if let Some(last) = self.0.get(&key)
            && row.ts.since(*last) < DAY
        {
            return false;
        }
        if self.0.len() >= MAX_KNOWN {
            self.0.retain(|_, last| row.ts.since(*last) < DAY);
        }
        if self.0.len() >= MAX_KNOWN {
            // Somebody makes certificates by the thousand: rather log some of them twice.
            self.0.clear();
        }
        self.0.insert(key, row.ts);
        true
    }
}
