//! HIGH_ENTROPY_DNS: an internal host asks for names that look like encoded data.
//!
//! Fires when   within `window` an internal client asks at least `limit` times for names whose
//!              labels left of the registered domain hold at least `min_length` characters of at
//!              least `min_entropy` bits each, all labels together.
//! Blind to     data in short or word-like names; clients behind a resolver inside.
//! Known noise  reputation and antivirus look-ups of hashes, content networks that name hosts by
//!              hashes: alone it is no alert.
//! State        per client a count for each slice, `max_evidence` flows and a few names; clients that
//!              came once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::asked::Asked;
use crate::board::{About, Board, Facts, Over};
use crate::config::HighEntropyDns;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Riddles {
    config: HighEntropyDns,
    general: General,
    slicing: Slicing,
    clients: Subjects<Option<IpAddr>, Client>,
}

state!(Riddles { slicing, clients } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Client {
    queries: SlidingSum,
    samples: Samples,
    names: Names,
}

impl Held for Client {
    fn heap(&self) -> usize {
        self.queries.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Riddles {
    pub(super) fn new(config: &HighEntropyDns, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            clients: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Riddles {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Questions)
    }

    fn asked(&mut self, asked: &Asked<'_>, board: &mut Board) {
        let config = &self.config;
        let encoded = asked
            .left
            .is_encoded(config.min_length.get(), config.min_entropy.get());
        let place = self.slicing.place(asked.at, board.now);
        let Some(place) = place.filter(|_| encoded) else {
            return;
        };
        let (max_evidence, slicing) = (self.general.max_evidence, self.slicing);
        self.clients
            .judge(asked.client.key, Some(asked.client.addr), |client| {
                client.queries.add(place.slice, [1]);
                client.queries.expire(place.first);
                client
                    .samples
                    .push(Sample::of_question(asked), max_evidence);
                client.names.push(asked.name);
                let [queries] = client.queries.total();
                let over = queries >= config.limit.get();
                if over {
                    let queries = queries as f64;
                    board.over(&Over {
                        kind: SignalKind::HighEntropyDns,
                        subject: Subject::source(asked.client.addr),
                        key: asked.client.key,
                        severity: if queries >= config.critical.get() as f64 {
                            Severity::Critical
                        } else {
                            Severity::High
                        },
                        value: queries,
                        threshold: config.limit.get() as f64,
                        rank: queries,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: false,
                        baseline: None,
                        numbers: &[
                            ("queries", queries),
                            ("length", asked.left.length as f64),
                            ("entropy", asked.left.entropy()),
                        ],
                        samples: &client.samples,
                        about: About {
                            domain: "",
                            names: client.names.all(),
                        },
                    });
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.clients.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.clients)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let queries = counted(facts.value, "time");
    format!(
        "asked {queries} for names that look like encoded data (limit {} in {})",
        facts.threshold, facts.window
    )
}
