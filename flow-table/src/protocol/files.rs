//! Files: what flows carry, told for files.log.
//!
//! One [`Files`] for each flow takes what [`Sink::body`](super::Sink::body) is given, and holds of
//! it the beginning of what each side sends, up to [`mime::LOOK`](super::mime::LOOK) bytes. Bodies
//! are numbered as rows of http.log number them ([`BodyNote`](super::http::BodyNote)): who names
//! files by flow, side and number ([`Uid::file`](crate::Uid::file)) names them alike in both.

mod digests;
mod part;

use serde::{Deserialize, Serialize};

use super::mime::Sniffer;
use super::{Body, BodyHead, Name, Record, Text, names};
use crate::{PerSide, Side, Span, Timestamp};

pub(super) use digests::Hasher;
pub use digests::{Digests, Hashes};
pub use part::{FilePart, Place, Range};

/// Bytes of a file's name that are kept.
pub const MAX_FILENAME: usize = 1_024;

/// A row of files.log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileRecord {
    /// When its first byte was seen.
    pub ts: Timestamp,
    /// Which file of its side it is, from 1: that and the flow name it ([`Uid::file`](crate::Uid::file)).
    pub number: u32,
    /// Where it lies, if it came in parts: then that names it ([`Place::file`]).
    pub place: Option<Place>,
    /// Which part of a mail it is, counting those that hold others; 0 of what is no mail.
    pub depth: u32,
    /// What carried it, as Zeek names its analyzers.
    #[serde(with = "names::source")]
    pub source: Name,
    /// What it is, by how it begins.
    #[serde(with = "names::media_type")]
    pub mime_type: Option<Name>,
    /// The name it is to be saved under.
    pub filename: Option<Text>,
    /// From its first byte to its last.
    pub duration: Span,
    /// The originator sent it.
    pub is_orig: bool,
    /// Bytes that were seen.
    pub seen_bytes: u64,
    /// Bytes that it was said to have.
    pub total_bytes: Option<u64>,
    /// Bytes that were missed.
    pub missing_bytes: u64,
    /// Bytes beyond what can be looked at: there are none.
    pub overflow_bytes: u64,
    /// It was not ended but given up.
    pub timedout: bool,
    /// Which digests were begun.
    pub hashes: Hashes,
    /// Those of a file that is whole.
    pub digests: Digests,
}

impl FileRecord {
    /// The first file that `side` sends, of which nothing was seen yet.
    pub const fn new(ts: Timestamp, side: Side, source: &'static str) -> Self {
        Self {
            ts,
            number: 1,
            place: None,
            depth: 0,
            source,
            mime_type: None,
            filename: None,
            duration: Span::ZERO,
            is_orig: matches!(side, Side::Orig),
            seen_bytes: 0,
            total_bytes: None,
            missing_bytes: 0,
            overflow_bytes: 0,
            timedout: false,
            hashes: Hashes::NONE,
            digests: Digests::NONE,
        }
    }
}

/// A file under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct File {
    row: Box<FileRecord>,
    last: Timestamp,
    sniffer: Sniffer,
    /// Does not outlive the run.
    #[serde(skip)]
    hasher: Option<Box<Hasher>>,
}

impl File {
    fn held(&self) -> usize {
        let name = self.row.filename.as_ref().map_or(0, |name| name.len());
        let hasher = self.hasher.as_ref().map_or(0, |_| size_of::<Hasher>());
        size_of::<FileRecord>() + name + hasher + self.sniffer.held()
    }
}

/// What one side sends.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Half {
    count: u32,
    file: Option<File>,
    /// Of a file that comes in parts.
    part: Option<Box<FilePart>>,
}

/// The files of one flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Files {
    hashes: Hashes,
    halves: PerSide<Half>,
}

impl Files {
    /// Of a flow that carried none yet.
    pub fn new(hashes: Hashes) -> Self {
        Self {
            hashes,
            halves: PerSide::default(),
        }
    }

    /// Takes a part of a body; the row of a file that ended, or a part of one.
    pub fn body(&mut self, side: Side, ts: Timestamp, part: Body<'_>) -> Option<Record> {
        match part {
            Body::Begin(head) => {
                let before = self.end_as(side, Ended::GivenUp);
                self.begin(side, ts, &head);
                before
            }
            Body::Data(bytes) => {
                self.data(side, ts, bytes);
                None
            }
            Body::Gap(len) => self.gap(side, ts, len),
            Body::End => self.end_as(side, Ended::Whole),
            Body::Cut => self.end_as(side, Ended::Cut),
        }
    }

    fn begin(&mut self, side: Side, ts: Timestamp, head: &BodyHead<'_>) {
        let number = self.next_number(side);
        let half = self.halves.get_mut(side);
        if let Some(range) = head.range {
            let mut part = Box::new(FilePart::new(head, range, side, ts));
            part.number = number;
            half.part = Some(part);
            return;
        }
        let mut row = Box::new(FileRecord::new(ts, side, head.source));
        row.number = number;
        row.depth = head.depth;
        row.total_bytes = head.length;
        row.filename = head.filename.map(short);
        row.hashes = self.hashes;
        half.file = Some(File {
            row,
            last: ts,
            sniffer: Sniffer::of(head),
            hasher: Hasher::new(self.hashes),
        });
    }

    fn gap(&mut self, side: Side, ts: Timestamp, len: u64) -> Option<Record> {
        let half = self.halves.get_mut(side);
        if let Some(file) = &mut half.file {
            file.sniffer.end();
            file.row.missing_bytes = file.row.missing_bytes.saturating_add(len);
        }
        let before = half.part.as_mut().and_then(|part| part.gap(ts, len));
        before.map(|part| Record::Part(Box::new(part)))
    }

    fn next_number(&mut self, side: Side) -> u32 {
        let half = self.halves.get_mut(side);
        half.count = half.count.saturating_add(1);
        half.count
    }

    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8]) {
        let half = self.halves.get_mut(side);
        if let Some(part) = &mut half.part {
            part.data(ts, bytes);
        }
        if let Some(file) = &mut half.file {
            file.last = ts;
            file.row.seen_bytes = file.row.seen_bytes.saturating_add(bytes.len() as u64);
            file.sniffer.data(bytes);
            if let Some(hasher) = &mut file.hasher {
                hasher.data(bytes);
            }
        }
    }

    fn end_as(&mut self, side: Side, ended: Ended) -> Option<Record> {
        if let Some(part) = self.halves.get_mut(side).part.take() {
            return Some(Record::Part(part));
        }
        let File {
            mut row,
            last,
            mut sniffer,
            hasher,
        } = self.halves.get_mut(side).file.take()?;
        row.mime_type = sniffer.end();
        row.duration = last.since(row.ts);
        let is_short = row.total_bytes.is_some_and(|total| row.seen_bytes < total);
        row.timedout = match ended {
            Ended::Whole | Ended::Cut => false,
            Ended::GivenUp => true,
            Ended::WithFlow => is_short,
        };
        let is_whole = ended == Ended::Whole && !is_short && row.missing_bytes == 0;
        if let Some(hasher) = hasher.filter(|_| is_whole) {
            row.digests = hasher.end();
        }
        Some(Record::File(row))
    }

    /// The flow ended: rows of files that did not.
    pub fn finish(&mut self) -> impl Iterator<Item = Record> {
        let sides = [Side::Orig, Side::Resp];
        let left = sides.map(|side| self.end_as(side, Ended::WithFlow));
        left.into_iter().flatten()
    }

    /// Files that `side` has begun to send.
    pub const fn count(&self, side: Side) -> u32 {
        self.halves.of(side).count
    }

    /// Bytes held for what is to come, about.
    pub fn held(&self) -> usize {
        let part = |part: &FilePart| size_of::<FilePart>() + part.beginning.len();
        let held = |half: &Half| {
            half.file.as_ref().map_or(0, File::held) + half.part.as_deref().map_or(0, part)
        };
        held(&self.halves.orig) + held(&self.halves.resp)
    }
}

/// How a file ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Whole,
    /// Nobody knows whether that was all.
    Cut,
    /// Another began.
    GivenUp,
    WithFlow,
}

/// As much of a name as is kept.
fn short(name: &[u8]) -> Text {
    name.get(..MAX_FILENAME).unwrap_or(name).into()
}

#[cfg(test)]
mod tests;
