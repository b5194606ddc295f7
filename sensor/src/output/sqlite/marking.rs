//! Says again of stored findings what is known, by what is known now.

use std::net::IpAddr;
use std::path::Path;

use detectors::{SignalKind, Subject, Suppressions};
use flow_table::Timestamp;
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, params};

use super::{Content, OpenError, RUN_TIMEOUT, StoreError, content};

/// How many rows changed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Changed {
    /// Suppressed now, and not before.
    pub(crate) marked: u64,
    /// Suppressed before, and not now.
    pub(crate) cleared: u64,
}

/// What became of a database.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Marked {
    pub(crate) signals: Changed,
    pub(crate) detections: Changed,
}

/// Marks every signal and detection in the database that is known, and no other; all of them or none.
/// A detection of which every signal is known is, too: rules would not have been told of them.
pub(crate) fn mark_again(path: &Path, known: &Suppressions) -> Result<Marked, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing {
            path: path.to_owned(),
        });
    }
    mark(path, known).map_err(|error| error.at(path))
}

fn mark(path: &Path, known: &Suppressions) -> Result<Marked, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(RUN_TIMEOUT)?;
    if content(&connection)? == Content::Empty {
        return Ok(Marked::default());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let marked = Marked {
        signals: signals(&transaction, known)?,
        detections: detections(&transaction, known)?,
    };
    transaction.commit()?;
    Ok(marked)
}

fn signals(transaction: &Transaction<'_>, known: &Suppressions) -> rusqlite::Result<Changed> {
    let rows = "SELECT signal_id, suppressed_by, src_ip, dst_ip, dst_port, window_start, signal_type \
                FROM signals";
    let reason = |row: &Row<'_>| {
        let Some(kind) = SignalKind::named(row.get_ref(6)?.as_str()?) else {
            return Ok(None);
        };
        let reason = known.of_signal(kind, &subject(row)?, time(row)?);
        Ok(reason.map(|reason| reason.to_string()))
    };
    let update = "UPDATE signals SET suppressed_by = ?1 WHERE signal_id = ?2";
    change(transaction, rows, update, reason)
}

fn detections(transaction: &Transaction<'_>, known: &Suppressions) -> rusqlite::Result<Changed> {
    // Of signals, one reason is told if all have one.
    let rows = "SELECT d.detection_id, d.suppressed_by, d.src_ip, d.dst_ip, d.dst_port, d.first_ts, \
                d.rule_id, (SELECT CASE WHEN count(*) = count(s.suppressed_by) \
                THEN min(s.suppressed_by) END FROM detection_signals ds JOIN signals s \
                USING (signal_id) WHERE ds.detection_id = d.detection_id) FROM detections d";
    let reason = |row: &Row<'_>| {
        let rule = row.get_ref(6)?.as_str()?;
        let reason = known.of_rule(rule, &subject(row)?, time(row)?);
        let of_signals: Option<String> = row.get(7)?;
        Ok(reason.map(|reason| reason.to_string()).or(of_signals))
    };
    let update = "UPDATE detections SET suppressed_by = ?1 WHERE detection_id = ?2";
    change(transaction, rows, update, reason)
}

/// Gives each row its reason.
fn change(
    transaction: &Transaction<'_>,
    rows: &str,
    update: &str,
    reason: impl Fn(&Row<'_>) -> rusqlite::Result<Option<String>>,
) -> rusqlite::Result<Changed> {
    let mut changes: Vec<(String, Option<String>)> = Vec::new();
    let mut changed = Changed::default();
    let mut statement = transaction.prepare(rows)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let before: Option<String> = row.get(1)?;
        let after = reason(row)?;
        changed.marked += u64::from(before.is_none() && after.is_some());
        changed.cleared += u64::from(before.is_some() && after.is_none());
        if before != after {
            changes.push((row.get(0)?, after));
        }
    }
    let mut update = transaction.prepare(update)?;
    for (id, after) in changes {
        update.execute(params![after, id])?;
    }
    Ok(changed)
}

fn subject(row: &Row<'_>) -> rusqlite::Result<Subject> {
    let addr = |column| -> rusqlite::Result<Option<IpAddr>> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| text.parse().ok()))
    };
    Ok(Subject {
        src: addr(2)?,
        dst: addr(3)?,
        dst_port: row.get(4)?,
    })
}

/// When it began.
fn time(row: &Row<'_>) -> rusqlite::Result<Timestamp> {
    let secs: f64 = row.get(5)?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds of this era")]
    Ok(Timestamp::new(secs as i64, 0))
}
