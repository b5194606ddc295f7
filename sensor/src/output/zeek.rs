//! A log as Zeek writes it: tab-separated with a complete header, or JSON lines.

use std::io::{self, BufWriter, Write};
use std::time::{Duration, UNIX_EPOCH};

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
    let since = Duration::from_nanos(u64::try_from(time.as_nanos()).unwrap_or_default());
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string();
    text.trim_end_matches('Z').replace(['T', ':'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_packet_time() {
        assert_eq!(
            stamp(Timestamp::new(1_795_211_887, 0)),
            "2026-11-20-21-58-07"
        );
        assert_eq!(stamp(Timestamp::MAX), "2262-04-11-23-47-16");
    }
}
