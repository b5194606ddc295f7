//! ntp.log: a row for each message that one clock sends another.

use flow_table::protocol::ntp::NtpRecord;

use super::fields::Fields;
use super::protocols::Kind;
use crate::config::Log;

pub(super) const NTP: Kind = Kind::of_flows(
    Log::Ntp,
    &[
        ("version", "count"),
        ("mode", "count"),
        ("stratum", "count"),
        ("poll", "interval"),
        ("precision", "interval"),
        ("root_delay", "interval"),
        ("root_disp", "interval"),
        ("ref_id", "string"),
        ("ref_time", "time"),
        ("org_time", "time"),
        ("rec_time", "time"),
        ("xmt_time", "time"),
        ("num_exts", "count"),
    ],
);

pub(super) fn write(fields: &mut Fields<'_>, row: &NtpRecord) {
    for number in [row.version, row.mode, row.stratum] {
        fields.count(number.into());
    }
    for exponent in [row.poll, row.precision] {
        fields.fraction(2_f64.powi(exponent.into()));
    }
    for secs in [row.root_delay, row.root_disp] {
        fields.fraction(secs.as_secs_f64());
    }
    fields.text(Some(&row.ref_id.to_string()));
    for moment in [row.ref_time, row.org_time, row.rec_time, row.xmt_time] {
        fields.fraction(moment.as_secs_f64());
    }
    fields.count(row.num_exts.into());
}
