//! Something that a host with the role `backup` was told to delete.

use flow_table::ProtocolRow;
use flow_table::protocol::http::HttpRecord;

use crate::seen::Party;

/// One deletion.
pub(crate) struct Deleted<'a> {
    pub(crate) row: &'a ProtocolRow,
    pub(crate) client: Party,
    pub(crate) server: Party,
    /// What was deleted, as the client names it.
    pub(crate) path: &'a [u8],
}

/// Whether this asks to delete something, and was not refused.
pub(crate) fn deletes(http: &HttpRecord) -> bool {
    let asks = http.method.as_deref() == Some(b"DELETE");
    asks && matches!(http.status_code, Some(200..=299))
}

impl Deleted<'_> {
    /// For people: `DELETE /api/snapshots/1`.
    pub(crate) fn label(&self) -> Vec<u8> {
        [b"DELETE ", self.path].concat()
    }
}
