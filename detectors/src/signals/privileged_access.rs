//! PRIVILEGED_ACCESS: an internal host reaches for services that administer other hosts.
//!
//! Fires when   an internal source opens TCP connections to internal hosts on at least `services` of
//!              `ports`, or on one of them to at least `hosts` hosts, within `window`. An attempt
//!              counts whether or not it is answered.
//! Blind to     one service on one or two hosts; the same services on other ports.
//! Known noise  administrators' hosts, jump hosts, configuration management, domain members that use
//!              445 on several servers: alone it is no alert.
//! State        per source the hosts of each service (exact up to `max_exact`, then estimated) and the
//!              latest `max_evidence` flows; sources that came once are evicted first, counted.

use std::net::IpAddr;

use flow_table::IpProto;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching};
use crate::board::{About, Board, Facts, Over};
use crate::config::PrivilegedAccess;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Place, Slicing};
use crate::{SignalKind, Subject};

pub(super) struct Accesses {
    config: PrivilegedAccess,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Accesses { slicing, sources } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    #[serde(with = "crate::state::room")]
    services: Vec<(u16, Distinct)>,
    hosts: Distinct,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        let services: usize = self.services.iter().map(|(_, hosts)| hosts.heap()).sum();
        let entries = self.services.capacity() * size_of::<(u16, Distinct)>();
        services + entries + self.hosts.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Source {
    fn count(&mut self, port: u16, host: u64, place: Place, max_exact: usize) {
        for (_, hosts) in &mut self.services {
            hosts.expire(place.first);
        }
        self.services.retain(|(_, hosts)| hosts.counted() > 0);
        self.hosts.count(host, place.slice, place.first, max_exact);
        let known = self.services.iter_mut().find(|(other, _)| *other == port);
        if let Some((_, hosts)) = known {
            return hosts.count(host, place.slice, place.first, max_exact);
        }
        let mut hosts = Distinct::default();
        hosts.count(host, place.slice, place.first, max_exact);
        self.services.push((port, hosts));
    }

    /// Number of services, and of hosts of the service with most.
    fn reach(&self) -> (u64, u64) {
        let hosts = self.services.iter().map(|(_, hosts)| hosts.counted());
        let services = u64::try_from(self.services.len()).unwrap_or(u64::MAX);
        (services, hosts.max().unwrap_or(0))
    }
}

impl Accesses {
    pub(super) fn new(config: &PrivilegedAccess, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Accesses {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::INSIDE,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let relevant =
            seen.event.id.proto == IpProto::TCP && self.config.ports.contains(&seen.port());
        let place = self.slicing.place(seen.event.time, board.now);
        let (true, Some(place)) = (relevant, place) else {
            return;
        };
        let (config, general, slicing) = (&self.config, &self.general, self.slicing);
        self.sources
            .judge(seen.src.key, Some(seen.src.addr), |source| {
                source.count(seen.port(), seen.dst.key, place, general.max_exact);
                source
                    .samples
                    .push(Sample::of(seen.event, seen.dst.addr), general.max_evidence);
                let (services, widest) = source.reach();
                let many_services = services >= config.services.get();
                let over = many_services || widest >= config.hosts.get();
                let (value, limit) = if many_services {
                    (services, config.services)
                } else {
                    (widest, config.hosts)
                };
                if over {
                    board.over(&Over {
                        kind: SignalKind::PrivilegedAccess,
                        subject: Subject::source(seen.src.addr),
                        key: seen.src.key,
                        severity: reaching(
                            services as f64,
                            config.high.get() as f64,
                            config.critical.get() as f64,
                        ),
                        value: value as f64,
                        threshold: limit.get() as f64,
                        rank: services as f64 * 1e9 + source.hosts.counted() as f64,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: source.hosts.approximate(),
                        baseline: None,
                        numbers: &[
                            ("services", services as f64),
                            ("hosts", source.hosts.counted() as f64),
                            ("hosts_of_one_service", widest as f64),
                        ],
                        samples: &source.samples,
                        about: About::default(),
                    });
                }
                over
            });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.sources.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.sources)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let services = counted(facts.number("services"), "privileged service");
    let hosts = counted(facts.number("hosts"), "internal host");
    format!("reached for {services} on {hosts} in {}", facts.window)
}
