//! What is known and not to be alerted on: what is built in, what the configuration says, and files
//! of it that the configuration names, which `flowhawk suppress` keeps.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use detectors::config::{Role, Roles, Suppression};
use serde::{Deserialize, Serialize};

use super::config::{Problem, Problems, read_document};

/// What is known in every network.
const BUILT_IN: &str = include_str!("../suppressions.toml");

/// A file of them.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entries {
    suppressions: Vec<Suppression>,
}

impl Entries {
    /// What is wrong, each a sentence that starts with the key.
    fn together(&self) -> Vec<String> {
        let problems = self
            .suppressions
            .iter()
            .map(Suppression::problem)
            .enumerate();
        problems
            .filter_map(|(n, problem)| Some(format!("suppressions[{n}]: {}", problem?)))
            .collect()
    }
}

/// Those that are built in.
pub(crate) fn built_in() -> Vec<Suppression> {
    // They are tested to be sound.
    parse(Path::new("built-in"), BUILT_IN).unwrap_or_default()
}

/// Whether somebody has the roles that it is about.
pub(crate) fn can_apply(entry: &Suppression, roles: &Roles) -> bool {
    let held = |role: Option<Role>| role.is_none_or(|role| !roles.of(role).is_empty());
    held(entry.src_role) && held(entry.dst_role)
}

/// Those of a file; one that is not there yet has none.
pub(crate) fn read(file: &Path) -> Result<Vec<Suppression>, Problems> {
    parse(file, &text(file)?)
}

fn text(file: &Path) -> Result<String, Problems> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| Problems(vec![Problem::of_file(file, error)])),
    }
}

fn parse(file: &Path, text: &str) -> Result<Vec<Suppression>, Problems> {
    let document = read_document(file, text, Entries::together)?;
    Ok(document.value.suppressions)
}

/// Adds what `entry` holds, as it would stand in a file, behind all others.
pub(crate) fn add(file: &Path, entry: &toml::Table) -> anyhow::Result<usize> {
    let entry = toml::to_string(&entry)?;
    let before = text(file)?;
    let gap = if before.is_empty() { "" } else { "\n" };
    let end = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let after = format!("{before}{end}{gap}[[suppressions]]\n{entry}");
    let number = parse(file, &after)?.len();
    replace(file, &after)?;
    Ok(number)
}

/// Takes one away, counted from 1; whatever else stands in the file stays.
pub(crate) fn remove(file: &Path, number: usize) -> anyhow::Result<()> {
    let before = text(file)?;
    let known = parse(file, &before)?;
    if number == 0 || number > known.len() {
        anyhow::bail!(
            "{} has {} suppressions; there is no number {number}",
            file.display(),
            known.len()
        );
    }
    let after = without(&before, number);
    let left = parse(file, &after)?;
    let expected = { known.iter().enumerate() }.filter(|(n, _)| n + 1 != number);
    if !left.iter().eq(expected.map(|(_, entry)| entry)) {
        anyhow::bail!(
            "{}: number {number} cannot be told from what stands around it; remove it by hand",
            file.display()
        );
    }
    replace(file, &after)
}

/// The lines of all but one entry. Comments before an entry belong to it.
fn without(text: &str, number: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: &&str| line.trim_start().starts_with("[[");
    let mut starts: Vec<usize> = { lines.iter().enumerate() }
        .filter(|(_, line)| begins(line))
        .map(|(at, _)| at)
        .collect();
    for start in &mut starts {
        let comments = { lines.iter().take(*start).rev() }
            .take_while(|line| line.trim_start().starts_with('#'));
        *start -= comments.count();
    }
    let from = starts
        .get(number.saturating_sub(1))
        .copied()
        .unwrap_or(lines.len());
    let to = starts.get(number).copied().unwrap_or(lines.len());
    let kept = lines.iter().enumerate();
    let kept = kept.filter(|(at, _)| !(from..to).contains(at));
    kept.flat_map(|(_, line)| [line, "\n"]).collect()
}

/// A reader finds what was there before, or all that is there now.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut written = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
    written.write_all(text.as_bytes())?;
    if let Ok(known) = fs::metadata(file) {
        written.as_file().set_permissions(known.permissions())?;
    }
    written.as_file().sync_all()?;
    written.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_sound_and_needs_roles() {
        let entries = parse(Path::new("built-in"), BUILT_IN).unwrap();
        assert!(entries.len() >= 10);
        for entry in entries {
            assert!(
                entry.src_role.is_some() || entry.dst_role.is_some(),
                "{entry:?}"
            );
        }
    }

    fn entry(reason: &str) -> toml::Table {
        let mut entry = toml::Table::new();
        entry.insert("rule".to_owned(), "LM-001".into());
        entry.insert("reason".to_owned(), reason.into());
        entry
    }

    #[test]
    fn entries_come_and_go_and_comments_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known.toml");
        assert_eq!(read(&file).unwrap(), []);
        fs::write(
            &file,
            "# Known here.\n\n# About one.\n[[suppressions]]\nrule = 'A'\nreason = 'one'",
        )
        .unwrap();
        add(&file, &entry("two")).unwrap();
        add(&file, &entry("three\n[[x]]")).unwrap();
        let reasons = || -> Vec<String> {
            read(&file)
                .unwrap()
                .into_iter()
                .map(|entry| entry.reason)
                .collect()
        };
        assert_eq!(reasons(), ["one", "two", "three\n[[x]]"]);
        remove(&file, 2).unwrap();
        assert_eq!(reasons(), ["one", "three\n[[x]]"]);
        remove(&file, 1).unwrap();
        assert_eq!(reasons(), ["three\n[[x]]"]);
        assert!(
            fs::read_to_string(&file)
                .unwrap()
                .starts_with("# Known here.\n\n[[supp")
        );
        assert!(
            remove(&file, 2)
                .unwrap_err()
                .to_string()
                .contains("there is no number 2")
        );
    }

    #[test]
    fn what_is_not_sound_is_not_added() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known.toml");
        let refused = |key: &str, value: &str| {
            let mut entry = entry("why");
            entry.insert(key.to_owned(), value.into());
            add(&file, &entry).unwrap_err().to_string()
        };
        assert!(refused("signal", "PORT_SCAM").contains("did you mean"));
        assert!(refused("signal", "PORT_SCAN").contains("write two suppressions"));
        assert!(refused("src_role", "clown").contains("unknown value"));
        assert!(refused("expires", "tomorrow").contains("2027-01-31"));
        assert!(refused("reason", " ").contains("has no reason"));
        assert!(!file.exists());
    }
}
