//! Rows of ssl.log.

use flow_table::protocol::Record;
use flow_table::protocol::tls::SslRecord;
use flow_table::{IpProto, ProtocolRow, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use super::Ends;
use super::values::{FLOW, Head, Refused, Value, text};

/// By what name a client asked for a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedHello {
    ts: i64,
    uid: [u8; Uid::BYTES],
    ends: Ends,
    server_name: Option<Box<[u8]>>,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 7] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [ts, uid, orig_h, orig_p, resp_h, resp_p, "server_name"]
};

impl LoggedHello {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p, server_name] = values;
        let head = Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], IpProto::TCP)?;
        Ok(Self {
            ts: head.ts.as_nanos(),
            uid: head.uid,
            ends: head.ends,
            server_name: text(server_name),
        })
    }

    pub(super) const fn told(&self) -> Timestamp {
        Timestamp::from_nanos(self.ts)
    }

    /// The row as it was before it was written, of the columns that detectors ask for.
    pub(super) fn row(self) -> ProtocolRow {
        let (time, id) = (self.told(), self.ends.id());
        let mut record = SslRecord::new(time);
        record.server_name = self.server_name;
        ProtocolRow {
            time,
            uid: Uid::from_bytes(self.uid),
            seq: 0,
            id,
            record: Record::Ssl(Box::new(record)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_hello_names_the_server() {
        for (name, want) in [("a.example", Some(&b"a.example"[..])), ("-", None)] {
            let texts = ["1.25", "C1", "10.0.0.1", "4000", "203.0.113.9", "443", name];
            let values = texts.map(|text| (text != "-").then_some(Cow::Borrowed(text.as_bytes())));
            let row = LoggedHello::of(&values).unwrap().row();
            assert_eq!(row.time.as_nanos(), 1_250_000_000);
            let Record::Ssl(record) = row.record else {
                panic!("{:?}", row.record);
            };
            assert_eq!(record.server_name.as_deref(), want);
        }
    }
}
