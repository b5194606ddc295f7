//! DNS_QUERY_BURST: an internal host asks for many names.
//!
//! Fires when   within `window` an internal client asks at least `limit` times, for at least
//!              `min_names` distinct names, and, once its own mean and deviation are learnt from earlier
//!              windows with queries, more than `deviations` above that mean.
//! Blind to     clients that ask through a resolver inside, whose queries are not captured; DNS
//!              over HTTPS or TLS; hosts that always ask much.
//! Known noise  opening web pages, mail servers, resolvers that ask for others: alone it is no alert.
//! State        per client a count for each slice, its names (exact up to `max_exact`, then estimated),
//!              a baseline of 2 KiB at most, `max_evidence` flows and a few names; clients that came
//!              once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, short};
use crate::asked::Asked;
use crate::baseline::{Baseline, Prior};
use crate::board::{About, Board, Facts, Over};
use crate::config::DnsQueryBurst;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Distinct, Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Bursts {
    config: DnsQueryBurst,
    prior: Prior,
    general: General,
    slicing: Slicing,
    clients: Subjects<Option<IpAddr>, Client>,
}

state!(Bursts { slicing, clients } of { config, prior, general });

#[derive(Default, Serialize, Deserialize)]
struct Client {
    queries: SlidingSum,
    distinct: Distinct,
    baseline: Baseline,
    samples: Samples,
    names: Names,
    open: bool,
}

impl Held for Client {
    fn heap(&self) -> usize {
        let evidence = self.samples.heap() + self.names.heap();
        self.queries.heap() + self.distinct.heap() + self.baseline.heap() + evidence
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Bursts {
    pub(super) fn new(config: &DnsQueryBurst, general: General) -> Self {
        Self {
            // There is no prior: without history the baseline sets no limit.
            prior: Prior {
                mean: 0.0,
                deviation: 0.0,
                min_deviation: config.min_deviation.get(),
                min_history: config.min_history.get(),
            },
            general,
            slicing: Slicing::of(config.window.get()),
            clients: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Bursts {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Questions)
    }

    fn asked(&mut self, asked: &Asked<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(asked.at, board.now) else {
            return;
        };
        let (config, general) = (&self.config, &self.general);
        let (prior, slicing) = (&self.prior, self.slicing);
        self.clients
            .judge(asked.client.key, Some(asked.client.addr), |client| {
                client.queries.add(place.slice, [1]);
                client.queries.expire(place.first);
                client
                    .distinct
                    .count(asked.name_key, place.slice, place.first, general.max_exact);
                client.baseline.add(slicing.window(), board.now, 1);
                client
                    .samples
                    .push(Sample::of_question(asked), general.max_evidence);
                client.names.push(asked.name);
                let ([queries], names) = (client.queries.total(), client.distinct.counted());
                let (queries, names) = (queries as f64, names as f64);
                let baseline = client.baseline.evidence(prior);
                let usual = baseline.mean + config.deviations.get() * baseline.deviation;
                let limit = config.limit.get() as f64;
                let over = queries >= limit
                    && names >= config.min_names.get() as f64
                    && (baseline.prior || queries > usual);
                if over {
                    client.open = true;
                    board.over(&Over {
                        kind: SignalKind::DnsQueryBurst,
                        subject: Subject::source(asked.client.addr),
                        key: asked.client.key,
                        severity: severity(queries, config),
                        value: queries,
                        threshold: if baseline.prior {
                            limit
                        } else {
                            limit.max(usual)
                        },
                        rank: queries,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: client.distinct.approximate(),
                        baseline: (!baseline.prior).then_some(baseline),
                        numbers: &[("queries", queries), ("names", names)],
                        samples: &client.samples,
                        about: About {
                            domain: "",
                            names: client.names.all(),
                        },
                    });
                }
                if client.open {
                    client.baseline.taint();
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.clients
            .amend(key, subject.src, |client| client.open = false);
        self.clients.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.clients)
    }
}

fn severity(queries: f64, config: &DnsQueryBurst) -> Severity {
    if queries >= config.high.get() as f64 {
        Severity::High
    } else {
        Severity::Medium
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (names, queries) = (
        counted(facts.number("names"), "name"),
        counted(facts.value, "query"),
    );
    let limit = short(facts.threshold);
    format!(
        "asked for {names} in {queries} (limit {limit} in {})",
        facts.window
    )
}
