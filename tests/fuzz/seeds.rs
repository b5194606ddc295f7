//! Takes the first corpora from what the project has: frames and beginnings of `captures/`, its
//! rules, and a configuration of everything. Run by `scripts/fuzz --seeds`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flow_table::{Checksums, Decoder, FlowKey, Frame, LinkType, Packet, Timestamp};
use fuzz::decode::HEADER;

type Outcome = Result<(), Box<dyn Error>>;

/// Bytes of a capture that make a seed.
const BEGINNING: usize = 1_200;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Every so many records, four of them make a seed of frames.
const STRIDE: usize = 40;

fn main() -> Outcome {
    let fuzz = std::env::args().nth(1).ok_or("usage: seeds tests/fuzz")?;
    let fuzz = Path::new(&fuzz);
    let root = fuzz.join("../..");
    for entry in fs::read_dir(root.join("captures"))? {
        let path = entry?.path();
        if path.is_file() {
            capture(&path, fuzz)?;
        }
    }
    for entry in fs::read_dir(root.join("detectors/rules"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            put(fuzz, "rules", &name(&path), &fs::read(path)?)?;
        }
    }
    put(
        fuzz,
        "config",
        "everything",
        fuzz::config::everything().as_bytes(),
    )
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn put(fuzz: &Path, target: &str, name: &str, bytes: &[u8]) -> Outcome {
    let folder = fuzz.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

fn capture(path: &Path, fuzz: &Path) -> Outcome {
    let mut bytes = fs::read(path)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
        bytes = plain;
    }
    let rest = bytes.get(4..bytes.len().min(BEGINNING)).unwrap_or_default();
    // Little-endian micro- and nanoseconds are the first and the third variant.
    let (target, choices) = match bytes.get(..4) {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => ("pcapng", [0, 100, 0]),
        Some([0xd4, 0xc3, 0xb2, 0xa1]) => ("pcap", [0, 100, 0]),
        Some([0x4d, 0x3c, 0xb2, 0xa1]) => ("pcap", [2, 100, 0]),
        _ => return Ok(()),
    };
    put(fuzz, target, &name(path), &[&choices, rest].concat())?;
    if target == "pcap" {
        frames(&bytes, &name(path), fuzz)?;
        payloads(&bytes, &name(path), fuzz)?;
    }
    Ok(())
}

/// Sequences of four frames, as [`fuzz::decode::check`] takes them.
fn frames(file: &[u8], name: &str, fuzz: &Path) -> Outcome {
    let word = |at: usize| -> Option<usize> {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let link = fuzz::decode::link_index(word(20).unwrap_or_default());
    let mut at = FILE_HEADER;
    let mut frames: Vec<Vec<u8>> = Vec::new();
    while let (Some(kept), Some(wire)) = (word(at + 8), word(at + 12)) {
        let start = at + RECORD_HEADER;
        let bytes = file.get(start..start + kept.min(200)).unwrap_or_default();
        let lost = u8::try_from((wire - bytes.len()) >> 8)?;
        let len = u16::try_from(bytes.len())?.to_le_bytes();
        let header: [u8; HEADER] = [link, 2, lost.saturating_add(1), 1, len[0], len[1]];
        frames.push([&header, bytes].concat());
        at = start + kept;
    }
    for (number, group) in frames.chunks(4).step_by(STRIDE).take(3).enumerate() {
        let seed = [vec![u8::try_from(number & 1)?], group.concat()].concat();
        put(fuzz, "decode", &format!("{name}-{number}"), &seed)?;
    }
    Ok(())
}

/// What flows of known ports carry, as [`fuzz::streams::check`] and [`fuzz::inspect::check`] take it.
fn payloads(file: &[u8], name: &str, fuzz: &Path) -> Outcome {
    const PORTS: [u16; 3] = [80, 443, 53];
    const MOST: usize = 12;
    let word = |at: usize| -> Option<usize> {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let link = u32::try_from(word(20).unwrap_or_default()).ok();
    let Some(link) = link.and_then(LinkType::of) else {
        return Ok(());
    };
    let (decoder, mut at) = (Decoder::new(1, Checksums::Ignore), FILE_HEADER);
    let mut flows: BTreeMap<FlowKey, Vec<(u8, bool, Vec<u8>)>> = BTreeMap::new();
    while let (Some(kept), Some(wire)) = (word(at + 8), word(at + 12)) {
        let start = at + RECORD_HEADER;
        at = start + kept;
        let frame = Frame {
            ts: Timestamp::ZERO,
            bytes: file.get(start..at).unwrap_or_default(),
            wire_len: u32::try_from(wire)?,
            link,
            index: 0,
            at: start,
        };
        let mut packets: Vec<Packet> = Vec::new();
        if decoder.decode(frame, &mut packets).is_err() {
            continue;
        }
        for packet in packets {
            let payload = packet.payload.of(file, &[]);
            let (src, dst) = (
                packet.key.source(packet.way),
                packet.key.destination(packet.way),
            );
            let place = |port| PORTS.iter().position(|known| *known == port);
            let Some(flow) = place(src.port).or(place(dst.port)) else {
                continue;
            };
            let payloads = flows.entry(packet.key).or_default();
            if !payload.is_empty() && payloads.len() < MOST {
                let from_server = place(src.port).is_some();
                payloads.push((u8::try_from(flow)?, from_server, payload.to_vec()));
            }
        }
    }
    let flows = flows.values().filter(|payloads| payloads.len() > 1).take(2);
    for (number, payloads) in flows.enumerate() {
        let name = format!("{name}-{number}");
        put(fuzz, "streams", &name, &fuzz::streams::seed(payloads))?;
        put(fuzz, "inspect", &name, &fuzz::inspect::seed(payloads))?;
    }
    Ok(())
}
