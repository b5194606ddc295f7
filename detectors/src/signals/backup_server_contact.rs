//! BACKUP_SERVER_CONTACT: a host that has no business there contacts backup servers.
//!
//! Fires when   an internal source that has not the role `backup-admin` opens connections to at least
//!              `limit` hosts with the role `backup` within `window`, on any port. An attempt counts
//!              whether or not it is answered.
//! Blind to     everything, as long as no host has the role `backup`; one backup server.
//! Known noise  hosts that are backed up to several servers, monitors, backup servers that copy from
//!              one another: give those the role `backup-admin`, or suppress them.
//! State        per source the hosts of the window (exact up to `max_exact`, then estimated) and the
//!              latest `max_evidence` flows; sources that came once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::{BackupServerContact, Role};
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Distinct, Slicing};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Contacts {
    config: BackupServerContact,
    general: General,
    slicing: Slicing,
    sources: Subjects<Option<IpAddr>, Source>,
}

state!(Contacts { slicing, sources } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Source {
    hosts: Distinct,
    samples: Samples,
}

impl Held for Source {
    fn heap(&self) -> usize {
        self.hosts.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Contacts {
    pub(super) fn new(config: &BackupServerContact, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            sources: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Contacts {
    fn wants(&self) -> Wants {
        if !self.general.backups {
            return Wants::NOTHING;
        }
        Wants {
            what: What::CONNECTS,
            between: Wants::FROM_INSIDE,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let relevant = seen.dst.roles.has(Role::Backup) && !seen.src.roles.has(Role::BackupAdmin);
        if !relevant || !seen.has_ports() {
            return;
        }
        let Some(place) = self.slicing.place(seen.event.time, board.now) else {
            return;
        };
        let (config, general, slicing) = (&self.config, &self.general, self.slicing);
        let (key, addr) = (seen.src.key, seen.src.addr);
        self.sources.judge(key, Some(addr), |source| {
            let hosts = &mut source.hosts;
            hosts.count(seen.dst.key, place.slice, place.first, general.max_exact);
            let sample = Sample::of(seen.event, seen.dst.addr);
            source.samples.push(sample, general.max_evidence);
            let hosts = source.hosts.counted();
            let over = hosts >= config.limit.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::BackupServerContact,
                    subject: Subject::source(addr),
                    key,
                    severity: Severity::Medium,
                    value: hosts as f64,
                    threshold: config.limit.get() as f64,
                    rank: hosts as f64,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: source.hosts.approximate(),
                    baseline: None,
                    numbers: &[("hosts", hosts as f64)],
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
    let hosts = counted(facts.value, "backup server");
    let (limit, window) = (facts.threshold, facts.window);
    format!("contacted {hosts} without being their administrator (limit {limit} in {window})")
}
