//! DNS over UDP and TCP, mDNS, LLMNR and NetBIOS names: queries joined to their answers.
//!
//! A query waits for the first reply with its transaction id, and a reply that came first for its
//! query; what is still alone when the flow ends gets a row of its own. To a multicast address
//! each message stands alone: who answers there answers from another flow.
//!
//! The message is read by hand: rows want what a damaged message says before the damage, which
//! the crates that parse DNS do not give, and no allocation for what no row shows.

mod answer;
mod message;
mod name;
mod types;

use std::collections::VecDeque;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Parser, Progress, Record, Service, Sink, Text, Weird};
use crate::{Endpoint, IpProto, PerSide, Side, Span, Timestamp};

use message::Header;
pub use types::{Naming, class_name, opcode_name, rcode_name, type_name};

/// Messages of one flow that wait for their counterpart; when more do, all of them get their rows.
pub const MAX_PENDING: usize = 100;
/// Answers that a row shows.
pub const MAX_ANSWERS: usize = 100;
/// Questions of a message; what has more is something else on the port of DNS.
const MAX_QUESTIONS: u16 = 25;
const NETBIOS_PORT: u16 = 137;

/// A row of dns.log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DnsRecord {
    /// When the first message was seen.
    pub ts: Timestamp,
    /// What it came over.
    pub proto: IpProto,
    /// Names the transaction.
    pub trans_id: u16,
    /// From query to answer; unset unless something was answered.
    pub rtt: Option<Span>,
    /// The name asked for, in lower case; of NetBIOS names as they are.
    pub query: Option<Text>,
    /// Class asked for; see [`class_name`].
    pub qclass: Option<u16>,
    /// Type asked for; see [`DnsRecord::qtype_name`].
    pub qtype: Option<u16>,
    /// Response code; see [`rcode_name`].
    pub rcode: Option<u8>,
    /// The answer is the authority's.
    pub aa: bool,
    /// The query was truncated.
    pub tc: bool,
    /// The query asks for recursion.
    pub rd: bool,
    /// The answer offers recursion.
    pub ra: bool,
    /// The query's three reserved bits.
    pub z: u8,
    /// What was answered, at most [`MAX_ANSWERS`].
    pub answers: Vec<Answer>,
    /// The server refused.
    pub rejected: bool,
    /// Operation; see [`opcode_name`].
    pub opcode: u8,
    /// It is NetBIOS's name service, which has names of its own for things.
    pub netbios: bool,
}

/// An answer as dns.log shows it, in `answers` and `TTLs`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The record's data.
    pub text: Text,
    /// Seconds it may be kept.
    pub ttl: u32,
}

impl DnsRecord {
    /// Bytes it takes, about.
    fn size(&self) -> usize {
        let answers = self.answers.iter().map(|answer| answer.text.len());
        size_of::<Self>()
            + self.query.as_ref().map_or(0, |query| query.len())
            + self.answers.len() * size_of::<Answer>()
            + answers.sum::<usize>()
    }

    fn new(ts: Timestamp, flow: &Dns, header: &Header) -> Self {
        Self {
            ts,
            proto: flow.proto,
            trans_id: header.id,
            rtt: None,
            query: None,
            qclass: None,
            qtype: None,
            rcode: None,
            aa: false,
            tc: false,
            rd: false,
            ra: false,
            z: 0,
            answers: Vec::new(),
            rejected: false,
            opcode: header.opcode(),
            netbios: flow.netbios,
        }
    }

    /// Name of the type asked for.
    pub fn qtype_name(&self) -> Option<std::borrow::Cow<'static, str>> {
        let qtype = self.qtype?;
        Some(match qtype {
            // RFC 1002 gave node status the number that RFC 2782 gave SRV.
            33 if self.netbios => "NBSTAT".into(),
            _ => type_name(qtype),
        })
    }
}

/// The parser of one flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dns {
    proto: IpProto,
    netbios: bool,
    multicast: bool,
    confirmed: bool,
    queries: VecDeque<Box<DnsRecord>>,
    replies: VecDeque<Box<DnsRecord>>,
    /// Bytes that those who wait take.
    waiting: usize,
    /// Of TCP: the beginning of a message whose end is to come.
    partial: PerSide<Vec<u8>>,
}

impl Dns {
    /// For a flow of `proto` to `resp`.
    pub fn new(proto: IpProto, resp: Endpoint) -> Self {
        Self {
            proto,
            netbios: proto == IpProto::UDP && resp.port == NETBIOS_PORT,
            multicast: match resp.addr {
                IpAddr::V4(addr) => addr.is_multicast(),
                IpAddr::V6(addr) => addr.is_multicast(),
            },
            confirmed: false,
            queries: VecDeque::new(),
            replies: VecDeque::new(),
            waiting: 0,
            partial: PerSide::default(),
        }
    }

    /// Messages over TCP come after their length (RFC 1035, 4.2.2).
    fn stream(&mut self, side: Side, ts: Timestamp, mut bytes: &[u8], sink: &mut dyn Sink) {
        loop {
            let mut partial = std::mem::take(self.partial.get_mut(side));
            let missing = missing(&partial, bytes);
            let Some((part, rest)) = bytes.split_at_checked(missing) else {
                partial.extend_from_slice(bytes);
                *self.partial.get_mut(side) = partial;
                return;
            };
            let message = if partial.is_empty() {
                part
            } else {
                partial.extend_from_slice(part);
                partial.as_slice()
            };
            self.message(ts, message.get(2..).unwrap_or_default(), sink);
            bytes = rest;
            if bytes.is_empty() {
                return;
            }
        }
    }

    fn message(&mut self, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) {
        let Some((header, body)) = Header::read(bytes) else {
            return weird(sink, ts, "DNS_truncated_len_lt_hdr_len");
        };
        if !header.is_tracked() {
            let name = "DNS_unknown_opcode";
            let addl = Some(header.opcode().to_string().into_bytes().into());
            let source = "DNS";
            return sink.weird(Weird {
                ts,
                name,
                addl,
                source,
            });
        }
        let (mut row, matched) = match self.counterpart(&header) {
            Some(row) => (row, true),
            None => (Box::new(DnsRecord::new(ts, self, &header)), self.multicast),
        };
        let good = self.fill(&mut row, ts, &header, body, bytes, sink);
        if good && !self.confirmed {
            self.confirmed = true;
            sink.confirm(Service("dns"));
        }
        if matched {
            sink.record(Record::Dns(row));
        } else {
            self.wait(row, &header, sink);
        }
    }

    /// The message that `header`'s answers or is answered by.
    fn counterpart(&mut self, header: &Header) -> Option<Box<DnsRecord>> {
        if self.multicast {
            return None;
        }
        let waiting = if header.is_reply() {
            &mut self.queries
        } else {
            &mut self.replies
        };
        let place = waiting.iter().position(|row| row.trans_id == header.id)?;
        let row = waiting.remove(place)?;
        self.waiting -= row.size();
        Some(row)
    }

    fn wait(&mut self, row: Box<DnsRecord>, header: &Header, sink: &mut dyn Sink) {
        let waiting = if header.is_reply() {
            &mut self.replies
        } else {
            &mut self.queries
        };
        if waiting.len() >= MAX_PENDING {
            for row in waiting.drain(..) {
                self.waiting -= row.size();
                sink.record(Record::Dns(row));
            }
        }
        self.waiting += row.size();
        waiting.push_back(row);
    }

    /// Puts into `row` what the message says; whether all of its questions and answers could be
    /// read.
    fn fill(
        &self,
        row: &mut DnsRecord,
        ts: Timestamp,
        header: &Header,
        body: &[u8],
        whole: &[u8],
        sink: &mut dyn Sink,
    ) -> bool {
        row.opcode = header.opcode();
        if header.is_reply() {
            row.rcode = Some(header.rcode());
            row.rejected |= header.rcode() != 0 && header.questions == 0;
        }
        if header.questions > MAX_QUESTIONS {
            weird(sink, ts, "DNS_Conn_count_too_large");
            return false;
        }
        let mut message = message::Message::new(whole, body, self.netbios);
        let read = message
            .questions(header, row)
            .and_then(|()| message.answers(header, row, ts));
        if let Err(name) = read {
            weird(sink, ts, name);
        }
        for name in message.oddities {
            weird(sink, ts, name);
        }
        read.is_ok()
    }
}

impl Parser for Dns {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        if self.proto == IpProto::TCP {
            self.stream(side, ts, bytes, sink);
        } else {
            self.message(ts, bytes, sink);
        }
        Progress::Going
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        for row in self.queries.drain(..).chain(self.replies.drain(..)) {
            sink.record(Record::Dns(row));
        }
        self.waiting = 0;
    }

    fn held(&self) -> usize {
        self.partial.orig.len() + self.partial.resp.len() + self.waiting
    }
}

/// How many of `bytes` are needed to make the message that begins with `partial` whole, its
/// length included. Never 0 while bytes remain to be read.
fn missing(partial: &[u8], bytes: &[u8]) -> usize {
    let mut start = partial.iter().chain(bytes);
    match (start.next(), start.next()) {
        (Some(high), Some(low)) => {
            let whole = 2 + usize::from(u16::from_be_bytes([*high, *low]));
            whole.saturating_sub(partial.len())
        }
        _ => usize::MAX,
    }
}

fn weird(sink: &mut dyn Sink, ts: Timestamp, name: &'static str) {
    sink.weird(Weird {
        ts,
        name,
        addl: None,
        source: "DNS",
    });
}

#[cfg(test)]
mod tests;
