//! What FTP's data flows carry: announced by the flow of control, seen to begin somehow, asked for by a
//! command whose row tells where it went.

use flow_table::protocol::Record;
use flow_table::{Endpoint, ProtocolRow};

use crate::hash::{KeyedHash, join};
use crate::subjects::{Held, Subjects};

/// Channels that are remembered; of more, those heard of longest ago are forgotten, counted.
const MOST: usize = 4_096;

/// What a channel carried last.
#[derive(Default, Debug)]
struct Carried(Option<&'static str>);

impl Held for Carried {
    fn heap(&self) -> usize {
        0
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Channels(Subjects<Option<Endpoint>, Carried>);

impl Channels {
    /// They may take so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Subjects::new(MOST, bytes))
    }

    /// Notes what a row says of channels.
    pub(crate) fn note(&mut self, row: &ProtocolRow, hash: &KeyedHash) {
        match &row.record {
            Record::Announced(channel) => {
                let to = channel.resp;
                self.0
                    .update(key(to, hash), Some(to), |carried| carried.0 = None);
            }
            Record::Carried(carried) => {
                let (to, kind) = (row.id.resp, carried.mime_type);
                self.0
                    .amend(key(to, hash), Some(to), |carried| carried.0 = kind);
            }
            _ => {}
        }
    }

    /// What came that way last.
    pub(crate) fn carried(&self, to: Endpoint, hash: &KeyedHash) -> Option<&'static str> {
        self.0.get(key(to, hash), Some(to))?.0
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.0.evicted()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

fn key(to: Endpoint, hash: &KeyedHash) -> u64 {
    join(hash.addr(to.addr), to.port.into())
}
