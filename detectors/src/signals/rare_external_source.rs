//! RARE_EXTERNAL_SOURCE: an internal host fetches something from where hardly anybody fetches anything.
//!
//! Fires when   an internal client fetches a file over HTTP or FTP from an outside source that at most
//!              `few_hosts` internal hosts use, or that was first contacted less than `new_for` ago,
//!              after everything had been watched for `min_history`. A page counts as well, once
//!              everything has been watched for `min_history`: before that nearly all is new. A source
//!              is the registered domain that the client named (in DNS or to the server), else the
//!              address. Evidence says since when the source is known, and for how long everything
//!              had been watched by then.
//! Blind to     what is encrypted; a source with a common name in its Host header; rare content on
//!              common sites.
//! Known noise  software that one department uses; the first hours of a sensor: alone it is no alert.
//! State        per client, server and domain a count for each slice, `max_evidence` flows and a few
//!              names; pairs that came once are evicted first, counted. Of destinations: see
//!              `destinations.rs`.

use flow_table::Timestamp;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::RareExternalSource;
use crate::content::Kind;
use crate::destinations::Known;
use crate::fetched::Fetched;
use crate::hash::join;
use crate::names::{self, Names};
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Sources {
    config: RareExternalSource,
    general: General,
    slicing: Slicing,
    /// By client, server and the hash of both with the domain.
    pairs: Subjects<(Option<Subject>, u64), Pair>,
}

state!(Sources { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    /// Files, and pages.
    fetched: SlidingSum<2>,
    samples: Samples,
    names: Names,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.fetched.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

/// By which measure a source is rare, and the limit that it keeps to.
#[derive(Clone, Copy)]
struct Rare {
    /// Hosts, or else seconds since the first contact.
    value: f64,
    limit: f64,
}

impl Sources {
    pub(super) fn new(config: &RareExternalSource, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }

    /// Whether and why a source is rare.
    fn rare(&self, known: Known, kind: Kind, now: Timestamp) -> Option<Rare> {
        let config = &self.config;
        let (enough, age) = (config.min_history.get(), now.since(known.first));
        if kind == Kind::Page && now.since(known.since) < enough {
            return None;
        }
        if known.hosts <= config.few_hosts.get() {
            return Some(Rare {
                value: known.hosts as f64,
                limit: config.few_hosts.get() as f64,
            });
        }
        let new = age < config.new_for.get() && known.watched_before() >= enough;
        new.then(|| Rare {
            value: age.as_secs_f64(),
            limit: config.new_for.get().as_secs_f64(),
        })
    }
}

/// What evidence tells in numbers.
fn numbers([files, pages]: [u64; 2], known: Known, now: Timestamp) -> [(&'static str, f64); 7] {
    let before = known.watched_before().as_secs_f64();
    [
        ("files", files as f64),
        ("pages", pages as f64),
        ("internal_hosts", known.hosts as f64),
        ("first_contact", known.first.as_secs_f64()),
        ("watched_since", known.since.as_secs_f64()),
        ("seconds_known", now.since(known.first).as_secs_f64()),
        ("seconds_watched_before", before),
    ]
}

impl Detector for Sources {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Fetches)
    }

    fn fetched(&mut self, fetched: &Fetched<'_>, board: &mut Board) {
        let place = self.slicing.place(fetched.row.time, board.now);
        let (Some(known), Some(place)) = (fetched.known, place) else {
            return;
        };
        let kind = fetched.kind();
        let Some(rare) = self.rare(known, kind, board.now) else {
            return;
        };
        let (max_evidence, slicing) = (self.general.max_evidence, self.slicing);
        let subject = Subject::pair(fetched.client.addr, fetched.server.addr);
        let domain = self.general.hash.name(&fetched.domain);
        let key = join(join(fetched.client.key, fetched.server.key), domain);
        self.pairs.judge(key, (Some(subject), key), |pair| {
            let of_kind = if kind == Kind::Page { [0, 1] } else { [1, 0] };
            pair.fetched.add(place.slice, of_kind);
            pair.fetched.expire(place.first);
            pair.samples.push(
                Sample::of_row(fetched.row, fetched.server.addr),
                max_evidence,
            );
            pair.names.push(&fetched.label());
            let [files, pages] = pair.fetched.total();
            board.over(&Over {
                kind: SignalKind::RareExternalSource,
                subject,
                key,
                severity: if files > 0 {
                    Severity::High
                } else {
                    Severity::Medium
                },
                value: rare.value,
                threshold: rare.limit,
                rank: (files + pages) as f64,
                window: slicing.ending(board.now),
                lasting: slicing.window(),
                approximate: false,
                baseline: None,
                numbers: &numbers([files, pages], known, board.now),
                samples: &pair.samples,
                about: About {
                    domain: &names::text(&fetched.domain),
                    names: pair.names.all(),
                },
            });
            true
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, (Some(*subject), key), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let span = |name| text_of(facts.number(name));
    let (files, pages) = (facts.number("files"), facts.number("pages"));
    let what = match (files > 0.0, pages > 0.0) {
        (true, false) => counted(files, "file"),
        (true, true) => format!("{} and {}", counted(files, "file"), counted(pages, "page")),
        _ => counted(pages, "page"),
    };
    let source = if facts.domain.is_empty() {
        "an address"
    } else {
        facts.domain
    };
    let hosts = counted(facts.number("internal_hosts"), "internal host");
    let (known, before) = (span("seconds_known"), span("seconds_watched_before"));
    format!(
        "fetched {what} from {source}, used by {hosts} and first contacted {known} ago, after {before} of watching"
    )
}

/// Seconds, in the largest unit that they fill.
fn text_of(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    match units.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{:.0} {name}", (seconds / unit).floor()),
        None => format!("{:.0} s", seconds.floor()),
    }
}
