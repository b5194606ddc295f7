//! From those who listen to interfaces to the workers.
//!
//! There are only so many chunks. Those who listen may wait for one; a block that is put while all of
//! them are on their way is left out as a whole, and counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use flow_table::Timestamp;

use super::missing::{Missed, Missing};
use super::worker::Chunk;
use crate::capture::Block;
use crate::clock::Stopwatch;

/// Both ends of a feed of at most so many chunks.
pub(crate) fn feed(chunks: usize) -> (Feeder, Feed) {
    let (to_workers, filled) = unbounded();
    let shared = Arc::new(Shared {
        pool: Mutex::new(Pool {
            spare: Vec::new(),
            unmade: chunks,
        }),
        most: chunks,
        blocks: AtomicU64::new(0),
        done: AtomicU64::new(0),
    });
    let feeder = Feeder {
        to_workers,
        shared: Arc::clone(&shared),
        fed: Fed::default(),
        missing: Arc::default(),
        told: Missed::default(),
    };
    (feeder, Feed { filled, shared })
}

/// What both ends know.
#[derive(Debug)]
struct Shared {
    pool: Mutex<Pool>,
    /// How many chunks there may be.
    most: usize,
    /// Blocks that went in.
    blocks: AtomicU64,
    /// Chunks that came back.
    done: AtomicU64,
}

/// Chunks that nobody uses. The one used last is taken first: it is still in the cache.
#[derive(Debug)]
struct Pool {
    #[expect(clippy::vec_box, reason = "chunks travel in their boxes")]
    spare: Vec<Box<Chunk>>,
    /// How many more may be made.
    unmade: usize,
}

impl Pool {
    fn take(&mut self) -> Option<Box<Chunk>> {
        self.spare.pop().or_else(|| {
            self.unmade = self.unmade.checked_sub(1)?;
            Some(Box::default())
        })
    }

    fn free(&self) -> usize {
        self.spare.len() + self.unmade
    }

    fn is_empty(&self) -> bool {
        self.free() == 0
    }
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went through a feed.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Fed {
    /// Timestamp of the first packet.
    pub(crate) first: Option<Timestamp>,
    /// Packet time at the end.
    pub(crate) now: Timestamp,
    /// Packets and bytes that were left out.
    pub(crate) lost: (u64, u64),
}

impl Fed {
    /// Counts a block that is left out, here and in what is missing in all.
    pub(crate) fn lose(&mut self, block: &Block, missing: &Missing) {
        let bytes: usize = block.records.iter().map(|record| record.len).sum();
        let (packets, bytes) = (block.records.len() as u64, bytes as u64);
        self.lost = (self.lost.0 + packets, self.lost.1 + bytes);
        missing.lose(packets, bytes);
    }
}

/// The end that blocks go into.
pub(crate) struct Feeder {
    to_workers: Sender<Box<Chunk>>,
    shared: Arc<Shared>,
    fed: Fed,
    missing: Arc<Missing>,
    /// Of what is missing, what has been told on.
    told: Missed,
}

/// Waits for the workers, once nothing more is listened to.
const LAST: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Chunks on their way, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    pub(crate) used: usize,
    pub(crate) most: usize,
}

impl Feeder {
    /// Passes on what is in `block`, which is empty afterwards. After its records packet time is
    /// `until` at least.
    pub(crate) fn put(&mut self, block: &mut Block, until: Timestamp) {
        let first = block.records.first().map(|record| record.ts);
        self.fed.first = self.fed.first.or(first);
        self.fed.now = block.tell_time(self.fed.now).max(until);
        block.times.push(self.fed.now);
        let taken = self.shared.pool().take();
        if let Some(mut chunk) = taken {
            std::mem::swap(&mut chunk.block, block);
            chunk.block.number = self.shared.blocks.fetch_add(1, Relaxed);
            let missing = self.missing.total();
            chunk.missed = Some(missing.since(self.told));
            self.told = missing;
            // Workers that are gone take their panic to whoever joins them.
            let _ = self.to_workers.send(chunk);
        } else {
            self.fed.lose(block, &self.missing);
        }
        block.clear();
    }

    /// Whether the next block will be passed on.
    pub(crate) fn has_room(&self) -> bool {
        !self.shared.pool().is_empty()
    }

    /// Waits until it will, but not longer than that.
    pub(crate) fn wait_for_room(&self, longest: Duration) {
        let watch = Stopwatch::start();
        while !self.has_room() && watch.elapsed() < longest {
            thread::sleep(PAUSE);
        }
    }

    /// Nothing more comes: tells on what was missing last, as soon as there is room for that.
    pub(crate) fn end(&mut self) {
        self.wait_for_room(LAST);
        self.put(&mut Block::default(), Timestamp::ZERO);
    }

    /// Where to count what does not come this far.
    pub(crate) fn missing(&self) -> Arc<Missing> {
        Arc::clone(&self.missing)
    }

    /// How full it is.
    pub(crate) fn depth(&self) -> impl Fn() -> Depth + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || {
            let free = shared.pool().free();
            Depth {
                used: shared.most - free,
                most: shared.most,
            }
        }
    }

    /// What went through so far.
    pub(crate) const fn fed(&self) -> Fed {
        self.fed
    }

    /// How many chunks went all the way: it stands still when something on it does.
    pub(crate) fn progress(&self) -> impl Fn() -> u64 + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.done.load(Relaxed)
    }
}

/// The end that workers take from.
pub(crate) struct Feed {
    filled: Receiver<Box<Chunk>>,
    shared: Arc<Shared>,
}

impl Feed {
    /// Chunks that were filled, in their order.
    pub(super) fn filled(&self) -> Receiver<Box<Chunk>> {
        self.filled.clone()
    }

    /// Exchanges `chunk` for the next one that was filled. Returns whether there was one.
    pub(super) fn next(&self, chunk: &mut Box<Chunk>) -> bool {
        let Ok(filled) = self.filled.recv() else {
            return false;
        };
        self.give_back(std::mem::replace(chunk, filled));
        true
    }

    pub(super) fn give_back(&self, chunk: Box<Chunk>) {
        self.shared.done.fetch_add(1, Relaxed);
        self.shared.pool().spare.push(chunk);
    }

    /// How many blocks went in.
    pub(super) fn blocks(&self) -> u64 {
        self.shared.blocks.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Record;

    fn block(packets: usize, secs: i64) -> Block {
        let mut block = Block::default();
        block.bytes.put(&[7; 60]);
        let record = Record {
            ts: Timestamp::new(secs, 0),
            start: 0,
            offset: 0,
            len: 60,
            wire_len: 60,
            link_number: 1,
            link: None,
        };
        block.records = vec![record; packets];
        block
    }

    #[test]
    fn a_full_feed_leaves_out_whole_blocks_and_counts_them() {
        let (mut feeder, feed) = feed(2);
        for packets in [1, 2, 3] {
            feeder.put(&mut block(packets, 10), Timestamp::ZERO);
        }
        assert_eq!(feeder.fed().lost, (3, 180));
        let taken: Vec<_> = feed.filled().try_iter().collect();
        let numbers: Vec<_> = taken.iter().map(|chunk| chunk.block.number).collect();
        assert_eq!((numbers, feed.blocks()), (vec![0, 1], 2));
        for chunk in taken {
            feed.give_back(chunk);
        }
        feeder.put(&mut block(4, 11), Timestamp::ZERO);
        assert_eq!(feeder.fed().lost, (3, 180), "there is room again");
        let next = feed.filled().recv().unwrap();
        let missed = next.missed.unwrap().counted(Timestamp::ZERO);
        assert_eq!((missed.packets, missed.bytes), (3, 180));
        assert_eq!((feeder.depth()().used, feeder.depth()().most), (1, 2));
        assert_eq!(feeder.progress()(), 2);
    }

    #[test]
    fn time_goes_on_without_packets_and_never_back() {
        let (mut feeder, feed) = feed(9);
        let at = |secs| Timestamp::new(secs, 0);
        feeder.put(&mut block(0, 0), at(9));
        feeder.put(&mut block(2, 10), at(5));
        feeder.put(&mut block(1, 8), at(11));
        let times: Vec<_> = feed
            .filled()
            .try_iter()
            .map(|chunk| chunk.block.times)
            .collect();
        let want = [vec![at(9)], vec![at(10); 3], vec![at(10), at(11)]];
        assert_eq!(times, want);
        let Fed { first, now, .. } = feeder.fed();
        assert_eq!((first, now), (Some(at(10)), at(11)));
    }
}
