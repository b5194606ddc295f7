//! ENCODED_TUNNELING_PATTERN: an internal host asks for ever new encoded names below one domain.
//!
//! Fires when   within `window` an internal client asks for at least `limit` distinct names below
//!              one registered domain (public suffix list), in records that can carry data, whose
//!              labels left of that domain hold at least `min_length` characters of at least
//!              `min_entropy` bits each, all labels together: base32, 64 or 128 and hex alike.
//!              Domains below which such names mean something else (`ignore_domains`) do not count,
//!              nor do those below which, in a network of at least `min_hosts` clients, the share
//!              `common` of them ask for such names. Nor do look-ups of a hash: one label in
//!              hexadecimal digits, as long as a usual hash, beside short ones.
//! Blind to     tunnels spread over many domains, or slower than `limit` names per window; those that
//!              look like hashes.
//! Known noise  reputation and antivirus look-ups of hashes below one domain, until enough clients
//!              made some: add the domain to `ignore_domains`.
//! State        per client and domain its names (exact up to `max_exact`, then estimated),
//!              `max_evidence` flows and a few names; per domain clients, as many as can matter; all
//!              clients. What came once is evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::asked::Asked;
use crate::board::{About, Board, Facts, Over};
use crate::config::EncodedTunnelingPattern;
use crate::names::{self, Names};
use crate::samples::{Sample, Samples};
use crate::seen::MANY;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Distinct, Slicing};
use crate::{Severity, SignalKind, Subject};

/// Types of records that can carry data: A, CNAME, NULL, MX, TXT, AAAA, SRV…
const CARRIERS: [u16; 7] = [1, 5, 10, 15, 16, 28, 33];
/// …and those left to private use (RFC 6895, 3.1).
const PRIVATE: std::ops::RangeInclusive<u16> = 65_280..=65_534;

pub(super) struct Tunnels {
    config: EncodedTunnelingPattern,
    general: General,
    slicing: Slicing,
    /// By client and the hash of both.
    pairs: Subjects<(IpAddr, u64), Pair>,
    /// Who asks for encoded names below a domain, by its hash.
    domains: Subjects<u64, Askers>,
    /// Whoever asked for anything.
    clients: Subjects<u64, Client>,
}

/// Keys of clients.
#[derive(Default, Serialize, Deserialize)]
struct Askers(#[serde(with = "crate::state::room")] Vec<u64>);

impl Held for Askers {
    fn heap(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

impl Askers {
    /// Adds one, unless there are as many as can matter; returns how many there are.
    fn add(&mut self, client: u64) -> usize {
        if self.0.len() < MANY && !self.0.contains(&client) {
            self.0.reserve_exact(1);
            self.0.push(client);
        }
        self.0.len()
    }
}

/// Somebody who asks; nothing more is known.
#[derive(Default, Serialize, Deserialize)]
struct Client;

impl Held for Client {
    fn heap(&self) -> usize {
        0
    }
}

state!(Tunnels { slicing, pairs, domains, clients } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    distinct: Distinct,
    samples: Samples,
    names: Names,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.distinct.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Tunnels {
    pub(super) fn new(config: &EncodedTunnelingPattern, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(subjects, bytes / 8 * 6),
            domains: Subjects::new(subjects, bytes / 8),
            clients: Subjects::new(subjects, bytes / 8),
            config: config.clone(),
        }
    }

    /// Whether such names are usual below that domain.
    fn is_usual(&mut self, asked: &Asked<'_>) -> bool {
        let config = &self.config;
        let ends = |name: &String| asked.domain.eq_ignore_ascii_case(name.as_bytes());
        if config.ignore_domains.iter().any(ends) {
            return true;
        }
        let (domain, client) = (self.general.hash.name(asked.domain), asked.client.key);
        let askers = self
            .domains
            .update(domain, domain, |askers| askers.add(client));
        let (askers, clients) = (askers.unwrap_or(1) as f64, self.clients.len() as f64);
        let many = (clients * config.common.get()).min(MANY as f64);
        clients >= config.min_hosts.get() as f64 && askers >= many
    }

    /// Whether a question may carry data.
    fn may_carry(&self, asked: &Asked<'_>) -> bool {
        let (length, entropy) = (self.config.min_length.get(), self.config.min_entropy.get());
        (CARRIERS.contains(&asked.qtype) || PRIVATE.contains(&asked.qtype))
            && asked.left.is_encoded(length, entropy)
    }
}

impl Detector for Tunnels {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Questions)
    }

    fn asked(&mut self, asked: &Asked<'_>, board: &mut Board) {
        let (client, place) = (asked.client.key, self.slicing.place(asked.at, board.now));
        self.clients.update(client, client, |_| ());
        let Some(place) = place.filter(|_| self.may_carry(asked)) else {
            return;
        };
        if asked.left.is_hash() || self.is_usual(asked) {
            return;
        }
        let (config, general) = (&self.config, &self.general);
        let slicing = self.slicing;
        let pair = (asked.client.addr, asked.pair);
        self.pairs.judge(asked.pair, pair, |pair| {
            pair.distinct
                .count(asked.name_key, place.slice, place.first, general.max_exact);
            pair.samples
                .push(Sample::of_question(asked), general.max_evidence);
            pair.names.push(asked.name);
            let names = pair.distinct.counted() as f64;
            let over = names >= config.limit.get() as f64;
            if over {
                board.over(&Over {
                    kind: SignalKind::EncodedTunnelingPattern,
                    subject: Subject::source(asked.client.addr),
                    key: asked.pair,
                    severity: if names >= config.critical.get() as f64 {
                        Severity::Critical
                    } else {
                        Severity::High
                    },
                    value: names,
                    threshold: config.limit.get() as f64,
                    rank: names,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: pair.distinct.approximate(),
                    baseline: None,
                    numbers: &[
                        ("names", names),
                        ("length", asked.left.length as f64),
                        ("entropy", asked.left.entropy()),
                    ],
                    samples: &pair.samples,
                    about: About {
                        domain: &names::text(asked.domain),
                        names: pair.names.all(),
                    },
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        if let Some(client) = subject.src {
            self.pairs.pin(key, (client, key), Pin::InTurn);
        }
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs).and(&self.domains).and(&self.clients)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (names, domain) = (counted(facts.value, "encoded name"), facts.domain);
    format!(
        "asked for {names} below {domain} (limit {} in {})",
        facts.threshold, facts.window
    )
}
