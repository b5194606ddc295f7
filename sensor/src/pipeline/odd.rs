//! Odd frames on their way to weird.log. They belong to no flow, and so to no shard: one worker tells
//! of all of them.

use std::net::{IpAddr, Ipv4Addr};

use flow_table::protocol::Record;
use flow_table::{Clock, Endpoint, FlowId, IpProto, OddFrame, ProtocolRow, Uid};

/// Who talks: the rows say that themselves.
const NOBODY: Endpoint = Endpoint {
    addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    port: 0,
};
const NO_FLOW: FlowId = FlowId {
    orig: NOBODY,
    resp: NOBODY,
    proto: IpProto(0),
};

/// How many there were.
#[derive(Debug, Default)]
pub(super) struct OddFrames(u32);

impl OddFrames {
    /// Makes rows of those of a block.
    pub(super) fn tell(
        &mut self,
        frames: &[OddFrame],
        clock: &Clock<'_>,
        rows: &mut Vec<ProtocolRow>,
    ) {
        for odd in frames {
            self.0 = self.0.wrapping_add(1);
            rows.push(ProtocolRow {
                time: clock.at(odd.index),
                uid: Uid::default(),
                seq: self.0,
                id: NO_FLOW,
                record: Record::Odd(Box::new(odd.clone())),
            });
        }
    }
}
