//! THREAT_LIST_MATCH: a host deals with what a threat list names.
//!
//! Fires when   a host opens a connection to an address that is on a list, or one on a list opens one
//!              to it; or asks for a name, names a server, or has a fingerprint of TLS (JA3, JA4) that
//!              is. Once is enough: high. Evidence names the list and what it names. Signals about
//!              addresses that are on a list are one step more severe, as are detections that rest on
//!              such a signal.
//! Blind to     what no list names; everything, as long as no lists are given; fingerprints that
//!              others share.
//! Known noise  lists that are old or too wide: addresses of hosters, resolvers, mail services.
//! State        per pair a count for each slice, `max_evidence` flows and a few names; pairs that came
//!              once are evicted first, counted.

use std::sync::Arc;

use flow_table::ProtocolRow;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::ThreatListMatch;
use crate::hash::join;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::seen::{Party, Seen};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::threats::{ListId, Threats};
use crate::told::Topic;
use crate::wants::{Wants, What};
use crate::window::{Place, Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

/// A row in which somebody names what a list names.
pub(crate) struct Matched<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) client: Party,
    pub(crate) server: Party,
    /// What it is, and by whom it is named: `evil.example (bad.txt)`.
    pub(crate) label: Vec<u8>,
}

pub(super) struct Matches {
    general: General,
    threats: Arc<Threats>,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Matches { slicing, pairs } of { general, threats });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    matches: SlidingSum<1>,
    samples: Samples,
    names: Names,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.matches.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

/// What is on which list, for people.
pub(crate) fn label(threats: &Threats, what: &[u8], list: ListId) -> Vec<u8> {
    let name = threats.name(list);
    [what, b" (", name.as_bytes(), b")"].concat()
}

impl Matches {
    pub(super) fn new(config: &ThreatListMatch, general: General, threats: Arc<Threats>) -> Self {
        Self {
            general,
            threats,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
        }
    }

    fn count(
        &mut self,
        (src, dst): (Party, Party),
        place: Place,
        sample: Sample,
        label: &[u8],
        board: &mut Board,
    ) {
        let (max_evidence, slicing) = (self.general.max_evidence, self.slicing);
        let subject = Subject::pair(src.addr, dst.addr);
        let key = join(src.key, dst.key);
        self.pairs.judge(key, Some(subject), |pair| {
            pair.matches.add(place.slice, [1]);
            pair.matches.expire(place.first);
            pair.samples.push(sample, max_evidence);
            pair.names.push(label);
            let [matches] = pair.matches.total();
            board.over(&Over {
                kind: SignalKind::ThreatListMatch,
                subject,
                key,
                severity: Severity::High,
                value: matches as f64,
                threshold: 1.0,
                rank: matches as f64,
                window: slicing.ending(board.now),
                lasting: slicing.window(),
                approximate: false,
                baseline: None,
                numbers: &[("matches", matches as f64)],
                samples: &pair.samples,
                about: About {
                    domain: "",
                    names: pair.names.all(),
                },
            });
            true
        });
    }
}

impl Detector for Matches {
    fn wants(&self) -> Wants {
        if !self.threats.has_networks() {
            return Wants::NOTHING;
        }
        Wants {
            what: What::CONNECTS,
            between: Wants::HOSTS,
        }
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Threats)
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let listed = |party: Party| Some((party.addr, party.listed?));
        let Some((addr, list)) = listed(seen.dst).or_else(|| listed(seen.src)) else {
            return;
        };
        let Some(place) = self.slicing.place(seen.event.time, board.now) else {
            return;
        };
        let label = label(&self.threats, addr.to_string().as_bytes(), list);
        let sample = Sample::of(seen.event, seen.dst.addr);
        self.count((seen.src, seen.dst), place, sample, &label, board);
    }

    fn matched(&mut self, matched: &Matched<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(matched.row.time, board.now) else {
            return;
        };
        let sample = Sample::of_row(matched.row, matched.server.addr);
        let ends = (matched.client, matched.server);
        self.count(ends, place, sample, &matched.label, board);
    }

    fn replace_threats(&mut self, threats: &Arc<Threats>) {
        self.threats = Arc::clone(threats);
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let times = counted(facts.value, "time");
    let names = facts.names.join(", ");
    format!(
        "dealt {times} with what threat lists name: {names}, in {}",
        facts.window
    )
}
