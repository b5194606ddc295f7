//! What a rule file may hold, key by key.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use crate::{Confidence, Severity};

/// A Sigma correlation rule. What only people read is checked for its name, not for its content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) title: String,
    #[serde(rename = "id")]
    pub(super) _id: Option<String>,
    #[serde(rename = "name")]
    pub(super) _name: Option<String>,
    #[serde(rename = "status")]
    pub(super) _status: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) description: String,
    #[serde(rename = "references")]
    pub(super) _references: Option<IgnoredAny>,
    #[serde(rename = "author")]
    pub(super) _author: Option<IgnoredAny>,
    #[serde(rename = "date")]
    pub(super) _date: Option<IgnoredAny>,
    #[serde(rename = "modified")]
    pub(super) _modified: Option<IgnoredAny>,
    #[serde(rename = "license")]
    pub(super) _license: Option<IgnoredAny>,
    #[serde(rename = "tags")]
    pub(super) _tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) falsepositives: Vec<String>,
    pub(super) level: Spanned<String>,
    pub(super) correlation: Correlation,
    pub(super) flowhawk: Flowhawk,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Correlation {
    #[serde(rename = "type")]
    pub(super) kind: Spanned<String>,
    pub(super) rules: Spanned<Vec<Spanned<String>>>,
    #[serde(rename = "group-by")]
    pub(super) group_by: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) aliases: BTreeMap<String, BTreeMap<String, Spanned<String>>>,
    pub(super) timespan: Spanned<String>,
    pub(super) condition: Option<Spanned<Condition>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) field: Option<Spanned<String>>,
    pub(super) gt: Option<u32>,
    pub(super) gte: Option<u32>,
}

/// What Sigma has no words for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flowhawk {
    pub(super) rule_id: Spanned<String>,
    pub(super) detection_type: Spanned<String>,
    pub(super) confidence: Confidence,
    pub(super) mitre: Vec<String>,
    #[serde(default)]
    pub(super) minimum_severity: Option<Spanned<BTreeMap<String, Severity>>>,
    #[serde(default)]
    pub(super) any_of: Vec<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) in_any_order: Vec<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) at_least: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) sustained_windows: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) dedup_window: Option<Spanned<String>>,
    pub(super) actions: Vec<String>,
}
