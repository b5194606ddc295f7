//! ADMIN_MANAGEMENT_PROTOCOL: one host tries several ways to administer a backup server.
//!
//! Fires when   an internal source opens TCP connections to a host with the role `backup` with at least
//!              `limit` of SSH, RDP, WinRM, SMB and WMI, by their ports, within `window`. An attempt
//!              counts whether or not it is answered.
//! Blind to     everything, as long as no host has the role `backup`; one protocol on each of several
//!              servers; the same protocols on other ports.
//! Known noise  administrators; hosts that copy over SMB what SSH tells them to. Whether SMB is used to
//!              administer or to read a file, its port does not tell.
//! State        per source and server when each protocol was last used, and the latest `max_evidence`
//!              flows; pairs that came once are evicted first, counted.

use flow_table::IpProto;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::{AdminManagementProtocol, Role};
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slice, Slicing};
use crate::{Severity, SignalKind, Subject};

/// The protocols, in the order of [`Pair::last`].
const PROTOCOLS: [&str; 5] = ["SSH", "RDP", "WinRM", "SMB", "WMI"];

pub(super) struct Administrators {
    config: AdminManagementProtocol,
    general: General,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Administrators { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    /// The slice in which each protocol was last used.
    last: [Option<Slice>; PROTOCOLS.len()],
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Pair {
    /// The names of the protocols used since a slice.
    fn since(&self, first: Slice) -> impl Iterator<Item = &'static str> {
        let used = PROTOCOLS.into_iter().zip(self.last);
        used.filter(move |(_, last)| last.is_some_and(|last| last >= first))
            .map(|(name, _)| name)
    }
}

impl Administrators {
    pub(super) fn new(config: &AdminManagementProtocol, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }

    /// The place in [`PROTOCOLS`] of what is on a port.
    fn protocol(&self, port: u16) -> Option<usize> {
        let config = &self.config;
        let ports = [
            &config.ssh,
            &config.rdp,
            &config.winrm,
            &config.smb,
            &config.wmi,
        ];
        ports.iter().position(|ports| ports.contains(&port))
    }
}

impl Detector for Administrators {
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
        if !seen.dst.roles.has(Role::Backup) || seen.event.id.proto != IpProto::TCP {
            return;
        }
        let protocol = self.protocol(seen.port());
        let place = self.slicing.place(seen.event.time, board.now);
        let (Some(protocol), Some(place)) = (protocol, place) else {
            return;
        };
        let (config, max_evidence, slicing) =
            (&self.config, self.general.max_evidence, self.slicing);
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        self.pairs.judge(seen.pair, Some(subject), |pair| {
            if let Some(last) = pair.last.get_mut(protocol) {
                *last = (*last).max(Some(place.slice));
            }
            pair.samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            let protocols = pair.since(place.first).count();
            let over = protocols as u64 >= config.limit.get();
            if over {
                let mut names = Names::default();
                pair.since(place.first)
                    .for_each(|name| names.push(name.as_bytes()));
                board.over(&Over {
                    kind: SignalKind::AdminManagementProtocol,
                    subject,
                    key: seen.pair,
                    severity: Severity::High,
                    value: protocols as f64,
                    threshold: config.limit.get() as f64,
                    rank: protocols as f64,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[("protocols", protocols as f64)],
                    samples: &pair.samples,
                    about: About {
                        domain: "",
                        names: names.all(),
                    },
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let protocols = counted(facts.value, "protocol");
    let names = facts.names.join(", ");
    let (limit, window) = (facts.threshold, facts.window);
    format!("administered a backup server with {protocols} ({names}; limit {limit} in {window})")
}
