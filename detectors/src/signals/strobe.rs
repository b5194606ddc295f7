//! STROBE: one host connects to another all the time.
//!
//! Fires when   of a source inside and a destination outside there are at least `limit` connections
//!              within `window`: one each second for a whole day.
//! Blind to     fewer; many sources together.
//! Known noise  monitoring, broken clients that try again at once, busy proxies.
//! State        per pair a count for each slice of the window and the latest `max_evidence` flows;
//!              pairs that came once are evicted first, counted.

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::Strobe;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Strobes {
    config: Strobe,
    general: General,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Strobes { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    connections: SlidingSum,
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.connections.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Strobes {
    pub(super) fn new(config: &Strobe, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Strobes {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.pairs.prefetch(seen.pair);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(seen.event.time, board.now) else {
            return;
        };
        let (config, slicing, max_evidence) =
            (&self.config, self.slicing, self.general.max_evidence);
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        self.pairs.judge(seen.pair, Some(subject), |pair| {
            pair.connections.expire(place.first);
            pair.connections.add(place.slice, [1]);
            pair.samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            let [connections] = pair.connections.total();
            let over = connections >= config.limit.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::Strobe,
                    subject,
                    key: seen.pair,
                    severity: Severity::High,
                    value: connections as f64,
                    threshold: config.limit.get() as f64,
                    rank: connections as f64,
                    window: slicing.ending(board.now),
                    lasting: config.lasting.get(),
                    approximate: false,
                    baseline: None,
                    numbers: &[("connections", connections as f64)],
                    samples: &pair.samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    format!(
        "connected {} in {} (limit {})",
        counted(facts.value, "time"),
        facts.window,
        facts.threshold
    )
}
