//! A block's records become packets, sorted by the shard that owns them.

use flow_table::{Decoder, DropReason, Frame, Packet, shard_of};

use super::{Settings, Totals};
use crate::capture::{Block, Filter, Record};

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
            decoder: Decoder::new(settings.flows.seed, settings.checksums),
            filter: settings
                .filter
                .as_deref()
                .and_then(|text| Filter::new(text).ok()),
            shards: settings.threads,
            totals: Totals::default(),
        }
    }

    /// Decodes `block` into a list of packets for each shard.
    pub(super) fn decode(&mut self, block: &Block, lists: &mut Vec<Vec<Packet>>) {
        lists.resize_with(self.shards, Vec::new);
        lists.iter_mut().for_each(Vec::clear);
        for (index, record) in (0..).zip(&block.records) {
            let bytes = block.bytes_of(record);
            self.totals.packets += 1;
            self.totals.bytes += bytes.len() as u64;
            let dropped = match self.packet(bytes, record, index) {
                Ok(packet) => {
                    let reason = DropReason::of(&packet);
                    if let Some(list) = lists.get_mut(shard_of(packet.hash, self.shards)) {
                        list.push(packet);
                    }
                    reason
                }
                Err(reason) => Some(reason),
            };
            if let Some(reason) = dropped {
                self.totals.dropped.add(reason, bytes.len());
            } else {
                self.totals.processed += 1;
                self.totals.processed_bytes += bytes.len() as u64;
            }
        }
    }

    fn packet(&mut self, bytes: &[u8], record: &Record, index: u32) -> Result<Packet, DropReason> {
        let link = record.link.ok_or(DropReason::UnknownLink)?;
        if let Some(filter) = &mut self.filter
            && !filter.passes(record.link_number, bytes)
        {
            return Err(DropReason::Filtered);
        }
        self.decoder.decode(Frame {
            ts: record.ts,
            bytes,
            wire_len: record.wire_len,
            link,
            index,
        })
    }
}
