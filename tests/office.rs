//! Days of an office that is made up: who works there, what its machines do by themselves, and what
//! is done to it. All of it is written as logs, and one seed gives the same logs.

pub(crate) mod attacks;
pub(crate) mod devices;
pub(crate) mod dice;
pub(crate) mod household;
pub(crate) mod judge;
pub(crate) mod names;
pub(crate) mod people;
pub(crate) mod recorded;
pub(crate) mod servers;
pub(crate) mod tape;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use dice::Dice;
use tape::Tape;

pub(crate) const MINUTE: f64 = 60.0;
pub(crate) const HOUR: f64 = 3_600.0;
pub(crate) const DAY: f64 = 86_400.0;
/// A Monday, 00:00 UTC.
const MONDAY: f64 = 1_767_571_200.0;

/// How big, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Workstations; every other machine comes with them.
    pub(crate) people: u8,
    pub(crate) days: u16,
}

/// Roles of addresses: `10.NET.0.OCTET`, and `fd00:NET::OCTET`.
pub(crate) const RESOLVER: u8 = 2;
pub(crate) const DIRECTORY: u8 = 3;
pub(crate) const SECOND_DIRECTORY: u8 = 4;
pub(crate) const MAIL: u8 = 5;
pub(crate) const BACKUP: u8 = 6;
pub(crate) const MONITOR: u8 = 7;
pub(crate) const WEB: u8 = 8;
pub(crate) const FILES: u8 = 9;
/// Servers of all kinds, those above and some that are only used.
pub(crate) const SERVERS: std::ops::RangeInclusive<u8> = 2..=16;
pub(crate) const FIRST_PERSON: u8 = 100;
pub(crate) const PRINTERS: std::ops::RangeInclusive<u8> = 220..=224;
pub(crate) const PHONES: std::ops::RangeInclusive<u8> = 226..=237;
pub(crate) const CAMERA: u8 = 240;
pub(crate) const STORAGE: u8 = 241;
pub(crate) const SCREEN: u8 = 242;

pub(crate) struct Office {
    pub(crate) plan: Plan,
    pub(crate) dice: Dice,
    pub(crate) tape: Tape,
    /// Which machine asked for which name, and until when it knows.
    asked: std::collections::HashMap<(u8, u64), f64>,
}

impl Office {
    /// Writes all that is ordinary.
    pub(crate) fn open(plan: Plan, dir: &Path) -> Self {
        let mut office = Self {
            plan,
            dice: Dice::new(plan.seed),
            tape: Tape::new(dir),
            asked: std::collections::HashMap::new(),
        };
        for day in 0..plan.days {
            for number in 0..plan.people {
                people::day(&mut office, FIRST_PERSON + number, day);
            }
            servers::day(&mut office, day);
            devices::day(&mut office, day);
        }
        office
    }

    pub(crate) fn begin(day: u16) -> f64 {
        MONDAY + f64::from(day) * DAY
    }

    pub(crate) fn end(&self) -> f64 {
        Self::begin(self.plan.days)
    }

    pub(crate) fn is_working_day(day: u16) -> bool {
        day % 7 < 5
    }

    fn net(&self) -> u8 {
        10 + (self.plan.seed % 200) as u8
    }

    pub(crate) fn v4(&self, octet: u8) -> IpAddr {
        Ipv4Addr::new(10, self.net(), 0, octet).into()
    }

    pub(crate) fn v6(&self, octet: u8) -> IpAddr {
        Ipv6Addr::new(0xfd00, self.net().into(), 0, 0, 0, 0, 0, octet.into()).into()
    }

    /// Everything that lives here.
    pub(crate) fn hosts(&self) -> u64 {
        let machines = SERVERS.count() + PRINTERS.count() + PHONES.count() + 3;
        machines as u64 + u64::from(self.plan.people)
    }

    pub(crate) fn person(&mut self) -> u8 {
        FIRST_PERSON + self.dice.below(self.plan.people.into()) as u8
    }
}
