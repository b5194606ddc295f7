//! Files that FTP transfers: a flow of control announces the flow that carries one, which may belong
//! to another shard. So what is known of both is joined here, where everything has one order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use flow_table::protocol::files::FileRecord;
use flow_table::protocol::ftp::{Carried, DataChannel, Transferred};
use flow_table::protocol::{Record, Service};
use flow_table::{Endpoint, FlowId, FlowRecord, ProtocolRow, Side, Span, Timestamp, Uid};

/// Flows that are remembered as announced; of more, the first are forgotten.
const MAX_ANNOUNCED: usize = 1 << 14;
/// Flows whose content may be a file; of more, the rest have none.
const MAX_CARRIED: usize = 1 << 14;
/// How long an announced flow is waited for, as in Zeek.
const PATIENCE: Span = Span::from_mins(5);

const FTP_DATA: Service = Service("ftp-data");

/// Who opens it, where to, and when that was said.
type Announced = (IpAddr, Endpoint, Timestamp);

/// See the module. It is told everything in its order.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    announced: BTreeSet<Announced>,
    in_order: VecDeque<Announced>,
    /// Of announced flows that did not end yet.
    carried: BTreeMap<Uid, Carried>,
    /// The latest file that went there.
    latest: BTreeMap<Endpoint, Transferred>,
}

impl Transfers {
    /// A row is complete: what it says, or is yet to say, of a file.
    pub(super) fn row(&mut self, row: &mut ProtocolRow) {
        match &mut row.record {
            Record::Announced(channel) => self.announce(**channel, row.time),
            Record::Carried(carried) if self.knows(&row.id, carried.first) => {
                let file = Transferred {
                    uid: row.uid,
                    side: carried.side,
                    mime_type: carried.mime_type,
                };
                self.latest.insert(row.id.resp, file);
                if self.carried.len() < MAX_CARRIED || self.carried.contains_key(&row.uid) {
                    self.carried.insert(row.uid, **carried);
                }
            }
            Record::Ftp(ftp) if ftp.transfers() => {
                let file = ftp.transfer.and_then(|to| self.latest.get(&to));
                ftp.file = file.copied();
            }
            _ => {}
        }
    }

    /// A flow ended: names it, if it was announced, and tells of its file.
    pub(super) fn flow(&mut self, record: &mut FlowRecord) -> Option<ProtocolRow> {
        let carried = self.carried.remove(&record.uid);
        if !self.knows(&record.id, record.start) {
            return None;
        }
        let found = std::mem::take(&mut record.services);
        let found = found.as_slice().iter().copied();
        record.services = std::iter::once(FTP_DATA).chain(found).collect();
        let carried = carried?;
        let sent = match carried.side {
            Side::Orig => record.traffic.orig.bytes,
            Side::Resp => record.traffic.resp.bytes,
        };
        let mut file = FileRecord::new(carried.first, carried.side, "FTP_DATA");
        file.mime_type = carried.mime_type;
        let last = carried.last.unwrap_or(record.last);
        file.duration = last.since(carried.first);
        file.missing_bytes = record.missed_bytes;
        file.seen_bytes = sent.saturating_sub(record.missed_bytes);
        file.hashes = carried.hashes;
        if file.missing_bytes == 0 {
            file.digests = carried.digests;
        }
        Some(ProtocolRow {
            time: record.end,
            uid: record.uid,
            seq: u32::MAX,
            id: record.id,
            record: Record::File(Box::new(file)),
        })
    }

    fn announce(&mut self, channel: DataChannel, now: Timestamp) {
        let announced = (channel.orig_h, channel.resp, now);
        if !self.announced.insert(announced) {
            return;
        }
        self.in_order.push_back(announced);
        if self.in_order.len() > MAX_ANNOUNCED
            && let Some(first) = self.in_order.pop_front()
        {
            self.announced.remove(&first);
            self.latest.remove(&first.1);
        }
    }

    /// Whether a flow that began at `start` was announced.
    fn knows(&self, id: &FlowId, start: Timestamp) -> bool {
        if self.announced.is_empty() {
            return false;
        }
        let (orig, resp) = (id.orig.addr, id.resp);
        let before = (orig, resp, Timestamp::ZERO)..=(orig, resp, start);
        let last = self.announced.range(before).next_back();
        last.is_some_and(|(.., when)| start.since(*when) <= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use flow_table::protocol::files::{Digests, Hashes};
    use flow_table::{ConnState, History, IpProto, PerSide, Services, Traffic};

    use super::*;

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

    fn end(host: u8, port: u16) -> Endpoint {
        Endpoint::new([10, 0, 0, host], port)
    }

    /// From host 1 to a port of host 2.
    fn id(port: u16) -> FlowId {
        FlowId {
            orig: end(1, 40_000),
            resp: end(2, port),
            proto: IpProto::TCP,
        }
    }

    fn row(secs: i64, port: u16, record: Record) -> ProtocolRow {
        ProtocolRow {
            time: T0 + Span::from_secs(secs),
            uid: Uid::from_bits(port.into()),
            seq: 0,
            id: id(port),
            record,
        }
    }

    fn announced(secs: i64, port: u16) -> ProtocolRow {
        let channel = DataChannel {
            passive: true,
            orig_h: end(1, 0).addr,
            resp: end(2, port),
        };
        row(secs, 21, Record::Announced(Box::new(channel)))
    }

    fn carried(secs: i64, port: u16) -> ProtocolRow {
        let first = T0 + Span::from_secs(secs);
        let carried = Carried {
            side: Side::Resp,
            first,
            last: Some(first + Span::from_secs(2)),
            mime_type: Some("text/plain"),
            hashes: Hashes::NONE,
            digests: Digests::default(),
        };
        row(secs, port, Record::Carried(Box::new(carried)))
    }

    fn flow(secs: i64, port: u16) -> FlowRecord {
        let start = T0 + Span::from_secs(secs);
        let mut traffic = PerSide::<Traffic>::default();
        traffic.resp.bytes = 100;
        FlowRecord {
            uid: Uid::from_bits(port.into()),
            id: id(port),
            start,
            last: start,
            end: start + Span::from_mins(60),
            traffic,
            state: ConnState::Sf,
            history: History::default(),
            missed_bytes: 30,
            evicted: false,
            parents: Vec::new(),
            services: Services::default(),
            link: None,
        }
    }

    #[test]
    fn only_announced_flows_carry_files() {
        // When a flow is announced and when it begins; where; whether they belong together.
        for (said, began, port, want) in [
            (5, 5, 2_000, true),
            (5, 305, 2_000, true),
            (5, 306, 2_000, false),
            (5, 4, 2_000, false),
            (5, 6, 2_001, false),
        ] {
            let mut transfers = Transfers::default();
            transfers.row(&mut announced(said, 2_000));
            transfers.row(&mut carried(began, port));
            let mut record = flow(began, port);
            let made = transfers.flow(&mut record);
            assert_eq!(made.is_some(), want, "{said} {began} {port}");
            let named = record.services.as_slice() == [FTP_DATA];
            assert_eq!(named, want, "{said} {began} {port}");
            let Some(Record::File(file)) = made.map(|row| row.record) else {
                continue;
            };
            assert_eq!((file.seen_bytes, file.missing_bytes), (70, 30));
            assert_eq!(file.duration, Span::from_secs(2));
        }
    }

    #[test]
    fn digests_are_of_files_without_holes() {
        let digests = Digests {
            md5: Some([7; 16]),
            ..Digests::default()
        };
        for (missed_bytes, want) in [(0, digests), (30, Digests::default())] {
            let mut transfers = Transfers::default();
            transfers.row(&mut announced(5, 2_000));
            let mut row = carried(5, 2_000);
            if let Record::Carried(carried) = &mut row.record {
                carried.digests = digests;
            }
            transfers.row(&mut row);
            let mut record = FlowRecord {
                missed_bytes,
                ..flow(5, 2_000)
            };
            let made = transfers.flow(&mut record).map(|row| row.record);
            let Some(Record::File(file)) = made else {
                panic!("no file")
            };
            assert_eq!(file.digests, want);
        }
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut transfers = Transfers::default();
        for nth in 0..2 * MAX_ANNOUNCED {
            let port = u16::try_from(nth % 60_000).unwrap();
            transfers.row(&mut announced(i64::try_from(nth).unwrap(), port));
            transfers.row(&mut carried(i64::try_from(nth).unwrap(), port));
        }
        assert_eq!(transfers.announced.len(), MAX_ANNOUNCED);
        assert_eq!(transfers.in_order.len(), MAX_ANNOUNCED);
        assert!(transfers.latest.len() <= MAX_ANNOUNCED);
        assert_eq!(transfers.carried.len(), MAX_CARRIED);
    }
}
