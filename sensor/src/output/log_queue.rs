//! The way of rows to the logs' thread. In a run that can be made again whoever brings them waits; a run
//! that hears what never comes again waits for no disk: rows beyond a limit are left out, as what is
//! worth least, and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::{LogBatch, LogTally};

/// Batches that may wait where somebody waits for them.
const BATCHES: usize = 4;

/// What becomes of rows that come faster than they are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crowd {
    Waits,
    /// Of more than so many rows, what comes last is left out.
    IsLeftOut {
        most: usize,
    },
}

/// A batch that had room for more than this is not worth keeping.
const LARGE: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub(crate) struct LogSender {
    to_logs: Sender<LogBatch>,
    /// Batches to be filled again: fresh memory costs more than rows.
    spare: Receiver<LogBatch>,
    crowd: Crowd,
    tally: Arc<LogTally>,
}

/// Where the logs' thread gets rows.
#[derive(Debug)]
pub(crate) struct LogReceiver {
    pub(super) batches: Receiver<LogBatch>,
    spare: Sender<LogBatch>,
}

/// Both ends.
pub(crate) fn log_queue(crowd: Crowd, tally: &Arc<LogTally>) -> (LogSender, LogReceiver) {
    let (to_logs, batches) = match crowd {
        Crowd::Waits => bounded(BATCHES),
        // The rows in them have a limit.
        Crowd::IsLeftOut { .. } => unbounded(),
    };
    let (to_spare, spare) = bounded(BATCHES);
    let sender = LogSender {
        to_logs,
        spare,
        crowd,
        tally: Arc::clone(tally),
    };
    let receiver = LogReceiver {
        batches,
        spare: to_spare,
    };
    (sender, receiver)
}

impl LogReceiver {
    /// What was in it is written.
    pub(super) fn give_back(&self, mut batch: LogBatch) {
        let rooms = [
            batch.rows.capacity(),
            batch.open.capacity(),
            batch.protocols.capacity(),
            batch.hosts.capacity(),
        ];
        if rooms.into_iter().all(|room| room <= LARGE) {
            batch.clear();
            // There are enough, or nobody fills any more.
            let _ = self.spare.try_send(batch);
        }
    }
}

impl LogSender {
    /// Rows that wait.
    pub(crate) fn len(&self) -> usize {
        self.tally.waiting.load(Relaxed)
    }

    /// A batch with nothing in it.
    pub(crate) fn spare(&self) -> LogBatch {
        self.spare.try_recv().unwrap_or_default()
    }

    pub(crate) fn send(&self, batch: LogBatch) {
        let rows = batch.len();
        if let Crowd::IsLeftOut { most } = self.crowd
            && self.len().saturating_add(rows) > most
        {
            self.tally.crowded.fetch_add(rows as u64, Relaxed);
            return;
        }
        self.tally.waiting.fetch_add(rows, Relaxed);
        // Nobody there to take them: the logs' thread failed, and says so itself.
        let _ = self.to_logs.send(batch);
    }
}

#[cfg(test)]
mod tests {
    use flow_table::Timestamp;

    use super::*;

    #[test]
    fn more_than_may_wait_is_left_out_and_counted() {
        let batch = |hosts: u32| LogBatch {
            hosts: (0..hosts)
                .map(|n| (Timestamp::ZERO, std::net::Ipv4Addr::from(n).into()))
                .collect(),
            ..LogBatch::default()
        };
        let tally = Arc::default();
        let (sender, receiver) = log_queue(Crowd::IsLeftOut { most: 10 }, &tally);
        for rows in [6, 5, 4, 1] {
            sender.send(batch(rows));
        }
        let mut taken = Vec::new();
        for batch in receiver.batches.try_iter() {
            taken.push(batch.len());
            receiver.give_back(batch);
        }
        assert_eq!(taken, [6, 4]);
        assert!(sender.spare().is_empty());
        assert_eq!((sender.len(), tally.lost()), (10, 6));
    }
}
