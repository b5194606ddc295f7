//! The long form: a host inside that tries one port or host inside after the other, for hours.
//!
//! Targets are ports of hosts. Whoever watches others tries the same ones again and again, whether
//! they answer or not; who looks for something tries each once, or a few times.

use std::net::IpAddr;

use flow_table::{ConnState, FlowEventKind, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::{General, Usage, counted, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::FanOutScan;
use crate::hash::join;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::window::{Distinct, Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

/// Targets of one source that are told apart; of more, the number is an estimate.
const MAX_EXACT: usize = 512;

pub(super) struct Searches {
    config: FanOutScan,
    max_evidence: usize,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Searches { slicing, sources } of { config, max_evidence });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    /// Targets that did not answer, or refused.
    failed: Distinct,
    /// How often they were tried.
    attempts: SlidingSum,
    /// When that began.
    since: Timestamp,
    /// Targets that answered.
    answered: Distinct,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.failed.heap() + self.attempts.heap() + self.answered.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Source {
    /// Whether it looks for something, and the numbers that say so.
    fn search(&self, now: Timestamp, config: &FanOutScan) -> Option<Search> {
        let [attempts] = self.attempts.total();
        let search = Search {
            failed: self.failed.counted() as f64,
            answered: self.answered.counted() as f64,
            attempts: attempts as f64,
        };
        let is_one = self.failed.counted() >= config.long_limit.get()
            && search.share() >= config.min_unanswered.get()
            && search.attempts <= config.long_attempts.get() * search.failed
            && now.since(self.since) >= config.long_spread.get();
        is_one.then_some(search)
    }
}

struct Search {
    failed: f64,
    answered: f64,
    attempts: f64,
}

impl Search {
    fn share(&self) -> f64 {
        self.failed / (self.failed + self.answered).max(1.0)
    }
}

/// Whether a flow that ended this way was answered by nobody.
const fn is_failed(state: ConnState) -> bool {
    matches!(
        state,
        ConnState::S0 | ConnState::Rej | ConnState::Rstos0 | ConnState::Sh
    )
}

impl Searches {
    pub(super) fn new(config: &FanOutScan, general: &General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            max_evidence: general.max_evidence,
            slicing: Slicing::of(config.long_window.get()),
            sources: Subjects::new(subjects, bytes / 4),
            config: config.clone(),
        }
    }

    /// A flow between hosts inside ended.
    pub(super) fn closed_flow(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let FlowEventKind::Closed { state, .. } = seen.event.kind else {
            return;
        };
        let place = self.slicing.place(seen.event.start, board.now);
        let (true, Some(place)) = (seen.has_ports(), place) else {
            return;
        };
        let target = join(seen.dst.key, seen.port().into());
        let (config, slicing, max_evidence) = (&self.config, self.slicing, self.max_evidence);
        let src = Some(seen.src.addr);
        self.sources.judge(seen.src.key, src, |source| {
            if !is_failed(state) {
                let answered = &mut source.answered;
                answered.count(target, place.slice, place.first, MAX_EXACT);
                return false;
            }
            source.answered.expire(place.first);
            source.failed.expire(place.first);
            if source.failed.counted() == 0 {
                source.since = seen.event.start;
            }
            let failed = &mut source.failed;
            failed.count(target, place.slice, place.first, MAX_EXACT);
            source.attempts.add(place.slice, [1]);
            source.attempts.expire(place.first);
            let sample = Sample::of(seen.event, seen.dst.addr);
            source.samples.push(sample, max_evidence);
            let Some(search) = source.search(board.now, config) else {
                return false;
            };
            board.over(&Over {
                kind: SignalKind::FanOutScan,
                subject: Subject::source(seen.src.addr),
                key: seen.src.key,
                severity: Severity::Medium,
                value: search.failed,
                threshold: config.long_limit.get() as f64,
                rank: search.failed,
                window: slicing.ending(board.now),
                lasting: config.long_spread.get(),
                approximate: source.failed.approximate() || source.answered.approximate(),
                baseline: None,
                numbers: &[
                    ("targets", search.failed),
                    ("attempts", search.attempts),
                    ("answered", search.answered),
                    ("unanswered_share", search.share()),
                ],
                samples: &source.samples,
                about: About::default(),
            });
            true
        });
    }

    pub(super) fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources.pin(key, subject.src, Pin::InTurn);
    }

    pub(super) fn usage(&self, of_short: Usage) -> Usage {
        of_short.and(&self.sources)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let targets = counted(facts.value, "port");
    let attempts = counted(facts.number("attempts"), "time");
    let share = short(facts.number("unanswered_share") * 100.0);
    format!(
        "looked for {targets} of internal hosts that did not answer, {attempts} in all, {share} % of \
         what it tried (limit {} in {})",
        facts.threshold, facts.window
    )
}
