//! OUTBOUND_SPIKE: an internal host sends far more outside than it usually does.
//!
//! Fires when   the bytes an internal host sent to external addresses within `window` exceed `limit`,
//!              or its baseline's mean and `deviations` standard deviations, or, from `min_upload`
//!              on, `upload_factor` times what it received from outside. It sends as originator and as
//!              responder alike.
//! Blind to     slow leaks; data spread over many hosts.
//! Known noise  cloud backup, video calls, public servers until their baseline is learnt: alone it is
//!              no alert.
//! State        per host two sums for each slice, a baseline of 2 KiB at most and `max_evidence` flows;
//!              hosts that came once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text};
use crate::baseline::{Baseline, Prior};
use crate::board::{About, Board, Facts, Over};
use crate::config::OutboundSpike;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{BaselineEvidence, Severity, SignalKind, Subject};

pub(super) struct Spikes {
    config: OutboundSpike,
    prior: Prior,
    general: General,
    slicing: Slicing,
    hosts: Subjects<Option<IpAddr>, Host>,
}

state!(Spikes { slicing, hosts } of { config, prior, general });

#[derive(Default, Serialize, Deserialize)]
struct Host {
    /// Bytes sent and received.
    moved: SlidingSum<2>,
    baseline: Baseline,
    samples: Samples,
    open: bool,
}

impl Held for Host {
    fn heap(&self) -> usize {
        self.moved.heap() + self.baseline.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Spikes {
    pub(super) fn new(config: &OutboundSpike, general: General) -> Self {
        Self {
            prior: Prior {
                mean: config.prior_mean.get() as f64,
                deviation: config.prior_deviation.get() as f64,
                min_deviation: config.min_deviation.get() as f64,
                min_history: config.min_history.get(),
            },
            general,
            slicing: Slicing::of(config.window.get()),
            hosts: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

/// The limit that what was sent exceeds, if it does.
fn exceeded(
    config: &OutboundSpike,
    sent: f64,
    received: f64,
    baseline: &BaselineEvidence,
) -> Option<f64> {
    let usual = baseline.mean + config.deviations.get() * baseline.deviation;
    let limit = usual.min(config.limit.get() as f64);
    let upload = config.upload_factor.get() * received;
    let least = config.min_upload.get() as f64;
    if sent > limit {
        Some(limit)
    } else {
        (sent >= least && sent > upload).then_some(upload.max(least))
    }
}

fn severity(config: &OutboundSpike, sent: f64) -> Severity {
    let steps = [
        (config.critical, Severity::Critical),
        (config.high, Severity::High),
        (config.medium, Severity::Medium),
    ];
    let step = steps
        .into_iter()
        .find(|(limit, _)| sent > limit.get() as f64);
    step.map_or(Severity::Low, |(_, severity)| severity)
}

impl Detector for Spikes {
    fn wants(&self) -> Wants {
        Wants {
            what: What::SENT.or(What::RECEIVED),
            between: Wants::ACROSS,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        let host = if seen.src.inside() {
            &seen.src
        } else {
            &seen.dst
        };
        self.hosts.prefetch(host.key);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let event = seen.event;
        let (host, peer, sent, received) = if seen.src.inside() {
            (&seen.src, &seen.dst, event.orig.bytes, event.resp.bytes)
        } else {
            (&seen.dst, &seen.src, event.resp.bytes, event.orig.bytes)
        };
        let (config, prior, slicing) = (&self.config, &self.prior, self.slicing);
        let max_evidence = self.general.max_evidence;
        self.hosts.judge(host.key, Some(host.addr), |state| {
            let first = slicing.first(slicing.at(board.now));
            let until = seen.moved_until();
            state
                .moved
                .spread(slicing, event.since, until, [sent, received]);
            state.moved.expire(first);
            state.baseline.add(slicing.window(), board.now, sent);
            if sent > 0 {
                state
                    .samples
                    .push(Sample::of(event, peer.addr), max_evidence);
            }
            let baseline = state.baseline.evidence(prior);
            let [sent, received] = state.moved.total().map(|bytes| bytes as f64);
            let exceeded = exceeded(config, sent, received, &baseline);
            if let Some(threshold) = exceeded {
                state.open = true;
                board.over(&Over {
                    kind: SignalKind::OutboundSpike,
                    subject: Subject::source(host.addr),
                    key: host.key,
                    severity: severity(config, sent),
                    value: sent,
                    threshold,
                    rank: sent,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: Some(baseline),
                    numbers: &[("bytes_sent", sent), ("bytes_received", received)],
                    samples: &state.samples,
                    about: About::default(),
                });
            }
            if state.open {
                state.baseline.taint();
            }
            exceeded.is_some()
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.hosts.amend(key, subject.src, |host| host.open = false);
        self.hosts.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.hosts)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (sent, limit) = (bytes_text(facts.value), bytes_text(facts.threshold));
    let received = bytes_text(facts.number("bytes_received"));
    format!(
        "sent {sent} outside and received {received} (limit {limit} in {})",
        facts.window
    )
}
