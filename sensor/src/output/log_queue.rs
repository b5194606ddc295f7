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

/// See the module.
#[derive(Debug)]
pub(crate) struct LogSender {
    to_logs: Sender<LogBatch>,
    crowd: Crowd,
    tally: Arc<LogTally>,
}

/// Both ends.
pub(crate) fn log_queue(crowd: Crowd, tally: &Arc<LogTally>) -> (LogSender, Receiver<LogBatch>) {
    let (to_logs, batches) = match crowd {
        Crowd::Waits => bounded(BATCHES),
        // The rows in them have a limit.
        Crowd::IsLeftOut { .. } => unbounded(),
    };
    let sender = LogSender {
        to_logs,
        crowd,
        tally: Arc::clone(tally),
    };
    (sender, batches)
}

impl LogSender {
    /// Rows that wait.
    pub(crate) fn len(&self) -> usize {
        self.tally.waiting.load(Relaxed)
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
        let (sender, batches) = log_queue(Crowd::IsLeftOut { most: 10 }, &tally);
        for rows in [6, 5, 4, 1] {
            sender.send(batch(rows));
        }
        let taken: Vec<_> = batches.try_iter().map(|batch| batch.len()).collect();
        assert_eq!(taken, [6, 4]);
        assert_eq!((sender.len(), tally.lost()), (10, 6));
    }
}
