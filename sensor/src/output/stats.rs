//! stats.log: what was read, dropped and made of it, every five minutes of packet time in which
//! anything came, and at the end. What is no function of the packets (memory, lag, what is held) is
//! unset, so that a replay gives the same log on every machine; `pkts_dropped` and `pkts_link` are what the
//! kernel says of interfaces. Zeek's columns are followed by one
//! for each reason for which packets are dropped.

use flow_table::DropReason;

use super::fields::Fields;
use super::protocols::Kind;
use super::zeek::{Column, PEER};
use crate::config::Log;
use crate::pipeline::Stats;

pub(super) const STATS: Kind = Kind::of(
    Log::Stats,
    &[
        ("ts", "time"),
        ("peer", "string"),
        ("mem", "count"),
        ("pkts_proc", "count"),
        ("bytes_recv", "count"),
        ("pkts_dropped", "count"),
        ("pkts_link", "count"),
        ("pkt_lag", "interval"),
        ("pkts_filtered", "count"),
        ("events_proc", "count"),
        ("events_queued", "count"),
        ("active_tcp_conns", "count"),
        ("active_udp_conns", "count"),
        ("active_icmp_conns", "count"),
        ("tcp_conns", "count"),
        ("udp_conns", "count"),
        ("icmp_conns", "count"),
        ("timers", "count"),
        ("active_timers", "count"),
        ("files", "count"),
        ("active_files", "count"),
        ("dns_requests", "count"),
        ("active_dns_requests", "count"),
        ("reassem_tcp_size", "count"),
        ("reassem_file_size", "count"),
        ("reassem_frag_size", "count"),
        ("reassem_unknown_size", "count"),
    ],
    &DROPPED,
);

const DROPPED: [Column; DropReason::ALL.len()] = {
    let mut columns = [("", "count"); DropReason::ALL.len()];
    let mut nth = 0;
    while nth < columns.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "constants are checked when they are made"
        )]
        {
            columns[nth].0 = DropReason::ALL[nth].column();
        }
        nth += 1;
    }
    columns
};

pub(super) fn write(fields: &mut Fields<'_>, row: &Stats) {
    let unset = |fields: &mut Fields<'_>, count| (0..count).for_each(|_| fields.unset());
    fields.time(row.ts);
    fields.name(PEER);
    unset(fields, 1);
    fields.count(row.packets);
    fields.count(row.bytes);
    if let Some(link) = row.link {
        fields.count(link.dropped);
        fields.count(link.seen);
    } else {
        unset(fields, 2);
    }
    unset(fields, 2);
    fields.count(row.events);
    fields.count(row.events);
    for flows in [row.active, row.opened] {
        fields.count(flows.tcp);
        fields.count(flows.udp);
        fields.count(flows.icmp);
    }
    unset(fields, 2);
    fields.count(row.files);
    unset(fields, 1);
    fields.count(row.dns);
    unset(fields, 5);
    for (_, packets, _) in row.dropped.iter() {
        fields.count(packets);
    }
}
