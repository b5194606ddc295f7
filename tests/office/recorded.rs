//! Our recorded attacks, moved to another host, another time and another speed.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Office;
use super::dice::mixed;
use super::judge::{Attack, Pace};
use super::tape::{COLUMNS, FLOW};
use crate::support::Recorded;
use crate::support::run::replay;

/// Rows of a capture's logs.
pub(crate) struct Recording {
    name: String,
    /// Rule and subject of what must be found.
    expected: Vec<(String, IpAddr)>,
    /// For each log its rows, in the order of our columns.
    rows: Vec<(&'static str, Vec<Vec<String>>)>,
}

impl Recording {
    /// Of a capture in whose logs everything is to be found that is to be found in it.
    pub(crate) fn of(capture: &Recorded) -> Option<Self> {
        let text = fs::read_to_string(capture.expectations()).unwrap();
        // The answers of FTP are in no log that is read; roles stay with hosts, which are moved.
        let expected: Vec<_> = text.lines().filter_map(expectation).collect();
        let has_roles = !capture.options().is_empty();
        if expected.is_empty() || has_roles || capture.name == "ftp-brute-force" {
            return None;
        }
        let out = tempfile::tempdir().unwrap();
        replay(&[&capture.path], out.path(), &["--no-db", "-q"]).exits(0);
        let rows = COLUMNS.map(|(log, columns)| {
            let text = fs::read_to_string(out.path().join(format!("{log}.log")));
            (log, rows(&text.unwrap_or_default(), columns))
        });
        Some(Self {
            name: capture.name.clone(),
            expected,
            rows: rows.into(),
        })
    }

    /// The factor by which it may be faster: a flood must last for two windows.
    pub(crate) fn fastest(&self) -> f64 {
        let floods = self
            .expected
            .iter()
            .any(|(rule, _)| rule.starts_with("DDOS"));
        if floods { 1.0 } else { 0.5 }
    }

    /// Writes it into an office; `slower` by this factor.
    pub(crate) fn happen(
        &self,
        office: &mut Office,
        at: f64,
        slower: f64,
        who: &mut Vec<u8>,
    ) -> Vec<Attack> {
        let mut swaps = BTreeMap::new();
        for (_, subject) in &self.expected {
            if let Some(octet) = octet(*subject)
                && !swaps.contains_key(&octet)
            {
                let other = who.pop().unwrap();
                swaps.insert(octet, other);
                swaps.insert(other, octet);
            }
        }
        let moved = |office: &Office, text: &str| moved(&swaps, office, text);
        let begin = self
            .rows
            .iter()
            .flat_map(|(_, rows)| rows)
            .map(|row| number(&row[0]));
        let begin = begin.fold(f64::INFINITY, f64::min);
        let salt = office.tape.flows();
        let mut attacks = self.attacks(slower, |subject| moved(office, &subject.to_string()));
        for (log, rows) in &self.rows {
            for row in rows {
                let mut row = row.clone();
                let time = at + (number(&row[0]) - begin) * slower;
                row[0] = format!("{time:.6}");
                row[1] = uid(&row[1], salt);
                row[2] = moved(office, &row[2]);
                row[4] = moved(office, &row[4]);
                if *log == "conn" {
                    if row[8] != "-" {
                        row[8] = format!("{:.6}", number(&row[8]) * slower);
                    }
                    for attack in &mut attacks {
                        let who = attack.who.to_string();
                        let target = attack.rules[0].starts_with("DDOS");
                        if row[if target { 4 } else { 2 }] == who {
                            attack.first = attack.first.min(time);
                            attack.last = attack.last.max(time);
                        }
                    }
                }
                office.tape.row(log, &row.join("\t"));
            }
        }
        attacks
    }

    /// What is expected, by who does it; when is not known yet.
    fn attacks(&self, slower: f64, moved: impl Fn(IpAddr) -> String) -> Vec<Attack> {
        let mut attacks: Vec<Attack> = Vec::new();
        for (rule, subject) in &self.expected {
            let who = moved(*subject).parse().unwrap();
            let known = attacks.iter_mut().find(|attack| attack.who == who);
            match known {
                Some(attack) => attack.rules.push(rule.clone()),
                None => attacks.push(Attack {
                    name: self.name.clone(),
                    rules: vec![rule.clone()],
                    who,
                    peer: None,
                    pace: Pace::Plain,
                    first: f64::INFINITY,
                    last: 0.0,
                    period: period(&self.name).map(|period| period * slower),
                }),
            }
        }
        attacks
    }
}

/// An address as another host's, if its host stands for another.
fn moved(swaps: &BTreeMap<u8, u8>, office: &Office, text: &str) -> String {
    let Some((addr, octet)) = text
        .parse::<IpAddr>()
        .ok()
        .and_then(|addr| Some((addr, octet(addr)?)))
    else {
        return text.to_owned();
    };
    let octet = swaps.get(&octet).copied().unwrap_or(octet);
    let addr = if addr.is_ipv6() {
        office.v6(octet)
    } else {
        office.v4(octet)
    };
    addr.to_string()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

fn expectation(line: &str) -> Option<(String, IpAddr)> {
    let mut words = line.split(' ');
    let rule = words.next().filter(|word| word.contains("-0"))?;
    let (_, subject) = words.next()?.split_once('=')?;
    Some((rule.to_owned(), subject.parse().ok()?))
}

/// Beacons' periods, as their stories tell them.
fn period(name: &str) -> Option<f64> {
    match name {
        "c2-beacon-http" | "c2-beacon-https" => Some(20.0),
        "c2-beacon-ipv6" => Some(15.0),
        _ => None,
    }
}

/// Which host of the recorded network it is.
fn octet(addr: IpAddr) -> Option<u8> {
    match addr {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            (Ipv4Addr::new(a, b, c, 0) == Ipv4Addr::new(10, 1, 0, 0)).then_some(d)
        }
        IpAddr::V6(v6) => {
            let net = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0).to_bits();
            (v6.to_bits() & !0xff == net).then(|| v6.octets()[15])
        }
    }
}

/// Another one for each time it happens.
fn uid(text: &str, salt: u64) -> String {
    format!("C{:020}", mixed(super::dice::hash(text) ^ salt))
}

/// The rows of a log, of these columns.
fn rows(log: &str, columns: &str) -> Vec<Vec<String>> {
    let fields = log.lines().find_map(|line| line.strip_prefix("#fields\t"));
    let fields: Vec<&str> = fields.unwrap_or_default().split('\t').collect();
    let wanted = FLOW.split('\t').chain(columns.split('\t'));
    let places: Vec<Option<usize>> = wanted
        .map(|name| fields.iter().position(|field| *field == name))
        .collect();
    log.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let values: Vec<&str> = line.split('\t').collect();
            let value = |place: &Option<usize>| place.map_or("-", |place| values[place]).to_owned();
            places.iter().map(value).collect()
        })
        .collect()
}
