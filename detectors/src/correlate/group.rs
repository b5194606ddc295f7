//! What one rule knows about one subject.

use std::sync::Arc;

use flow_table::{Span, Timestamp, Uid};

use serde::{Deserialize, Serialize};

use super::groups::{Age, Worth};
use super::member::{Member, What, weight_of};
use super::{Limits, Note, value};
use crate::rule::{Logic, Rule, Step};
use crate::{Detection, RuleInfo, Severity, Signal, StableId};

/// How many signals of one kind a temporal rule remembers of a subject.
const PER_INPUT: usize = 8;
/// How often a detection's list of signals is compared with a new one, at most: more are not named.
const IDS: usize = 64;

/// See the module.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Group {
    #[serde(with = "crate::state::room")]
    members: Vec<Member>,
    made: Option<Box<Made>>,
    /// How many parts of the rule it holds, as far as that makes a difference.
    parts: usize,
    /// Not saved: it follows from the rest.
    #[serde(skip)]
    heap: usize,
}

/// The latest detection, to which repeats are added.
#[derive(Serialize, Deserialize)]
struct Made {
    detection: Detection,
    /// When the rule last completed.
    completed: Timestamp,
    /// What took part, the latest of it.
    ids: Vec<StableId>,
}

/// What came of a signal.
pub(super) enum Outcome {
    Nothing,
    Updated(Detection),
    /// The rule is complete with these, and there is no detection to add them to.
    Complete(Complete),
}

/// What makes a rule complete.
pub(super) struct Complete {
    /// Of the members that take part.
    pub(super) ids: Vec<StableId>,
    /// The signals that these are or rest on, ordered by kind.
    pub(super) signals: Vec<Arc<Signal>>,
}

impl Complete {
    fn of(members: &[&Member]) -> Self {
        let mut signals: Vec<Arc<Signal>> = members
            .iter()
            .flat_map(|member| member.what.signals())
            .collect();
        signals.sort_by_key(|signal| (signal.kind, signal.window.start, signal.id));
        signals.dedup_by_key(|signal| signal.id);
        let ids = members.iter().map(|member| member.what.id()).collect();
        Self { ids, signals }
    }
}

impl Group {
    /// Takes a signal that opened, rose or lasted, or a detection that was made or updated.
    pub(super) fn take(
        &mut self,
        member: Member,
        note: &Note<'_>,
        rule: &Rule,
        limits: Limits,
    ) -> Outcome {
        self.members
            .retain(|member| member.counts(note.now, rule.timespan));
        let id = member.what.id();
        self.place(member, rule);
        self.parts = self.parts(rule);
        let mut outcome = Outcome::Nothing;
        if self.taking_part(rule).is_some() {
            self.refresh(note);
            outcome = self.completed(id, note.now, rule, limits);
        }
        self.weigh();
        outcome
    }

    /// The rule may be complete with what came.
    fn completed(&mut self, id: StableId, now: Timestamp, rule: &Rule, limits: Limits) -> Outcome {
        let Some(members) = self.taking_part(rule) else {
            return Outcome::Nothing;
        };
        let complete = Complete::of(&members);
        match &mut self.made {
            Some(made) if made.takes_repeats(now, limits.dedup, &self.members) => {
                made.repeat(now, id, &complete, limits)
            }
            _ => Outcome::Complete(complete),
        }
    }

    /// Signals were told when they opened or rose; a detection says how they stand when it is made.
    fn refresh(&mut self, note: &Note<'_>) {
        for member in self.members.iter_mut().filter(|member| member.open) {
            if let What::Signal(known) = &member.what
                && let Some(signal) = note.open.signal(known, member.key)
            {
                member.last = signal.window.end;
                member.what = What::Signal(Arc::new(signal));
            }
        }
    }

    fn place(&mut self, member: Member, rule: &Rule) {
        if let Some(known) = self
            .members
            .iter_mut()
            .find(|known| known.what.id() == member.what.id())
        {
            known.last = member.last;
            known.what = member.what;
            return;
        }
        let most = match rule.logic {
            Logic::Temporal | Logic::Ordered => PER_INPUT,
            Logic::Events { least } | Logic::Values { least, .. } => {
                PER_INPUT.max(usize::try_from(least).unwrap_or(usize::MAX))
            }
        };
        let same = |other: &Member| other.input == member.input;
        if self.members.iter().filter(|other| same(other)).count() >= most
            && let Some(oldest) = self.members.iter().position(same)
        {
            self.members.remove(oldest);
        }
        self.members.push(member);
    }

    /// Different inputs, where those are what the rule waits for.
    fn parts(&self, rule: &Rule) -> usize {
        let first = self.members.first().map(|first| first.input);
        let another = |member: &Member| Some(member.input) != first;
        match rule.logic {
            Logic::Temporal | Logic::Ordered => 1 + usize::from(self.members.iter().any(another)),
            Logic::Events { .. } | Logic::Values { .. } => self.members.len(),
        }
    }

    /// The members that make the rule complete.
    fn taking_part(&self, rule: &Rule) -> Option<Vec<&Member>> {
        match rule.logic {
            Logic::Temporal => self.latest_of_all(rule),
            Logic::Ordered => self.in_order(rule),
            Logic::Events { least } => {
                (self.members.len() as u64 >= least).then(|| self.members.iter().collect())
            }
            Logic::Values { field, least } => {
                let mut values = Vec::new();
                for member in &self.members {
                    let value = value(field, member.what.subject());
                    if value.is_some() && !values.contains(&value) {
                        values.push(value);
                    }
                }
                (values.len() as u64 >= least).then(|| self.members.iter().collect())
            }
        }
    }

    /// The latest of every input that has one, if enough steps have one.
    fn latest_of_all(&self, rule: &Rule) -> Option<Vec<&Member>> {
        let latest = |input: &usize| {
            self.members
                .iter()
                .rev()
                .find(|member| member.input == *input)
        };
        let mut all = Vec::new();
        let mut held = 0;
        for step in &rule.steps {
            let before = all.len();
            all.extend(step.any_of.iter().filter_map(latest));
            held += usize::from(all.len() > before);
        }
        (held >= rule.at_least).then_some(all)
    }

    /// For each step the first that opened no earlier than what was found for the stages before.
    fn in_order(&self, rule: &Rule) -> Option<Vec<&Member>> {
        let mut from = Timestamp::ZERO;
        let mut all = Vec::new();
        for stage in rule.steps.chunk_by(|a, b| a.stage == b.stage) {
            let mut until = from;
            for step in stage {
                let first = self.first_since(step, from)?;
                until = until.max(first.opened);
                all.push(first);
            }
            from = until;
        }
        Some(all)
    }

    fn first_since(&self, step: &Step, from: Timestamp) -> Option<&Member> {
        let fits = |member: &&Member| step.any_of.contains(&member.input) && member.opened >= from;
        { self.members.iter().filter(fits) }.min_by_key(|member| member.opened)
    }

    /// A signal has closed. If that moves the end of the detection it is part of: the detection.
    pub(super) fn close(&mut self, signal: &Arc<Signal>, max_evidence: usize) -> Option<Detection> {
        let member = self
            .members
            .iter_mut()
            .find(|member| member.what.id() == signal.id);
        if let Some(member) = member {
            member.open = false;
            member.last = signal.window.end;
            member.what = What::Signal(Arc::clone(signal));
        }
        let update = self.made_closes(signal, max_evidence);
        self.weigh();
        update
    }

    fn made_closes(&mut self, signal: &Signal, max_evidence: usize) -> Option<Detection> {
        let made = self.made.as_mut()?;
        let named = made
            .detection
            .signals
            .iter_mut()
            .find(|named| named.id == signal.id)?;
        named.clone_from(signal);
        if signal.window.end <= made.detection.last {
            return None;
        }
        conclude(&mut made.detection, max_evidence);
        Some(made.detection.clone())
    }

    /// The detection that these members have become.
    pub(super) fn made(&mut self, detection: Detection, ids: Vec<StableId>) {
        self.made = Some(Box::new(Made {
            completed: detection.detected,
            detection,
            ids,
        }));
        self.weigh();
    }

    /// It was saved, and is one of this rule again: all its groups share what its detections carry.
    pub(super) fn belongs_to(&mut self, rule: &Arc<RuleInfo>) {
        if let Some(made) = &mut self.made {
            made.detection.rule = Arc::clone(rule);
        }
        self.weigh();
    }

    /// What it would take to come by it again. A detection is a part: without it a repeat would be
    /// told as something new.
    pub(super) fn worth(&self) -> Worth {
        let parts = if self.made.is_some() { 2 } else { self.parts };
        let worst = self
            .members
            .iter()
            .map(|member| member.what.severity())
            .max();
        let made = self.made.as_ref().map(|made| made.detection.severity);
        Worth::of(parts, worst.max(made).unwrap_or(Severity::Low))
    }

    /// Bytes held.
    pub(super) fn heap(&self) -> usize {
        self.heap
    }

    /// Whether anything can still come of it.
    pub(super) fn age(&self, now: Timestamp, timespan: Span, dedup: Span) -> Age {
        let repeats = self
            .made
            .as_ref()
            .is_some_and(|made| made.takes_repeats(now, dedup, &self.members));
        let counts = |member: &Member| member.counts(now, timespan);
        if !repeats && !self.members.iter().any(counts) {
            return Age::Spent;
        }
        let last = self.members.iter().map(|member| member.last).max();
        let made = self.made.as_ref().map(|made| made.last());
        if now.since(last.max(made).unwrap_or_default()) > timespan.max(dedup) {
            Age::Waiting
        } else {
            Age::Young
        }
    }

    fn weigh(&mut self) {
        let members: usize = self.members.iter().map(|member| member.what.weight()).sum();
        let made = self.made.as_ref().map_or(0, |made| {
            let ids = IDS.max(made.ids.capacity()) * size_of::<StableId>();
            size_of::<Made>() + ids + weight_of(&made.detection)
        });
        self.heap = self.members.capacity() * size_of::<Member>() + members + made;
    }
}

impl Made {
    fn last(&self) -> Timestamp {
        self.detection.last.max(self.completed)
    }

    fn takes_repeats(&self, now: Timestamp, dedup: Span, members: &[Member]) -> bool {
        let open = || {
            members
                .iter()
                .any(|member| member.open && self.ids.contains(&member.what.id()))
        };
        now.since(self.last()) <= dedup || open()
    }

    /// Adds to the count if what came is new, not just one of those known that rose.
    fn repeat(
        &mut self,
        now: Timestamp,
        id: StableId,
        complete: &Complete,
        limits: Limits,
    ) -> Outcome {
        let detection = &mut self.detection;
        for signal in &complete.signals {
            let mut known = detection.signals.iter();
            let known = known.position(|known| known.id == signal.id);
            if let Some(known) = known.and_then(|at| detection.signals.get_mut(at)) {
                known.clone_from(signal);
            } else if detection.signals.len() < limits.max_signals {
                detection.signals.push(Signal::clone(signal));
            }
        }
        detection
            .signals
            .sort_by_key(|signal| (signal.kind, signal.window.start, signal.id));
        conclude(detection, limits.max_evidence);
        if self.ids.contains(&id) || !complete.ids.contains(&id) {
            return Outcome::Nothing;
        }
        if self.ids.len() >= IDS {
            self.ids.remove(0);
        }
        self.ids.push(id);
        detection.count = detection.count.saturating_add(1);
        self.completed = now;
        Outcome::Updated(detection.clone())
    }
}

/// Fills in what follows from a detection's signals.
pub(super) fn conclude(detection: &mut Detection, max_evidence: usize) {
    let signals = &detection.signals;
    detection.first = signals
        .iter()
        .map(|signal| signal.window.start)
        .min()
        .unwrap_or(detection.first);
    // Of more signals than it can name, the last may be among those it does not.
    let last = signals.iter().map(|signal| signal.window.end).max();
    detection.last = detection.last.max(last.unwrap_or_default());
    let mut uids: Vec<Uid> = signals
        .iter()
        .flat_map(|signal| &signal.evidence.uids)
        .copied()
        .collect();
    uids.sort_unstable();
    uids.dedup();
    uids.truncate(max_evidence);
    detection.uids = uids;
    detection.summary = summary(detection);
}

/// “10.1.0.66 scanned 25 ports on 2 hosts (…), opened …, and reached for ….”
fn summary(detection: &Detection) -> String {
    let subject = &detection.subject;
    let clauses: Vec<&str> = detection
        .signals
        .iter()
        .map(|signal| signal.evidence.measure.as_str())
        .collect();
    let clauses = match clauses.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [most @ .., last] => format!("{}, and {last}", most.join(", ")),
    };
    match (subject.src, subject.dst) {
        (Some(src), Some(dst)) => format!("{src} {clauses}, all with {dst}."),
        (Some(host), None) | (None, Some(host)) => format!("{host} {clauses}."),
        (None, None) => format!("Some hosts together: {clauses}."),
    }
}
