//! One flow's way through recognition and parsing: bytes in, records out, whatever it speaks.
//!
//! What was held while the protocol was not known is given to its parser first; what a flow turns
//! into (CONNECT, Upgrade, STARTTLS) is recognised anew. Once an [`Inspector`] answers
//! [`Progress::Done`], nothing is looked at any more and it can be dropped.

mod lone;
mod parsers;

use lone::Lone;
use serde::{Deserialize, Serialize};

use super::echo::Echo;
use super::files::Hashes;
use super::ftp::Transfer;
use super::http::Measure;
use super::recognise::{self, Begun, DatagramRecogniser, Protocol, Recogniser, Verdict};
use super::tls::Tls;
use super::{Parser, Progress, Service, Sink};
use crate::{FlowId, IpProto, PerSide, Side, Timestamp};

/// Segments of each flow that are looked at for STARTTLS.
const MAX_WATCHED: u16 = 200;
/// How often a flow may turn into something else.
const MAX_LAYERS: u8 = 4;

/// What looks into one flow, and at most one parser.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inspector {
    id: FlowId,
    measure: Measure,
    layers: u8,
    /// Sides of which bytes were missing before anything was recognised.
    deaf: PerSide<bool>,
    stage: Stage,
    lone: Lone,
}

#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// A TCP flow of which nothing is known yet.
    Stream(Box<Recogniser>),
    /// A UDP flow of which nothing is known yet.
    Datagrams(DatagramRecogniser),
    /// A flow of ICMP's echoes.
    Echoes(Box<Echo>),
    /// Known, and read.
    Parsing(#[serde(with = "parsers::kept")] Box<dyn Parser>),
    /// Of no protocol that is known; the only side that says anything goes on.
    Carrying(Box<Recogniser>),
    /// Known, and looked at only for a hello of TLS; so many segments still.
    Watching(u16),
    Over,
}

impl Inspector {
    /// For a new flow. `None` if nothing is known of its transport.
    pub fn new(id: FlowId, measure: Measure) -> Option<Self> {
        Self::of(id, measure, Begun::Whole)
    }

    /// For a flow that was picked up in midstream.
    pub fn midstream(id: FlowId, measure: Measure) -> Option<Self> {
        Self::of(id, measure, Begun::Midstream)
    }

    fn of(id: FlowId, measure: Measure, begun: Begun) -> Option<Self> {
        let stage = match id.proto {
            IpProto::TCP => Stage::Stream(Box::new(Recogniser::new(begun))),
            IpProto::UDP => Stage::Datagrams(DatagramRecogniser::default()),
            IpProto::ICMP | IpProto::ICMPV6 => Stage::Echoes(Box::new(Echo::new(id)?)),
            _ => return None,
        };
        Some(Self {
            id,
            measure,
            layers: 0,
            deaf: PerSide::default(),
            stage,
            lone: Lone::default(),
        })
    }

    /// What may be a file is to have these digests.
    #[must_use]
    pub fn hashing(mut self, hashes: Hashes) -> Self {
        if let Stage::Stream(_) = self.stage {
            self.lone = Lone::hashing(hashes);
        }
        self
    }

    /// For a new flow that [`Sink::expect`] was told of: it carries a file.
    pub fn of_transfer(id: FlowId, sink: &mut dyn Sink) -> Option<Self> {
        let mut inspector = Self::new(id, Measure::AsSent)?;
        inspector.stage = Stage::Parsing(Box::new(Transfer::default()));
        sink.confirm(Service("ftp-data"));
        Some(inspector)
    }

    /// Takes a UDP datagram's payload, an echo of ICMP from its identifier on, or the next bytes in order of a TCP stream: a segment's, as
    /// it was sent.
    pub fn data(
        &mut self,
        side: Side,
        ts: Timestamp,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Progress {
        if *self.deaf.get_mut(side) && self.is_deaf_to(side, ts, sink) {
            return self.progress();
        }
        let verdict = match &mut self.stage {
            Stage::Stream(recogniser) => {
                let verdict = recogniser.data(side, bytes, self.id.resp.port);
                self.lone.data(side, ts, bytes, recogniser, sink);
                if verdict == Verdict::Unknown {
                    self.lone.leave(recogniser, sink);
                }
                verdict
            }
            Stage::Echoes(echo) => {
                if let Some(record) = echo.data(side, ts, bytes) {
                    sink.record(record);
                }
                return Progress::Going;
            }
            Stage::Carrying(recogniser) => {
                if !self.lone.goes_on(side, bytes, recogniser) {
                    self.stage = Stage::Over;
                }
                return self.progress();
            }
            Stage::Datagrams(recogniser) => {
                match recogniser.data(bytes, (self.id.orig.port, self.id.resp.port)) {
                    // As in Zeek, what nobody answers is none.
                    Verdict::Is(Protocol::Snmp) if side == Side::Orig => Verdict::Undecided,
                    verdict => verdict,
                }
            }
            Stage::Watching(left) => {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.stage = Stage::Over;
                } else if recognise::is_client_hello(bytes) {
                    self.stage = Stage::Parsing(Box::new(Tls::default()));
                    return self.parse(side, ts, bytes, sink);
                }
                return self.progress();
            }
            _ => return self.parse(side, ts, bytes, sink),
        };
        match verdict {
            Verdict::Undecided => {}
            Verdict::Unknown => self.leave(),
            Verdict::Is(protocol) => {
                self.begin(protocol, ts, sink);
                return self.parse(side, ts, bytes, sink);
            }
        }
        self.progress()
    }

    /// So many bytes of `side` are missing from a TCP stream.
    pub fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        let progress = match &mut self.stage {
            // What begins with a hole is not recognised; the other side may be.
            Stage::Stream(_) => {
                *self.deaf.get_mut(side) = true;
                self.lone.lose();
                Progress::Going
            }
            Stage::Carrying(_) => Progress::Done,
            Stage::Parsing(parser) => parser.gap(side, ts, len, sink),
            Stage::Datagrams(_) | Stage::Echoes(_) | Stage::Watching(_) | Stage::Over => {
                Progress::Going
            }
        };
        if progress != Progress::Going {
            self.finish(ts, sink);
        }
        self.progress()
    }

    /// `side` has sent all it will: FIN, and all before it delivered.
    pub fn end_of(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) {
        match &mut self.stage {
            Stage::Parsing(parser) => parser.end_of(side, ts, sink),
            Stage::Stream(recogniser) => self.lone.end_of(side, recogniser, sink),
            Stage::Carrying(recogniser) => self.lone.carried(side, recogniser, sink),
            Stage::Datagrams(_) | Stage::Echoes(_) | Stage::Watching(_) | Stage::Over => {}
        }
    }

    /// The flow ended, or a RST came.
    pub fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Parsing(mut parser) => parser.finish(ts, sink),
            Stage::Stream(recogniser) => {
                self.lone.lose();
                for side in [Side::Orig, Side::Resp] {
                    self.lone.end_of(side, &recogniser, sink);
                }
            }
            Stage::Echoes(mut echo) => {
                if let Some(record) = echo.finish() {
                    sink.record(record);
                }
            }
            Stage::Datagrams(_) | Stage::Carrying(_) | Stage::Watching(_) | Stage::Over => {}
        }
    }

    /// The flow that it looks into.
    pub(crate) const fn id(&self) -> FlowId {
        self.id
    }

    /// Whether nothing is known yet of what the flow speaks.
    pub const fn is_undecided(&self) -> bool {
        matches!(
            self.stage,
            Stage::Stream(_) | Stage::Datagrams(_) | Stage::Echoes(_)
        )
    }

    /// Bytes held for what is to come, about.
    pub fn held(&self) -> usize {
        match &self.stage {
            Stage::Stream(recogniser) | Stage::Carrying(recogniser) => {
                recogniser.held_len() + self.lone.held()
            }
            Stage::Parsing(parser) => parser.held(),
            Stage::Echoes(_) => size_of::<Echo>(),
            Stage::Datagrams(_) | Stage::Watching(_) | Stage::Over => 0,
        }
    }

    /// Whether bytes of a side that began with a hole are to be passed over. A parser that was
    /// found by the other side is told of the hole once there is something after it.
    fn is_deaf_to(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) -> bool {
        if matches!(self.stage, Stage::Stream(_)) {
            self.lone.passed_over(ts);
            return true;
        }
        *self.deaf.get_mut(side) = false;
        self.gap(side, ts, 1, sink) == Progress::Done
    }

    const fn progress(&self) -> Progress {
        if matches!(self.stage, Stage::Over) {
            Progress::Done
        } else {
            Progress::Going
        }
    }

    /// Nothing is known of what it speaks: it is over, unless somebody wants to know what it carries.
    fn leave(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Stream(recogniser) if self.lone.is_hashing() => Stage::Carrying(recogniser),
            _ => Stage::Over,
        };
    }

    /// Goes over to what was recognised, and gives it what was held.
    fn begin(&mut self, protocol: Protocol, ts: Timestamp, sink: &mut dyn Sink) {
        self.lone.lose();
        let stage = if let Some(parser) = parsers::of(protocol, self.id, self.measure) {
            Stage::Parsing(parser)
        } else {
            sink.confirm(protocol.service(self.id.proto));
            if protocol.may_start_tls() {
                Stage::Watching(MAX_WATCHED)
            } else {
                Stage::Over
            }
        };
        let before = std::mem::replace(&mut self.stage, stage);
        let Stage::Stream(recogniser) = before else {
            return;
        };
        let (first, held) = recogniser.held();
        for side in [first, first.peer()] {
            let bytes = held.of(side);
            if !bytes.is_empty() && !matches!(self.stage, Stage::Over) {
                // What comes of it shows in the stage.
                let _ = self.parse(side, ts, bytes, sink);
            }
        }
    }

    fn parse(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let progress = match &mut self.stage {
            Stage::Parsing(parser) => parser.data(side, ts, bytes, sink),
            Stage::Stream(_)
            | Stage::Datagrams(_)
            | Stage::Echoes(_)
            | Stage::Carrying(_)
            | Stage::Watching(_)
            | Stage::Over => Progress::Going,
        };
        match progress {
            Progress::Going => {}
            Progress::Done => self.finish(ts, sink),
            Progress::Inner(used) => {
                self.finish(ts, sink);
                self.layers += 1;
                if self.layers < MAX_LAYERS {
                    self.stage = Stage::Stream(Box::default());
                    let rest = bytes.get(used..).unwrap_or_default();
                    if !rest.is_empty() {
                        return self.data(side, ts, rest, sink);
                    }
                }
            }
        }
        self.progress()
    }
}

#[cfg(test)]
mod tests;
