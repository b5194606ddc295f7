//! Rows of protocols' logs on their way to be put into order.

use flow_table::ProtocolRow;

use super::Position;

/// What the shards handed out.
#[derive(Debug, Default)]
pub(super) struct Protocols(Vec<ProtocolRow>);

impl Protocols {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes what a shard hands out.
    pub(super) fn put(&mut self, rows: &mut Vec<ProtocolRow>) {
        self.0.append(rows);
    }

    /// Adds what is before `boundary`, in its order, to `ready`, which is empty.
    pub(super) fn take(&mut self, boundary: Position, ready: &mut Vec<ProtocolRow>) {
        let is_before = |row: &mut ProtocolRow| {
            let ProtocolRow { time, uid, .. } = *row;
            Position { time, uid } < boundary
        };
        ready.extend(self.0.extract_if(.., is_before));
        ready.sort_unstable_by_key(|row| (row.time, row.uid, row.seq));
    }
}
