//! `flowhawk check`: is the configuration sound?

use std::io::{self, Write};

use crate::answered;
use crate::cli::CheckArgs;
use crate::config;
use crate::exit::Exit;

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
    let told = writeln!(
        io::stdout().lock(),
        "ok: {what}: {settings} settings, {rules} rules"
    );
    Ok(answered(told.map_err(Into::into)))
}
