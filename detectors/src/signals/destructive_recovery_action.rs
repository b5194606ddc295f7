//! DESTRUCTIVE_RECOVERY_ACTION: a host deletes what backup servers keep.
//!
//! Fires when   an internal source has a host with the role `backup` delete at least `limit` things
//!              within `window`, seen in clear: requests of HTTP with the method DELETE that were not
//!              refused. Evidence names what was deleted.
//! Blind to     everything, as long as no host has the role `backup`; what is encrypted; deletions over
//!              SMB, services that are stopped, other methods of HTTP.
//! Known noise  programs that clean up what is old: alone it is no alert.
//! State        per source and server a count for each slice, `max_evidence` flows and a few names;
//!              pairs that came once are evicted first, counted.

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::DestructiveRecoveryAction;
use crate::deleted::Deleted;
use crate::hash::join;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Deletions {
    config: DestructiveRecoveryAction,
    general: General,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Deletions { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    deletions: SlidingSum<1>,
    samples: Samples,
    names: Names,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.deletions.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Deletions {
    pub(super) fn new(config: &DestructiveRecoveryAction, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Deletions {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Deletions)
    }

    fn deleted(&mut self, deleted: &Deleted<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(deleted.row.time, board.now) else {
            return;
        };
        let (config, max_evidence, slicing) =
            (&self.config, self.general.max_evidence, self.slicing);
        let (client, server) = (deleted.client, deleted.server);
        let subject = Subject::pair(client.addr, server.addr);
        let key = join(client.key, server.key);
        self.pairs.judge(key, Some(subject), |pair| {
            pair.deletions.add(place.slice, [1]);
            pair.deletions.expire(place.first);
            pair.samples
                .push(Sample::of_row(deleted.row, server.addr), max_evidence);
            pair.names.push(&deleted.label());
            let [deletions] = pair.deletions.total();
            let over = deletions >= config.limit.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::DestructiveRecoveryAction,
                    subject,
                    key,
                    severity: Severity::Critical,
                    value: deletions as f64,
                    threshold: config.limit.get() as f64,
                    rank: deletions as f64,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[("deletions", deletions as f64)],
                    samples: &pair.samples,
                    about: About {
                        domain: "",
                        names: pair.names.all(),
                    },
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
    let deletions = counted(facts.value, "thing");
    let (limit, window) = (facts.threshold, facts.window);
    format!("deleted {deletions} on a backup server (limit {limit} in {window})")
}
