//! Flow events for tests, told as what hosts do.

use std::net::IpAddr;

use flow_table::protocol::Record;
use flow_table::protocol::dns::DnsRecord;
use flow_table::{
    ConnState, Endpoint, FlowEvent, FlowEventKind, FlowId, IpProto, ProtocolRow, Span, Timestamp,
    Traffic, Uid,
};

use crate::{Config, Detection, Detectors, Finding, Rule, Signal, SignalKind};

/// When every test begins: on a boundary of all slices, so that cases can count from it.
pub(crate) const START: i64 = 1_700_006_400;

/// Milliseconds after [`START`].
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::new(START, 0) + Span::from_millis(millis)
}

/// One flow of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    id: FlowId,
    opened: i64,
    ended: Option<i64>,
    syn: bool,
    answered: bool,
    turns: u32,
    orig: Traffic,
    resp: Traffic,
}

/// A TCP flow that is answered, completes its handshake and stays.
pub(crate) fn tcp(millis: i64, src: &str, dst: &str, port: u16) -> Flow {
    let addr = |text: &str| -> IpAddr { text.parse().unwrap() };
    let id = FlowId {
        orig: Endpoint::new(addr(src), 40_000),
        resp: Endpoint::new(addr(dst), port),
        proto: IpProto::TCP,
    };
    let first = Traffic {
        packets: 1,
        bytes: 0,
        ip_bytes: 60,
    };
    Flow {
        id,
        opened: millis,
        ended: None,
        syn: true,
        answered: true,
        turns: 0,
        orig: first,
        resp: Traffic::default(),
    }
}

impl Flow {
    pub(crate) fn udp(mut self) -> Self {
        self.id.proto = IpProto::UDP;
        self
    }

    pub(crate) fn with_port(mut self, port: u16) -> Self {
        self.id.resp.port = port;
        self
    }

    /// The same, to another host.
    pub(crate) fn to(mut self, dst: &str) -> Self {
        self.id.resp.addr = dst.parse().unwrap();
        self
    }

    /// The same, so many milliseconds later.
    pub(crate) fn later(mut self, millis: i64) -> Self {
        self.opened += millis;
        self.ended = self.ended.map(|ended| ended + millis);
        self
    }

    pub(crate) fn with_source_port(mut self, port: u16) -> Self {
        self.id.orig.port = port;
        self
    }

    pub(crate) fn midstream(mut self) -> Self {
        self.syn = false;
        self
    }

    pub(crate) fn unanswered(mut self) -> Self {
        self.answered = false;
        self
    }

    /// Ends after so many milliseconds, having sent and received so many bytes of payload in one
    /// exchange.
    pub(crate) fn moves(mut self, millis: i64, sent: u64, received: u64) -> Self {
        self.ended = Some(self.opened + millis);
        let traffic = |bytes| Traffic {
            packets: u64::div_ceil(bytes, 1_000),
            bytes,
            ip_bytes: bytes + bytes / 25,
        };
        (self.orig, self.resp) = (traffic(sent), traffic(received));
        self.turns = u32::from(sent > 0 && received > 0);
        self
    }

    /// Ends after so many milliseconds, having sent so many packets of `ip_bytes` each.
    pub(crate) fn floods(mut self, millis: i64, packets: u64, ip_bytes: u64) -> Self {
        self.ended = Some(self.opened + millis);
        self.orig = Traffic {
            packets,
            bytes: 0,
            ip_bytes: packets * ip_bytes,
        };
        self
    }

    fn events(&self, number: usize) -> Vec<FlowEvent> {
        let event = |seq, millis, kind| FlowEvent {
            time: at(millis),
            since: at(self.opened),
            start: at(self.opened),
            uid: Uid::from_bits(number as u128 + 1),
            seq,
            id: self.id,
            orig: Traffic::default(),
            resp: Traffic::default(),
            turns: 0,
            kind,
        };
        let mut events = vec![event(
            0,
            self.opened,
            FlowEventKind::Opened { syn: self.syn },
        )];
        if self.answered && self.syn {
            events.push(event(1, self.opened + 1, FlowEventKind::Answered));
            events.push(event(2, self.opened + 2, FlowEventKind::Completed));
        }
        if let Some(ended) = self.ended {
            let closed = FlowEventKind::Closed {
                state: if self.answered {
                    ConnState::Sf
                } else {
                    ConnState::S0
                },
                last: at(ended),
            };
            let last = event(3, ended, closed);
            events.push(FlowEvent {
                orig: self.orig,
                resp: self.resp,
                turns: self.turns,
                ..last
            });
        } else if let Some(opened) = events.first_mut() {
            opened.orig = self.orig;
        }
        events
    }
}

/// The events of all flows, in the order in which they would arrive.
pub(crate) fn events(flows: &[Flow]) -> Vec<FlowEvent> {
    let mut events: Vec<FlowEvent> = (flows.iter().enumerate())
        .flat_map(|(number, flow)| flow.events(number))
        .collect();
    events.sort_by_key(|event| (event.time, event.uid, event.seq));
    events
}

/// Asks a server outside for a name of this type, and is answered a millisecond later.
pub(crate) fn question(millis: i64, client: &str, name: &str, qtype: u16) -> ProtocolRow {
    let flow = tcp(millis, client, "198.51.100.53", 53).udp();
    let record = DnsRecord {
        ts: at(millis),
        proto: IpProto::UDP,
        trans_id: 1,
        rtt: Some(Span::from_millis(1)),
        query: Some(name.as_bytes().into()),
        qclass: Some(1),
        qtype: Some(qtype),
        rcode: Some(0),
        aa: false,
        tc: false,
        rd: true,
        ra: true,
        z: 0,
        answers: Vec::new(),
        rejected: false,
        opcode: 0,
        netbios: false,
    };
    ProtocolRow {
        time: at(millis + 1),
        uid: Uid::from_bits(u128::from(millis.unsigned_abs()) + 1),
        seq: 0,
        id: flow.id,
        record: Record::Dns(Box::new(record)),
    }
}

/// A row of a protocol of TCP, between these ends.
pub(crate) fn row(millis: i64, (src, dst, port): (&str, &str, u16), record: Record) -> ProtocolRow {
    ProtocolRow {
        time: at(millis),
        // Of no flow that has events.
        uid: Uid::from_bits(1 << 80 | u128::from(millis.unsigned_abs())),
        seq: 0,
        id: tcp(millis, src, dst, port).id,
        record,
    }
}

/// The final form of every signal of a kind that rows give.
pub(crate) fn signals_of_rows(
    config: &Config,
    kind: SignalKind,
    rows: &[ProtocolRow],
) -> Vec<Signal> {
    signals_of_both(config, kind, &[], rows)
}

/// The final form of every signal of a kind that flows and rows give together.
pub(crate) fn signals_of_both(
    config: &Config,
    kind: SignalKind,
    flows: &[Flow],
    rows: &[ProtocolRow],
) -> Vec<Signal> {
    let found = findings_of_both(config, Vec::new(), flows, rows);
    of_kind(kind, found)
}

/// Every detection that flows and rows give together, as made.
pub(crate) fn detections_of_both(
    config: &Config,
    flows: &[Flow],
    rows: &[ProtocolRow],
) -> Vec<Detection> {
    let found = findings_of_both(config, crate::builtin_rules(), flows, rows);
    let made = |finding| match finding {
        Finding::DetectionMade(detection) => Some(detection),
        _ => None,
    };
    found.into_iter().filter_map(made).collect()
}

/// Everything found in these flows and rows.
pub(crate) fn findings_of_both(
    config: &Config,
    rules: Vec<Rule>,
    flows: &[Flow],
    rows: &[ProtocolRow],
) -> Vec<Finding> {
    let mut detectors = Detectors::new(config, rules);
    let mut rows: Vec<&ProtocolRow> = rows.iter().collect();
    rows.sort_by_key(|row| (row.time, row.uid, row.seq));
    let mut rows = rows.into_iter().peekable();
    for event in events(flows) {
        while let Some(row) = rows.next_if(|row| (row.time, row.uid) < (event.time, event.uid)) {
            detectors.put_row(row);
        }
        detectors.put(&event);
    }
    rows.for_each(|row| detectors.put_row(row));
    detectors.finish();
    detectors.drain().collect()
}

/// Everything found in these flows.
pub(crate) fn findings(config: &Config, rules: Vec<Rule>, flows: &[Flow]) -> Vec<Finding> {
    findings_of_both(config, rules, flows, &[])
}

/// The final form of every signal of a kind.
pub(crate) fn signals(config: &Config, kind: SignalKind, flows: &[Flow]) -> Vec<Signal> {
    of_kind(kind, findings(config, Vec::new(), flows))
}

fn of_kind(kind: SignalKind, found: Vec<Finding>) -> Vec<Signal> {
    let of_kind = |finding| match finding {
        Finding::SignalClosed(signal) if signal.kind == kind => Some(signal),
        _ => None,
    };
    found.into_iter().filter_map(of_kind).collect()
}

/// Every detection, as made and as updated.
pub(crate) fn detections(config: &Config, flows: &[Flow]) -> Vec<Detection> {
    let of_kind = |finding| match finding {
        Finding::DetectionMade(detection) | Finding::DetectionUpdated(detection) => Some(detection),
        _ => None,
    };
    let all = findings(config, crate::builtin_rules(), flows).into_iter();
    all.filter_map(of_kind).collect()
}
