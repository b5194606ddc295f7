//! What can be set in the file given with `--config`.

mod defaults;
mod live;
mod metrics_at;
mod place;
mod problems;
mod size;
mod target;
mod wording;

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use flow_table::Span;
use serde::{Deserialize, Deserializer, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::rulebook::RuleBook;
use crate::cli::LogFormat;
pub(crate) use defaults::commented_defaults;
pub(crate) use live::LiveConfig;
pub(crate) use metrics_at::MetricsAt;
pub(crate) use problems::{Document, Problem, Problems};
pub(crate) use size::ByteSize;
pub(crate) use target::Target;

/// What the detectors can be told.
pub(crate) type DetectorConfig = detectors::Config;

/// Everything that can be set. Options of the command line win over it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Divided among flow tables, fragments, parsers, detectors and queues.
    #[serde(deserialize_with = "enough_memory")]
    pub(crate) memory_limit: ByteSize,
    /// How often a living flow reports what it moved, in packet time.
    #[serde(deserialize_with = "more_than_zero")]
    pub(crate) progress_interval: Span,
    /// The steps in which packet time moves for the detectors.
    #[serde(deserialize_with = "more_than_zero")]
    pub(crate) tick: Span,
    pub(crate) log_format: LogFormat,
    pub(crate) ignore_checksums: bool,
    /// Whether conn.log has the columns `vlan` and `inner_vlan`.
    pub(crate) log_vlan: bool,
    /// Whether conn.log has the columns `orig_l2_addr` and `resp_l2_addr`.
    pub(crate) log_mac: bool,
    /// Rule files, or directories of them; relative to the file that names them.
    pub(crate) rules: Vec<PathBuf>,
    /// Where `live` keeps what detectors know, relative to the file that names it; nowhere if empty.
    pub(crate) state_file: StateFile,
    /// How often it does, in packet time.
    #[serde(deserialize_with = "more_than_zero")]
    pub(crate) checkpoint_interval: Span,
    pub(crate) live: LiveConfig,
    pub(crate) detectors: DetectorConfig,
    /// What stands in them, beside what is built in; read once all else is sound.
    #[serde(skip)]
    pub(crate) rulebook: RuleBook,
}

/// A file, or none: written as its path, or as nothing.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub(crate) struct StateFile(pub(crate) Option<PathBuf>);

impl From<PathBuf> for StateFile {
    fn from(path: PathBuf) -> Self {
        Self(Some(path).filter(|path| *path != Path::new("")))
    }
}

impl From<StateFile> for PathBuf {
    fn from(file: StateFile) -> Self {
        file.0.unwrap_or_default()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_limit: ByteSize::mebibytes(1024),
            progress_interval: Span::from_secs(10),
            tick: Span::from_millis(100),
            log_format: LogFormat::Tsv,
            ignore_checksums: false,
            log_vlan: false,
            log_mac: false,
            rules: Vec::new(),
            state_file: StateFile::default(),
            checkpoint_interval: Span::from_secs(60),
            live: LiveConfig::default(),
            detectors: DetectorConfig::default(),
            rulebook: RuleBook::default(),
        }
    }
}

impl Config {
    /// What is wrong only in combination, each a sentence that starts with the keys.
    fn together(&self) -> Vec<String> {
        let problems = self.detectors.problems();
        problems
            .iter()
            .map(|problem| format!("detectors.{problem}"))
            .collect()
    }

    /// 32 hex digits that change with any setting and any rule.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = SipHasher13::new();
        hasher.write(toml::to_string(self).unwrap_or_default().as_bytes());
        for known in self.rulebook.iter() {
            hasher.write(known.text.as_bytes());
        }
        format!("{:032x}", hasher.finish128().as_u128())
    }
}

fn more_than_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span == Span::ZERO {
        return Err(serde::de::Error::custom("must be longer than 0s"));
    }
    Ok(span)
}

fn enough_memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    const LEAST: ByteSize = ByteSize::mebibytes(64);
    let size = ByteSize::deserialize(deserializer)?;
    if size < LEAST {
        return Err(serde::de::Error::custom(format!(
            "{size} is too little; at least {LEAST}"
        )));
    }
    Ok(size)
}

/// Reads the file, or takes the defaults when there is none.
pub(crate) fn load(file: Option<&Path>) -> Result<Document<Config>, Problems> {
    let Some(file) = file else {
        return Ok(Document {
            value: Config {
                rulebook: RuleBook::built_in(),
                ..Config::default()
            },
            settings: 0,
        });
    };
    let text = fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned()))
        .map_err(|message| Problems(vec![Problem::of_file(file, message)]))?;
    let mut document = problems::read(file, &text, Config::together)?;
    let config = &mut document.value;
    let beside = |path: &PathBuf| file.parent().unwrap_or(Path::new("")).join(path);
    let paths: Vec<PathBuf> = config.rules.iter().map(beside).collect();
    config.rulebook = RuleBook::with(&paths)?;
    config.state_file.0 = config.state_file.0.as_ref().map(beside);
    Ok(document)
}
