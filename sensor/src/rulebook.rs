//! The correlation rules of a run: those built in, and files of the user's beside them, of which one
//! with a known id takes the place of that rule.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use detectors::{ChainProblem, Rule};

use super::config::{Problem, Problems};

/// A rule and where it was read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Known {
    pub(crate) rule: Rule,
    pub(crate) origin: Origin,
    /// The YAML of its file.
    pub(crate) text: String,
}

/// Where a rule comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    BuiltIn,
    File(PathBuf),
}

/// Rules by id.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct RuleBook(Vec<Known>);

impl RuleBook {
    /// What is built in.
    pub(crate) fn built_in() -> Self {
        let mut book = Self(Vec::new());
        for (_, text) in detectors::BUILTIN_RULES {
            // They are tested to be sound.
            let rules = Rule::parse("built-in", text).unwrap_or_default();
            book.put(rules, &Origin::BuiltIn, text);
        }
        book
    }

    /// What is built in, and the files at `paths`: of directories those that end in .yml or .yaml,
    /// by name. All that is wrong with them is in the error.
    pub(crate) fn with(paths: &[PathBuf]) -> Result<Self, Problems> {
        let mut book = Self::built_in();
        let mut problems = Vec::new();
        for path in paths {
            match files(path) {
                Ok(files) => {
                    for file in files {
                        problems.extend(book.read(&file).err());
                    }
                }
                Err(error) => problems.push(Problem::of_file(path, error)),
            }
        }
        if problems.is_empty() {
            problems = book.chain_problems();
        }
        if problems.is_empty() {
            Ok(book)
        } else {
            Err(Problems(problems))
        }
    }

    /// Inputs of rules that no rule makes.
    fn chain_problems(&self) -> Vec<Problem> {
        let found = detectors::chain_problems(&self.rules()).into_iter();
        let problem = |found: ChainProblem| {
            let file = match self.get(&found.rule_id).map(|known| &known.origin) {
                Some(Origin::File(file)) => file.as_path(),
                Some(Origin::BuiltIn) | None => Path::new("built-in"),
            };
            let mut problem = Problem::of_file(file, found.problem);
            problem.line = usize::try_from(found.line).unwrap_or_default();
            problem
        };
        found.map(problem).collect()
    }

    fn read(&mut self, file: &Path) -> Result<(), Problem> {
        let text = fs::read_to_string(file).map_err(|error| Problem::of_file(file, error))?;
        let rules = Rule::parse(&file.display().to_string(), &text).map_err(|error| {
            let mut problem = Problem::of_file(file, &error.problem);
            problem.line = usize::try_from(error.line).unwrap_or_default();
            problem
        })?;
        self.put(rules, &Origin::File(file.to_owned()), &text);
        Ok(())
    }

    fn put(&mut self, rules: Vec<Rule>, origin: &Origin, text: &str) {
        for rule in rules {
            self.0.retain(|known| known.rule.info.id != rule.info.id);
            self.0.push(Known {
                rule,
                origin: origin.clone(),
                text: text.to_owned(),
            });
        }
        self.0.sort_by(|a, b| a.rule.info.id.cmp(&b.rule.info.id));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Known> {
        self.0.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rule of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Known> {
        self.iter().find(|known| known.rule.info.id == id)
    }

    /// For the detectors.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.iter().map(|known| known.rule.clone()).collect()
    }
}

/// A file itself, or the rule files in a directory.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let listed: io::Result<Vec<PathBuf>> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
    let mut files = listed?;
    let is_rule = |file: &PathBuf| {
        let ending = file.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("yml" | "yaml")) && file.is_file()
    };
    files.retain(is_rule);
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use detectors::Source;

    use super::*;

    const OWN: &str = "\
title: Any scan
level: low
correlation:
  type: temporal
  rules: [PORT_SCAN]
  group-by: [src_ip]
  timespan: 15m
flowhawk:
  rule_id: RULE_ID
  detection_type: ANY_SCAN
  confidence: low
  mitre: []
  actions: []
";

    #[test]
    fn files_are_read_beside_what_is_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = (dir.path().join("own.yml"), dir.path().join("other.yaml"));
        fs::write(&own, OWN.replace("RULE_ID", "OWN-001")).unwrap();
        fs::write(&other, OWN.replace("RULE_ID", "RECON-001")).unwrap();
        fs::write(dir.path().join("notes.txt"), "not a rule").unwrap();
        let built_in = RuleBook::built_in();
        assert!(built_in.len() >= 6);
        let book = RuleBook::with(&[dir.path().to_owned()]).unwrap();
        assert_eq!(book.len(), built_in.len() + 1);
        assert_eq!(book.get("OWN-001").unwrap().origin, Origin::File(own));
        assert_eq!(book.get("RECON-001").unwrap().origin, Origin::File(other));
        assert_eq!(book.get("LM-001").unwrap().origin, Origin::BuiltIn);
        assert!(book.rules().is_sorted_by_key(|rule| rule.info.id.clone()));
    }

    #[test]
    fn everything_wrong_is_said_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1.yml"), dir.path().join("2.yml"));
        fs::write(&one, OWN.replace("PORT_SCAN", "PORT_SCANS")).unwrap();
        fs::write(&two, OWN.replace("level: low", "level: bad")).unwrap();
        let missing = dir.path().join("3.yml");
        let problems = RuleBook::with(&[dir.path().to_owned(), missing.clone()]).unwrap_err();
        let at: Vec<_> = problems
            .0
            .iter()
            .map(|p| (p.file.clone(), p.line))
            .collect();
        assert_eq!(at, [(one, 5), (two, 2), (missing, 0)]);
    }

    #[test]
    fn rules_may_take_what_others_detect_if_there_are_such() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own.yml");
        let text = OWN.replace("RULE_ID", "OWN-001");
        fs::write(&own, text.replace("[PORT_SCAN]", "[LM-001, PORT_SCAN]")).unwrap();
        let book = RuleBook::with(std::slice::from_ref(&own)).unwrap();
        let takes: Vec<&str> = book
            .get("OWN-001")
            .unwrap()
            .rule
            .inputs()
            .map(Source::name)
            .collect();
        assert_eq!(takes, ["LM-001", "PORT_SCAN"]);
        fs::write(&own, text.replace("[PORT_SCAN]", "[LM-002, PORT_SCAN]")).unwrap();
        let problems = RuleBook::with(std::slice::from_ref(&own)).unwrap_err();
        let problem = &problems.0[0];
        assert_eq!((&problem.file, problem.line), (&own, 5));
        assert_eq!(problem.message, "there is no rule LM-002");
    }
}
