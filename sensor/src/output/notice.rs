//! notice.log: what the sensor says of itself and a person should know, with Zeek's columns and, where
//! Zeek has one, its name for it.

use flow_table::{Span, Timestamp};

use super::fields::Fields;
use super::protocols::Kind;
use super::zeek::PEER;
use crate::config::Log;

pub(super) const NOTICE: Kind = Kind::of(
    Log::Notice,
    &[
        ("ts", "time"),
        ("uid", "string"),
        ("id.orig_h", "addr"),
        ("id.orig_p", "port"),
        ("id.resp_h", "addr"),
        ("id.resp_p", "port"),
        ("fuid", "string"),
        ("file_mime_type", "string"),
        ("file_desc", "string"),
        ("proto", "enum"),
        ("note", "enum"),
        ("msg", "string"),
        ("sub", "string"),
        ("src", "addr"),
        ("dst", "addr"),
        ("p", "port"),
        ("n", "count"),
        ("peer_descr", "string"),
        ("actions", "set[enum]"),
        ("email_dest", "set[string]"),
        ("suppress_for", "interval"),
        ("remote_location.country_code", "string"),
        ("remote_location.region", "string"),
        ("remote_location.city", "string"),
        ("remote_location.latitude", "double"),
        ("remote_location.longitude", "double"),
    ],
    &[],
);

/// How long the same is not said again.
pub(crate) const QUIET: Span = Span::from_mins(60);

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Note {
    /// Interface, kernel or queue dropped packets.
    DroppedPackets,
    /// TCP's receivers had what was never captured.
    TooMuchLoss,
}

impl Note {
    const fn name(self) -> &'static str {
        match self {
            Self::DroppedPackets => "PacketFilter::Dropped_Packets",
            Self::TooMuchLoss => "CaptureLoss::Too_Much_Loss",
        }
    }
}

/// A row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Notice {
    pub(crate) ts: Timestamp,
    pub(crate) note: Note,
    pub(crate) msg: String,
    /// Packets, or what else it is about.
    pub(crate) count: u64,
}

pub(super) fn write(fields: &mut Fields<'_>, row: &Notice) {
    let unset = |fields: &mut Fields<'_>, count| (0..count).for_each(|_| fields.unset());
    fields.time(row.ts);
    unset(fields, 9);
    fields.name(row.note.name());
    fields.text(Some(&row.msg));
    unset(fields, 4);
    fields.count(row.count);
    fields.name(PEER);
    fields.texts(&["Notice::ACTION_LOG"]);
    fields.empty_list();
    fields.interval(Some(QUIET));
    unset(fields, 5);
}
