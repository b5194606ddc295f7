//! dns.log: a row for each query with its answer.

use flow_table::protocol::dns::{self, DnsRecord, Naming};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const DNS: Kind = Kind::of_flows(
    Log::Dns,
    &[
        ("proto", "enum"),
        ("trans_id", "count"),
        ("rtt", "interval"),
        ("query", "string"),
        ("qclass", "count"),
        ("qclass_name", "string"),
        ("qtype", "count"),
        ("qtype_name", "string"),
        ("rcode", "count"),
        ("rcode_name", "string"),
        ("AA", "bool"),
        ("TC", "bool"),
        ("RD", "bool"),
        ("RA", "bool"),
        ("Z", "count"),
        ("answers", "vector[string]"),
        ("TTLs", "vector[interval]"),
        ("rejected", "bool"),
        ("opcode", "count"),
        ("opcode_name", "string"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &DnsRecord) {
    fields.name(row.proto.name());
    fields.count(row.trans_id.into());
    fields.interval(row.rtt);
    fields.text(row.query.as_ref());
    fields.maybe_count(row.qclass);
    fields.name(row.qclass.map(dns::class_name).as_deref());
    fields.maybe_count(row.qtype);
    fields.name(row.qtype_name().as_deref());
    fields.maybe_count(row.rcode);
    fields.name(row.rcode.map(dns::rcode_name));
    for flag in [row.aa, row.tc, row.rd, row.ra] {
        fields.flag(flag);
    }
    fields.count(row.z.into());
    let answers: Vec<&[u8]> = row.answers.iter().map(|answer| &*answer.text).collect();
    fields.texts(&answers);
    fields.intervals(row.answers.iter().map(|answer| answer.ttl));
    fields.flag(row.rejected);
    fields.count(row.opcode.into());
    let naming = if row.netbios {
        Naming::Netbios
    } else {
        Naming::Dns
    };
    fields.name(&*dns::opcode_name(row.opcode, naming));
}
