//! A block's records become packets, sorted by the shard that owns them.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Range;

use flow_table::{
    Clock, Decoded, Decoder, DropCounts, DropReason, FlowKey, Fragment, Fragments, Frame, LinkInfo,
    LinkPlace, OddFrame, Packet, PacketSink, Parent, Timestamp, shard_of,
};

use super::reports::Counted;
use super::{Settings, Totals};
use crate::capture::{Block, Filter, Record};

/// The packets of a block.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// A list for each shard, in capture order.
    pub(super) lists: Vec<Vec<Packet>>,
    /// Packets of no shard: there are none.
    homeless: Vec<Packet>,
    /// The tunnels they came through.
    pub(super) parents: Vec<FlowKey>,
    /// What their link layers said, where that is asked for.
    pub(super) links: Vec<LinkInfo>,
    /// Datagrams that were put together, beside the bytes of the block.
    pub(super) whole: Vec<u8>,
    /// Parts of datagrams, to be put together in the order of blocks.
    fragments: Vec<Fragment>,
    /// What is odd about frames.
    pub(super) odd: Vec<OddFrame>,
    /// How many there were, by part of packet time.
    pub(super) counted: Vec<Counted>,
    /// Packets inside tunnels that were not processed.
    pub(super) inner_dropped: DropCounts,
}

impl Packets {
    fn clear(&mut self, shards: usize) {
        self.lists.resize_with(shards, Vec::new);
        self.lists.iter_mut().for_each(Vec::clear);
        self.parents.clear();
        self.links.clear();
        self.whole.clear();
        self.fragments.clear();
        self.odd.clear();
        self.counted.clear();
        self.inner_dropped = DropCounts::new();
    }

    /// The list of the shard that owns a hash.
    #[inline]
    fn list(&mut self, hash: u64) -> &mut Vec<Packet> {
        match self.lists.as_mut_slice() {
            [list] => list,
            lists => {
                let shard = shard_of(hash, lists.len());
                lists.get_mut(shard).unwrap_or(&mut self.homeless)
            }
        }
    }

    /// Puts a block's fragments together with those of the blocks before, in their order.
    pub(super) fn reassemble(
        &mut self,
        decoder: &Decoder,
        clock: &Clock<'_>,
        held: &mut Fragments,
    ) {
        if self.fragments.is_empty() {
            return;
        }
        let mut parts = VecDeque::from(std::mem::take(&mut self.fragments));
        while let Some(part) = parts.pop_front() {
            let Some(whole) = held.take(&part, clock) else {
                continue;
            };
            let dropped = decoder.decode_whole(&whole, self).err();
            held.count(&whole, dropped);
            // Fragments inside a tunnel inside a datagram: nested tunnels end, and so does this.
            parts.extend(self.fragments.drain(..));
        }
        self.odd.sort_by_key(|odd| odd.index);
        // They came after everything else of the block.
        for list in &mut self.lists {
            if list.is_sorted_by(|a, b| a.index.cmp(&b.index) != Ordering::Greater) {
                continue;
            }
            list.sort_by_key(|packet| packet.index);
        }
    }
}

impl PacketSink for Packets {
    #[inline]
    fn packet(&mut self, hash: u64) -> &mut Packet {
        self.list(hash).push_mut(Packet::EMPTY)
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a packet is written to where it stays only if this is no call"
    )]
    fn put(&mut self, packet: Packet) {
        self.list(packet.hash).push(packet);
    }

    fn link(&mut self, info: LinkInfo) -> LinkPlace {
        if self.links.last() != Some(&info) {
            self.links.push(info);
        }
        LinkPlace::at(self.links.len() - 1)
    }

    fn parent(&mut self, key: FlowKey) -> Parent {
        if self.parents.last() != Some(&key) {
            self.parents.push(key);
        }
        Parent::at(self.parents.len() - 1)
    }

    fn fragment(&mut self, fragment: Fragment) {
        self.fragments.push(fragment);
    }

    fn keep(&mut self, datagram: &[u8]) -> usize {
        let at = self.whole.len();
        self.whole.extend_from_slice(datagram);
        at
    }

    fn inner_dropped(&mut self, reason: DropReason) {
        self.inner_dropped.add(reason, 0);
    }

    fn odd(&mut self, odd: OddFrame) {
        let same = |last: &OddFrame| (last.name, last.ends) == (odd.name, odd.ends);
        if !self.odd.last().is_some_and(same) {
            self.odd.push(odd);
        }
    }
}

/// What one worker needs to decode.
pub(super) struct BlockDecoder {
    decoder: Decoder,
    filter: Option<Filter>,
    shards: usize,
    pub(super) totals: Totals,
}

impl BlockDecoder {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            decoder: settings.decoder(),
            filter: settings
                .filter
                .as_deref()
                .and_then(|text| Filter::new(text).ok()),
            shards: settings.threads,
            totals: Totals::default(),
        }
    }

    /// Decodes `block` into `packets`.
    pub(super) fn decode(&mut self, block: &Block, packets: &mut Packets) {
        packets.clear(self.shards);
        let mut from = 0;
        while let Some(first) = block.times.get(from) {
            let part = |time: &Timestamp| time.part() == first.part();
            let rest = block.times.get(from..).unwrap_or_default();
            let len = match rest.last() {
                Some(last) if part(last) => rest.len(),
                _ => rest.partition_point(part),
            };
            self.decode_part(block, from..from + len, packets);
            from += len;
        }
    }

    /// Decodes records that came in one part of packet time.
    fn decode_part(&mut self, block: &Block, range: Range<usize>, packets: &mut Packets) {
        let time = block.times.get(range.start).copied().unwrap_or_default();
        let first = u32::try_from(range.start).unwrap_or(u32::MAX);
        // Of the last part, time may go on without a record.
        let records = block.records.get(range.start..).unwrap_or_default();
        let records = records.get(..range.len()).unwrap_or(records);
        // In packets and bytes.
        let (mut all, mut processed) = ((0, 0), (0, 0));
        let mut dropped = DropCounts::new();
        for (index, record) in (first..).zip(records) {
            let bytes = block.bytes_of(record);
            let len = bytes.len() as u64;
            all = (all.0 + 1, all.1 + len);
            let held = packets.fragments.len();
            match self.packet(bytes, record, index, packets) {
                Ok(Decoded::Processed) => {
                    processed = (processed.0 + 1, processed.1 + len);
                }
                // Counted when its datagram is complete or given up.
                Ok(Decoded::Held) => {}
                Err(reason) => dropped.add(reason, bytes.len()),
            }
            if packets.fragments.len() > held {
                count_held(packets, held, len);
            }
        }
        self.totals.packets += all.0;
        self.totals.bytes += all.1;
        self.totals.processed += processed.0;
        self.totals.processed_bytes += processed.1;
        self.totals.dropped.merge(&dropped);
        packets.counted.push(Counted {
            time,
            packets: all.0,
            bytes: all.1,
            dropped,
            link: None,
        });
    }

    fn packet(
        &mut self,
        bytes: &[u8],
        record: &Record,
        index: u32,
        packets: &mut Packets,
    ) -> Result<Decoded, DropReason> {
        let link = record.link.ok_or(DropReason::UnknownLink)?;
        if let Some(filter) = &mut self.filter
            && !filter.passes(record.link_number, bytes)
        {
            return Err(DropReason::Filtered);
        }
        let frame = Frame {
            ts: record.ts,
            bytes,
            wire_len: record.wire_len,
            link,
            index,
            at: record.offset,
        };
        self.decoder.decode(frame, packets)
    }
}

/// Only a frame that is a fragment itself is counted with its datagram; one that carries a fragment
/// inside a tunnel was processed.
fn count_held(packets: &mut Packets, before: usize, len: u64) {
    for fragment in packets.fragments.iter_mut().skip(before) {
        if !fragment.is_inside() {
            fragment.count_frame(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flow_table::protocol::files::Hashes;
    use flow_table::protocol::http::Measure;
    use flow_table::{
        Checksums, End, FlowConfig, FragmentConfig, InspectionConfig, Links, Span, Tells,
    };

    use super::*;
    use crate::pins::Pins;
    use crate::pipeline::HandOut;

    #[test]
    fn every_record_counts_wherever_time_goes_on() {
        let settings = Settings {
            threads: 1,
            pins: Pins::default(),
            flows: FlowConfig {
                seed: 1,
                tells: Tells::ALL,
                progress_interval: Span::from_secs(10),
                open_every: None,
                memory: 1 << 20,
                inspection: InspectionConfig {
                    memory: 1 << 20,
                    measure: Measure::Decompressed,
                    hashes: Hashes::NONE,
                },
            },
            end: End::Closes,
            hand_out: HandOut::EachBlock,
            conversations: Arc::default(),
            fragments: FragmentConfig { memory: 1 << 20 },
            links: Links::Skip,
            checksums: Checksums::Verify,
            filter: None,
        };
        let mut decoder = BlockDecoder::new(&settings);
        let mut packets = Packets::default();
        // A part ends between the records, or after them, or nowhere.
        for (times, parts) in [
            (&[10, 20, 20][..], 1),
            (&[10, 1_000_000, 1_000_000], 2),
            (&[10, 20, 1_000_000], 2),
            (&[10, 20], 1),
        ] {
            let mut block = Block::default();
            for secs in times.iter().take(2) {
                let offset = block.bytes.len();
                block.bytes.put(&[0; 60]);
                block.records.push(Record {
                    ts: Timestamp::new(*secs, 0),
                    start: offset,
                    offset,
                    len: 60,
                    wire_len: 60,
                    link_number: 1,
                    link: None,
                });
            }
            block.times = times.iter().map(|secs| Timestamp::new(*secs, 0)).collect();
            decoder.totals = Totals::default();
            decoder.decode(&block, &mut packets);
            let counted: u64 = packets.counted.iter().map(|part| part.packets).sum();
            assert_eq!((decoder.totals.packets, counted), (2, 2), "{times:?}");
            assert_eq!(packets.counted.len(), parts, "{times:?}");
        }
    }
}
