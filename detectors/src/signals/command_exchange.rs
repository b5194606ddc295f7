//! COMMAND_EXCHANGE: short requests to an outside service, each answered by more.
//!
//! Fires when   in one session of a source with one external destination and port (a pause of `gap`
//!              ends it) there were at least `limit` exchanges, a mean of less than `max_sent` bytes was
//!              sent per exchange, and more was received: over `min_mean_factor` times the mean and
//!              over `min_total_factor` times the total. A flow with payload both ways is one
//!              exchange; one older than `interactive_after` is as many as requests it had answered.
//!              Questions to DNS over UDP count for nothing here, as they have signals of their own.
//! Blind to     long requests, uploads, one-way channels.
//! Known noise  all browsing looks like this: it means something only beside a rhythm.
//! State        per source, destination and port three sums, two times and `max_evidence` flows; pairs
//!              that came once are evicted first, counted.

use flow_table::{FlowEventKind, IpProto, Span, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text, counted, reaching};
use crate::board::{About, Board, Facts, Over};
use crate::config::CommandExchange;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::wants::{Wants, What};
use crate::{Severity, SignalKind, Subject, Window};

const DNS_PORT: u16 = 53;

pub(super) struct Exchanges {
    config: CommandExchange,
    general: General,
    pairs: Subjects<Subject, Session>,
}

state!(Exchanges { pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Session {
    exchanges: u64,
    sent: u64,
    received: u64,
    start: Timestamp,
    last: Timestamp,
    samples: Samples,
}

impl Held for Session {
    fn heap(&self) -> usize {
        self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Session {
    fn add(&mut self, seen: &Seen<'_>, exchanges: u64, config: &CommandExchange) {
        let event = seen.event;
        if event.since.since(self.last) > config.gap.get() {
            *self = Self {
                start: event.since,
                ..Self::default()
            };
        }
        self.last = self.last.max(seen.moved_until());
        self.exchanges = self.exchanges.saturating_add(exchanges);
        self.sent = self.sent.saturating_add(event.orig.bytes);
        self.received = self.received.saturating_add(event.resp.bytes);
    }

    fn mean_sent(&self) -> f64 {
        self.sent as f64 / self.exchanges.max(1) as f64
    }

    fn mean_received(&self) -> f64 {
        self.received as f64 / self.exchanges.max(1) as f64
    }

    fn is_over(&self, config: &CommandExchange) -> bool {
        let (sent, received) = (self.mean_sent(), self.mean_received());
        self.exchanges >= config.limit.get()
            && sent < config.max_sent.get() as f64
            && received > config.min_mean_factor.get() * sent
            && self.received as f64 > config.min_total_factor.get() * self.sent as f64
    }

    fn severity(&self, config: &CommandExchange) -> Severity {
        reaching(
            self.exchanges as f64,
            config.high.get() as f64,
            config.critical.get() as f64,
        )
    }
}

impl Exchanges {
    pub(super) fn new(config: &CommandExchange, general: General) -> Self {
        let pairs = Subjects::new(config.max_subjects.size(), config.max_memory.size());
        Self {
            config: config.clone(),
            general,
            pairs,
        }
    }
}

/// Exchanges that an event reports. A short flow is one, however often its ends took turns (a TLS
/// handshake alone takes two); one that lives on is judged by its turns.
fn exchanges(seen: &Seen<'_>, interactive_after: Span) -> u64 {
    let event = seen.event;
    let (ends, until) = match event.kind {
        FlowEventKind::Closed { last, .. } => (true, last),
        _ => (false, event.time),
    };
    if until.since(event.start) >= interactive_after {
        return event.turns.into();
    }
    let both_ways = event.orig.bytes > 0 && event.resp.bytes > 0;
    u64::from(event.turns > 0 || (ends && both_ways))
}

impl Detector for Exchanges {
    fn wants(&self) -> Wants {
        Wants {
            what: What::SENT.or(What::RECEIVED),
            between: Wants::INSIDE_OUT,
        }
    }

    fn fetch(&self, seen: &Seen<'_>) {
        self.pairs.prefetch(seen.service_key());
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let is_question = seen.event.id.proto == IpProto::UDP && seen.port() == DNS_PORT;
        if !seen.has_ports() || is_question {
            return;
        }
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        let subject = Subject::service(seen.src.addr, seen.dst.addr, seen.port());
        let key = seen.service_key();
        let exchanges = exchanges(seen, config.interactive_after.get());
        self.pairs.judge(key, subject, |session| {
            session.add(seen, exchanges, config);
            session
                .samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            let over = exchanges > 0 && session.is_over(config);
            if over {
                board.over(&Over {
                    kind: SignalKind::CommandExchange,
                    subject,
                    key,
                    severity: session.severity(config),
                    value: session.exchanges as f64,
                    threshold: config.limit.get() as f64,
                    rank: session.exchanges as f64,
                    window: Window {
                        start: session.start,
                        end: board.now,
                    },
                    lasting: config.gap.get(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("exchanges", session.exchanges as f64),
                        ("mean_bytes_sent", session.mean_sent()),
                        ("mean_bytes_received", session.mean_received()),
                        (
                            "received_over_sent",
                            session.received as f64 / session.sent.max(1) as f64,
                        ),
                    ],
                    samples: &session.samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, *subject, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let exchanges = counted(facts.value, "exchange");
    let sent = bytes_text(facts.number("mean_bytes_sent"));
    let received = bytes_text(facts.number("mean_bytes_received"));
    format!(
        "had {exchanges} of {sent} answered by {received} on average (limit {})",
        facts.threshold
    )
}
