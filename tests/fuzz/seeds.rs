//! Takes the first corpora from what the project has: frames and beginnings of `captures/`, its
//! rules, and a configuration of everything. Run by `scripts/fuzz --seeds`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flow_table::protocol::x509::{self, Origin};
use flow_table::{Checksums, Decoder, FlowKey, Frame, IpProto, LinkType, Packet, Timestamp};
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
        parsers(&bytes, &name(path), fuzz)?;
        certificates(&bytes, &name(path), fuzz)?;
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

/// What a flow carries: each payload, and whether the server sent it.
type Payloads = Vec<(bool, Vec<u8>)>;

/// What flows of known ports carry, as [`fuzz::streams::check`] and [`fuzz::inspect::check`] take it.
fn payloads(file: &[u8], name: &str, fuzz: &Path) -> Outcome {
    let flows = flows(file, |_, port| [80, 443, 53].iter().position(|known| *known == port))?;
    for (number, (flow, payloads)) in flows.into_iter().take(2).enumerate() {
        let name = format!("{name}-{number}");
        let flow = u8::try_from(flow)?;
        let payloads = payloads.into_iter().map(|(server, bytes)| (flow, server, bytes));
        let payloads: Vec<_> = payloads.collect();
        put(fuzz, "streams", &name, &fuzz::streams::seed(&payloads))?;
        put(fuzz, "inspect", &name, &fuzz::inspect::seed(&payloads))?;
    }
    Ok(())
}

/// What a flow of each parser's carries, as [`fuzz::parsers::check`] takes it, and hellos of TLS, as
/// [`fuzz::quic::check`] does.
fn parsers(file: &[u8], name: &str, fuzz: &Path) -> Outcome {
    let known = |proto, port| fuzz::parsers::PORTS.iter().position(|home| *home == (proto, port));
    let mut done = BTreeSet::new();
    for (which, mut payloads) in flows(file, known)? {
        let hello = payloads.iter().find_map(|(_, bytes)| bytes.strip_prefix(&[0x16, 3]));
        if let Some(message) = hello.and_then(|record| record.get(3..)) {
            put(fuzz, "quic", name, &fuzz::quic::seed(message))?;
        }
        for (_, bytes) in &mut payloads {
            bytes.truncate(255);
        }
        if done.insert(which) {
            let name = format!("{name}-{which}");
            put(fuzz, "parsers", &name, &fuzz::parsers::seed(which, &payloads))?;
        }
    }
    Ok(())
}

/// Certificates that lie in one packet, as [`fuzz::certificates::check`] takes them.
fn certificates(file: &[u8], name: &str, fuzz: &Path) -> Outcome {
    let found = (0..file.len()).find_map(|at| {
        let [0x30, 0x82, high, low, 0x30, 0x82, ..] = file.get(at..)? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let der = file.get(at..at + 4 + len)?;
        let origin = Origin {
            host_cert: true,
            client_cert: false,
        };
        let is_one = x509::read(der, Timestamp::ZERO, String::new(), origin).is_some();
        is_one.then_some(der)
    });
    found.map_or(Ok(()), |der| put(fuzz, "certificates", name, der))
}

/// Flows of which `place` knows the server's port, the same in every run.
fn flows(
    file: &[u8],
    place: impl Fn(IpProto, u16) -> Option<usize>,
) -> Result<Vec<(usize, Payloads)>, Box<dyn Error>> {
    const MOST: usize = 12;
    let word = |at: usize| -> Option<usize> {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let link = u32::try_from(word(20).unwrap_or_default()).ok();
    let Some(link) = link.and_then(LinkType::of) else {
        return Ok(Vec::new());
    };
    let (decoder, mut at) = (Decoder::new(1, Checksums::Ignore), FILE_HEADER);
    let mut flows: BTreeMap<FlowKey, (usize, Payloads)> = BTreeMap::new();
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
            let proto = packet.key.proto();
            let from_server = place(proto, src.port);
            let Some(which) = from_server.or(place(proto, dst.port)) else {
                continue;
            };
            let (_, payloads) = flows.entry(packet.key).or_insert((which, Vec::new()));
            if !payload.is_empty() && payloads.len() < MOST {
                payloads.push((from_server.is_some(), payload.to_vec()));
            }
        }
    }
    let flows = flows.into_values();
    Ok(flows.filter(|(_, payloads)| payloads.len() > 1).collect())
}
