//! Captures through the flow table alone, without the sensor around it.

use flow_table::protocol::files::Hashes;
use flow_table::protocol::http::Measure;
use flow_table::{
    Block, Checksums, Clock, Conversations, Decoder, End, FlowConfig, Frame, InspectionConfig,
    Leaving, LinkType, Shard, ShardId, Span, TableOutput, Tells, Timestamp,
};

use super::pcap::Packet;

/// All flows, in one shard.
pub(crate) struct Flows {
    decoder: Decoder,
    link: LinkType,
    shard: Shard,
    now: Timestamp,
    out: TableOutput,
}

impl Flows {
    /// Of frames of this link type; those that go on are there already.
    pub(crate) fn new(link: u32, conversations: &mut Conversations) -> Self {
        let config = FlowConfig {
            seed: 1,
            tells: Tells::ALL,
            progress_interval: Span::from_secs(10),
            open_every: None,
            memory: 1 << 28,
            inspection: InspectionConfig {
                memory: 1 << 26,
                measure: Measure::Decompressed,
                hashes: Hashes::NONE,
            },
        };
        let mut shard = Shard::new(ShardId { index: 0, of: 1 }, &config);
        let out = TableOutput {
            resumed: shard.go_on_with(conversations),
            ..TableOutput::default()
        };
        Self {
            decoder: Decoder::new(1, Checksums::Ignore),
            link: LinkType::of(link).unwrap(),
            shard,
            now: Timestamp::ZERO,
            out,
        }
    }

    pub(crate) fn take(&mut self, packets: &[Packet]) {
        for packet in packets {
            let ts = Timestamp::from_nanos(i64::try_from(packet.micros).unwrap() * 1_000);
            self.now = self.now.max(ts);
            let frame = Frame {
                ts,
                bytes: &packet.bytes,
                wire_len: packet.wire_len,
                link: self.link,
                index: 0,
                at: 0,
            };
            let mut decoded = Vec::new();
            if self.decoder.decode(frame, &mut decoded).is_ok() {
                let times = [self.now];
                let block = Block {
                    bytes: &packet.bytes,
                    ..Block::new(Clock::new(&times))
                };
                self.shard.take(&decoded, &block, &mut self.out);
            }
        }
    }

    /// Everything that was handed out, once there is no more.
    pub(crate) fn end(mut self, end: End) -> TableOutput {
        let mut leaving = Leaving::of(&self.shard, self.now, end);
        while leaving
            .step(&mut self.shard, usize::MAX, &mut self.out)
            .is_some()
        {}
        self.out
    }
}
