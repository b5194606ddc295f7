//! The database that findings are kept in.
//!
//! Rows are upserted by their stable ids and hold no time of day, so the same capture replayed
//! again changes nothing. `status` belongs to people: it is set once and never touched again.

mod marking;
mod reading;

use std::path::{Path, PathBuf};
use std::time::Duration;

use detectors::{Detection, Finding, Signal};
use flow_table::Timestamp;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, Statement, Transaction, TransactionBehavior,
    params,
};

use super::RunRecord;
use super::batch::Batch;
use super::locks;
use super::rows::{IdText, STATUS_NEW};
pub(crate) use marking::mark_again;
pub(crate) use reading::open_for_reading;

/// Version of the tables, in `PRAGMA user_version`.
const SCHEMA_VERSION: i32 = 1;
/// Marks the file as ours, in `PRAGMA application_id`: "Flhk".
const APPLICATION_ID: i32 = 0x466c_686b;
const SCHEMA: &str = include_str!("schema.sql");
/// Views that databases of the same version may lack.
const VIEWS: &str = include_str!("views.sql");
/// How long to wait for another process: briefly at the start, longer once packets are read.
const START_TIMEOUT: Duration = Duration::from_millis(500);
const RUN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages kept in memory, in KiB with a minus. Ids are hashes, so rows go anywhere in the index.
const CACHE: i32 = -16 * 1024;
/// Pages in the journal after which it is folded into the database; a page that changes in many
/// transactions is folded once.
const JOURNAL_PAGES: i32 = 4_096;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{} is no SQLite database", path.display())]
    NoDatabase { path: PathBuf },
    #[error("{} is a database of another program; name another file with --db", path.display())]
    Foreign { path: PathBuf },
    #[error("database {} has schema version {found}, this flowhawk knows versions up to {known}; \
             use a newer flowhawk, or another file with --db", path.display())]
    Newer {
        path: PathBuf,
        found: i32,
        known: i32,
    },
    #[error("database {} is locked by another process{holder}", path.display())]
    Locked { path: PathBuf, holder: String },
    #[error("there is no database {}; `flowhawk replay` makes one, --db FILE names another", path.display())]
    Missing { path: PathBuf },
    #[error("database {}: {source}", path.display())]
    Sqlite {
        path: PathBuf,
        source: rusqlite::Error,
    },
}

impl StoreError {
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NoDatabase { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let holder = locks::holder(&path);
                Self::Locked { path, holder }
            }
            _ => Self::Sqlite { path, source },
        }
    }
}

impl StoreError {
    /// Whether it may be over in a while.
    pub(super) fn may_pass(&self) -> bool {
        let Self::Sqlite { source, .. } = self else {
            return matches!(self, Self::Locked { .. });
        };
        let code = source.sqlite_error_code();
        matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
    }
}

/// The database, open for writing.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

impl SqliteStore {
    /// Opens or makes it, and proves that it can be written.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || -> Result<Connection, OpenError> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(START_TIMEOUT)?;
            // It cannot be changed later.
            if connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))? == 0 {
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            }
            prepare_schema(&mut connection)?;
            // Only now: nothing is changed in what is not ours.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "cache_size", CACHE)?;
            connection.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)?;
            connection.busy_timeout(RUN_TIMEOUT)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| error.at(path))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
        })
    }

    /// Writes all of them, or none.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        write_all(&mut self.connection, batch).map_err(|e| StoreError::of(&self.path, e))
    }

    /// Forgets some findings that ended before `then`, and gives some of their room back to the disk: not so
    /// many at once that others wait. Detections go with what they were made of.
    pub(super) fn forget(&mut self, then: Timestamp) -> Result<(), StoreError> {
        forget(&mut self.connection, then).map_err(|e| StoreError::of(&self.path, e))
    }

    /// Notes the run, folds the journal into the database and closes it.
    pub(super) fn finish(self, run: &RunRecord) -> Result<(), StoreError> {
        let Self { path, connection } = self;
        let finish = || -> rusqlite::Result<()> {
            write_run(&connection, run)?;
            connection.busy_timeout(START_TIMEOUT)?;
            // Somebody may be reading; then the last to close the database folds it.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        let finished = finish();
        let closed = connection.close().map_err(|(_, error)| error);
        finished
            .and(closed)
            .map_err(|error| StoreError::of(&path, error))
    }
}

/// What can go wrong while opening.
enum OpenError {
    Foreign,
    Newer(i32),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl OpenError {
    fn at(self, path: &Path) -> StoreError {
        let path = path.to_owned();
        match self {
            Self::Foreign => StoreError::Foreign { path },
            Self::Newer(found) => StoreError::Newer {
                path,
                found,
                known: SCHEMA_VERSION,
            },
            Self::Sqlite(error) => StoreError::of(&path, error),
        }
    }
}

/// Whether tables are there.
#[derive(PartialEq, Eq)]
enum Content {
    Empty,
    Ours,
}

fn content(connection: &Connection) -> Result<Content, OpenError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i32>(0));
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    match (version, application) {
        (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => Ok(Content::Empty),
        (version, 0 | APPLICATION_ID) if version > SCHEMA_VERSION => Err(OpenError::Newer(version)),
        (_, APPLICATION_ID) => Ok(Content::Ours),
        _ => Err(OpenError::Foreign),
    }
}

fn prepare_schema(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if content(&transaction)? == Content::Empty {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.execute_batch(VIEWS)?;
    Ok(transaction.commit()?)
}

fn write_all(connection: &mut Connection, batch: &Batch) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    Statements::new(&transaction)?.write(batch)?;
    transaction.commit()
}

/// Detections and signals that are forgotten at once, and pages given back.
const FORGOTTEN: u32 = 5_000;
const PAGES_BACK: u32 = 2_000;

fn forget(connection: &mut Connection, then: Timestamp) -> rusqlite::Result<()> {
    let then = then.as_secs_f64();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let detections = transaction.execute(
        "DELETE FROM detections WHERE detection_id IN \
         (SELECT detection_id FROM detections WHERE last_ts < ?1 LIMIT ?2)",
        params![then, FORGOTTEN],
    )?;
    if detections > 0 {
        transaction.execute(
            "DELETE FROM detection_signals WHERE detection_id NOT IN \
             (SELECT detection_id FROM detections)",
            [],
        )?;
    }
    transaction.execute(
        "DELETE FROM signals WHERE signal_id IN (SELECT signal_id FROM signals WHERE window_end < ?1 \
         AND signal_id NOT IN (SELECT signal_id FROM detection_signals) LIMIT ?2)",
        params![then, FORGOTTEN],
    )?;
    transaction.commit()?;
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_BACK})"))?;
    // A page with each step.
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

struct Statements<'a> {
    upsert_signal: CachedStatement<'a>,
    /// For the signals of a detection: a row that is there knows better.
    keep_signal: CachedStatement<'a>,
    upsert_detection: CachedStatement<'a>,
    link: CachedStatement<'a>,
    evidence: Vec<u8>,
}

const INSERT_SIGNAL: &str = "INSERT INTO signals (signal_id, signal_type, severity, src_ip, \
    dst_ip, dst_port, window_start, window_end, value, threshold, evidence_json, suppressed_by) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (signal_id)";
const UPDATE_SIGNAL: &str = "DO UPDATE SET signal_type = excluded.signal_type, \
    severity = excluded.severity, src_ip = excluded.src_ip, dst_ip = excluded.dst_ip, \
    dst_port = excluded.dst_port, window_start = excluded.window_start, \
    window_end = excluded.window_end, value = excluded.value, threshold = excluded.threshold, \
    evidence_json = excluded.evidence_json, suppressed_by = excluded.suppressed_by";
const UPSERT_DETECTION: &str = "INSERT INTO detections (detection_id, rule_id, detection_type, \
    severity, confidence, src_ip, dst_ip, dst_port, first_ts, last_ts, count, signal_count, \
    status, suppressed_by, mitre_json, actions_json, summary) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
    ON CONFLICT (detection_id) DO UPDATE SET rule_id = excluded.rule_id, \
    detection_type = excluded.detection_type, severity = excluded.severity, \
    confidence = excluded.confidence, src_ip = excluded.src_ip, dst_ip = excluded.dst_ip, \
    dst_port = excluded.dst_port, first_ts = excluded.first_ts, last_ts = excluded.last_ts, \
    count = excluded.count, signal_count = excluded.signal_count, \
    suppressed_by = excluded.suppressed_by, mitre_json = excluded.mitre_json, \
    actions_json = excluded.actions_json, summary = excluded.summary";

impl<'a> Statements<'a> {
    fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            upsert_signal: transaction
                .prepare_cached(&format!("{INSERT_SIGNAL} {UPDATE_SIGNAL}"))?,
            keep_signal: transaction.prepare_cached(&format!("{INSERT_SIGNAL} DO NOTHING"))?,
            upsert_detection: transaction.prepare_cached(UPSERT_DETECTION)?,
            link: transaction
                .prepare_cached("INSERT OR IGNORE INTO detection_signals VALUES (?1, ?2)")?,
            evidence: Vec::new(),
        })
    }

    fn write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        batch.iter().try_for_each(|finding| match finding {
            Finding::SignalOpened(signal)
            | Finding::SignalRaised(signal)
            | Finding::SignalClosed(signal) => {
                write_signal(&mut self.upsert_signal, signal, &mut self.evidence)
            }
            Finding::DetectionMade(made) | Finding::DetectionUpdated(made) => {
                self.write_detection(made, batch)
            }
        })
    }

    fn write_detection(&mut self, made: &Detection, batch: &Batch) -> rusqlite::Result<()> {
        let id = IdText::of(made.id);
        self.upsert_detection.execute(params![
            id.as_str(),
            made.rule.id,
            made.rule.detection_type,
            made.severity.name(),
            made.rule.confidence.name(),
            made.subject.src.map(|addr| addr.to_string()),
            made.subject.dst.map(|addr| addr.to_string()),
            made.subject.dst_port,
            made.first.as_secs_f64(),
            made.last.as_secs_f64(),
            integer(made.count),
            integer(made.signals.len() as u64),
            STATUS_NEW,
            made.suppressed_by.as_deref(),
            json(&made.rule.mitre)?,
            json(&made.rule.actions)?,
            made.summary,
        ])?;
        for signal in &made.signals {
            if !batch.has(signal.id) {
                write_signal(&mut self.keep_signal, signal, &mut self.evidence)?;
            }
            self.link
                .execute(params![id.as_str(), IdText::of(signal.id).as_str()])?;
        }
        Ok(())
    }
}

fn write_signal(
    statement: &mut Statement<'_>,
    signal: &Signal,
    evidence: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    evidence.clear();
    serde_json::to_writer(&mut *evidence, &signal.evidence)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    statement.execute(params![
        IdText::of(signal.id).as_str(),
        signal.kind.name(),
        signal.severity.name(),
        signal.subject.src.map(|addr| addr.to_string()),
        signal.subject.dst.map(|addr| addr.to_string()),
        signal.subject.dst_port,
        signal.window.start.as_secs_f64(),
        signal.window.end.as_secs_f64(),
        signal.value,
        signal.threshold,
        str::from_utf8(evidence)?,
        signal.suppressed_by.as_deref(),
    ])?;
    Ok(())
}

fn write_run(connection: &Connection, run: &RunRecord) -> rusqlite::Result<()> {
    // Everything is part of the id: a row that is there is the same.
    connection.execute(
        "INSERT OR IGNORE INTO runs (run_id, version, command, config_digest, inputs_json, \
         first_ts, last_ts, packets, bytes, flows, counters_json) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            run.id(),
            RunRecord::VERSION,
            run.command,
            run.config_digest,
            run.inputs_json(),
            run.first.map(Timestamp::as_secs_f64),
            run.last.map(Timestamp::as_secs_f64),
            integer(run.packets),
            integer(run.bytes),
            integer(run.flows),
            run.counters_json(),
        ],
    )?;
    Ok(())
}

/// SQLite's integers have a sign.
fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

#[cfg(test)]
mod tests;
