//! An attempt to sign in as detectors see it: who, where, and whether it was let in.

use flow_table::ProtocolRow;
use flow_table::protocol::SignInOutcome;

use crate::seen::Party;

/// One attempt, or one session of SSH, with what a detector asks about it.
pub(crate) struct SignedIn<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) client: Party,
    pub(crate) server: Party,
    /// As conn.log names it.
    pub(crate) service: &'static str,
    pub(crate) outcome: SignInOutcome,
}
