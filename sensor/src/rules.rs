//! `flowhawk rules`: which rules there are, and what they say.

use std::io::{self, Write};

use anyhow::bail;
use comfy_table::{Table, presets};

use crate::answered;
use crate::cli::{RulesAction, RulesArgs};
use crate::config;
use crate::exit::Exit;
use crate::rulebook::{Origin, RuleBook};

/// Answers on stdout.
pub(crate) fn run(args: &RulesArgs) -> anyhow::Result<Exit> {
    let config = config::load(args.settings.config.as_deref())?.value;
    let book = &config.rulebook;
    let mut out = io::stdout().lock();
    let written = match &args.action {
        None | Some(RulesAction::List) => list(book)
            .lines()
            .try_for_each(|line| writeln!(out, "{}", line.trim_end())),
        Some(RulesAction::Show { rule }) => {
            let Some(known) = book.get(rule) else {
                let ids: Vec<&str> = book
                    .iter()
                    .map(|known| known.rule.info.id.as_str())
                    .collect();
                bail!("there is no rule {rule}; there are {}", ids.join(", "));
            };
            writeln!(out, "# {}", origin(&known.origin))
                .and_then(|()| out.write_all(known.text.as_bytes()))
        }
    };
    Ok(answered(written.map_err(Into::into)))
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::File(path) => path.display().to_string(),
    }
}

fn list(book: &RuleBook) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["RULE", "SEVERITY", "TITLE", "SIGNALS", "FROM"]);
    for known in book.iter() {
        let rule = &known.rule;
        let signals: Vec<&str> = rule.signals().map(detectors::SignalKind::name).collect();
        table.add_row([
            rule.info.id.clone(),
            rule.level.name().to_owned(),
            rule.title.clone(),
            signals.join(" "),
            origin(&known.origin),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
