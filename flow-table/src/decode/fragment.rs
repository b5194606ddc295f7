//! IP fragments and the datagrams they make (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! Where fragments overlap, what came first stays. A datagram whose parts do not all come within
//! [`TIMEOUT`] is given up, and so is the oldest when the memory for them is used up.

use std::collections::{BTreeMap, BTreeSet};

use super::ip::{Ip, Part};
use super::{DropCounts, DropReason, Place};
use crate::key::Addr;
use crate::{Clock, Span, Timestamp};

/// How long the parts of a datagram may take.
const TIMEOUT: Span = Span::from_mins(5);
/// What a part costs besides its bytes.
const OVERHEAD: usize = 128;
/// Parts of one datagram beyond which nobody means it.
const MAX_PARTS: usize = 1024;

/// A part of a datagram, or the whole one, with the headers of the packet that completed it.
#[derive(Clone, Debug)]
pub struct Fragment {
    place: Place,
    key: FragmentKey,
    part: Part,
    /// Headers, then the part's bytes.
    bytes: Vec<u8>,
    header_len: usize,
    /// Frames it came in, and their bytes as captured: what the totals count.
    frames: (u64, u64),
}

/// What the parts of a datagram have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct FragmentKey {
    src: Addr,
    dst: Addr,
    id: u32,
}

impl Fragment {
    pub(super) fn of(place: Place, packet: &Ip<'_>, part: Part) -> Self {
        let header = packet.unfragmented_header();
        let mut bytes = Vec::with_capacity(header.len() + packet.payload.len());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(packet.payload);
        Self {
            place,
            key: FragmentKey {
                src: packet.src,
                dst: packet.dst,
                id: part.id,
            },
            part,
            bytes,
            header_len: header.len(),
            frames: (0, 0),
        }
    }

    /// The datagram's bytes, from its IP header.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Whether a tunnel was around it: the frame that brought it counts by itself.
    pub const fn is_inside(&self) -> bool {
        self.place.depth > 0
    }

    /// Says how many bytes the frame that brought it had.
    pub const fn count_frame(&mut self, bytes: u64) {
        self.frames = (1, bytes);
    }

    fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
}

/// How much fragments may take.
#[derive(Clone, Copy, Debug)]
pub struct FragmentConfig {
    /// Bytes in all.
    pub memory: usize,
}

/// A datagram that is being put together.
#[derive(Debug, Default)]
struct Pieces {
    /// By offset; no two overlap.
    parts: BTreeMap<usize, Vec<u8>>,
    /// The headers of the first part, or of the first one seen.
    header: Vec<u8>,
    /// Bytes in all, once the last part told.
    size: Option<usize>,
    cost: usize,
    frames: (u64, u64),
    since: Timestamp,
}

/// All datagrams that are being put together. Takes fragments in capture order.
#[derive(Debug)]
pub struct Fragments {
    config: FragmentConfig,
    pieces: BTreeMap<FragmentKey, Pieces>,
    /// Which datagram was begun when: the oldest are given up first.
    order: BTreeSet<(Timestamp, FragmentKey)>,
    cost: usize,
    processed: (u64, u64),
    dropped: DropCounts,
}

impl Fragments {
    /// Nothing held.
    pub const fn new(config: FragmentConfig) -> Self {
        Self {
            config,
            pieces: BTreeMap::new(),
            order: BTreeSet::new(),
            cost: 0,
            processed: (0, 0),
            dropped: DropCounts::new(),
        }
    }

    /// Takes a part; `clock` is that of its block. Returns the datagram it completes.
    pub fn take(&mut self, fragment: &Fragment, clock: &Clock<'_>) -> Option<Fragment> {
        let now = clock.at(fragment.place.index);
        self.take_at(fragment, now)
    }

    fn take_at(&mut self, fragment: &Fragment, now: Timestamp) -> Option<Fragment> {
        self.expire(now);
        let key = fragment.key;
        let pieces = self.pieces.entry(key).or_insert_with(|| {
            self.order.insert((now, key));
            Pieces {
                since: now,
                ..Pieces::default()
            }
        });
        let before = pieces.cost;
        pieces.add(fragment);
        self.cost = self.cost + pieces.cost - before;
        if let Some(size) = pieces.complete() {
            let whole = self.remove(key)?;
            return Some(whole.into_datagram(fragment, size));
        }
        if pieces.parts.len() > MAX_PARTS {
            self.give_up(key);
        }
        while self.cost > self.config.memory {
            let Some((_, oldest)) = self.order.first() else {
                break;
            };
            self.give_up(*oldest);
        }
        None
    }

    fn remove(&mut self, key: FragmentKey) -> Option<Pieces> {
        let pieces = self.pieces.remove(&key)?;
        self.order.remove(&(pieces.since, key));
        self.cost -= pieces.cost;
        Some(pieces)
    }

    fn give_up(&mut self, key: FragmentKey) {
        if let Some(pieces) = self.remove(key) {
            self.dropped.add_many(DropReason::Fragment, pieces.frames);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((since, key)) = self.order.first() {
            if now.since(*since) < TIMEOUT {
                break;
            }
            self.give_up(*key);
        }
    }

    /// Counts a datagram that was put together: processed, or dropped for `reason`.
    pub fn count(&mut self, datagram: &Fragment, reason: Option<DropReason>) {
        let (frames, bytes) = datagram.frames;
        match reason {
            Some(reason) => self.dropped.add_many(reason, datagram.frames),
            None => self.processed = (self.processed.0 + frames, self.processed.1 + bytes),
        }
    }

    /// The input is over: gives up what is left. Returns the frames and bytes that were processed,
    /// and those that were not.
    pub fn finish(mut self) -> ((u64, u64), DropCounts) {
        while let Some(key) = self.pieces.keys().next().copied() {
            self.give_up(key);
        }
        (self.processed, self.dropped)
    }
}

impl Pieces {
    fn add(&mut self, fragment: &Fragment) {
        let payload = fragment.payload();
        let from = usize::from(fragment.part.offset);
        let to = from + payload.len();
        if from == 0 || self.header.is_empty() {
            self.header = fragment
                .bytes
                .get(..fragment.header_len)
                .unwrap_or_default()
                .to_vec();
        }
        if !fragment.part.more {
            self.size = Some(self.size.map_or(to, |size| size.max(to)));
        } else if let Some(size) = &mut self.size {
            *size = (*size).max(to);
        }
        self.cost += OVERHEAD;
        self.frames = (
            self.frames.0 + fragment.frames.0,
            self.frames.1 + fragment.frames.1,
        );
        self.fill(payload, from, to);
    }

    /// Keeps the bytes of `[from, to)` that are not there yet.
    fn fill(&mut self, payload: &[u8], from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let covered = self
                .parts
                .range(..=at)
                .next_back()
                .map(|(start, part)| start + part.len())
                .filter(|end| *end > at);
            if let Some(end) = covered {
                at = end;
                continue;
            }
            let next = self
                .parts
                .range(at..)
                .next()
                .map_or(to, |(start, _)| *start);
            let end = next.min(to);
            let new = payload.get(at - from..end - from).unwrap_or_default();
            self.parts.insert(at, new.to_vec());
            self.cost += new.len();
            at = end;
        }
    }

    /// Bytes of the datagram, once all of them are there. Whatever lies beyond the end that the
    /// last part told, and touches it, belongs to it.
    fn complete(&self) -> Option<usize> {
        let size = self.size?;
        let mut end = 0;
        for (start, part) in &self.parts {
            if *start != end {
                break;
            }
            end = start + part.len();
        }
        (end >= size).then_some(end)
    }

    fn into_datagram(self, last: &Fragment, size: usize) -> Fragment {
        let mut bytes = self.header;
        let header_len = bytes.len();
        for (start, part) in self.parts {
            if start < size {
                bytes.extend_from_slice(&part);
            }
        }
        super::ip::set_len(&mut bytes);
        Fragment {
            place: last.place,
            key: last.key,
            part: last.part,
            bytes,
            header_len,
            frames: self.frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;
    use crate::packet::{LinkPlace, Parent};

    fn fragment(offset: u16, more: bool, payload: &[u8]) -> Fragment {
        let mut header = [0_u8; 20];
        header[0] = 0x45;
        let place = Place {
            ts: Timestamp::ZERO,
            index: 0,
            depth: 0,
            link: LinkPlace::NONE,
            parent: Parent::NONE,
            origin: Origin::block(&[], 0),
        };
        let addr = Addr::v4([10, 0, 0, 1]);
        Fragment {
            place,
            key: FragmentKey {
                src: addr,
                dst: addr,
                id: 7,
            },
            part: Part {
                id: 7,
                offset,
                more,
            },
            bytes: [&header, payload].concat(),
            header_len: 20,
            frames: (1, 20 + payload.len() as u64),
        }
    }

    type Case<'a> = (&'a str, Vec<&'a Fragment>, Option<&'a [u8]>);

    fn at(secs: i64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    #[test]
    fn parts_in_any_order_make_the_datagram_and_what_came_first_stays() {
        let a = fragment(0, true, b"aaaaaaaa");
        let b = fragment(8, true, b"bbbbbbbb");
        let overlap = fragment(4, true, b"xxxxxxxxxxxxxxxx");
        let c = fragment(16, false, b"cccc");
        let cases: [Case<'_>; 5] = [
            ("in order", vec![&a, &b, &c], Some(b"aaaaaaaabbbbbbbbcccc")),
            ("backwards", vec![&c, &b, &a], Some(b"aaaaaaaabbbbbbbbcccc")),
            (
                "overlapping later",
                vec![&a, &b, &overlap, &c],
                Some(b"aaaaaaaabbbbbbbbxxxx"),
            ),
            (
                "overlapping first",
                vec![&overlap, &c, &a],
                Some(b"aaaaxxxxxxxxxxxxxxxx"),
            ),
            ("a hole", vec![&a, &c], None),
        ];
        for (name, parts, want) in cases {
            let mut fragments = Fragments::new(FragmentConfig { memory: 1 << 20 });
            let whole = parts.iter().find_map(|part| fragments.take_at(part, at(1)));
            assert_eq!(whole.as_ref().map(Fragment::payload), want, "{name}");
            if let Some(whole) = whole {
                fragments.count(&whole, None);
                assert_eq!(fragments.cost, 0, "{name}");
            }
            let (processed, dropped) = fragments.finish();
            let sent = parts.len() as u64;
            assert!(processed.0 + dropped.total().0 <= sent, "{name}");
        }
    }

    #[test]
    fn old_and_too_many_are_given_up_and_counted() {
        let mut fragments = Fragments::new(FragmentConfig { memory: 1 << 20 });
        assert!(
            fragments
                .take_at(&fragment(0, true, b"aaaaaaaa"), at(0))
                .is_none()
        );
        assert!(
            fragments
                .take_at(&fragment(8, false, b"b"), at(300))
                .is_none(),
            "too late"
        );
        assert_eq!(fragments.finish().1.total().0, 2);

        let mut fragments = Fragments::new(FragmentConfig { memory: 10_000 });
        for id in 0..1_000 {
            let mut part = fragment(0, true, &[0; 100]);
            part.key.id = id;
            fragments.take_at(&part, at(0));
            assert!(fragments.cost <= 10_000);
        }
        assert_eq!(
            fragments.finish(),
            ((0, 0), {
                let mut dropped = DropCounts::new();
                dropped.add_many(DropReason::Fragment, (1_000, 120_000));
                dropped
            })
        );
    }
}
