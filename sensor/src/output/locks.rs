//! Who holds a file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One of the files that SQLite keeps beside a database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Names the process that holds a write lock on a database, as far as the system tells:
/// ` (sqlite3, process 4242)`, or nothing.
pub(super) fn holder(database: &Path) -> String {
    let files = [
        database.to_owned(),
        beside(database, "-shm"),
        beside(database, "-wal"),
    ];
    let inodes = files
        .iter()
        .filter_map(|file| fs::metadata(file).ok())
        .map(|meta| meta.ino());
    let inodes: Vec<u64> = inodes.collect();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let Some(pid) = locks.lines().find_map(|line| write_lock(line, &inodes)) else {
        return String::new();
    };
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!(
            " ({}, process {pid})",
            crate::text::printable(name.trim_end())
        ),
        Err(_) => format!(" (process {pid})"),
    }
}

/// The process of a line such as `1: POSIX  ADVISORY  WRITE 4242 fd:01:1835017 120 120`, if it is a
/// write lock on one of the files.
fn write_lock(line: &str, inodes: &[u64]) -> Option<u32> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| *word != "WRITE")
        .skip(1);
    let pid: u32 = words.next()?.parse().ok()?;
    let inode: u64 = words.next()?.rsplit(':').next()?.parse().ok()?;
    inodes.contains(&inode).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks() {
        let cases = [
            (
                "1: POSIX  ADVISORY  WRITE 4242 fd:01:77 120 120",
                Some(4242),
            ),
            ("1: POSIX  ADVISORY  READ 4242 fd:01:77 120 120", None),
            ("1: POSIX  ADVISORY  WRITE 4242 fd:01:78 120 120", None),
            ("1: OFDLCK ADVISORY  WRITE -1 fd:01:77 0 EOF", None),
            ("", None),
        ];
        for (line, want) in cases {
            assert_eq!(write_lock(line, &[5, 77]), want, "{line}");
        }
    }
}
