//! One flow: what every protocol's flow has in common, and what only its own has.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::net::IpAddr;

use crate::history::{History, Scaled};
use crate::key::{FlowKey, Way};
use crate::packet::{Body, Datagram, Message, Packet, TcpFlags, TunnelKind};
use crate::tcp::{Milestones, Tcp};
use crate::timers::{DNS_INTERVAL, SYN_TIMEOUT, TUNNEL_TIMEOUT, Timers};
use crate::{ConnState, IpProto, Timestamp, Traffic, Uid, ports};

/// Which end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who opened it.
    Orig,
    /// Who was asked.
    Resp,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Orig => Self::Resp,
            Self::Resp => Self::Orig,
        }
    }
}

/// One value for each end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PerSide<T> {
    /// The originator's.
    pub orig: T,
    /// The responder's.
    pub resp: T,
}

impl<T> PerSide<T> {
    /// The value of `side`, to change.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Orig => &mut self.orig,
            Side::Resp => &mut self.resp,
        }
    }

    const fn swap(&mut self) {
        std::mem::swap(&mut self.orig, &mut self.resp);
    }
}

/// What every flow has.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub key: FlowKey,
    pub hash: u64,
    /// Which way the originator sends.
    pub way: Way,
    pub uid: Uid,
    /// Timestamp of the first packet.
    pub start: Timestamp,
    /// Timestamp of the last packet that counts for the duration.
    pub last: Timestamp,
    pub counts: PerSide<Counts>,
    pub history: History,
    pub missed_bytes: u64,
    pub timers: Timers,
    pub reported: Reported,
    /// What kind of tunnel it is, once a packet inside it was seen.
    pub carries: Option<TunnelKind>,
    /// Tunnels it was seen in, in this order.
    pub parents: Parents,
}

/// Keys of tunnels; nearly always none.
pub(crate) type Parents = Option<Box<Vec<FlowKey>>>;

/// More tunnels around one flow are not remembered.
const MAX_PARENTS: usize = 8;

/// Packets of one end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub packets: u64,
    pub ip_bytes: u64,
}

/// What the detectors were told already.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Reported {
    pub traffic: PerSide<Traffic>,
    pub since: Timestamp,
    /// Number of the next event; 0 while the flow has not been opened for them.
    pub seq: u32,
    pub answered: bool,
    pub completed: bool,
    pub refused: bool,
    /// The originator sent payload, and the responder has not answered it yet.
    pub asked: bool,
    /// Requests answered since the last event.
    pub turns: u32,
}

impl Common {
    /// Notes a tunnel the flow was seen in.
    pub(crate) fn note_parent(&mut self, parent: FlowKey) {
        let parents = self.parents.get_or_insert_default();
        if parents.len() < MAX_PARENTS && !parents.contains(&parent) {
            parents.push(parent);
        }
    }

    /// Turns the flow round.
    pub(crate) fn flip(&mut self) {
        self.flip_names();
        self.counts.swap();
        self.reported.traffic.swap();
    }

    /// Turns only the names round: what was counted stays with the side it was counted for.
    fn flip_names(&mut self) {
        self.way = reverse(self.way);
        self.history.push(b'^');
    }

    /// The originator's and the responder's port.
    pub(crate) const fn ports(&self) -> (u16, u16) {
        (
            self.key.source(self.way).port,
            self.key.destination(self.way).port,
        )
    }

    /// The side a packet is from. Where both ends are the same, everything is the originator's.
    pub(crate) fn side_of(&self, packet: &Packet) -> Side {
        let same = packet.key.source(packet.way) == self.key.source(self.way);
        if same { Side::Orig } else { Side::Resp }
    }
}

const fn reverse(way: Way) -> Way {
    match way {
        Way::Up => Way::Down,
        Way::Down => Way::Up,
    }
}

/// A flow of some protocol.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub common: Common,
    pub kind: Kind,
}

/// What only flows of one protocol have.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Tcp(Tcp),
    Udp(Udp),
    Icmp(PerSide<u64>),
    Other,
    /// A tunnel that its two addresses name; no row of conn.log.
    Tunnel,
}

/// A UDP flow's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Udp {
    /// Payload bytes, `None` while nothing was seen from that end. A flip leaves them where they
    /// are, as Zeek does.
    bytes: PerSide<Option<u64>>,
    noted: PerSide<bool>,
    bad_checksums: PerSide<Scaled>,
}

impl Flow {
    /// A flow that begins with `packet` at packet time `now`. `seed` and `nth` go into the uid:
    /// `nth` tells flows apart that begin at the same time between the same ends.
    pub(crate) fn open(packet: &Packet, now: Timestamp, seed: u64, nth: u64) -> Self {
        let kind = match packet.proto() {
            _ if packet.body == Body::Tunnel => Kind::Tunnel,
            IpProto::TCP => Kind::Tcp(Tcp::new()),
            IpProto::UDP => Kind::Udp(Udp::default()),
            IpProto::ICMP | IpProto::ICMPV6 => Kind::Icmp(PerSide::default()),
            _ => Kind::Other,
        };
        let mut common = Common {
            key: packet.key,
            hash: packet.hash,
            way: packet.way,
            uid: uid(packet, now, seed, nth),
            start: packet.ts,
            last: packet.ts,
            counts: PerSide::default(),
            history: History::default(),
            missed_bytes: 0,
            timers: Timers::new(packet.ts),
            reported: Reported {
                since: now,
                ..Reported::default()
            },
            carries: None,
            parents: None,
        };
        if packet.body == Body::Tunnel {
            common.timers.set_timeout(TUNNEL_TIMEOUT, packet.ts);
        }
        if begins_reversed(packet) {
            common.flip_names();
        }
        if packet.proto() == IpProto::TCP {
            common.timers.add_expire(now + SYN_TIMEOUT);
        } else if packet.proto() == IpProto::UDP && ports::is_dns(common.ports().1) {
            common.timers.dns = now + DNS_INTERVAL;
        }
        Self { common, kind }
    }

    /// Whether `packet` begins a new flow between the same ends.
    pub(crate) fn is_reused_by(&self, packet: &Packet) -> bool {
        match (&self.kind, packet.body) {
            (Kind::Tcp(tcp), Body::Tcp(segment)) => tcp.is_reuse(segment.flags, segment.seq),
            (Kind::Tcp(tcp), Body::BadChecksum { flags, seq }) => tcp.is_reuse(flags, seq),
            _ => false,
        }
    }

    /// Takes a packet. Returns what it made known.
    pub(crate) fn take(&mut self, packet: &Packet) -> Milestones {
        let Self { common, kind } = self;
        let from = common.side_of(packet);
        let (side, milestones, payload) = match (kind, packet.body) {
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
            (kind, Body::BadChecksum { .. }) => {
                bad_checksum(common, kind, from);
                return Milestones::default();
            }
            _ => return Milestones::default(),
        };
        common.count(side, packet, payload);
        milestones
    }

    /// Payload bytes of each end, as conn.log counts them.
    pub(crate) fn bytes(&self) -> PerSide<u64> {
        match &self.kind {
            Kind::Tcp(tcp) => PerSide {
                orig: tcp.size(Side::Orig),
                resp: tcp.size(Side::Resp),
            },
            Kind::Udp(udp) => PerSide {
                orig: udp.bytes.orig.unwrap_or(0),
                resp: udp.bytes.resp.unwrap_or(0),
            },
            Kind::Icmp(bytes) => *bytes,
            Kind::Other | Kind::Tunnel => PerSide::default(),
        }
    }

    /// conn.log's `conn_state`.
    pub(crate) fn conn_state(&self) -> ConnState {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.conn_state(self.common.history.letters()),
            Kind::Udp(udp) => match (udp.bytes.orig, udp.bytes.resp) {
                (Some(_), Some(_)) => ConnState::Sf,
                (Some(_), None) => ConnState::S0,
                (None, Some(_)) => ConnState::Shr,
                (None, None) => ConnState::Oth,
            },
            Kind::Icmp(_) | Kind::Other | Kind::Tunnel => ConnState::Oth,
        }
    }

    /// Nothing but an attempt so far: the first to go when the table is full.
    pub(crate) fn is_unanswered(&self) -> bool {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.is_unanswered(),
            _ => self.common.counts.resp.packets == 0 || self.common.counts.orig.packets == 0,
        }
    }
}

impl Common {
    fn count(&mut self, side: Side, packet: &Packet, payload: u32) {
        let counts = self.counts.get_mut(side);
        counts.packets += 1;
        counts.ip_bytes += u64::from(packet.ip_len);
        if payload > 0 {
            let reported = &mut self.reported;
            if side == Side::Resp && reported.asked {
                reported.turns += 1;
            }
            reported.asked = side == Side::Orig;
        }
    }
}

fn answered(from: Side) -> Milestones {
    Milestones {
        answered: from == Side::Resp,
        ..Milestones::default()
    }
}

impl Udp {
    fn take(&mut self, common: &mut Common, from: Side, datagram: Datagram, ts: Timestamp) {
        common.last = ts;
        let first = self.bytes == PerSide::default();
        if !std::mem::replace(self.noted.get_mut(from), true) {
            common.history.add(from, b'D');
        }
        let bytes = self.bytes.get_mut(from);
        *bytes = Some(bytes.unwrap_or(0).saturating_add(u64::from(datagram.len)));
        // An answer whose question was not seen (A.4, rule 5).
        let responder = common.key.destination(common.way);
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
    bytes: &mut PerSide<u64>,
    from: Side,
    message: Message,
    ts: Timestamp,
) {
    common.last = ts;
    let bytes = bytes.get_mut(from);
    *bytes = bytes.saturating_add(u64::from(message.len));
}

fn bad_checksum(common: &mut Common, kind: &mut Kind, from: Side) {
    match kind {
        Kind::Tcp(tcp) => tcp.bad_checksum(common, from),
        Kind::Udp(udp) => {
            if udp.bad_checksums.get_mut(from).count() {
                common.history.add(from, b'C');
            }
        }
        Kind::Icmp(_) | Kind::Other | Kind::Tunnel => {}
    }
}

/// Whether a flow's first packet looks like an answer (A.4, rules 1 and 2).
fn begins_reversed(packet: &Packet) -> bool {
    let (src, dst) = (
        packet.key.source(packet.way),
        packet.key.destination(packet.way),
    );
    let flags = match packet.body {
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

/// Names a flow after its ends, its first packet and a seed: the same on every run.
fn uid(packet: &Packet, now: Timestamp, seed: u64, nth: u64) -> Uid {
    let mut hasher = SipHasher13::new_with_keys(seed, 0x666c_6f77_6861_776b);
    for end in [
        packet.key.source(packet.way),
        packet.key.destination(packet.way),
    ] {
        let addr: IpAddr = end.addr.into();
        match addr {
            IpAddr::V4(addr) => hasher.write(&addr.octets()),
            IpAddr::V6(addr) => hasher.write(&addr.octets()),
        }
        hasher.write_u16(end.port);
    }
    hasher.write_u8(packet.proto().0);
    hasher.write_i64(packet.ts.as_nanos());
    hasher.write_i64(now.as_nanos());
    hasher.write_u64(nth);
    Uid::from_bits(hasher.finish128().as_u128())
}
