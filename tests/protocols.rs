//! The logs of protocols against what tshark sees in the same captures.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use support::run::{self, installed};
use support::{Recorded, captures, logs};

/// Rows and how often each occurs.
type Counted = BTreeMap<Vec<String>, usize>;

fn counted(rows: impl IntoIterator<Item = Vec<String>>) -> Counted {
    let mut counted = Counted::new();
    for row in rows {
        *counted.entry(row).or_default() += 1;
    }
    counted
}

/// What tshark is asked for, of every packet that has any of it.
const FIELDS: [&str; 17] = [
    "frame.len",
    "frame.cap_len",
    "icmp.type",
    "icmpv6.type",
    "dns.id",
    "dns.qry.name",
    "dns.qry.type",
    "dns.flags.response",
    "dns.flags.rcode",
    "http.request.method",
    "http.host",
    "http.request.uri",
    "http.response.code",
    "tls.handshake.extensions_server_name",
    "tls.handshake.ja3",
    "tls.handshake.ja3s",
    "ssh.protocol",
];
const JA4: &str = "tls.handshake.ja4";
const FILTER: &str =
    "frame.cap_len < frame.len || dns || http || tls.handshake.type in {1, 2} || ssh.protocol";

/// The first value of each field in every packet that the filter lets through.
fn tshark(capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(capture);
    // On ports of others, too.
    command.args(["-o", "tcp.try_heuristic_first:TRUE"]);
    command.args(["--enable-heuristic", "http_tcp"]);
    command.args(["-Y", FILTER, "-T", "fields", "-E", "occurrence=f"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    told.lines().map(row).collect()
}

/// Columns of a log, which may not be there; what is unset is empty.
fn log(out: &Path, name: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let Ok(text) = std::fs::read_to_string(out.join(format!("{name}.log"))) else {
        return Vec::new();
    };
    let fields = text.lines().find_map(|line| line.strip_prefix("#fields\t"));
    let fields: Vec<&str> = fields.unwrap().split('\t').collect();
    let places = columns.iter().map(|column| {
        let place = fields.iter().position(|field| field == column);
        place.unwrap_or_else(|| panic!("{name}.log has no {column}"))
    });
    let places: Vec<usize> = places.collect();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let cell = |place: &usize| match cells[*place] {
            "-" => String::new(),
            cell => cell.to_owned(),
        };
        places.iter().map(cell).collect()
    })
    .collect()
}

/// Whether tshark knows a field.
fn knows(field: &str) -> bool {
    let output = Command::new("tshark").args(["-G", "fields"]).output();
    let told = output.unwrap().stdout;
    let column = format!("\t{field}\t");
    String::from_utf8_lossy(&told)
        .lines()
        .any(|line| line.contains(&column))
}

/// A capture, what tshark saw in it, what was made of it, and what was compared so far.
/// Bytes of names that are not ASCII tshark shows in ways of its own, some of them without saying
/// which they were: such names are counted, not compared.
fn shown_alike(name: &mut String) {
    if !name.is_ascii() || name.contains('\\') {
        "(not ASCII)".clone_into(name);
    }
}

struct Agreement {
    name: String,
    fields: Vec<&'static str>,
    seen: Vec<Vec<String>>,
    out: tempfile::TempDir,
    compared: usize,
}

impl Agreement {
    fn of(capture: &Recorded, fields: &[&'static str]) -> Self {
        let out = tempfile::tempdir().unwrap();
        run::replay(&[&capture.path], out.path(), &["-q", "--no-db"]).exits(0);
        Self {
            name: capture.name.clone(),
            fields: fields.to_vec(),
            seen: tshark(&capture.path, fields),
            out,
            compared: 0,
        }
    }

    /// These fields of every packet that has the first of them.
    fn tshark(&self, fields: &[&str]) -> Vec<Vec<String>> {
        let place = |field: &&str| self.fields.iter().position(|known| known == field);
        let places: Vec<usize> = fields.iter().filter_map(place).collect();
        let rows = self.seen.iter().filter(|row| !row[places[0]].is_empty());
        rows.map(|row| places.iter().map(|place| row[*place].clone()).collect())
            .collect()
    }

    fn log(&self, name: &str, columns: &[&str]) -> Vec<Vec<String>> {
        log(self.out.path(), name, columns)
    }

    /// Whether packets were cut when they were captured: there tshark and we see different parts.
    fn is_cut(&self) -> bool {
        let lengths = self.tshark(&["frame.len", "frame.cap_len"]);
        lengths.iter().any(|row| row[0] != row[1])
    }

    #[track_caller]
    fn same(&mut self, what: &str, tshark: Vec<Vec<String>>, ours: Vec<Vec<String>>) {
        self.compared += ours.len();
        let (tshark, ours) = (counted(tshark), counted(ours));
        assert_eq!(tshark, ours, "{}: {what}", self.name);
    }

    fn dns(&mut self) {
        let messages = self.tshark(&[
            "dns.id",
            "dns.qry.name",
            "dns.qry.type",
            "dns.flags.rcode",
            "dns.flags.response",
            "icmp.type",
            "icmpv6.type",
        ]);
        // Errors quote the message they are about.
        let messages = messages
            .into_iter()
            .filter(|row| row[5..].concat().is_empty());
        let named = messages.map(|mut row| {
            let id = u16::from_str_radix(row[0].trim_start_matches("0x"), 16);
            row[0] = id.unwrap().to_string();
            row[1].make_ascii_lowercase();
            shown_alike(&mut row[1]);
            row
        });
        let (replies, queries): (Vec<_>, Vec<_>) =
            named.partition(|row| matches!(row[4].as_str(), "1" | "True"));
        let first = |rows: Vec<Vec<String>>, count: usize| -> Vec<Vec<String>> {
            rows.into_iter().map(|row| row[..count].to_vec()).collect()
        };
        let mut ours = self.log("dns", &["trans_id", "query", "qtype", "rcode"]);
        for row in &mut ours {
            shown_alike(&mut row[1]);
        }
        self.same("queries", first(queries, 3), first(ours.clone(), 3));
        let answered = ours.into_iter().filter(|row| !row[3].is_empty());
        self.same("replies", first(replies, 4), answered.collect());
    }

    fn http(&mut self) {
        let fields = ["http.request.method", "http.host", "http.request.uri"];
        let requests = self.tshark(&fields);
        let asked = self.log("http", &["method", "host", "uri"]);
        self.same("requests", requests, asked);
        let codes = ["status_code", "info_code"];
        let answered = codes.iter().flat_map(|code| self.log("http", &[code]));
        let answered = answered.filter(|row| !row[0].is_empty()).collect();
        self.same("replies", self.tshark(&["http.response.code"]), answered);
    }

    fn tls(&mut self) {
        // The name last: not every hello has one.
        let fields = [
            "tls.handshake.ja3",
            JA4,
            "tls.handshake.extensions_server_name",
        ];
        let mut columns = vec!["id.resp_p", "ja3", "ja4", "server_name"];
        if !self.fields.contains(&JA4) {
            columns.remove(2);
        }
        // Inside RDP tshark does not look for it.
        let elsewhere = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
            let rows = rows.into_iter().filter(|row| row[0] != "3389");
            rows.map(|row| row[1..].to_vec()).collect()
        };
        let hellos = elsewhere(self.log("ssl", &columns));
        self.same("hellos of clients", self.tshark(&fields), hellos);
        // A server may answer with nothing but an alert.
        let mut answers = elsewhere(self.log("ssl", &["id.resp_p", "ja3s"]));
        answers.retain(|row| !row[0].is_empty());
        let theirs = self.tshark(&["tls.handshake.ja3s"]);
        self.same("hellos of servers", theirs, answers);
    }

    fn ssh(&mut self) {
        let sides = ["client", "server"];
        let ours = sides
            .iter()
            .flat_map(|side| self.log("ssh", &[side, "id.resp_p"]));
        // On other ports tshark does not look for it.
        let ours = ours.filter(|row| !row[0].is_empty() && row[1] == "22");
        let ours = ours.map(|row| row[..1].to_vec()).collect();
        self.same("banners", self.tshark(&["ssh.protocol"]), ours);
    }
}

#[test]
fn protocol_logs_say_what_tshark_sees() {
    if !installed("tshark") {
        return;
    }
    let mut fields = FIELDS.to_vec();
    if knows(JA4) {
        fields.push(JA4);
    }
    let mut compared = 0;
    for capture in captures() {
        let mut agreement = Agreement::of(&capture, &fields);
        if agreement.is_cut() {
            continue;
        }
        agreement.dns();
        agreement.http();
        agreement.tls();
        agreement.ssh();
        compared += agreement.compared;
    }
    assert!(compared > 500, "only {compared} rows to compare");
}

/// Every row has all columns; as JSON there are as many, with the same names.
#[test]
fn rows_are_whole_in_both_formats() {
    for capture in captures() {
        let [table, json] = ["tsv", "json"].map(|format| {
            let out = tempfile::tempdir().unwrap();
            let options = ["-q", "--no-db", "--log-format", format];
            run::replay(&[&capture.path], out.path(), &options).exits(0);
            logs(out.path())
        });
        assert!(table.keys().eq(json.keys()), "{}", capture.name);
        for (name, log) in &table {
            let what = format!("{}: {name}", capture.name);
            let text = str::from_utf8(log).unwrap();
            let header = text.lines().find_map(|line| line.strip_prefix("#fields\t"));
            let fields: Vec<&str> = header.unwrap().split('\t').collect();
            let rows = text.lines().filter(|line| !line.starts_with('#'));
            let rows: Vec<Vec<&str>> = rows.map(|row| row.split('\t').collect()).collect();
            let objects = str::from_utf8(&json[name]).unwrap().lines();
            assert_eq!(objects.clone().count(), rows.len(), "{what}");
            for (row, object) in rows.iter().zip(objects) {
                assert_eq!(row.len(), fields.len(), "{what}: {row:?}");
                let object: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(object).unwrap();
                let set = fields.iter().zip(row).filter(|(_, cell)| **cell != "-");
                let names: BTreeSet<&str> = set.map(|(name, _)| *name).collect();
                let got: BTreeSet<&str> = object.keys().map(String::as_str).collect();
                assert_eq!(got, names, "{what}: {row:?}");
            }
        }
    }
}
