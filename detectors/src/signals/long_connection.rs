//! LONG_CONNECTION: a flow across the border stays open for hours.
//!
//! Fires when   a flow of TCP or UDP from an internal source to an outside one has been open for longer
//!              than `limit`, while it is: whenever it moves something. The severity rises with its age.
//! Blind to     flows that move nothing any more; connections that are made anew each hour.
//! Known noise  VPNs, chat, mail that pushes, remote desktops: alone it is no alert.
//! State        none: a flow says itself since when it is open.

use flow_table::FlowEventKind;

use super::{Detector, General, Usage, bytes_text, short};
use crate::board::{About, Board, Facts, Over};
use crate::config::LongConnection;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::wants::{Wants, What};
use crate::{Severity, SignalKind, Subject, Window};

pub(super) struct Flows {
    config: LongConnection,
    general: General,
}

state!(Flows {} of { config, general });

impl Flows {
    pub(super) fn new(config: &LongConnection, general: General) -> Self {
        Self {
            config: config.clone(),
            general,
        }
    }

    fn severity(&self, hours: f64) -> Severity {
        let config = &self.config;
        if hours > config.high.get() {
            Severity::High
        } else if hours > config.medium.get() {
            Severity::Medium
        } else {
            Severity::Low
        }
    }
}

impl Detector for Flows {
    fn wants(&self) -> Wants {
        Wants {
            what: What::SENT.or(What::RECEIVED),
            between: Wants::INSIDE_OUT,
        }
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        let event = seen.event;
        let until = match event.kind {
            FlowEventKind::Closed { last, .. } => last,
            _ => event.time,
        };
        let hours = until.since(event.start).as_secs_f64() / 3_600.0;
        if hours <= self.config.limit.get() || !seen.has_ports() {
            return;
        }
        let mut samples = Samples::default();
        samples.push(Sample::of(event, seen.dst.addr), self.general.max_evidence);
        board.over(&Over {
            kind: SignalKind::LongConnection,
            subject: Subject::service(seen.src.addr, seen.dst.addr, seen.port()),
            key: seen.service_key(),
            severity: self.severity(hours),
            value: hours,
            threshold: self.config.limit.get(),
            rank: hours,
            window: Window {
                start: event.start,
                end: until,
            },
            lasting: self.config.lasting.get(),
            approximate: false,
            baseline: None,
            numbers: &[
                ("hours", hours),
                ("bytes_sent_lately", event.orig.bytes as f64),
                ("bytes_received_lately", event.resp.bytes as f64),
            ],
            samples: &samples,
            about: About::default(),
        });
    }

    fn closed(&mut self, _subject: &Subject, _key: u64) {}

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    format!(
        "held a connection open for {} h (limit {} h), and lately sent {} over it",
        short(facts.value),
        facts.threshold,
        bytes_text(facts.number("bytes_sent_lately")),
    )
}
