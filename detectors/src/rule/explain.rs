//! Why a rule was complete for somebody, or what was missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flow_table::{Span, Timestamp};

use super::{Field, Input, Logic, Rule, Source, Step};
use crate::{Severity, Subject};

/// A signal, or what another rule detected, as it was told in the end.
#[derive(Clone, PartialEq, Debug)]
pub struct Heard {
    /// What it is of.
    pub source: Source,
    /// Whom it is about.
    pub subject: Subject,
    /// What it rose to.
    pub severity: Severity,
    /// When it opened.
    pub opened: Timestamp,
    /// When it was last over its limit.
    pub last: Timestamp,
    /// Whether a suppression kept it from rules.
    pub suppressed: bool,
}

/// What a rule knew about one subject, at the moment at which most of it held.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// The values that the rule groups by: `10.0.0.1`.
    pub group: String,
    /// The moment.
    pub at: Timestamp,
    /// Each part of the rule.
    pub parts: Vec<Part>,
}

/// One part of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// What it asks for: `PORT_SCAN or STROBE`.
    pub needs: String,
    /// Whether it held.
    pub held: bool,
    /// All that was heard of it about this subject, by number among what was heard, and whether it
    /// counted.
    pub heard: Vec<(usize, Verdict)>,
}

/// What became of something heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It counted.
    Counted,
    /// A suppression kept it from the rule.
    Suppressed,
    /// It never was this severe.
    LessSevereThan(Severity),
    /// It had been over for longer than the rule's timespan.
    OverBefore(Span),
    /// It opened only this much later.
    OpenedLater(Span),
    /// It opened before what must come before it.
    OutOfOrder,
}

impl Explanation {
    /// How many parts held.
    pub fn held(&self) -> usize {
        self.parts.iter().filter(|part| part.held).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted => f.write_str("counts"),
            Self::Suppressed => f.write_str("is suppressed"),
            Self::LessSevereThan(least) => write!(f, "is less severe than {least}"),
            Self::OverBefore(by) => write!(f, "was over {by} too early"),
            Self::OpenedLater(by) => write!(f, "opened {by} too late"),
            Self::OutOfOrder => f.write_str("opened before what must come before it"),
        }
    }
}

impl Rule {
    /// What the rule asks for, in one line.
    pub fn needs(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|step| self.part(step)).collect();
        let all = steps.len();
        let span = self.timespan;
        match self.logic {
            Logic::Temporal if self.at_least < all => {
                format!("{} of {} within {span}", self.at_least, steps.join(", "))
            }
            Logic::Temporal => format!("{} within {span}", steps.join(" and ")),
            Logic::Ordered => {
                let stages = self.steps.chunk_by(|a, b| a.stage == b.stage);
                let stage = |steps: &[Step]| {
                    let parts: Vec<String> = steps.iter().map(|step| self.part(step)).collect();
                    parts.join(" and ")
                };
                let stages: Vec<String> = stages.map(stage).collect();
                format!("{} within {span}", stages.join(", then "))
            }
            Logic::Events { least } => format!("{least} of {} within {span}", steps.join(", ")),
            Logic::Values { field, least } => format!(
                "{} with {least} different {} within {span}",
                steps.join(", "),
                field.name()
            ),
        }
    }

    fn part(&self, step: &Step) -> String {
        let inputs = step
            .any_of
            .iter()
            .filter_map(|input| self.inputs.get(*input));
        let names: Vec<String> = inputs
            .map(|input| match input.minimum {
                Severity::Low => input.source.name().to_owned(),
                least => format!("{} ({least} or more)", input.source.name()),
            })
            .collect();
        names.join(" or ")
    }

    /// For everybody about whom something was heard that the rule takes, those first of whose parts
    /// most held.
    pub fn explain(&self, heard: &[Heard]) -> Vec<Explanation> {
        let mut groups: BTreeMap<String, Vec<(usize, &Heard)>> = BTreeMap::new();
        for (number, told) in heard.iter().enumerate() {
            let input = self.input_of(told);
            if let Some(name) = input.and_then(|(_, input)| group(input, &told.subject)) {
                groups.entry(name).or_default().push((number, told));
            }
        }
        let explain = |(name, ours): (&String, &Vec<_>)| self.explain_group(name, ours);
        let mut all: Vec<Explanation> = groups.iter().filter_map(explain).collect();
        all.sort_by_key(|it| Reverse(it.held()));
        all
    }

    fn input_of(&self, told: &Heard) -> Option<(usize, &Input)> {
        let mut inputs = self.inputs.iter().enumerate();
        inputs.find(|(_, input)| input.source == told.source)
    }

    /// Looks at each moment at which something opened.
    fn explain_group(&self, name: &str, ours: &[(usize, &Heard)]) -> Option<Explanation> {
        let at_moment = |(_, told): &(usize, &Heard)| Explanation {
            group: name.to_owned(),
            at: told.opened,
            parts: self.parts_at(ours, told.opened),
        };
        let moments = ours.iter().map(at_moment);
        moments.max_by_key(|it| (it.held(), Reverse(it.at)))
    }

    fn parts_at(&self, ours: &[(usize, &Heard)], at: Timestamp) -> Vec<Part> {
        let mut parts = Vec::new();
        let (mut from, mut until) = (Timestamp::ZERO, Timestamp::ZERO);
        let mut stage = 0;
        for step in &self.steps {
            if step.stage != stage {
                (from, stage) = (until, step.stage);
            }
            let since = if self.logic == Logic::Ordered {
                from
            } else {
                Timestamp::ZERO
            };
            let mut heard = Vec::new();
            let mut opened: Option<Timestamp> = None;
            for (number, told) in ours.iter().filter(|(_, told)| self.takes(step, told)) {
                let verdict = self.verdict(told, at, since);
                if verdict == Verdict::Counted {
                    opened = Some(opened.map_or(told.opened, |first| first.min(told.opened)));
                }
                heard.push((*number, verdict));
            }
            until = until.max(opened.unwrap_or_default());
            parts.push(Part {
                needs: self.part(step),
                held: opened.is_some(),
                heard,
            });
        }
        if !self.enough(ours, &parts) {
            for part in &mut parts {
                part.held = false;
            }
        }
        parts
    }

    /// Whether as many counted as a rule that counts asks for.
    fn enough(&self, ours: &[(usize, &Heard)], parts: &[Part]) -> bool {
        let heard = parts.iter().flat_map(|part| &part.heard);
        let counts: BTreeSet<usize> = { heard }
            .filter(|(_, verdict)| *verdict == Verdict::Counted)
            .map(|(number, _)| *number)
            .collect();
        let counted = ours.iter().filter(|(number, _)| counts.contains(number));
        match self.logic {
            Logic::Temporal | Logic::Ordered => true,
            Logic::Events { least } => counted.count() as u64 >= least,
            Logic::Values { field, least } => {
                let values: BTreeSet<String> = counted
                    .filter_map(|(_, told)| field.text(&told.subject))
                    .collect();
                values.len() as u64 >= least
            }
        }
    }

    fn takes(&self, step: &Step, told: &Heard) -> bool {
        let input = self.input_of(told);
        input.is_some_and(|(number, _)| step.any_of.contains(&number))
    }

    fn verdict(&self, told: &Heard, at: Timestamp, since: Timestamp) -> Verdict {
        let minimum = self
            .input_of(told)
            .map_or(Severity::Low, |(_, input)| input.minimum);
        if told.suppressed {
            Verdict::Suppressed
        } else if told.severity < minimum {
            Verdict::LessSevereThan(minimum)
        } else if told.opened > at {
            Verdict::OpenedLater(told.opened.since(at))
        } else if at.since(told.last) > self.timespan {
            Verdict::OverBefore(at.since(told.last))
        } else if told.opened < since {
            Verdict::OutOfOrder
        } else {
            Verdict::Counted
        }
    }
}

impl Field {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SrcIp => "src_ip",
            Self::DstIp => "dst_ip",
            Self::DstPort => "dst_port",
        }
    }

    fn text(self, subject: &Subject) -> Option<String> {
        match self {
            Self::SrcIp => subject.src.map(|addr| addr.to_string()),
            Self::DstIp => subject.dst.map(|addr| addr.to_string()),
            Self::DstPort => subject.dst_port.map(|port| port.to_string()),
        }
    }
}

/// The values that name a group, as people read them.
fn group(input: &Input, subject: &Subject) -> Option<String> {
    let fields = input.group_by.iter();
    let values: Option<Vec<String>> = fields.map(|field| field.text(subject)).collect();
    values.map(|values| values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalKind;

    fn heard(name: &str, src: &str, severity: Severity, opened: i64, last: i64) -> Heard {
        let source = SignalKind::named(name).map_or(Source::Rule(name.into()), Source::Signal);
        Heard {
            source,
            subject: Subject::source(src.parse().unwrap()),
            severity,
            opened: Timestamp::new(opened, 0),
            last: Timestamp::new(last, 0),
            suppressed: false,
        }
    }

    fn built_in(id: &str) -> Rule {
        let rules = crate::builtin_rules();
        rules.into_iter().find(|rule| rule.info.id == id).unwrap()
    }

    /// For each part: whether it held, and what became of what was heard.
    fn parts(explanation: &Explanation) -> Vec<(bool, Vec<Verdict>)> {
        let verdicts = |part: &Part| part.heard.iter().map(|(_, verdict)| *verdict).collect();
        { explanation.parts.iter() }
            .map(|part| (part.held, verdicts(part)))
            .collect()
    }

    #[test]
    fn what_held_and_what_did_not() {
        use Severity::{High, Medium};
        use Verdict::{Counted, LessSevereThan, OpenedLater, OutOfOrder, OverBefore};
        let delivery = built_in("MALWARE-DELIVERY-001");
        assert_eq!(
            delivery.needs(),
            "EXECUTABLE_FILE_DOWNLOAD and RARE_EXTERNAL_SOURCE (high or more), \
             then POST_DOWNLOAD_BEACON within 10min"
        );
        let told = [
            heard("EXECUTABLE_FILE_DOWNLOAD", "10.0.0.1", High, 100, 100),
            heard("RARE_EXTERNAL_SOURCE", "10.0.0.1", High, 90, 90),
            heard("POST_DOWNLOAD_BEACON", "10.0.0.1", High, 200, 300),
            heard("POST_DOWNLOAD_BEACON", "10.0.0.1", High, 95, 96),
            heard("EXECUTABLE_FILE_DOWNLOAD", "10.0.0.2", High, 100, 100),
            heard("RARE_EXTERNAL_SOURCE", "10.0.0.2", Medium, 100, 100),
            heard("POST_DOWNLOAD_BEACON", "10.0.0.2", High, 701, 800),
            heard("PORT_SCAN", "10.0.0.3", High, 100, 100),
        ];
        let explained = delivery.explain(&told);
        let groups: Vec<&str> = explained.iter().map(|it| it.group.as_str()).collect();
        assert_eq!(groups, ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(
            parts(&explained[0]),
            [
                (true, vec![Counted]),
                (true, vec![Counted]),
                (true, vec![Counted, OutOfOrder]),
            ]
        );
        let late = Span::from_secs(601);
        assert_eq!(
            parts(&explained[1]),
            [
                (true, vec![Counted]),
                (false, vec![LessSevereThan(High)]),
                (false, vec![OpenedLater(late)]),
            ]
        );
        let too_early = delivery.verdict(&told[0], Timestamp::new(701, 0), Timestamp::ZERO);
        assert_eq!(too_early, OverBefore(late));
    }
}
