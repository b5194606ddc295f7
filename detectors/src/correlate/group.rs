//! What one rule knows about one subject.

use std::sync::Arc;

use flow_table::{Span, Timestamp, Uid};

use serde::{Deserialize, Serialize};

use super::{Limits, Note, value};
use crate::rule::{Logic, Rule};
use crate::subjects::Held;
use crate::{Detection, Number, RuleInfo, Signal, StableId};

/// How many signals of one kind a temporal rule remembers of a subject.
const PER_INPUT: usize = 8;
/// How often a detection's list of signals is compared with a new one, at most: more are not named.
const IDS: usize = 64;

/// See the module.
#[derive(Default, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub(super) struct Group {
    #[serde(with = "crate::state::room")]
    members: Vec<Member>,
    made: Option<Box<Made>>,
    #[serde(skip)]
    heap: usize,
}

/// What is saved of a group; its weight follows.
#[derive(Deserialize)]
struct Kept {
    #[serde(with = "crate::state::room")]
    members: Vec<Member>,
    made: Option<Box<Made>>,
}

impl From<Kept> for Group {
    fn from(Kept { members, made }: Kept) -> Self {
        let mut group = Self {
            members,
            made,
            heap: 0,
        };
        group.weigh();
        group
    }
}

/// A signal that counts.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Member {
    input: usize,
    key: u64,
    opened: Timestamp,
    last: Timestamp,
    open: bool,
    signal: Arc<Signal>,
}

/// The latest detection, to which repeats are added.
#[derive(Serialize, Deserialize)]
struct Made {
    detection: Detection,
    /// When the rule last completed.
    completed: Timestamp,
    /// Signals that took part, the latest of them.
    ids: Vec<StableId>,
}

/// What came of a signal.
pub(super) enum Outcome {
    Nothing,
    Updated(Detection),
    /// The rule is complete with these signals, and there is no detection to add them to.
    Complete(Vec<Arc<Signal>>),
}

impl Held for Group {
    fn heap(&self) -> usize {
        self.heap
    }
}

impl Member {
    pub(super) fn of(note: &Note<'_>, input: usize) -> Self {
        Self {
            input,
            key: note.key,
            opened: note.now,
            last: note.signal.window.end,
            open: true,
            signal: Arc::new(note.signal.clone()),
        }
    }

    fn counts(&self, now: Timestamp, timespan: Span) -> bool {
        self.open || now.since(self.last) <= timespan
    }
}

impl Group {
    /// Takes a signal that opened, rose or lasted.
    pub(super) fn take(
        &mut self,
        member: Member,
        note: &Note<'_>,
        rule: &Rule,
        limits: Limits,
    ) -> Outcome {
        self.members
            .retain(|member| member.counts(note.now, rule.timespan));
        self.place(member, rule);
        let complete = self.complete(rule).is_some();
        if complete {
            self.refresh(note);
        }
        let outcome = match (self.complete(rule), &mut self.made) {
            (None, _) => Outcome::Nothing,
            (Some(signals), Some(made))
                if made.takes_repeats(note.now, limits.dedup, &self.members) =>
            {
                made.repeat(note, &signals, limits)
            }
            (Some(signals), _) => Outcome::Complete(signals),
        };
        self.weigh();
        outcome
    }

    /// Signals were told when they opened or rose; a detection says how they stand when it is made.
    fn refresh(&mut self, note: &Note<'_>) {
        for member in self.members.iter_mut().filter(|member| member.open) {
            if let Some(signal) = note.open.signal(&member.signal, member.key) {
                member.last = signal.window.end;
                member.signal = Arc::new(signal);
            }
        }
    }

    fn place(&mut self, member: Member, rule: &Rule) {
        if let Some(known) = self
            .members
            .iter_mut()
            .find(|known| known.signal.id == member.signal.id)
        {
            known.last = member.last;
            known.signal = member.signal;
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

    /// The signals that make the rule complete, ordered by kind.
    fn complete(&self, rule: &Rule) -> Option<Vec<Arc<Signal>>> {
        let members: Vec<&Member> = match rule.logic {
            Logic::Temporal => self.latest_of_all(rule)?,
            Logic::Ordered => self.in_order(rule)?,
            Logic::Events { least } => {
                (self.members.len() as u64 >= least).then(|| self.members.iter().collect())?
            }
            Logic::Values { field, least } => {
                let mut values = Vec::new();
                for member in &self.members {
                    let value = value(field, &member.signal.subject);
                    if value.is_some() && !values.contains(&value) {
                        values.push(value);
                    }
                }
                (values.len() as u64 >= least).then(|| self.members.iter().collect())?
            }
        };
        let mut signals: Vec<Arc<Signal>> = members
            .iter()
            .map(|member| Arc::clone(&member.signal))
            .collect();
        signals.sort_by_key(|signal| (signal.kind, signal.window.start, signal.id));
        Some(signals)
    }

    /// The latest signal of every input that has one, if every step has one.
    fn latest_of_all(&self, rule: &Rule) -> Option<Vec<&Member>> {
        let latest = |input: &usize| {
            self.members
                .iter()
                .rev()
                .find(|member| member.input == *input)
        };
        let mut all = Vec::new();
        for step in &rule.steps {
            let before = all.len();
            all.extend(step.iter().filter_map(latest));
            if all.len() == before {
                return None;
            }
        }
        Some(all)
    }

    /// For each step the first signal that opened no earlier than the step before it.
    fn in_order(&self, rule: &Rule) -> Option<Vec<&Member>> {
        let mut from = Timestamp::ZERO;
        let mut all = Vec::new();
        for step in &rule.steps {
            let fits = |member: &&Member| step.contains(&member.input) && member.opened >= from;
            let first = self
                .members
                .iter()
                .filter(fits)
                .min_by_key(|member| member.opened)?;
            from = first.opened;
            all.push(first);
        }
        Some(all)
    }

    /// A signal has closed. If that moves the end of the detection it is part of: the detection.
    pub(super) fn close(&mut self, signal: &Signal, max_evidence: usize) -> Option<Detection> {
        let member = self
            .members
            .iter_mut()
            .find(|member| member.signal.id == signal.id);
        if let Some(member) = member {
            member.open = false;
            member.last = signal.window.end;
            member.signal = Arc::new(signal.clone());
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

    /// The detection that its signals have become.
    pub(super) fn made(&mut self, detection: Detection) {
        let ids = detection.signals.iter().map(|signal| signal.id).collect();
        self.made = Some(Box::new(Made {
            completed: detection.detected,
            detection,
            ids,
        }));
        self.weigh();
    }

    /// All groups of a rule share what its detections carry.
    pub(super) fn belongs_to(&mut self, rule: &Arc<RuleInfo>) {
        if let Some(made) = &mut self.made {
            made.detection.rule = Arc::clone(rule);
        }
    }

    /// Whether losing it would lose more than one signal.
    pub(super) fn matters(&self) -> bool {
        self.made.is_some() || self.members.len() > 1
    }

    /// Whether nothing in it counts any more.
    pub(super) fn is_spent(&self, now: Timestamp, timespan: Span, dedup: Span) -> bool {
        let repeats = self
            .made
            .as_ref()
            .is_some_and(|made| made.takes_repeats(now, dedup, &self.members));
        !repeats
            && !self
                .members
                .iter()
                .any(|member| member.counts(now, timespan))
    }

    /// Whether only signals still open keep it.
    pub(super) fn is_old(&self, now: Timestamp, timespan: Span, dedup: Span) -> bool {
        let last = self.members.iter().map(|member| member.last).max();
        let made = self.made.as_ref().map(|made| made.last());
        now.since(last.max(made).unwrap_or_default()) > timespan.max(dedup)
    }

    fn weigh(&mut self) {
        let members: usize = self
            .members
            .iter()
            .map(|member| weight(&member.signal))
            .sum();
        let made = self.made.as_ref().map_or(0, |made| {
            let signals: usize = made.detection.signals.iter().map(weight).sum();
            size_of::<Made>() + IDS * size_of::<StableId>() + made.detection.summary.len() + signals
        });
        self.heap = self.members.capacity() * size_of::<Member>() + members + made;
    }
}

/// Bytes of a signal.
fn weight(signal: &Signal) -> usize {
    let evidence = &signal.evidence;
    size_of::<Signal>()
        + evidence.measure.len()
        + evidence.numbers.len() * size_of::<Number>()
        + evidence.peers.len() * size_of::<std::net::IpAddr>()
        + evidence.ports.len() * size_of::<u16>()
        + evidence.uids.len() * size_of::<Uid>()
        + evidence.domain.as_ref().map_or(0, |domain| domain.len())
        + crate::names::heap(&evidence.names)
}

impl Made {
    fn last(&self) -> Timestamp {
        self.detection.last.max(self.completed)
    }

    fn takes_repeats(&self, now: Timestamp, dedup: Span, members: &[Member]) -> bool {
        let open = || {
            members
                .iter()
                .any(|member| member.open && self.ids.contains(&member.signal.id))
        };
        now.since(self.last()) <= dedup || open()
    }

    /// Adds to the count if the signal is a new one, not just one of those known that rose.
    fn repeat(&mut self, note: &Note<'_>, signals: &[Arc<Signal>], limits: Limits) -> Outcome {
        let detection = &mut self.detection;
        for signal in signals {
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
        let id = note.signal.id;
        if self.ids.contains(&id) || !signals.iter().any(|signal| signal.id == id) {
            return Outcome::Nothing;
        }
        if self.ids.len() >= IDS {
            self.ids.remove(0);
        }
        self.ids.push(id);
        detection.count = detection.count.saturating_add(1);
        self.completed = note.now;
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
