//! Whether calls are over a limit, and how that is told.

use super::doubt::Doubt;
use super::{Counted, Pair};
use crate::board::{About, Board, Over};
use crate::config::LongBeacon;
use crate::samples::{Sample, Samples};
use crate::seen::{MANY, Seen};
use crate::signals::reaching;
use crate::{Severity, SignalKind, Subject};

/// What calls are judged by.
pub(super) struct Judge<'a> {
    pub(super) config: &'a LongBeacon,
    pub(super) max_evidence: usize,
    /// Hosts inside that are known.
    pub(super) hosts: f64,
}

/// Of whom it is told.
#[derive(Clone, Copy)]
pub(super) struct Whom {
    pub(super) subject: Subject,
    /// The subject's keyed hash.
    pub(super) key: u64,
    /// How often a call went to another address than the one before.
    pub(super) moves: u32,
}

impl Whom {
    pub(super) fn pair(seen: &Seen<'_>) -> Self {
        Self {
            subject: Subject::pair(seen.src.addr, seen.dst.addr),
            key: seen.pair,
            moves: 0,
        }
    }
}

/// Why it is over a limit.
struct Verdict {
    severity: Severity,
    value: f64,
    threshold: f64,
    doubt: Option<Doubt>,
}

impl Judge<'_> {
    /// Tells the board of calls that are over a limit; returns whether they are.
    pub(super) fn judge(
        &self,
        pair: &Pair,
        counted: Counted,
        (seen, whom): (&Seen<'_>, Whom),
        board: &mut Board,
    ) -> bool {
        let verdict = match counted {
            Counted::No => None,
            _ if pair.is_young(self.config) => self.early(pair, seen),
            _ => self.late(pair, counted, seen),
        };
        if let Some(verdict) = &verdict {
            self.tell(pair, verdict, (seen, whom), board);
        }
        verdict.is_some()
    }

    /// There are too few for a score, but they hardly vary, and there is more to say against the destination.
    fn early(&self, pair: &Pair, seen: &Seen<'_>) -> Option<Verdict> {
        let config = self.config;
        if !pair.is_enough_early(config) {
            return None;
        }
        let doubt = Doubt::of(seen, seen.known?, pair, config)?;
        let (value, threshold) = (pair.steadiness(), 1.0 - config.max_variation.get());
        (value > threshold).then_some(Verdict {
            severity: Severity::Critical,
            value,
            threshold,
            doubt: Some(doubt),
        })
    }

    /// Their score reaches the limit; or gaps and sizes alone are even, and there is more to say.
    fn late(&self, pair: &Pair, counted: Counted, seen: &Seen<'_>) -> Option<Verdict> {
        let config = self.config;
        if counted != Counted::FirstOfHour && !pair.is_due(config) {
            return None;
        }
        let (score, rarity) = (pair.score(), self.rarity(seen));
        let value = (score.mean() + rarity).clamp(0.0, 1.0);
        let known = seen.known;
        let doubt = known.and_then(|known| Doubt::of(seen, known, pair, config));
        let even = doubt.is_some() && pair.is_even(score, config);
        let reaches = value >= config.limit.get();
        let over = even || (reaches && counted == Counted::FirstOfHour);
        if !over {
            return None;
        }
        let severity = match (even, doubt) {
            (true, _) => Severity::Critical,
            (false, Some(_)) => reaching(value, config.high.get(), config.critical.get()),
            (false, None) => reaching(value, config.high.get(), f64::INFINITY),
        };
        let (value, threshold) = if reaches {
            (value, config.limit.get())
        } else {
            (score.rhythm(), config.even.get())
        };
        Some(Verdict {
            severity,
            value,
            threshold,
            doubt,
        })
    }

    fn tell(
        &self,
        pair: &Pair,
        verdict: &Verdict,
        (seen, whom): (&Seen<'_>, Whom),
        board: &mut Board,
    ) {
        let score = pair.score();
        let mut samples = Samples::default();
        samples.push(Sample::of(seen.event, seen.dst.addr), self.max_evidence);
        board.over(&Over {
            kind: SignalKind::LongBeacon,
            subject: whom.subject,
            key: whom.key,
            severity: verdict.severity,
            value: verdict.value,
            threshold: verdict.threshold,
            rank: verdict.value,
            window: pair.window(board.now),
            lasting: self.config.lasting.get(),
            approximate: pair.rhythm.is_thinned(),
            baseline: None,
            numbers: &[
                ("connections", f64::from(pair.connections)),
                ("hours", pair.span().as_secs_f64() / 3_600.0),
                ("median_gap_seconds", pair.rhythm.gaps().median() / 1e3),
                ("median_bytes_sent", pair.rhythm.sizes().median()),
                ("timing", score.timing),
                ("size", score.size),
                ("histogram", score.histogram),
                ("duration", score.duration),
                ("rarity", self.rarity(seen)),
                ("hosts", users(seen)),
                ("jitter", pair.rhythm.gaps().spread()),
                ("gap_variation", pair.rhythm.gaps().variation()),
                ("size_variation", pair.rhythm.sizes().variation()),
                ("moves", f64::from(whom.moves)),
                ("doubt", verdict.doubt.map_or(0.0, Doubt::number)),
            ],
            samples: &samples,
            about: About::default(),
        });
    }

    /// What a destination that so many of all hosts contact adds to the score.
    fn rarity(&self, seen: &Seen<'_>) -> f64 {
        let (config, users, hosts) = (self.config, users(seen), self.hosts);
        if hosts < config.min_hosts.get() as f64 {
            0.0
        } else if users <= (hosts * config.rare.get()).max(1.0) {
            config.weight.get()
        } else if users >= (hosts * config.common.get()).min(MANY as f64) {
            -config.weight.get()
        } else {
            0.0
        }
    }
}

fn users(seen: &Seen<'_>) -> f64 {
    seen.known.map_or(1, |known| known.hosts) as f64
}
