//! files.log: a row for each file that a flow carried. None is taken apart or kept, and digests are
//! made only if asked for, so the columns for that stay unset, as in Zeek without scripts that ask for
//! it.

use flow_table::protocol::files::{Digests, FileRecord, Hashes};
use flow_table::{ProtocolRow, Side};

use super::fields::Fields;
use super::local::is_local;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const FILES: Kind = Kind::of(
    Log::Files,
    &[
        ("ts", "time"),
        ("fuid", "string"),
        ("uid", "string"),
        ("id.orig_h", "addr"),
        ("id.orig_p", "port"),
        ("id.resp_h", "addr"),
        ("id.resp_p", "port"),
    ],
    &[
        ("source", "string"),
        ("depth", "count"),
        ("analyzers", "set[string]"),
        ("mime_type", "string"),
        ("filename", "string"),
        ("duration", "interval"),
        ("local_orig", "bool"),
        ("is_orig", "bool"),
        ("seen_bytes", "count"),
        ("total_bytes", "count"),
        ("missing_bytes", "count"),
        ("overflow_bytes", "count"),
        ("timedout", "bool"),
        ("parent_fuid", "string"),
        ("md5", "string"),
        ("sha1", "string"),
        ("sha256", "string"),
        ("extracted", "string"),
        ("extracted_cutoff", "bool"),
        ("extracted_size", "count"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &ProtocolRow, file: &FileRecord) {
    let (side, sender) = if file.is_orig {
        (Side::Orig, row.id.orig)
    } else {
        (Side::Resp, row.id.resp)
    };
    fields.time(file.ts);
    fields.text(Some(&match file.place {
        Some(place) => place.file(row.id.orig.addr),
        None => row.uid.file(side, file.number),
    }));
    fields.ends(row.uid, &row.id);
    fields.name(file.source);
    fields.count(file.depth.into());
    fields.maybe_texts(Some(&analyzers(file)));
    fields.name(file.mime_type);
    fields.text(file.filename.as_ref());
    fields.interval(Some(file.duration));
    fields.flag(is_local(sender.addr));
    fields.flag(file.is_orig);
    fields.count(file.seen_bytes);
    fields.maybe_count(file.total_bytes);
    fields.count(file.missing_bytes);
    fields.count(file.overflow_bytes);
    fields.flag(file.timedout);
    fields.unset();
    let Digests { md5, sha1, sha256 } = file.digests;
    fields.digest(md5);
    fields.digest(sha1);
    fields.digest(sha256);
    // Nothing is extracted.
    for _ in 0..3 {
        fields.unset();
    }
}

/// What Zeek looks into such a file with, in ascending order.
fn analyzers(file: &FileRecord) -> Vec<&'static str> {
    let by_type = match file.mime_type {
        Some("application/x-dosexec") => Some("PE"),
        Some("application/ocsp-request") => Some("OCSP_REQUEST"),
        Some("application/ocsp-response") => Some("OCSP_REPLY"),
        _ => None,
    };
    let Hashes { md5, sha1, sha256 } = file.hashes;
    let all = [
        md5.then_some("MD5"),
        by_type,
        sha1.then_some("SHA1"),
        sha256.then_some("SHA256"),
    ];
    all.into_iter().flatten().collect()
}
