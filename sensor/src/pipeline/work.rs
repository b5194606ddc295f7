//! How workers share the work.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, RecvError, Sender, bounded, select, unbounded};
use flow_table::{Clock, Decoder, DropCounts, Fragments};

use super::decode::BlockDecoder;
use super::feed::Feed;
use super::worker::{Chunk, ToStage, Worker};
use super::{Settings, Totals};
use crate::capture::Input;
use crate::progress::Live;

/// Where blocks come from. From there on, all is the same.
pub(crate) enum Source {
    /// Files, which whoever is idle reads on.
    Files(Box<Input>),
    /// Interfaces, which threads of their own listen to.
    Interfaces(Feed),
}

impl Source {
    /// Has the next block put into `chunk`. Returns whether there was one.
    fn next(&mut self, chunk: &mut Box<Chunk>) -> bool {
        match self {
            Self::Files(input) => input.read(&mut chunk.block),
            Self::Interfaces(feed) => feed.next(chunk),
        }
    }
}

/// Runs packets through the shards; what those hand out goes to `to_stage`. Returns when all
/// is done.
pub(crate) fn run(
    mut source: Source,
    settings: &Settings,
    to_stage: &ToStage,
    live: &Live,
) -> io::Result<Totals> {
    let mut totals = if settings.threads == 1 {
        run_alone(&mut source, settings, to_stage, live)
    } else {
        run_shared(&mut source, settings, to_stage, live)?
    };
    if let Source::Files(input) = source {
        totals.first = input.first();
        totals.last = input.now();
        totals.problems = input.into_problems();
    }
    debug_assert!(
        totals.add_up(),
        "packets or bytes got lost uncounted: {totals:?}"
    );
    Ok(totals)
}

/// One worker: read, decode, update, again.
fn run_alone(source: &mut Source, settings: &Settings, to_stage: &ToStage, live: &Live) -> Totals {
    settings.pins.pin(0);
    let mut decoder = BlockDecoder::new(settings);
    let mut worker = Worker::new(0, settings, to_stage.clone());
    let mut chunk = Box::<Chunk>::default();
    let mut ordered = Ordered::new(settings);
    while source.next(&mut chunk) {
        decoder.decode(&chunk.block, &mut chunk.packets);
        live.packets
            .fetch_add(chunk.block.records.len() as u64, Relaxed);
        ordered.complete(&mut chunk);
        worker.take(&chunk, live);
    }
    worker.finish(live);
    decoder.totals.add(&ordered.finish());
    decoder.totals
}

/// What must see the blocks in their order before the shards do.
struct Ordered {
    decoder: Decoder,
    fragments: Fragments,
    inner_dropped: DropCounts,
}

impl Ordered {
    fn new(settings: &Settings) -> Self {
        Self {
            decoder: settings.decoder(),
            fragments: Fragments::new(settings.fragments),
            inner_dropped: DropCounts::new(),
        }
    }

    /// Adds the datagrams that a block's fragments complete.
    fn complete(&mut self, chunk: &mut Chunk) {
        let clock = Clock::new(&chunk.block.times);
        chunk
            .packets
            .reassemble(&self.decoder, &clock, &mut self.fragments);
        self.inner_dropped.merge(&chunk.packets.inner_dropped);
    }

    fn finish(self) -> Totals {
        let ((processed, processed_bytes), dropped) = self.fragments.finish();
        Totals {
            processed,
            processed_bytes,
            dropped,
            inner_dropped: self.inner_dropped,
            ..Totals::default()
        }
    }
}

/// Several workers around one source.
fn run_shared(
    source: &mut Source,
    settings: &Settings,
    to_stage: &ToStage,
    live: &Live,
) -> io::Result<Totals> {
    let (to_shards, from_readers): (Vec<_>, Vec<_>) = (0..settings.threads)
        .map(|_| unbounded::<Arc<Chunk>>())
        .unzip();
    let (supply, next) = Supply::of(source, 2 * settings.threads + 4);
    let desk = Desk {
        supply,
        next,
        order: Mutex::new(Order {
            to_shards,
            next: 0,
            total: None,
            waiting: BTreeMap::new(),
            ordered: Ordered::new(settings),
        }),
    };
    let mut totals = Totals::default();
    let mut failed = None;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..)
            .zip(from_readers)
            .map(|(index, chunks)| {
                let (desk, to_stage) = (&desk, to_stage.clone());
                let work = move || {
                    settings.pins.pin(index);
                    desk.work(
                        Worker::new(index, settings, to_stage),
                        &chunks,
                        settings,
                        live,
                    )
                };
                thread::Builder::new()
                    .name(format!("shard-{index}"))
                    .spawn_scoped(scope, work)
            })
            .collect();
        for worker in workers {
            match worker.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(counted)) => totals.add(&counted),
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // The others work on without it, but the run has failed.
                Err(error) => failed = Some(error),
            }
        }
    });
    let order = desk
        .order
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    totals.add(&order.ordered.finish());
    failed.map_or(Ok(totals), Err)
}

/// What the workers share: touched once for each block.
struct Desk<'a> {
    supply: Supply<'a>,
    /// Chunks to go on with.
    next: Receiver<Box<Chunk>>,
    order: Mutex<Order>,
}

/// Where chunks are filled. There are only so many, so that nobody runs ahead of the shards.
enum Supply<'a> {
    /// Those to go on with are empty, to be filled by whoever takes them.
    Files {
        input: Mutex<&'a mut Input>,
        give_back: Sender<Box<Chunk>>,
    },
    /// Those to go on with are full.
    Interfaces(&'a Feed),
}

impl<'a> Supply<'a> {
    /// Of this source, with so many chunks where it has none of its own.
    fn of(source: &'a mut Source, chunks: usize) -> (Self, Receiver<Box<Chunk>>) {
        match source {
            Source::Files(input) => {
                let (give_back, empty) = bounded(chunks);
                for _ in 0..chunks {
                    // There is room for all of them.
                    let _ = give_back.send(Box::default());
                }
                let input = Mutex::new(input.as_mut());
                (Self::Files { input, give_back }, empty)
            }
            Source::Interfaces(feed) => {
                let filled = feed.filled();
                (Self::Interfaces(feed), filled)
            }
        }
    }

    /// The next block, in a chunk that was to go on with; the error is the number of blocks there
    /// were.
    fn fill(&self, chunk: Result<Box<Chunk>, RecvError>) -> Result<Box<Chunk>, u64> {
        match self {
            Self::Files { input, .. } => {
                let mut input = lock(input);
                let chunk = chunk.ok().and_then(|mut chunk| {
                    let more = input.read(&mut chunk.block);
                    more.then_some(chunk)
                });
                chunk.ok_or(input.blocks())
            }
            Self::Interfaces(feed) => chunk.map_err(|_| feed.blocks()),
        }
    }

    fn give_back(&self, chunk: Box<Chunk>) {
        match self {
            // There is room for all of them.
            Self::Files { give_back, .. } => drop(give_back.send(chunk)),
            Self::Interfaces(feed) => feed.give_back(chunk),
        }
    }
}

/// Puts decoded chunks into the order they were read in.
struct Order {
    to_shards: Vec<Sender<Arc<Chunk>>>,
    next: u64,
    /// Number of chunks in all, once the input is exhausted.
    total: Option<u64>,
    waiting: BTreeMap<u64, Box<Chunk>>,
    ordered: Ordered,
}

impl Order {
    /// Passes on a decoded chunk, and those that waited for it.
    fn publish(&mut self, chunk: Box<Chunk>) {
        self.waiting.insert(chunk.block.number, chunk);
        while let Some(mut chunk) = self.waiting.remove(&self.next) {
            self.ordered.complete(&mut chunk);
            let chunk: Arc<Chunk> = Arc::from(chunk);
            for shard in &self.to_shards {
                // A worker that is gone takes its panic to whoever joins it.
                let _ = shard.send(Arc::clone(&chunk));
            }
            self.next += 1;
        }
        self.close_when_done();
    }

    /// There are no more than `blocks`.
    fn end(&mut self, blocks: u64) {
        self.total = Some(blocks);
        self.close_when_done();
    }

    fn close_when_done(&mut self) {
        if self.total == Some(self.next) {
            self.to_shards.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk<'_> {
    fn work(
        &self,
        mut worker: Worker,
        chunks: &Receiver<Arc<Chunk>>,
        settings: &Settings,
        live: &Live,
    ) -> Totals {
        let mut decoder = BlockDecoder::new(settings);
        let mut reading = true;
        loop {
            // Chunks that are ready come first: others wait for them to be given back.
            if let Ok(chunk) = chunks.try_recv() {
                self.apply(chunk, &mut worker, live);
                continue;
            }
            if !reading {
                let Ok(chunk) = chunks.recv() else { break };
                self.apply(chunk, &mut worker, live);
                continue;
            }
            select! {
                recv(chunks) -> chunk => match chunk {
                    Ok(chunk) => self.apply(chunk, &mut worker, live),
                    Err(_) => break,
                },
                recv(self.next) -> chunk => reading = self.read(chunk, &mut decoder, live),
            }
        }
        worker.finish(live);
        decoder.totals
    }

    /// Reads and decodes one block. Returns whether there may be more.
    fn read(
        &self,
        chunk: Result<Box<Chunk>, RecvError>,
        decoder: &mut BlockDecoder,
        live: &Live,
    ) -> bool {
        let mut chunk = match self.supply.fill(chunk) {
            Ok(chunk) => chunk,
            Err(blocks) => {
                lock(&self.order).end(blocks);
                return false;
            }
        };
        decoder.decode(&chunk.block, &mut chunk.packets);
        live.packets
            .fetch_add(chunk.block.records.len() as u64, Relaxed);
        lock(&self.order).publish(chunk);
        true
    }

    fn apply(&self, chunk: Arc<Chunk>, worker: &mut Worker, live: &Live) {
        worker.take(&chunk, live);
        if let Some(chunk) = Arc::into_inner(chunk) {
            self.supply.give_back(Box::new(chunk));
        }
    }
}
