use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::{Links, checksum};
use super::*;
use crate::Timestamp;

/// Captures with Ethernet frames of many kinds.
const CAPTURES: [&str; 8] = [
    "c2-beacon-http",
    "c2-beacon-ipv6",
    "ipv6-mixed",
    "lateral-movement",
    "near-miss-https-poll",
    "qinq",
    "syn-flood",
    "vlan",
];

static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let mut frames = Vec::new();
    for name in CAPTURES {
        let bytes = fs::read(directory.join(name).with_extension("pcap")).unwrap();
        let mut rest = &bytes[24..];
        while let Some((header, behind)) = rest.split_first_chunk::<16>() {
            let len = u32::from_le_bytes(*header[8..].first_chunk().unwrap());
            let (frame, behind) = behind.split_at(usize::try_from(len).unwrap());
            frames.push(frame.to_vec());
            rest = behind;
        }
    }
    frames
});

fn frame(bytes: &[u8], wire_len: usize) -> Frame<'_> {
    Frame {
        ts: Timestamp::new(1_700_000_000, 5),
        bytes,
        wire_len: u32::try_from(wire_len).unwrap(),
        link: LinkType::Ethernet,
        index: 7,
        at: 1_000,
    }
}

/// What comes of a frame in one go, and layer by layer: whether it is usual, and both as text.
fn both(bytes: &[u8], wire_len: usize, checksums: Checksums) -> (bool, String, String) {
    let decoder = Decoder::new(3, checksums).with_links(Links::Skip);
    let frame = frame(bytes, wire_len);
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    let usual = decoder.usual(&frame, LinkPlace::NONE, &mut fast).is_some();
    let layers = decoder.layers(&frame, LinkPlace::NONE, &mut slow);
    (
        usual,
        format!(
            "{:?} {fast:?}",
            Ok::<_, ()>(super::super::Decoded::Processed)
        ),
        format!("{layers:?} {slow:?}"),
    )
}

/// Makes the checksum of an IPv4 header right, so that a change of it gets past that.
fn mend(bytes: &mut [u8], at: usize) {
    if let Some(header) = bytes.get_mut(at..at + 20) {
        header[10..12].fill(0);
        let sum = checksum::sum(header);
        let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
        let right = !u16::try_from(folded).unwrap();
        header[10..12].copy_from_slice(&right.to_be_bytes());
    }
}

#[test]
fn frames_of_captures_come_to_the_same_and_nearly_all_are_usual() {
    let mut usual = 0;
    for bytes in FRAMES.iter() {
        for (checksums, wire_len) in [
            (Checksums::Verify, bytes.len()),
            (Checksums::Ignore, bytes.len() + 4),
        ] {
            let (is_usual, fast, slow) = both(bytes, wire_len, checksums);
            if is_usual {
                assert_eq!(fast, slow, "{bytes:02x?}");
                usual += 1;
            }
        }
    }
    let share = 100 * usual / (2 * FRAMES.len());
    assert!(share > 90, "{share} % of {} frames", FRAMES.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    /// Whatever is done to a frame.
    #[test]
    fn changed_frames_come_to_the_same(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0_usize..90, any::<u8>()), 0..4),
        cut in prop::option::of(0_usize..120),
        missing in 0_usize..3,
        mended in any::<bool>(),
        ignore in any::<bool>(),
    ) {
        let mut bytes = pick.get(&FRAMES).clone();
        let wire_len = (bytes.len() + 1).saturating_sub(missing);
        bytes.truncate(cut.unwrap_or(bytes.len()));
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if mended {
            let at = if bytes.get(12..14) == Some(&[0x81, 0]) { 18 } else { 14 };
            mend(&mut bytes, at);
        }
        let checksums = if ignore { Checksums::Ignore } else { Checksums::Verify };
        let (usual, fast, slow) = both(&bytes, wire_len, checksums);
        if usual {
            prop_assert_eq!(fast, slow);
        }
    }

    /// The fields that decide, set to what they are compared with.
    #[test]
    fn deciding_fields_come_to_the_same(
        pick in any::<prop::sample::Index>(),
        kind in prop::sample::select(vec![[8_u8, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8]]),
        version in prop::sample::select(vec![0x45_u8, 0x46, 0x44, 0x60, 0x6f, 0x55]),
        len in prop::sample::select(vec![0_u16, 8, 19, 20, 27, 28, 39, 40, 41, 60, 1500]),
        fragment in prop::sample::select(vec![0_u16, 0x2000, 0x4000, 0x8000, 1]),
        proto in prop::sample::select(vec![1_u8, 6, 17, 47, 50, 58, 0, 44]),
        port in prop::sample::select(vec![53_u16, 80, 4789, 2152, 5355]),
        content in prop::sample::select(vec![0x60_u8, 0, 1, 0x52, 0x80]),
        offset in any::<u8>(),
        which in any::<[bool; 8]>(),
        ignore in any::<bool>(),
    ) {
        let mut bytes = pick.get(&FRAMES).clone();
        let at = if bytes.get(12..14) == Some(&[0x81, 0]) { 18 } else { 14 };
        let v6 = bytes.get(at).is_some_and(|first| first >> 4 == 6);
        let above = at + if v6 { 40 } else { 20 };
        let changes: [(usize, &[u8]); 8] = [
            (12, &kind),
            (at, &[version]),
            (at + if v6 { 4 } else { 2 }, &len.to_be_bytes()),
            (at + 6, if v6 { &[proto] } else { &fragment.to_be_bytes() }),
            (at + 9, &[proto]),
            (above + 2, &port.to_be_bytes()),
            (above + 8, &[content]),
            (above + 12, &[offset]),
        ];
        for ((at, value), _) in changes.into_iter().zip(which).filter(|(_, does)| *does) {
            if let Some(place) = bytes.get_mut(at..at + value.len()) {
                place.copy_from_slice(value);
            }
        }
        if !v6 {
            mend(&mut bytes, at);
        }
        let checksums = if ignore { Checksums::Ignore } else { Checksums::Verify };
        let (usual, fast, slow) = both(&bytes, bytes.len(), checksums);
        if usual {
            prop_assert_eq!(fast, slow);
        }
    }
}
