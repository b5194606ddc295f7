//! A service on a port that is not its own, as detectors see it.

use flow_table::ProtocolRow;

use crate::seen::Party;

/// One flow that speaks it.
pub(crate) struct Misplaced<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) src: Party,
    pub(crate) dst: Party,
    /// As conn.log names it.
    pub(crate) service: &'static str,
}
