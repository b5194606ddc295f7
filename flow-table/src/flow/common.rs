//! What every flow has, whatever its protocol: ends, counters, timers, history, name.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher13;

use super::{PerSide, Side};
use crate::compact::{Scaled, U48};
use crate::history::Letters;
use crate::inspection::Looked;
use crate::key::{Addr, End, FlowKey, Way};
use crate::packet::{LinkInfo, Packet, TunnelKind};
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

/// What only some flows have.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Rare {
    /// The name, where ends and first timestamp do not tell it.
    pub(super) uid: Option<Uid>,
    /// Silence does not end the flow before this: a late packet was taken.
    floor: Timestamp,
    /// What was told of it by an input before this one.
    resumed: Option<Box<Resumed>>,
    /// Since when it had no row as one that is still open, where that is not its beginning.
    open_since: Option<Timestamp>,
    /// A history that no longer fits into the flow.
    letters: Vec<u8>,
    pub(crate) missed_bytes: u64,
    /// What kind of tunnel it is, once a packet inside it was seen.
    #[serde(skip)]
    pub(crate) carries: Option<TunnelKind>,
    /// Tunnels it was seen in, in this order.
    pub(crate) parents: Vec<FlowKey>,
    /// What the link layer of the first packet said, the originator's address as source.
    pub(crate) link: Option<LinkInfo>,
    pub(crate) bad_checksums: PerSide<Scaled>,
    pub(crate) gaps: PerSide<Scaled>,
    /// Bytes seen above a hole.
    pub(crate) above: PerSide<Vec<(u64, u64)>>,
}

/// What an input before this one told of a flow: its row here tells what came since, and there is none
/// if nothing did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resumed {
    /// Timestamp of the last packet there that counts for the duration.
    pub(crate) since: Timestamp,
    /// What it had moved by then.
    pub(crate) before: PerSide<Traffic>,
    pub(crate) missed_bytes: u64,
}

/// More tunnels around one flow are not remembered.
const MAX_PARENTS: usize = 8;

/// Packets of one end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) packets: U48,
    pub(crate) ip_bytes: U48,
}

/// How far the detectors were told of it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Number of the next event; 0 while the flow has not been opened for them.
    pub(crate) seq: u32,
    /// Requests answered since the last event.
    pub(crate) turns: u16,
    flags: u8,
}

impl Told {
    pub(crate) const ANSWERED: u8 = 1;
    pub(crate) const COMPLETED: u8 = 2;
    pub(crate) const REFUSED: u8 = 4;
    /// The originator sent payload, and the responder has not answered it yet.
    const ASKED: u8 = 8;
    /// The flow's first packet went against the way of its key as it stands for the uid.
    const DOWN: u8 = 16;
    /// Two bits: how far it is with looking into the flow.
    const LOOKED: u8 = 0x60;
    const LOOKED_SHIFT: u32 = 5;

    pub(crate) const fn has(self, what: u8) -> bool {
        self.flags & what != 0
    }

    pub(crate) const fn has_all(self, what: u8) -> bool {
        self.flags & what == what
    }

    pub(crate) const fn note(&mut self, what: u8) {
        self.flags |= what;
    }

    const fn forget(&mut self, what: u8) {
        self.flags &= !what;
    }

    /// Whether somebody looks into the flow.
    pub(crate) const fn is_looked_into(self) -> bool {
        self.flags & Self::LOOKED == 1 << Self::LOOKED_SHIFT
    }

    /// Whether nobody looked into the flow yet.
    pub(crate) const fn is_untouched(self) -> bool {
        self.flags & Self::LOOKED == 0
    }

    /// How far it is with looking into the flow.
    pub(crate) const fn looked(self) -> Looked {
        match (self.flags & Self::LOOKED) >> Self::LOOKED_SHIFT {
            0 => Looked::Never,
            1 => Looked::Live,
            2 => Looked::Over,
            _ => Looked::Named,
        }
    }

    pub(crate) const fn note_looked(&mut self, looked: Looked) {
        let bits = match looked {
            Looked::Never => 0,
            Looked::Live => 1,
            Looked::Over => 2,
            Looked::Named => 3,
        };
        self.flags = (self.flags & !Self::LOOKED) | (bits << Self::LOOKED_SHIFT);
    }
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

impl Rare {
    /// What an input before this one told of it, if there was one.
    pub(crate) fn resumed(&self) -> Option<&Resumed> {
        self.resumed.as_deref()
    }

    /// Whether stretches above holes are in order, and apart from each other.
    fn is_sound(&self) -> bool {
        let in_order = |stretches: &[(u64, u64)]| {
            stretches
                .iter()
                .all(|(from, to)| from < to && *to <= U48::MAX)
                && stretches.is_sorted_by(|(_, end), (next, _)| end < next)
        };
        in_order(&self.above.orig) && in_order(&self.above.resp)
    }
}

const fn reverse(way: Way) -> Way {
    match way {
        Way::Up => Way::Down,
        Way::Down => Way::Up,
    }
}

/// Names a flow after its ends, its first packet and a seed: the same on every run.
pub(super) fn uid(
    key: &FlowKey,
    way: Way,
    ts: Timestamp,
    now: Timestamp,
    seed: u64,
    nth: u64,
) -> Uid {
    let hasher = SipHasher13::new_with_keys(seed, 0x666c_6f77_6861_776b);
    let (from, to) = (key.source(way), key.destination(way));
    let numbers = [
        ts.as_nanos().cast_unsigned(),
        now.as_nanos().cast_unsigned(),
        nth,
    ];
    // The hash is that of all bytes in a row; in one piece it takes them much faster.
    let hash = match (IpAddr::from(from.addr), IpAddr::from(to.addr)) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let ends = [
                (u32::from_le_bytes(src.octets()), from.port),
                (u32::from_le_bytes(dst.octets()), to.port),
            ];
            hasher.hash(&short(ends, key.proto(), numbers))
        }
        (src, dst) => {
            let mut bytes = Bytes::default();
            bytes.end(src, from.port);
            bytes.end(dst, to.port);
            bytes.push(&[key.proto().0]);
            for number in numbers {
                bytes.push(&number.to_le_bytes());
            }
            hasher.hash(bytes.get())
        }
    };
    Uid::from_bits(hash.as_u128())
}

/// Two addresses and ports, a protocol, two timestamps and a number; of IPv4, and of IPv6.
const SHORT: usize = 2 * (4 + 2) + 1 + 2 * 8 + 8;
const MOST: usize = 2 * (16 + 2) + 1 + 2 * 8 + 8;

/// What is hashed of a flow over IPv4, put together in words: a processor that reads a word which
/// was written in pieces waits for all of them.
fn short(ends: [(u32, u16); 2], proto: IpProto, numbers: [u64; 3]) -> [u8; SHORT] {
    let [(src, from), (dst, to)] = ends.map(|(addr, port)| (u64::from(addr), u64::from(port)));
    let [ts, now, nth] = numbers;
    let words = [
        src | from << 32 | dst << 48,
        dst >> 16 | to << 16 | u64::from(proto.0) << 32 | ts << 40,
        ts >> 24 | now << 40,
        now >> 24 | nth << 40,
        nth >> 24,
    ];
    let words = words.map(u64::to_le_bytes);
    let mut bytes = [0; SHORT];
    for (byte, from) in bytes.iter_mut().zip(words.as_flattened()) {
        *byte = *from;
    }
    bytes
}

/// What is hashed of any other flow.
struct Bytes {
    memory: [u8; MOST],
    len: usize,
}

impl Default for Bytes {
    fn default() -> Self {
        Self {
            memory: [0; MOST],
            len: 0,
        }
    }
}

impl Bytes {
    fn end(&mut self, addr: IpAddr, port: u16) {
        match addr {
            IpAddr::V4(addr) => self.push(&addr.octets()),
            IpAddr::V6(addr) => self.push(&addr.octets()),
        }
        self.push(&port.to_le_bytes());
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(place) = self.memory.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn get(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}
