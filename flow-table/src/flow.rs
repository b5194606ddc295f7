//! One flow: what every protocol's flow has in common, and what only its own has.
//!
//! A table may hold a million flows, so what few of them need stands apart in [`Rare`], and what
//! the detectors have not been told yet stands with the table.

mod common;
mod name;
mod rare;
mod side;
mod told;

use serde::{Deserialize, Serialize};

use crate::compact::U48;
use crate::odd::{Oddities, Oddity};
use crate::packet::{Body, Datagram, LinkInfo, Message, Packet, TcpFlags};
use crate::tcp::{Acked, Milestones, Tcp};
use crate::timers::{DNS_INTERVAL, Patience, SYN_TIMEOUT};
use crate::{ConnState, IpProto, Timestamp, Traffic, ports};

use name::uid;

pub(crate) use common::{Common, Counts, PendingSlot};
pub(crate) use rare::{Rare, Resumed};
pub(crate) use told::Told;

pub use side::{PerSide, Side};

/// A flow of some protocol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) common: Common,
    pub(crate) kind: Kind,
}

/// What only flows of one protocol have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Tcp(Tcp),
    Udp(Udp),
    Icmp(PerSide<U48>),
    Other,
    /// A tunnel that its two addresses name; no row of conn.log.
    Tunnel,
}

/// A UDP flow's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Udp {
    /// Payload bytes, `None` while nothing was seen from that end. A flip leaves them where they
    /// are, as Zeek does.
    bytes: PerSide<Option<U48>>,
    noted: PerSide<bool>,
}

impl Flow {
    /// A flow that begins with `packet` at packet time `now`. `seed` and `nth` go into the uid:
    /// `nth` tells flows apart that begin at the same time between the same ends.
    pub(crate) fn open(
        packet: &Packet,
        now: Timestamp,
        seed: u64,
        nth: u64,
        link: Option<&LinkInfo>,
    ) -> Self {
        let kind = match packet.proto() {
            _ if matches!(packet.body.get(), Body::Tunnel) => Kind::Tunnel,
            IpProto::TCP => Kind::Tcp(Tcp::new()),
            IpProto::UDP => Kind::Udp(Udp::default()),
            IpProto::ICMP | IpProto::ICMPV6 => Kind::Icmp(PerSide::default()),
            _ => Kind::Other,
        };
        let mut common = Common::new(packet);
        if nth != 0 || now != packet.ts {
            common.rare().uid = Some(uid(&packet.key, packet.way, packet.ts, now, seed, nth));
            common.opens_at(now);
        }
        if let Some(link) = link {
            common.rare().link = Some(*link);
        }
        if matches!(packet.body.get(), Body::Tunnel) {
            common.timers.patience = Patience::Day;
        }
        if begins_reversed(packet) {
            common.flip_names();
        }
        if packet.proto() == IpProto::TCP {
            common.timers.arm_expire(now + SYN_TIMEOUT);
        } else if packet.proto() == IpProto::UDP && ports::is_dns(common.ports().1) {
            common.timers.arm_dns(now + DNS_INTERVAL);
        }
        Self { common, kind }
    }

    /// It goes on after what was told of it elsewhere.
    pub(crate) fn go_on(&mut self) {
        let before = self.traffic();
        self.common.go_on(before);
    }

    /// Whether nothing came of it after what was told elsewhere.
    pub(crate) fn is_as_before(&self) -> bool {
        let rare = self.common.rare.as_deref();
        let resumed = rare.and_then(Rare::resumed);
        resumed.is_some_and(|resumed| resumed.before == self.traffic())
    }

    /// Whether more of it may come.
    pub(crate) fn may_go_on(&self) -> bool {
        match &self.kind {
            Kind::Tcp(_) => !self.conn_state().is_over(),
            Kind::Udp(_) | Kind::Icmp(_) => true,
            Kind::Other | Kind::Tunnel => false,
        }
    }

    /// Whether it may be looked into, but nothing came yet to look at.
    pub(crate) const fn may_yet_speak(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_)) && self.common.told.is_untouched()
    }

    /// Whether it can have been kept by anybody at `at`: it is made of bytes that nobody vouches for.
    pub(crate) fn is_sound(&self, at: Timestamp) -> bool {
        let proto = self.common.key().proto();
        let fits = match &self.kind {
            Kind::Tcp(_) => proto == IpProto::TCP,
            Kind::Udp(_) => proto == IpProto::UDP,
            Kind::Icmp(_) => matches!(proto, IpProto::ICMP | IpProto::ICMPV6),
            Kind::Other | Kind::Tunnel => false,
        };
        fits && self.common.is_sound(at)
    }

    /// Whether `packet` begins a new flow between the same ends.
    pub(crate) fn is_reused_by(&self, packet: &Packet) -> bool {
        match (&self.kind, packet.body.get()) {
            (Kind::Tcp(tcp), Body::Tcp(segment)) => tcp.is_reuse(segment.flags, segment.seq),
            (Kind::Tcp(tcp), Body::BadChecksum { flags, seq }) => tcp.is_reuse(flags, seq),
            _ => false,
        }
    }

    /// What is odd about `packet` beginning a new flow between the same ends.
    pub(crate) fn odd_reuse(&self, packet: &Packet) -> Oddities {
        let idle = packet.ts.since(self.common.last);
        match (&self.kind, packet.body.get()) {
            (Kind::Tcp(tcp), Body::Tcp(segment)) => tcp.odd_reuse(segment.flags, idle),
            _ => Oddities::default(),
        }
    }

    /// Takes a packet. Returns what it made known.
    pub(crate) fn take(&mut self, packet: &Packet) -> Milestones {
        let Self { common, kind } = self;
        let from = common.side_of(packet);
        let (side, milestones, payload) = match (kind, packet.body.get()) {
            (Kind::Tcp(tcp), Body::Tcp(segment)) => {
                let (side, milestones) = tcp.segment(common, from, &segment, packet.ts);
                (side, milestones, segment.len)
            }
            (Kind::Udp(udp), Body::Udp(datagram)) => {
                udp.take(common, from, datagram, packet.ts);
                (from, answered(from), datagram.len)
            }
            (Kind::Icmp(bytes), Body::Icmp(message)) => {
                take_message(common, bytes, from, message, packet.ts);
                if !message.whole {
                    return answered(from);
                }
                (from, answered(from), message.len)
            }
            (Kind::Other, Body::Other) | (Kind::Tunnel, Body::Tunnel) => {
                common.last = packet.ts;
                (from, answered(from), 0)
            }
            (Kind::Tcp(_) | Kind::Udp(_), Body::BadChecksum { .. }) => {
                if common.rare().bad_checksums.get_mut(from).count() {
                    common.note(from, b'C');
                }
                return odd(&self.kind, packet);
            }
            _ => return odd(&self.kind, packet),
        };
        common.count(side, packet, payload);
        milestones
    }

    /// Takes a packet that changes no more than what it moved, as [`Self::take`] would, where the
    /// detectors need not hear of it. Returns what it acknowledged; any other has changed nothing.
    #[inline]
    pub(crate) fn take_plain(&mut self, packet: &Packet) -> Option<Acked> {
        let Self { common, kind } = self;
        if common.told.seq == 0 {
            return None;
        }
        let from = common.side_of(packet);
        let (payload, acked) = if let Kind::Tcp(tcp) = kind
            && let Some(segment) = packet.body.tcp()
        {
            let told = common.told.has_all(Told::ANSWERED | Told::COMPLETED);
            if !told {
                return None;
            }
            (segment.len, tcp.take_plain(common, from, &segment)?)
        } else if let Kind::Udp(udp) = kind
            && let Body::Udp(datagram) = packet.body.get()
        {
            let told = from == Side::Orig || common.told.has(Told::ANSWERED);
            if !told || !udp.take_plain(from, datagram) {
                return None;
            }
            (datagram.len, Acked::default())
        } else {
            return None;
        };
        common.last = packet.ts;
        common.count(from, packet, payload);
        Some(acked)
    }

    /// Payload bytes of each end, as conn.log counts them.
    fn bytes(&self) -> PerSide<u64> {
        let counted = |bytes: Option<U48>| bytes.map_or(0, U48::get);
        match &self.kind {
            Kind::Tcp(tcp) => PerSide {
                orig: tcp.size(Side::Orig),
                resp: tcp.size(Side::Resp),
            },
            Kind::Udp(udp) => PerSide {
                orig: counted(udp.bytes.orig),
                resp: counted(udp.bytes.resp),
            },
            Kind::Icmp(bytes) => PerSide {
                orig: bytes.orig.get(),
                resp: bytes.resp.get(),
            },
            Kind::Other | Kind::Tunnel => PerSide::default(),
        }
    }

    /// What each end sent so far.
    pub(crate) fn traffic(&self) -> PerSide<Traffic> {
        let (bytes, counts) = (self.bytes(), self.common.counts);
        let traffic = |bytes, counts: Counts| Traffic {
            packets: counts.packets.get(),
            bytes,
            ip_bytes: counts.ip_bytes.get(),
        };
        PerSide {
            orig: traffic(bytes.orig, counts.orig),
            resp: traffic(bytes.resp, counts.resp),
        }
    }

    /// conn.log's `conn_state`.
    pub(crate) fn conn_state(&self) -> ConnState {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.conn_state(self.common.letters()),
            Kind::Udp(udp) => match (udp.bytes.orig, udp.bytes.resp) {
                (Some(_), Some(_)) => ConnState::Sf,
                (Some(_), None) => ConnState::S0,
                (None, Some(_)) => ConnState::Shr,
                (None, None) => ConnState::Oth,
            },
            Kind::Icmp(_) | Kind::Other | Kind::Tunnel => ConnState::Oth,
        }
    }

    /// Whether the next packet may yet turn it round.
    pub(crate) fn may_turn(&self) -> bool {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.may_turn(self.common.letters()),
            _ => false,
        }
    }

    /// Nothing but an attempt so far: the first to go when the table is full.
    pub(crate) fn is_unanswered(&self) -> bool {
        if let Kind::Tcp(tcp) = &self.kind {
            return tcp.is_unanswered();
        }
        let PerSide { orig, resp } = self.common.counts;
        resp.packets.get() == 0 || orig.packets.get() == 0
    }
}

/// About a packet that adds nothing to its flow.
fn odd(kind: &Kind, packet: &Packet) -> Milestones {
    let odd = match (kind, packet.body.get()) {
        (Kind::Tcp(_), Body::BadChecksum { .. }) => Oddity::BadTcpChecksum.into(),
        (Kind::Udp(_), Body::BadChecksum { .. }) => Oddity::BadUdpChecksum.into(),
        (Kind::Icmp(_), Body::BadChecksum { .. }) => Oddity::BadIcmpChecksum.into(),
        (Kind::Tcp(_), Body::BadHeader { .. }) => Oddity::BadTcpHeader.into(),
        _ => Oddities::default(),
    };
    Milestones {
        odd,
        ..Milestones::default()
    }
}

fn answered(from: Side) -> Milestones {
    Milestones {
        answered: from == Side::Resp,
        ..Milestones::default()
    }
}

impl Udp {
    /// Adds a datagram that is not the first of its end.
    #[inline]
    fn take_plain(&mut self, from: Side, datagram: Datagram) -> bool {
        let noted = *self.noted.get_mut(from);
        match self.bytes.get_mut(from) {
            Some(bytes) if noted => {
                bytes.add(datagram.len.into());
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, common: &mut Common, from: Side, datagram: Datagram, ts: Timestamp) {
        common.last = ts;
        let first = self.bytes == PerSide::default();
        if !std::mem::replace(self.noted.get_mut(from), true) {
            common.note(from, b'D');
        }
        let bytes = self.bytes.get_mut(from).get_or_insert_default();
        bytes.add(datagram.len.into());
        // An answer whose question was not seen (A.4, rule 5).
        let responder = common.key().destination(common.way());
        let answers =
            first && from == Side::Orig && datagram.dns_reply && ports::is_dns(responder.port);
        if answers && !responder.addr.is_multicast() {
            common.flip_names();
            self.noted = PerSide::default();
        }
    }
}

fn take_message(
    common: &mut Common,
    bytes: &mut PerSide<U48>,
    from: Side,
    message: Message,
    ts: Timestamp,
) {
    common.last = ts;
    bytes.get_mut(from).add(message.len.into());
}

/// Whether a flow's first packet looks like an answer (A.4, rules 1 and 2).
fn begins_reversed(packet: &Packet) -> bool {
    let (src, dst) = (
        packet.key.source(packet.way),
        packet.key.destination(packet.way),
    );
    let flags = match packet.body.get() {
        Body::Tcp(segment) => segment.flags,
        Body::BadChecksum { flags, .. } | Body::BadHeader { flags } => flags,
        _ => TcpFlags::default(),
    };
    let reversed = match packet.proto() {
        IpProto::TCP if flags.syn() && !flags.ack() => false,
        IpProto::TCP => {
            ports::is_likely_tcp_server(src.port)
                && (!ports::is_likely_tcp_server(dst.port) || (!flags.syn() && src.port < dst.port))
        }
        IpProto::UDP => {
            ports::is_likely_udp_server(src.port) && !ports::is_likely_udp_server(dst.port)
        }
        _ => false,
    };
    reversed && !dst.addr.is_broadcast()
}
