//! What shards handed out and is yet to be put into order.
//!
//! Outputs stay as they came, in one piece; what moves, is divided and sorted are sixteen bytes for
//! each thing in them. An output whose things have all been taken goes back to be filled again.

use flow_table::{FlowEvent, FlowRecord, Timestamp, Uid};

use super::{Position, ShardOutput};

/// Something at a moment, and where it lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    time: Timestamp,
    output: u32,
    at: u32,
}

/// Something that has its place in the order of everything.
pub(super) trait Placed: Sized {
    /// When it counts.
    fn time(&self) -> Timestamp;
    /// Its flow.
    fn uid(&self) -> Uid;
    /// Which of its flow's it is.
    fn seq(&self) -> u32;
    /// The things of this kind in an output.
    fn of(output: &ShardOutput) -> &[Self];
}

impl Placed for FlowEvent {
    fn time(&self) -> Timestamp {
        self.time
    }

    fn uid(&self) -> Uid {
        self.uid
    }

    fn seq(&self) -> u32 {
        self.seq
    }

    fn of(output: &ShardOutput) -> &[Self] {
        &output.events
    }
}

impl Placed for FlowRecord {
    fn time(&self) -> Timestamp {
        self.end
    }

    fn uid(&self) -> Uid {
        self.uid
    }

    fn seq(&self) -> u32 {
        0
    }

    fn of(output: &ShardOutput) -> &[Self] {
        &output.records
    }
}

/// An output, and how many things in it have not been taken.
#[derive(Debug, Default)]
struct Held {
    output: ShardOutput,
    left: usize,
}

/// All outputs that something is left of.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Vec<Held>,
    free: Vec<u32>,
    events: Vec<Place>,
    records: Vec<Place>,
    /// Room for those that are handed out.
    ready: Vec<Place>,
}

impl Waiting {
    /// How many events and records there are.
    pub(super) fn len(&self) -> usize {
        self.events.len() + self.records.len()
    }

    /// How many records there are.
    pub(super) const fn records(&self) -> usize {
        self.records.len()
    }

    /// Takes an output. Gives it back if there is nothing in it.
    pub(super) fn put(&mut self, output: ShardOutput) -> Option<ShardOutput> {
        let left = output.events.len() + output.records.len();
        if left == 0 {
            return Some(output);
        }
        let at = self.free.pop().unwrap_or_else(|| {
            self.held.push(Held::default());
            u32::try_from(self.held.len() - 1).unwrap_or(u32::MAX)
        });
        list(&mut self.events, at, &output.events);
        list(&mut self.records, at, &output.records);
        if let Some(held) = self.held.get_mut(at as usize) {
            *held = Held { output, left };
        }
        None
    }

    /// Hands out the events before `boundary`, in their order.
    pub(super) fn take_events(
        &mut self,
        boundary: Position,
        take: impl FnOnce(&mut dyn Iterator<Item = &FlowEvent>),
    ) {
        let ready = &mut self.ready;
        hand_out(&mut self.held, &mut self.events, ready, boundary, take);
    }

    /// Hands out the rows before `boundary`, in their order.
    pub(super) fn take_records(
        &mut self,
        boundary: Position,
        take: impl FnOnce(&mut dyn Iterator<Item = &FlowRecord>),
    ) {
        let ready = &mut self.ready;
        hand_out(&mut self.held, &mut self.records, ready, boundary, take);
    }

    /// Outputs of which nothing is left.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = ShardOutput> + '_ {
        let free = &mut self.free;
        self.held.iter_mut().zip(0..).filter_map(|(held, at)| {
            let taken = held.left == 0 && !is_fresh(&held.output);
            taken.then(|| {
                free.push(at);
                std::mem::take(&mut held.output)
            })
        })
    }
}

/// Whether it stands for no output at all.
fn is_fresh(output: &ShardOutput) -> bool {
    output.events.is_empty() && output.records.is_empty()
}

fn list<T: Placed>(places: &mut Vec<Place>, output: u32, things: &[T]) {
    places.extend((0..).zip(things).map(|(at, thing)| Place {
        time: thing.time(),
        output,
        at,
    }));
}

fn thing<T: Placed>(held: &[Held], place: Place) -> Option<&T> {
    T::of(&held.get(place.output as usize)?.output).get(place.at as usize)
}

/// Hands out the things before `boundary`, in their order. `ready` is empty before and after.
fn hand_out<T: Placed>(
    held: &mut [Held],
    waiting: &mut Vec<Place>,
    ready: &mut Vec<Place>,
    boundary: Position,
    take: impl FnOnce(&mut dyn Iterator<Item = &T>),
) {
    let name = |place: &Place| thing::<T>(held, *place).map(|thing| (thing.uid(), thing.seq()));
    let is_before = |place: &Place| {
        place.time < boundary.time
            || (place.time == boundary.time
                && name(place).is_some_and(|(uid, _)| uid < boundary.uid))
    };
    ready.extend(waiting.extract_if(.., |place| is_before(place)));
    // Mostly they are in order already, and few happen at one moment.
    ready.sort_by_key(|place| place.time);
    for moment in ready.chunk_by_mut(|a, b| a.time == b.time) {
        if moment.len() > 1 {
            moment.sort_unstable_by_key(name);
        }
    }
    take(&mut ready.iter().filter_map(|place| thing::<T>(held, *place)));
    for place in ready.drain(..) {
        if let Some(held) = held.get_mut(place.output as usize) {
            held.left -= 1;
        }
    }
}
