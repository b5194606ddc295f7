//! weird.log: what a protocol does not allow. The same is told of the same ends once in ten minutes,
//! some of it once a day of whoever began; that is what Zeek does.

use std::net::{IpAddr, Ipv4Addr};

use flow_table::protocol::Weird;
use flow_table::{Endpoint, OddFrame, ProtocolRow, Span, Timestamp};

use super::fields::Fields;
use super::protocols::Kind;
use super::recent::Recent;
use super::zeek::PEER;
use crate::config::Log;

pub(super) const WEIRD: Kind = Kind::of_flows(
    Log::Weird,
    &[
        ("name", "string"),
        ("addl", "string"),
        ("notice", "bool"),
        ("peer", "string"),
        ("source", "string"),
    ],
);

/// What is told once a day of whoever began it.
const OF_ORIGINATORS: [&str; 16] = [
    "bad_ICMP_checksum",
    "bad_IP_checksum",
    "bad_TCP_checksum",
    "bad_UDP_checksum",
    "connection_originator_SYN_ack",
    "DNS_label_forward_compress_offset",
    "DNS_label_len_gt_name_len",
    "DNS_label_len_gt_pkt",
    "DNS_label_too_long",
    "excessively_small_fragment",
    "fragment_inconsistency",
    "fragment_overlap",
    "fragment_size_inconsistency",
    SYN_AFTER_PARTIAL,
    "SYN_with_data",
    "UDP_datagram_length_mismatch",
];
/// The one that is worth a notice.
const SYN_AFTER_PARTIAL: &str = "SYN_after_partial";

const INTERVAL: Span = Span::from_mins(10);
const DAY: Span = Span::from_mins(24 * 60);

/// What was told, of whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Subject {
    Originator(&'static str, IpAddr),
    Ends(&'static str, Endpoint, Endpoint),
}

impl Subject {
    fn of(row: &ProtocolRow, name: &'static str) -> (Self, Span) {
        Self::about(name, row.id.orig, row.id.resp)
    }

    fn of_frame(odd: &OddFrame) -> (Self, Span) {
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let (src, dst) = odd.ends.unwrap_or((nobody, nobody));
        Self::about(odd.name, Endpoint::new(src, 0), Endpoint::new(dst, 0))
    }

    fn about(name: &'static str, orig: Endpoint, resp: Endpoint) -> (Self, Span) {
        if OF_ORIGINATORS.contains(&name) {
            return (Self::Originator(name, orig.addr), DAY);
        }
        (Self::Ends(name, orig, resp), INTERVAL)
    }
}

/// Rows that were written.
#[derive(Debug, Default)]
pub(super) struct Told(Recent<Subject>);

impl Told {
    /// Whether a row about a flow is to be written; from then on the same is not.
    pub(super) fn is_new(&mut self, row: &ProtocolRow, weird: &Weird) -> bool {
        let (subject, span) = Subject::of(row, weird.name);
        self.0.is_new(subject, row.time, span)
    }

    /// The same for one about a frame.
    pub(super) fn is_new_frame(&mut self, now: Timestamp, odd: &OddFrame) -> bool {
        let (subject, span) = Subject::of_frame(odd);
        self.0.is_new(subject, now, span)
    }
}

pub(super) fn write(fields: &mut Fields<'_>, row: &Weird) {
    fields.name(row.name);
    fields.text(row.addl.as_ref());
    end(fields, row.name, row.source);
}

/// A row about no flow, its time before it.
pub(super) fn write_frame(fields: &mut Fields<'_>, odd: &OddFrame) {
    fields.time(odd.ts);
    fields.unset();
    match odd.ends {
        Some((src, dst)) => fields.hosts(src, dst),
        None => (0..4).for_each(|_| fields.unset()),
    }
    if odd.inside {
        fields.name(format!("{}_in_tunnel", odd.name).as_str());
    } else {
        fields.name(odd.name);
    }
    fields.unset();
    end(fields, odd.name, odd.source);
}

fn end(fields: &mut Fields<'_>, name: &str, source: &str) {
    fields.flag(name == SYN_AFTER_PARTIAL);
    fields.name(PEER);
    fields.name(Some(source).filter(|source| !source.is_empty()));
}

#[cfg(test)]
mod tests {
    use flow_table::protocol::Record;
    use flow_table::{FlowId, IpProto, Uid};

    use super::*;

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

    fn is_new(told: &mut Told, secs: i64, name: &'static str, port: u16) -> bool {
        let weird = Weird {
            ts: T0,
            name,
            addl: None,
            source: "TCP",
        };
        let row = ProtocolRow {
            time: T0 + Span::from_secs(secs),
            uid: Uid::from_bits(1),
            seq: 0,
            id: FlowId {
                orig: Endpoint::new([10, 0, 0, 1], port),
                resp: Endpoint::new([10, 0, 0, 2], 80),
                proto: IpProto::TCP,
            },
            record: Record::Weird(Box::new(weird.clone())),
        };
        told.is_new(&row, &weird)
    }

    #[test]
    fn the_same_is_told_once_in_a_while() {
        let mut told = Told::default();
        for (secs, name, port, want) in [
            (0, "inappropriate_FIN", 1, true),
            (599, "inappropriate_FIN", 1, false),
            (599, "inappropriate_FIN", 2, true),
            (599, "data_before_established", 1, true),
            (600, "inappropriate_FIN", 1, true),
            (600, "SYN_with_data", 1, true),
            (86_399, "SYN_with_data", 2, false),
            (87_000, "SYN_with_data", 2, true),
        ] {
            let got = is_new(&mut told, secs, name, port);
            assert_eq!(got, want, "{secs} {name} {port}");
        }
    }
}
