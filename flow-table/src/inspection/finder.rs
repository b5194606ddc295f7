//! Takes what parsers find in a flow, and says whose it is.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Services;
use crate::flow::Common;
use crate::protocol::files::{Files, Hashes};
use crate::protocol::ftp::DataChannel;
use crate::protocol::{Body, Record, Service, SignIn, Sink, Weird, recognise};
use crate::{FlowId, PerSide, Side, Timestamp, Uid};

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
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) services: Services,
    /// Names of what was odd: each is told once.
    odd: Vec<Cow<'static, str>>,
    rows: u32,
    interactive: bool,
    /// Digests that files are to have.
    hashes: Hashes,
    /// Made when there is the first.
    files: Option<Box<Files>>,
    /// How many there were before the last parser of HTTP, which counts its own.
    before: PerSide<u32>,
}

impl Found {
    /// Nothing yet.
    pub(super) fn new(hashes: Hashes) -> Self {
        Self {
            hashes,
            ..Self::default()
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        self.rows == 0 && self.services.is_empty()
    }

    /// Whether people sit at it, who may be silent for long.
    pub(super) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Bytes held for what is to come, about.
    pub(super) fn held(&self) -> usize {
        let held = |files: &Files| size_of::<Files>() + files.held();
        self.files.as_deref().map_or(0, held)
    }
}

/// See the module.
pub(super) struct Finder<'a> {
    pub(super) flow: &'a Common,
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    /// Of the packet.
    pub(super) ts: Timestamp,
    pub(super) found: &'a mut Found,
    pub(super) rows: &'a mut Vec<ProtocolRow>,
}

impl Finder<'_> {
    /// Nothing more comes: what was not ended is told as it is.
    pub(super) fn finish(&mut self) {
        if let Some(mut files) = self.found.files.take() {
            files.finish().for_each(|row| self.push(row));
        }
    }

    fn push(&mut self, record: Record) {
        self.rows.push(ProtocolRow {
            time: self.now,
            uid: self.flow.uid(self.seed),
            seq: self.found.rows,
            id: self.flow.id(),
            record,
        });
        self.found.rows = self.found.rows.saturating_add(1);
    }
}

impl Sink for Finder<'_> {
    fn record(&mut self, mut record: Record) {
        if let Record::Http(row) = &mut record {
            let PerSide { orig, resp } = self.found.before;
            for (bodies, before) in [(&mut row.orig_bodies, orig), (&mut row.resp_bodies, resp)] {
                for body in bodies {
                    body.number = body.number.saturating_add(before);
                }
            }
        }
        self.push(record);
    }

    fn weird(&mut self, weird: Weird) {
        if !self.found.odd.iter().any(|name| *name == weird.name) {
            self.found.odd.push(weird.name.into());
            self.push(Record::Weird(Box::new(weird)));
        }
    }

    fn confirm(&mut self, service: Service) {
        // What is inside another protocol has no port of its own.
        let first = self.found.services.is_empty();
        let FlowId { resp, proto, .. } = self.flow.id();
        if first && !recognise::is_at_home(service, proto, resp.port) {
            self.push(Record::Misplaced(Box::new(service)));
        }
        self.found.services.add(service);
        self.found.interactive |= matches!(service.0, "ssh" | "ftp");
        if service.0 == "http"
            && let Some(files) = &self.found.files
        {
            self.found.before = PerSide {
                orig: files.count(Side::Orig),
                resp: files.count(Side::Resp),
            };
        }
    }

    fn refute(&mut self, service: Service) {
        self.found.services.remove(service);
    }

    fn expect(&mut self, channel: DataChannel) {
        self.push(Record::Announced(Box::new(channel)));
    }

    fn signed_in(&mut self, sign_in: SignIn) {
        self.push(Record::SignIn(Box::new(sign_in)));
    }

    fn body(&mut self, side: Side, part: Body<'_>) {
        if matches!(part, Body::Begin(_)) && self.found.files.is_none() {
            self.found.files = Some(Box::new(Files::new(self.found.hashes)));
        }
        let files = self.found.files.as_mut();
        let ended = files.and_then(|files| files.body(side, self.ts, part));
        if let Some(row) = ended {
            self.push(row);
        }
    }
}
