//! Conversations under way: flows that somebody looks into, or may yet look into, when the input ends
//! and goes on elsewhere. Each is kept as bytes, with all that is known of the flow and of what it
//! carries, and put back into a table before the first packet: there it goes on as if nothing had
//! happened, or is over as soon as it was silent for as long as it may be.
//!
//! Nobody vouches for the bytes. Whoever puts one back checks that it is of the flow that it is kept
//! for, and that what it holds is no more than could have been held.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::flow::Flow;
use crate::inspection::Inspection;
use crate::key::FlowKey;

/// What the bytes begin with: another one whenever flows or parsers keep something else, or in another
/// way.
pub(crate) const FORMAT: u32 = 1;
/// Bytes of what looks into one flow: both directions of a stream hold at most half of it above holes.
const MAX_BYTES: usize = 1 << 20;
/// What one takes beside that, about.
const ENTRY: usize = 512;

/// A flow that goes on, with what looks into it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conversation {
    key: FlowKey,
    /// Packet time when it was kept.
    at: Timestamp,
    flow: Vec<u8>,
    inspection: Option<Vec<u8>>,
}

impl Conversation {
    /// Of a flow as it is kept at `at`.
    pub(crate) fn of(flow: &Flow, inspection: Option<Vec<u8>>, at: Timestamp) -> Option<Self> {
        Some(Self {
            key: flow.common.key(),
            at,
            flow: postcard::to_allocvec(flow).ok()?,
            inspection,
        })
    }

    /// The flow, and what looks into it, if that is what is kept.
    pub(crate) fn read(&self) -> Option<(Flow, Option<Inspection>)> {
        let flow: Flow = postcard::from_bytes(&self.flow).ok()?;
        let inspection = self.inspection.as_deref().map(postcard::from_bytes);
        let inspection: Option<Inspection> = inspection.transpose().ok()?;
        let fits = |inspection: &Inspection| inspection.is_of(&flow);
        let is_sound = flow.common.has_key(&self.key)
            && flow.is_sound(self.at)
            && inspection.as_ref().is_none_or(fits);
        is_sound.then_some((flow, inspection))
    }

    pub(crate) const fn key(&self) -> &FlowKey {
        &self.key
    }

    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    fn cost(&self) -> usize {
        ENTRY + self.flow.len() + self.inspection.as_ref().map_or(0, Vec::len)
    }
}

/// What looks into a flow, as bytes.
pub(crate) fn kept(inspection: &Inspection) -> postcard::Result<Vec<u8>> {
    let bytes = postcard::to_allocvec(inspection)?;
    if bytes.len() > MAX_BYTES {
        return Err(postcard::Error::SerializeBufferFull);
    }
    Ok(bytes)
}

/// Room of a table for what it hands out in the end.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// Less than that is not for attempts to connect, of which there may be any number.
    reserved: usize,
}

impl Room {
    /// As much as parsers may take while they read, and of that a quarter for attempts.
    pub(crate) const fn of(parsers: usize) -> Self {
        Self {
            left: parsers,
            reserved: parsers / 4 * 3,
        }
    }

    /// Whether there is room for one.
    pub(crate) fn take(&mut self, inspection: Option<&[u8]>) -> bool {
        let (bytes, reserved) = inspection.map_or((0, self.reserved), |bytes| (bytes.len(), 0));
        let left = self.left.checked_sub(ENTRY + bytes);
        let left = left.filter(|left| *left >= reserved);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// Conversations of all tables.
#[derive(Default, Debug)]
pub struct Conversations(BTreeMap<FlowKey, Conversation>);

impl Conversations {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands out all of them; what is taken is not here any more.
    pub(crate) fn take(&mut self, mut takes: impl FnMut(&FlowKey, &Conversation) -> bool) {
        self.0.retain(|key, conversation| !takes(key, conversation));
    }

    /// As bytes, the same of the same ones; none if there is none.
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let all: Vec<&Conversation> = self.0.values().collect();
        postcard::to_allocvec(&(FORMAT, all)).unwrap_or_default()
    }

    /// What [`Conversations::to_bytes`] gave, as many as take no more than `limit` bytes. `None` if these
    /// are of another format.
    pub fn from_bytes(bytes: &[u8], limit: u64) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (format, all) = postcard::take_from_bytes::<u32>(bytes).ok()?;
        if format != FORMAT {
            return None;
        }
        let all: Vec<Conversation> = postcard::from_bytes(all).ok()?;
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let within = all.into_iter().take_while(|one| {
            let after = left.checked_sub(one.cost());
            left = after.unwrap_or_default();
            after.is_some()
        });
        Some(within.collect())
    }
}

impl Extend<Conversation> for Conversations {
    fn extend<T: IntoIterator<Item = Conversation>>(&mut self, more: T) {
        self.0.extend(more.into_iter().map(|one| (one.key, one)));
    }
}

impl FromIterator<Conversation> for Conversations {
    fn from_iter<T: IntoIterator<Item = Conversation>>(all: T) -> Self {
        let mut this = Self::default();
        this.extend(all);
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::play::Play;

    /// How much is kept of flows that have begun. Whoever changes that raises `FORMAT` with it.
    #[test]
    fn flows_that_are_kept_are_of_this_format() {
        let kept = [(Play::tcp(80), ">S0"), (Play::udp(53), ">u+40")].map(|(play, text)| {
            let (packets, times) = play.packets(text);
            let mut flow = Flow::open(&packets[0], times[0], 1, 1, None);
            flow.common.suspend(1, 1);
            let kept = Conversation::of(&flow, None, times[0]).unwrap();
            assert!(kept.read().is_some());
            kept.flow.len()
        });
        assert_eq!((FORMAT, kept), (1, [171, 130]));
    }

    #[test]
    fn attempts_leave_room_for_what_is_read() {
        let mut room = Room::of(8 * ENTRY);
        let fits = |room: &mut Room, inspection| (0..9).filter(|_| room.take(inspection)).count();
        assert_eq!(fits(&mut room, None), 2);
        assert_eq!(fits(&mut room, Some(&[0; ENTRY][..])), 3);
        assert_eq!(fits(&mut room, None), 0);
        assert_eq!(fits(&mut Room::of(0), Some(&[])), 0);
    }
}
