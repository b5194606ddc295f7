//! What FTP's data flows carry: announced by the flow of control, seen to begin somehow, asked for by a
//! command whose row tells where it went.

use flow_table::protocol::Record;
use flow_table::{Endpoint, ProtocolRow};
use serde::{Deserialize, Serialize};

use crate::hash::{KeyedHash, join};
use crate::state::{Loader, Saver, State, Unfit};
use crate::subjects::{Held, Subjects};

/// Channels that are remembered; of more, those heard of longest ago are forgotten, counted.
const MOST: usize = 4_096;

/// What a channel carried last.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Carried(Option<Box<str>>);

impl Held for Carried {
    fn heap(&self) -> usize {
        self.0.as_ref().map_or(0, |kind| kind.len())
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Channels(Subjects<Option<Endpoint>, Carried>);

impl State for Channels {
    fn save(&self, to: &mut Saver) {
        self.0.save(to);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), Unfit> {
        self.0.load(from)
    }
}

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
                let (to, kind) = (row.id.resp, carried.mime_type.map(Box::from));
                self.0
                    .amend(key(to, hash), Some(to), |carried| carried.0 = kind);
            }
            _ => {}
        }
    }

    /// What came that way last.
    pub(crate) fn carried(&self, to: Endpoint, hash: &KeyedHash) -> Option<&str> {
        self.0.get(key(to, hash), Some(to))?.0.as_deref()
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
