//! What was found, held against what was done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value;

/// Something that was done, and what tells that it was found.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) name: String,
    /// Rules of which one is enough.
    pub(crate) rules: Vec<String>,
    /// The attacker, or else the target.
    pub(crate) who: IpAddr,
    /// Whom it must be found with, too.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) pace: Pace,
    /// When its first packet was sent, and its last.
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// Of a beacon, the time from one call to the next.
    pub(crate) period: Option<f64>,
}

/// Which bar holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Pace {
    Plain,
    Slow,
    /// None: nothing looks for it yet.
    Blind,
}

/// A detection, as it was made.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: String,
    pub(crate) subjects: Vec<IpAddr>,
    pub(crate) at: f64,
    pub(crate) summary: String,
}

/// Detections may come this long after the last packet.
const AFTER: f64 = 3_600.0;
/// What is found of an attacker this long after is still due to the attack.
const TRACES: f64 = 90_000.0;

pub(crate) fn found(findings: &str) -> Vec<Found> {
    let rows = findings
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["type"] == "detection" && row["event"] == "made")
        .map(|row| Found {
            rule: row["rule_id"].as_str().unwrap().to_owned(),
            subjects: ["src_ip", "dst_ip"]
                .iter()
                .filter_map(|key| row[key].as_str()?.parse().ok())
                .collect(),
            at: row["last_ts"].as_f64().unwrap(),
            summary: row["summary"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// Attacks of one kind.
#[derive(Clone, Default, Debug)]
pub(crate) struct Kind {
    pub(crate) tried: u64,
    /// Seconds, or periods of beacons, until each that was found.
    pub(crate) delays: Vec<f64>,
    pub(crate) in_periods: bool,
}

impl Kind {
    pub(crate) fn recall(&self) -> f64 {
        self.delays.len() as f64 / self.tried as f64
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays.get(delays.len() / 2).copied()
    }
}

#[derive(Default)]
pub(crate) struct Score {
    pub(crate) host_days: u64,
    pub(crate) kinds: BTreeMap<(Pace, String), Kind>,
    pub(crate) wrong: Vec<Found>,
}

impl Score {
    pub(crate) fn add(&mut self, host_days: u64, attacks: &[Attack], found: Vec<Found>) {
        self.host_days += host_days;
        for attack in attacks {
            let kind = self
                .kinds
                .entry((attack.pace, attack.name.clone()))
                .or_default();
            kind.tried += 1;
            kind.in_periods = attack.period.is_some();
            let fits = |found: &&Found| {
                attack.rules.contains(&found.rule)
                    && found.subjects.contains(&attack.who)
                    && attack
                        .peer
                        .is_none_or(|peer| found.subjects.contains(&peer))
                    && (attack.first..attack.last + AFTER).contains(&found.at)
            };
            if let Some(found) = found.iter().find(fits) {
                let delay = found.at - attack.first;
                kind.delays.push(delay / attack.period.unwrap_or(1.0));
            }
        }
        let is_due = |found: &Found| {
            attacks.iter().any(|attack| {
                found.subjects.contains(&attack.who)
                    && (attack.first..attack.last + TRACES).contains(&found.at)
            })
        };
        self.wrong
            .extend(found.into_iter().filter(|found| !is_due(found)));
    }

    /// False detections in a hundred days of one host.
    pub(crate) fn false_rate(&self) -> f64 {
        100.0 * self.wrong.len() as f64 / self.host_days as f64
    }

    pub(crate) fn recall(&self, pace: Pace) -> f64 {
        let of_pace = || self.kinds.iter().filter(|((of, _), _)| *of == pace);
        let tried: u64 = of_pace().map(|(_, kind)| kind.tried).sum();
        let found: usize = of_pace().map(|(_, kind)| kind.delays.len()).sum();
        found as f64 / tried as f64
    }

    /// The median delay of all attacks of these kinds.
    pub(crate) fn delay(&self, names: &[&str]) -> Option<f64> {
        let all = self
            .kinds
            .iter()
            .filter(|((_, name), _)| names.contains(&name.as_str()));
        let delays = all.flat_map(|(_, kind)| kind.delays.clone()).collect();
        let all = Kind {
            delays,
            ..Kind::default()
        };
        all.median()
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        writeln!(
            text,
            "{:<5} {:<24} {:>5} {:>6} {:>12}",
            "", "attack", "tried", "recall", "median delay"
        )
        .unwrap();
        for ((pace, name), kind) in &self.kinds {
            let unit = if kind.in_periods { "periods" } else { "s" };
            let delay = kind
                .median()
                .map_or("-".to_owned(), |delay| format!("{delay:.1} {unit}"));
            let pace = format!("{pace:?}").to_lowercase();
            writeln!(
                text,
                "{pace:<5} {name:<24} {:>5} {:>6.2} {delay:>12}",
                kind.tried,
                kind.recall()
            )
            .unwrap();
        }
        for pace in [Pace::Plain, Pace::Slow] {
            let name = format!("{pace:?}").to_lowercase();
            writeln!(text, "{name:<5} {:<24} {:>12.3}", "all", self.recall(pace)).unwrap();
        }
        let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
        for found in &self.wrong {
            *rules.entry(&found.rule).or_default() += 1;
        }
        writeln!(
            text,
            "\nfalse detections in {} host-days, and in 100 of them",
            self.host_days
        )
        .unwrap();
        for (rule, count) in rules {
            let rate = 100.0 * count as f64 / self.host_days as f64;
            writeln!(text, "{rule:<30} {count:>5} {rate:>8.3}").unwrap();
        }
        writeln!(
            text,
            "{:<30} {:>5} {:>8.3}",
            "all",
            self.wrong.len(),
            self.false_rate()
        )
        .unwrap();
        text
    }
}
