//! Joins signals into detections, by rules.
//!
//! A group is what one rule knows about one subject: the signals that count now, and the detection
//! already made of them. A signal counts while it is open and for the rule's timespan after it was
//! last over its limit; what another rule detected, for the timespan after its last signal. Groups
//! are bounded, and those that are worth least are evicted first (`groups.rs`), counted.

mod group;
mod groups;
mod keys;
mod made;
mod member;
mod saved;

use std::sync::Arc;

use flow_table::{Span, Timestamp};

use crate::board::OpenNow;
use crate::config::RulesConfig;
use crate::hash::KeyedHash;
use crate::rule::{Field, Input, Rule, Source, depths};
use crate::suppress::Suppressions;
use crate::{Detection, Finding, RuleCounters, Signal, SignalKind, Subject};
use group::{Complete, Group, Outcome};
use groups::Groups;
use keys::{GroupKey, Value, detection_id, group_key, key_hash};
use made::Made;
use member::Member;

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
    /// Each after those whose detections it takes.
    rules: Vec<RuleState>,
    hash: KeyedHash,
    out: Vec<Finding>,
    /// Rules whose state was saved and is of no use: they are others now, or gone.
    dropped: u64,
}

struct RuleState {
    rule: Rule,
    limits: Limits,
    groups: Groups,
    counters: RuleCounters,
    /// For each kind of signal, which input takes it.
    input_of: [Option<usize>; SignalKind::ALL.len()],
    /// Whether it takes what another rule detects.
    chained: bool,
    /// Whether another rule takes what it detects.
    taken: bool,
}

/// The port that all signals which name one agree on.
fn common_port(signals: &[Arc<Signal>]) -> Option<u16> {
    let mut ports = signals.iter().filter_map(|signal| signal.subject.dst_port);
    let first = ports.next()?;
    ports.all(|port| port == first).then_some(first)
}

/// What became of a signal that no suppression marks.
#[derive(Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) now: Timestamp,
    pub(crate) change: Change,
    /// For how many windows it has been over its limit.
    pub(crate) windows: u32,
    pub(crate) signal: &'a Arc<Signal>,
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
        for (depth, rule) in in_order(rules) {
            let chained = depth.is_some_and(|depth| depth > 0);
            let mut state = RuleState::new(config, max_evidence, rule, chained);
            let known = before
                .iter()
                .position(|known| known.rule.info.id == state.rule.info.id);
            if let Some(known) = known.map(|at| before.swap_remove(at)) {
                if known.rule == state.rule && known.chained == chained {
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
        let chained = self.rules.iter().filter(|state| state.chained);
        let inputs = chained.flat_map(|state| &state.rule.inputs);
        let sources: Vec<Source> = inputs.map(|input| input.source.clone()).collect();
        for state in &mut self.rules {
            state.taken = sources.contains(&Source::Rule(state.rule.info.id.clone()));
        }
    }

    /// Whether a rule waits for signals of this kind to last so long.
    pub(crate) fn wants(&self, kind: SignalKind, windows: u32) -> bool {
        let waits = |input: &Input| input.windows > 1 && input.windows <= windows;
        let inputs = self.rules.iter().filter_map(|state| state.input(kind));
        inputs.map(|(_, input)| input).any(waits)
    }

    /// Something became of a signal.
    pub(crate) fn note(&mut self, note: &Note<'_>) {
        // What rules have detected of it.
        let mut detected: Vec<Arc<Detection>> = Vec::new();
        for state in &mut self.rules {
            let before = self.out.len();
            self.out.extend(state.note(&self.hash, note));
            if state.chained {
                let found = { detected.iter() }
                    .filter_map(|detection| state.chain(&self.hash, detection, note));
                self.out.extend(found);
            }
            if state.taken {
                let found = self.out.get(before..).unwrap_or_default();
                detected.extend(found.iter().filter_map(to_chain));
            }
        }
    }

    /// What came of what was noted, in the order of rule ids, those that take what others detect
    /// after the others.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Finding> + '_ {
        self.out.drain(..)
    }

    /// Bytes taken by groups.
    pub(crate) fn bytes(&self) -> usize {
        self.rules.iter().map(|state| state.groups.bytes()).sum()
    }

    pub(crate) fn counters(&self) -> Vec<RuleCounters> {
        let mut counters: Vec<RuleCounters> = self.rules.iter().map(RuleState::counters).collect();
        counters.sort_by(|a, b| a.rule_id.cmp(&b.rule_id));
        counters
    }
}

/// The latest rule of each id with how deep it is in a chain: who takes what others detect comes after them.
fn in_order(rules: Vec<Rule>) -> Vec<(Option<usize>, Rule)> {
    let mut latest: Vec<Rule> = Vec::new();
    for rule in rules {
        latest.retain(|known| known.info.id != rule.info.id);
        latest.push(rule);
    }
    // Rules that wait for themselves have no depth: none of them is told what another detects.
    let depths = depths(&latest);
    let mut ordered: Vec<(Option<usize>, Rule)> = depths.into_iter().zip(latest).collect();
    ordered.sort_by(|a, b| (a.0, &a.1.info.id).cmp(&(b.0, &b.1.info.id)));
    ordered
}

/// What other rules may take: detections that no suppression marks.
fn to_chain(finding: &Finding) -> Option<Arc<Detection>> {
    match finding {
        Finding::DetectionMade(made) | Finding::DetectionUpdated(made) => {
            made.suppressed_by.is_none().then(|| Arc::new(made.clone()))
        }
        Finding::SignalOpened(_) | Finding::SignalRaised(_) | Finding::SignalClosed(_) => None,
    }
}

impl RuleState {
    fn new(config: &RulesConfig, max_evidence: usize, rule: Rule, chained: bool) -> Self {
        let input_of = SignalKind::ALL.map(|kind| {
            let mut inputs = rule.inputs.iter();
            inputs.position(|input| input.source == Source::Signal(kind))
        });
        Self {
            limits: Limits {
                dedup: rule.dedup_window.unwrap_or(config.dedup_window.get()),
                max_signals: config.max_signals.size(),
                max_evidence,
            },
            groups: Groups::new(config.max_partial.size(), config.max_memory.size()),
            counters: RuleCounters {
                rule_id: rule.info.id.clone(),
                ..RuleCounters::default()
            },
            input_of,
            chained,
            taken: false,
            rule,
        }
    }

    fn input(&self, kind: SignalKind) -> Option<(usize, &Input)> {
        let number = (*self.input_of.get(kind as usize)?)?;
        Some((number, self.rule.inputs.get(number)?))
    }

    /// Something became of a signal.
    fn note(&mut self, hash: &KeyedHash, note: &Note<'_>) -> Option<Finding> {
        let (number, input) = self.input(note.signal.kind)?;
        if note.signal.severity < input.minimum || note.windows < input.windows {
            return None;
        }
        let key = group_key(input, &note.signal.subject)?;
        let hash = key_hash(hash, &key);
        if note.change == Change::Closed {
            self.expire(note.now);
            let max_evidence = self.limits.max_evidence;
            let close = |group: &mut Group| group.close(note.signal, max_evidence);
            let update = self.groups.amend(hash, key, close).flatten()?;
            self.counters.updated += 1;
            return Some(Finding::DetectionUpdated(update));
        }
        self.take(hash, key, Member::of(note, number), note)
    }

    /// A rule before this one made or updated a detection.
    fn chain(
        &mut self,
        hash: &KeyedHash,
        detection: &Arc<Detection>,
        note: &Note<'_>,
    ) -> Option<Finding> {
        let from =
            |input: &Input| matches!(&input.source, Source::Rule(id) if *id == detection.rule.id);
        let number = self.rule.inputs.iter().position(from)?;
        let input = self.rule.inputs.get(number)?;
        if detection.severity < input.minimum {
            return None;
        }
        let key = group_key(input, &detection.subject)?;
        let member = Member::of_detection(note.now, detection, number);
        self.take(key_hash(hash, &key), key, member, note)
    }

    fn take(
        &mut self,
        hash: u64,
        key: GroupKey,
        member: Member,
        note: &Note<'_>,
    ) -> Option<Finding> {
        self.expire(note.now);
        let (rule, limits) = (&self.rule, self.limits);
        let take = |group: &mut Group| group.take(member, note, rule, limits);
        match self.groups.update(hash, key, take)? {
            Outcome::Nothing => None,
            Outcome::Updated(detection) => {
                self.counters.updated += 1;
                Some(Finding::DetectionUpdated(detection))
            }
            Outcome::Complete(complete) => {
                let made = self.made(&key, complete, note.now, note.suppressions);
                let told = made.told();
                self.groups.update(hash, key, |group| group.made(made));
                Some(Finding::DetectionMade(told))
            }
        }
    }

    /// Drops groups nothing can come of any more; a few at a time keeps pace with those that arise.
    fn expire(&mut self, now: Timestamp) {
        let (timespan, dedup) = (self.rule.timespan, self.limits.dedup);
        let age = |group: &Group| group.age(now, timespan, dedup);
        self.counters.expired += self.groups.expire(age);
    }

    fn made(
        &mut self,
        key: &GroupKey,
        complete: Complete,
        now: Timestamp,
        known: &Suppressions,
    ) -> Made {
        let signals = &complete.signals;
        let mut subject = self.subject(key);
        if subject.dst.is_some() && subject.dst_port.is_none() {
            subject.dst_port = common_port(signals);
        }
        let suppressed_by = known.of_rule(&self.rule.info.id, &subject, now);
        self.counters.made += 1;
        self.counters.suppressed += u64::from(suppressed_by.is_some());
        let detection = Detection {
            id: detection_id(&self.rule.info.id, key, signals),
            rule: Arc::clone(&self.rule.info),
            severity: if signals
                .iter()
                .any(|signal| signal.evidence.listed.is_some())
            {
                self.rule.level.raised()
            } else {
                self.rule.level
            },
            subject,
            first: now,
            last: Timestamp::ZERO,
            detected: now,
            count: 1,
            signals: Vec::new(),
            uids: Vec::new(),
            suppressed_by,
            summary: String::new(),
        };
        Made::new(detection, complete, self.limits.max_evidence)
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

#[cfg(test)]
mod tests;
