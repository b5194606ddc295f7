//! quic.log: a row for each connection of QUIC.

use flow_table::protocol::quic::{self, QuicRecord};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const QUIC: Kind = Kind::of_flows(
    Log::Quic,
    &[
        ("version", "string"),
        ("client_initial_dcid", "string"),
        ("client_scid", "string"),
        ("server_scid", "string"),
        ("server_name", "string"),
        ("client_protocol", "string"),
        ("history", "string"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &QuicRecord) {
    fields.name(&*quic::version_name(row.version));
    for name in [&row.client_initial_dcid, &row.client_scid, &row.server_scid] {
        fields.text(name.as_ref());
    }
    fields.text(row.server_name.as_ref());
    fields.text(row.client_protocol.as_ref());
    fields.text(Some(&row.history));
}
