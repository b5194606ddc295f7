//! `flowhawk detections`: looks into the database.

mod export;
mod list;
mod query;
#[cfg(test)]
mod samples;
mod show;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::answered;
use crate::cli::{DATABASE, DEFAULT_OUT, DetectionsAction, DetectionsArgs, PickArgs};
use crate::exit::Exit;
use crate::output::open_for_reading;

/// Lists, shows or exports what was found.
pub(crate) fn run(args: &DetectionsArgs) -> anyhow::Result<Exit> {
    if args.action.is_some() && args.pick != PickArgs::default() {
        bail!("options that pick detections go behind the action, as in `detections list --all`");
    }
    let database = args.db.clone().unwrap_or_else(default_database);
    let connection = open_for_reading(&database)?;
    let answer: Answer = match &args.action {
        None => {
            let found = query::pick(&connection, &args.pick)?;
            Box::new(move |out| Ok(list::list(out, &found)?))
        }
        Some(DetectionsAction::List { pick }) => {
            let found = query::pick(&connection, pick)?;
            Box::new(move |out| Ok(list::list(out, &found)?))
        }
        Some(DetectionsAction::Show { id }) => {
            let found = query::by_prefix(&connection, id)?;
            let signals = query::signals(&connection, &found)?;
            Box::new(move |out| Ok(show::show(out, &found, &signals)?))
        }
        Some(DetectionsAction::Export { format, pick }) => {
            let (format, found) = (*format, query::pick(&connection, pick)?);
            Box::new(move |out| export::export(out, format, &found))
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = answer(&mut out).and_then(|()| Ok(out.flush()?));
    Ok(answered(written))
}

/// What was asked for has been found; this writes it.
type Answer = Box<dyn FnOnce(&mut dyn Write) -> anyhow::Result<()>>;

fn default_database() -> PathBuf {
    Path::new(DEFAULT_OUT).join(DATABASE)
}

#[cfg(test)]
mod tests;
