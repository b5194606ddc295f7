//! PERSISTENT_DESTINATION: an internal host keeps returning to an outside address few others use.
//!
//! Fires when   a source opens at least `limit` connections to one external destination within
//!              `window`, and fewer than `common_hosts` internal hosts have contacted it, or at most
//!              `common_share` of the internal hosts known.
//! Blind to     command and control behind a shared content network; one long connection.
//! Known noise  a department's own cloud service, software only one host runs: alone it is no alert.
//! State        per pair a count for each slice and `max_evidence` flows; per destination the hosts
//!              that contacted it, as many as can matter, while it is contacted at all; a list of
//!              internal hosts up to `max_known_hosts`, in at most an eighth of its memory. What came
//!              once is evicted first, counted.

use std::net::IpAddr;

use hashbrown::HashTable;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching};
use crate::board::{About, Board, Facts, Over};
use crate::config::PersistentDestination;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::{Loader, Saver, State, Unfit, room, state};
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{SignalKind, Subject};

pub(super) struct Destinations {
    config: PersistentDestination,
    general: General,
    slicing: Slicing,
    pairs: Subjects<(IpAddr, IpAddr), Pair>,
    prevalence: Subjects<IpAddr, Contacts>,
    known: Hosts,
    max_known: usize,
}

state!(Destinations { slicing, pairs, prevalence, known } of { config, general, max_known });

/// Keys of internal hosts.
struct Hosts(HashTable<u64>);

impl Hosts {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn insert(&mut self, host: u64) {
        let is_it = |known: &u64| *known == host;
        self.0.entry(host, is_it, |known| *known).or_insert(host);
    }
}

/// In ascending order.
impl State for Hosts {
    fn save(&self, to: &mut Saver) {
        let mut hosts: Vec<u64> = self.0.iter().copied().collect();
        hosts.sort_unstable();
        to.put(&(self.0.capacity(), hosts.len()));
        for host in hosts {
            to.number(host);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        let (room, len) = from.take()?;
        let hosts = from.numbers(len)?;
        self.0 = HashTable::with_capacity(room::bounded(room, hosts.len()));
        for host in hosts {
            self.insert(host);
        }
        Ok(())
    }
}

/// What a known host takes at worst: entries of nine bytes, of which two and a quarter may be there
/// for one that is used.
const PER_KNOWN: usize = 21;

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    connections: SlidingSum,
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.connections.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

/// Keys of the internal hosts that contacted a destination, sorted.
#[derive(Default, Serialize, Deserialize)]
struct Contacts {
    #[serde(with = "crate::state::room")]
    hosts: Vec<u64>,
}

impl Held for Contacts {
    fn heap(&self) -> usize {
        self.hosts.capacity() * size_of::<u64>()
    }
}

impl Contacts {
    /// Adds a host, unless more are known than can matter; returns how many are.
    fn add(&mut self, host: u64, enough: usize) -> usize {
        if self.hosts.len() < enough
            && let Err(at) = self.hosts.binary_search(&host)
        {
            if self.hosts.capacity() == 0 {
                self.hosts.reserve_exact(1);
            }
            self.hosts.insert(at, host);
        }
        self.hosts.len()
    }
}

impl Destinations {
    pub(super) fn new(config: &PersistentDestination, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            slicing: Slicing::of(config.window.get()),
            general,
            pairs: Subjects::new(subjects, bytes / 16 * 7),
            prevalence: Subjects::new(subjects, bytes / 16 * 7),
            known: Hosts(HashTable::new()),
            max_known: config.max_known_hosts.size().min(bytes / 8 / PER_KNOWN),
            config: config.clone(),
        }
    }

    /// Notes who contacts what; returns how many hosts contact the destination, and whether they
    /// are few.
    fn contacts(&mut self, seen: &Seen<'_>) -> (usize, bool) {
        let src = seen.src.key;
        if self.known.len() < self.max_known {
            self.known.insert(src);
        }
        let share = self.config.common_share.get();
        let of_known = share * self.known.len() as f64;
        let most = share * self.config.max_known_hosts.get() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 2^32"
        )]
        let enough = self.config.common_hosts.size().max(most as usize + 1);
        let add = |contacts: &mut Contacts| contacts.add(src, enough);
        let hosts = self
            .prevalence
            .update(seen.dst.key, seen.dst.addr, add)
            .unwrap_or(1);
        (
            hosts,
            hosts < self.config.common_hosts.size() || hosts as f64 <= of_known,
        )
    }
}

impl Detector for Destinations {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.prevalence.prefetch(seen.dst.key);
        self.pairs.prefetch(seen.pair);
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let relevant = seen.has_ports();
        let place = self.slicing.place(seen.event.time, board.now);
        let (true, Some(place)) = (relevant, place) else {
            return;
        };
        let (hosts, few) = self.contacts(seen);
        let (config, max_evidence, slicing) =
            (&self.config, self.general.max_evidence, self.slicing);
        let known = self.known.len();
        let (src, dst) = (seen.src.addr, seen.dst.addr);
        self.pairs.judge(seen.pair, (src, dst), |pair| {
            pair.connections.add(place.slice, [1]);
            pair.connections.expire(place.first);
            pair.samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            let [connections] = pair.connections.total();
            let connections = connections as f64;
            let over = few && connections >= config.limit.get() as f64;
            if over {
                board.over(&Over {
                    kind: SignalKind::PersistentDestination,
                    subject: Subject::pair(src, dst),
                    key: seen.pair,
                    severity: reaching(
                        connections,
                        config.high.get() as f64,
                        config.critical.get() as f64,
                    ),
                    value: connections,
                    threshold: config.limit.get() as f64,
                    rank: connections,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("connections", connections),
                        ("internal_hosts_contacting", hosts as f64),
                        ("internal_hosts_known", known as f64),
                    ],
                    samples: &pair.samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        if let (Some(src), Some(dst)) = (subject.src, subject.dst) {
            self.pairs.pin(key, (src, dst), Pin::InTurn);
        }
    }

    fn usage(&self) -> Usage {
        let known = u64::try_from(self.known.0.allocation_size()).unwrap_or(u64::MAX);
        let usage = Usage::of(&self.pairs).and(&self.prevalence);
        Usage {
            bytes: usage.bytes + known,
            ..usage
        }
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let connections = counted(facts.value, "connection");
    let hosts = counted(facts.number("internal_hosts_contacting"), "internal host");
    format!(
        "made {connections} to a destination of {hosts} (limit {} in {})",
        facts.threshold, facts.window
    )
}
