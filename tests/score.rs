//! How good the detections are: on days of an office in which nothing is wrong, and on the same with
//! attacks among them.

#![cfg(test)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a made-up office has small numbers, and its score is a table to read"
)]

mod office;
#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use office::judge::{Attack, Found, Pace, Score, found};
use office::recorded::Recording;
use office::{DAY, FIRST_PERSON, HOUR, Office, Plan, household};
use support::captures;
use support::run::ran;

/// What is to be reached, in the long form.
const PLAIN_RECALL: f64 = 1.0;
const SLOW_RECALL: f64 = 0.9;
const FALSE_PER_HUNDRED_HOST_DAYS: f64 = 0.1;
const DELAY_SECONDS: f64 = 30.0;
const DELAY_PERIODS: f64 = 6.0;

const AT_ONCE: [&str; 6] = [
    "lateral-movement",
    "horizontal-scan",
    "worm-inside",
    "syn-flood",
    "udp-flood-many-to-one",
    "dns-tunnel",
];
const BEACONS: [&str; 12] = [
    "c2-beacon-http",
    "c2-beacon-https",
    "c2-beacon-ipv6",
    "beacon-60s",
    "beacon-60s-unnamed",
    "beacon-5min",
    "beacon-5min-unnamed",
    "beacon-5min-rotating",
    "beacon-1h",
    "beacon-1h-unnamed",
    "beacon-steady-port",
    "chat-reconnecting",
];

/// Whether anything is done to an office.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Attacks,
    /// Only those that are over after [`A_WHILE`].
    ShortAttacks,
    Nothing,
}

/// Of an attack that is made up, how long it may take.
const A_WHILE: f64 = 4.0 * HOUR;

/// What was found with all logs, and with conn.log alone.
#[derive(Default)]
struct Scores {
    all: Score,
    alone: Score,
}

const LOGS: [&str; 5] = ["conn", "dns", "http", "ssh", "ssl"];

/// Attacks of which conn.log alone does not tell enough: what was asked for, fetched or refused, or that
/// nobody had told a host where to go.
const NEED_MORE_LOGS: [&str; 7] = [
    "brute-force-inside",
    "dns-tunnel",
    "exfiltration-in-pieces",
    "malware-delivery",
    "slow-brute-force",
    "slow-dns-tunnel",
    "ssh-brute-force",
];

fn run(plan: Plan, with: With, recordings: &[Recording], scores: &mut Scores) {
    let dir = tempfile::tempdir().unwrap();
    let mut office = Office::open(plan, dir.path());
    let mut attacks = match with {
        With::Attacks => attack(&mut office, recordings, f64::INFINITY),
        With::ShortAttacks => attack(&mut office, recordings, A_WHILE),
        With::Nothing => Vec::new(),
    };
    let host_days = office.hosts() * u64::from(plan.days);
    office.tape.close();
    scores
        .all
        .add(host_days, &attacks, detected(dir.path(), &LOGS));
    for attack in &mut attacks {
        if NEED_MORE_LOGS.contains(&attack.name.as_str()) {
            attack.pace = Pace::Blind;
        }
    }
    let found = detected(dir.path(), &LOGS[..1]);
    scores.alone.add(host_days, &attacks, found);
}

/// Some days of a household, logged by conn.log alone.
fn run_household(seed: u64, days: u16, scores: &mut Scores) {
    let dir = tempfile::tempdir().unwrap();
    household::live(seed, days, dir.path());
    let found = detected(dir.path(), &LOGS[..1]);
    let host_days = household::HOSTS * u64::from(days);
    scores.alone.add(host_days, &[], found);
}

/// What is found in these logs.
fn detected(dir: &Path, logs: &[&str]) -> Vec<Found> {
    let findings = dir.join("findings.jsonl");
    let logs = logs.iter().map(|log| dir.join(format!("{log}.log")));
    let options = ["detect", "-q", "--no-db", "--json"].map(OsString::from);
    let files = [findings.clone()].into_iter().chain(logs);
    ran(options.into_iter().chain(files.map(Into::into))).exits(0);
    found(&fs::read_to_string(&findings).unwrap())
}

/// Does everything once that takes no longer than `most`, each thing from a host of its own.
fn attack(office: &mut Office, recordings: &[Recording], most: f64) -> Vec<Attack> {
    let mut who: Vec<u8> = (FIRST_PERSON..FIRST_PERSON + office.plan.people).collect();
    for place in (1..who.len()).rev() {
        who.swap(place, office.dice.below(place as u64 + 1) as usize);
    }
    let (begin, end) = (Office::begin(1), office.end());
    let mut attacks = Vec::new();
    for recording in recordings {
        let at = office.dice.between(begin, end - HOUR);
        let slower = [1.0, recording.fastest()][office.dice.below(2) as usize];
        attacks.extend(recording.happen(office, at, slower, &mut who));
    }
    for (script, lasts) in office::attacks::ALL {
        if lasts > most {
            continue;
        }
        let latest = (end - lasts - DAY / 24.0).max(begin);
        let at = office.dice.between(begin, latest);
        attacks.push(script(office, who.pop().unwrap(), at));
    }
    attacks
}

fn recordings() -> Vec<Recording> {
    captures().iter().filter_map(Recording::of).collect()
}

/// The bars that are missed.
fn missed(scores: &Scores) -> Vec<String> {
    let mut missed = missed_by(&scores.all);
    for (names, most) in [(&AT_ONCE[..], DELAY_SECONDS), (&BEACONS[..], DELAY_PERIODS)] {
        let delay = scores.all.delay(names);
        if delay.is_none_or(|delay| delay > most) {
            missed.push(format!("median delay: {delay:?} of {names:?}"));
        }
    }
    let alone = missed_by(&scores.alone).into_iter();
    missed.extend(alone.map(|bar| format!("with conn.log alone: {bar}")));
    missed
}

fn missed_by(score: &Score) -> Vec<String> {
    let mut missed = Vec::new();
    let mut bar = |name: &str, is_met: bool, value: String| {
        if !is_met {
            missed.push(format!("{name}: {value}"));
        }
    };
    let (plain, slow) = (score.recall(Pace::Plain), score.recall(Pace::Slow));
    bar(
        "recall of plain attacks",
        plain >= PLAIN_RECALL,
        plain.to_string(),
    );
    bar(
        "recall of slow attacks",
        slow >= SLOW_RECALL,
        slow.to_string(),
    );
    let rate = score.false_rate();
    let is_met = rate <= FALSE_PER_HUNDRED_HOST_DAYS;
    bar(
        "false detections in 100 host-days",
        is_met,
        rate.to_string(),
    );
    missed
}

fn tell(scores: &Scores) {
    for found in scores.all.wrong.iter().chain(&scores.alone.wrong) {
        println!(
            "false: {} at {:.0}: {}",
            found.rule, found.at, found.summary
        );
    }
    println!("\n{}", table(scores));
}

fn table(scores: &Scores) -> String {
    let (all, alone) = (scores.all.table(), scores.alone.table());
    format!("all logs\n\n{all}\nconn.log alone, with a household\n\n{alone}")
}

/// Two days of a small office, everything done to it that does not take long, and of a household.
#[test]
fn two_days_are_judged_right() {
    let mut scores = Scores::default();
    let plan = Plan {
        seed: 1,
        people: 30,
        days: 2,
    };
    run(plan, With::ShortAttacks, &recordings(), &mut scores);
    run_household(1, 2, &mut scores);
    tell(&scores);
    assert_eq!(missed(&scores), Vec::<String>::new());
}

/// Many offices; `scripts/score` runs it and keeps the table in the file that `SCORE_TABLE` names.
#[test]
#[ignore = "takes minutes: scripts/score runs it"]
fn many_weeks_are_judged_right() {
    let mut scores = Scores::default();
    let recordings = recordings();
    for seed in 1..=6 {
        let with = if seed % 2 == 0 {
            With::Attacks
        } else {
            With::Nothing
        };
        let plan = Plan {
            seed,
            people: 40 + (seed as u8 % 3) * 16,
            days: 4,
        };
        run(plan, with, &recordings, &mut scores);
        run_household(seed, 5, &mut scores);
    }
    tell(&scores);
    if let Some(file) = env::var_os("SCORE_TABLE") {
        fs::write(file, table(&scores)).unwrap();
    }
    assert_eq!(missed(&scores), Vec::<String>::new());
}
