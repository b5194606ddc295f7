//! Files that come in parts: who asks for ranges of one gets them in several answers, often of
//! several flows, which may belong to several shards. They are joined here, where everything has one
//! order. As in Zeek a file ends when it is whole, or when nothing of it came for a while, and has a
//! row for each flow that brought some of it.

mod file;

use std::collections::{BTreeMap, BTreeSet};

use flow_table::protocol::Record;
use flow_table::protocol::files::FilePart;
use flow_table::{ProtocolRow, Span, Timestamp};

use file::Joined;

/// Files that are waited for at a time; of more, that of which nothing came for longest ends.
const MAX_FILES: usize = 1 << 10;
/// How long the next part of a file is waited for, as in Zeek.
const PATIENCE: Span = Span::from_mins(2);

/// The file's name in files.log.
type Name = [u8; 18];

/// See the module. It is told everything in its order.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    files: BTreeMap<Name, Joined>,
    /// By when they end.
    due: BTreeSet<(Timestamp, Name)>,
    /// The latest time of anything.
    latest: Timestamp,
}

impl Ranges {
    /// Takes a row that may be a part of a file; `ended` gets the rows of files that end before.
    pub(super) fn row(&mut self, row: &ProtocolRow, ended: &mut Vec<ProtocolRow>) {
        self.reach(row.time);
        self.advance(row.time, ended);
        let Record::Part(part) = &row.record else {
            return;
        };
        let name = name(row, part);
        let file = self.files.entry(name).or_insert_with(|| Joined::new(part));
        self.due.remove(&(file.last() + PATIENCE, name));
        file.take(row, part);
        if file.is_whole() {
            self.end(name, row.time, ended);
            return;
        }
        self.due.insert((file.last() + PATIENCE, name));
        if self.files.len() > MAX_FILES
            && let Some((_, first)) = self.due.pop_first()
        {
            self.end(first, row.time, ended);
        }
    }

    /// Something happened then.
    pub(super) fn reach(&mut self, time: Timestamp) {
        self.latest = self.latest.max(time);
    }

    /// Nothing before `now` comes any more.
    pub(super) fn advance(&mut self, now: Timestamp, ended: &mut Vec<ProtocolRow>) {
        while let Some((due, name)) = self.due.first().copied()
            && due < now
        {
            self.due.pop_first();
            self.end(name, due, ended);
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, ended: &mut Vec<ProtocolRow>) {
        for (due, name) in std::mem::take(&mut self.due) {
            self.end(name, due.min(self.latest), ended);
        }
    }

    fn end(&mut self, name: Name, time: Timestamp, ended: &mut Vec<ProtocolRow>) {
        if let Some(file) = self.files.remove(&name) {
            file.end(time, ended);
        }
    }
}

/// Whatever flows a file comes in, its name is the same.
fn name(row: &ProtocolRow, part: &FilePart) -> Name {
    match part.range.of {
        Some(place) => place.file(row.id.orig.addr),
        None => row.uid.file(part.side, part.number),
    }
}

#[cfg(test)]
mod tests;
