//! Takes what parsers find in a flow, and says whose it is.

use super::Services;
use crate::flow::Common;
use crate::protocol::{Record, Service, Sink, Weird};
use crate::{FlowId, Timestamp, Uid};

/// A row of a protocol's log, and the flow it is of.
#[derive(Clone, PartialEq, Debug)]
pub struct ProtocolRow {
    /// Packet time at which it was complete; rows are written in this order.
    pub time: Timestamp,
    /// The flow's name in every log.
    pub uid: Uid,
    /// Its number among the rows of its flow.
    pub seq: u32,
    /// Who talks to whom.
    pub id: FlowId,
    /// What it says.
    pub record: Record,
}

/// What was found in a flow so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) services: Services,
    /// Names of what was odd: each is told once.
    odd: Vec<&'static str>,
    rows: u32,
    interactive: bool,
}

impl Found {
    pub(super) const fn is_nothing(&self) -> bool {
        self.rows == 0 && self.services.is_empty()
    }

    /// Whether people sit at it, who may be silent for long.
    pub(super) const fn is_interactive(&self) -> bool {
        self.interactive
    }
}

/// See the module.
pub(super) struct Finder<'a> {
    pub(super) flow: &'a Common,
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) found: &'a mut Found,
    pub(super) rows: &'a mut Vec<ProtocolRow>,
}

impl Sink for Finder<'_> {
    fn record(&mut self, record: Record) {
        self.rows.push(ProtocolRow {
            time: self.now,
            uid: self.flow.uid(self.seed),
            seq: self.found.rows,
            id: self.flow.id(),
            record,
        });
        self.found.rows = self.found.rows.saturating_add(1);
    }

    fn weird(&mut self, weird: Weird) {
        if !self.found.odd.contains(&weird.name) {
            self.found.odd.push(weird.name);
            self.record(Record::Weird(Box::new(weird)));
        }
    }

    fn confirm(&mut self, service: Service) {
        self.found.services.add(service);
        self.found.interactive |= matches!(service.0, "ssh" | "ftp");
    }

    fn refute(&mut self, service: Service) {
        self.found.services.remove(service);
    }
}
