//! ssl.log: a row for each handshake of TLS or DTLS; after Zeek's columns the fingerprints that its
//! packages for JA3 and JA4 add.

use flow_table::protocol::tls::{self, SslRecord};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const SSL: Kind = Kind::of_flows(
    Log::Ssl,
    &[
        ("version", "string"),
        ("cipher", "string"),
        ("curve", "string"),
        ("server_name", "string"),
        ("resumed", "bool"),
        ("last_alert", "string"),
        ("next_protocol", "string"),
        ("established", "bool"),
        ("ssl_history", "string"),
        ("cert_chain_fps", "vector[string]"),
        ("client_cert_chain_fps", "vector[string]"),
        ("sni_matches_cert", "bool"),
        ("ja3", "string"),
        ("ja3s", "string"),
        ("ja4", "string"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &SslRecord) {
    fields.name(row.version.map(tls::version_name).as_deref());
    fields.name(row.cipher.map(tls::cipher_name).as_deref());
    fields.name(row.curve.map(tls::curve_name).as_deref());
    fields.text(row.server_name.as_ref());
    fields.flag(row.resumed);
    fields.name(row.last_alert.map(tls::alert_name).as_deref());
    fields.text(row.next_protocol.as_ref());
    fields.flag(row.established);
    fields.text(Some(&row.ssl_history).filter(|history| !history.is_empty()));
    fields.maybe_texts(row.cert_chain_fps.as_deref());
    fields.maybe_texts(row.client_cert_chain_fps.as_deref());
    fields.flag(row.sni_matches_cert);
    fields.text(row.ja3.as_ref());
    fields.text(row.ja3s.as_ref());
    fields.text(row.ja4.as_ref());
}
