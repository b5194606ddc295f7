//! The configuration: any text is either a configuration, which reads back the same once written,
//! or a list of problems, each with a line that is in the text and a sentence.

use std::path::Path;

use crate::scratch;
use crate::sensor::config::{self, Config, Document, Problems};

/// Checks one text.
pub fn check(data: &[u8]) {
    let path = scratch::file(data);
    match config::load(Some(path)) {
        Ok(document) => reads_back(&document),
        Err(problems) => are_placed(path, data, &problems),
    }
}

/// A configuration that sets everything to its default.
#[must_use]
pub fn everything() -> String {
    toml::to_string(&Config::default()).unwrap_or_default()
}

fn reads_back(document: &Document<Config>) {
    let text = match toml::to_string(&document.value) {
        Ok(text) => text,
        Err(error) => panic!("cannot be written: {error}"),
    };
    match config::load(Some(scratch::file(text.as_bytes()))) {
        Ok(again) => {
            assert_eq!(again.value, document.value, "{text}");
            assert_eq!(again.value.digest(), document.value.digest());
        }
        Err(problems) => panic!("{problems}\n{text}"),
    }
}

fn are_placed(path: &Path, data: &[u8], problems: &Problems) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!problems.0.is_empty(), "refused for no reason");
    for problem in &problems.0 {
        assert_eq!(problem.file, path);
        assert!(problem.line <= lines.len(), "{problem}");
        assert!(!problem.message.trim().is_empty(), "{problem}");
        let line = problem.line.checked_sub(1).and_then(|at| lines.get(at));
        if let (Some(column), Some(line)) = (problem.column, line) {
            assert!(column <= line.chars().count() + 1, "{problem}");
        }
    }
    assert!(
        problems.0.is_sorted_by_key(|problem| problem.line),
        "{problems}"
    );
}
