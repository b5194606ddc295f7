//! DATA_STAGING: an internal host gathers much data from other internal hosts.
//!
//! Fires when   an internal host receives more than `limit` bytes, and more than its baseline's mean
//!              and `deviations` standard deviations, from internal hosts over file transfer `ports`
//!              within `window`. FTP's data connections count while their control connection is open
//!              or was within the window. A flow counts, from its first byte on, once it moved more
//!              than `min_transfer` in that direction.
//! Blind to     other protocols; many small files in as many connections; slow gathering.
//! Known noise  backup servers, file servers being filled, software deployment: suppress by receiver,
//!              which is the signal's source, as it is the host that acts next.
//! State        per receiver a sum for each slice, a baseline of 2 KiB at most and `max_evidence`
//!              flows; per flow under way over such a port 48 bytes; per pair with an FTP control
//!              connection 16. What came once is evicted first, counted.

use std::net::IpAddr;

use flow_table::{FlowEventKind, IpProto, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, above, bytes_text};
use crate::baseline::{Baseline, Prior};
use crate::board::{About, Board, Facts, Over};
use crate::config::DataStaging;
use crate::hash::join;
use crate::samples::{Sample, Samples};
use crate::seen::{Party, Seen};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::window::{Slicing, SlidingSum};
use crate::{SignalKind, Subject};

const FTP: u16 = 21;
const FTP_DATA: u16 = 20;

pub(super) struct Stagings {
    config: DataStaging,
    prior: Prior,
    general: General,
    slicing: Slicing,
    receivers: Subjects<Option<IpAddr>, Receiver>,
    transfers: Subjects<u128, Transfer>,
    ftp: Subjects<(IpAddr, IpAddr), Control>,
}

state!(Stagings { slicing, receivers, transfers, ftp } of { config, prior, general });

#[derive(Default, Serialize, Deserialize)]
struct Receiver {
    received: SlidingSum,
    baseline: Baseline,
    samples: Samples,
    open: bool,
}

impl Held for Receiver {
    fn heap(&self) -> usize {
        self.received.heap() + self.baseline.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

/// A flow's bytes in each direction, until they are enough to count.
#[derive(Default, Serialize, Deserialize)]
struct Transfer {
    to_orig: Direction,
    to_resp: Direction,
}

#[derive(Default, Serialize, Deserialize)]
struct Direction {
    pending: u64,
    counts: bool,
}

impl Held for Transfer {
    fn heap(&self) -> usize {
        0
    }
}

impl Direction {
    /// The bytes that count now, and since when they moved.
    fn add(&mut self, bytes: u64, seen: &Seen<'_>, enough: u64) -> Option<(u64, Timestamp)> {
        if self.counts {
            return (bytes > 0).then_some((bytes, seen.event.since));
        }
        self.pending = self.pending.saturating_add(bytes);
        self.counts = self.pending > enough;
        self.counts.then_some((self.pending, seen.event.start))
    }
}

/// FTP control connections between two hosts.
#[derive(Default, Serialize, Deserialize)]
struct Control {
    open: u32,
    last: Timestamp,
}

impl Held for Control {
    fn heap(&self) -> usize {
        0
    }
}

impl Stagings {
    pub(super) fn new(config: &DataStaging, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            prior: Prior {
                mean: config.prior_mean.get() as f64,
                deviation: config.prior_deviation.get() as f64,
                min_deviation: config.min_deviation.get() as f64,
                min_history: config.min_history.get(),
            },
            slicing: Slicing::of(config.window.get()),
            general,
            receivers: Subjects::new(subjects, bytes / 2),
            transfers: Subjects::new(subjects, bytes / 8 * 3),
            ftp: Subjects::new(subjects, bytes / 8),
            config: config.clone(),
        }
    }

    /// Whether the flow belongs to a file transfer service.
    fn transfers_files(&mut self, seen: &Seen<'_>, now: Timestamp) -> bool {
        let id = &seen.event.id;
        let listed = self.config.ports.contains(&id.resp.port);
        if id.resp.port == FTP && listed {
            self.control(seen);
        }
        listed || (id.proto == IpProto::TCP && self.ftp.len() > 0 && self.is_ftp_data(seen, now))
    }

    fn control(&mut self, seen: &Seen<'_>) {
        let (key, pair) = unordered(seen);
        self.ftp.update(key, pair, |control| {
            control.last = control.last.max(seen.event.time);
            match seen.event.kind {
                FlowEventKind::Opened { .. } => control.open = control.open.saturating_add(1),
                FlowEventKind::Closed { .. } => control.open = control.open.saturating_sub(1),
                _ => {}
            }
        });
    }

    fn is_ftp_data(&self, seen: &Seen<'_>, now: Timestamp) -> bool {
        let (orig, resp) = (seen.event.id.orig.port, seen.event.id.resp.port);
        let fits = orig == FTP_DATA || resp == FTP_DATA || (orig > 1_023 && resp > 1_023);
        let (key, pair) = unordered(seen);
        let window = self.config.window.get();
        let control = if fits { self.ftp.get(key, pair) } else { None };
        control.is_some_and(|control| control.open > 0 || now.since(control.last) <= window)
    }

    fn receive(
        &mut self,
        host: &Party,
        peer: &Party,
        bytes: u64,
        since: Timestamp,
        at: (&Seen<'_>, &mut Board),
    ) {
        let (seen, board) = at;
        let (config, slicing) = (&self.config, self.slicing);
        let (prior, max_evidence) = (&self.prior, self.general.max_evidence);
        self.receivers.judge(host.key, Some(host.addr), |receiver| {
            receiver
                .received
                .spread(slicing, since, seen.moved_until(), [bytes]);
            receiver
                .received
                .expire(slicing.first(slicing.at(board.now)));
            receiver.baseline.add(slicing.window(), board.now, bytes);
            receiver
                .samples
                .push(Sample::of(seen.event, peer.addr), max_evidence);
            let baseline = receiver.baseline.evidence(prior);
            let usual = baseline.mean + config.deviations.get() * baseline.deviation;
            let [received] = receiver.received.total();
            let (received, threshold) = (received as f64, usual.max(config.limit.get() as f64));
            let over = received > threshold;
            if over {
                receiver.open = true;
                board.over(&Over {
                    kind: SignalKind::DataStaging,
                    subject: Subject::source(host.addr),
                    key: host.key,
                    severity: above(received, config.high.get() as f64, f64::INFINITY),
                    value: received,
                    threshold,
                    rank: received,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: Some(baseline),
                    numbers: &[("bytes_received", received)],
                    samples: &receiver.samples,
                    about: About::default(),
                });
            }
            if receiver.open {
                receiver.baseline.taint();
            }
            over
        });
    }
}

/// Names two hosts, whichever of them opened the flow.
fn unordered(seen: &Seen<'_>) -> (u64, (IpAddr, IpAddr)) {
    let (a, b) = (&seen.src, &seen.dst);
    let (low, high) = if a.addr <= b.addr { (a, b) } else { (b, a) };
    (join(low.key, high.key), (low.addr, high.addr))
}

impl Detector for Stagings {
    fn wants(&self) -> Wants {
        Wants {
            what: What::ANY,
            between: Wants::INSIDE,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if !(seen.has_ports() && self.transfers_files(seen, board.now)) {
            return;
        }
        let event = seen.event;
        let closes = matches!(event.kind, FlowEventKind::Closed { .. });
        if event.orig.bytes == 0 && event.resp.bytes == 0 && !closes {
            return;
        }
        let (uid, enough) = (event.uid.bits(), self.config.min_transfer.get());
        let key = self.general.hash.bits(uid);
        let counts = self.transfers.update(key, uid, |transfer| {
            let to_orig = transfer.to_orig.add(event.resp.bytes, seen, enough);
            (
                to_orig,
                transfer.to_resp.add(event.orig.bytes, seen, enough),
            )
        });
        if closes {
            self.transfers.remove(key, uid);
        }
        let (to_orig, to_resp) = counts.unwrap_or_default();
        if let Some((bytes, since)) = to_orig {
            self.receive(&seen.src, &seen.dst, bytes, since, (seen, board));
        }
        if let Some((bytes, since)) = to_resp {
            self.receive(&seen.dst, &seen.src, bytes, since, (seen, board));
        }
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.receivers
            .amend(key, subject.src, |receiver| receiver.open = false);
        self.receivers.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.receivers)
            .and(&self.transfers)
            .and(&self.ftp)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (received, limit) = (bytes_text(facts.value), bytes_text(facts.threshold));
    format!(
        "gathered {received} from internal hosts (limit {limit} in {})",
        facts.window
    )
}
