//! Capture files. For any bytes: records lie inside their block, one after the other, and time
//! never falls; problems are told once, where they are. The same packets come out when the file
//! is packed, in two members, so that it arrives in other pieces; and when something stands before
//! them, so that blocks end elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use flow_table::{LinkType, Timestamp};

use crate::progress::Live;
use crate::scratch;
use crate::sensor::capture::{Block, CaptureError, Input};

/// What the sensor reads at once.
const BLOCK: usize = 256 * 1024;
const PCAP_HEADER: usize = 24;
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const MAGIC: [[u8; 4]; 6] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xcd, 0x34],
];

/// Checks a capture in the classic format: three bytes of choices, then the file without its magic
/// number.
pub fn check_pcap(data: &[u8]) {
    let Some((choices, rest)) = Choices::of(data) else {
        return;
    };
    let magic = MAGIC[usize::from(choices.variant) % MAGIC.len()];
    let file = [&magic, rest].concat();
    let plain = read(&file);
    agrees_packed(&file, choices, &plain);
    let Some(header) = file.get(..PCAP_HEADER) else {
        return;
    };
    let longer = magic[0] == 0x34 || magic[3] == 0x34;
    let record_header = if longer { 24 } else { 16 };
    let size = choices.padding(PCAP_HEADER, file.len());
    let len = u32::try_from(size - record_header).unwrap_or(u32::MAX);
    let mut padding = vec![0; size];
    let order = if magic[0] == 0xa1 {
        u32::to_be_bytes
    } else {
        u32::to_le_bytes
    };
    padding[8..12].copy_from_slice(&order(len));
    agrees_behind(header, &padding, &file, &plain);
}

/// Checks a capture in the newer format: three bytes of choices, then the file without its first
/// four bytes. The first two choices at all other times give any file at all.
pub fn check_pcapng(data: &[u8]) {
    let Some((choices, rest)) = Choices::of(data) else {
        return;
    };
    if choices.variant == u8::MAX {
        read(rest);
        return;
    }
    let file = [&SECTION, rest].concat();
    let plain = read(&file);
    agrees_packed(&file, choices, &plain);
    let Some((head, big)) = first_block(&file) else {
        return;
    };
    let size = choices.padding(head, file.len()) & !3;
    let mut padding = vec![0; size];
    let order = if big {
        u32::to_be_bytes
    } else {
        u32::to_le_bytes
    };
    let len = order(u32::try_from(size).unwrap_or(u32::MAX));
    padding[..4].copy_from_slice(&order(0x0bad));
    padding[4..8].copy_from_slice(&len);
    padding[size - 4..].copy_from_slice(&len);
    agrees_behind(&file[..head], &padding, &file, &plain);
}

/// Length of the section header, if it is sound, and whether its numbers are big-endian.
fn first_block(file: &[u8]) -> Option<(usize, bool)> {
    let word = |at: usize| -> Option<[u8; 4]> { file.get(at..at + 4)?.try_into().ok() };
    let order = match word(8)? {
        [0x1a, 0x2b, 0x3c, 0x4d] => u32::from_be_bytes,
        [0x4d, 0x3c, 0x2b, 0x1a] => u32::from_le_bytes,
        _ => return None,
    };
    let len = usize::try_from(order(word(4)?)).ok()?;
    let sound = len >= 12 && len.is_multiple_of(4) && len <= file.len();
    let again = sound.then(|| word(len - 4))??;
    (again == word(4)?).then_some((len, word(8)? == [0x1a, 0x2b, 0x3c, 0x4d]))
}

/// What the input decides besides the file.
#[derive(Clone, Copy)]
struct Choices {
    variant: u8,
    /// Where the file is cut.
    cut: usize,
    /// Whether what stands before is itself longer than a block.
    long: bool,
}

impl Choices {
    fn of(data: &[u8]) -> Option<(Self, &[u8])> {
        let [variant, low, high, rest @ ..] = data else {
            return None;
        };
        let choices = Self {
            variant: *variant,
            cut: usize::from(u16::from_le_bytes([*low, high & 0x7f])),
            long: high & 0x80 != 0,
        };
        Some((choices, rest))
    }

    /// How much to put behind `head` bytes, so that a block ends inside the rest of `file`.
    fn padding(self, head: usize, file: usize) -> usize {
        let blocks = if self.long { 2 * BLOCK } else { BLOCK };
        blocks - head - self.cut % (file - head + 1)
    }
}

#[derive(PartialEq, Debug)]
struct Packet {
    ts: Timestamp,
    link: Option<LinkType>,
    link_number: u32,
    wire_len: u32,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Content {
    packets: Vec<Packet>,
    problems: Vec<CaptureError>,
}

fn read(file: &[u8]) -> Content {
    let mut content = Content::default();
    let paths = vec![PathBuf::from(scratch::file(file))];
    let mut input = Input::new(paths, Arc::new(Live::default()));
    let mut block = Block::default();
    let mut now = Timestamp::ZERO;
    let mut number = 0;
    while input.read(&mut block) {
        assert_eq!(block.number, number);
        number += 1;
        inside(&block, &mut now);
        content
            .packets
            .extend(block.records.iter().map(|record| Packet {
                ts: record.ts,
                link: record.link,
                link_number: record.link_number,
                wire_len: record.wire_len,
                bytes: block.bytes_of(record).to_vec(),
            }));
    }
    assert_eq!(input.blocks(), number);
    assert_eq!(input.now(), now);
    assert_eq!(
        input.first(),
        content.packets.first().map(|packet| packet.ts)
    );
    content.problems = input.into_problems();
    told(&content, file);
    content
}

fn inside(block: &Block, now: &mut Timestamp) {
    assert!(!block.records.is_empty());
    assert_eq!(block.records.len(), block.times.len());
    let mut end = 0;
    for (record, time) in block.records.iter().zip(&block.times) {
        assert!(record.start >= end && record.offset > record.start);
        end = record.offset + record.len;
        assert!(
            end <= block.bytes.len(),
            "{record:?} of {}",
            block.bytes.len()
        );
        *now = (*now).max(record.ts);
        assert_eq!(time, now);
        assert_eq!(record.link, LinkType::of(record.link_number));
    }
}

/// One end of the file at most, and every link type once.
fn told(content: &Content, file: &[u8]) {
    let packed = file.starts_with(&[0x1f, 0x8b]) || file.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let mut links: Vec<u32> = Vec::new();
    let mut ends = 0;
    for problem in &content.problems {
        assert!(!problem.to_string().is_empty());
        match problem {
            CaptureError::UnknownLink { number, .. } => links.push(*number),
            _ => ends += 1,
        }
        if let Some((record, offset)) = place(problem) {
            let count = content.packets.len() as u64;
            assert!(record <= count + 1, "{problem}");
            assert!(packed || offset <= file.len() as u64, "{problem}");
        }
    }
    assert!(ends <= 1, "{:?}", content.problems);
    links.sort_unstable();
    let mut unknown: Vec<u32> = content
        .packets
        .iter()
        .filter(|packet| packet.link.is_none())
        .map(|packet| packet.link_number)
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    assert_eq!(links, unknown);
}

/// The record and the byte that a problem names.
fn place(problem: &CaptureError) -> Option<(u64, u64)> {
    match problem {
        CaptureError::Truncated { record, offset, .. }
        | CaptureError::TooLarge { record, offset, .. }
        | CaptureError::Broken { record, offset, .. }
        | CaptureError::UnknownLink { record, offset, .. } => Some((*record, *offset)),
        _ => None,
    }
}

fn agrees_packed(file: &[u8], choices: Choices, plain: &Content) {
    let (first, second) = file.split_at(choices.cut % (file.len() + 1));
    let packed = [first, second].map(|part| {
        let mut member = GzEncoder::new(Vec::new(), Compression::none());
        member
            .write_all(part)
            .and_then(|()| member.finish())
            .unwrap_or_default()
    });
    let packed = read(&packed.concat());
    assert_eq!(packed.packets, plain.packets);
    let texts = |content: &Content| -> Vec<String> {
        content.problems.iter().map(ToString::to_string).collect()
    };
    assert_eq!(texts(&packed), texts(plain));
}

/// `padding` stands behind the `head` of `file`, and changes nothing but places.
fn agrees_behind(head: &[u8], padding: &[u8], file: &[u8], plain: &Content) {
    let longer = read(&[head, padding, &file[head.len()..]].concat());
    let more = longer.packets.len() - plain.packets.len();
    assert!(more <= 1);
    assert_eq!(longer.packets[more..], plain.packets);
    let moved = |content: &Content, records: u64, bytes: u64| -> Vec<_> {
        let ends = content.problems.iter().filter_map(place);
        ends.map(|(record, offset)| (record + records, offset + bytes))
            .collect()
    };
    // A padding packet of an unknown link type is the first of it.
    let unknown = longer
        .packets
        .first()
        .is_some_and(|packet| more == 1 && packet.link.is_none());
    if !unknown {
        let want = moved(plain, more as u64, padding.len() as u64);
        assert_eq!(moved(&longer, 0, 0), want);
    }
}
