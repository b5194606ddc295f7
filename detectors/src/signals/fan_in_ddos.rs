//! FAN_IN_DDOS: many sources flood one destination.
//!
//! Fires when   within `window` at least `min_sources` distinct sources send to one address in flows
//!              they opened, at more than `packets_per_second`, or `bits_per_second` of IP, or
//!              `baseline_factor` times the destination's own mean (learnt, and above
//!              `min_packets_per_second`). Severity is by how many times the limit: `high`, `critical`.
//! Blind to     floods from few sources; slow attacks on applications.
//! Known noise  a public server on a busy day until its baseline is learnt; the middle of a large site.
//! State        per destination its sources (exact up to `max_exact`, then estimated), two sums for
//!              each slice and a few stretches yet to be divided among slices, a baseline of 2 KiB at
//!              most and `max_evidence` flows; destinations that came once are evicted first, counted.

use std::net::IpAddr;

use flow_table::Timestamp;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching, short};
use crate::baseline::{Baseline, Prior};
use crate::board::{About, Board, Facts, Over};
use crate::config::FanInDdos;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Place, Slicing, StretchedSum};
use crate::{BaselineEvidence, SignalKind, Subject};

pub(super) struct Floods {
    config: FanInDdos,
    prior: Prior,
    general: General,
    slicing: Slicing,
    destinations: Subjects<Option<IpAddr>, Destination>,
}

state!(Floods { slicing, destinations } of { config, prior, general });

#[derive(Default, Serialize, Deserialize)]
struct Destination {
    sources: Distinct,
    /// Packets, and bytes of IP.
    moved: StretchedSum<2>,
    baseline: Baseline,
    samples: Samples,
    open: bool,
}

impl Held for Destination {
    fn heap(&self) -> usize {
        self.sources.heap() + self.moved.heap() + self.baseline.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Destination {
    fn take(&mut self, seen: &Seen<'_>, place: Place, slicing: Slicing, now: Timestamp) {
        let (since, until, moved) = (seen.event.since, seen.moved_until(), seen.event.orig);
        let amounts = [moved.packets, moved.ip_bytes];
        self.moved.spread(slicing, since, until, amounts);
        self.moved.expire(place.first);
        self.baseline.add(slicing.window(), now, moved.packets);
        if self.open {
            self.baseline.taint();
        }
    }
}

/// A rate held against its limit.
#[derive(Clone, Copy)]
struct Rate {
    value: f64,
    limit: f64,
}

impl Rate {
    fn multiple(self) -> f64 {
        self.value / self.limit
    }
}

impl Floods {
    pub(super) fn new(config: &FanInDdos, general: General) -> Self {
        Self {
            // There is no prior: without history the baseline sets no limit.
            prior: Prior {
                mean: 0.0,
                deviation: 0.0,
                min_deviation: 0.0,
                min_history: config.min_history.get(),
            },
            general,
            slicing: Slicing::of(config.window.get()),
            destinations: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

/// The rate furthest over its limit, or nearest to it.
fn worst(
    config: &FanInDdos,
    packets: f64,
    bits: f64,
    seconds: f64,
    baseline: &BaselineEvidence,
) -> Rate {
    let absolute = Rate {
        value: packets,
        limit: config.packets_per_second.get(),
    };
    let volume = Rate {
        value: bits,
        limit: config.bits_per_second.get(),
    };
    let usual = config.baseline_factor.get() * baseline.mean / seconds;
    let limit = usual.max(config.min_packets_per_second.get());
    let relative = Rate {
        value: packets,
        limit: if baseline.prior { f64::INFINITY } else { limit },
    };
    let larger = |a: Rate, b: Rate| if b.multiple() > a.multiple() { b } else { a };
    larger(larger(absolute, volume), relative)
}

impl Detector for Floods {
    fn wants(&self) -> Wants {
        Wants {
            what: What::PACKETS,
            between: Wants::TO_HOSTS,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.destinations.prefetch(seen.dst.key);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let (event, until) = (seen.event, seen.moved_until());
        let place = self.slicing.place(until, board.now);
        let Some(place) = place else {
            return;
        };
        let (config, general) = (&self.config, &self.general);
        let (prior, slicing) = (&self.prior, self.slicing);
        self.destinations
            .judge(seen.dst.key, Some(seen.dst.addr), |dst| {
                dst.take(seen, place, slicing, board.now);
                dst.sources
                    .count(seen.src.key, place.slice, place.first, general.max_exact);
                dst.samples
                    .push(Sample::of(event, seen.src.addr), general.max_evidence);
                let sources = dst.sources.counted();
                if sources < config.min_sources.get() {
                    return false;
                }
                let seconds = slicing.window().as_secs_f64();
                let [packets, bytes] = dst.moved.total(slicing);
                let packets = packets as f64 / seconds;
                let bits = bytes as f64 * 8.0 / seconds;
                let baseline = dst.baseline.evidence(prior);
                let rate = worst(config, packets, bits, seconds, &baseline);
                let times = rate.multiple();
                let over = times > 1.0;
                if over {
                    dst.open = true;
                    dst.baseline.taint();
                    board.over(&Over {
                        kind: SignalKind::FanInDdos,
                        subject: Subject::destination(seen.dst.addr),
                        key: seen.dst.key,
                        severity: reaching(times, config.high.get(), config.critical.get()),
                        value: rate.value,
                        threshold: rate.limit,
                        rank: times,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: dst.sources.approximate(),
                        baseline: (!baseline.prior).then_some(baseline),
                        numbers: &[
                            ("sources", sources as f64),
                            ("packets_per_second", packets),
                            ("bits_per_second", bits),
                            ("times_the_limit", times),
                        ],
                        samples: &dst.samples,
                        about: About::default(),
                    });
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.destinations
            .amend(key, subject.dst, |destination| destination.open = false);
        self.destinations.pin(key, subject.dst, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.destinations)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let sources = counted(facts.number("sources"), "source");
    let (packets, megabits) = (
        facts.number("packets_per_second"),
        facts.number("bits_per_second") / 1e6,
    );
    let times = short(facts.number("times_the_limit"));
    let megabits = short(megabits);
    format!(
        "was sent {packets:.0} packets/s, {megabits} Mbit/s, by {sources} ({times} times the limit)"
    )
}
