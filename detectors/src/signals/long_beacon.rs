//! LONG_BEACON, the long form of PERIODIC_BEACON: over a day, a host calls an outside one evenly.
//!
//! Fires when   the score of a source's connections to one destination reaches `limit`, of at least
//!              `min_connections` in the last 24 hours. The score, 0 to 1, is the mean of four parts
//!              (`score.rs`): how even the gaps are, how even the bytes sent, how even the hours, and
//!              for how long it lasts; of a network of at least `min_hosts` hosts, more if hardly any
//!              of them contacts the destination, less if half of them do. It is judged at the first
//!              connection in each hour. It is critical only if there is more to say against the
//!              destination than that something calls it evenly, as much that is harmless does
//!              (`doubt.rs`); then it fires sooner: when gaps and sizes alone are even, or, of fewer
//!              connections but at least `early_connections` over `early_span`, when the
//!              coefficients of variation of both are below `max_variation`; its value is then one
//!              less the greater of them. A destination is an address; a name that leads a host to
//!              several is one destination, and told by the address that was called when it fired.
//! Blind to     beacons of a few hours that say nothing against themselves; gaps without any rhythm;
//!              destinations that change their names.
//! Known noise  mail and chat clients, telemetry, monitoring: whatever polls, though seldom
//!              critical. New software that one host runs and that polls with jitter is; so is what
//!              finds its servers without names. Ports in `ignore_ports` do not count.
//! State        per pair an hour's count for each hour of a day, and some gaps and sizes: as many as
//!              say enough, at even distances. 220 bytes, and as many for a name that leads to several
//!              addresses; what came once is evicted first, counted.

mod doubt;
mod judge;
mod score;
mod turning;

use std::num::NonZero;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, short};
use crate::board::{Board, Facts};
use crate::config::LongBeacon;
use crate::hash::join;
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::{Subject, Window};
use doubt::Doubt;
use judge::{Judge, Whom};
use score::{Hours, Rhythm, Score};
use turning::Name;

/// Whether a connection counts, and what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    No,
    Yes,
    FirstOfHour,
}

/// The window.
const DAY: Span = Span::from_mins(24 * 60);

/// What a connection is to the name it is called by.
#[derive(Clone, Copy, Default)]
struct ByName {
    /// The name's key, if it leads to several addresses.
    name: Option<NonZero<u64>>,
    /// Whether a signal was told of calls to all of them.
    told: bool,
}

pub(super) struct Beacons {
    config: LongBeacon,
    general: General,
    /// By the hash of the pair alone: what two pairs with one hash would share is a rhythm.
    pairs: Subjects<(), Pair>,
    /// By the hash of host and name.
    names: Subjects<(), Name>,
    /// Hosts inside that were seen.
    hosts: Subjects<(), Host>,
}

state!(Beacons { pairs, names, hosts } of { config, general });

/// Something that was seen; nothing more is known of it.
#[derive(Default, Serialize, Deserialize)]
struct Host;

impl Held for Host {
    fn heap(&self) -> usize {
        0
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Pair {
    first: Timestamp,
    last: Timestamp,
    connections: u32,
    /// Bytes sent since the last connection began.
    sent: u32,
    hours: Hours,
    rhythm: Rhythm,
    /// The key of the name it was last called by, if that leads to others as well.
    name: Option<NonZero<u64>>,
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
    /// A connection begins, and sends so much at once. One that comes late, or at once after another,
    /// is not counted at all.
    fn connect(&mut self, time: Timestamp, sent: u32, min_gap: Span) -> Counted {
        let gap = time.since(self.last);
        if self.connections > 0 && gap < min_gap {
            self.sends(sent);
            return Counted::No;
        }
        if self.connections == 0 || gap > DAY {
            *self = Self {
                first: time,
                ..Self::default()
            };
        } else {
            let millis = gap.as_nanos().unsigned_abs() / 1_000_000;
            self.rhythm.put(millis, self.sent.into());
        }
        self.sent = sent;
        let before = std::mem::replace(&mut self.last, time);
        self.connections = self.connections.saturating_add(1);
        if self.hours.count(before, time) {
            Counted::FirstOfHour
        } else {
            Counted::Yes
        }
    }

    fn sends(&mut self, bytes: u32) {
        self.sent = self.sent.saturating_add(bytes);
    }

    fn span(&self) -> Span {
        self.last.since(self.first)
    }

    /// Whether there are too few connections for a score.
    fn is_young(&self, config: &LongBeacon) -> bool {
        u64::from(self.connections) < config.min_connections.get()
    }

    /// Whether there are enough to be judged before.
    fn is_enough_early(&self, config: &LongBeacon) -> bool {
        u64::from(self.connections) >= config.early_connections.get()
            && self.span() >= config.early_span.get()
    }

    /// Whether it is to be judged between hours: there are just enough connections, or twice as
    /// many as at the last time.
    fn is_due(&self, config: &LongBeacon) -> bool {
        let (all, fewest) = (u64::from(self.connections), config.min_connections.get());
        all.is_multiple_of(fewest) && (all / fewest).is_power_of_two()
    }

    /// Whether gaps and sizes alone are even, and it says anything at all.
    fn is_even(&self, score: Score, config: &LongBeacon) -> bool {
        score.rhythm() >= config.even.get() && self.rhythm.sizes().median() > 0.0
    }

    /// How little gaps and sizes vary, whichever does more.
    fn steadiness(&self) -> f64 {
        1.0 - self
            .rhythm
            .gaps()
            .variation()
            .max(self.rhythm.sizes().variation())
    }

    fn window(&self, now: Timestamp) -> Window {
        Window {
            start: self.first.max(now - DAY),
            end: now,
        }
    }

    fn score(&self) -> Score {
        Score {
            timing: self.rhythm.gaps().evenness(),
            size: self.rhythm.sizes().evenness(),
            histogram: self.hours.evenness(),
            duration: self.hours.duration(self.last, self.span(), DAY),
        }
    }
}

impl Beacons {
    pub(super) fn new(config: &LongBeacon, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            config: config.clone(),
            general,
            pairs: Subjects::new(subjects, bytes / 32 * 28),
            names: Subjects::new(subjects, bytes / 32 * 3),
            hosts: Subjects::new(subjects, bytes / 32),
        }
    }

    /// A pair moves something.
    fn sent(&mut self, key: u64, bytes: u32) {
        let name = self.pairs.amend(key, (), |pair| {
            pair.sends(bytes);
            pair.name
        });
        if let Some(key) = name.flatten() {
            self.names.amend(key.get(), (), |name| name.sends(bytes));
        }
    }

    /// Counts and judges a connection for the name it is called by, if that leads to several addresses.
    fn by_name(&mut self, seen: &Seen<'_>, bytes: u32, board: &mut Board) -> Option<ByName> {
        let key = join(seen.src.key, seen.known?.name?);
        let (pairs, min_gap) = (&self.pairs, self.config.min_gap);
        let judge = Judge {
            config: &self.config,
            max_evidence: self.general.max_evidence,
            hosts: self.hosts.len() as f64,
        };
        let count = |name: &mut Name| {
            let pair = name.call(seen, pairs)?;
            let counted = pair.connect(seen.event.time, bytes, min_gap);
            let told = name.judge(&judge, counted, seen, board);
            let name = NonZero::new(key);
            Some(ByName { name, told })
        };
        self.names.update(key, (), count).flatten()
    }
}

impl Detector for Beacons {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::SENT),
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.pairs.prefetch(seen.pair);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if !seen.has_ports() || self.config.ignore_ports.contains(&seen.port()) {
            return;
        }
        let bytes = u32::try_from(seen.event.orig.bytes).unwrap_or(u32::MAX);
        if !seen.connects {
            return self.sent(seen.pair, bytes);
        }
        let by_name = self.by_name(seen, bytes, board).unwrap_or_default();
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        let hosts = &mut self.hosts;
        self.pairs.judge(seen.pair, (), |pair| {
            let counted = pair.connect(seen.event.time, bytes, config.min_gap);
            pair.name = by_name.name;
            if pair.connections == 1 {
                hosts.update(seen.src.key, (), |_| ());
            }
            let judge = Judge {
                config,
                max_evidence,
                hosts: hosts.len() as f64,
            };
            // What is told of a name is not told of its addresses as well.
            !by_name.told && judge.judge(pair, counted, (seen, Whom::pair(seen)), board)
        });
    }

    fn closed(&mut self, _subject: &Subject, key: u64) {
        self.pairs.pin(key, (), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs).and(&self.names).and(&self.hosts)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let doubt = Doubt::told(facts.number("doubt"));
    let changing = if facts.number("moves") > 0.0 {
        ", at changing addresses of one name,"
    } else {
        ""
    };
    format!(
        "called {}{changing} every {} s or so for {} h{doubt} (score {}, limit {})",
        counted(facts.number("connections"), "time"),
        short(facts.number("median_gap_seconds")),
        short(facts.number("hours")),
        short(facts.value),
        facts.threshold,
    )
}
