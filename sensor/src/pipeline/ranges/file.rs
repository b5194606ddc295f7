//! A file of which parts came.

use std::collections::BTreeMap;

use flow_table::protocol::Record;
use flow_table::protocol::files::{FilePart, FileRecord};
use flow_table::protocol::mime::{self, LOOK};
use flow_table::{FlowId, ProtocolRow, Timestamp, Uid};

/// Flows that have a row for the file; the rest have none.
const MAX_FLOWS: usize = 64;
/// Parts that wait for what is before them; of more, what is missing stays so.
const MAX_WAITING: usize = 256;
/// Bytes that may wait, as in Zeek.
const MAX_BYTES: u64 = 512 * 1024;

/// See the module. Parts count from the beginning of the file on, so what came too early waits.
#[derive(Debug)]
pub(super) struct Joined {
    row: Box<FileRecord>,
    flows: Vec<(Uid, FlowId)>,
    last: Timestamp,
    /// Up to where it was seen, or is missing.
    done: u64,
    /// What is further on, from where to where, and how it begins.
    waiting: BTreeMap<u64, (u64, Vec<u8>)>,
    /// Nothing ever had to wait. Once something did, what is missing is found out only at the end.
    in_order: bool,
    beginning: Vec<u8>,
}

impl Joined {
    /// Of which nothing was seen yet.
    pub(super) fn new(part: &FilePart) -> Self {
        let mut row = Box::new(FileRecord::new(part.first, part.side, part.source));
        (row.number, row.place) = (part.number, part.range.of);
        row.timedout = true;
        row.filename.clone_from(&part.filename);
        Self {
            row,
            flows: Vec::new(),
            last: part.last,
            done: 0,
            waiting: BTreeMap::new(),
            in_order: true,
            beginning: Vec::new(),
        }
    }

    /// When the last part came.
    pub(super) const fn last(&self) -> Timestamp {
        self.last
    }

    /// Whether the last part made it whole.
    pub(super) const fn is_whole(&self) -> bool {
        !self.row.timedout
    }

    pub(super) fn take(&mut self, row: &ProtocolRow, part: &FilePart) {
        let flow = (row.uid, row.id);
        if self.flows.len() < MAX_FLOWS && !self.flows.contains(&flow) {
            self.flows.push(flow);
        }
        self.row.ts = self.row.ts.min(part.first);
        self.last = self.last.max(part.last);
        self.row.total_bytes = part.range.whole.or(self.row.total_bytes);
        let at = part.range.at.unwrap_or(self.done);
        let from = at.saturating_add(part.gap);
        if at == self.done && self.in_order {
            self.skip(from);
        }
        self.in_order &= from == self.done;
        self.put(from, from.saturating_add(part.len), &part.beginning);
        // As in Zeek, what is missing makes no file whole.
        let total = self.row.total_bytes.filter(|_| part.len > 0);
        self.row.timedout = total.is_none_or(|total| self.done < total);
        let bytes: u64 = self.waiting.iter().map(|(at, (end, _))| end - at).sum();
        if self.waiting.len() > MAX_WAITING || bytes > MAX_BYTES {
            let missing = self.flush();
            self.row.overflow_bytes = self.row.overflow_bytes.saturating_add(missing);
        }
    }

    /// Takes what lies between two places, but what is there already.
    fn put(&mut self, at: u64, end: u64, beginning: &[u8]) {
        let mut from = at.max(self.done);
        while from < end {
            let before = self.waiting.range(..=from).next_back();
            if let Some((_, (until, _))) = before.filter(|(_, (until, _))| *until > from) {
                from = *until;
                continue;
            }
            let next = self.waiting.range(from..end).next().map(|(next, _)| *next);
            let until = next.unwrap_or(end);
            let cut = usize::try_from(from - at).unwrap_or(usize::MAX);
            let bytes = beginning.get(cut..).unwrap_or_default().to_vec();
            self.waiting.insert(from, (until, bytes));
            from = until;
        }
        self.deliver();
    }

    /// Takes in what is next.
    fn deliver(&mut self) {
        while let Some(next) = self.waiting.first_entry()
            && *next.key() <= self.done
        {
            let (at, (end, bytes)) = next.remove_entry();
            self.row.seen_bytes = self.row.seen_bytes.saturating_add(end - at);
            if self.row.missing_bytes == 0 {
                let room = LOOK - self.beginning.len();
                self.beginning
                    .extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            }
            self.done = end;
        }
    }

    /// Takes in all that waits, with what is missing before it; how much that is.
    fn flush(&mut self) -> u64 {
        let before = self.row.missing_bytes;
        while let Some((at, _)) = self.waiting.first_key_value() {
            let at = *at;
            self.skip(at);
            self.deliver();
        }
        self.row.missing_bytes - before
    }

    fn skip(&mut self, to: u64) {
        let missing = to.saturating_sub(self.done);
        self.row.missing_bytes = self.row.missing_bytes.saturating_add(missing);
        self.done = self.done.max(to);
    }

    /// It ends as it is: its rows.
    pub(super) fn end(mut self, time: Timestamp, rows: &mut Vec<ProtocolRow>) {
        self.flush();
        self.row.duration = self.last.since(self.row.ts);
        self.row.mime_type = mime::sniff(&self.beginning);
        rows.extend(self.flows.into_iter().map(|(uid, id)| ProtocolRow {
            time,
            uid,
            seq: u32::MAX,
            id,
            record: Record::File(self.row.clone()),
        }));
    }
}
