//! Joins signals into detections, by rules.
//!
//! A group is what one rule knows about one subject: the signals that count now, and the detection
//! already made of them. A signal counts while it is open and for the rule's timespan after it was
//! last over its limit. Groups are bounded: the one touched longest ago is evicted, but one with two
//! signals or a detection only when no other is left; evictions are counted.

mod group;
mod saved;

use std::net::IpAddr;
use std::sync::Arc;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use crate::board::OpenNow;
use crate::config::RulesConfig;
use crate::hash::{IdHash, KeyedHash, join};
use crate::rule::{Field, Input, Rule};
use crate::subjects::{Pin, Subjects};
use crate::suppress::Suppressions;
use crate::{Detection, Finding, RuleCounters, Signal, SignalKind, StableId, Subject};
use group::{Group, Member, Outcome};

/// What became of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Opened,
    Raised,
    /// It has been over its limit for another whole window.
    Sustained,
    Closed,
}

/// See the module.
pub(crate) struct Correlator {
    rules: Vec<RuleState>,
    hash: KeyedHash,
    out: Vec<Finding>,
    /// Rules whose state was saved and is of no use: they are others now, or gone.
    dropped: u64,
}

struct RuleState {
    rule: Rule,
    limits: Limits,
    groups: Subjects<GroupKey, Group>,
    counters: RuleCounters,
}

/// The port that all signals which name one agree on.
fn common_port(signals: &[Arc<Signal>]) -> Option<u16> {
    let mut ports = signals.iter().filter_map(|signal| signal.subject.dst_port);
    let first = ports.next()?;
    ports.all(|port| port == first).then_some(first)
}

/// The values that name a group.
type GroupKey = [Option<Value>; 3];

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Value {
    Addr(IpAddr),
    Port(u16),
}

/// What became of a signal that no suppression marks.
#[derive(Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) now: Timestamp,
    pub(crate) change: Change,
    /// For how many windows it has been over its limit.
    pub(crate) windows: u32,
    pub(crate) signal: &'a Signal,
    /// Its subject's keyed hash.
    pub(crate) key: u64,
    /// The signals open now, itself among them unless it closed.
    pub(crate) open: OpenNow<'a>,
    pub(crate) suppressions: &'a Suppressions,
}

/// What limits a rule's detections.
#[derive(Clone, Copy, Debug)]
struct Limits {
    dedup: Span,
    max_signals: usize,
    max_evidence: usize,
}

impl Correlator {
    /// Rules that come later replace earlier ones of the same id.
    pub(crate) fn new(
        config: &RulesConfig,
        max_evidence: usize,
        hash: KeyedHash,
        rules: Vec<Rule>,
    ) -> Self {
        let mut this = Self {
            rules: Vec::new(),
            hash,
            out: Vec::new(),
            dropped: 0,
        };
        this.replace(config, max_evidence, rules);
        this
    }

    /// From now on these are the rules. What is known of groups stays with those that are as they were.
    pub(crate) fn replace(&mut self, config: &RulesConfig, max_evidence: usize, rules: Vec<Rule>) {
        let mut before = std::mem::take(&mut self.rules);
        for rule in rules {
            self.rules
                .retain(|state| state.rule.info.id != rule.info.id);
            let mut state = RuleState::new(config, max_evidence, rule);
            let known = before
                .iter()
                .position(|known| known.rule.info.id == state.rule.info.id);
            if let Some(known) = known.map(|at| before.swap_remove(at)) {
                if known.rule == state.rule {
                    state = known;
                } else {
                    state.counters = RuleCounters {
                        groups: 0,
                        ..known.counters
                    };
                }
            }
            self.rules.push(state);
        }
        self.rules
            .sort_by(|a, b| a.rule.info.id.cmp(&b.rule.info.id));
    }

    /// Whether a rule waits for signals of this kind to last so long.
    pub(crate) fn wants(&self, kind: SignalKind, windows: u32) -> bool {
        let waits =
            |input: &Input| input.kind == kind && input.windows > 1 && input.windows <= windows;
        self.rules
            .iter()
            .any(|state| state.rule.inputs.iter().any(waits))
    }

    /// Something became of a signal.
    pub(crate) fn note(&mut self, note: &Note<'_>) {
        for state in &mut self.rules {
            let takes = |(_, input): &(usize, &Input)| input.kind == note.signal.kind;
            let inputs = state.rule.inputs.iter().enumerate();
            let Some((index, input)) = inputs.into_iter().find(takes) else {
                continue;
            };
            let Some(key) = group_key(input, &note.signal.subject) else {
                continue;
            };
            if note.signal.severity < input.minimum || note.windows < input.windows {
                continue;
            }
            let hash = key_hash(&self.hash, &key);
            self.out.extend(state.note(hash, key, index, note));
        }
    }

    /// What came of what was noted, in the order of rule ids.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Finding> + '_ {
        self.out.drain(..)
    }

    /// Bytes taken by groups.
    pub(crate) fn bytes(&self) -> usize {
        self.rules.iter().map(|state| state.groups.bytes()).sum()
    }

    pub(crate) fn counters(&self) -> Vec<RuleCounters> {
        self.rules.iter().map(RuleState::counters).collect()
    }
}

impl RuleState {
    fn new(config: &RulesConfig, max_evidence: usize, rule: Rule) -> Self {
        Self {
            limits: Limits {
                dedup: rule.dedup_window.unwrap_or(config.dedup_window.get()),
                max_signals: config.max_signals.size(),
                max_evidence,
            },
            groups: Subjects::new(config.max_partial.size(), config.max_memory.size()),
            counters: RuleCounters {
                rule_id: rule.info.id.clone(),
                ..RuleCounters::default()
            },
            rule,
        }
    }

    fn note(&mut self, hash: u64, key: GroupKey, input: usize, note: &Note<'_>) -> Option<Finding> {
        self.expire(note.now);
        let (rule, limits) = (&self.rule, self.limits);
        if note.change == Change::Closed {
            let close = |group: &mut Group| group.close(note.signal, limits.max_evidence);
            return self.groups.amend(hash, key, close).flatten().map(|update| {
                self.counters.updated += 1;
                Finding::DetectionUpdated(update)
            });
        }
        let outcome = self.groups.update(hash, key, |group| {
            let outcome = group.take(Member::of(note, input), note, rule, limits);
            let pin = if group.matters() {
                Pin::Last
            } else {
                Pin::InTurn
            };
            (outcome, pin)
        });
        let (outcome, pin) = outcome?;
        self.groups.pin(hash, key, pin);
        match outcome {
            Outcome::Nothing => None,
            Outcome::Updated(detection) => {
                self.counters.updated += 1;
                Some(Finding::DetectionUpdated(detection))
            }
            Outcome::Complete(signals) => {
                let detection = self.detection(&key, &signals, note.now, note.suppressions);
                let made = detection.clone();
                self.groups.amend(hash, key, |group| group.made(made));
                self.groups.pin(hash, key, Pin::Last);
                Some(Finding::DetectionMade(detection))
            }
        }
    }

    /// Drops groups nothing can come of any more; a few at a time keeps pace with those that arise.
    fn expire(&mut self, now: Timestamp) {
        for pin in [Pin::InTurn, Pin::Last] {
            for _ in 0..4 {
                let Some((hash, key, group)) = self.groups.oldest(pin) else {
                    break;
                };
                if !group.is_spent(now, self.rule.timespan, self.limits.dedup) {
                    // An open signal keeps its group: it is looked at again after the others.
                    if group.is_old(now, self.rule.timespan, self.limits.dedup) {
                        self.groups.update(hash, key, |_| ());
                        continue;
                    }
                    break;
                }
                self.groups.remove(hash, key);
                self.counters.expired += 1;
            }
        }
    }

    fn detection(
        &mut self,
        key: &GroupKey,
        signals: &[Arc<Signal>],
        now: Timestamp,
        known: &Suppressions,
    ) -> Detection {
        let mut subject = self.subject(key);
        if subject.dst.is_some() && subject.dst_port.is_none() {
            subject.dst_port = common_port(signals);
        }
        let suppressed_by = known.of_rule(&self.rule.info.id, &subject, now);
        self.counters.made += 1;
        self.counters.suppressed += u64::from(suppressed_by.is_some());
        let signals: Vec<Signal> = signals.iter().map(|signal| Signal::clone(signal)).collect();
        let mut detection = Detection {
            id: detection_id(&self.rule.info.id, key, &signals),
            rule: Arc::clone(&self.rule.info),
            severity: self.rule.level,
            subject,
            first: now,
            last: Timestamp::ZERO,
            detected: now,
            count: 1,
            signals,
            uids: Vec::new(),
            suppressed_by,
            summary: String::new(),
        };
        group::conclude(&mut detection, self.limits.max_evidence);
        detection
    }

    /// The group's values where the first input has them: an alias has no place of its own.
    fn subject(&self, key: &GroupKey) -> Subject {
        let mut subject = Subject {
            src: None,
            dst: None,
            dst_port: None,
        };
        let fields = self
            .rule
            .inputs
            .first()
            .map_or(&[][..], |input| &input.group_by);
        for (field, value) in fields.iter().zip(key.iter().flatten()) {
            match (field, value) {
                (Field::SrcIp, Value::Addr(addr)) => subject.src = Some(*addr),
                (Field::DstIp, Value::Addr(addr)) => subject.dst = Some(*addr),
                (_, Value::Port(port)) => subject.dst_port = Some(*port),
                (Field::DstPort, Value::Addr(_)) => {}
            }
        }
        subject
    }

    fn counters(&self) -> RuleCounters {
        RuleCounters {
            evicted: self.groups.evicted(),
            groups: u64::try_from(self.groups.len()).unwrap_or(u64::MAX),
            ..self.counters.clone()
        }
    }
}

fn value(field: Field, subject: &Subject) -> Option<Value> {
    match field {
        Field::SrcIp => subject.src.map(Value::Addr),
        Field::DstIp => subject.dst.map(Value::Addr),
        Field::DstPort => subject.dst_port.map(Value::Port),
    }
}

/// Nothing if the signal lacks one of the values: then it is not this rule's.
fn group_key(input: &Input, subject: &Subject) -> Option<GroupKey> {
    let mut key = GroupKey::default();
    for (place, field) in key.iter_mut().zip(&input.group_by) {
        *place = Some(value(*field, subject)?);
    }
    Some(key)
}

fn key_hash(hash: &KeyedHash, key: &GroupKey) -> u64 {
    key.iter().fold(0, |sum, value| match value {
        None => join(sum, 0),
        Some(Value::Addr(addr)) => join(sum, hash.addr(*addr)),
        Some(Value::Port(port)) => join(sum, hash.bits(u128::from(*port))),
    })
}

fn detection_id(rule: &str, key: &GroupKey, signals: &[Signal]) -> StableId {
    let named = key.iter().fold(IdHash::new(rule), |id, value| match value {
        None => id.number(0),
        Some(Value::Addr(addr)) => id.addr(Some(*addr)),
        Some(Value::Port(port)) => id.number(u64::from(*port) + 1),
    });
    signals
        .iter()
        .fold(named, |id, signal| id.id(signal.id))
        .finish()
}

#[cfg(test)]
mod tests;
