//! PERIODIC_BEACON (short form): an internal host calls one outside service at regular intervals.
//!
//! Fires when   of the connections of a source to one destination and port within `window`, at least
//!              `min_gaps` gaps between starts have a coefficient of variation (standard deviation over
//!              mean) below `max_variation`. Connections closer together than `min_gap` are one beat:
//!              a browser's parallel connections are no rhythm. Unlike other signals it fires when its
//!              value, the coefficient of variation, is below the limit. In a network of at least
//!              `min_hosts` hosts, what a host calls by its name, or where nobody was seen to use any, is
//!              medium, whatever its beats: pages and programs poll as evenly. It is high from as many
//!              beats as else are critical, if there is jitter (a median absolute deviation of at least
//!              the part `least_jitter` of the median gap), which clocks have none of. Whatever is more
//!              than medium must be too even for chance: as many gaps between independent connections
//!              are that even at most in the part `max_chance` of all cases.
//! Blind to     intervals over a quarter of the window; strong jitter; one connection kept open.
//! Known noise  NTP, DNS resolvers, monitoring, chat and mail clients that poll: alone it is no alert.
//! State        per source, destination and port up to `max_beats` start times and `max_evidence`
//!              flows; pairs that came once are evicted first, counted.

use std::collections::VecDeque;

use flow_table::Timestamp;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::PeriodicBeacon;
use crate::destinations::{Known, Named};
use crate::evenness::chance;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::{Severity, SignalKind, Subject, Window};

pub(super) struct Beacons {
    config: PeriodicBeacon,
    general: General,
    pairs: Subjects<Subject, Pair>,
}

state!(Beacons { pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    #[serde(with = "crate::state::room")]
    beats: VecDeque<Timestamp>,
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.beats.capacity() * size_of::<Timestamp>() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Pair {
    /// Tells whether a new beat began.
    fn beat(&mut self, time: Timestamp, now: Timestamp, config: &PeriodicBeacon) -> bool {
        let start = now - config.window.get();
        while self.beats.front().is_some_and(|beat| *beat < start) {
            self.beats.pop_front();
        }
        // An event that comes late falls into the beat before it or is no beat of its own.
        if self
            .beats
            .back()
            .is_some_and(|last| time.since(*last) < config.min_gap)
        {
            return false;
        }
        if self.beats.len() >= config.max_beats.size() {
            self.beats.pop_front();
        }
        if self.beats.capacity() == 0 {
            self.beats.reserve_exact(1);
        }
        self.beats.push_back(time);
        true
    }

    /// The median absolute deviation of the gaps, as a part of their median.
    fn jitter(&self) -> f64 {
        let gaps = self.beats.iter().zip(self.beats.iter().skip(1));
        let mut gaps: Vec<f64> = gaps.map(|(a, b)| b.since(*a).as_secs_f64()).collect();
        let usual = middle(&mut gaps);
        for gap in &mut gaps {
            *gap = (*gap - usual).abs();
        }
        middle(&mut gaps) / usual.max(f64::MIN_POSITIVE)
    }

    /// Number of gaps, their mean in seconds, and their coefficient of variation.
    fn rhythm(&self) -> (u64, f64, f64) {
        let gaps = || {
            self.beats
                .iter()
                .zip(self.beats.iter().skip(1))
                .map(|(a, b)| b.since(*a).as_secs_f64())
        };
        let count = self.beats.len().saturating_sub(1);
        if count == 0 {
            return (0, 0.0, 1.0);
        }
        let mean = gaps().sum::<f64>() / count as f64;
        let variance = gaps().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / count as f64;
        let variation = if mean > 0.0 {
            variance.sqrt() / mean
        } else {
            1.0
        };
        (u64::try_from(count).unwrap_or(u64::MAX), mean, variation)
    }
}

impl Beacons {
    pub(super) fn new(config: &PeriodicBeacon, general: General) -> Self {
        let pairs = Subjects::new(config.max_subjects.size(), config.max_memory.size());
        Self {
            config: config.clone(),
            general,
            pairs,
        }
    }
}

impl Detector for Beacons {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.pairs.prefetch(seen.service_key());
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if !seen.has_ports() {
            return;
        }
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        let subject = Subject::service(seen.src.addr, seen.dst.addr, seen.port());
        let key = seen.service_key();
        self.pairs.judge(key, subject, |pair| {
            let new_beat = pair.beat(seen.event.time, board.now, config);
            pair.samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            if !new_beat || pair.beats.len() <= config.min_gaps.size() {
                return false;
            }
            let (gaps, mean, variation) = pair.rhythm();
            let beats = (gaps + 1) as f64;
            let over = variation < config.max_variation.get();
            if over {
                let chance = chance(gaps, mean, variation * mean, config.min_gap);
                let start = pair.beats.front().copied().unwrap_or(board.now);
                board.over(&Over {
                    kind: SignalKind::PeriodicBeacon,
                    subject,
                    key,
                    severity: if chance > config.max_chance.get() {
                        Severity::Medium
                    } else {
                        severity(beats, pair, seen.known, config)
                    },
                    value: variation,
                    threshold: config.max_variation.get(),
                    rank: beats,
                    window: Window {
                        start,
                        end: board.now,
                    },
                    lasting: config.window.get(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("connections", beats),
                        ("gaps", gaps as f64),
                        ("mean_gap_seconds", mean),
                        ("coefficient_of_variation", variation),
                        ("chance", chance),
                    ],
                    samples: &pair.samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, *subject, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

/// The median, or the lower one of two in the middle.
fn middle(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let at = numbers.len().saturating_sub(1) / 2;
    numbers.get(at).copied().unwrap_or_default()
}

fn severity(beats: f64, pair: &Pair, known: Option<Known>, config: &PeriodicBeacon) -> Severity {
    let (high, critical) = (config.high.get() as f64, config.critical.get() as f64);
    let is_usual = |known: &Known| {
        let may_be_named = matches!(known.named, Named::Yes | Named::Unseen);
        may_be_named && known.inside >= config.min_hosts.get()
    };
    if known.as_ref().is_none_or(|known| !is_usual(known)) {
        reaching(beats, high, critical)
    } else if pair.jitter() >= config.least_jitter.get() {
        reaching(beats, critical, f64::INFINITY)
    } else {
        Severity::Medium
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (connections, mean) = (
        facts.number("connections"),
        short(facts.number("mean_gap_seconds")),
    );
    let (connections, variation) = (counted(connections, "time"), short(facts.value));
    format!(
        "called {connections} every {mean} s (variation {variation}, limit {} in {})",
        facts.threshold, facts.window
    )
}
