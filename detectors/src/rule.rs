//! Correlation rules: which signals about whom, within how long, make a detection.
//!
//! A rule is data: a Sigma correlation rule (specification 2.1) over our signals, with a `flowhawk:`
//! block for what Sigma has no words for. The format is described in rules/README.md.

mod chain;
mod document;
mod explain;
mod parse;

use std::sync::Arc;

pub(crate) use chain::depths;
pub use chain::{ChainProblem, chain_problems};
pub use explain::{Explanation, Heard, Part, Verdict};
use flow_table::Span;

use serde::Serialize;

use crate::{RuleInfo, Severity, SignalKind};

/// One rule, parsed and sound.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rule {
    /// What its detections carry.
    pub info: Arc<RuleInfo>,
    /// Its title, for people.
    pub title: String,
    /// What it means, for people.
    #[serde(skip)]
    pub description: String,
    /// What it may take for it, for people.
    #[serde(skip)]
    pub false_positives: Vec<String>,
    /// The severity of its detections.
    pub level: Severity,
    /// How its inputs combine.
    pub(crate) logic: Logic,
    /// What it takes, in the order of the file.
    pub(crate) inputs: Vec<Input>,
    /// What must be there, in order where order matters.
    pub(crate) steps: Vec<Step>,
    /// How many of the steps suffice.
    pub(crate) at_least: usize,
    /// For how long a signal counts after it was last over its limit.
    pub(crate) timespan: Span,
    /// How long a repeat updates the detection, if the rule says so itself.
    pub(crate) dedup_window: Option<Span>,
}

/// One of these inputs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) any_of: Vec<usize>,
    /// Where order matters: steps of one stage may come in any order, after those of stages before.
    pub(crate) stage: usize,
}

/// How inputs combine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) enum Logic {
    /// Every step within the timespan.
    Temporal,
    /// Every step within the timespan, beginning in this order.
    Ordered,
    /// So many signals within the timespan.
    Events { least: u64 },
    /// Signals with so many different values of a field within the timespan.
    Values { field: Field, least: u64 },
}

/// What a rule takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Source {
    /// Signals of this kind.
    Signal(SignalKind),
    /// Detections of the rule with this id.
    Rule(String),
}

impl Source {
    /// The name in rule files.
    pub fn name(&self) -> &str {
        match self {
            Self::Signal(kind) => kind.name(),
            Self::Rule(id) => id,
        }
    }
}

/// One kind of signal, or the detections of one rule, that a rule takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Input {
    pub(crate) source: Source,
    /// Where the file names it.
    #[serde(skip)]
    pub(crate) line: u64,
    /// Less severe ones do not count.
    pub(crate) minimum: Severity,
    /// It counts once it has been over its limit for this many windows.
    pub(crate) windows: u32,
    /// Where it has the values that name a group.
    pub(crate) group_by: Vec<Field>,
}

/// What a signal can be grouped by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) enum Field {
    SrcIp,
    DstIp,
    DstPort,
}

/// Why a rule file was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct RuleError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 when it is not known.
    pub line: u64,
    /// What is wrong and what is allowed.
    pub problem: String,
}

/// The files of the rules shipped with the sensor: name and text.
pub const BUILTIN_RULES: [(&str, &str); 12] = [
    (
        "backup_targeting.yml",
        include_str!("../rules/backup_targeting.yml"),
    ),
    (
        "c2_beaconing.yml",
        include_str!("../rules/c2_beaconing.yml"),
    ),
    (
        "credential_brute_force.yml",
        include_str!("../rules/credential_brute_force.yml"),
    ),
    ("ddos_flood.yml", include_str!("../rules/ddos_flood.yml")),
    (
        "dns_exfiltration.yml",
        include_str!("../rules/dns_exfiltration.yml"),
    ),
    (
        "large_volume_exfiltration.yml",
        include_str!("../rules/large_volume_exfiltration.yml"),
    ),
    (
        "lateral_movement.yml",
        include_str!("../rules/lateral_movement.yml"),
    ),
    (
        "malware_delivery.yml",
        include_str!("../rules/malware_delivery.yml"),
    ),
    (
        "network_scan.yml",
        include_str!("../rules/network_scan.yml"),
    ),
    (
        "slow_beaconing.yml",
        include_str!("../rules/slow_beaconing.yml"),
    ),
    (
        "upload_to_a_stranger.yml",
        include_str!("../rules/upload_to_a_stranger.yml"),
    ),
    (
        "slow_dns_exfiltration.yml",
        include_str!("../rules/slow_dns_exfiltration.yml"),
    ),
];

/// The rules shipped with the sensor.
pub fn builtin_rules() -> Vec<Rule> {
    BUILTIN_RULES
        .iter()
        .filter_map(|(file, yaml)| Rule::parse(file, yaml).ok())
        .flatten()
        .collect()
}

impl Rule {
    /// Reads the rules of a file, one to each YAML document.
    pub fn parse(file_name: &str, yaml: &str) -> Result<Vec<Self>, RuleError> {
        parse::rules(file_name, yaml)
    }

    /// The fields in which all that it joins agrees, as the first input has them.
    pub fn grouped_by(&self) -> Vec<&'static str> {
        let fields = self.inputs.first().map_or(&[][..], |input| &input.group_by);
        fields.iter().map(|field| field.name()).collect()
    }

    /// Whether it can be complete where nobody looks for these signals. What other rules detect is
    /// taken to be there.
    pub fn can_do_without(&self, disabled: &[SignalKind]) -> bool {
        let is_there = |input: &Input| match &input.source {
            Source::Signal(kind) => !disabled.contains(kind),
            Source::Rule(_) => true,
        };
        let there = |number: &usize| self.inputs.get(*number).is_some_and(is_there);
        let can_hold = |step: &&Step| step.any_of.iter().any(there);
        let steps = self.steps.iter().filter(can_hold).count();
        match self.logic {
            Logic::Temporal => steps >= self.at_least,
            Logic::Ordered => steps == self.steps.len(),
            Logic::Events { .. } | Logic::Values { .. } => steps > 0,
        }
    }

    /// What it takes.
    pub fn inputs(&self) -> impl Iterator<Item = &Source> {
        self.inputs.iter().map(|input| &input.source)
    }
}

#[cfg(test)]
mod tests;
