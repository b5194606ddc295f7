//! MIME: content in parts, each with headers of its own (RFC 2045, RFC 2046).
//!
//! Parts are told as bodies, once what they were encoded with for the way is taken off. Of a part
//! nothing is held but its headers and the beginning of a line that may be a boundary.

mod decode;

use serde::{Deserialize, Serialize};

use super::files::Range;
use super::lines::TextLines;
use super::{Body, BodyHead, Text};

use decode::{Coding, Decoder};

/// Parts within parts.
pub(super) const MAX_DEPTH: usize = 100;
/// Bytes of a header that are looked at.
const MAX_HEADER: usize = 4_096;
/// Bytes of a boundary (RFC 2046, 5.1.1 allows 70).
const MAX_BOUNDARY: usize = 256;

/// What a part's headers say.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Head {
    filename: Option<Text>,
    content_type: Option<Text>,
    length: Option<u64>,
    /// Where in a file it begins, and how long that is.
    range: Option<(u64, Option<u64>)>,
    coding: Coding,
}

/// What is read at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum State {
    Headers,
    /// At the beginning of a line of content.
    LineStart,
    Line,
}

/// Content that comes in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entity {
    /// Boundaries of the parts we are in, outermost first, and how deep these are.
    boundaries: Vec<(Vec<u8>, usize)>,
    /// How many entities we are in.
    depth: usize,
    /// Which entity of the content this is, from 1: what Zeek calls its depth.
    number: u32,
    state: State,
    lines: TextLines,
    header: Vec<u8>,
    head: Head,
    /// The beginning of a line that may be a boundary.
    held: Vec<u8>,
    /// The end of the line before, which belongs to a boundary if one follows.
    end_of_line: Vec<u8>,
    /// Between parts.
    idle: bool,
    told: bool,
    /// Some of the part may have been lost.
    damaged: bool,
    decoder: Decoder,
    /// Its parts are parts of a file.
    range: Option<Range>,
}

/// Who takes parts.
type Take<'a> = &'a mut dyn FnMut(Body<'_>);

impl Entity {
    /// Content that begins with headers.
    pub(super) fn new() -> Self {
        Self {
            boundaries: Vec::new(),
            depth: 1,
            number: 1,
            state: State::Headers,
            lines: TextLines::default(),
            header: Vec::new(),
            head: Head::default(),
            held: Vec::new(),
            end_of_line: Vec::new(),
            idle: false,
            told: false,
            damaged: false,
            decoder: Decoder::default(),
            range: None,
        }
    }

    /// Content whose type was told elsewhere; `None` if it is not in parts. Parts of one file
    /// (RFC 9110, 14.6) have to be expected.
    pub(super) fn of_type(content_type: &[u8], range: Option<Range>) -> Option<Self> {
        let mut entity = Self::new();
        entity.range = range;
        let lower = content_type.to_ascii_lowercase();
        if lower.starts_with(b"message/rfc822") {
            return Some(entity);
        }
        let boundary = boundary(content_type)?;
        if range.is_none() && lower.starts_with(b"multipart/byteranges") {
            return None;
        }
        entity.boundaries.push((boundary, 1));
        entity.idle = true;
        entity.state = State::LineStart;
        Some(entity)
    }

    pub(super) fn held(&self) -> usize {
        let boundaries: usize = self.boundaries.iter().map(|(text, _)| text.len()).sum();
        boundaries + self.lines.held() + self.header.len() + self.held.len()
    }

    /// Takes the next bytes; `take` gets what parts there are.
    pub(super) fn data(&mut self, mut bytes: &[u8], take: Take<'_>) {
        while !bytes.is_empty() {
            let used = match self.state {
                State::Headers => {
                    let (line, used) = self.lines.next(bytes, MAX_HEADER);
                    if let Some(line) = line {
                        self.header_line(&line);
                    }
                    used
                }
                State::LineStart => self.line_start(bytes, take),
                State::Line => self.line(bytes, take),
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Some of it is missing.
    pub(super) fn gap(&mut self, len: u64, take: Take<'_>) {
        self.lose();
        self.held.clear();
        self.end_of_line.clear();
        if self.told {
            take(Body::Gap(len));
        }
    }

    /// Some of it may be lost, nobody knows how much.
    pub(super) const fn lose(&mut self) {
        self.damaged = true;
    }

    /// There is no more.
    pub(super) fn end(&mut self, take: Take<'_>) {
        let held = std::mem::take(&mut self.held);
        if self.boundary(&held).is_none() {
            self.content(&held, take);
            if self.boundaries.is_empty() {
                self.flush_end_of_line(take);
            }
        }
        self.end_part(take);
        self.idle = true;
    }

    fn header_line(&mut self, line: &[u8]) {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let header = std::mem::take(&mut self.header);
            self.head.header(&header);
        }
        if line.is_empty() {
            return self.begin_content();
        }
        let room = MAX_HEADER.saturating_sub(self.header.len());
        self.header
            .extend_from_slice(line.get(..room).unwrap_or(line));
    }

    /// The headers of a part are over.
    fn begin_content(&mut self) {
        self.state = State::LineStart;
        self.decoder = Decoder::new(self.head.coding);
        let kind = self.head.content_type.as_deref().unwrap_or_default();
        let holds = kind.to_ascii_lowercase().starts_with(b"message/rfc822");
        let boundary = boundary(kind);
        if self.depth >= MAX_DEPTH && (holds || boundary.is_some()) {
            // Nobody will open what is in there.
            self.idle = true;
        } else if let Some(boundary) = boundary {
            self.depth += 1;
            self.boundaries.push((boundary, self.depth));
            self.idle = true;
        } else if holds {
            self.depth += 1;
            self.begin_entity();
        }
    }

    /// Whether the line that begins with these bytes is a boundary: of which part, and whether it
    /// is the last of its parts.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.trim_ascii_end().strip_prefix(b"--")?;
        // Inner ones may begin as outer ones do.
        self.boundaries
            .iter()
            .enumerate()
            .rev()
            .find_map(
                |(nth, (boundary, _))| match line.strip_prefix(boundary.as_slice())? {
                    b"" => Some((nth, false)),
                    b"--" => Some((nth, true)),
                    _ => None,
                },
            )
    }

    /// At the beginning of a line: how many bytes were used.
    fn line_start(&mut self, bytes: &[u8], take: Take<'_>) -> usize {
        let end = memchr::memchr(b'\n', bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let room = (MAX_BOUNDARY + 8).saturating_sub(self.held.len());
        let part = part.get(..room).unwrap_or(part);
        self.held.extend_from_slice(part);
        let start = self.held.get(..2).unwrap_or(&self.held);
        let none = self.boundaries.is_empty() || !b"--".starts_with(start);
        if none || part.len() == room {
            let held = std::mem::take(&mut self.held);
            self.state = State::Line;
            self.content_with_end(&held, take);
            return part.len();
        }
        if end.is_none() {
            return part.len();
        }
        let line = std::mem::take(&mut self.held);
        if let Some((nth, last)) = self.boundary(&line) {
            self.at_boundary(nth, last, take);
        } else {
            self.content_with_end(&line, take);
            self.line_feed(take);
        }
        part.len() + 1
    }

    /// Takes content of which a CR at its end may belong to the end of the line.
    fn content_with_end(&mut self, bytes: &[u8], take: Take<'_>) {
        let body = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.content(body, take);
        if body.len() < bytes.len() {
            self.flush_end_of_line(take);
            self.end_of_line.push(b'\r');
        }
    }

    /// Within a line: how many bytes were used.
    fn line(&mut self, bytes: &[u8], take: Take<'_>) -> usize {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.content_with_end(bytes, take);
            return bytes.len();
        };
        let (line, _) = bytes.split_at_checked(end).unwrap_or_default();
        if !line.is_empty() {
            self.content_with_end(line, take);
        }
        self.line_feed(take);
        self.state = State::LineStart;
        end + 1
    }

    fn line_feed(&mut self, take: Take<'_>) {
        if self.end_of_line.ends_with(b"\n") {
            self.flush_end_of_line(take);
        }
        self.end_of_line.push(b'\n');
        // There is no boundary that it could belong to.
        if self.boundaries.is_empty() {
            self.flush_end_of_line(take);
        }
    }

    fn at_boundary(&mut self, nth: usize, last: bool, take: Take<'_>) {
        self.end_part(take);
        if let Some((_, depth)) = self.boundaries.get(nth) {
            self.depth = *depth;
        }
        self.boundaries.truncate(if last { nth } else { nth + 1 });
        self.idle = last;
        if last {
            self.state = State::LineStart;
        } else {
            self.begin_entity();
        }
    }

    fn begin_entity(&mut self) {
        self.number = self.number.saturating_add(1);
        self.head = Head::default();
        self.damaged = false;
        self.state = State::Headers;
    }

    /// Takes content, after the end of the line before it.
    fn content(&mut self, bytes: &[u8], take: Take<'_>) {
        if !bytes.is_empty() {
            self.flush_end_of_line(take);
            self.tell(bytes, take);
        }
    }

    fn flush_end_of_line(&mut self, take: Take<'_>) {
        let end = std::mem::take(&mut self.end_of_line);
        self.tell(&end, take);
    }

    fn tell(&mut self, bytes: &[u8], take: Take<'_>) {
        if self.idle || bytes.is_empty() {
            return;
        }
        let head = BodyHead {
            source: "SMTP",
            length: self.head.length,
            filename: self.head.filename.as_deref(),
            content_type: self.head.content_type.as_deref(),
            depth: self.number,
            range: self.range.map(|range| Range {
                at: self.head.range.map(|(at, _)| at),
                whole: self.head.range.and_then(|(_, whole)| whole),
                ..range
            }),
        };
        let told = &mut self.told;
        self.decoder.data(bytes, |bytes| {
            if bytes.is_empty() {
                return;
            }
            if !std::mem::replace(told, true) {
                take(Body::Begin(head));
            }
            take(Body::Data(bytes));
        });
    }

    fn end_part(&mut self, take: Take<'_>) {
        self.end_of_line.clear();
        if std::mem::take(&mut self.told) {
            let is_cut = self.damaged || !self.decoder.is_whole();
            take(if is_cut { Body::Cut } else { Body::End });
        }
    }
}

impl Head {
    fn header(&mut self, header: &[u8]) {
        let mut parts = header.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return;
        };
        let value = value.trim_ascii();
        match name.trim_ascii_end().to_ascii_lowercase().as_slice() {
            b"content-type" => {
                self.content_type = Some(value.into());
                let name = parameter(value, b"name=").map(Into::into);
                self.filename = self.filename.take().or(name);
            }
            b"content-disposition" => {
                let name = parameter(value, b"filename=").map(Into::into);
                self.filename = name.or(self.filename.take());
            }
            b"content-length" => {
                let text = std::str::from_utf8(value).unwrap_or_default();
                self.length = text.parse().ok();
            }
            b"content-range" => self.range = range(value),
            b"content-transfer-encoding" => self.coding = Coding::of(value),
            _ => {}
        }
    }
}

/// `bytes 0-499/1234` (RFC 9110, 14.4): where it begins, and of how many bytes.
fn range(value: &[u8]) -> Option<(u64, Option<u64>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (ends, whole) = text.strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, _) = ends.split_once('-')?;
    Some((first.trim().parse().ok()?, whole.trim().parse().ok()))
}

/// What separates the parts of this type of content, if it is in parts.
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let lower = content_type.to_ascii_lowercase();
    let boundary = parameter(content_type, b"boundary=")?;
    let fits = (1..=MAX_BOUNDARY).contains(&boundary.len());
    (lower.starts_with(b"multipart/") && fits).then(|| boundary.to_vec())
}

/// A parameter of a header; `name` is in lower case and ends with `=` (RFC 2045, 5.1).
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lower = value.to_ascii_lowercase();
    let at = memchr::memmem::find_iter(&lower, name).find(|at| {
        let before = at.checked_sub(1).and_then(|before| lower.get(before));
        matches!(before, Some(b';' | b' ' | b'\t'))
    })?;
    let rest = value.get(at + name.len()..)?;
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        return quoted.split(|byte| *byte == b'"').next();
    }
    let mut words = rest.split(|byte| matches!(byte, b';' | b' ' | b'\t'));
    words.next().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
