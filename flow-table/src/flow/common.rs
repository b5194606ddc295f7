//! What every flow has, whatever its protocol: ends, counters, timers, history, name.

use serde::{Deserialize, Serialize};

use super::name::uid;
use super::rare::{Rare, Resumed};
use super::told::Told;
use super::{PerSide, Side};
use crate::compact::U48;
use crate::history::Letters;
use crate::key::{Addr, End, FlowKey, Way};
use crate::packet::Packet;
use crate::timers::{Patience, Timer, Timers};
use crate::{IpProto, Span, Timestamp, Traffic, Uid};

/// What every flow has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Common {
    // The key, its parts laid out without gaps.
    low: Addr,
    high: Addr,
    low_port: u16,
    high_port: u16,
    proto: IpProto,
    /// Which way the originator sends.
    way: Way,
    pub(crate) told: Told,
    /// Timestamp of the first packet.
    pub(crate) start: Timestamp,
    /// Timestamp of the last packet that counts for the duration.
    pub(crate) last: Timestamp,
    pub(crate) counts: PerSide<Counts>,
    pub(crate) timers: Timers,
    letters: Letters,
    /// Where the table keeps what the detectors were told last.
    #[serde(skip)]
    pub(crate) pending: Option<PendingSlot>,
    pub(crate) rare: Option<Box<Rare>>,
}

/// A slot of the table's list of pending reports, from 1 so that having none costs nothing.
pub(crate) type PendingSlot = std::num::NonZeroU32;

/// More tunnels around one flow are not remembered.
const MAX_PARENTS: usize = 8;

/// Packets of one end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) packets: U48,
    pub(crate) ip_bytes: U48,
}

impl Common {
    pub(super) fn new(packet: &Packet) -> Self {
        let (low, high) = (packet.key.source(Way::Up), packet.key.destination(Way::Up));
        let mut told = Told::default();
        if packet.way == Way::Down {
            told.note(Told::DOWN);
        }
        Self {
            low: low.addr,
            high: high.addr,
            low_port: low.port,
            high_port: high.port,
            proto: packet.proto(),
            way: packet.way,
            told,
            start: packet.ts,
            last: packet.ts,
            counts: PerSide::default(),
            timers: Timers::default(),
            letters: Letters::default(),
            pending: None,
            rare: None,
        }
    }

    /// The key it is found by.
    pub(crate) const fn key(&self) -> FlowKey {
        let low = End {
            addr: self.low,
            port: self.low_port,
        };
        let high = End {
            addr: self.high,
            port: self.high_port,
        };
        FlowKey::sorted(low, high, self.proto)
    }

    /// Whether that is `key`.
    pub(crate) fn has_key(&self, key: &FlowKey) -> bool {
        self.key() == *key
    }

    /// Its ends as they stand now.
    pub(crate) fn id(&self) -> crate::FlowId {
        self.key().id(self.way)
    }

    /// The name it carries through every log.
    pub(crate) fn uid(&self, seed: u64) -> Uid {
        let stored = self.rare.as_ref().and_then(|rare| rare.uid);
        stored.unwrap_or_else(|| {
            let way = if self.told.has(Told::DOWN) {
                Way::Down
            } else {
                Way::Up
            };
            uid(&self.key(), way, self.start, self.start, seed, 0)
        })
    }

    /// It is to go on in another input, under the name that it has here. Of it `events` more were told.
    pub(crate) fn suspend(&mut self, seed: u64, events: u32) {
        let uid = self.uid(seed);
        self.rare().uid = Some(uid);
        self.told.seq = self.told.seq.saturating_add(events);
        self.told.turns = 0;
    }

    /// It goes on here, having moved so much `before`.
    pub(super) fn go_on(&mut self, before: PerSide<Traffic>) {
        let since = self.last;
        let rare = self.rare();
        rare.resumed = Some(Box::new(Resumed {
            since,
            before,
            missed_bytes: rare.missed_bytes,
        }));
        rare.open_since = Some(since);
    }

    /// Whether it can have been kept by anybody at `at`.
    pub(super) fn is_sound(&self, at: Timestamp) -> bool {
        let is_few = self.told.seq < u32::MAX / 2;
        let is_past = self.start <= at && self.last <= at;
        is_few && is_past && self.rare.as_deref().is_none_or(Rare::is_sound)
    }

    /// A packet whose timestamp lies before packet time was taken: what it made due is due now at
    /// the earliest, and silence not before it would have been after the first packet.
    pub(crate) fn took_late(&mut self, now: Timestamp) {
        self.timers.not_before(now);
        let floor = now.max(self.start + Patience::Minute.span());
        if self.last + self.timers.patience.span() < floor {
            self.rare().floor = floor;
        }
    }

    /// Since when it had no row as one that is still open.
    pub(crate) fn open_since(&self) -> Timestamp {
        let told = self.rare.as_ref().and_then(|rare| rare.open_since);
        told.unwrap_or(self.start)
    }

    /// It begins at `now` for its rows, whatever its first packet says.
    pub(super) fn opens_at(&mut self, now: Timestamp) {
        self.rare().open_since = Some(now);
    }

    /// It has such a row, at most one for all times at which it would have had one.
    pub(crate) fn tell_open(&mut self, now: Timestamp, every: Span) {
        let since = self.open_since();
        let past = now.since(since).as_nanos() % every.as_nanos().max(1);
        self.rare().open_since = Some(now - Span::from_nanos(past));
    }

    /// People sit at it: silence does not end it for an hour.
    pub(crate) const fn be_patient(&mut self) {
        self.timers.patience = Patience::Hour;
    }

    /// When it will have been silent for long enough.
    fn silence(&self) -> Timestamp {
        let floor = self
            .rare
            .as_ref()
            .map_or(Timestamp::ZERO, |rare| rare.floor);
        floor.max(self.last + self.timers.patience.span())
    }

    /// When its timers want to be looked at.
    pub(crate) fn due(&self) -> Timestamp {
        self.timers.due(self.silence())
    }

    /// Takes the timer that is due first, if one is due at or before `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        let silence = self.silence();
        self.timers.take_due(silence, now)
    }

    /// What only some flows have, made if missing.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The history so far.
    pub(crate) fn letters(&self) -> &[u8] {
        self.letters
            .get(self.rare.as_ref().map(|rare| &rare.letters))
    }

    /// Adds a letter to the history as it is.
    fn push_letter(&mut self, letter: u8) {
        if self.letters.has_room() {
            self.letters.push(letter);
        } else {
            let letters = self.letters;
            letters.spill(&mut self.rare().letters, letter);
        }
    }

    /// Adds what `side` did to the history.
    pub(crate) fn note(&mut self, side: Side, letter: u8) {
        self.push_letter(match side {
            Side::Orig => letter,
            Side::Resp => letter.to_ascii_lowercase(),
        });
    }

    /// Replaces a history that fits into the flow.
    pub(crate) fn set_letters(&mut self, letters: &[u8]) {
        self.letters = Letters::default();
        for letter in letters {
            self.letters.push(*letter);
        }
    }

    /// Its history, once it is over.
    pub(crate) fn take_history(&mut self) -> crate::History {
        let spilt = self
            .rare
            .as_mut()
            .map(|rare| std::mem::take(&mut rare.letters));
        crate::History::of(self.letters, spilt)
    }

    /// Notes a tunnel the flow was seen in.
    pub(crate) fn note_parent(&mut self, parent: FlowKey) {
        let parents = &mut self.rare().parents;
        if parents.len() < MAX_PARENTS && !parents.contains(&parent) {
            parents.push(parent);
        }
    }

    /// Turns the flow round. What was told of it last is turned by the table.
    pub(crate) fn flip(&mut self) {
        self.flip_names();
        self.counts.swap();
        if let Some(rare) = &mut self.rare {
            rare.bad_checksums.swap();
            rare.gaps.swap();
            rare.above.swap();
            if let Some(resumed) = &mut rare.resumed {
                resumed.before.swap();
            }
        }
    }

    /// Turns only the names round: what was counted stays with the side it was counted for.
    pub(super) fn flip_names(&mut self) {
        self.way = reverse(self.way);
        if let Some(link) = self.rare.as_mut().and_then(|rare| rare.link.as_mut()) {
            std::mem::swap(&mut link.src, &mut link.dst);
        }
        self.push_letter(b'^');
    }

    /// Which way the originator sends.
    pub(crate) const fn way(&self) -> Way {
        self.way
    }

    /// The originator's and the responder's port.
    pub(crate) const fn ports(&self) -> (u16, u16) {
        match self.way {
            Way::Up => (self.low_port, self.high_port),
            Way::Down => (self.high_port, self.low_port),
        }
    }

    /// The side a packet is from. Where both ends are the same, everything is the originator's.
    pub(crate) fn side_of(&self, packet: &Packet) -> Side {
        let same =
            packet.way == self.way || (self.low == self.high && self.low_port == self.high_port);
        if same { Side::Orig } else { Side::Resp }
    }

    pub(super) fn count(&mut self, side: Side, packet: &Packet, payload: u32) {
        let counts = self.counts.get_mut(side);
        counts.packets.add(1);
        counts.ip_bytes.add(packet.ip_len.into());
        if payload > 0 {
            if side == Side::Resp && self.told.has(Told::ASKED) {
                self.told.turns = self.told.turns.saturating_add(1);
            }
            match side {
                Side::Orig => self.told.note(Told::ASKED),
                Side::Resp => self.told.forget(Told::ASKED),
            }
        }
    }
}

const fn reverse(way: Way) -> Way {
    match way {
        Way::Up => Way::Down,
        Way::Down => Way::Up,
    }
}
