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
use std::fs;

use office::judge::{Attack, Pace, Score, found};
use office::recorded::Recording;
use office::{DAY, FIRST_PERSON, HOUR, Office, Plan};
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

fn run(plan: Plan, with: With, recordings: &[Recording], score: &mut Score) {
    let dir = tempfile::tempdir().unwrap();
    let mut office = Office::open(plan, dir.path());
    let attacks = match with {
        With::Attacks => attack(&mut office, recordings, f64::INFINITY),
        With::ShortAttacks => attack(&mut office, recordings, A_WHILE),
        With::Nothing => Vec::new(),
    };
    let host_days = office.hosts() * u64::from(plan.days);
    office.tape.close();
    let findings = dir.path().join("findings.jsonl");
    let logs =
        ["conn", "dns", "http", "ssh", "ssl"].map(|log| dir.path().join(format!("{log}.log")));
    let options = ["detect", "-q", "--no-db", "--json"].map(Into::into);
    let files = [findings.clone()].into_iter().chain(logs).map(Into::into);
    ran(options
        .into_iter()
        .chain::<Vec<std::ffi::OsString>>(files.collect()))
    .exits(0);
    let found = found(&fs::read_to_string(&findings).unwrap());
    score.add(host_days, &attacks, found);
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
fn missed(score: &Score) -> Vec<String> {
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
    for (names, most) in [(&AT_ONCE[..], DELAY_SECONDS), (&BEACONS[..], DELAY_PERIODS)] {
        let delay = score.delay(names);
        let is_met = delay.is_some_and(|delay| delay <= most);
        bar("median delay", is_met, format!("{delay:?} of {names:?}"));
    }
    missed
}

fn tell(score: &Score) {
    for found in &score.wrong {
        println!(
            "false: {} at {:.0}: {}",
            found.rule, found.at, found.summary
        );
    }
    println!("\n{}", score.table());
}

/// Two days of a small office, everything done to it that does not take long.
#[test]
fn two_days_are_judged_right() {
    let mut score = Score::default();
    let plan = Plan {
        seed: 1,
        people: 30,
        days: 2,
    };
    run(plan, With::ShortAttacks, &recordings(), &mut score);
    tell(&score);
    assert_eq!(missed(&score), Vec::<String>::new());
}

/// Many offices; `scripts/score` runs it and keeps the table in the file that `SCORE_TABLE` names.
#[test]
#[ignore = "takes minutes: scripts/score runs it"]
fn many_weeks_are_judged_right() {
    let mut score = Score::default();
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
        run(plan, with, &recordings, &mut score);
    }
    tell(&score);
    if let Some(file) = env::var_os("SCORE_TABLE") {
        fs::write(file, score.table()).unwrap();
    }
    assert_eq!(missed(&score), Vec::<String>::new());
}
