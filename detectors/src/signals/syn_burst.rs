//! SYN_BURST: many TCP handshakes to one host, or from one host, of which few complete.
//!
//! Fires when   at least `limit` flows begin with a SYN within `window`, and at least the share
//!              `min_incomplete` of them never completed the handshake. Counted for each destination and
//!              for each source. Handshakes are judged once the slice in which they began is
//!              `answer_grace` old, so the window ends that much in the past.
//! Blind to     floods that complete handshakes; floods of other packets (FAN_IN_DDOS).
//! Known noise  a popular server that went down; a scanner (as source).
//! State        per address and role two sums for each slice and `max_evidence` flows; addresses that
//!              came once are evicted first, counted.

use std::net::IpAddr;

use flow_table::{FlowEventKind, IpProto, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::SynBurst;
use crate::hash::join;
use crate::samples::{Sample, Samples};
use crate::seen::{Party, Seen};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slice, Slicing, SlidingSum};
use crate::{SignalKind, Subject, Window};

pub(super) struct Bursts {
    config: SynBurst,
    general: General,
    slicing: Slicing,
    hosts: Subjects<Subject, Host>,
}

state!(Bursts { slicing, hosts } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Host {
    /// SYNs, and those of them whose handshake completed.
    syns: SlidingSum<2>,
    samples: Samples,
    waking: bool,
}

impl Held for Host {
    fn heap(&self) -> usize {
        self.syns.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

/// Keeps a host's state as a source apart from its state as a destination.
fn roles(seen: &Seen<'_>) -> [(Subject, u64, IpAddr); 2] {
    let (src, dst): (&Party, &Party) = (&seen.src, &seen.dst);
    [
        (Subject::destination(dst.addr), join(dst.key, 1), src.addr),
        (Subject::source(src.addr), join(src.key, 2), dst.addr),
    ]
}

impl Bursts {
    pub(super) fn new(config: &SynBurst, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            hosts: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }

    /// The latest slice whose handshakes have had their time.
    fn judged(&self, now: Timestamp) -> Slice {
        self.slicing
            .at(now - self.config.answer_grace)
            .saturating_sub(1)
    }

    fn syn(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let (slice, judged) = (self.slicing.at(seen.event.time), self.judged(board.now));
        let first = self.slicing.first(judged);
        if slice < first {
            return;
        }
        let (max_evidence, limit) = (self.general.max_evidence, self.config.limit.get());
        let start = self.slicing.start(first);
        for (subject, key, peer) in roles(seen) {
            let total = self.hosts.update(key, subject, |host| {
                host.syns.add(slice, [1, 0]);
                host.syns.expire(first);
                let sample = Sample::of(seen.event, peer);
                host.samples.keep(sample, max_evidence, start);
                let [syns, _] = host.syns.total();
                syns
            });
            if total.is_some_and(|total| total >= limit) {
                self.judge(subject, key, judged, board);
            }
        }
    }

    fn completed(&mut self, seen: &Seen<'_>, board: &Board) {
        let slice = self.slicing.at(seen.event.start);
        let first = self.slicing.first(self.judged(board.now));
        if slice < first {
            return;
        }
        for (subject, key, _) in roles(seen) {
            self.hosts.amend(key, subject, |host| {
                host.syns.add(slice, [0, 1]);
                host.syns.expire(first);
            });
        }
    }

    fn judge(&mut self, subject: Subject, key: u64, judged: Slice, board: &mut Board) {
        let (config, slicing) = (&self.config, self.slicing);
        let first = slicing.first(judged);
        let over = self.hosts.amend(key, subject, |host| {
            host.syns.expire(first);
            let [syns, completed] = host.syns.until(judged);
            let incomplete = syns.saturating_sub(completed);
            let (count, share) = (syns as f64, incomplete as f64 / syns.max(1) as f64);
            let over = syns >= config.limit.get() && share >= config.min_incomplete.get();
            if over {
                let multiple = count / config.limit.get() as f64;
                let last = slicing.start(judged + 1) - flow_table::Span::from_nanos(1);
                board.over(&Over {
                    kind: SignalKind::SynBurst,
                    subject,
                    key,
                    severity: reaching(multiple, config.high.get(), config.critical.get()),
                    value: count,
                    threshold: config.limit.get() as f64,
                    rank: count,
                    window: Window {
                        start: slicing.start(first),
                        end: last,
                    },
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("syns", count),
                        ("incomplete", incomplete as f64),
                        ("incomplete_share", share),
                        ("times_the_limit", multiple),
                    ],
                    samples: &host.samples,
                    about: About::default(),
                });
            }
            // A burst may end before it can be judged: then time alone has to bring it up.
            let [all, _] = host.syns.total();
            let pending = all > syns && all >= config.limit.get();
            if pending && !host.waking {
                let slice = slicing.at(board.now);
                let at = slicing.start(slice + 1) + config.answer_grace;
                host.waking = at > board.now;
                board.wake_at(at, SignalKind::SynBurst, subject, key);
            }
            over
        });
        if over == Some(true) {
            self.hosts.pin(key, subject, Pin::Last);
        }
    }
}

impl Detector for Bursts {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::COMPLETED),
            between: Wants::HOSTS,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        for (_, key, _) in roles(seen) {
            self.hosts.prefetch(key);
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if seen.event.id.proto != IpProto::TCP {
            return;
        }
        if seen.connects {
            self.syn(seen, board);
        } else if seen.event.kind == FlowEventKind::Completed {
            self.completed(seen, board);
        }
    }

    fn wake(&mut self, subject: &Subject, key: u64, board: &mut Board) {
        let judged = self.judged(board.now);
        self.hosts.amend(key, *subject, |host| host.waking = false);
        self.judge(*subject, key, judged, board);
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.hosts.pin(key, *subject, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.hosts)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let verb = if facts.subject.src.is_some() {
        "sent"
    } else {
        "was sent"
    };
    let syns = counted(facts.value, "SYN");
    let share = short(facts.number("incomplete_share") * 100.0);
    format!(
        "{verb} {syns}, {share} % never completed (limit {} in {})",
        facts.threshold, facts.window
    )
}
