//! Looking into the database, also while a sensor writes to it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::locks::beside;
use super::{Content, OpenError, StoreError, content};

/// Opens a database to look into, also while a sensor writes to it. Nothing in it can be changed
/// through the connection.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing {
            path: path.to_owned(),
        });
    }
    // The files beside the database are removed by a connection that could write when it closes;
    // a read-only one would leave them behind, so that is for when there is no other way.
    let mut result = open_one_way(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "");
    if worth_another_way(&result) {
        result = open_one_way(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "");
    }
    // Those files cannot be made. If there are none, nobody is writing, and one can do without.
    if worth_another_way(&result) && !beside(path, "-wal").exists() {
        result = open_one_way(path, OpenFlags::SQLITE_OPEN_READ_ONLY, "?immutable=1");
    }
    result.map_err(|error| error.at(path))
}

fn worth_another_way(result: &Result<Connection, OpenError>) -> bool {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    let Err(OpenError::Sqlite(error)) = result else {
        return false;
    };
    matches!(
        error.sqlite_error_code(),
        Some(CannotOpen | PermissionDenied | ReadOnly)
    )
}

fn open_one_way(path: &Path, flags: OpenFlags, query: &str) -> Result<Connection, OpenError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(path, query), flags)?;
    connection.busy_timeout(Duration::from_secs(2))?;
    connection.pragma_update(None, "query_only", true)?;
    match content(&connection)? {
        Content::Ours => Ok(connection),
        Content::Empty => Err(OpenError::Foreign),
    }
}

/// A file name as SQLite's URI; names may hold any byte.
fn uri(path: &Path, query: &str) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02x}");
            }
        }
    }
    uri + query
}
