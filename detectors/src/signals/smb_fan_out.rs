//! SMB_FAN_OUT: an internal host goes to the shares of many others.
//!
//! Fires when   an internal source opens TCP connections on `ports` to at least `limit` internal hosts
//!              within `window` that are not usual for it: a host is once its first contact is
//!              `usual_after` ago. An attempt counts whether or not it is answered.
//! Blind to     fewer hosts per window; hosts that the source contacts since yesterday; what is done
//!              there.
//! Known noise  whoever administers or scans many hosts; at the beginning, while nothing is usual yet,
//!              domain members that use several servers: evidence counts the usual ones beside.
//! State        per source the unusual hosts of the window (exact up to `max_exact`, then estimated),
//!              up to `max_usual` hosts with first and last contact, and the latest `max_evidence`
//!              flows; sources that came once are evicted first, counted.

use std::net::IpAddr;

use flow_table::{IpProto, Span, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted, reaching};
use crate::board::{About, Board, Facts, Over};
use crate::config::SmbFanOut;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Slicing};
use crate::{SignalKind, Subject};

pub(super) struct Shares {
    config: SmbFanOut,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Shares { slicing, sources } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    /// Hosts in the window that are not usual.
    hosts: Distinct,
    #[serde(with = "crate::state::room")]
    contacts: Vec<Contact>,
    samples: Samples,
}

/// A host that the source contacts.
#[derive(Serialize, Deserialize)]
struct Contact {
    host: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Contact {
    fn is_usual(&self, now: Timestamp, after: Span) -> bool {
        now.since(self.first) >= after
    }
}

impl Held for Source {
    fn heap(&self) -> usize {
        let contacts = self.contacts.capacity() * size_of::<Contact>();
        self.hosts.heap() + contacts + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Source {
    /// Remembers a contact; tells whether the host is usual.
    fn contact(&mut self, host: u64, now: Timestamp, config: &SmbFanOut) -> bool {
        let known = self.contacts.iter_mut().find(|known| known.host == host);
        if let Some(known) = known {
            known.last = known.last.max(now);
            return known.is_usual(now, config.usual_after);
        }
        let contact = Contact {
            host,
            first: now,
            last: now,
        };
        if self.contacts.len() < config.max_usual.size() {
            self.contacts.push(contact);
            return false;
        }
        let worth = |known: &&mut Contact| (known.is_usual(now, config.usual_after), known.last);
        if let Some(least) = self.contacts.iter_mut().min_by_key(worth) {
            *least = contact;
        }
        false
    }

    fn usual(&self, now: Timestamp, config: &SmbFanOut) -> usize {
        let is_usual = |known: &&Contact| known.is_usual(now, config.usual_after);
        self.contacts.iter().filter(is_usual).count()
    }
}

impl Shares {
    pub(super) fn new(config: &SmbFanOut, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Shares {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS,
            between: Wants::INSIDE,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let relevant =
            seen.event.id.proto == IpProto::TCP && self.config.ports.contains(&seen.port());
        if !relevant || seen.src.key == seen.dst.key {
            return;
        }
        let Some(place) = self.slicing.place(seen.event.time, board.now) else {
            return;
        };
        let (config, general, slicing) = (&self.config, &self.general, self.slicing);
        let (now, host) = (seen.event.time, seen.dst.key);
        self.sources
            .judge(seen.src.key, Some(seen.src.addr), |source| {
                if source.contact(host, now, config) {
                    return false;
                }
                { &mut source.hosts }.count(host, place.slice, place.first, general.max_exact);
                let sample = Sample::of(seen.event, seen.dst.addr);
                source.samples.push(sample, general.max_evidence);
                let hosts = source.hosts.counted();
                let over = hosts >= config.limit.get();
                if over {
                    let steps = [config.high, config.critical].map(|step| step.get() as f64);
                    board.over(&Over {
                        kind: SignalKind::SmbFanOut,
                        subject: Subject::source(seen.src.addr),
                        key: seen.src.key,
                        severity: reaching(hosts as f64, steps[0], steps[1]),
                        value: hosts as f64,
                        threshold: config.limit.get() as f64,
                        rank: hosts as f64,
                        window: slicing.ending(board.now),
                        lasting: slicing.window(),
                        approximate: source.hosts.approximate(),
                        baseline: None,
                        numbers: &[
                            ("hosts", hosts as f64),
                            ("usual_hosts", source.usual(now, config) as f64),
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
    let hosts = counted(facts.value, "internal host");
    let (limit, window) = (facts.threshold, facts.window);
    format!("went over SMB to {hosts} that it does not usually use (limit {limit} in {window})")
}
