//! Rows of ssh.log.

use flow_table::protocol::{Record, Service, SignIn, SignInOutcome};
use flow_table::{IpProto, ProtocolRow, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use super::Ends;
use super::values::{FLOW, Head, Refused, Value};

/// Whether somebody was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedSignIn {
    ts: i64,
    uid: [u8; Uid::BYTES],
    ends: Ends,
    /// Unset if nobody can tell.
    let_in: Option<bool>,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 7] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [ts, uid, orig_h, orig_p, resp_h, resp_p, "auth_success"]
};

impl LoggedSignIn {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p, let_in] = values;
        let head = Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], IpProto::TCP)?;
        Ok(Self {
            ts: head.ts.as_nanos(),
            uid: head.uid,
            ends: head.ends,
            let_in: match let_in.as_deref() {
                Some(b"T" | b"true") => Some(true),
                Some(b"F" | b"false") => Some(false),
                _ => None,
            },
        })
    }

    pub(super) const fn told(&self) -> Timestamp {
        Timestamp::from_nanos(self.ts)
    }

    /// What the flow's parser would have said, if it could tell.
    pub(super) fn row(self) -> Option<ProtocolRow> {
        let outcome = if self.let_in? {
            SignInOutcome::Accepted
        } else {
            SignInOutcome::Refused
        };
        let sign_in = SignIn {
            service: Service("ssh"),
            outcome,
        };
        Some(ProtocolRow {
            time: self.told(),
            uid: Uid::from_bytes(self.uid),
            seq: 0,
            id: self.ends.id(),
            record: Record::SignIn(Box::new(sign_in)),
        })
    }
}
