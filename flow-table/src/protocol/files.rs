//! Files: what flows carry, told for files.log.
//!
//! One [`Files`] for each flow takes what [`Sink::body`](super::Sink::body) is given, and holds of
//! it the beginning of what each side sends, up to [`mime::LOOK`](super::mime::LOOK) bytes. Bodies
//! are numbered as rows of http.log number them ([`BodyNote`](super::http::BodyNote)): who names
//! files by flow, side and number ([`Uid::file`](crate::Uid::file)) names them alike in both.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::mime::Sniffer;
use super::tls::hex;
use super::{Body, Text};
use crate::{PerSide, Side, Span, Timestamp};

/// Bytes of a file's name that are kept.
pub const MAX_FILENAME: usize = 1_024;

/// A row of files.log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRecord {
    /// When its first byte was seen.
    pub ts: Timestamp,
    /// Which file of its side it is, from 1: that and the flow name it ([`Uid::file`](crate::Uid::file)).
    pub number: u32,
    /// Which part of a mail it is, counting those that hold others; 0 of what is no mail.
    pub depth: u32,
    /// What carried it, as Zeek names its analyzers.
    pub source: &'static str,
    /// What it is, by how it begins.
    pub mime_type: Option<&'static str>,
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
    /// MD5 of a file that is whole.
    pub md5: Option<String>,
    /// SHA-1 of a file that is whole.
    pub sha1: Option<String>,
    /// SHA-256 of a file that is whole.
    pub sha256: Option<String>,
}

impl FileRecord {
    /// The first file that `side` sends, of which nothing was seen yet.
    pub const fn new(ts: Timestamp, side: Side, source: &'static str) -> Self {
        Self {
            ts,
            number: 1,
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
            md5: None,
            sha1: None,
            sha256: None,
        }
    }
}

/// Which digests are made of files: they cost more than all the rest.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Hashes {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
}

/// Digests under way.
#[derive(Clone, Default, Debug)]
struct Digests {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Digests {
    fn new(hashes: Hashes) -> Option<Box<Self>> {
        let any = hashes.md5 || hashes.sha1 || hashes.sha256;
        any.then(|| {
            Box::new(Self {
                md5: hashes.md5.then(Md5::new),
                sha1: hashes.sha1.then(Sha1::new),
                sha256: hashes.sha256.then(Sha256::new),
            })
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    fn put(self, row: &mut FileRecord) {
        row.md5 = self.md5.map(|md5| hex(&md5.finalize()));
        row.sha1 = self.sha1.map(|sha1| hex(&sha1.finalize()));
        row.sha256 = self.sha256.map(|sha256| hex(&sha256.finalize()));
    }
}

/// A file under way.
#[derive(Clone, Debug)]
struct File {
    row: Box<FileRecord>,
    last: Timestamp,
    sniffer: Sniffer,
    digests: Option<Box<Digests>>,
}

impl File {
    fn held(&self) -> usize {
        let name = self.row.filename.as_ref().map_or(0, |name| name.len());
        let digests = self.digests.as_ref().map_or(0, |_| size_of::<Digests>());
        size_of::<FileRecord>() + name + digests + self.sniffer.held()
    }
}

/// What one side sends.
#[derive(Clone, Default, Debug)]
struct Half {
    count: u32,
    file: Option<File>,
}

/// The files of one flow.
#[derive(Clone, Debug)]
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

    /// Takes a part of a body; the row of a file that ended.
    pub fn body(&mut self, side: Side, ts: Timestamp, part: Body<'_>) -> Option<Box<FileRecord>> {
        match part {
            Body::Begin(head) => {
                let mut before = self.end(side);
                if let Some(row) = &mut before {
                    row.timedout = true;
                }
                let mut row = Box::new(FileRecord::new(ts, side, head.source));
                row.number = self.next_number(side);
                row.depth = head.depth;
                row.total_bytes = head.length;
                row.filename = head.filename.map(|name| {
                    let short = name.get(..MAX_FILENAME);
                    short.unwrap_or(name).into()
                });
                self.halves.get_mut(side).file = Some(File {
                    row,
                    last: ts,
                    sniffer: Sniffer::of(&head),
                    digests: Digests::new(self.hashes),
                });
                before
            }
            Body::Data(bytes) => {
                self.data(side, ts, bytes);
                None
            }
            Body::Gap(len) => {
                if let Some(file) = &mut self.halves.get_mut(side).file {
                    file.sniffer.end();
                    file.row.missing_bytes = file.row.missing_bytes.saturating_add(len);
                }
                None
            }
            Body::End => self.end(side),
        }
    }

    fn next_number(&mut self, side: Side) -> u32 {
        let half = self.halves.get_mut(side);
        half.count = half.count.saturating_add(1);
        half.count
    }

    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8]) {
        if let Some(file) = &mut self.halves.get_mut(side).file {
            file.last = ts;
            file.row.seen_bytes = file.row.seen_bytes.saturating_add(bytes.len() as u64);
            file.sniffer.data(bytes);
            if let Some(digests) = &mut file.digests {
                digests.update(bytes);
            }
        }
    }

    fn end(&mut self, side: Side) -> Option<Box<FileRecord>> {
        let mut file = self.halves.get_mut(side).file.take()?;
        let row = &mut file.row;
        row.mime_type = file.sniffer.end();
        row.duration = file.last.since(row.ts);
        if let Some(digests) = file.digests.filter(|_| row.missing_bytes == 0) {
            digests.put(row);
        }
        Some(file.row)
    }

    /// The flow ended: rows of files that did not.
    pub fn finish(&mut self) -> impl Iterator<Item = Box<FileRecord>> {
        let left = [self.end(Side::Orig), self.end(Side::Resp)];
        left.into_iter().flatten().map(|mut row| {
            row.timedout = row.total_bytes.is_some_and(|total| row.seen_bytes < total);
            row
        })
    }

    /// Files that `side` has begun to send.
    pub const fn count(&self, side: Side) -> u32 {
        match side {
            Side::Orig => self.halves.orig.count,
            Side::Resp => self.halves.resp.count,
        }
    }

    /// Bytes held for what is to come, about.
    pub fn held(&self) -> usize {
        let held = |half: &Half| half.file.as_ref().map_or(0, File::held);
        held(&self.halves.orig) + held(&self.halves.resp)
    }
}

#[cfg(test)]
mod tests;
