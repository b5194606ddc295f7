//! Echo messages of ICMP that carry something, as detectors see them.

use flow_table::ProtocolRow;
use flow_table::protocol::echo::Echoes;

use crate::seen::Party;

/// Such messages of one flow.
pub(crate) struct Echoed<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) src: Party,
    pub(crate) dst: Party,
    pub(crate) echoes: &'a Echoes,
}
