//! http.log: a row for each request with its reply. Its bodies have rows in files.log.

use flow_table::protocol::http::HttpRecord;
use flow_table::{ProtocolRow, Side};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const HTTP: Kind = Kind::of_flows(
    Log::Http,
    &[
        ("trans_depth", "count"),
        ("method", "string"),
        ("host", "string"),
        ("uri", "string"),
        ("referrer", "string"),
        ("version", "string"),
        ("user_agent", "string"),
        ("origin", "string"),
        ("request_body_len", "count"),
        ("response_body_len", "count"),
        ("status_code", "count"),
        ("status_msg", "string"),
        ("info_code", "count"),
        ("info_msg", "string"),
        ("tags", "set[enum]"),
        ("username", "string"),
        ("password", "string"),
        ("proxied", "set[string]"),
        ("orig_fuids", "vector[string]"),
        ("orig_filenames", "vector[string]"),
        ("orig_mime_types", "vector[string]"),
        ("resp_fuids", "vector[string]"),
        ("resp_filenames", "vector[string]"),
        ("resp_mime_types", "vector[string]"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, flow: &ProtocolRow, row: &HttpRecord) {
    fields.count(row.trans_depth.into());
    fields.text(row.method.as_ref());
    fields.text(row.host.as_ref());
    fields.text(row.uri.as_ref());
    fields.text(row.referrer.as_ref());
    fields.name(row.version.map(|version| version.to_string()).as_deref());
    fields.text(row.user_agent.as_ref());
    fields.text(row.origin.as_ref());
    fields.count(row.request_body_len);
    fields.count(row.response_body_len);
    fields.maybe_count(row.status_code);
    fields.text(row.status_msg.as_ref());
    fields.maybe_count(row.info_code);
    fields.text(row.info_msg.as_ref());
    fields.empty_list();
    fields.text(row.username.as_ref());
    // Passwords are never logged, as in Zeek.
    fields.unset();
    fields.texts(&row.proxied);
    for (side, bodies) in [
        (Side::Orig, &row.orig_bodies),
        (Side::Resp, &row.resp_bodies),
    ] {
        let ids = bodies.iter().map(|body| match body.place {
            Some(place) => place.file(flow.id.orig.addr),
            None => flow.uid.file(side, body.number),
        });
        fields.texts(&ids.collect::<Vec<_>>());
        let names: Vec<_> = bodies
            .iter()
            .filter_map(|body| body.filename.as_ref())
            .collect();
        fields.texts(&names);
        let kinds: Vec<_> = bodies.iter().filter_map(|body| body.mime_type).collect();
        fields.texts(&kinds);
    }
}
