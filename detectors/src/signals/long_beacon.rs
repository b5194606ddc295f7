//! LONG_BEACON, the long form of PERIODIC_BEACON: over a day, a host calls an outside one evenly.
//!
//! Fires when   the score of a source's connections to one destination reaches `limit`, of at least
//!              `min_connections` in the last 24 hours. The score, 0 to 1, is the mean of four parts
//!              (`score.rs`): how even the gaps are, how even the bytes sent, how even the hours, and
//!              for how long it lasts; of a network of at least `min_hosts` hosts, more if hardly any
//!              of them contacts the destination, less if half of them do. It is judged at the first
//!              connection in each hour. It is critical only if there is more to say against the
//!              destination than that something calls it evenly, as much that is harmless does
//!              (`doubt.rs`); then it fires sooner, when gaps and sizes alone are even.
//! Blind to     beacons of a few hours; gaps without any rhythm; destinations that change.
//! Known noise  mail and chat clients, telemetry, monitoring: whatever polls, though seldom
//!              critical. Ports in `ignore_ports` do not count.
//! State        per pair an hour's count for each hour of a day, and some gaps and sizes: as many as
//!              say enough, at even distances. About 220 bytes; pairs updated longest ago are evicted,
//!              counted.

mod doubt;
mod score;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::LongBeacon;
use crate::samples::{Sample, Samples};
use crate::seen::{MANY, Seen};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::{Severity, SignalKind, Subject, Window};
use doubt::Doubt;
use score::{Few, Hours, Score};

/// Whether a connection counts, and what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    No,
    Yes,
    FirstOfHour,
}

/// The window.
const DAY: Span = Span::from_mins(24 * 60);

pub(super) struct Beacons {
    config: LongBeacon,
    general: General,
    /// By the hash of the pair alone: what two pairs with one hash would share is a rhythm.
    pairs: Subjects<u64, Pair>,
    /// Hosts inside that were seen.
    hosts: Subjects<u64, Host>,
}

state!(Beacons { pairs, hosts } of { config, general });

/// Something that was seen; nothing more is known of it.
#[derive(Default, Serialize, Deserialize)]
struct Host;

impl Held for Host {
    fn heap(&self) -> usize {
        0
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    first: Timestamp,
    last: Timestamp,
    connections: u32,
    /// Bytes sent since the last connection began.
    sent: u32,
    hours: Hours,
    /// In milliseconds.
    gaps: Few,
    sizes: Few,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        0
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.connections > 1)
    }
}

impl Pair {
    /// A connection begins. One that comes late, or at once after another, is not counted at all.
    fn connect(&mut self, time: Timestamp, min_gap: Span) -> Counted {
        let gap = time.since(self.last);
        if self.connections > 0 && gap < min_gap {
            return Counted::No;
        }
        if self.connections == 0 || gap > DAY {
            *self = Self {
                first: time,
                ..Self::default()
            };
        } else {
            self.gaps.put(gap.as_nanos().unsigned_abs() / 1_000_000);
            self.sizes.put(self.sent.into());
        }
        self.sent = 0;
        self.last = time;
        self.connections = self.connections.saturating_add(1);
        if self.hours.count(time) {
            Counted::FirstOfHour
        } else {
            Counted::Yes
        }
    }

    /// Whether it is to be judged between hours: there are just enough connections, or twice as
    /// many as at the last time.
    fn is_due(&self, config: &LongBeacon) -> bool {
        let (all, fewest) = (u64::from(self.connections), config.min_connections.get());
        all.is_multiple_of(fewest) && (all / fewest).is_power_of_two()
    }

    /// Whether gaps and sizes alone are even, and it says anything at all.
    fn is_even(&self, score: Score, config: &LongBeacon) -> bool {
        score.rhythm() >= config.even.get() && self.sizes.median() > 0.0
    }

    fn window(&self, now: Timestamp) -> Window {
        Window {
            start: self.first.max(now - DAY),
            end: now,
        }
    }

    fn score(&self) -> Score {
        Score {
            timing: self.gaps.evenness(),
            size: self.sizes.evenness(),
            histogram: self.hours.evenness(),
            duration: self.hours.duration(self.last.since(self.first), DAY),
        }
    }
}

impl Beacons {
    pub(super) fn new(config: &LongBeacon, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            config: config.clone(),
            general,
            pairs: Subjects::new(subjects, bytes / 8 * 7),
            hosts: Subjects::new(subjects, bytes / 8),
        }
    }
}

impl Detector for Beacons {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::SENT),
            between: Wants::INSIDE_OUT,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one judgement, and all that it tells"
    )]
    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        if !seen.has_ports() || config.ignore_ports.contains(&seen.port()) {
            return;
        }
        let key = seen.pair;
        let sent = u32::try_from(seen.event.orig.bytes).unwrap_or(u32::MAX);
        if !seen.connects {
            let add = |pair: &mut Pair| pair.sent = pair.sent.saturating_add(sent);
            self.pairs.amend(key, key, add);
            return;
        }
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        let hosts = &mut self.hosts;
        self.pairs.judge(key, key, |pair| {
            let counted = pair.connect(seen.event.time, config.min_gap);
            if pair.connections == 1 {
                hosts.update(seen.src.key, seen.src.key, |_| ());
            }
            pair.sent = pair.sent.saturating_add(sent);
            let due = match counted {
                Counted::No => false,
                Counted::Yes => pair.is_due(config),
                Counted::FirstOfHour => true,
            };
            if !due || u64::from(pair.connections) < config.min_connections.get() {
                return false;
            }
            let users = seen.known.map_or(1, |known| known.hosts) as f64;
            let (score, rarity) = (pair.score(), rarity(users, hosts.len() as f64, config));
            let value = (score.mean() + rarity).clamp(0.0, 1.0);
            let doubt = seen
                .known
                .and_then(|known| Doubt::of(seen, known, pair, config));
            let early = doubt.is_some() && pair.is_even(score, config);
            let severity = match (early, doubt) {
                (true, _) => Severity::Critical,
                (false, Some(_)) => reaching(value, config.high.get(), config.critical.get()),
                (false, None) => reaching(value, config.high.get(), f64::INFINITY),
            };
            let over = early || (counted == Counted::FirstOfHour && value >= config.limit.get());
            let (value, threshold) = if value < config.limit.get() {
                (score.rhythm(), config.even.get())
            } else {
                (value, config.limit.get())
            };
            if over {
                let mut samples = Samples::default();
                samples.push(Sample::of(seen.event, seen.dst.addr), max_evidence);
                board.over(&Over {
                    kind: SignalKind::LongBeacon,
                    subject,
                    key,
                    severity,
                    value,
                    threshold,
                    rank: value,
                    window: pair.window(board.now),
                    lasting: config.lasting.get(),
                    approximate: pair.gaps.is_thinned(),
                    baseline: None,
                    numbers: &[
                        ("connections", f64::from(pair.connections)),
                        ("hours", pair.last.since(pair.first).as_secs_f64() / 3_600.0),
                        ("median_gap_seconds", pair.gaps.median() / 1e3),
                        ("median_bytes_sent", pair.sizes.median()),
                        ("timing", score.timing),
                        ("size", score.size),
                        ("histogram", score.histogram),
                        ("duration", score.duration),
                        ("rarity", rarity),
                        ("hosts", users),
                        ("jitter", pair.gaps.spread()),
                        ("doubt", doubt.map_or(0.0, Doubt::number)),
                    ],
                    samples: &samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, _subject: &Subject, key: u64) {
        self.pairs.pin(key, key, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs).and(&self.hosts)
    }
}

/// What a destination that so many of all hosts contact adds to the score.
fn rarity(users: f64, hosts: f64, config: &LongBeacon) -> f64 {
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

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let doubt = Doubt::told(facts.number("doubt"));
    format!(
        "called {} every {} s or so for {} h{doubt} (score {}, limit {})",
        counted(facts.number("connections"), "time"),
        short(facts.number("median_gap_seconds")),
        short(facts.number("hours")),
        short(facts.value),
        facts.threshold,
    )
}
