//! Rows of dns.log.

use flow_table::protocol::Record;
use flow_table::protocol::dns::{Answer, DnsRecord};
use flow_table::{ProtocolRow, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{FLOW, Head, Refused, Value, count, interval, list, proto, text};

/// What was asked of DNS, and whether it was answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedQuestion {
    head: Head,
    rtt: Option<i64>,
    query: Option<Box<[u8]>>,
    qtype: Option<u16>,
    rcode: Option<u8>,
    answers: Vec<Box<[u8]>>,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 12] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [
        ts, uid, orig_h, orig_p, resp_h, resp_p, "proto", "rtt", "query", "qtype", "rcode",
        "answers",
    ]
};

const NETBIOS_PORT: u16 = 137;
/// Answers of one row that are read.
const MOST: usize = 32;

impl LoggedQuestion {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p, rest @ ..] = values;
        let [transport, rtt, query, qtype, rcode, answers] = rest;
        let head = Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], proto(transport))?;
        Ok(Self {
            head,
            rtt: interval(rtt).map(Span::as_nanos),
            query: text(query),
            qtype: count(qtype).and_then(|number| u16::try_from(number).ok()),
            rcode: count(rcode).and_then(|number| u8::try_from(number).ok()),
            answers: list(answers, MOST),
        })
    }

    /// When the answer came, or, without one, when it was asked.
    pub(super) fn told(&self) -> Timestamp {
        self.head.ts() + Span::from_nanos(self.rtt.unwrap_or_default())
    }

    /// The row as it was before it was written, of the columns that detectors ask for.
    pub(super) fn row(self) -> ProtocolRow {
        let told = self.told();
        let answers = self.answers.into_iter();
        let record = DnsRecord {
            ts: self.head.ts(),
            proto: self.head.proto(),
            trans_id: 0,
            rtt: self.rtt.map(Span::from_nanos),
            query: self.query,
            qclass: None,
            qtype: self.qtype,
            rcode: self.rcode,
            aa: false,
            tc: false,
            rd: false,
            ra: false,
            z: 0,
            answers: answers.map(|text| Answer { text, ttl: 0 }).collect(),
            rejected: false,
            opcode: 0,
            netbios: self.head.id().resp.port == NETBIOS_PORT,
        };
        self.head.row(told, Record::Dns(Box::new(record)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_question_is_told_when_it_is_answered() {
        for (rtt, told) in [("0.25", 1_500_000_000), ("-", 1_250_000_000)] {
            let texts = [
                "1.25",
                "C1",
                "10.0.0.1",
                "4000",
                "10.0.0.53",
                "53",
                "udp",
                rtt,
                r"a\x2eb.org",
                "16",
                "-",
                "c.org,203.0.113.9",
            ];
            let values = texts.map(|text| (text != "-").then_some(Cow::Borrowed(text.as_bytes())));
            let row = LoggedQuestion::of(&values).unwrap().row();
            assert_eq!(row.time.as_nanos(), told);
            let Record::Dns(record) = row.record else {
                panic!("{:?}", row.record);
            };
            assert_eq!(record.ts.as_nanos(), 1_250_000_000);
            assert_eq!(record.query.as_deref(), Some(&b"a.b.org"[..]));
            assert_eq!((record.qtype, record.rcode), (Some(16), None));
            let answers = record.answers.iter().map(|answer| &*answer.text);
            assert_eq!(answers.collect::<Vec<_>>(), [&b"c.org"[..], b"203.0.113.9"]);
        }
    }
}
