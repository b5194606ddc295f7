//! A page about a detection: what it means, how to check it by hand, how to tune it. All of it comes
//! from what the program itself goes by: the rule, the top of each signal's file, the defaults.

use std::fmt::Write as _;

use detectors::{Rule, SignalKind, Source};

use super::checks::{COLUMNS, check};
use crate::config::Config;
use crate::rulebook::RuleBook;

/// A line for each page.
pub(super) fn index(book: &RuleBook) -> String {
    let mut text = String::from(
        "# Detections\n\n\
         A page for each rule that is built in, written by `flowhawk rules page`; `scripts/bless` writes them \
         again, and a test\ncompares them with what the program says.\n\n\
         | rule | what | severity | of |\n|---|---|---|---|\n",
    );
    for known in book.iter() {
        let (rule, id) = (&known.rule, &known.rule.info.id);
        let inputs: Vec<&str> = rule.inputs().map(Source::name).collect();
        let (title, level) = (&rule.title, rule.level);
        let _ = writeln!(
            text,
            "| [{id}]({id}.md) | {title} | {level} | {} |",
            inputs.join(", ")
        );
    }
    text
}

/// The page about one rule.
pub(super) fn page(rule: &Rule) -> String {
    let mut text = head(rule);
    let signals = || {
        rule.inputs().filter_map(|source| match source {
            Source::Signal(kind) => Some(*kind),
            Source::Rule(_) => None,
        })
    };
    for source in rule.inputs() {
        match source {
            Source::Signal(kind) => signal(&mut text, *kind),
            Source::Rule(id) => {
                let _ = writeln!(
                    text,
                    "\n### {id}\n\nWhat this rule detects; `flowhawk rules page {id}`."
                );
            }
        }
    }
    text.push_str("\n## Check it by hand\n\nIn the directory of the logs:\n\n```sh\n");
    let _ = writeln!(text, "{COLUMNS}");
    for kind in signals() {
        let (what, command) = check(kind);
        let _ = writeln!(text, "\n# {kind}: {what}\n{command}");
    }
    text.push_str("```\n\n## Known noise\n\n");
    for known in &rule.false_positives {
        let _ = writeln!(text, "- {known}");
    }
    for kind in signals() {
        let guide = kind.guide();
        let noise = guide
            .sections
            .iter()
            .find(|(heading, _)| *heading == "Known noise");
        if let Some((_, noise)) = noise {
            let _ = writeln!(text, "- {kind}: {noise}");
        }
    }
    tune(&mut text, rule, &signals().collect::<Vec<_>>());
    text
}

/// What it is, and what to do about it.
fn head(rule: &Rule) -> String {
    let mut text = String::new();
    let (info, level) = (&rule.info, rule.level);
    let _ = writeln!(text, "# {}: {}\n", info.id, rule.title);
    let _ = writeln!(text, "{}\n", rule.description);
    let _ = writeln!(text, "| | |\n|---|---|");
    let _ = writeln!(text, "| detection | `{}` |", info.detection_type);
    let _ = writeln!(
        text,
        "| severity, confidence | {level}, {} |",
        info.confidence.name()
    );
    let _ = writeln!(text, "| ATT&CK | {} |", info.mitre.join(", "));
    let _ = writeln!(text, "| needs | {} |", rule.needs());
    let _ = writeln!(text, "| of the same | {} |", rule.grouped_by().join(", "));
    text.push_str("\n## What to do\n\n");
    for action in &info.actions {
        let _ = writeln!(text, "- {action}");
    }
    text.push_str("\n## Evidence\n\n");
    text.push_str(
        "`flowhawk detections show ID` names the signals with their measures, limits and windows, and up to \
         `max_evidence` flows\nby the uids that they have in conn.log and the other logs.\n",
    );
    text
}

fn signal(text: &mut String, kind: SignalKind) {
    let guide = kind.guide();
    let _ = writeln!(text, "\n### {}\n", guide.title.trim_end_matches('.'));
    for (heading, section) in &guide.sections {
        if *heading != "Known noise" {
            let _ = writeln!(text, "- **{heading}** {section}");
        }
    }
}

fn tune(text: &mut String, rule: &Rule, kinds: &[SignalKind]) {
    let id = &rule.info.id;
    text.push_str("\n## Tune it\n\nThe numbers, with their defaults:\n\n```toml\n");
    let defaults = toml::Table::try_from(Config::default().detectors).unwrap_or_default();
    for kind in kinds {
        let section = kind.name().to_lowercase();
        if let Some(numbers) = defaults.get(&section) {
            let numbers = toml::to_string(numbers).unwrap_or_default();
            let _ = writeln!(text, "[detectors.{section}]\n{numbers}");
        }
    }
    let _ = write!(
        text,
        "```\n\nWhat is known is suppressed, with the reason; it is kept and marked, but not alerted on:\n\n```sh\n\
         flowhawk suppress --config flowhawk.toml add --rule {id} --src 10.1.0.30/32 --reason 'why it is known'\n\
         ```\n\nThe rule itself is data: `flowhawk rules show {id}` writes its file, and one of the same id among `rules` \
         takes its place.\n`flowhawk rules test {id} --capture FILE` tells what it makes of a capture.\n"
    );
}
