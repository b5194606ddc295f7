//! Detections as a table, a line each.

use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};

use super::query::{Found, endpoint};
use crate::text::printable;

const HEADER: [&str; 8] = [
    "TIME (UTC)",
    "SEVERITY",
    "RULE",
    "SRC",
    "DST",
    "COUNT",
    "ID",
    "SUMMARY",
];

/// As wide as the terminal; as wide as it takes where there is none.
pub(super) fn list(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    let width = terminal_size::terminal_size().map(|(width, _)| width.0);
    write_table(out, found, width)
}

fn write_table(out: &mut dyn Write, found: &[Found], width: Option<u16>) -> io::Result<()> {
    if found.is_empty() {
        return writeln!(out, "no detections");
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_truncation_indicator("…");
    table.set_header(HEADER);
    for found in found {
        let mut row = Row::from(cells(found));
        row.max_height(1);
        table.add_row(row);
    }
    let last = HEADER.len() - 1;
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if n == last { 0 } else { 2 }));
        if n < last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let Some(width) = width {
        table
            .set_width(width)
            .set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
        .lines()
        .try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn cells(found: &Found) -> [String; 8] {
    let suppressed = match &found.suppressed_by {
        Some(by) => format!("(suppressed by {by}) "),
        None => String::new(),
    };
    [
        found.first_time.clone(),
        found.severity.clone(),
        printable(&found.rule_id).into_owned(),
        found.src_ip.clone().unwrap_or_else(|| "-".to_owned()),
        endpoint(found.dst_ip.as_deref(), found.dst_port),
        found.count.to_string(),
        found
            .detection_id
            .get(..8)
            .unwrap_or(&found.detection_id)
            .to_owned(),
        printable(&format!("{suppressed}{}", found.summary)).into_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::samples::found;
    use super::*;

    fn shown(found: &[Found], width: Option<u16>) -> String {
        let mut out = Vec::new();
        write_table(&mut out, found, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_the_summary_is_cut() {
        let mut second = found();
        second.src_ip = Some("2001:db8::1".to_owned());
        second.summary = "a\nb".to_owned();
        let all = [found(), second];
        let want = "\
TIME (UTC)           SEVERITY  RULE    SRC          DST       COUNT  ID        SUMMARY
2023-11-14 22:13:20  high      LM-001  10.0.0.1     port 445  1      00000000  10.0.0.1 scanned, spiked and logged in.
2023-11-14 22:13:20  high      LM-001  2001:db8::1  port 445  1      00000000  a\\u{a}b
";
        assert_eq!(shown(&all, None), want);
        let narrow = shown(&all, Some(100));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 100),
            "{narrow}"
        );
        assert!(narrow.lines().nth(1).unwrap().ends_with('…'), "{narrow}");
        assert_eq!(narrow.lines().count(), 3, "{narrow}");
    }

    #[test]
    fn nothing_is_said_in_words() {
        assert_eq!(shown(&[], None), "no detections\n");
    }
}
