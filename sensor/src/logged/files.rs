//! Which files are logs that detectors read, and of what.

use std::fs;
use std::path::{Path, PathBuf};

/// Whose rows they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Conn,
    Dns,
    Http,
    Ssh,
    Ssl,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Conn, Self::Dns, Self::Http, Self::Ssh, Self::Ssl];

    /// As Zeek names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Conn => "conn",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Ssl => "ssl",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let mut kinds = Self::ALL.into_iter();
        kinds.find(|kind| kind.name().as_bytes() == name)
    }

    /// A column that each of its rows has set, and that no other of Zeek's logs has.
    pub(super) const fn telling_column(self) -> &'static str {
        match self {
            Self::Conn => "conn_state",
            Self::Dns => "rejected",
            Self::Http => "request_body_len",
            Self::Ssh => "auth_attempts",
            Self::Ssl => "established",
        }
    }

    /// By the name of its file: `conn.log`, `conn.00:00:00-01:00:00.log.gz`, `conn_20240501.log`, but
    /// not `conn-summary.log`.
    fn of_file(path: &Path) -> Option<Self> {
        Self::of_name(path.file_name()?.to_str()?)
    }

    /// By the name that Zeek's package for streams of JSON gives: `json_streaming_conn.1.log`.
    fn of_stream(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        Self::of_name(name.strip_prefix("json_streaming_")?)
    }

    fn of_name(name: &str) -> Option<Self> {
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric())?;
        let (stem, rest) = name.split_at_checked(end)?;
        let dated = rest.strip_prefix(['_', '-']);
        let dated =
            dated.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
        let is_log = ["log", "json"]
            .iter()
            .any(|kind| rest.contains(&format!(".{kind}")));
        (is_log && (dated || rest.starts_with('.')))
            .then(|| Self::named(stem.as_bytes()))
            .flatten()
    }
}

/// A file to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    /// What its name says it is; what stands in it counts more.
    pub(super) named: Option<Kind>,
}

/// Directories in directories that are looked into.
const MAX_DEPTH: usize = 8;

/// The files that are meant: those named, and of directories those whose names say that they are of
/// a kind that is read, in the order of their names. Streams have the rows of the logs beside them: they
/// are read where there are none. Of what cannot be listed, why.
pub(crate) fn find(paths: &[PathBuf]) -> (Vec<LogFile>, Vec<String>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            list(path, 0, &mut files, &mut problems);
            if files.len() == before {
                problems.push(format!(
                    "{}: no conn, dns, http, ssh or ssl log in it",
                    path.display()
                ));
            }
        } else {
            files.push(LogFile {
                path: path.clone(),
                named: Kind::of_file(path),
            });
        }
    }
    (files, problems)
}

fn list(dir: &Path, depth: usize, files: &mut Vec<LogFile>, problems: &mut Vec<String>) {
    let listed = fs::read_dir(dir).and_then(|all| all.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
        Err(error) => return problems.push(format!("{}: cannot list: {error}", dir.display())),
    };
    paths.sort();
    let has_logs = paths.iter().any(|path| Kind::of_file(path).is_some());
    let kind = if has_logs {
        Kind::of_file
    } else {
        Kind::of_stream
    };
    for path in paths {
        if path.is_dir() {
            if depth < MAX_DEPTH {
                list(&path, depth + 1, files, problems);
            } else {
                problems.push(format!("{}: too deep, not looked into", path.display()));
            }
        } else if let named @ Some(_) = kind(&path) {
            files.push(LogFile { path, named });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kinds() {
        for (name, want) in [
            ("conn.log", Some(Kind::Conn)),
            ("conn.log.gz", Some(Kind::Conn)),
            ("dns.00:00:00-01:00:00.log.zst", Some(Kind::Dns)),
            ("conn_20240501.log", Some(Kind::Conn)),
            ("conn-2024-05-01.json.gz", Some(Kind::Conn)),
            ("conn.log.labeled", Some(Kind::Conn)),
            ("conn-summary.log.gz", None),
            ("open_conn.log", None),
            ("conn.pcap", None),
            ("connlog", None),
            ("notice.log", None),
        ] {
            assert_eq!(Kind::of_file(Path::new(name)), want, "{name}");
        }
    }

    #[test]
    fn streams_are_read_where_no_logs_are() {
        let dir = tempfile::tempdir().unwrap();
        let listed = || {
            let name = |file: LogFile| (file.path.file_name().unwrap().to_owned(), file.named);
            let (files, _) = find(&[dir.path().to_owned()]);
            files.into_iter().map(name).collect::<Vec<_>>()
        };
        for name in ["conn.1", "conn", "dns", "notice"] {
            fs::write(dir.path().join(format!("json_streaming_{name}.log")), "").unwrap();
        }
        let streams = [
            ("json_streaming_conn.1.log".into(), Some(Kind::Conn)),
            ("json_streaming_conn.log".into(), Some(Kind::Conn)),
            ("json_streaming_dns.log".into(), Some(Kind::Dns)),
        ];
        assert_eq!(listed(), streams);
        fs::write(dir.path().join("conn.log"), "").unwrap();
        assert_eq!(listed(), [("conn.log".into(), Some(Kind::Conn))]);
    }

    #[test]
    fn directories_are_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        for day in ["2024-05-02", "2024-05-01", "empty"] {
            fs::create_dir(dir.path().join(day)).unwrap();
        }
        for name in [
            "2024-05-02/conn.log",
            "2024-05-01/dns.log",
            "2024-05-01/weird.log",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let (files, problems) = find(&[dir.path().to_owned(), "x".into()]);
        let names: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(
            names,
            [
                at("2024-05-01/dns.log"),
                at("2024-05-02/conn.log"),
                "x".into()
            ]
        );
        assert!(problems.is_empty());
        let (_, problems) = find(&[at("empty")]);
        assert_eq!(
            problems,
            [format!(
                "{}: no conn, dns, http, ssh or ssl log in it",
                at("empty").display()
            )]
        );
    }
}
