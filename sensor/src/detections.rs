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
    let mut out = BufWriter::new(io::stdout().lock());
    match &args.action {
        None => list::list(&mut out, &query::pick(&connection, &args.pick)?)?,
        Some(DetectionsAction::List { pick }) => {
            list::list(&mut out, &query::pick(&connection, pick)?)?;
        }
        Some(DetectionsAction::Show { id }) => {
            let found = query::by_prefix(&connection, id)?;
            show::show(&mut out, &found, &query::signals(&connection, &found)?)?;
        }
        Some(DetectionsAction::Export { format, pick }) => {
            export::export(&mut out, *format, &query::pick(&connection, pick)?)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn default_database() -> PathBuf {
    Path::new(DEFAULT_OUT).join(DATABASE)
}

#[cfg(test)]
mod tests;
