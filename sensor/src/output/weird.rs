//! weird.log: what a protocol does not allow, once for each flow and name.

use flow_table::protocol::Weird;

use super::fields::Fields;
use super::protocols::Kind;

pub(super) const WEIRD: Kind = Kind::of_flows(
    "weird",
    &[
        ("name", "string"),
        ("addl", "string"),
        ("notice", "bool"),
        ("peer", "string"),
        ("source", "string"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &Weird) {
    fields.name(row.name);
    fields.text(row.addl.as_ref());
    fields.flag(false);
    fields.name("flowhawk");
    fields.name(row.source);
}
