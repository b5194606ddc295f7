//! Runs the shipped binary.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, thread};

use serde_json::Value;

use super::root;

/// The binary under test: the one built for the tests, unless `FLOWHAWK` names another.
pub(crate) fn binary() -> PathBuf {
    env::var_os("FLOWHAWK").map_or_else(|| env!("CARGO_BIN_EXE_flowhawk").into(), PathBuf::from)
}

/// A command with nothing on stdin.
pub(crate) fn flowhawk<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null());
    command
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The run, if it ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// Runs to the end.
pub(crate) fn ran<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    flowhawk(args).output().unwrap().into()
}

/// Runs with `input` on stdin.
pub(crate) fn ran_with_stdin<S: AsRef<OsStr>>(
    args: impl IntoIterator<Item = S>,
    input: &[u8],
) -> Ran {
    let mut child = flowhawk(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // A run that ends early does not read it all.
        scope.spawn(move || {
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap().into()
    })
}

/// The messages on stderr, which must all be objects that docs/messages.md knows, in the order of their times.
#[track_caller]
pub(crate) fn said(stderr: &str) -> Vec<Value> {
    let page = fs::read_to_string(root().join("docs/messages.md")).unwrap();
    let mut times = Vec::new();
    let check = |line: &str| -> Value {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{stderr}"));
        let text = |name: &str| {
            message[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {line}"))
        };
        let row = format!("| `{}` | {} | ", text("event"), text("level"));
        let row = page.lines().find(|known| known.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("docs/messages.md: {line}"));
        for name in message.as_object().unwrap().keys() {
            let everywhere = ["ts", "level", "event", "message"].contains(&name.as_str());
            assert!(
                everywhere || row.contains(&format!("`{name}`")),
                "{name}: {row}"
            );
        }
        assert!(
            !text("message").is_empty() && text("ts").ends_with('Z'),
            "{line}"
        );
        times.push(humantime::parse_rfc3339(text("ts")).unwrap());
        message
    };
    let said = stderr.lines().map(check).collect();
    assert!(times.is_sorted(), "{stderr}");
    said
}

/// The arguments of a replay into `out`.
pub(crate) fn replay_args(files: &[&Path], out: &Path, options: &[&str]) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["replay".into(), "-o".into(), out.into()];
    args.extend(options.iter().map(OsString::from));
    args.extend(files.iter().map(OsString::from));
    args
}

/// Replays `files` into `out`.
pub(crate) fn replay(files: &[&Path], out: &Path, options: &[&str]) -> Ran {
    ran(replay_args(files, out, options))
}

/// Whether a second program is there; says so when it is not.
pub(crate) fn installed(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .is_ok();
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}
