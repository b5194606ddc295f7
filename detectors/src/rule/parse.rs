//! From YAML to a rule, refusing whatever is not understood.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow_table::Span;
use serde_saphyr::Spanned;

use super::document::{Condition, Correlation, Document, Flowhawk};
use super::{Field, Input, Logic, Rule, RuleError};
use crate::{RuleInfo, Severity, SignalKind};

/// A problem and its line.
type Problem = (u64, String);

pub(super) fn rules(file: &str, yaml: &str) -> Result<Vec<Rule>, RuleError> {
    let refuse = |(line, problem): Problem| RuleError {
        file: file.to_owned(),
        line,
        problem,
    };
    let documents: Vec<Document> = serde_saphyr::from_multiple(yaml).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let text = error.without_snippet().to_string();
        refuse((
            line,
            text.lines().next().unwrap_or("not readable").to_owned(),
        ))
    })?;
    if documents.is_empty() {
        return Err(refuse((1, "holds no rule".to_owned())));
    }
    documents
        .into_iter()
        .map(|document| document.rule().map_err(refuse))
        .collect()
}

fn at<T>(value: &Spanned<T>) -> u64 {
    value.referenced.line()
}

impl Document {
    fn rule(self) -> Result<Rule, Problem> {
        let Correlation {
            kind,
            rules,
            group_by,
            aliases,
            timespan,
            condition,
        } = self.correlation;
        let own = self.flowhawk;
        let kinds = kinds(&rules)?;
        let aliases = resolve_aliases(&aliases, &rules)?;
        let minimum = minimum(&own, &rules)?;
        let inputs = inputs(&kinds, &group_by, &aliases, windows(&own)?, &minimum)?;
        let info = RuleInfo {
            id: word(&own.rule_id, "rule_id", "LM-001")?,
            detection_type: word(&own.detection_type, "detection_type", "LATERAL_MOVEMENT")?,
            confidence: own.confidence,
            mitre: own.mitre,
            actions: own.actions,
        };
        Ok(Rule {
            info: Arc::new(info),
            title: self.title,
            level: level(&self.level)?,
            logic: logic(&kind, condition)?,
            steps: steps(&inputs, &own.any_of)?,
            inputs,
            timespan: span(&timespan, "timespan")?,
            dedup_window: own
                .dedup_window
                .map(|text| span(&text, "dedup_window"))
                .transpose()?,
        })
    }
}

fn word(text: &Spanned<String>, what: &str, example: &str) -> Result<String, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.value.is_empty() && text.value.chars().all(fits) {
        return Ok(text.value.clone());
    }
    let problem = format!(
        "{what} {:?} must be letters, digits, '-' and '_', such as {example}",
        text.value
    );
    Err((at(text), problem))
}

fn level(text: &Spanned<String>) -> Result<Severity, Problem> {
    let levels = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    levels
        .into_iter()
        .find(|level| level.name() == text.value)
        .ok_or_else(|| {
            (
                at(text),
                format!(
                    "level {:?} is unknown; allowed are low, medium, high, critical",
                    text.value
                ),
            )
        })
}

fn signal(name: &Spanned<String>) -> Result<SignalKind, Problem> {
    SignalKind::named(&name.value).ok_or_else(|| {
        let names = SignalKind::ALL.map(SignalKind::name).join(", ");
        (
            at(name),
            format!("signal {:?} is unknown; known are {names}", name.value),
        )
    })
}

fn field(name: &Spanned<String>) -> Result<Field, Problem> {
    known_field(&name.value).ok_or_else(|| {
        let problem = format!(
            "field {:?} is unknown; allowed are src_ip, dst_ip, dst_port and the aliases defined",
            name.value
        );
        (at(name), problem)
    })
}

fn known_field(name: &str) -> Option<Field> {
    match name {
        "src_ip" => Some(Field::SrcIp),
        "dst_ip" => Some(Field::DstIp),
        "dst_port" => Some(Field::DstPort),
        _ => None,
    }
}

/// Sigma's time span: a number and one of s, m, h, d.
fn span(text: &Spanned<String>, what: &str) -> Result<Span, Problem> {
    let bad = || {
        let problem = format!(
            "{what} {:?} must be a number above 0 and one of s, m, h, d: 15m",
            text.value
        );
        (at(text), problem)
    };
    let number = text.value.trim_end_matches(['s', 'm', 'h', 'd']);
    let seconds = match text.value.strip_prefix(number) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err(bad()),
    };
    match number.parse::<u32>() {
        Ok(number) if number > 0 => Ok(Span::from_secs(i64::from(number) * seconds)),
        _ => Err(bad()),
    }
}

fn logic(kind: &Spanned<String>, condition: Option<Spanned<Condition>>) -> Result<Logic, Problem> {
    match (kind.value.as_str(), condition) {
        ("temporal", None) => Ok(Logic::Temporal),
        ("temporal_ordered", None) => Ok(Logic::Ordered),
        ("temporal" | "temporal_ordered", Some(condition)) => Err((
            at(&condition),
            format!(
                "type {} takes no condition: all of its rules must occur",
                kind.value
            ),
        )),
        ("event_count", Some(condition)) => {
            if let Some(field) = &condition.value.field {
                return Err((
                    at(field),
                    "type event_count takes no field; value_count does".to_owned(),
                ));
            }
            Ok(Logic::Events {
                least: least(&condition)?,
            })
        }
        ("value_count", Some(condition)) => {
            let Some(name) = &condition.value.field else {
                return Err((
                    at(&condition),
                    "type value_count needs the field it counts".to_owned(),
                ));
            };
            Ok(Logic::Values {
                field: field(name)?,
                least: least(&condition)?,
            })
        }
        ("event_count" | "value_count", None) => Err((
            at(kind),
            format!("type {} needs a condition, such as gte: 3", kind.value),
        )),
        (other, _) => {
            let allowed = "temporal, temporal_ordered, event_count, value_count";
            Err((
                at(kind),
                format!("type {other:?} is unknown; allowed are {allowed}"),
            ))
        }
    }
}

/// More signals than this cannot be waited for: each is held in memory.
const MOST: u64 = 1_000;

fn least(condition: &Spanned<Condition>) -> Result<u64, Problem> {
    let least = match (condition.value.gt, condition.value.gte) {
        (Some(gt), None) => u64::from(gt) + 1,
        (None, Some(gte)) => u64::from(gte),
        _ => {
            return Err((
                at(condition),
                "the condition needs either gt or gte".to_owned(),
            ));
        }
    };
    if (1..=MOST).contains(&least) {
        return Ok(least);
    }
    Err((
        at(condition),
        format!("the condition asks for {least} signals; allowed are 1 to {MOST}"),
    ))
}

/// For each alias and signal, the field it stands for.
type Aliases<'a> = BTreeMap<&'a str, BTreeMap<SignalKind, Field>>;

fn resolve_aliases<'a>(
    aliases: &'a BTreeMap<String, BTreeMap<String, Spanned<String>>>,
    rules: &Spanned<Vec<Spanned<String>>>,
) -> Result<Aliases<'a>, Problem> {
    let mut resolved = Aliases::new();
    for (alias, fields) in aliases {
        let mut by_signal = BTreeMap::new();
        for (name, target) in fields {
            let listed = rules.value.iter().any(|rule| rule.value == *name);
            let kind = SignalKind::named(name).filter(|_| listed).ok_or_else(|| {
                (
                    at(target),
                    format!("alias {alias} names {name:?}, which is not among the rules"),
                )
            })?;
            by_signal.insert(kind, field(target)?);
        }
        resolved.insert(alias, by_signal);
    }
    Ok(resolved)
}

/// The signals named, each once.
fn kinds(rules: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<SignalKind>, Problem> {
    if rules.value.is_empty() {
        return Err((at(rules), "rules must name at least one signal".to_owned()));
    }
    let mut kinds = Vec::new();
    for name in &rules.value {
        let kind = signal(name)?;
        if kinds.contains(&kind) {
            return Err((at(name), format!("{kind} is named twice")));
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

fn windows(own: &Flowhawk) -> Result<u32, Problem> {
    match &own.sustained_windows {
        None => Ok(1),
        Some(windows) if windows.value > 0 => Ok(windows.value),
        Some(windows) => Err((
            at(windows),
            "sustained_windows must be 1 or more".to_owned(),
        )),
    }
}

fn inputs(
    kinds: &[SignalKind],
    group_by: &Spanned<Vec<Spanned<String>>>,
    aliases: &Aliases<'_>,
    windows: u32,
    minimum: &BTreeMap<SignalKind, Severity>,
) -> Result<Vec<Input>, Problem> {
    if !(1..=3).contains(&group_by.value.len()) {
        return Err((
            at(group_by),
            "group-by must name one to three fields".to_owned(),
        ));
    }
    let input = |kind: &SignalKind| {
        let place = |name: &Spanned<String>| match aliases.get(name.value.as_str()) {
            None => field(name),
            Some(fields) => fields.get(kind).copied().ok_or_else(|| {
                (
                    at(name),
                    format!("alias {} does not say what it is for {kind}", name.value),
                )
            }),
        };
        Ok(Input {
            kind: *kind,
            minimum: minimum.get(kind).copied().unwrap_or(Severity::Low),
            windows,
            group_by: group_by.value.iter().map(place).collect::<Result<_, _>>()?,
        })
    };
    kinds.iter().map(input).collect()
}

fn minimum(
    own: &Flowhawk,
    rules: &Spanned<Vec<Spanned<String>>>,
) -> Result<BTreeMap<SignalKind, Severity>, Problem> {
    let mut minimum = BTreeMap::new();
    let Some(given) = &own.minimum_severity else {
        return Ok(minimum);
    };
    for (name, severity) in &given.value {
        let listed = rules.value.iter().any(|rule| rule.value == *name);
        let kind = SignalKind::named(name).filter(|_| listed).ok_or_else(|| {
            (
                at(given),
                format!("minimum_severity names {name:?}, which is not among the rules"),
            )
        })?;
        minimum.insert(kind, *severity);
    }
    Ok(minimum)
}

/// Inputs of an any-of group share the step of the first of them; every other one is a step.
fn steps(inputs: &[Input], any_of: &[Vec<Spanned<String>>]) -> Result<Vec<Vec<usize>>, Problem> {
    let mut step_of: Vec<usize> = (0..inputs.len()).collect();
    for group in any_of {
        let mut members = Vec::new();
        for name in group {
            let kind = signal(name)?;
            let member = inputs.iter().position(|input| input.kind == kind);
            members.push(member.ok_or_else(|| {
                (
                    at(name),
                    format!("any_of names {kind}, which is not among the rules"),
                )
            })?);
        }
        let first = members.iter().min().copied().unwrap_or(0);
        for member in members {
            if let Some(step) = step_of.get_mut(member) {
                *step = first;
            }
        }
    }
    let of_step = |step: usize| -> Vec<usize> {
        step_of
            .iter()
            .enumerate()
            .filter(|(_, own)| **own == step)
            .map(|(input, _)| input)
            .collect()
    };
    Ok((0..inputs.len())
        .map(of_step)
        .filter(|step| !step.is_empty())
        .collect())
}
