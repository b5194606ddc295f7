//! Places in a TOML document: found by their bytes, named by dotted keys, cut out.

use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The way from the root to a value.
pub(super) type Way = Vec<Step>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Finds what stands at `span`: the innermost such value, or the outermost. An array of tables and
/// its first table share a span.
pub(super) fn locate(table: &DeTable<'_>, span: &Range<usize>, outermost: bool) -> Option<Way> {
    table.iter().find_map(|(key, value)| {
        let step = Step::Key(key.get_ref().to_string());
        if key.span() == *span {
            return Some(vec![step]);
        }
        locate_in(value, span, outermost).map(|rest| prepend(step, rest))
    })
}

fn locate_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>, outermost: bool) -> Option<Way> {
    let here = (value.span() == *span).then(Vec::new);
    if outermost && here.is_some() {
        return here;
    }
    let inside = match value.get_ref() {
        DeValue::Table(table) => locate(table, span, outermost),
        DeValue::Array(items) => items.iter().enumerate().find_map(|(n, item)| {
            locate_in(item, span, outermost).map(|rest| prepend(Step::Index(n), rest))
        }),
        _ => None,
    };
    inside.or(here)
}

/// The place of a dotted key.
pub(super) fn find(table: &DeTable<'_>, key: &str, under: &str) -> Option<Range<usize>> {
    table.iter().find_map(|(name, value)| {
        let dot = if under.is_empty() { "" } else { "." };
        let here = format!("{under}{dot}{}", name.get_ref());
        if here == key {
            return Some(name.span());
        }
        match value.get_ref() {
            DeValue::Table(table) => find(table, key, &here),
            DeValue::Array(items) => items.iter().enumerate().find_map(|(n, item)| {
                let here = format!("{here}[{n}]");
                let inside = || item.get_ref().as_table().and_then(|t| find(t, key, &here));
                if here == key {
                    Some(item.span())
                } else {
                    inside()
                }
            }),
            _ => None,
        }
    })
}

fn prepend(step: Step, mut rest: Way) -> Way {
    rest.insert(0, step);
    rest
}

pub(super) fn remove(table: &mut DeTable<'_>, path: &[Step]) -> bool {
    let [Step::Key(key), rest @ ..] = path else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    table
        .get_mut(key.as_str())
        .is_some_and(|value| remove_in(value.get_mut(), rest))
}

fn remove_in(value: &mut DeValue<'_>, path: &[Step]) -> bool {
    match (value, path) {
        (DeValue::Table(table), _) => remove(table, path),
        (DeValue::Array(items), [Step::Index(n)]) => {
            let kept = items.iter().enumerate().filter(|(at, _)| at != n);
            let mut fewer = DeArray::new();
            kept.for_each(|(_, item)| fewer.push(item.clone()));
            *items = fewer;
            true
        }
        (DeValue::Array(items), [Step::Index(n), rest @ ..]) => items
            .get_mut(*n)
            .is_some_and(|item| remove_in(item.get_mut(), rest)),
        _ => false,
    }
}

pub(super) fn dotted(path: &[Step]) -> String {
    let mut key = String::new();
    for step in path {
        match step {
            Step::Index(n) => {
                let _ = write!(key, "[{n}]");
            }
            Step::Key(name) => {
                key.push_str(if key.is_empty() { "" } else { "." });
                key.push_str(name);
            }
        }
    }
    key
}

pub(super) fn leaves(value: &DeValue<'_>) -> usize {
    match value {
        DeValue::Table(table) => table.values().map(|value| leaves(value.get_ref())).sum(),
        DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
            items.iter().map(|item| leaves(item.get_ref())).sum()
        }
        _ => 1,
    }
}

/// Line and column of a byte, both from 1; columns count characters.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}
