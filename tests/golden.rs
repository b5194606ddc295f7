//! Every capture gives exactly what `tests/golden` holds. After a change that is meant,
//! `scripts/bless` rewrites those files; they are reviewed like code.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher as _;
use std::path::PathBuf;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use support::{Recorded, captures, logs, root, run};

/// Longer files are kept as their beginning and a hash of the whole.
const WHOLE: usize = 200_000;
const LINES_OF_A_LONG_FILE: usize = 100;

/// Every `captures/NAME.pcap` must yield exactly `tests/golden/NAME.jsonl` and, for each log,
/// `tests/golden/NAME.LOG.log`.
#[test]
fn captures_match_golden() {
    let bless = env::var_os("BLESS").is_some();
    let mut changed = Vec::new();
    for capture in captures() {
        let out = tempfile::tempdir().unwrap();
        let told = capture.options();
        let mut options = vec!["--no-db", "--json", "-"];
        options.extend(told.iter().map(String::as_str));
        let findings = run::replay(&[&capture.path], out.path(), &options).exits(0);
        let logs = logs(out.path());
        let logs = logs
            .iter()
            .map(|(name, log)| (name.as_str(), kept(text(log))));
        let mut got: BTreeMap<PathBuf, String> = logs
            .map(|(name, log)| (golden(&capture, name), log))
            .collect();
        got.insert(golden(&capture, "jsonl"), kept(&findings.stdout));
        for file in goldens_of(&capture).difference(&got.keys().cloned().collect()) {
            if bless {
                fs::remove_file(file).unwrap();
            } else {
                changed.push(("it is not written any more".to_owned(), file.clone()));
            }
        }
        for (file, got) in got {
            if bless {
                fs::write(&file, got).unwrap();
            } else if fs::read_to_string(&file).ok().as_deref() != Some(got.as_str()) {
                changed.push((difference(&file, &got), file));
            }
        }
    }
    assert!(
        changed.is_empty(),
        "{changed:#?}\nif intended: scripts/bless"
    );
}

fn golden(capture: &Recorded, kind: &str) -> PathBuf {
    root().join(format!("tests/golden/{}.{kind}", capture.name))
}

/// What there is of a capture.
fn goldens_of(capture: &Recorded) -> BTreeSet<PathBuf> {
    let files = fs::read_dir(root().join("tests/golden")).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.split_once('.'))
                .is_some_and(|(name, _)| name == capture.name)
        })
        .collect()
}

fn text(log: &[u8]) -> &str {
    str::from_utf8(log).unwrap()
}

/// What is kept of a file.
fn kept(text: &str) -> String {
    if text.len() <= WHOLE {
        return text.to_owned();
    }
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    let hash = hasher.finish128().as_u128();
    let header = text.lines().take_while(|line| line.starts_with('#'));
    let beginning = text.lines().take(header.count() + LINES_OF_A_LONG_FILE);
    let mut kept: String = beginning.flat_map(|line| [line, "\n"]).collect();
    let lines = text.lines().count();
    writeln!(kept, "… {lines} lines in all, their hash is {hash:032x}").unwrap();
    kept
}

/// The first line that differs.
fn difference(file: &PathBuf, got: &str) -> String {
    let Ok(want) = fs::read_to_string(file) else {
        return "there is no such file yet".to_owned();
    };
    let lines = want.lines().zip(got.lines()).enumerate();
    let differing = lines.into_iter().find(|(_, (want, got))| want != got);
    match differing {
        Some((n, (want, got))) => format!("line {}:\n-{want}\n+{got}", n + 1),
        None => format!(
            "{} lines instead of {}",
            got.lines().count(),
            want.lines().count()
        ),
    }
}

/// No golden file outlives its capture.
#[test]
fn golden_files_belong_to_captures() {
    let captures = captures();
    for entry in fs::read_dir(root().join("tests/golden")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of_a_capture = captures.iter().any(|capture| {
            let rest = name.strip_prefix(&capture.name);
            rest == Some(".jsonl")
                || rest.is_some_and(|rest| rest.rsplit('.').next() == Some("log"))
        });
        assert!(of_a_capture || name.starts_with('.'), "{name}");
    }
}

/// Every capture says where it comes from and which detections it must give.
#[test]
fn captures_are_explained() {
    for capture in captures() {
        for file in [capture.story(), capture.expectations()] {
            assert!(file.is_file(), "{} is missing", file.display());
        }
    }
}

#[test]
fn captures_give_the_detections_expected_of_them() {
    let mut wrong = Vec::new();
    for capture in captures() {
        let expect = capture.expectations();
        for threads in ["1", "2", "4", "8"] {
            let out = tempfile::tempdir().unwrap();
            let expect = expect.to_str().unwrap();
            let told = capture.options();
            let mut options = vec!["-q", "--no-db", "--threads", threads, "--expect", expect];
            options.extend(told.iter().map(String::as_str));
            let ran = run::replay(&[&capture.path], out.path(), &options);
            if ran.code != Some(0) {
                wrong.push((capture.name.clone(), threads, ran));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every built-in rule has a page in `docs/detections`, which is what the program says.
#[test]
fn pages_of_detections_match_the_program() {
    let bless = env::var_os("BLESS").is_some();
    let dir = root().join("docs/detections");
    let index = run::ran(["rules", "page"]).exits(0).stdout;
    let rules: Vec<&str> = { index.lines() }
        .filter_map(|line| line.strip_prefix("| [")?.split(']').next())
        .collect();
    assert!(rules.len() >= 10, "{index}");
    let mut wrong = Vec::new();
    let page = |rule: &&str| {
        let page = run::ran(["rules", "page", rule]).exits(0).stdout;
        (format!("{rule}.md"), page)
    };
    let mut pages: BTreeMap<String, String> = rules.iter().map(page).collect();
    pages.insert("README.md".to_owned(), index.clone());
    for (name, page) in &pages {
        let file = dir.join(name);
        if bless {
            fs::create_dir_all(&dir).unwrap();
            fs::write(&file, page).unwrap();
        } else if fs::read_to_string(&file).ok().as_ref() != Some(page) {
            wrong.push(file);
        }
    }
    for entry in fs::read_dir(&dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(pages.contains_key(&name), "{name} is about no rule");
    }
    assert!(wrong.is_empty(), "{wrong:#?}\nif intended: scripts/bless");
}

/// What the pages say to do by hand can be done, and shows something where there is something.
#[test]
fn what_pages_say_to_do_by_hand_can_be_done() {
    let capture = root().join("captures/lateral-movement.pcap");
    let out = tempfile::tempdir().unwrap();
    run::replay(&[&capture], out.path(), &["-q", "--no-db"]).exits(0);
    for log in ["dns.log", "http.log", "ssh.log", "ftp.log", "files.log"] {
        let log = out.path().join(log);
        if !log.exists() {
            fs::write(log, "").unwrap();
        }
    }
    for entry in fs::read_dir(root().join("docs/detections")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let Some((_, commands)) = page.split_once("In the directory of the logs:\n\n```sh\n")
        else {
            assert!(path.ends_with("README.md"), "{path:?} says nothing to do");
            continue;
        };
        let commands = commands.split("```").next().unwrap();
        let told = std::process::Command::new("sh")
            .args(["-e", "-c", commands])
            .current_dir(out.path())
            .output()
            .unwrap();
        let (shown, error) = (text(&told.stdout), text(&told.stderr));
        assert!(
            told.status.success() && error.is_empty(),
            "{path:?}: {error}"
        );
        if path.ends_with("LM-001.md") {
            // Of the minute of the scan: as many ports as its signal says.
            assert!(
                shown.lines().any(|line| line.trim().starts_with("102 ")),
                "{shown}"
            );
        }
    }
}
