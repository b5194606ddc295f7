//! Names that lead now to one address, now to another: each is called too seldom to tell, all together
//! are not.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::judge::{Judge, Whom};
use super::{Counted, Pair};
use crate::Subject;
use crate::board::Board;
use crate::hash::join;
use crate::seen::Seen;
use crate::subjects::{Held, Subjects};

/// A name that a host calls.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Name {
    /// The key of the address that was called last.
    server: u64,
    calls: u32,
    /// How often it was another than before.
    moves: u32,
    /// Calls to all of them, once there were two.
    all: Option<Box<Pair>>,
    /// The address that a signal was told of, and the key of the pair.
    told: Option<(IpAddr, u64)>,
}

impl Held for Name {
    fn heap(&self) -> usize {
        self.all.as_ref().map_or(0, |pair| size_of_val(&**pair))
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.calls > 1)
    }
}

impl Name {
    /// It is called; what is known of its calls, if they go to several addresses. Until then, that is
    /// what is known of those to the first.
    pub(super) fn call(
        &mut self,
        seen: &Seen<'_>,
        pairs: &Subjects<(), Pair>,
    ) -> Option<&mut Pair> {
        let before = std::mem::replace(&mut self.server, seen.dst.key);
        if self.calls > 0 && before != seen.dst.key {
            self.moves = self.moves.saturating_add(1);
            let first = join(seen.src.key, before);
            let known = || Box::new(pairs.get(first, ()).cloned().unwrap_or_default());
            self.all.get_or_insert_with(known);
        }
        self.calls = self.calls.saturating_add(1);
        self.all.as_deref_mut()
    }

    /// Bytes are sent to one of its addresses.
    pub(super) fn sends(&mut self, bytes: u32) {
        if let Some(pair) = &mut self.all {
            pair.sends(bytes);
        }
    }

    /// Judges calls to all of its addresses; returns whether a signal was told of them, now or before.
    /// That is told of the address that is called when it is first told, and of that again.
    pub(super) fn judge(
        &mut self,
        judge: &Judge<'_>,
        counted: Counted,
        seen: &Seen<'_>,
        board: &mut Board,
    ) -> bool {
        let Some(pair) = &self.all else { return false };
        let (addr, key) = self.told.unwrap_or((seen.dst.addr, seen.pair));
        let whom = Whom {
            subject: Subject::pair(seen.src.addr, addr),
            key,
            moves: self.moves,
        };
        if judge.judge(pair, counted, (seen, whom), board) {
            self.told = Some((addr, key));
        }
        self.told.is_some()
    }
}
