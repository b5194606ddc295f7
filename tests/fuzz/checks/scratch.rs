//! A file of this process, for readers that take paths.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, process};

/// Puts `bytes` into the scratch file. `scripts/fuzz` sees to it that the directory is in memory
/// and goes away.
pub(crate) fn file(bytes: &[u8]) -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let name = format!("flowhawk-fuzz-{}", process::id());
        env::temp_dir().join(name)
    });
    if let Err(error) = fs::write(path, bytes) {
        panic!("{}: {error}", path.display());
    }
    path
}
