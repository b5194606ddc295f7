//! Rows of http.log.

use flow_table::protocol::Record;
use flow_table::protocol::http::{BodyNote, HttpRecord};
use flow_table::{IpProto, ProtocolRow, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{FLOW, Head, Refused, Value, count, list, text};

/// What was asked of a server, and what came back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedReply {
    head: Head,
    method: Option<Box<[u8]>>,
    host: Option<Box<[u8]>>,
    uri: Option<Box<[u8]>>,
    status_code: Option<u16>,
    len: u64,
    /// What each body is, and the names they are to be saved under.
    mime_types: Vec<Box<[u8]>>,
    names: Vec<Box<[u8]>>,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 13] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [
        ts,
        uid,
        orig_h,
        orig_p,
        resp_h,
        resp_p,
        "method",
        "host",
        "uri",
        "status_code",
        "response_body_len",
        "resp_mime_types",
        "resp_filenames",
    ]
};

/// Bodies of one row that are read.
const MOST: usize = 10;

impl LoggedReply {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p, rest @ ..] = values;
        let [method, host, uri, status_code, len, mime_types, names] = rest;
        Ok(Self {
            head: Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], IpProto::TCP)?,
            method: text(method),
            host: text(host),
            uri: text(uri),
            status_code: count(status_code).and_then(|code| u16::try_from(code).ok()),
            len: count(len).unwrap_or_default(),
            mime_types: list(mime_types, MOST),
            names: list(names, MOST),
        })
    }

    pub(super) const fn told(&self) -> Timestamp {
        self.head.ts()
    }

    /// The row as it was before it was written, of the columns that detectors ask for. What the log
    /// says a body is was found by how it begins; what the server said of it is in no log.
    pub(super) fn row(self) -> ProtocolRow {
        let mut names = self.names.into_iter();
        let body = |mime_type: Box<[u8]>| {
            let sniffed = detectors::program_type(&mime_type);
            BodyNote {
                number: 1,
                place: None,
                mime_type: sniffed,
                filename: names.next(),
                content_type: sniffed.is_none().then_some(mime_type),
            }
        };
        let mut record = HttpRecord::new(self.head.ts(), 1);
        record.resp_bodies = self.mime_types.into_iter().map(body).collect();
        (record.method, record.host, record.uri) = (self.method, self.host, self.uri);
        (record.status_code, record.response_body_len) = (self.status_code, self.len);
        self.head.row(record.ts, Record::Http(Box::new(record)))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn bodies_are_what_the_log_says() {
        for types in [
            "text/html,application/x-dosexec",
            r#"["text/html","application/x-dosexec"]"#,
        ] {
            let texts = [
                "1.25",
                "C1",
                "10.0.0.1",
                "4000",
                "203.0.113.9",
                "80",
                "GET",
                "a.example",
                "/x",
                "200",
                "9",
                types,
                "-",
            ];
            let values = texts.map(|text| (text != "-").then_some(Cow::Borrowed(text.as_bytes())));
            let row = LoggedReply::of(&values).unwrap().row();
            let Record::Http(http) = row.record else {
                panic!("{:?}", row.record);
            };
            let bodies = http.resp_bodies.iter();
            let bodies: Vec<_> = bodies
                .map(|b| (b.mime_type, b.content_type.as_deref()))
                .collect();
            assert_eq!(
                bodies,
                [
                    (None, Some(&b"text/html"[..])),
                    (Some("application/x-dosexec"), None)
                ]
            );
            assert_eq!(
                (http.status_code, http.host.as_deref()),
                (Some(200), Some(&b"a.example"[..]))
            );
        }
    }
}
