//! What stats.log and capture_loss.log report: counted by parts of packet time, so that it does not
//! matter how a capture was cut into blocks, or who counted.

use std::collections::BTreeMap;

use flow_table::protocol::Record;
use flow_table::{
    DropCounts, FlowEvent, FlowEventKind, IpProto, Loss, PART, ProtocolRow, Span, Timestamp,
};

/// Parts that capture_loss.log takes together.
const LOSS_PARTS: i64 = 3;

/// Packets that were read in one part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// A time in that part.
    pub(crate) time: Timestamp,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: DropCounts,
    /// What the kernel says of interfaces, where there are any.
    pub(crate) link: Option<OnLink>,
}

/// Packets of interfaces, whether or not they came through.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct OnLink {
    pub(crate) seen: u64,
    /// By interface or kernel, before they could be listened to.
    pub(crate) dropped: u64,
}

/// Flows by protocol.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct ByProto {
    pub(crate) tcp: u64,
    pub(crate) udp: u64,
    pub(crate) icmp: u64,
}

impl ByProto {
    const fn of(&mut self, proto: IpProto) -> Option<&mut u64> {
        match proto {
            IpProto::TCP => Some(&mut self.tcp),
            IpProto::UDP => Some(&mut self.udp),
            IpProto::ICMP | IpProto::ICMPV6 => Some(&mut self.icmp),
            _ => None,
        }
    }
}

/// A row of stats.log.
#[derive(Clone, Default, Debug)]
pub(crate) struct Stats {
    /// When the part ends.
    pub(crate) ts: Timestamp,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: DropCounts,
    pub(crate) link: Option<OnLink>,
    /// What the detectors were told.
    pub(crate) events: u64,
    /// Flows that had not ended by then.
    pub(crate) active: ByProto,
    /// Flows that began.
    pub(crate) opened: ByProto,
    pub(crate) files: u64,
    pub(crate) dns: u64,
    loss: Loss,
}

/// A row of capture_loss.log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Lost {
    pub(crate) ts: Timestamp,
    /// How long it was counted.
    pub(crate) span: Span,
    pub(crate) loss: Loss,
}

/// Rows that are complete.
#[derive(Default, Debug)]
pub(crate) struct Reports {
    pub(crate) stats: Vec<Stats>,
    pub(crate) lost: Vec<Lost>,
}

impl Reports {
    pub(crate) const fn is_empty(&self) -> bool {
        self.stats.is_empty() && self.lost.is_empty()
    }
}

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Reporter {
    /// By part. Few are open at a time: what is complete leaves.
    parts: BTreeMap<i64, Stats>,
    active: ByProto,
    /// As they were at the end of the last part that was reported.
    reported: ByProto,
    /// Of which parts, and what was lost in them.
    losing: Option<(i64, Loss)>,
    /// The earliest and the latest time of anything.
    first: Option<Timestamp>,
    latest: Timestamp,
}

impl Reporter {
    fn part(&mut self, time: Timestamp) -> &mut Stats {
        self.latest = self.latest.max(time);
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.parts.entry(time.part()).or_default()
    }

    pub(super) fn packets(&mut self, counted: &[Counted]) {
        for one in counted {
            let part = self.part(one.time);
            part.packets += one.packets;
            part.bytes += one.bytes;
            part.dropped.merge(&one.dropped);
            if let Some(more) = one.link {
                let link = part.link.get_or_insert_default();
                link.seen += more.seen;
                link.dropped += more.dropped;
            }
        }
    }

    /// Flows that have not ended.
    pub(super) const fn active(&self) -> ByProto {
        self.active
    }

    pub(super) fn losses(&mut self, losses: &[(Timestamp, Loss)]) {
        for (time, loss) in losses {
            add(&mut self.part(*time).loss, *loss);
        }
    }

    /// Takes what happened, in its order.
    pub(super) fn event(&mut self, event: &FlowEvent) {
        let proto = event.id.proto;
        let opens = matches!(event.kind, FlowEventKind::Opened { .. });
        let closes = matches!(event.kind, FlowEventKind::Closed { .. });
        if let Some(active) = self.active.of(proto) {
            *active = (*active + u64::from(opens)).saturating_sub(u64::from(closes));
        }
        let active = self.active;
        let part = self.part(event.time);
        part.events += 1;
        // What ends later does not change it any more.
        part.active = active;
        if let Some(opened) = part.opened.of(proto) {
            *opened += u64::from(opens);
        }
    }

    pub(super) fn row(&mut self, row: &ProtocolRow) {
        match row.record {
            Record::File(_) => self.part(row.time).files += 1,
            Record::Dns(_) => self.part(row.time).dns += 1,
            _ => {}
        }
    }

    /// Hands out what is complete before `now`.
    pub(super) fn advance(&mut self, now: Timestamp, reports: &mut Reports) {
        while let Some(first) = self.parts.first_entry()
            && *first.key() < now.part()
        {
            let (part, stats) = first.remove_entry();
            let end = Timestamp::from_nanos((part + 1).saturating_mul(PART.as_nanos()));
            self.report(part, end, stats, reports);
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, reports: &mut Reports) {
        let latest = self.latest;
        self.advance(latest, reports);
        for (part, stats) in std::mem::take(&mut self.parts) {
            self.report(part, latest, stats, reports);
        }
        self.end_loss(latest, reports);
    }

    fn report(&mut self, part: i64, end: Timestamp, mut stats: Stats, reports: &mut Reports) {
        let of = part.div_euclid(LOSS_PARTS);
        if self.losing.is_some_and(|(before, _)| before != of) {
            self.end_loss(end, reports);
        }
        let (_, loss) = self.losing.get_or_insert((of, Loss::default()));
        add(loss, stats.loss);
        stats.ts = end;
        if stats.events == 0 {
            stats.active = self.reported;
        }
        self.reported = stats.active;
        reports.stats.push(stats);
    }

    fn end_loss(&mut self, latest: Timestamp, reports: &mut Reports) {
        let Some((of, loss)) = self.losing.take() else {
            return;
        };
        let nanos = PART.as_nanos() * LOSS_PARTS;
        let begin = Timestamp::from_nanos(of.saturating_mul(nanos));
        let ts = latest.min(begin + Span::from_nanos(nanos));
        let span = ts.since(self.first.map_or(begin, |first| first.max(begin)));
        reports.lost.push(Lost { ts, span, loss });
    }
}

const fn add(sum: &mut Loss, more: Loss) {
    sum.acks += more.acks;
    sum.gaps += more.gaps;
}

#[cfg(test)]
mod tests {
    use flow_table::{Endpoint, FlowId, Traffic, Uid};

    use super::*;

    /// The beginning of a part that capture_loss.log begins with, too.
    const T0: Timestamp = Timestamp::new(1_700_000_100, 0);

    fn at(mins: i64) -> Timestamp {
        T0 + Span::from_mins(mins)
    }

    fn event(mins: i64, proto: IpProto, kind: FlowEventKind) -> FlowEvent {
        let end = Endpoint::new([10, 0, 0, 1], 1);
        FlowEvent {
            time: at(mins),
            since: at(mins),
            start: at(mins),
            uid: Uid::from_bits(1),
            seq: 0,
            id: FlowId {
                orig: end,
                resp: end,
                proto,
            },
            orig: Traffic::default(),
            resp: Traffic::default(),
            turns: 0,
            kind,
        }
    }

    fn counted(mins: i64, packets: u64) -> Counted {
        let mut dropped = DropCounts::new();
        dropped.add(flow_table::DropReason::NotIp, 60);
        Counted {
            time: at(mins),
            packets,
            bytes: 100 * packets,
            dropped,
            link: None,
        }
    }

    /// Minute, packets, flows of TCP that are there and that began.
    fn brief(stats: &[Stats]) -> Vec<(i64, u64, u64, u64)> {
        let mins = |ts: Timestamp| (ts.as_nanos() - T0.as_nanos()) / 60_000_000_000;
        let row = |row: &Stats| (mins(row.ts), row.packets, row.active.tcp, row.opened.tcp);
        stats.iter().map(row).collect()
    }

    #[test]
    fn parts_are_told_when_they_are_over() {
        assert_eq!(T0.part() % LOSS_PARTS, 0);
        let (tcp, opened) = (IpProto::TCP, FlowEventKind::Opened { syn: true });
        let (mut reporter, mut reports) = (Reporter::default(), Reports::default());
        // Counts come in any order.
        reporter.packets(&[counted(6, 10), counted(1, 1), counted(2, 2)]);
        reporter.losses(&[
            (at(6), Loss { acks: 4, gaps: 1 }),
            (at(1), Loss { acks: 4, gaps: 0 }),
        ]);
        reporter.event(&event(1, tcp, opened));
        reporter.event(&event(2, IpProto::UDP, opened));
        reporter.advance(at(4), &mut reports);
        assert!(reports.is_empty());
        reporter.event(&event(6, tcp, opened));
        reporter.advance(at(7), &mut reports);
        assert_eq!(brief(&reports.stats), [(5, 3, 1, 1)]);
        // Nothing comes for long, then something.
        reporter.packets(&[counted(31, 7)]);
        reporter.advance(at(31), &mut reports);
        assert_eq!(brief(&reports.stats[1..]), [(10, 10, 2, 1)]);
        assert!(reports.lost.is_empty());
        reporter.losses(&[(at(32), Loss { acks: 1, gaps: 1 })]);
        reporter.finish(&mut reports);
        assert_eq!(brief(&reports.stats[2..]), [(32, 7, 2, 0)]);
        let lost: Vec<_> = reports
            .lost
            .iter()
            .map(|lost| (lost.span, lost.loss))
            .collect();
        let mins = Span::from_mins;
        let want = [
            (mins(14), Loss { acks: 8, gaps: 1 }),
            (mins(2), Loss { acks: 1, gaps: 1 }),
        ];
        assert_eq!(lost, want);
        assert_eq!(reports.stats[0].dropped.total().0, 2);
    }
}
