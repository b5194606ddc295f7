//! The digests of files.log against those of what other programs take out of the same captures.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use support::run::{self, installed};
use support::{Recorded, captures};

/// MD5, SHA-1 and SHA-256, each as hexadecimal digits or `-`.
type Digests = Vec<String>;

const SUMS: [&str; 3] = ["md5sum", "sha1sum", "sha256sum"];
const CONFIG: &str = "file_hashes = [\"md5\", \"sha1\", \"sha256\"]\n";

/// A row of files.log, by column.
type Row = BTreeMap<String, String>;

/// The logs of a capture, with a configuration.
fn replayed(capture: &Recorded, config: &str) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("config.toml");
    fs::write(&file, config).unwrap();
    let options = ["-q", "--no-db", "--config", file.to_str().unwrap()];
    run::replay(&[&capture.path], out.path(), &options).exits(0);
    out
}

/// The rows of files.log of a capture, with a configuration.
fn files(capture: &Recorded, config: &str) -> Vec<Row> {
    let out = replayed(capture, config);
    let log = fs::read_to_string(out.path().join("files.log")).unwrap_or_default();
    let fields = log.lines().find_map(|line| line.strip_prefix("#fields\t"));
    let fields: Vec<&str> = fields.unwrap_or_default().split('\t').collect();
    let rows = log.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells = fields.iter().zip(row.split('\t'));
        cells
            .map(|(name, cell)| ((*name).to_owned(), cell.to_owned()))
            .collect()
    })
    .collect()
}

fn digests(row: &Row) -> Digests {
    ["md5", "sha1", "sha256"]
        .map(|name| row[name].clone())
        .into()
}

/// The digests of bytes, by the programs of coreutils.
fn summed(bytes: &[u8]) -> Digests {
    let sum = |program: &&str| {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let told = child.wait_with_output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        told.split(' ').next().unwrap().to_owned()
    };
    SUMS.iter().map(sum).collect()
}

/// What tshark tells of a capture, on ports of others, too.
fn tshark(capture: &Path, args: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "tcp.try_heuristic_first:TRUE"]);
    command.args(["--enable-heuristic", "http_tcp", "-r"]);
    let output = command.arg(capture).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether packets were cut when they were captured.
fn is_cut(capture: &Path) -> bool {
    let cut = [
        "-Y",
        "frame.cap_len < frame.len",
        "-T",
        "fields",
        "-e",
        "frame.number",
    ];
    !tshark(capture, &cut).is_empty()
}

/// The objects of a kind that tshark takes out of a capture.
fn exported(capture: &Path, kind: &str, into: &Path) -> Vec<PathBuf> {
    let dir = into.join(kind);
    tshark(
        capture,
        &[
            "-q",
            "--export-objects",
            &format!("{kind},{}", dir.display()),
        ],
    );
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What the sender of a flow sent, as tshark puts it together.
fn followed(capture: &Path, row: &Row) -> Vec<u8> {
    let [orig, resp] = ["orig", "resp"].map(|side| {
        let (host, port) = (&row[&format!("id.{side}_h")], &row[&format!("id.{side}_p")]);
        format!("{host}:{port}")
    });
    let told = tshark(
        capture,
        &["-q", "-z", &format!("follow,tcp,raw,{orig},{resp}")],
    );
    let lines = told.lines().map(str::trim);
    let hex = lines.filter(|line| line.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.flat_map(|line| line.as_bytes().chunks(2).map(byte))
        .collect()
}

/// The digests of a mail's parts, as Python takes it apart.
fn parts(mail: &Path) -> Vec<Digests> {
    // Dots as SMTP doubles them, and the ends of lines that Python changes.
    const PROGRAM: &str = "import email, hashlib, sys
mail = open(sys.argv[1], 'rb').read().replace(b'\\r\\n..', b'\\r\\n.')
for part in email.message_from_bytes(mail).walk():
    if not part.is_multipart():
        body = part.get_payload(decode=True)
        if part['content-transfer-encoding'] != 'base64':
            body = body.replace(b'\\r\\n', b'\\n').replace(b'\\n', b'\\r\\n')
        print(*(hashlib.new(n, body).hexdigest() for n in ('md5', 'sha1', 'sha256')))
";
    let output = Command::new("python3")
        .args(["-c", PROGRAM])
        .arg(mail)
        .output();
    let told = String::from_utf8(output.unwrap().stdout).unwrap();
    let line = |line: &str| line.split(' ').map(str::to_owned).collect();
    told.lines().map(line).collect()
}

/// Of each capture that holds whole packets: as many files as tshark and Python find, with their digests.
#[test]
fn digests_are_those_of_what_was_sent() {
    let programs = ["tshark", "python3", "md5sum"];
    if !programs.iter().all(|program| installed(program)) {
        return;
    }
    let mut compared = BTreeMap::<String, usize>::new();
    for capture in captures() {
        let rows = files(&capture, CONFIG);
        if rows.is_empty() || is_cut(&capture.path) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        for source in ["HTTP", "SMTP", "FTP_DATA"] {
            let ours = rows.iter().filter(|row| row["source"] == source);
            let mut theirs: Vec<Digests> = match source {
                "HTTP" => exported(&capture.path, "http", dir.path())
                    .iter()
                    .map(|file| summed(&fs::read(file).unwrap()))
                    .collect(),
                "SMTP" => exported(&capture.path, "imf", dir.path())
                    .iter()
                    .flat_map(|mail| parts(mail))
                    .collect(),
                _ => ours
                    .clone()
                    .map(|row| summed(&followed(&capture.path, row)))
                    .collect(),
            };
            let mut ours: Vec<Digests> = ours.map(digests).collect();
            ours.sort();
            theirs.sort();
            assert!(ours == theirs, "{}: {source}", capture.name);
            *compared.entry(source.to_owned()).or_default() += ours.len();
        }
    }
    let least = [("FTP_DATA", 7), ("HTTP", 300), ("SMTP", 3)];
    for (source, least) in least {
        assert!(compared[source] >= least, "{compared:?}");
    }
}

/// Only what was asked for is told, and nothing else changes; of what is cut there is none.
#[test]
fn digests_are_told_on_request() {
    let mut cut = 0;
    for capture in captures() {
        let (without, with) = (files(&capture, ""), files(&capture, CONFIG));
        let one = files(&capture, "file_hashes = [\"sha1\"]\n");
        assert_eq!((without.len(), one.len()), (with.len(), with.len()));
        for ((without, with), one) in without.iter().zip(&with).zip(&one) {
            let name = &capture.name;
            assert_eq!(digests(without), ["-", "-", "-"], "{name}");
            assert_eq!(digests(one), ["-", &*with["sha1"], "-"], "{name}");
            let others = |row: &Row| {
                let mut row = row.clone();
                row.retain(|name, _| {
                    !["md5", "sha1", "sha256", "analyzers"].contains(&name.as_str())
                });
                row
            };
            assert_eq!(others(with), others(without), "{name}");
            let named: BTreeSet<&str> = with["analyzers"].split(',').collect();
            assert!(
                named.is_superset(&["MD5", "SHA1", "SHA256"].into()),
                "{name}"
            );
            if with["missing_bytes"] != "0" {
                cut += 1;
                assert_eq!(digests(with), ["-", "-", "-"], "{name}");
            }
        }
    }
    assert!(cut > 0, "nothing is cut");
}

/// The detectors find the same in logs with digests and without.
#[test]
fn logs_with_digests_are_read() {
    let captures = captures();
    let capture = captures
        .iter()
        .find(|capture| capture.name == "malware-delivery");
    let [without, with] = ["", CONFIG].map(|config| {
        let out = replayed(capture.unwrap(), config);
        let args = ["detect", "--quiet", "--no-db", "--json", "-"].map(OsString::from);
        run::ran(args.into_iter().chain([out.path().into()]))
            .exits(0)
            .stdout
    });
    assert!(without.contains("MALWARE-DELIVERY-001"), "{without}");
    assert_eq!(with, without);
}
