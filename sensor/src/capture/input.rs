//! Capture files and standard input, plain or compressed, one after the other, as blocks.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flow_table::Timestamp;

use super::format::{Format, MAGIC_LEN, MAX_RECORD, Walk, walk};
use super::{Block, CaptureError};
use crate::progress::Live;

/// Bytes read at once: enough that reading costs little, few enough to stay in the cache.
const BLOCK_BYTES: usize = 256 * 1024;

/// All captures of a run.
pub(crate) struct Input {
    paths: std::vec::IntoIter<PathBuf>,
    open: Option<OpenFile>,
    /// Packet time: the latest timestamp of all files so far.
    now: Timestamp,
    first: Option<Timestamp>,
    blocks: u64,
    problems: Vec<CaptureError>,
    live: Arc<Live>,
}

struct OpenFile {
    path: String,
    reader: Box<dyn Read + Send>,
    format: Option<Format>,
    /// Bytes read but not walked over yet.
    carry: Vec<u8>,
    /// Bytes that must be there before a walk gets any further.
    wanted: usize,
    /// Place of `carry` in the uncompressed file.
    offset: u64,
    records: u64,
    unknown_links: BTreeSet<u32>,
    problems: Vec<CaptureError>,
}

impl Input {
    /// The captures at `paths`, in this order; `-` is standard input. `live` hears of the bytes
    /// read from disk.
    pub(crate) fn new(paths: Vec<PathBuf>, live: Arc<Live>) -> Self {
        Self {
            paths: paths.into_iter(),
            open: None,
            now: Timestamp::ZERO,
            first: None,
            blocks: 0,
            problems: Vec::new(),
            live,
        }
    }

    /// Reads the next block. Returns whether there was one; problems are kept, and whatever came
    /// before them is delivered.
    pub(crate) fn read(&mut self, block: &mut Block) -> bool {
        block.clear();
        while block.records.is_empty() {
            // What a file without packets left is not the next one's.
            block.clear();
            let Some(mut file) = self.open.take().or_else(|| self.open_next()) else {
                return false;
            };
            let more = file.read(block);
            self.problems.append(&mut file.problems);
            match more {
                Ok(true) => self.open = Some(file),
                Ok(false) => {}
                Err(problem) => self.problems.push(problem),
            }
        }
        self.now = block.tell_time(self.now);
        self.first = self.first.or(block.records.first().map(|record| record.ts));
        block.number = self.blocks;
        self.blocks += 1;
        true
    }

    fn open_next(&mut self) -> Option<OpenFile> {
        loop {
            let path = self.paths.next()?;
            match OpenFile::open(&path, &self.live) {
                Ok(file) => return Some(file),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// How many blocks were read.
    pub(crate) const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Packet time at the end.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Timestamp of the first packet.
    pub(crate) const fn first(&self) -> Option<Timestamp> {
        self.first
    }

    /// What could not be read.
    pub(crate) fn into_problems(self) -> Vec<CaptureError> {
        self.problems
    }
}

impl OpenFile {
    fn open(path: &Path, live: &Arc<Live>) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        let failed = |source| CaptureError::Open {
            path: name.clone(),
            source,
        };
        let reader = super::file::open(path, live).map_err(failed)?;
        let Some(reader) = reader else {
            return Err(CaptureError::Empty { path: name });
        };
        Ok(Self {
            path: name,
            reader,
            format: None,
            carry: Vec::new(),
            wanted: MAGIC_LEN,
            offset: 0,
            records: 0,
            unknown_links: BTreeSet::new(),
            problems: Vec::new(),
        })
    }

    /// Fills `block`. Returns whether there may be more.
    fn read(&mut self, block: &mut Block) -> Result<bool, CaptureError> {
        block.bytes.put(&self.carry);
        self.carry.clear();
        let target = BLOCK_BYTES.max(self.wanted);
        let at_end = match block.bytes.fill(&mut self.reader, target) {
            Ok(all) => !all,
            Err(source) => {
                // What was read before the failure still counts.
                let walked = self.walk(block).map_or(0, |walked| walked.consumed);
                return Err(CaptureError::Read {
                    path: self.path.clone(),
                    offset: self.offset + walked as u64,
                    source,
                });
            }
        };
        let walked = self.walk(block)?;
        self.offset += walked.consumed as u64;
        self.carry
            .extend_from_slice(block.bytes.get(walked.consumed..).unwrap_or_default());
        block.bytes.truncate(walked.consumed);
        if let Some(broken) = walked.broken {
            return Err(CaptureError::Broken {
                path: self.path.clone(),
                record: self.records + 1,
                offset: self.offset,
                what: broken.0,
            });
        }
        if walked.wanted > MAX_RECORD {
            return Err(self.too_large(walked.wanted));
        }
        if at_end && !self.carry.is_empty() {
            return Err(self.truncated(walked.wanted, self.carry.len() as u64));
        }
        self.wanted = usize::try_from(walked.wanted).unwrap_or(usize::MAX);
        Ok(!at_end)
    }

    fn walk(&mut self, block: &mut Block) -> Result<Walk, CaptureError> {
        if self.format.is_none() {
            let magic = block
                .bytes
                .get(..MAGIC_LEN)
                .and_then(|magic| magic.try_into().ok());
            self.format = magic.and_then(Format::of);
        }
        let Some(format) = &mut self.format else {
            if block.bytes.is_empty() {
                return Err(CaptureError::Empty {
                    path: self.path.clone(),
                });
            }
            let first: Vec<String> = block
                .bytes
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            return Err(CaptureError::NoCapture {
                path: self.path.clone(),
                found: first.join(" "),
            });
        };
        let walked = walk(format, block);
        self.note_unknown_links(block);
        self.records += block.records.len() as u64;
        Ok(walked)
    }

    /// Tells each link type that cannot be read once.
    fn note_unknown_links(&mut self, block: &Block) {
        for (number, record) in (self.records + 1..).zip(&block.records) {
            if record.link.is_none() && self.unknown_links.insert(record.link_number) {
                self.problems.push(CaptureError::UnknownLink {
                    path: self.path.clone(),
                    record: number,
                    offset: self.offset + record.start as u64,
                    number: record.link_number,
                });
            }
        }
    }

    fn truncated(&self, claimed: u64, left: u64) -> CaptureError {
        CaptureError::Truncated {
            path: self.path.clone(),
            record: self.records + 1,
            offset: self.offset,
            claimed,
            left,
        }
    }

    /// A claim beyond any packet: is there as much left at all?
    fn too_large(&mut self, claimed: u64) -> CaptureError {
        let left = self.carry.len() as u64;
        let missing = (&mut self.reader).take(claimed.saturating_sub(left));
        let more = io::copy(&mut { missing }, &mut io::sink()).unwrap_or(0);
        if left + more < claimed {
            return self.truncated(claimed, left + more);
        }
        CaptureError::TooLarge {
            path: self.path.clone(),
            record: self.records + 1,
            offset: self.offset,
            claimed,
            limit: MAX_RECORD,
        }
    }
}
