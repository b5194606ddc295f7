//! The world outside: names, their addresses, and how one contacts them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dice::hash;
use super::tape::Flow;
use super::{Office, RESOLVER};

/// How long an answer of DNS holds.
const TTL: f64 = 300.0;

/// An address outside, of the networks for benchmarks.
pub(crate) fn outside(number: u64) -> IpAddr {
    Ipv4Addr::from_bits(0xc612_0000 | (number % 0x1_ffff) as u32).into()
}

fn outside_v6(number: u64) -> IpAddr {
    Ipv6Addr::new(
        0x2001,
        0xdb8,
        0xff,
        0,
        0,
        0,
        (number >> 16) as u16,
        number as u16,
    )
    .into()
}

/// Where a name leads: one address, or for a content network one of sixteen.
pub(crate) fn address(name: &str, turn: u64) -> IpAddr {
    if name.contains(".cdn") {
        outside(hash(&name[name.len() - 12..]).wrapping_add(turn % 16))
    } else {
        outside(hash(name))
    }
}

impl Office {
    pub(crate) fn port(&mut self) -> u16 {
        49_152 + self.dice.below(16_384) as u16
    }

    /// From a machine to somewhere.
    pub(crate) fn ends(&mut self, octet: u8, to: (IpAddr, u16)) -> ((IpAddr, u16), (IpAddr, u16)) {
        let from = if to.0.is_ipv6() {
            self.v6(octet)
        } else {
            self.v4(octet)
        };
        ((from, self.port()), to)
    }

    pub(crate) fn tcp(&mut self, at: f64, octet: u8, to: (IpAddr, u16)) -> Flow {
        let (from, to) = self.ends(octet, to);
        Flow::tcp(at, from, to)
    }

    pub(crate) fn udp(&mut self, at: f64, octet: u8, to: (IpAddr, u16)) -> Flow {
        let (from, to) = self.ends(octet, to);
        Flow::udp(at, from, to)
    }

    /// A machine asks for a name, unless it knows; and then the resolver, unless it does.
    pub(crate) fn resolve(&mut self, at: f64, octet: u8, name: &str) -> IpAddr {
        let turn = (at / TTL) as u64 ^ u64::from(octet);
        // One in ten sites has version six.
        let six = hash(name).is_multiple_of(10);
        let (answer, qtype) = if six {
            (outside_v6(hash(name) >> 8), 28)
        } else {
            (address(name, turn), 1)
        };
        if !self.is_known(at, octet, name) {
            let flow = self.udp(at - 0.03, octet, (self.v4(RESOLVER), 53));
            self.tape.question(flow, name, qtype, Some(answer));
            if !self.is_known(at, RESOLVER, name) {
                let flow = self.udp(at - 0.025, RESOLVER, (outside(9), 53));
                self.tape.question(flow, name, qtype, Some(answer));
            }
        }
        answer
    }

    fn is_known(&mut self, at: f64, octet: u8, name: &str) -> bool {
        let until = self.asked.entry((octet, hash(name))).or_insert(0.0);
        let known = (at - *until).abs() < TTL;
        if !known {
            *until = at;
        }
        known
    }

    /// A name that says nothing about where it leads: looked up, not contacted.
    pub(crate) fn look_up(&mut self, at: f64, octet: u8, name: &str, qtype: u16) {
        let answer = (qtype == 1).then(|| outside(hash(name)));
        let flow = self.udp(at, octet, (self.v4(RESOLVER), 53));
        self.tape.question(flow, name, qtype, answer);
        let flow = self.udp(at, RESOLVER, (outside(9), 53));
        self.tape.question(flow, name, qtype, answer);
    }

    /// An exchange over TLS with a server by its name.
    pub(crate) fn tls(&mut self, at: f64, octet: u8, name: &str, moves: (f64, u64, u64)) {
        let to = self.resolve(at, octet, name);
        let (lasts, sent, received) = moves;
        if self.dice.happens(0.2) && hash(name).is_multiple_of(3) {
            let flow = self.udp(at, octet, (to, 443)).service("quic");
            self.tape.flow(&flow.moves(lasts, sent, received));
        } else {
            let flow = self.tcp(at, octet, (to, 443)).service("ssl");
            self.tape
                .encrypted(&flow.moves(lasts, sent, received), name);
        }
    }

    /// Something fetched in clear.
    pub(crate) fn http(&mut self, at: f64, octet: u8, name: &str, what: (&str, &str, u64)) {
        let to = self.resolve(at, octet, name);
        let (uri, mime_type, bytes) = what;
        let sent = 150 + self.dice.below(250);
        let lasts = 0.05 + bytes as f64 / 5e6;
        let flow = self.tcp(at, octet, (to, 80)).service("http");
        self.tape
            .fetched(&flow.moves(lasts, sent, bytes), name, uri, mime_type);
    }
}
