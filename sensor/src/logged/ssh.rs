//! Rows of ssh.log.

use flow_table::protocol::{Record, Service, SignIn, SignInOutcome};
use flow_table::{IpProto, ProtocolRow, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{FLOW, Head, Refused, Value};

/// Whether somebody was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedSignIn {
    head: Head,
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
        Ok(Self {
            head: Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], IpProto::TCP)?,
            let_in: match let_in.as_deref() {
                Some(b"T" | b"true") => Some(true),
                Some(b"F" | b"false") => Some(false),
                _ => None,
            },
        })
    }

    pub(super) const fn told(&self) -> Timestamp {
        self.head.ts()
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
        let record = Record::SignIn(Box::new(sign_in));
        Some(self.head.row(self.told(), record))
    }
}
