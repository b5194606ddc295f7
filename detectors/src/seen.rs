//! A flow event as detectors see it: addresses made canonical, placed inside or outside, hashed once.

use std::net::IpAddr;
use std::sync::Arc;

use flow_table::{FlowEvent, FlowEventKind, IpProto, Timestamp};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Config;
use crate::channels::Channels;
use crate::destinations::{Destinations, Known};
use crate::hash::{KeyedHash, join};
use crate::networks::Networks;
use crate::outside::Answers;
use crate::roles::{self, HasRoles};
use crate::state::state;
use crate::threats::{ListId, Threats};

/// Where an address belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Side {
    Inside,
    Outside,
    /// Multicast, broadcast, unspecified, loopback: no host of ours and none of the world's.
    Neither,
}

/// One end of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) addr: IpAddr,
    pub(crate) key: u64,
    pub(crate) side: Side,
    pub(crate) roles: HasRoles,
    /// The threat list that names it.
    pub(crate) listed: Option<ListId>,
}

impl Party {
    pub(crate) fn inside(&self) -> bool {
        self.side == Side::Inside
    }
}

/// One event with what every detector asks about it.
pub(crate) struct Seen<'a> {
    pub(crate) event: &'a FlowEvent,
    pub(crate) src: Party,
    pub(crate) dst: Party,
    /// Names the ordered pair of addresses.
    pub(crate) pair: u64,
    /// Whether this is the opening of a connection: a flow's first packet, for TCP a SYN. Flows
    /// picked up midstream were opened before; counting them would make every start look like a burst.
    pub(crate) connects: bool,
    /// What is known of the destination, if a host inside connects to one outside, or sent it much.
    pub(crate) known: Option<Known>,
}

impl Seen<'_> {
    /// The destination port.
    pub(crate) fn port(&self) -> u16 {
        self.event.id.resp.port
    }

    /// The end of the stretch over which the event's traffic moved: a flow that ends by timeout is
    /// reported long after its last packet.
    pub(crate) fn moved_until(&self) -> Timestamp {
        match self.event.kind {
            FlowEventKind::Closed { last, .. } => {
                last.clamp(self.event.since, self.event.time.max(self.event.since))
            }
            _ => self.event.time,
        }
    }

    /// Whether the flow is TCP or UDP: only these have ports.
    pub(crate) fn has_ports(&self) -> bool {
        matches!(self.event.id.proto, IpProto::TCP | IpProto::UDP)
    }

    /// Names the ordered pair with the destination port; 443 is one service over TCP and UDP.
    pub(crate) fn service_key(&self) -> u64 {
        join(self.pair, u64::from(self.port()))
    }
}

/// Decides between inside and outside, hashes, and remembers whom hosts inside contact outside.
#[derive(Debug)]
pub(crate) struct Observer {
    v4: Vec<Masked<u32>>,
    v6: Vec<Masked<u128>>,
    pub(crate) hash: KeyedHash,
    pub(crate) destinations: Destinations,
    pub(crate) channels: Channels,
    pub(crate) answers: Answers,
    pub(crate) threats: Arc<Threats>,
    /// Who is there for what.
    pub(crate) roles: Networks<HasRoles>,
    /// Addresses seen lately, each where [`place`] says: the next event is mostly of one of them.
    lately: Vec<Party>,
}

state!(Observer { destinations, channels, answers } of { v4, v6, hash, threats, roles, lately });

/// Bytes that are much for one event.
const MUCH: u64 = 50_000;

/// Hosts that contact one destination of which more make no difference.
pub(crate) const MANY: usize = 32;

/// How many addresses are known at once.
const LATELY: usize = 4_096;

/// Where an address is known. Whoever makes many share a place gains the work of finding each
/// anew, which is what there would be without.
#[expect(clippy::cast_possible_truncation, reason = "the best bits are wanted")]
fn place(addr: IpAddr) -> usize {
    let bits = match addr {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let mixed = ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % LATELY
}

/// The addresses whose bits under a mask are these.
#[derive(Clone, Copy, Debug)]
struct Masked<T> {
    bits: T,
    mask: T,
}

impl Observer {
    pub(crate) fn new(config: &Config, hash: KeyedHash, threats: Arc<Threats>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in &config.internal_networks {
            match network {
                IpNet::V4(network) => v4.push(*network),
                IpNet::V6(network) => v6.push(*network),
            }
        }
        let v4 = Ipv4Net::aggregate(&v4).into_iter().map(|network| Masked {
            bits: network.network().to_bits(),
            mask: network.netmask().to_bits(),
        });
        let v6 = Ipv6Net::aggregate(&v6).into_iter().map(|network| Masked {
            bits: network.network().to_bits(),
            mask: network.netmask().to_bits(),
        });
        let mut this = Self {
            v4: v4.collect(),
            v6: v6.collect(),
            threats,
            roles: roles::networks(&config.roles, &hash),
            hash,
            // One host more than would make a destination rare, and as many as make it common.
            destinations: Destinations::new(
                &config.destinations,
                MANY.max(config.rare_external_source.few_hosts.size() + 1),
            ),
            channels: Channels::new(config.destinations.max_memory.size() / 16),
            answers: Answers::new(&config.answers),
            lately: Vec::new(),
        };
        this.forget_lately();
        this
    }

    /// Who is listed, is by these from now on.
    pub(crate) fn replace_threats(&mut self, threats: &Arc<Threats>) {
        self.threats = Arc::clone(threats);
        self.forget_lately();
    }

    fn forget_lately(&mut self) {
        self.lately = vec![self.meet(IpAddr::from([0, 0, 0, 0])); LATELY];
    }

    pub(crate) fn see<'a>(&mut self, event: &'a FlowEvent) -> Seen<'a> {
        let src = self.party(event.id.orig.addr);
        let dst = self.party(event.id.resp.addr);
        Seen {
            event,
            src,
            dst,
            pair: join(src.key, dst.key),
            connects: connects(event),
            known: None,
        }
    }

    /// An event has its turn soon: fetches what is asked for then.
    pub(crate) fn fetch(&self, seen: &Seen<'_>) {
        if seen.connects && seen.src.inside() && seen.dst.side == Side::Outside {
            self.destinations.prefetch(seen.src, seen.dst);
        }
    }

    /// An event has its turn: if a host inside connects to one outside, that is remembered; if it
    /// sent much, it is looked up.
    pub(crate) fn note_contact(&mut self, seen: &mut Seen<'_>) {
        let Seen { src, dst, .. } = *seen;
        let much = seen.event.orig.bytes >= MUCH;
        if !(seen.connects || much) || !seen.has_ports() {
            return;
        }
        if src.inside() && dst.side == Side::Outside {
            seen.known = if seen.connects {
                Some(self.destinations.contact(src, dst, seen.event.time))
            } else {
                self.destinations.known(src, dst)
            };
        }
    }

    pub(crate) fn party(&mut self, addr: IpAddr) -> Party {
        let addr = addr.to_canonical();
        let at = place(addr);
        let known = self.lately.get(at).filter(|known| known.addr == addr);
        if let Some(known) = known {
            return *known;
        }
        let met = self.meet(addr);
        if let Some(known) = self.lately.get_mut(at) {
            *known = met;
        }
        met
    }

    fn meet(&self, addr: IpAddr) -> Party {
        Party {
            addr,
            key: self.hash.addr(addr),
            side: self.side(addr),
            roles: self.roles.of(addr).fold(HasRoles::NONE, HasRoles::and),
            listed: self.threats.of(addr),
        }
    }

    fn side(&self, addr: IpAddr) -> Side {
        let inside = match addr {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                self.v4.iter().any(|net| bits & net.mask == net.bits)
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                self.v6.iter().any(|net| bits & net.mask == net.bits)
            }
        };
        let broadcast = matches!(addr, IpAddr::V4(v4) if v4.is_broadcast());
        if addr.is_multicast() || addr.is_unspecified() || addr.is_loopback() || broadcast {
            Side::Neither
        } else if inside {
            Side::Inside
        } else {
            Side::Outside
        }
    }
}

/// Whether an event opens a connection; see [`Seen::connects`].
pub(crate) fn connects(event: &FlowEvent) -> bool {
    match event.kind {
        FlowEventKind::Opened { syn } => syn || event.id.proto != IpProto::TCP,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        let config = Config::default();
        let (hash, lists) = (KeyedHash::new(1), crate::ThreatLists::default());
        let threats = Arc::new(Threats::new(&lists, &hash));
        let observer = Observer::new(&config, hash, threats);
        let cases = [
            ("10.1.2.3", Side::Inside),
            ("172.16.0.1", Side::Inside),
            ("172.31.255.254", Side::Inside),
            ("172.32.0.1", Side::Outside),
            ("::ffff:192.168.1.1", Side::Inside),
            ("::ffff:8.8.8.8", Side::Outside),
            ("fd00::1", Side::Inside),
            ("fe80::1", Side::Inside),
            ("2001:db8::1", Side::Outside),
            ("224.0.0.251", Side::Neither),
            ("255.255.255.255", Side::Neither),
            ("0.0.0.0", Side::Neither),
            ("127.0.0.1", Side::Neither),
            ("ff02::fb", Side::Neither),
            ("::", Side::Neither),
        ];
        for (addr, side) in cases {
            let addr: IpAddr = addr.parse().unwrap();
            assert_eq!(observer.side(addr.to_canonical()), side, "{addr}");
        }
    }
}
