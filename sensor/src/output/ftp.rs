//! ftp.log: a row for each command that is about a file or a channel for one.

use flow_table::protocol::ftp::FtpRecord;

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const FTP: Kind = Kind::of_flows(
    Log::Ftp,
    &[
        ("user", "string"),
        ("password", "string"),
        ("command", "string"),
        ("arg", "string"),
        ("mime_type", "string"),
        ("file_size", "count"),
        ("reply_code", "count"),
        ("reply_msg", "string"),
        ("data_channel.passive", "bool"),
        ("data_channel.orig_h", "addr"),
        ("data_channel.resp_h", "addr"),
        ("data_channel.resp_p", "port"),
        ("fuid", "string"),
    ],
);

/// What stands for somebody who did not sign in, as in Zeek.
const NOBODY: &[u8] = b"<unknown>";
/// What stands for a password that is one.
const HIDDEN: &[u8] = b"<hidden>";

pub(super) fn write(fields: &mut Fields<'_>, row: &FtpRecord) {
    let shown = |secret| if row.is_guest() { secret } else { HIDDEN };
    fields.text(Some(row.user.as_deref().unwrap_or(NOBODY)));
    fields.text(row.password.as_deref().map(shown));
    fields.text(Some(&row.command));
    let is_secret = row.command.eq_ignore_ascii_case(b"PASS");
    let arg = row.arg.as_deref();
    fields.text(arg.map(|arg| if is_secret { shown(arg) } else { arg }));
    fields.name(row.file.and_then(|file| file.mime_type));
    fields.maybe_count(row.file_size);
    fields.maybe_count(row.reply_code);
    fields.text(row.reply_msg.as_ref());
    let channel = row.data_channel;
    fields.flag(channel.map(|channel| channel.passive));
    fields.maybe_addr(channel.map(|channel| channel.orig_h));
    fields.maybe_addr(channel.map(|channel| channel.resp.addr));
    fields.maybe_count(channel.map(|channel| channel.resp.port));
    // A channel carries one file.
    let name = row.file.map(|file| file.uid.file(file.side, 1));
    fields.text(name.as_ref());
}
