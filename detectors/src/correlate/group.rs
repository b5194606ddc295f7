//! What one rule knows about one subject.

use std::sync::Arc;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use super::groups::{Age, Worth};
use super::keys::value;
use super::made::Made;
use super::member::{Member, What};
use super::{Limits, Note};
use crate::rule::{Logic, Rule, Step};
use crate::{Detection, RuleInfo, Severity, Signal, StableId};

/// How many signals of one kind a temporal rule remembers of a subject.
const PER_INPUT: usize = 8;

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
    fn of(members: &[Member], part: &[usize]) -> Self {
        let (mut ids, mut signals) = (Vec::with_capacity(part.len()), Vec::new());
        for member in part.iter().filter_map(|at| members.get(*at)) {
            ids.push(member.what.id());
            member.what.add_signals(&mut signals);
        }
        signals.sort_by_key(|signal| (signal.kind, signal.window.start, signal.id));
        signals.dedup_by_key(|signal| signal.id);
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
        if let Some(part) = self.taking_part(rule) {
            self.refresh(note);
            let complete = Complete::of(&self.members, &part);
            outcome = self.completed(id, note.now, complete, limits);
        }
        self.weigh();
        outcome
    }

    /// The rule is complete with what came.
    fn completed(
        &mut self,
        id: StableId,
        now: Timestamp,
        complete: Complete,
        limits: Limits,
    ) -> Outcome {
        match &mut self.made {
            Some(made) if made.takes_repeats(now, limits.dedup, &self.members) => {
                let again = made.repeat(now, id, &complete, limits);
                again.map_or(Outcome::Nothing, Outcome::Updated)
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

    /// Which members make the rule complete.
    fn taking_part(&self, rule: &Rule) -> Option<Vec<usize>> {
        let all = || (0..self.members.len()).collect();
        match rule.logic {
            Logic::Temporal => self.latest_of_all(rule),
            Logic::Ordered => self.in_order(rule),
            Logic::Events { least } => (self.members.len() as u64 >= least).then(all),
            Logic::Values { field, least } => {
                let mut values = Vec::new();
                for member in &self.members {
                    let value = value(field, member.what.subject());
                    if value.is_some() && !values.contains(&value) {
                        values.push(value);
                    }
                }
                (values.len() as u64 >= least).then(all)
            }
        }
    }

    /// The latest of every input that has one, if enough steps have one.
    fn latest_of_all(&self, rule: &Rule) -> Option<Vec<usize>> {
        let latest = |input: &usize| {
            self.members
                .iter()
                .rposition(|member| member.input == *input)
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
    fn in_order(&self, rule: &Rule) -> Option<Vec<usize>> {
        let mut from = Timestamp::ZERO;
        let mut all = Vec::new();
        for stage in rule.steps.chunk_by(|a, b| a.stage == b.stage) {
            let mut until = from;
            for step in stage {
                let (at, first) = self.first_since(step, from)?;
                until = until.max(first.opened);
                all.push(at);
            }
            from = until;
        }
        Some(all)
    }

    fn first_since(&self, step: &Step, from: Timestamp) -> Option<(usize, &Member)> {
        let fits = |(_, member): &(usize, &Member)| {
            step.any_of.contains(&member.input) && member.opened >= from
        };
        let members = self.members.iter().enumerate();
        members.filter(fits).min_by_key(|(_, member)| member.opened)
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
        let made = self.made.as_mut();
        let update = made.and_then(|made| made.closes(signal, max_evidence));
        self.weigh();
        update
    }

    /// The detection that its members have become.
    pub(super) fn made(&mut self, made: Made) {
        self.made = Some(Box::new(made));
        self.weigh();
    }

    /// It was saved, and is one of this rule again: all its groups share what its detections carry.
    pub(super) fn belongs_to(&mut self, rule: &Arc<RuleInfo>) {
        if let Some(made) = &mut self.made {
            made.belongs_to(rule);
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
        let made = self.made.as_ref().map(|made| made.severity());
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
        let made = self.made.as_ref().map_or(0, |made| made.weight());
        self.heap = self.members.capacity() * size_of::<Member>() + members + made;
    }
}
