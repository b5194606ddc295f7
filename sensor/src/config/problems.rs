//! Reads a TOML document into a type and names every problem in it, not only the first.
//!
//! The type is deserialized again and again: each error points at a place in the document, which is
//! noted and cut out, until what is left is sound. So it needs nothing from the type but `Deserialize`.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::place::{Step, Way, dotted, find, leaves, locate, position, remove};
use super::wording::{NO_ENUM, plain, syntax, unknown_name};

/// Where a file says what it may not, and why not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Problem {
    pub(crate) file: PathBuf,
    /// Counted from 1; 0 when the problem is the file as a whole.
    pub(crate) line: usize,
    /// Counted from 1; only where the key does not say it better.
    pub(crate) column: Option<usize>,
    /// The dotted key, empty when there is none.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Problem {
    /// A problem with the whole of `file`.
    pub(crate) fn of_file(file: &Path, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self {
            file: file.to_owned(),
            line: 0,
            column: None,
            key: String::new(),
            message,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// At least one problem, in the order of the file.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            let gap = if n == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What a sound document holds.
#[derive(Debug)]
pub(crate) struct Document<T> {
    pub(crate) value: T,
    /// How many settings it makes; the rest are defaults.
    pub(crate) settings: usize,
}

/// Reads `text`, the content of `file`. `together` tells what is wrong only in combination, each a
/// sentence that starts with the keys: `section.one, two: one must be less than two`.
pub(crate) fn read<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    together: impl Fn(&T) -> Vec<String>,
) -> Result<Document<T>, Problems> {
    let original = DeTable::parse(text).map_err(|error| {
        let at = position(text, error.span().map_or(0, |span| span.start));
        let message = syntax(error.message());
        let mut problem = Problem::of_file(file, message);
        (problem.line, problem.column) = (at.0, Some(at.1));
        Problems(vec![problem])
    })?;
    let mut search = Search {
        file,
        text,
        left: original.get_ref().clone(),
        original: original.get_ref(),
        cut: Vec::new(),
        found: Vec::new(),
    };
    let value = search.run::<T>();
    let combined = value.as_ref().map(together).unwrap_or_default();
    for sentence in combined {
        search.note_combination(&sentence);
    }
    let settings = original
        .get_ref()
        .values()
        .map(|value| leaves(value.get_ref()))
        .sum();
    search
        .found
        .sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
    search.found.dedup();
    match value {
        Some(value) if search.found.is_empty() => Ok(Document { value, settings }),
        _ => Err(Problems(search.found)),
    }
}

struct Search<'a, 'i> {
    file: &'a Path,
    text: &'i str,
    original: &'a DeTable<'i>,
    /// The document without what was found wrong.
    left: DeTable<'i>,
    /// What was cut out.
    cut: Vec<Way>,
    found: Vec<Problem>,
}

impl Search<'_, '_> {
    /// Returns the value once nothing is wrong in what is left.
    fn run<T: DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            let document = Spanned::new(0..self.text.len(), self.left.clone());
            match T::deserialize(Deserializer::from(document)) {
                Ok(value) => return Some(value),
                Err(error) => {
                    let span = error.span().unwrap_or(0..self.text.len());
                    if !self.note(error.message(), &span) {
                        return None;
                    }
                }
            }
        }
    }

    /// Notes the problem and cuts its place out; false when there is nothing to cut.
    fn note(&mut self, message: &str, span: &Range<usize>) -> bool {
        let whole = message.starts_with("invalid type: sequence") || message == NO_ENUM;
        let place = locate(self.original, span, whole);
        let follows = self.follows_from_a_cut(message, place.as_deref().unwrap_or_default());
        if !follows {
            let problem = self.problem(message, span, place.as_deref().unwrap_or_default());
            self.found.push(problem);
        }
        let Some(in_left) = locate(&self.left, span, whole) else {
            return false;
        };
        self.cut.extend(place);
        remove(&mut self.left, &in_left)
    }

    /// Whether the table at `place` may only be wrong because something was cut out of it.
    fn follows_from_a_cut(&self, message: &str, place: &[Step]) -> bool {
        let mut cut = self
            .cut
            .iter()
            .filter_map(|cut| cut.strip_prefix(place))
            .peekable();
        let missing = message
            .strip_prefix("missing field `")
            .and_then(|m| m.strip_suffix('`'));
        match missing {
            Some(name) => cut.any(|rest| *rest == [Step::Key(name.to_owned())]),
            None => cut.any(|rest| !rest.is_empty()),
        }
    }

    /// Notes what is wrong with several settings together, at the last of them that is set. Where
    /// one of them was cut out, a default stood in for it and proves nothing.
    fn note_combination(&mut self, sentence: &str) {
        let (keys, message) = sentence.split_once(": ").unwrap_or(("", sentence));
        let section = keys.split(',').next().unwrap_or_default();
        let section = section.rfind(['.', '[']).map_or("", |end| &section[..end]);
        let within = |key: &str| {
            key.strip_prefix(section)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.cut.iter().any(|cut| within(&dotted(cut))) {
            return;
        }
        let named = keys.split(", ").enumerate().map(|(n, key)| match n {
            0 => key.to_owned(),
            _ => format!("{section}.{key}"),
        });
        let set = named.filter_map(|key| self.line_of(&key)).max();
        let line = set.or_else(|| self.line_of(section)).unwrap_or_default();
        self.found.push(Problem {
            file: self.file.to_owned(),
            line,
            column: None,
            key: keys.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Where the setting or table with this dotted key stands.
    fn line_of(&self, key: &str) -> Option<usize> {
        let span = find(self.original, key, "")?;
        Some(position(self.text, span.start).0)
    }

    fn problem(&self, message: &str, span: &Range<usize>, place: &[Step]) -> Problem {
        let key = dotted(place);
        let name = place.iter().rev().find_map(|step| match step {
            Step::Key(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        let message =
            unknown_name(message, name.unwrap_or_default()).unwrap_or_else(|| plain(message));
        let line = if key.is_empty() {
            0
        } else {
            position(self.text, span.start).0
        };
        Problem {
            file: self.file.to_owned(),
            line,
            column: None,
            key,
            message,
        }
    }
}

#[cfg(test)]
mod tests;
