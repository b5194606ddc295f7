//! `flowhawk check`: is the configuration sound?

use std::io::{self, Write};

use crate::answered;
use crate::baseline::{Baseline, Unusable};
use crate::cli::CheckArgs;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::origins::Origins;
use crate::summary;
use crate::text::printable;

/// What is kept from an earlier run, if that is wanted.
fn kept(config: &Config) -> anyhow::Result<String> {
    let Some(file) = &config.state_file.0 else {
        return Ok(String::new());
    };
    let path = file.display();
    let informed = Baseline::named(file).inform(config, Unusable::Refuse)?;
    Ok(match informed.until {
        Some(until) => format!("ok: {path}: known up to {until}\n"),
        None => format!("ok: {path}: is not there yet\n"),
    })
}

/// Prints the defaults, or tests a configuration; every problem is in the error.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    if args.print_defaults {
        let file = config::commented_defaults()?;
        return Ok(answered(
            io::stdout()
                .lock()
                .write_all(file.as_bytes())
                .map_err(Into::into),
        ));
    }
    let document = config::load(args.config.as_deref())?;
    let rules = document.value.rulebook.len();
    let what = match &args.config {
        Some(file) => file.display().to_string(),
        None => "built-in configuration".to_owned(),
    };
    let settings = document.settings;
    let kept = kept(&document.value)?;
    let threats = document.value.threats.told();
    let origins = origins(&document.value.origins);
    let notes = notes(&document.value);
    let told = write!(
        io::stdout().lock(),
        "ok: {what}: {settings} settings, {rules} rules{threats}\n{origins}{kept}{notes}"
    );
    Ok(answered(told.map_err(Into::into)))
}

/// What is sound, and may yet not be meant.
fn notes(config: &Config) -> String {
    let disabled = &config.detectors.disabled_signals;
    let rules = config.rulebook.iter().map(|known| &known.rule);
    let lame = rules.filter(|rule| !rule.can_do_without(disabled));
    let lame = lame.map(|rule| {
        let id = &rule.info.id;
        format!(
            "note: {id}: can never be complete, as disabled_signals has signals that it needs\n"
        )
    });
    let unread = !config.parse_protocols && !config.file_hashes.is_empty();
    let unread = unread.then(|| {
        "note: file_hashes: there are none, as parse_protocols is false: no file is seen\n"
            .to_owned()
    });
    lame.chain(unread).collect()
}

/// What databases there are, and when each was made.
fn origins(origins: &Origins) -> String {
    let told = origins.databases().map(|database| {
        let (path, kind) = (database.path.display(), database.kind());
        let (kind, made) = (printable(&kind), summary::time(database.made()));
        format!("ok: {path}: {kind}, made {made}\n")
    });
    told.collect()
}
