//! What looks into one flow: its bytes in order, and who reads them.

use serde::{Deserialize, Serialize};

use super::finder::{Finder, Found, ProtocolRow};
use super::{InspectionConfig, Services};
use crate::flow::{Flow, Kind, PerSide};
use crate::packet::{Body, Packet, Segment};
use crate::protocol::Progress;
use crate::protocol::files::Hashes;
use crate::protocol::inspect::Inspector;
use crate::protocol::stream::{Piece, Quota, Stream};
use crate::tcp::Tcp;
use crate::{Side, Timestamp};

/// What an inspection takes with its parser, beside what that one says it holds: about.
const BASE: usize = 1_024;

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inspection {
    /// It was the so manieth of its table to begin.
    pub(super) nth: u64,
    inspector: Inspector,
    /// It was picked up in the middle.
    is_midstream: bool,
    /// Of TCP.
    streams: PerSide<Stream>,
    /// Whose FIN was reached.
    ended: PerSide<bool>,
    found: Found,
    cost: usize,
    over: bool,
}

/// A packet that is to be looked into.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) packet: &'a Packet,
    pub(super) payload: &'a [u8],
    pub(super) side: Side,
    pub(super) now: Timestamp,
    /// Goes into uids.
    pub(super) seed: u64,
}

impl Inspection {
    /// For a flow whose first payload just came, unless nobody would make anything of it.
    pub(super) fn new(flow: &Flow, config: InspectionConfig) -> Option<Self> {
        let is_midstream = is_midstream(flow);
        Some(Self {
            nth: 0,
            inspector: inspector(flow, config)?,
            is_midstream,
            streams: PerSide::default(),
            ended: PerSide::default(),
            found: Found::new(config.hashes),
            cost: BASE,
            over: false,
        })
    }

    /// Whether it can have looked into this flow: it is made of bytes that nobody vouches for.
    pub(crate) fn is_of(&self, flow: &Flow) -> bool {
        self.inspector.id() == flow.common.id() && !self.over
    }

    /// Takes its part of the quota; whether that is within it, and in order.
    pub(super) fn is_held_within(&mut self, quota: &mut Quota) -> bool {
        self.cost = BASE + self.inspector.held() + self.found.held();
        if !self.streams.orig.adopt(quota) {
            return false;
        }
        let both = self.streams.resp.adopt(quota);
        if !both {
            self.streams.orig.close(quota);
        }
        both
    }

    /// Bytes it takes, about.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    /// Whether it wants no more.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) const fn services(&self) -> &Services {
        &self.found.services
    }

    pub(super) fn into_services(self) -> Services {
        self.found.services
    }

    /// Whether nothing is lost by beginning anew with the next packet: the first datagram of a flow
    /// showed nothing. Floods are made of such flows.
    pub(super) fn may_wait(&self, flow: &Flow) -> bool {
        let PerSide { orig, resp } = flow.common.counts;
        matches!(flow.kind, Kind::Udp(_) | Kind::Icmp(_))
            && orig.packets.get() + resp.packets.get() == 1
            && self.inspector.is_undecided()
            && self.found.is_nothing()
    }

    /// Takes a packet that the flow took.
    pub(super) fn take(
        &mut self,
        flow: &mut Flow,
        arrival: &Arrival<'_>,
        quota: &mut Quota,
        rows: &mut Vec<ProtocolRow>,
    ) {
        let (side, ts) = (arrival.side, arrival.packet.ts);
        let mut sink = Finder {
            flow: &flow.common,
            seed: arrival.seed,
            now: arrival.now,
            ts,
            found: &mut self.found,
            rows,
        };
        match (&flow.kind, arrival.packet.body.get()) {
            (Kind::Tcp(tcp), Body::Tcp(segment)) => {
                let mut reading = Reading {
                    inspector: &mut self.inspector,
                    ts,
                    sink: &mut sink,
                    is_midstream: self.is_midstream,
                    over: false,
                };
                reading.segment(tcp, &segment, arrival, &mut self.streams, quota);
                reading.ends(tcp, &self.streams, &mut self.ended);
                self.over |= reading.over;
            }
            (Kind::Udp(_), Body::Udp(_)) | (Kind::Icmp(_), Body::Icmp(_))
                if !arrival.payload.is_empty() =>
            {
                let progress = self.inspector.data(side, ts, arrival.payload, &mut sink);
                self.over |= progress == Progress::Done;
            }
            _ => {}
        }
        if self.over {
            sink.finish();
        }
        self.cost = BASE + self.inspector.held() + self.found.held();
        if self.over {
            self.close(quota);
        }
        if self.found.is_interactive() {
            flow.common.be_patient();
        }
    }

    /// The flow was turned round: what was sent before by whom is known, but not what it was.
    pub(super) fn turn(&mut self, flow: &Flow, config: InspectionConfig) {
        self.streams.swap();
        self.ended.swap();
        let config = InspectionConfig {
            hashes: Hashes::NONE,
            ..config
        };
        if let Some(inspector) = inspector(flow, config) {
            self.is_midstream = is_midstream(flow);
            self.inspector = inspector;
        }
    }

    /// The flow is over, or its inspection has to be.
    pub(super) fn finish(
        &mut self,
        flow: &Flow,
        now: Timestamp,
        seed: u64,
        quota: &mut Quota,
        rows: &mut Vec<ProtocolRow>,
    ) {
        let mut sink = Finder {
            flow: &flow.common,
            seed,
            now,
            ts: now,
            found: &mut self.found,
            rows,
        };
        self.inspector.finish(now, &mut sink);
        sink.finish();
        self.over = true;
        self.close(quota);
    }

    fn close(&mut self, quota: &mut Quota) {
        self.streams.orig.close(quota);
        self.streams.resp.close(quota);
    }
}

/// Whether its beginning was not seen.
const fn is_midstream(flow: &Flow) -> bool {
    matches!(&flow.kind, Kind::Tcp(tcp) if tcp.is_partial())
}

fn inspector(flow: &Flow, config: InspectionConfig) -> Option<Inspector> {
    let (id, measure) = (flow.common.id(), config.measure);
    if is_midstream(flow) {
        return Inspector::midstream(id, measure);
    }
    Inspector::new(id, measure).map(|inspector| inspector.hashing(config.hashes))
}

/// Gives a segment's bytes to an inspector.
struct Reading<'a, 'b> {
    inspector: &'a mut Inspector,
    ts: Timestamp,
    sink: &'a mut Finder<'b>,
    is_midstream: bool,
    over: bool,
}

impl Reading<'_, '_> {
    /// What the segment acknowledges comes first: the peer sent it before.
    fn segment(
        &mut self,
        tcp: &Tcp,
        segment: &Segment,
        arrival: &Arrival<'_>,
        streams: &mut PerSide<Stream>,
        quota: &mut Quota,
    ) {
        let (me, peer) = (arrival.side, arrival.side.peer());
        if segment.flags.rst() || (tcp.is_partial() && !self.is_midstream) {
            self.inspector.finish(self.ts, self.sink);
            self.over = true;
            return;
        }
        if let Some(acked) = tcp.acked(peer, segment) {
            let stream = streams.get_mut(peer);
            stream.acked(acked, quota, |piece| self.read(peer, piece));
        }
        if !arrival.payload.is_empty()
            && let Some(seq) = tcp.payload_at(me, segment)
        {
            let stream = streams.get_mut(me);
            stream.segment(seq, arrival.payload, quota, |piece| self.read(me, piece));
        }
    }

    fn read(&mut self, side: Side, piece: Piece<'_>) {
        if self.over {
            return;
        }
        let progress = match piece {
            Piece::Bytes(bytes) => self.inspector.data(side, self.ts, bytes, self.sink),
            Piece::Gap(len) => self.inspector.gap(side, self.ts, len, self.sink),
        };
        self.over = progress == Progress::Done;
    }

    /// Tells whose FIN was reached.
    fn ends(&mut self, tcp: &Tcp, streams: &PerSide<Stream>, ended: &mut PerSide<bool>) {
        for (side, stream) in [(Side::Orig, &streams.orig), (Side::Resp, &streams.resp)] {
            let reached = tcp.fin_at(side).is_some_and(|fin| stream.next() >= fin);
            if reached && !self.over && !std::mem::replace(ended.get_mut(side), true) {
                self.inspector.end_of(side, self.ts, self.sink);
            }
        }
    }
}
