//! What can be set in the file given with `--config`.

mod cpu_list;
mod defaults;
mod enrichment;
mod file_hash;
mod live;
mod log;
mod metrics_at;
mod place;
mod problems;
mod reload;
mod size;
mod target;
mod wording;

use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detectors::SignalKind;
use detectors::config::Suppression;
use flow_table::Span;
use serde::{Deserialize, Deserializer, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::origins::Origins;
use super::rulebook::RuleBook;
use super::suppressions;
use super::threats;
use crate::cli::LogFormat;
pub(crate) use cpu_list::CpuList;
pub(crate) use defaults::commented_defaults;
pub(crate) use enrichment::{EnrichmentConfig, OptionalFile};
pub(crate) use file_hash::FileHash;
pub(crate) use live::LiveConfig;
pub(crate) use log::Log;
pub(crate) use metrics_at::MetricsAt;
pub(crate) use problems::{Document, Problem, Problems, read as read_document};
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
    /// How often a connection that is still open gets a row in `open_conn.log`; never if zero.
    #[serde(deserialize_with = "never_or_a_second")]
    pub(crate) open_connections_every: Span,
    /// The steps in which packet time moves for the detectors.
    #[serde(deserialize_with = "more_than_zero")]
    pub(crate) tick: Span,
    pub(crate) log_format: LogFormat,
    pub(crate) ignore_checksums: bool,
    /// Whether conn.log has the columns `vlan` and `inner_vlan`.
    pub(crate) log_vlan: bool,
    /// Whether conn.log has the columns `orig_l2_addr` and `resp_l2_addr`.
    pub(crate) log_mac: bool,
    /// Logs that are not written.
    pub(crate) disabled_logs: Vec<Log>,
    /// Whether flows are looked into: without it conn.log names no service, and nothing that rests on what
    /// flows carry is logged or found.
    pub(crate) parse_protocols: bool,
    /// Digests that files.log tells of each file that is whole.
    pub(crate) file_hashes: Vec<FileHash>,
    /// Rule files, or directories of them; relative to the file that names them.
    pub(crate) rules: Vec<PathBuf>,
    /// Files of what is known and not to be alerted on; relative to the file that names them.
    pub(crate) suppressions: Vec<PathBuf>,
    /// Whether what is known in every network is known here.
    pub(crate) built_in_suppressions: bool,
    /// Files of addresses, names and fingerprints that are called malicious; relative to the file that
    /// names them.
    pub(crate) threat_lists: Vec<PathBuf>,
    /// Where `live` keeps what detectors know, relative to the file that names it; nowhere if empty.
    pub(crate) state_file: OptionalFile,
    /// How often it does, in packet time.
    #[serde(deserialize_with = "more_than_zero")]
    pub(crate) checkpoint_interval: Span,
    pub(crate) live: LiveConfig,
    pub(crate) enrichment: EnrichmentConfig,
    /// With what stands in the files that `suppressions` names, once they are read.
    pub(crate) detectors: DetectorConfig,
    /// What stands in the threat lists.
    #[serde(skip)]
    pub(crate) threats: Arc<threats::Known>,
    /// What the files of `enrichment` say.
    #[serde(skip)]
    pub(crate) origins: Arc<Origins>,
    /// Where each of `detectors.suppressions` comes from.
    #[serde(skip)]
    pub(crate) known_from: Vec<KnownFrom>,
    /// What stands in them, beside what is built in; read once all else is sound.
    #[serde(skip)]
    pub(crate) rulebook: RuleBook,
}

/// Where a suppression comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum KnownFrom {
    BuiltIn,
    Configuration,
    /// A file, and the number there, from 1.
    File(PathBuf, usize),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_limit: ByteSize::mebibytes(1024),
            progress_interval: Span::from_secs(10),
            open_connections_every: Span::ZERO,
            tick: Span::from_millis(100),
            log_format: LogFormat::Tsv,
            ignore_checksums: false,
            log_vlan: false,
            log_mac: false,
            disabled_logs: Vec::new(),
            parse_protocols: true,
            file_hashes: Vec::new(),
            rules: Vec::new(),
            suppressions: Vec::new(),
            built_in_suppressions: true,
            threat_lists: Vec::new(),
            state_file: OptionalFile::default(),
            checkpoint_interval: Span::from_secs(60),
            live: LiveConfig::default(),
            enrichment: EnrichmentConfig::default(),
            detectors: DetectorConfig::default(),
            threats: Arc::default(),
            origins: Arc::default(),
            known_from: Vec::new(),
            rulebook: RuleBook::default(),
        }
    }
}

impl Config {
    /// How often connections that are still open get a row, if they do.
    pub(crate) fn open_connections_every(&self) -> Option<Span> {
        Some(self.open_connections_every).filter(|every| *every > Span::ZERO)
    }

    /// Whether anything is made of what happens to flows before they end.
    pub(crate) fn hears_of_flows(&self) -> bool {
        let off = &self.detectors.disabled_signals;
        let detects = SignalKind::ALL.iter().any(|kind| !off.contains(kind));
        let logs = [Log::KnownHosts, Log::Stats];
        detects || logs.iter().any(|log| !self.disabled_logs.contains(log))
    }

    /// What is wrong only in combination, each a sentence that starts with the keys.
    fn together(&self) -> Vec<String> {
        let problems = self.detectors.problems();
        problems
            .iter()
            .map(|problem| format!("detectors.{problem}"))
            .collect()
    }

    /// Adds what is known to what the configuration says is: what is built in and can apply, then what
    /// stands in files.
    fn with_known(&mut self, files: &[PathBuf]) -> Result<(), Problems> {
        let own = std::mem::take(&mut self.detectors.suppressions);
        if self.built_in_suppressions {
            for entry in suppressions::built_in() {
                if suppressions::can_apply(&entry, &self.detectors.roles) {
                    self.know(entry, KnownFrom::BuiltIn);
                }
            }
        }
        for entry in own {
            self.know(entry, KnownFrom::Configuration);
        }
        let mut problems = Vec::new();
        for file in files {
            match suppressions::read(file) {
                Err(more) => problems.extend(more.0),
                Ok(entries) => {
                    for (n, entry) in entries.into_iter().enumerate() {
                        self.know(entry, KnownFrom::File(file.clone(), n + 1));
                    }
                }
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Problems(problems))
    }

    fn know(&mut self, entry: Suppression, from: KnownFrom) {
        self.detectors.suppressions.push(entry);
        self.known_from.push(from);
    }

    /// 32 hex digits that change with any setting, any rule, and what lists and databases say.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = SipHasher13::new();
        hasher.write(toml::to_string(self).unwrap_or_default().as_bytes());
        for known in self.rulebook.iter() {
            hasher.write(known.text.as_bytes());
        }
        for (indicator, list) in self.threats.lists.iter() {
            hasher.write(format!("{indicator:?} {list}\n").as_bytes());
        }
        for database in self.origins.databases() {
            hasher.write(format!("{:?}\n", database.metadata()).as_bytes());
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

/// More often would be a row for nearly every packet.
fn never_or_a_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span > Span::ZERO && span < Span::from_secs(1) {
        return Err(serde::de::Error::custom(
            "must be at least 1s, or 0s for never",
        ));
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
    config.state_file.0 = config.state_file.0.as_ref().map(beside);
    config.live.ca_file.0 = config.live.ca_file.0.as_ref().map(beside);
    config.suppressions = config.suppressions.iter().map(beside).collect();
    let files = config.suppressions.clone();
    let known = config.with_known(&files);
    let lists: Vec<PathBuf> = config.threat_lists.iter().map(beside).collect();
    let EnrichmentConfig { country, asn } = &config.enrichment;
    let databases = [country, asn].map(|file| file.0.as_ref().map(beside));
    let threats = threats::Known::read(&lists);
    let read = (
        RuleBook::with(&paths),
        known,
        threats,
        Origins::read(databases),
    );
    if let (Ok(book), Ok(()), Ok(threats), Ok(origins)) = read {
        (config.rulebook, config.threats) = (book, Arc::new(threats));
        config.origins = Arc::new(origins);
        return Ok(document);
    }
    let problems = [read.0.err(), read.1.err(), read.2.err(), read.3.err()];
    let problems = problems.into_iter().flatten();
    Err(Problems(problems.flat_map(|some| some.0).collect()))
}
