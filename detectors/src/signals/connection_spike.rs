//! CONNECTION_SPIKE: an internal host opens far more connections than it usually does.
//!
//! Fires when   the connections (TCP by SYN; flows of any other protocol) an internal source opens
//!              within `window` exceed its mean by more than `limit` standard deviations. Mean and
//!              deviation are learnt from its earlier windows, of this hour of the week where two
//!              earlier weeks tell of it, or are the prior until `min_history` of them were seen.
//! Blind to     hosts that are always busy; growth slow enough to be learnt.
//! Known noise  browsers opening many tabs, updates, backups, monitoring: alone it is no alert.
//! State        per source a count for each slice of the window, a baseline of 2 KiB at most and the
//!              latest `max_evidence` flows; sources that came once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, above, counted, short};
use crate::baseline::{Baseline, Prior};
use crate::board::{About, Board, Facts, Over};
use crate::config::ConnectionSpike;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{SignalKind, Subject};

pub(super) struct Spikes {
    config: ConnectionSpike,
    prior: Prior,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Spikes { slicing, sources } of { config, prior, general });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    connections: SlidingSum,
    baseline: Baseline,
    samples: Samples,
    open: bool,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.connections.heap() + self.baseline.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Spikes {
    pub(super) fn new(config: &ConnectionSpike, general: General) -> Self {
        Self {
            prior: Prior {
                mean: config.prior_mean.get(),
                deviation: config.prior_deviation.get(),
                min_deviation: config.min_deviation.get(),
                min_history: config.min_history.get(),
            },
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Spikes {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::FROM_INSIDE,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.sources.prefetch(seen.src.key);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let place = self.slicing.place(seen.event.time, board.now);
        let Some(place) = place else {
            return;
        };
        let (config, slicing) = (&self.config, self.slicing);
        let (max_evidence, prior) = (self.general.max_evidence, &self.prior);
        self.sources
            .judge(seen.src.key, Some(seen.src.addr), |source| {
                source.connections.add(place.slice, [1]);
                source.connections.expire(place.first);
                source.baseline.add(slicing.window(), board.now, 1);
                source
                    .samples
                    .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
                let baseline = source.baseline.evidence(prior);
                let [connections] = source.connections.total();
                let connections = connections as f64;
                let threshold = baseline.mean + config.limit.get() * baseline.deviation;
                let over = connections > threshold;
                if over {
                    source.open = true;
                    let deviations = (connections - baseline.mean) / baseline.deviation;
                    board.over(&Over {
                        kind: SignalKind::ConnectionSpike,
                        subject: Subject::source(seen.src.addr),
                        key: seen.src.key,
                        severity: above(deviations, config.high.get(), config.critical.get()),
                        value: connections,
                        threshold,
                        rank: connections,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: false,
                        baseline: Some(baseline),
                        numbers: &[("connections", connections), ("deviations", deviations)],
                        samples: &source.samples,
                        about: About::default(),
                    });
                }
                if source.open {
                    source.baseline.taint();
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources
            .amend(key, subject.src, |source| source.open = false);
        self.sources.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.sources)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (connections, limit) = (counted(facts.value, "connection"), short(facts.threshold));
    format!("opened {connections} (limit {limit} in {})", facts.window)
}
