//! Several interfaces, one order of time.
//!
//! Of a tapped link each direction may come in on an interface of its own: what is asked must be seen
//! before what is answered. So packets wait until every interface has been heard up to their time.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flow_table::Timestamp;

use super::PATIENCE;
use crate::capture::{Block, Record};
use crate::pipeline::{Fed, Feeder, Missing};

/// Blocks of one interface that may wait.
const BLOCKS: usize = 32;
/// Bytes and packets that are passed on at once.
const ENOUGH: (usize, usize) = (256 * 1024, 2_048);

/// Something of a lane; nothing once it is over.
type Message = (usize, Option<Part>);

/// A block, and up to when the lane is complete with it.
struct Part {
    block: Block,
    until: Timestamp,
}

/// The way from one listener.
pub(super) struct Lane {
    number: usize,
    to_merger: Sender<Message>,
    empty: Receiver<Block>,
    fed: Fed,
    missing: Arc<Missing>,
}

impl Lane {
    /// Passes on a block, which is empty afterwards; leaves it out if too many wait.
    pub(super) fn put(&mut self, block: &mut Block, until: Timestamp) {
        if let Ok(empty) = self.empty.try_recv() {
            let block = std::mem::replace(block, empty);
            // A merger that is gone takes its panic to whoever joins it.
            let _ = self
                .to_merger
                .send((self.number, Some(Part { block, until })));
        } else {
            self.fed.lose(block, &self.missing);
        }
        block.clear();
    }

    /// Whether the next block will be passed on.
    pub(super) fn has_room(&self) -> bool {
        !self.empty.is_empty()
    }

    pub(super) const fn fed(&self) -> Fed {
        self.fed
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let _ = self.to_merger.send((self.number, None));
    }
}

/// What has come of one lane.
struct Queue {
    parts: VecDeque<Part>,
    /// The next record of the first part.
    at: usize,
    /// Time of the lane, which never goes back.
    now: Timestamp,
    /// Where emptied blocks go.
    give_back: Sender<Block>,
}

impl Queue {
    /// When its next record counts.
    fn next(&self) -> Option<Timestamp> {
        let record = self.parts.front()?.block.records.get(self.at)?;
        Some(record.ts.max(self.now))
    }

    /// Moves its next record to `out`.
    fn take(&mut self, out: &mut Block) {
        let Some(part) = self.parts.front() else {
            return;
        };
        let Some(record) = part.block.records.get(self.at) else {
            return;
        };
        self.now = self.now.max(record.ts);
        let offset = out.bytes.len();
        out.bytes.put(part.block.bytes_of(record));
        out.records.push(Record {
            start: offset,
            offset,
            ..*record
        });
        self.at += 1;
        self.leave_empty();
    }

    /// Gives back the blocks in front that are used up.
    fn leave_empty(&mut self) {
        while let Some(part) = self.parts.front()
            && part.block.records.len() <= self.at
        {
            self.now = self.now.max(part.until);
            self.at = 0;
            if let Some(Part { mut block, .. }) = self.parts.pop_front() {
                block.clear();
                // A lane that is over needs none.
                let _ = self.give_back.try_send(block);
            }
        }
    }
}

/// See the module.
pub(super) struct Merger {
    messages: Receiver<Message>,
    queues: Vec<Queue>,
    out: Block,
}

impl Merger {
    /// With so many lanes, which count in `missing` what they leave out.
    pub(super) fn new(lanes: usize, missing: &Arc<Missing>) -> (Self, Vec<Lane>) {
        let (to_merger, messages) = unbounded();
        let (queues, lanes) = (0..lanes)
            .map(|number| {
                let (give_back, empty) = bounded(BLOCKS);
                for _ in 0..BLOCKS {
                    // There is room for all of them.
                    let _ = give_back.send(Block::default());
                }
                let queue = Queue {
                    parts: VecDeque::new(),
                    at: 0,
                    now: Timestamp::ZERO,
                    give_back,
                };
                let lane = Lane {
                    number,
                    to_merger: to_merger.clone(),
                    empty,
                    fed: Fed::default(),
                    missing: Arc::clone(missing),
                };
                (queue, lane)
            })
            .unzip();
        let merger = Self {
            messages,
            queues,
            out: Block::default(),
        };
        (merger, lanes)
    }

    /// Merges until all lanes are over.
    pub(super) fn run(mut self, mut feeder: Feeder) -> Fed {
        while let Ok(message) = self.messages.recv() {
            self.hear(message);
            self.merge(|block, until| {
                feeder.wait_for_room(PATIENCE);
                feeder.put(block, until);
            });
        }
        feeder.end();
        feeder.fed()
    }

    fn hear(&mut self, (number, part): Message) {
        let Some(queue) = self.queues.get_mut(number) else {
            return;
        };
        let over = || Part {
            block: Block::default(),
            until: Timestamp::MAX,
        };
        queue.parts.push_back(part.unwrap_or_else(over));
        queue.leave_empty();
    }

    /// Passes on what is in its place: no lane will bring anything that is earlier.
    fn merge(&mut self, mut pass: impl FnMut(&mut Block, Timestamp)) {
        // Of those without a record, nothing earlier than their time will come.
        let first = |queues: &[Queue]| {
            let times = queues.iter().enumerate();
            let times = times.map(|(at, queue)| (queue.next().unwrap_or(queue.now), at));
            times.min().unwrap_or_default()
        };
        let until = loop {
            let (time, at) = first(&self.queues);
            match self.queues.get_mut(at) {
                Some(queue) if queue.next().is_some() => queue.take(&mut self.out),
                _ => break time,
            }
            if self.out.bytes.len() >= ENOUGH.0 || self.out.records.len() >= ENOUGH.1 {
                pass(&mut self.out, Timestamp::ZERO);
            }
        };
        if until < Timestamp::MAX || !self.out.records.is_empty() {
            let until = if until < Timestamp::MAX {
                until
            } else {
                Timestamp::ZERO
            };
            pass(&mut self.out, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(secs: &[i64]) -> Block {
        let mut block = Block::default();
        for second in secs {
            let offset = block.bytes.len();
            block.bytes.put(&second.to_be_bytes());
            block.records.push(Record {
                ts: Timestamp::new(*second, 0),
                start: offset,
                offset,
                len: 8,
                wire_len: 8,
                link_number: 1,
                link: None,
            });
        }
        block
    }

    /// What is passed on when this is heard: the seconds of its packets, and up to when.
    fn merged(merger: &mut Merger, message: Message) -> Vec<(Vec<i64>, Timestamp)> {
        let mut passed = Vec::new();
        merger.hear(message);
        merger.merge(|block, until| {
            let bytes = block.records.iter().map(|record| block.bytes_of(record));
            let seconds = bytes.map(|bytes| i64::from_be_bytes(bytes.try_into().unwrap()));
            passed.push((seconds.collect(), until));
            block.clear();
        });
        passed
    }

    #[test]
    fn packets_wait_for_earlier_ones_of_other_lanes() {
        let (mut merger, lanes) = Merger::new(2, &Arc::default());
        let at = |secs| Timestamp::new(secs, 0);
        let part = |lane: usize, secs: &[i64], until| {
            let block = block(secs);
            (
                lane,
                Some(Part {
                    block,
                    until: at(until),
                }),
            )
        };
        let steps = [
            // Nothing is known of the other lane.
            (part(0, &[1, 3, 5], 0), vec![], 0),
            (part(1, &[2, 4], 0), vec![1, 2, 3, 4], 4),
            // Time goes on without packets; what is at the same time goes by lane.
            (part(1, &[], 5), vec![5], 5),
            (part(1, &[9], 9), vec![], 5),
            (part(0, &[], 7), vec![], 7),
            // A lane's packets never count earlier than those before.
            (part(0, &[6, 8], 8), vec![6, 8], 8),
        ];
        for (message, want, until) in steps {
            assert_eq!(merged(&mut merger, message), [(want, at(until))]);
        }
        assert_eq!(merged(&mut merger, (0, None)), [(vec![9], at(9))]);
        assert_eq!(merged(&mut merger, (1, None)), []);
        drop(lanes);
    }

    #[test]
    fn a_lane_whose_blocks_all_wait_leaves_out_and_counts() {
        let (merger, mut lanes) = Merger::new(1, &Arc::default());
        let lane = &mut lanes[0];
        for _ in 0..BLOCKS + 3 {
            lane.put(&mut block(&[1, 2]), Timestamp::ZERO);
        }
        assert_eq!(lane.fed().lost, (6, 48));
        assert_eq!(merger.messages.len(), BLOCKS);
    }
}
