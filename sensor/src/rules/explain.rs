//! `flowhawk rules test`: what a rule makes of a capture, part by part.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context;
use detectors::{Explanation, Heard, Rule, SignalKind, Source, Subject};
use flow_table::Timestamp;
use serde_json::Value;

use crate::cli::{
    CommonArgs, FindingArgs, InputArgs, MessageForm, OutputArgs, ProgressWhen, ReplayArgs,
    RulesTestArgs, TalkArgs, VerdictArgs, severity_named,
};
use crate::config::Config;
use crate::messages::Message;
use crate::run::replay;
use crate::summary::time as moment;
use crate::text::printable;

/// Subjects that are explained one by one.
const MOST: usize = 5;

/// What a capture made the rule's inputs be, and what became of it.
pub(crate) fn explain(
    rule: &Rule,
    args: &RulesTestArgs,
    config: &Config,
) -> anyhow::Result<(String, Vec<Message>)> {
    let dir = tempfile::tempdir().context("cannot make a directory to replay into")?;
    let json = dir.path().join("findings.jsonl");
    let outcome = replay(&replay_args(args, dir.path(), &json), config)?;
    let text = fs::read_to_string(&json).context("cannot read what was found")?;
    let findings = Findings::read(&text);
    Ok((report(rule, &findings), outcome.losses))
}

fn replay_args(args: &RulesTestArgs, dir: &Path, json: &Path) -> ReplayArgs {
    ReplayArgs {
        files: args.capture.clone(),
        common: CommonArgs {
            input: InputArgs::default(),
            output: OutputArgs {
                findings: FindingArgs {
                    out: dir.to_owned(),
                    db: None,
                    baseline: None,
                    no_db: true,
                    json: Some(json.to_owned()),
                },
                log_format: None,
            },
            verdict: VerdictArgs::default(),
            talk: TalkArgs {
                quiet: true,
                verbose: false,
                progress: ProgressWhen::Never,
                messages: MessageForm::Text,
            },
        },
    }
}

/// Signals and detections as they were told in the end, with what they say.
#[derive(Default, Debug)]
struct Findings {
    heard: Vec<Heard>,
    said: Vec<String>,
    /// The number of each, by its id.
    numbers: HashMap<String, usize>,
}

impl Findings {
    fn read(lines: &str) -> Self {
        let mut this = Self::default();
        for line in lines.lines() {
            if let Ok(row) = serde_json::from_str::<Value>(line) {
                this.take(&row);
            }
        }
        this
    }

    /// A later row of the same finding changes what is known of it.
    fn take(&mut self, row: &Value) -> Option<()> {
        let is_signal = row["type"] == "signal";
        let (id, source, last, said) = if is_signal {
            let kind = SignalKind::named(row["signal_type"].as_str()?)?;
            let said = row.pointer("/evidence/measure")?;
            ("signal_id", Source::Signal(kind), "window_end", said)
        } else {
            let rule = row["rule_id"].as_str()?.to_owned();
            (
                "detection_id",
                Source::Rule(rule),
                "last_ts",
                row.get("summary")?,
            )
        };
        let (id, last) = (row[id].as_str()?, time(&row[last])?);
        let said = said.as_str().unwrap_or_default().to_owned();
        let severity = severity_named(row["severity"].as_str()?)?;
        if let Some(&at) = self.numbers.get(id) {
            let heard = self.heard.get_mut(at)?;
            (heard.severity, heard.last) = (severity, last);
            *self.said.get_mut(at)? = said;
            return Some(());
        }
        self.numbers.insert(id.to_owned(), self.heard.len());
        self.heard.push(Heard {
            source,
            subject: subject(row),
            severity,
            opened: last,
            last,
            suppressed: row["suppressed_by"].is_string(),
        });
        self.said.push(said);
        Some(())
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    let secs = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "nanoseconds of this century"
    )]
    Some(Timestamp::from_nanos((secs * 1e9).round() as i64))
}

fn subject(row: &Value) -> Subject {
    let addr = |key: &str| {
        row[key]
            .as_str()
            .and_then(|text| text.parse::<IpAddr>().ok())
    };
    let port = row["dst_port"].as_u64();
    Subject {
        src: addr("src_ip"),
        dst: addr("dst_ip"),
        dst_port: port.and_then(|port| u16::try_from(port).ok()),
    }
}

fn report(rule: &Rule, findings: &Findings) -> String {
    let mut text = String::new();
    let id = &rule.info.id;
    let _ = writeln!(text, "{id}  {}\nneeds  {}", rule.title, rule.needs());
    let own = Source::Rule(id.clone());
    let all = findings.heard.iter().zip(&findings.said);
    let mut made = all.filter(|(heard, _)| heard.source == own).peekable();
    if made.peek().is_none() {
        text.push_str("made   nothing\n");
    }
    for (heard, said) in made {
        let mark = if heard.suppressed { ", suppressed" } else { "" };
        let _ = writeln!(
            text,
            "made   {}{mark}  {}",
            moment(heard.last),
            printable(said)
        );
    }
    let explained = rule.explain(&findings.heard);
    if explained.is_empty() {
        text.push_str("heard  nothing that it takes\n");
    }
    for explanation in explained.iter().take(MOST) {
        show(&mut text, explanation, findings);
    }
    if explained.len() > MOST {
        let _ = writeln!(
            text,
            "\n{} more, of which no more parts held",
            explained.len() - MOST
        );
    }
    text
}

fn show(text: &mut String, explanation: &Explanation, findings: &Findings) {
    let held = explanation.held();
    let (parts, at) = (explanation.parts.len(), moment(explanation.at));
    let _ = writeln!(
        text,
        "\n{}: {held} of {parts} parts held at {at}",
        explanation.group
    );
    for part in &explanation.parts {
        let word = if part.held { "held  " } else { "missed" };
        let _ = writeln!(text, "  {word}  {}", part.needs);
        if part.heard.is_empty() {
            text.push_str("            nothing was heard of it\n");
        }
        for (number, verdict) in &part.heard {
            let known = findings.heard.get(*number).zip(findings.said.get(*number));
            if let Some((heard, said)) = known {
                let (from, to, severity) =
                    (moment(heard.opened), moment(heard.last), heard.severity);
                let name = heard.source.name();
                let _ = writeln!(
                    text,
                    "            {name}  {severity}  {from} to {to}  {verdict}: {}",
                    printable(said)
                );
            }
        }
    }
}
