//! `flowhawk suppress`: what is known and not to be alerted on, kept in a file, and applied to what
//! is stored.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use comfy_table::{Table, presets};
use detectors::Suppressions;
use detectors::config::Suppression;

use crate::answered;
use crate::cli::{DATABASE, DEFAULT_OUT, SuppressAction, SuppressAddArgs, SuppressArgs};
use crate::config::{self, Config, KnownFrom};
use crate::exit::Exit;
use crate::output::mark_again;
use crate::suppressions;
use crate::text::printable;

/// Answers on stdout.
pub(crate) fn run(args: &SuppressArgs) -> anyhow::Result<Exit> {
    let config = config::load(args.settings.config.as_deref())?.value;
    let said = match &args.action {
        SuppressAction::List => list(&config, args)?,
        SuppressAction::Add(entry) => {
            let file = file(&config, args)?;
            let number = suppressions::add(&file, &table(entry))?;
            format!("{}: added number {number}\n", file.display())
        }
        SuppressAction::Remove { number } => {
            let file = file(&config, args)?;
            suppressions::remove(&file, *number)?;
            format!("{}: removed number {number}\n", file.display())
        }
        SuppressAction::Apply { db } => apply(&config, args, db.as_deref())?,
    };
    let written = io::stdout().lock().write_all(said.as_bytes());
    Ok(answered(written.map_err(Into::into)))
}

/// The file that is kept.
fn file(config: &Config, args: &SuppressArgs) -> anyhow::Result<PathBuf> {
    let named = args.file.clone();
    let named = named.or_else(|| config.suppressions.first().cloned());
    named.context(
        "no file to keep suppressions in: name one with --file, or as `suppressions = [\"FILE\"]` \
         in the configuration",
    )
}

fn table(args: &SuppressAddArgs) -> toml::Table {
    let texts = [
        ("signal", &args.signal),
        ("rule", &args.rule),
        ("src", &args.src),
        ("dst", &args.dst),
        ("src_role", &args.src_role),
        ("dst_role", &args.dst_role),
        ("expires", &args.expires),
    ];
    let mut table = toml::Table::new();
    for (key, text) in texts {
        if let Some(text) = text {
            table.insert(key.to_owned(), text.as_str().into());
        }
    }
    if let Some(port) = args.port {
        table.insert("port".to_owned(), i64::from(port).into());
    }
    table.insert("reason".to_owned(), args.reason.as_str().into());
    table
}

fn list(config: &Config, args: &SuppressArgs) -> anyhow::Result<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NUMBER", "WHAT", "WHO", "EXPIRES", "REASON", "FROM"]);
    let in_force = config.detectors.suppressions.iter().zip(&config.known_from);
    for (entry, from) in in_force {
        let (number, from) = match from {
            KnownFrom::BuiltIn => (None, "built in".to_owned()),
            KnownFrom::Configuration => (None, "the configuration".to_owned()),
            KnownFrom::File(file, number) => (Some(*number), file.display().to_string()),
        };
        table.add_row(row(number, entry, &from));
    }
    for entry in suppressions::built_in() {
        if !config.built_in_suppressions {
            table.add_row(row(None, &entry, "built in; turned off"));
        } else if !suppressions::can_apply(&entry, &config.detectors.roles) {
            table.add_row(row(None, &entry, "built in; nobody has the role"));
        }
    }
    if let Some(file) = not_named(config, args) {
        for (number, entry) in suppressions::read(file)?.iter().enumerate() {
            table.add_row(row(Some(number + 1), entry, &file.display().to_string()));
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The file of the command line, if the configuration does not name it.
fn not_named<'a>(config: &Config, args: &'a SuppressArgs) -> Option<&'a Path> {
    let file = args.file.as_ref();
    file.filter(|file| !config.suppressions.contains(file))
        .map(PathBuf::as_path)
}

fn row(number: Option<usize>, entry: &Suppression, from: &str) -> [String; 6] {
    let what = match (entry.signal, &entry.rule) {
        (Some(signal), _) => signal.name().to_owned(),
        (None, Some(rule)) => rule.clone(),
        (None, None) => "everything".to_owned(),
    };
    let end = |network: Option<String>, role: Option<detectors::config::Role>| {
        let role = role.map(|role| role.name().to_owned());
        let parts: Vec<String> = network.into_iter().chain(role).collect();
        if parts.is_empty() {
            "any".to_owned()
        } else {
            parts.join(" ")
        }
    };
    let src = end(entry.src.map(|net| net.to_string()), entry.src_role);
    let dst = end(entry.dst.map(|net| net.to_string()), entry.dst_role);
    let port = entry
        .port
        .map(|port| format!(" port {port}"))
        .unwrap_or_default();
    [
        number.map(|number| number.to_string()).unwrap_or_default(),
        printable(&what).into_owned(),
        format!("{src} to {dst}{port}"),
        entry.expires.map(String::from).unwrap_or_default(),
        printable(&entry.reason).into_owned(),
        from.to_owned(),
    ]
}

fn apply(config: &Config, args: &SuppressArgs, db: Option<&Path>) -> anyhow::Result<String> {
    let mut entries = config.detectors.suppressions.clone();
    if let Some(file) = not_named(config, args) {
        if !file.exists() {
            bail!("there is no file {}", file.display());
        }
        entries.extend(suppressions::read(file)?);
    }
    let database = db.map_or_else(|| Path::new(DEFAULT_OUT).join(DATABASE), Path::to_owned);
    let known = Suppressions::new(&entries, &config.detectors.roles);
    let marked = mark_again(&database, &known)?;
    Ok(format!(
        "{}: {} signals and {} detections are suppressed now that were not, {} and {} no longer are\n",
        database.display(),
        marked.signals.marked,
        marked.detections.marked,
        marked.signals.cleared,
        marked.detections.cleared,
    ))
}
