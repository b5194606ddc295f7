//! Threat lists as files: plain text, CSV, STIX 2.1.

mod stix;

use std::fs;
use std::path::Path;

use detectors::{Indicator, ThreatLists};

use super::config::{Problem, Problems};

/// What the files hold.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Known {
    pub(crate) lists: ThreatLists,
    /// Lines, rows and patterns that name nothing that can be looked for.
    pub(crate) not_understood: u64,
}

impl Known {
    /// Reads the files in this order; all that is wrong with them is in the error.
    pub(crate) fn read(files: &[impl AsRef<Path>]) -> Result<Self, Problems> {
        let mut known = Self::default();
        let mut problems = Vec::new();
        for file in files {
            let file = file.as_ref();
            match read(file) {
                Ok(read) => known.add(file, read),
                Err(message) => problems.push(Problem::of_file(file, message)),
            }
        }
        if problems.is_empty() {
            Ok(known)
        } else {
            Err(Problems(problems))
        }
    }

    /// What the lists hold, if there are any, to be told behind something else.
    pub(crate) fn told(&self) -> String {
        let (understood, not) = (self.lists.len(), self.not_understood);
        match (understood, not) {
            (0, 0) => String::new(),
            (_, 0) => format!(", {understood} indicators"),
            _ => format!(", {understood} indicators ({not} more not understood)"),
        }
    }

    /// A list is called as its file is.
    fn add(&mut self, file: &Path, read: Read) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.lists.add(&name, read.indicators);
        self.not_understood += read.not_understood;
    }
}

/// What one file holds.
#[derive(PartialEq, Default, Debug)]
struct Read {
    indicators: Vec<Indicator>,
    not_understood: u64,
}

impl Read {
    /// Text that should be an indicator.
    fn take(&mut self, text: &str) {
        match Indicator::parse(text) {
            Some(indicator) => self.indicators.push(indicator),
            None => self.not_understood += 1,
        }
    }
}

fn read(file: &Path) -> Result<Read, String> {
    let text = fs::read(file).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "is not UTF-8 text".to_owned())?;
    let ending = file.extension().and_then(|ending| ending.to_str());
    match ending.unwrap_or_default().to_ascii_lowercase().as_str() {
        "csv" => rows(&text),
        "json" | "stix" => stix::read(&text),
        _ => Ok(lines(&text)),
    }
}

/// An indicator at the beginning of each line; `#` and `;` begin comments.
fn lines(text: &str) -> Read {
    let mut read = Read::default();
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        if let Some(word) = line.split_whitespace().next() {
            read.take(word);
        }
    }
    read
}

/// Names of columns that hold indicators.
const COLUMNS: [&str; 20] = [
    "indicator",
    "ioc",
    "ioc_value",
    "value",
    "ip",
    "ip_address",
    "ipaddress",
    "src_ip",
    "dst_ip",
    "address",
    "cidr",
    "network",
    "domain",
    "hostname",
    "host",
    "fqdn",
    "ja3",
    "ja3_md5",
    "ja3_hash",
    "ja4",
];

/// Of each row what stands in the columns that are named so; without such a header, in the first.
fn rows(text: &str) -> Result<Read, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut read = Read::default();
    let mut columns: Option<Vec<usize>> = None;
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let Some(columns) = &columns else {
            let named =
                |(_, name): &(usize, &str)| COLUMNS.contains(&name.to_ascii_lowercase().as_str());
            let named: Vec<usize> = row
                .iter()
                .enumerate()
                .filter(named)
                .map(|(at, _)| at)
                .collect();
            if named.is_empty() {
                read.take(row.get(0).unwrap_or_default());
            }
            columns = Some(if named.is_empty() { vec![0] } else { named });
            continue;
        };
        let cells = columns.iter().filter_map(|at| row.get(*at));
        cells
            .filter(|cell| !cell.is_empty())
            .for_each(|cell| read.take(cell));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(read: Read) -> (Vec<String>, u64) {
        let text = |indicator: Indicator| match indicator {
            Indicator::Network(network) => network.to_string(),
            Indicator::Domain(text) | Indicator::Fingerprint(text) => text.into(),
        };
        (
            read.indicators.into_iter().map(text).collect(),
            read.not_understood,
        )
    }

    #[test]
    fn lines_and_rows() {
        /// What, as it is read; what stands in it, and how much is not understood.
        type Case<'a> = (&'a str, Result<Read, String>, &'a [&'a str], u64);
        let cases: [Case<'_>; 5] = [
            (
                "lines",
                Ok(lines(
                    "# bad\n203.0.113.9 ; C2\n\n  evil.example # x\n198.51.100.0/24\t7\nhttp://x/\n",
                )),
                &["203.0.113.9/32", "evil.example", "198.51.100.0/24"],
                1,
            ),
            (
                "first column",
                rows("203.0.113.9,x\nevil.example,y\n"),
                &["203.0.113.9/32", "evil.example"],
                0,
            ),
            (
                "named columns",
                rows(
                    "#c\nseen,\"IP\",note,domain\n1,203.0.113.9,a.b,\n2,,c.d,evil.example\n3,bad,,\n",
                ),
                &["203.0.113.9/32", "evil.example"],
                1,
            ),
            (
                "first column that is none",
                rows("name,note\nx,y\n"),
                &[],
                2,
            ),
            ("nothing", rows(""), &[], 0),
        ];
        for (name, read, want, not) in cases {
            let (got, not_understood) = texts(read.unwrap());
            assert_eq!(
                (got.as_slice(), not_understood),
                (
                    &*want.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    not
                ),
                "{name}"
            );
        }
    }
}
