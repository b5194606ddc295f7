//! A log as Zeek writes it: tab-separated with a complete header, or JSON lines.

use std::io::{self, BufWriter, Write};

use flow_table::Timestamp;

use crate::cli::LogFormat;

/// A column's name and Zeek's type for it.
pub(crate) type Column = (&'static str, &'static str);

/// One log file.
pub(crate) struct ZeekLog<W: Write> {
    out: BufWriter<W>,
    format: LogFormat,
    path: &'static str,
    columns: Vec<Column>,
    opened: bool,
}

impl<W: Write> ZeekLog<W> {
    /// A log named `path` (as in `#path`) with these columns.
    pub(crate) fn new(out: W, format: LogFormat, path: &'static str, columns: Vec<Column>) -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            format,
            path,
            columns,
            opened: false,
        }
    }

    /// Writes rows that are formatted already, the header before the first of them. `now` is
    /// packet time, which is the time of the header in replay: the same on every run.
    pub(crate) fn write(&mut self, rows: &[u8], now: Timestamp) -> io::Result<()> {
        self.open(now)?;
        self.out.write_all(rows)
    }

    fn open(&mut self, now: Timestamp) -> io::Result<()> {
        if self.opened {
            return Ok(());
        }
        self.opened = true;
        if self.format == LogFormat::Json {
            return Ok(());
        }
        let list = |which: fn(&Column) -> &'static str| {
            self.columns
                .iter()
                .map(which)
                .collect::<Vec<_>>()
                .join("\t")
        };
        write!(
            self.out,
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
             #path\t{}\n#open\t{}\n#fields\t{}\n#types\t{}\n",
            self.path,
            stamp(now),
            list(|column| column.0),
            list(|column| column.1),
        )
    }

    /// Ends the log.
    pub(crate) fn close(mut self, now: Timestamp) -> io::Result<()> {
        self.open(now)?;
        if self.format == LogFormat::Tsv {
            writeln!(self.out, "#close\t{}", stamp(now))?;
        }
        self.out.flush()
    }
}

/// `2026-11-20-21-58-07`, UTC.
fn stamp(time: Timestamp) -> String {
    let secs = time.as_nanos() / 1_000_000_000;
    let (days, second) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = civil_from_days(days);
    format!(
        "{year:04}-{month:02}-{day:02}-{:02}-{:02}-{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The proleptic Gregorian date of a day number, 0 being 1970-01-01.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}
