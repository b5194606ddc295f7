//! The board as bytes: what is open, what detectors wait for, and how the rules stand. What signals
//! are to close at follows from what is open.

use std::cmp::Reverse;

use flow_table::{Span, Timestamp};

use super::open::OpenSignal;
use super::{Board, Due};
use crate::state::{Loader, Saver, State, Unfit};

impl State for Board {
    fn save(&self, to: &mut Saver) {
        let mut waking: Vec<Due> = self.waking.iter().map(|due| due.0).collect();
        waking.sort_unstable();
        let open: Vec<&OpenSignal> = self.closing_order();
        to.put(&(self.now, self.began, open, waking, &self.closed_early));
        self.correlator.save(to);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        let open: Vec<OpenSignal>;
        let waking: Vec<Due>;
        (self.now, self.began, open, waking, self.closed_early) = from.take()?;
        for signal in open {
            let due = signal.due();
            let hash = super::hash(due.kind, due.key);
            self.closing.push(Reverse(due));
            self.open.insert_unique(hash, signal, OpenSignal::hash);
        }
        self.waking = waking.into_iter().map(Reverse).collect();
        self.correlator.load(from)?;
        // Whatever is due now is looked for once.
        self.idle_until = Timestamp::ZERO;
        while self.open.len() > self.max_open && !self.closing.is_empty() {
            self.close_early();
        }
        Ok(())
    }
}

impl Board {
    /// The signals that are open, the one that is to close first before the others.
    fn closing_order(&self) -> Vec<&OpenSignal> {
        let mut open: Vec<&OpenSignal> = self.open.iter().collect();
        open.sort_unstable_by_key(|open| open.due());
        open
    }

    /// Signals that are open close so much later.
    pub(crate) fn put_off_closing(&mut self, by: Span) {
        self.open
            .iter_mut()
            .for_each(|open| open.put_off_closing(by));
        let closing = self.open.iter().map(|open| Reverse(open.due()));
        self.closing = closing.collect();
    }

    /// Tells of every signal that is open how it stands, as if it closed now.
    pub(crate) fn close_all(&mut self) {
        let mut open: Vec<OpenSignal> = self.open.drain().collect();
        open.sort_unstable_by_key(OpenSignal::due);
        for open in &open {
            self.closed(open);
        }
        self.closing.clear();
    }
}
