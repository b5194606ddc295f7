//! RARE_UPLOAD: a host sends much to somewhere outside that hardly any other sends anything.
//!
//! Fires when   of a source inside more than `limit` bytes went to one outside address within `window`,
//!              over `upload_factor` times what came back meanwhile, and at most `few_hosts` hosts
//!              contact it. High from `high` bytes if it is TCP to an address that nobody told the host,
//!              which else goes by names; critical from `critical` bytes if it has a name, or no names were
//!              seen, but is new to a network of at least `min_hosts` hosts that had been watched for
//!              `min_history`. It is
//!              judged as bytes move, and only what moves in large steps counts (`seen.rs`).
//! Blind to     what goes to services that many use; trickles; many destinations for little each.
//! Known noise  backups and storage of one host, until they are no longer new; films sent to a customer:
//!              medium, mostly.
//! State        per pair two sums for each slice and `max_evidence` flows; pairs that came once are
//!              evicted first, counted.

use flow_table::IpProto;
use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::RareUpload;
use crate::destinations::{Known, Named};
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Uploads {
    config: RareUpload,
    general: General,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Uploads { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    /// Bytes sent and received.
    moved: SlidingSum<2>,
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.moved.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Uploads {
    pub(super) fn new(config: &RareUpload, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

/// Whether hardly anybody else contacts it.
fn is_rare(known: Known, config: &RareUpload) -> bool {
    let few = (known.inside as f64 * config.rare.get()).max(config.few_hosts.get() as f64);
    known.hosts as f64 <= few
}

fn severity(sent: u64, seen: &Seen<'_>, known: Known, config: &RareUpload) -> Severity {
    let new = known.watched_before() >= config.min_history.get()
        && known.inside >= config.min_hosts.get();
    match known.named {
        Named::No if seen.event.id.proto == IpProto::TCP && sent > config.high.get() => {
            Severity::High
        }
        Named::No => Severity::Medium,
        _ if new && sent > config.critical.get() => Severity::Critical,
        _ => Severity::Medium,
    }
}

impl Detector for Uploads {
    fn wants(&self) -> Wants {
        Wants {
            what: What::SENT,
            between: Wants::INSIDE_OUT,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let event = seen.event;
        let (config, slicing, max_evidence) =
            (&self.config, self.slicing, self.general.max_evidence);
        let Some(known) = seen.known.filter(|known| is_rare(*known, config)) else {
            return;
        };
        if seen.connects {
            return;
        }
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        self.pairs.judge(seen.pair, Some(subject), |pair| {
            let amounts = [event.orig.bytes, event.resp.bytes];
            let until = seen.moved_until();
            pair.moved.spread(slicing, event.since, until, amounts);
            pair.moved.expire(slicing.first(slicing.at(board.now)));
            pair.samples
                .push(Sample::of(event, seen.dst.addr), max_evidence);
            let [sent, received] = pair.moved.total();
            let over = sent > config.limit.get()
                && sent as f64 > config.upload_factor.get() * received as f64;
            if over {
                board.over(&Over {
                    kind: SignalKind::RareUpload,
                    subject,
                    key: seen.pair,
                    severity: severity(sent, seen, known, config),
                    value: sent as f64,
                    threshold: config.limit.get() as f64,
                    rank: sent as f64,
                    window: slicing.ending(board.now),
                    lasting: config.lasting.get(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("bytes_sent", sent as f64),
                        ("bytes_received", received as f64),
                        ("internal_hosts", known.hosts as f64),
                        ("first_contact", known.first.as_secs_f64()),
                        (
                            "seconds_watched_before",
                            known.watched_before().as_secs_f64(),
                        ),
                    ],
                    samples: &pair.samples,
                    about: About::default(),
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
    let (sent, limit) = (bytes_text(facts.value), bytes_text(facts.threshold));
    let hosts = counted(facts.number("internal_hosts"), "internal host");
    format!(
        "uploaded {sent} to a destination of {hosts} (limit {limit} in {})",
        facts.window
    )
}
