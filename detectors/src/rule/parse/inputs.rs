//! What a rule takes, and by what it groups that.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::super::document::Flowhawk;
use super::super::{Field, Input, Source};
use super::{Problem, at, field, in_word};
use crate::{Severity, SignalKind};

/// Names as a file lists them.
type Names = Spanned<Vec<Spanned<String>>>;

/// The inputs named by `rules`, each once.
pub(super) fn read(
    rules: &Names,
    group_by: &Names,
    aliases: &BTreeMap<String, BTreeMap<String, Spanned<String>>>,
    own: &Flowhawk,
) -> Result<Vec<Input>, Problem> {
    if rules.value.is_empty() {
        return Err((at(rules), "rules must name at least one signal".to_owned()));
    }
    let sources = sources(rules)?;
    let aliases = resolve_aliases(aliases, rules)?;
    let minimum = minimum(own, rules)?;
    let windows = windows(own)?;
    if !(1..=3).contains(&group_by.value.len()) {
        return Err((
            at(group_by),
            "group-by must name one to three fields".to_owned(),
        ));
    }
    let input = |(source, line): (Source, u64)| {
        let name = source.name();
        let place = |group: &Spanned<String>| match aliases.get(group.value.as_str()) {
            None => field(group),
            Some(fields) => fields.get(name).copied().ok_or_else(|| {
                (
                    at(group),
                    format!("alias {} does not say what it is for {name}", group.value),
                )
            }),
        };
        let group_by = group_by.value.iter().map(place).collect::<Result<_, _>>()?;
        let minimum = minimum.get(name).copied().unwrap_or(Severity::Low);
        let windows = match source {
            Source::Signal(_) => windows,
            Source::Rule(_) => 1,
        };
        Ok(Input {
            source,
            line,
            minimum,
            windows,
            group_by,
        })
    };
    sources.into_iter().map(input).collect()
}

/// A signal, or what may be the id of a rule: signals have no `-` in their names.
fn source(name: &Spanned<String>) -> Result<Source, Problem> {
    if let Some(kind) = SignalKind::named(&name.value) {
        return Ok(Source::Signal(kind));
    }
    if name.value.contains('-') && name.value.chars().all(in_word) {
        return Ok(Source::Rule(name.value.clone()));
    }
    let names = SignalKind::ALL.map(SignalKind::name).join(", ");
    Err((
        at(name),
        format!("signal {:?} is unknown; known are {names}", name.value),
    ))
}

fn sources(rules: &Names) -> Result<Vec<(Source, u64)>, Problem> {
    let mut sources: Vec<(Source, u64)> = Vec::new();
    for name in &rules.value {
        let source = source(name)?;
        if sources.iter().any(|(known, _)| *known == source) {
            return Err((at(name), format!("{} is named twice", name.value)));
        }
        sources.push((source, at(name)));
    }
    Ok(sources)
}

/// For each alias and input, the field it stands for.
type Aliases<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Field>>;

fn resolve_aliases<'a>(
    aliases: &'a BTreeMap<String, BTreeMap<String, Spanned<String>>>,
    rules: &Names,
) -> Result<Aliases<'a>, Problem> {
    let mut resolved = Aliases::new();
    for (alias, fields) in aliases {
        let mut of_input = BTreeMap::new();
        for (name, target) in fields {
            if !lists(rules, name) {
                return Err((
                    at(target),
                    format!("alias {alias} names {name:?}, which is not among the rules"),
                ));
            }
            of_input.insert(name.as_str(), field(target)?);
        }
        resolved.insert(alias, of_input);
    }
    Ok(resolved)
}

fn lists(rules: &Names, name: &str) -> bool {
    rules.value.iter().any(|rule| rule.value == name)
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

fn minimum<'a>(own: &'a Flowhawk, rules: &Names) -> Result<BTreeMap<&'a str, Severity>, Problem> {
    let mut minimum = BTreeMap::new();
    let Some(given) = &own.minimum_severity else {
        return Ok(minimum);
    };
    for (name, severity) in &given.value {
        if !lists(rules, name) {
            return Err((
                at(given),
                format!("minimum_severity names {name:?}, which is not among the rules"),
            ));
        }
        minimum.insert(name.as_str(), *severity);
    }
    Ok(minimum)
}
