//! A household: few hosts, so that nothing can be told from how many contact a place, and nobody who
//! logs names. Three people who browse, somebody who shares files with strangers and plays, and things
//! that call their makers.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::dice::Dice;
use super::names::outside;
use super::tape::{Flow, Tape};
use super::{HOUR, Office};

pub(crate) const HOSTS: u64 = 8;

/// Where a maker is told by datagrams that a thing is there.
const HELLO: u16 = 10_101;

pub(crate) struct Household {
    dice: Dice,
    tape: Tape,
}

/// Writes so many days.
pub(crate) fn live(seed: u64, days: u16, dir: &Path) {
    let mut house = Household {
        dice: Dice::new(seed ^ 0x4855),
        tape: Tape::new(dir),
    };
    for day in 0..days {
        let begin = Office::begin(day);
        let evening = (begin + 18.0 * HOUR, begin + 23.0 * HOUR);
        for person in 30..33 {
            house.browse(person, (begin + 8.0 * HOUR, evening.1));
        }
        house.share(10, evening);
        house.play(11, evening);
        house.call_maker(20, begin, (300.0, 0.001), (80, 132, 411));
        house.call_maker(20, begin, (3_601.0, 0.001), (443, 20_000, 18_000));
        house.call_maker(21, begin, (61.0, 0.002), (HELLO, 68, 68));
        house.call_maker(21, begin, (1_800.0, 0.001), (8_883, 900, 3_500));
        house.send_films(22, begin);
    }
    house.tape.close();
}

impl Household {
    fn from(&mut self, host: u8) -> (IpAddr, u16) {
        let port = 32_768 + self.dice.below(28_000) as u16;
        (Ipv4Addr::new(192, 168, 1, host).into(), port)
    }

    fn tcp(&mut self, at: f64, host: u8, to: (u64, u16)) -> Flow {
        Flow::tcp(at, self.from(host), (outside(to.0), to.1))
    }

    /// Pages whose parts come from a few of three hundred places.
    fn browse(&mut self, host: u8, (from, to): (f64, f64)) {
        let mut at = from;
        while at < to {
            at += self.dice.wait(120.0);
            for _ in 0..3 + self.dice.below(22) {
                let place = u64::from(host) * 1_000 + self.dice.popular(300);
                let later = self.dice.between(0.0, 3.0);
                let flow = self.tcp(at + later, host, (place, 443)).service("ssl");
                let (lasts, sent) = (self.dice.wait(20.0) + 0.1, self.dice.amount(400.0, 6_000.0));
                let received = self.dice.amount(1_000.0, 300_000.0);
                self.tape.flow(&flow.moves(lasts, sent, received));
            }
        }
    }

    /// Peers that come and go, at ports of their own; half of them are not there.
    fn share(&mut self, host: u8, (from, to): (f64, f64)) {
        let mut at = from;
        while at < to {
            at += self.dice.wait(1.0);
            let peer = 100_000 + self.dice.below(9_000);
            let port = 1_025 + (peer * 7_919 % 64_000) as u16;
            let mut flow = self.tcp(at, host, (peer, port));
            if self.dice.happens(0.8) {
                flow.proto = "udp";
                flow.from.1 = 51_413;
            }
            let flow = match self.dice.below(10) {
                0..5 => flow.moves(0.0, 110, 0).unanswered(),
                5 => flow.refused(),
                6..9 => flow.moves(0.2, 110, 300),
                _ => {
                    let (sent, received) = (self.dice.amount(1e4, 5e6), self.dice.amount(1e4, 2e7));
                    flow.moves(self.dice.wait(250.0), sent, received)
                }
            };
            self.tape.flow(&flow);
        }
    }

    /// Rounds of a game, and before each all servers are asked how far they are.
    fn play(&mut self, host: u8, (from, to): (f64, f64)) {
        let mut at = from;
        while at < to {
            for _ in 0..15 + self.dice.below(45) {
                let server = (20_000 + self.dice.below(2_000), 27_000);
                let asked = at + self.dice.between(0.0, 2.0);
                let flow = self.tcp(asked, host, server);
                let flow = Flow {
                    proto: "udp",
                    ..flow
                };
                self.tape.flow(&flow.moves(0.08, 25, 120));
            }
            let lasts = self.dice.between(600.0, 2_400.0);
            let server = (20_000 + self.dice.below(2_000), 27_015);
            let flow = self.tcp(at + 30.0, host, server);
            let flow = Flow {
                proto: "udp",
                ..flow
            };
            let (sent, received) = ((lasts * 9e3) as u64, (lasts * 3e4) as u64);
            self.tape.flow(&flow.moves(lasts, sent, received));
            at += lasts + self.dice.between(60.0, 400.0);
        }
    }

    /// Something that calls its maker all day, every so many seconds with so much jitter.
    fn call_maker(
        &mut self,
        host: u8,
        begin: f64,
        (every, jitter): (f64, f64),
        (port, sent, received): (u16, u64, u64),
    ) {
        let mut at = begin;
        while at < begin + 24.0 * HOUR {
            let flow = self.tcp(at, host, (30_000 + u64::from(port), port));
            let proto = if port == HELLO { "udp" } else { "tcp" };
            let flow = Flow { proto, ..flow };
            self.tape.flow(&flow.moves(0.3, sent, received));
            at += self.dice.about(every, jitter);
        }
    }

    /// A door's camera, whenever somebody passes.
    fn send_films(&mut self, host: u8, begin: f64) {
        let mut at = begin;
        while at < begin + 24.0 * HOUR {
            at += self.dice.wait(2_400.0);
            let flow = self.tcp(at, host, (40_000, 443));
            let sent = self.dice.amount(1e6, 2e7);
            self.tape.flow(&flow.moves(20.0, sent, 9_000));
        }
    }
}
