//! What the end-to-end tests share: running the shipped binary, and captures to feed it.

pub(crate) mod flows;
pub(crate) mod frames;
pub(crate) mod mmdb;
pub(crate) mod net;
pub(crate) mod pcap;
pub(crate) mod rows;
pub(crate) mod run;
pub(crate) mod summary;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A capture of `captures/`.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The file's name up to its first dot.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Recorded {
    /// The detections that must be made.
    pub(crate) fn expectations(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.expect", self.name))
    }

    /// What the sensor must be told of its hosts; most captures need nothing.
    pub(crate) fn options(&self) -> Vec<String> {
        let config = self.path.with_file_name(format!("{}.toml", self.name));
        if !config.is_file() {
            return Vec::new();
        }
        vec!["--config".to_owned(), config.to_str().unwrap().to_owned()]
    }

    /// What happens in it, and where it comes from.
    pub(crate) fn story(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.md", self.name))
    }
}

/// Every capture in `captures/`, by name.
pub(crate) fn captures() -> Vec<Recorded> {
    let mut found: Vec<Recorded> = fs::read_dir(root().join("captures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let (name, extension) = path.file_name()?.to_str()?.split_once('.')?;
            let capture = matches!(
                extension,
                "pcap" | "pcap.gz" | "pcap.zst" | "pcapng" | "pcapng.gz" | "pcapng.zst"
            );
            capture.then(|| Recorded {
                name: name.to_owned(),
                path: path.clone(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The logs that a run left, by name.
pub(crate) fn logs(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            is_log.then(|| (name, fs::read(&path).unwrap()))
        })
        .collect()
}

/// The CPUs that a process or a thread may run on, by its directory in /proc.
pub(crate) fn cpus_allowed(task: &str) -> String {
    let status = fs::read_to_string(format!("{task}/status")).unwrap();
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.unwrap().trim().to_owned()
}

/// Each CPU of such a list.
pub(crate) fn listed(list: &str) -> impl Iterator<Item = usize> {
    list.split(',').flat_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().unwrap()..=last.parse().unwrap()
    })
}
