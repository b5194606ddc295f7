//! Frames, of any link type and cut anywhere, fragments included, through [`Decoder`] and
//! [`Fragments`] as the sensor uses them.
//!
//! Asserted: every frame is processed, dropped for one reason or held, and in the end all held ones
//! are processed or dropped, packets and bytes; a packet keeps its frame's time and index and is no
//! longer than IP allows; nesting ends; keys and hashes are the same for both directions, and for
//! the same frame when less of it was captured.

use std::collections::{BTreeMap, VecDeque};

use flow_table::{
    Body, Checksums, Clock, Decoded, Decoder, DropCounts, DropReason, FlowKey, Fragment,
    FragmentConfig, Fragments, Frame, IpProto, LinkInfo, LinkPlace, LinkType, MAX_TUNNELS, Packet,
    PacketSink, Parent, Timestamp, Way,
};

const LINKS: [LinkType; 10] = [
    LinkType::Ethernet,
    LinkType::RawIp,
    LinkType::Loopback,
    LinkType::Ppp,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Ieee80211,
    LinkType::Prism,
    LinkType::Radiotap,
    LinkType::NfLog,
];
/// Bytes before each frame: link type, choices, lost bytes, time step, length.
pub const HEADER: usize = 6;
/// The longest an IPv6 packet can be: its header and 65535 bytes.
const LONGEST: u32 = 40 + 65_535;

/// Checks a sequence of frames: a byte of choices, then each behind its [`HEADER`].
pub fn check(data: &[u8]) {
    let Some((choices, mut rest)) = data.split_first() else {
        return;
    };
    let checksums = if choices & 1 == 0 {
        Checksums::Ignore
    } else {
        Checksums::Verify
    };
    let memory = if choices & 2 == 0 { 1 << 20 } else { 2_000 };
    let mut run = Run::new(checksums, memory);
    while let Some(frame) = One::take(&mut rest) {
        run.frame(&frame);
        if choices & 4 != 0 && run.times.len() >= 4 {
            run.end_block();
        }
    }
    run.end_block();
    run.finish();
}

/// How an input names the link type of this registered number; Ethernet where there is none.
#[must_use]
pub fn link_index(number: usize) -> u8 {
    let link = u32::try_from(number).ok().and_then(LinkType::of);
    let place = LINKS.iter().position(|known| Some(*known) == link);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(0)
}

/// A frame as the input encodes it.
struct One<'a> {
    link: LinkType,
    /// Bytes that were on the wire and are not in the capture; or, negative, the other way round.
    lost: i32,
    step: i64,
    bytes: &'a [u8],
}

impl<'a> One<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let (header, after) = rest.split_first_chunk::<HEADER>()?;
        let [link, choices, lost, step, low, high] = *header;
        let len = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (bytes, after) = after.split_at(len);
        *rest = after;
        let lost = match choices & 3 {
            0 => 0,
            1 => i32::from(lost),
            2 => i32::from(lost) << 8,
            _ => -i32::from(lost),
        };
        let step = match choices >> 2 & 3 {
            0 => i64::from(step) * 1_000,
            1 => i64::from(step) * 1_000_000_000,
            2 => -i64::from(step) * 1_000_000_000,
            _ => (i64::MAX / 255).saturating_mul(step.into()),
        };
        Some(Self {
            link: LINKS[usize::from(link) % LINKS.len()],
            lost,
            step,
            bytes,
        })
    }
}

/// Keeps everything a frame gives.
#[derive(Default)]
struct Sink {
    packets: Vec<Packet>,
    parents: Vec<FlowKey>,
    fragments: Vec<Fragment>,
    /// Bytes of datagrams that were put together.
    kept: usize,
    inner_dropped: usize,
}

impl PacketSink for Sink {
    fn packet(&mut self, _hash: u64) -> &mut Packet {
        self.packets.push_mut(Packet::EMPTY)
    }

    fn link(&mut self, _: LinkInfo) -> LinkPlace {
        LinkPlace::NONE
    }

    fn parent(&mut self, key: FlowKey) -> Parent {
        self.parents.push(key);
        Parent::at(self.parents.len() - 1)
    }

    fn fragment(&mut self, fragment: Fragment) {
        self.fragments.push(fragment);
    }

    fn keep(&mut self, datagram: &[u8]) -> usize {
        self.kept += datagram.len();
        self.kept - datagram.len()
    }

    fn inner_dropped(&mut self, _: DropReason) {
        self.inner_dropped += 1;
    }
}

/// Every payload lies in the frame, and none is longer than its packet says.
fn payloads_are_there(packets: &[Packet], bytes: &[u8]) {
    for packet in packets {
        let len = match packet.body.get() {
            Body::Tcp(segment) => segment.len,
            Body::Udp(datagram) => datagram.len,
            // The identifier and the sequence number too.
            Body::Icmp(message) => message.len.saturating_add(4),
            _ => 0,
        };
        assert!(packet.payload.len() <= len, "{packet:?}");
        let payload = packet.payload.of(bytes, &[]);
        assert_eq!(payload.len(), packet.payload.len() as usize, "{packet:?}");
    }
}

struct Run {
    decoder: Decoder,
    fragments: Fragments,
    /// Fragments of the block so far.
    parts: Vec<Fragment>,
    /// Packet time at each frame of the block.
    times: Vec<Timestamp>,
    ts: Timestamp,
    now: Timestamp,
    given: (u64, u64),
    processed: (u64, u64),
    dropped: DropCounts,
    hashes: BTreeMap<FlowKey, u64>,
}

impl Run {
    fn new(checksums: Checksums, memory: usize) -> Self {
        let start = Timestamp::new(1_700_000_000, 0);
        Self {
            decoder: Decoder::new(7, checksums),
            fragments: Fragments::new(FragmentConfig { memory }),
            parts: Vec::new(),
            times: Vec::new(),
            ts: start,
            now: start,
            given: (0, 0),
            processed: (0, 0),
            dropped: DropCounts::new(),
            hashes: BTreeMap::new(),
        }
    }

    fn frame(&mut self, one: &One<'_>) {
        self.ts = Timestamp::from_nanos(self.ts.as_nanos().saturating_add(one.step));
        self.now = self.now.max(self.ts);
        let len = i64::try_from(one.bytes.len()).unwrap_or(i64::MAX);
        let frame = Frame {
            ts: self.ts,
            bytes: one.bytes,
            wire_len: u32::try_from((len + i64::from(one.lost)).max(0)).unwrap_or(u32::MAX),
            link: one.link,
            index: u32::try_from(self.times.len()).unwrap_or(u32::MAX),
            at: 0,
        };
        self.times.push(self.now);
        let mut sink = Sink::default();
        let decoded = self.decoder.decode(frame, &mut sink);
        self.account(&frame, decoded, &mut sink);
        payloads_are_there(&sink.packets, one.bytes);
        self.look_at(&sink.packets, frame.ts, frame.index);
        nesting_ends(&sink);
        tunnels_are_named(&sink);
        self.both_ways(&frame, &sink);
        self.cut_short(&frame, &sink);
        self.parts.append(&mut sink.fragments);
    }

    fn account(
        &mut self,
        frame: &Frame<'_>,
        decoded: Result<Decoded, DropReason>,
        sink: &mut Sink,
    ) {
        let bytes = frame.bytes.len() as u64;
        self.given = (self.given.0 + 1, self.given.1 + bytes);
        let outer = sink
            .fragments
            .iter()
            .filter(|part| !part.is_inside())
            .count();
        match decoded {
            Ok(Decoded::Processed) => {
                assert!(!sink.packets.is_empty(), "processed, but gave nothing");
                assert_eq!(outer, 0, "processed and held");
                self.processed = (self.processed.0 + 1, self.processed.1 + bytes);
            }
            Ok(Decoded::Held) => {
                assert_eq!(sink.fragments.len(), 1, "held, but not one fragment");
                // The sensor counts a frame that carries a fragment inside a tunnel as processed.
                if outer == 0 {
                    assert!(!sink.packets.is_empty());
                    panic!("held inside a tunnel: nobody counts it");
                }
            }
            Err(reason) => {
                assert_eq!(outer, 0, "dropped and held");
                self.dropped.add(reason, frame.bytes.len());
            }
        }
        for part in &mut sink.fragments {
            if !part.is_inside() {
                part.count_frame(bytes);
            }
        }
    }

    fn look_at(&mut self, packets: &[Packet], ts: Timestamp, index: u32) {
        for packet in packets {
            assert_eq!((packet.ts, packet.index), (ts, index));
            assert!(packet.ip_len <= LONGEST, "{packet:?}");
            let (src, dst) = (
                packet.key.source(packet.way),
                packet.key.destination(packet.way),
            );
            let hash = *self.hashes.entry(packet.key).or_insert(packet.hash);
            assert_eq!(hash, packet.hash, "one key, two hashes");
            if !matches!(packet.proto(), IpProto::ICMP | IpProto::ICMPV6) {
                let (there, up) = FlowKey::of(src, dst, packet.proto());
                let (back, down) = FlowKey::of(dst, src, packet.proto());
                assert_eq!((there, up), (packet.key, packet.way));
                assert_eq!(back, there);
                assert!(up != down || src == dst);
            }
        }
    }

    /// The same packet the other way round has the same key.
    fn both_ways(&self, frame: &Frame<'_>, sink: &Sink) {
        let Some(first) = sink.packets.first() else {
            return;
        };
        let Some(bytes) = mirrored(frame, first) else {
            return;
        };
        let frame = Frame {
            bytes: &bytes,
            ..*frame
        };
        let mut back = Sink::default();
        // Dropped or not: it names its flow.
        let _ = self.decoder.decode(frame, &mut back);
        let Some(second) = back.packets.first() else {
            panic!("there, but not back: {first:?}");
        };
        assert_eq!((first.key, first.hash), (second.key, second.hash));
        let same = first.key.source(Way::Up) == first.key.destination(Way::Up);
        assert!(same || first.way != second.way);
        assert_eq!(first.body, second.body);
    }

    /// Whatever a packet is taken for when its end was not captured, it is of the same flow.
    fn cut_short(&self, frame: &Frame<'_>, sink: &Sink) {
        let Some(first) = sink.packets.first() else {
            return;
        };
        let len = frame.bytes.len();
        let wire_len = frame.wire_len.max(u32::try_from(len).unwrap_or(u32::MAX));
        for kept in [len / 2, len - len / 8, len.saturating_sub(1)] {
            let bytes = frame.bytes.get(..kept).unwrap_or_default();
            let mut cut = Sink::default();
            let _ = self.decoder.decode(
                Frame {
                    bytes,
                    wire_len,
                    ..*frame
                },
                &mut cut,
            );
            if let Some(packet) = cut.packets.first() {
                assert_eq!((packet.key, packet.hash), (first.key, first.hash));
                assert_eq!(packet.way, first.way);
            }
        }
    }

    /// Puts the block's fragments together, as the sensor does once a block is read.
    fn end_block(&mut self) {
        let clock = Clock::new(&self.times);
        let mut parts = VecDeque::from(std::mem::take(&mut self.parts));
        let mut wholes = 0;
        while let Some(part) = parts.pop_front() {
            let Some(whole) = self.fragments.take(&part, &clock) else {
                continue;
            };
            let mut sink = Sink::default();
            let dropped = self.decoder.decode_whole(&whole, &mut sink).err();
            self.fragments.count(&whole, dropped);
            nesting_ends(&sink);
            for packet in &sink.packets {
                assert!(packet.ip_len <= LONGEST, "{packet:?}");
            }
            assert!(sink.fragments.iter().all(Fragment::is_inside));
            parts.extend(sink.fragments);
            wholes += 1;
            assert!(wholes < 100_000, "fragments without end");
        }
        self.times.clear();
    }

    fn finish(self) {
        let (whole, mut dropped) = self.fragments.finish();
        dropped.merge(&self.dropped);
        let (packets, bytes) = dropped.total();
        let counted = (
            self.processed.0 + whole.0 + packets,
            self.processed.1 + whole.1 + bytes,
        );
        assert_eq!(counted, self.given, "what went in is not what was counted");
    }
}

fn nesting_ends(sink: &Sink) {
    let deepest = usize::from(MAX_TUNNELS);
    assert!(
        sink.packets.len() <= deepest + 1,
        "{} packets",
        sink.packets.len()
    );
    assert!(
        sink.parents.len() <= deepest,
        "{} tunnels",
        sink.parents.len()
    );
    assert!(sink.inner_dropped <= deepest + 1);
    let tunnels = sink
        .packets
        .iter()
        .filter(|packet| packet.carries.is_some());
    for tunnel in tunnels {
        assert!(
            sink.parents.contains(&tunnel.key),
            "a tunnel nobody can name"
        );
        assert!(matches!(tunnel.body.get(), Body::Udp(_) | Body::Tunnel));
    }
}

/// Packets from tunnels know which; a fragment from one knows it by the list of its own frame.
fn tunnels_are_named(sink: &Sink) {
    for packet in &sink.packets {
        let parent = packet.parent;
        assert!(parent == Parent::NONE || parent.of(&sink.parents).is_some());
    }
}

/// A plain IP packet of TCP or UDP with source and destination changed over; checksums stay right.
fn mirrored(frame: &Frame<'_>, packet: &Packet) -> Option<Vec<u8>> {
    let plain =
        frame.link == LinkType::RawIp && matches!(packet.proto(), IpProto::TCP | IpProto::UDP);
    // Which port is the tunnel's may depend on who is who.
    if !plain || packet.carries.is_some() || packet.body.get() == Body::Tunnel {
        return None;
    }
    let mut bytes = frame.bytes.to_vec();
    let (addresses, len, transport) = match (bytes.first()? >> 4, bytes.get(6)?) {
        (4, _) => (12, 4, 4 * usize::from(bytes.first()? & 15)),
        (6, 6 | 17) => (8, 16, 40),
        _ => return None,
    };
    let swap = |bytes: &mut Vec<u8>, at: usize, len: usize| {
        let both = bytes.get_mut(at..at + 2 * len)?;
        let (one, other) = both.split_at_mut(len);
        one.swap_with_slice(other);
        Some(())
    };
    swap(&mut bytes, addresses, len)?;
    swap(&mut bytes, transport, 2)?;
    Some(bytes)
}
