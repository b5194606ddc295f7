//! `flowhawk rules`: which rules there are, what they say, and what they make of a capture.

mod checks;
mod explain;
mod page;

use std::io::{self, Write};

use anyhow::Context;
use comfy_table::{Table, presets};

use crate::answered;
use crate::cli::{RulesAction, RulesArgs};
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::messages::say;
use crate::rulebook::{Known, Origin, RuleBook};

/// Answers on stdout.
pub(crate) fn run(args: &RulesArgs) -> anyhow::Result<Exit> {
    let config = config::load(args.settings.config.as_deref())?.value;
    let book = &config.rulebook;
    if let Some(RulesAction::Test(args)) = &args.action {
        let known = known(book, &args.rule)?;
        let (report, losses) = explain::explain(&known.rule, args, &config)?;
        losses.iter().for_each(say);
        let exit = answered(
            io::stdout()
                .lock()
                .write_all(report.as_bytes())
                .map_err(Into::into),
        );
        return Ok(if losses.is_empty() { exit } else { Exit::Lost });
    }
    let mut out = io::stdout().lock();
    let written = match &args.action {
        None | Some(RulesAction::List | RulesAction::Test(_)) => list(&config)
            .lines()
            .try_for_each(|line| writeln!(out, "{}", line.trim_end())),
        Some(RulesAction::Page { rule: None }) => out.write_all(page::index(book).as_bytes()),
        Some(RulesAction::Page { rule: Some(rule) }) => {
            out.write_all(page::page(&known(book, rule)?.rule).as_bytes())
        }
        Some(RulesAction::Show { rule }) => {
            let known = known(book, rule)?;
            writeln!(out, "# {}", origin(&known.origin))
                .and_then(|()| out.write_all(known.text.as_bytes()))
        }
    };
    Ok(answered(written.map_err(Into::into)))
}

fn known<'a>(book: &'a RuleBook, rule: &str) -> anyhow::Result<&'a Known> {
    let ids = || {
        let ids: Vec<&str> = book
            .iter()
            .map(|known| known.rule.info.id.as_str())
            .collect();
        ids.join(", ")
    };
    let known = book.get(rule);
    known.with_context(|| format!("there is no rule {rule}; there are {}", ids()))
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::File(path) => path.display().to_string(),
    }
}

fn list(config: &Config) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["RULE", "SEVERITY", "TITLE", "TAKES", "FROM", ""]);
    for known in config.rulebook.iter() {
        let rule = &known.rule;
        let signals: Vec<&str> = rule.inputs().map(detectors::Source::name).collect();
        table.add_row([
            rule.info.id.clone(),
            rule.level.name().to_owned(),
            rule.title.clone(),
            signals.join(" "),
            origin(&known.origin),
            if rule.can_do_without(&config.detectors.disabled_signals) {
                String::new()
            } else {
                "never: a signal it needs is disabled".to_owned()
            },
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
