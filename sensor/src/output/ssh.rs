//! ssh.log: a row for each flow of SSH; after Zeek's columns the fingerprints that its package for
//! HASSH adds.

use flow_table::FlowId;
use flow_table::protocol::ssh::SshRecord;

use super::fields::Fields;
use super::local::is_local;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const SSH: Kind = Kind::of_flows(
    Log::Ssh,
    &[
        ("version", "count"),
        ("auth_success", "bool"),
        ("auth_attempts", "count"),
        ("direction", "enum"),
        ("client", "string"),
        ("server", "string"),
        ("cipher_alg", "string"),
        ("mac_alg", "string"),
        ("compression_alg", "string"),
        ("kex_alg", "string"),
        ("host_key_alg", "string"),
        ("host_key_fingerprint", "string"),
        ("hassh", "string"),
        ("hasshServer", "string"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, id: &FlowId, row: &SshRecord) {
    fields.maybe_count(row.version);
    fields.flag(row.auth_success);
    fields.count(row.auth_attempts.into());
    fields.name(direction(id));
    fields.text(row.client.as_ref());
    fields.text(row.server.as_ref());
    fields.text(row.cipher_alg.as_ref());
    fields.text(row.mac_alg.as_ref());
    fields.text(row.compression_alg.as_ref());
    fields.text(row.kex_alg.as_ref());
    fields.text(row.host_key_alg.as_ref());
    fields.text(row.host_key_fingerprint.as_ref());
    fields.text(row.hassh.as_ref());
    fields.text(row.hassh_server.as_ref());
}

/// Told only where one end is local and the other is not.
fn direction(id: &FlowId) -> Option<&'static str> {
    match (is_local(id.orig.addr), is_local(id.resp.addr)) {
        (true, false) => Some("OUTBOUND"),
        (false, true) => Some("INBOUND"),
        _ => None,
    }
}
