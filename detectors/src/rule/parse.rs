//! From YAML to a rule, refusing whatever is not understood.

mod inputs;
mod steps;

use std::sync::Arc;

use flow_table::Span;
use serde_saphyr::Spanned;

use super::document::{Condition, Correlation, Document};
use super::{Field, Logic, Rule, RuleError};
use crate::{RuleInfo, Severity};

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
        let logic = logic(&kind, condition)?;
        let inputs = inputs::read(&rules, &group_by, &aliases, &own)?;
        let (steps, at_least) = steps::read(&inputs, &own, logic)?;
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
            description: self.description.trim().to_owned(),
            false_positives: self.falsepositives,
            level: level(&self.level)?,
            logic,
            steps,
            at_least,
            inputs,
            timespan: span(&timespan, "timespan")?,
            dedup_window: own
                .dedup_window
                .map(|text| span(&text, "dedup_window"))
                .transpose()?,
        })
    }
}

/// What the ids of rules and types of detections are made of.
fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn word(text: &Spanned<String>, what: &str, example: &str) -> Result<String, Problem> {
    if !text.value.is_empty() && text.value.chars().all(in_word) {
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
