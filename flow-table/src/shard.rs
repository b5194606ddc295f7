//! A share of the hash space: what one thread owns.

use crate::conversations::Conversations;
use crate::inspection::InspectionConfig;
use crate::key::{KEY_GROUPS, KeyHasher, group_of};
use crate::leaving::{End, Leaving};
use crate::packet::Packet;
use crate::table::{Block, FlowTable, TableConfig, TableOutput};
use crate::{Span, Timestamp};

/// Which of how many shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShardId {
    /// Which, from 0.
    pub index: usize,
    /// Of how many; at most [`KEY_GROUPS`].
    pub of: usize,
}

/// The shard that owns a hash, of `shards`.
pub const fn shard_of(hash: u64, shards: usize) -> usize {
    group_of(hash) % shards
}

/// What tables tell of flows beside their rows: for what nobody listens to, nothing is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tells {
    /// Events.
    pub events: bool,
    /// What is odd about packets below the protocols that are looked into: rows of weird.log.
    pub oddities: bool,
}

impl Tells {
    /// Everything.
    pub const ALL: Self = Self {
        events: true,
        oddities: true,
    };
}

/// Settings of all tables together.
#[derive(Clone, Copy, Debug)]
pub struct FlowConfig {
    /// Goes into uids: fixed for replay, random for live capture.
    pub seed: u64,
    /// What is told of flows before they end.
    pub tells: Tells,
    /// How often a live flow reports what moved.
    pub progress_interval: Span,
    /// How often a flow that is still open gets a row for that; none if never.
    pub open_every: Option<Span>,
    /// How many bytes flows may take in all.
    pub memory: u64,
    /// How they are looked into.
    pub inspection: InspectionConfig,
}

/// Bytes a flow takes with its share of the indexes.
pub const FLOW_BYTES: u64 = (size_of::<Option<crate::flow::Flow>>() + INDEX_BYTES) as u64;
/// Index, wheel and list of free slots, by measurement (`scripts/flow-memory`).
const INDEX_BYTES: usize = 40;

/// How many packets ahead flows are fetched: by then memory has answered, by measurement.
const LOOK_AHEAD: usize = 12;
/// More than that.
const SLOTS: usize = 16;

/// The tables of one share.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    /// Of hashes.
    seed: u64,
    tables: Vec<FlowTable>,
    /// Which of them belongs to a group, where one does.
    places: [u8; KEY_GROUPS],
}

impl Shard {
    /// Empty tables for share `id`.
    pub fn new(id: ShardId, config: &FlowConfig) -> Self {
        let max_flows = config.memory / FLOW_BYTES / KEY_GROUPS as u64;
        let table = TableConfig {
            seed: config.seed,
            tells: config.tells,
            progress_interval: config.progress_interval,
            open_every: config.open_every,
            inspection: InspectionConfig {
                memory: config.inspection.memory / KEY_GROUPS as u64,
                ..config.inspection
            },
            max_flows: usize::try_from(max_flows).unwrap_or(usize::MAX).max(1),
        };
        let groups = (0..KEY_GROUPS).filter(|group| group % id.of == id.index);
        Self {
            id,
            seed: config.seed,
            tables: groups.map(|_| FlowTable::new(table)).collect(),
            places: std::array::from_fn(|group| u8::try_from(group / id.of).unwrap_or_default()),
        }
    }

    /// Takes a block's packets that belong to this share, in order, and then every timer that
    /// the block's time made due.
    pub fn take(&mut self, packets: &[Packet], block: &Block<'_>, out: &mut TableOutput) {
        // Those whose index, and those whose flow, is fetched meanwhile.
        let ahead = |by: usize| packets.get(by..).unwrap_or_default().iter();
        let (mut far, mut near) = (ahead(2 * LOOK_AHEAD), ahead(LOOK_AHEAD));
        // Where the flows are that were fetched.
        let mut likely = [None; SLOTS];
        let mut ends = block.clock.parts(packets).into_iter().peekable();
        for (at, packet) in packets.iter().enumerate() {
            if let Some((_, time)) = ends.next_if(|(end, _)| *end == at) {
                out.end_part(time);
            }
            if let Some(Packet { hash, .. }) = far.next()
                && let Some(table) = self.tables.get(self.table_of(*hash))
            {
                table.prefetch_index(*hash);
            }
            if let Some(Packet { hash, .. }) = near.next()
                && let Some(table) = self.tables.get(self.table_of(*hash))
                && let Some(place) = likely.get_mut((at + LOOK_AHEAD) % SLOTS)
            {
                *place = table.prefetch_flow(*hash);
            }
            let table = self.table_of(packet.hash);
            let likely = likely.get(at % SLOTS).copied().flatten();
            if let Some(table) = self.tables.get_mut(table) {
                table.take(packet, likely, block, out);
            }
        }
        if let Some(last) = packets.last() {
            out.end_part(block.clock.at(last.index));
        }
        let end = block.clock.end();
        for table in &mut self.tables {
            table.find_due(end);
        }
        for table in &self.tables {
            table.fetch_due();
        }
        for table in &mut self.tables {
            table.fire_due(&block.clock, end, out);
        }
    }

    /// The input is over: every flow leaves at `now`. See [`Leaving`] for when they are many.
    pub fn finish(&mut self, now: Timestamp, out: &mut TableOutput) {
        let mut leaving = Leaving::of(self, now, End::Closes);
        while leaving.step(self, usize::MAX, out).is_some() {}
    }

    /// Which of its tables has the flows of this hash.
    fn table_of(&self, hash: u64) -> usize {
        let table = self.places.get(group_of(hash)).copied();
        table.unwrap_or_default().into()
    }

    pub(crate) fn tables(&self) -> &[FlowTable] {
        &self.tables
    }

    /// The flow in a slot of a table leaves soon: fetches it.
    pub(crate) fn prefetch_flow(&self, table: u32, slot: u32) {
        if let Some(table) = self.tables.get(table as usize) {
            table.prefetch_slot(slot);
        }
    }

    /// The same flow leaves very soon: fetches where the index has it.
    pub(crate) fn prefetch_index(&self, table: u32, slot: u32) {
        if let Some(table) = self.tables.get(table as usize) {
            table.prefetch_index_of(slot);
        }
    }

    /// Ends the flow in a slot of a table.
    pub(crate) fn end(&mut self, table: u32, slot: u32, now: Timestamp, out: &mut TableOutput) {
        let table = usize::try_from(table).unwrap_or(usize::MAX);
        if let Some(table) = self.tables.get_mut(table) {
            table.end(slot, now, out);
        }
    }

    /// Keeps the flow in a slot of a table, which goes on elsewhere.
    pub(crate) fn suspend(&mut self, table: u32, slot: u32, now: Timestamp, out: &mut TableOutput) {
        let table = usize::try_from(table).unwrap_or(usize::MAX);
        if let Some(table) = self.tables.get_mut(table) {
            table.suspend(slot, now, out);
        }
    }

    /// Takes those of the conversations that belong to this share, and goes on with them; returns with
    /// how many.
    pub fn go_on_with(&mut self, conversations: &mut Conversations) -> u64 {
        let (hasher, id, mut count) = (KeyHasher::new(self.seed), self.id, 0);
        conversations.take(|key, conversation| {
            let hash = hasher.hash(key);
            let mine = shard_of(hash, id.of) == id.index;
            let table = self.table_of(hash);
            if let Some(table) = self.tables.get_mut(table).filter(|_| mine) {
                count += u64::from(table.adopt(conversation));
            }
            mine
        });
        count
    }

    /// Bytes that parsers and what they wait for take, about.
    pub fn inspection_held(&self) -> usize {
        let tables = self.tables.iter();
        tables.map(|table| table.inspections().held()).sum()
    }

    /// Number of flows in it.
    pub fn len(&self) -> usize {
        self.tables.iter().map(FlowTable::len).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(FlowTable::is_empty)
    }
}
