//! Rows of ssl.log.

use flow_table::protocol::Record;
use flow_table::protocol::tls::SslRecord;
use flow_table::{IpProto, ProtocolRow, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{FLOW, Head, Refused, Value, parsed, text};

/// By what name a client asked for a server, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedHello {
    head: Head,
    server_name: Option<Box<[u8]>>,
    /// Fingerprints, as a threat list may name them.
    ja3: Option<String>,
    ja4: Option<String>,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 9] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [
        ts,
        uid,
        orig_h,
        orig_p,
        resp_h,
        resp_p,
        "server_name",
        "ja3",
        "ja4",
    ]
};

impl LoggedHello {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [
            ts,
            uid,
            orig_h,
            orig_p,
            resp_h,
            resp_p,
            server_name,
            ja3,
            ja4,
        ] = values;
        Ok(Self {
            head: Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], IpProto::TCP)?,
            server_name: text(server_name),
            ja3: parsed(ja3),
            ja4: parsed(ja4),
        })
    }

    pub(super) const fn told(&self) -> Timestamp {
        self.head.ts()
    }

    /// The row as it was before it was written, of the columns that detectors ask for.
    pub(super) fn row(self) -> ProtocolRow {
        let mut record = SslRecord::new(self.told());
        record.server_name = self.server_name;
        (record.ja3, record.ja4) = (self.ja3, self.ja4);
        self.head.row(record.ts, Record::Ssl(Box::new(record)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn a_hello_names_the_server() {
        for (name, want) in [("a.example", Some(&b"a.example"[..])), ("-", None)] {
            let ja3 = "e7d705a3286e19ea42f587b344ee6865";
            let ends = ["10.0.0.1", "4000", "203.0.113.9", "443"];
            let texts = [&["1.25", "C1"][..], &ends, &[name, ja3, "-"]].concat();
            let texts: [&str; 9] = texts.try_into().unwrap();
            let values = texts.map(|text| (text != "-").then_some(Cow::Borrowed(text.as_bytes())));
            let row = LoggedHello::of(&values).unwrap().row();
            assert_eq!(row.time.as_nanos(), 1_250_000_000);
            let Record::Ssl(record) = row.record else {
                panic!("{:?}", row.record);
            };
            assert_eq!(record.server_name.as_deref(), want);
            assert_eq!((record.ja3.as_deref(), record.ja4), (Some(ja3), None));
        }
    }
}
