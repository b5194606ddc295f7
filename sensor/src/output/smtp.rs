//! smtp.log: a row for each message that is handed on, and for each session without any.

use std::collections::BTreeSet;

use flow_table::protocol::Text;
use flow_table::protocol::smtp::SmtpRecord;
use flow_table::{Side, Uid};

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const SMTP: Kind = Kind::of_flows(
    Log::Smtp,
    &[
        ("trans_depth", "count"),
        ("helo", "string"),
        ("mailfrom", "string"),
        ("rcptto", "set[string]"),
        ("date", "string"),
        ("from", "string"),
        ("to", "set[string]"),
        ("cc", "set[string]"),
        ("reply_to", "string"),
        ("msg_id", "string"),
        ("in_reply_to", "string"),
        ("subject", "string"),
        ("x_originating_ip", "addr"),
        ("first_received", "string"),
        ("second_received", "string"),
        ("last_reply", "string"),
        ("path", "vector[addr]"),
        ("user_agent", "string"),
        ("tls", "bool"),
        ("fuids", "vector[string]"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, uid: Uid, row: &SmtpRecord) {
    fields.count(row.trans_depth.into());
    fields.text(row.helo.as_ref());
    fields.text(row.mailfrom.as_ref());
    set(fields, row.rcptto.as_ref());
    fields.text(row.date.as_ref());
    fields.text(row.from.as_ref());
    set(fields, row.to.as_ref());
    set(fields, row.cc.as_ref());
    fields.text(row.reply_to.as_ref());
    fields.text(row.msg_id.as_ref());
    fields.text(row.in_reply_to.as_ref());
    fields.text(row.subject.as_ref());
    fields.maybe_addr(row.x_originating_ip);
    fields.text(row.first_received.as_ref());
    fields.text(row.second_received.as_ref());
    fields.text(row.last_reply.as_ref());
    fields.addrs(&row.path);
    fields.text(row.user_agent.as_ref());
    fields.flag(row.tls);
    let names = row.files.iter().map(|file| uid.file(Side::Orig, *file));
    let names: Vec<_> = names.collect();
    fields.maybe_texts(Some(&names));
}

fn set(fields: &mut Fields<'_>, texts: Option<&BTreeSet<Text>>) {
    let texts: Option<Vec<&Text>> = texts.map(|texts| texts.iter().collect());
    fields.maybe_texts(texts.as_deref());
}
