//! dhcp.log: a row for each transaction, whose messages travel in several flows.

use flow_table::Uid;
use flow_table::protocol::dhcp::{self, DhcpRecord};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const DHCP: Kind = Kind::of(
    Log::Dhcp,
    &[("ts", "time"), ("uids", "set[string]")],
    &[
        ("client_addr", "addr"),
        ("server_addr", "addr"),
        ("mac", "string"),
        ("host_name", "string"),
        ("client_fqdn", "string"),
        ("domain", "string"),
        ("requested_addr", "addr"),
        ("assigned_addr", "addr"),
        ("lease_time", "interval"),
        ("client_message", "string"),
        ("server_message", "string"),
        ("msg_types", "vector[string]"),
        ("duration", "interval"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &DhcpRecord<Uid>) {
    fields.time(row.ts);
    let uids: Vec<_> = row.uids.iter().map(|uid| uid.text()).collect();
    fields.texts(&uids);
    fields.maybe_addr(row.client_addr);
    fields.maybe_addr(row.server_addr);
    fields.text(row.mac.map(|mac| mac.to_string()).as_ref());
    fields.text(row.host_name.as_ref());
    fields.text(row.client_fqdn.as_ref());
    fields.text(row.domain.as_ref());
    fields.maybe_addr(row.requested_addr.map(Into::into));
    fields.maybe_addr(row.assigned_addr.map(Into::into));
    fields.interval(row.lease_time);
    fields.text(row.client_message.as_ref());
    fields.text(row.server_message.as_ref());
    let kinds = row.msg_types.iter().map(|kind| dhcp::message_name(*kind));
    let kinds: Vec<String> = kinds.map(String::from).collect();
    fields.texts(&kinds);
    fields.interval(Some(row.duration));
}
