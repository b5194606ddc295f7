//! Signals and detections as JSON lines.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use detectors::Finding;

use super::Existing;
use super::rows::Row;
use crate::messages::{Event, Message};

/// Writes a line for each finding. When the reader of a pipe goes away, the rest goes nowhere:
/// whoever reads with `head` has what it wants.
pub(super) struct JsonLines {
    out: BufWriter<Box<dyn Write + Send>>,
    reader: Reader,
    /// Where it is, unless it is stdout.
    path: Option<PathBuf>,
    /// The line under construction.
    line: Vec<u8>,
    /// Why nothing can be written for now.
    full: Option<io::Error>,
    /// Lines that were left out meanwhile.
    lost: u64,
}

/// Bytes that wait to be written.
const BUFFER: usize = 1 << 16;

#[derive(PartialEq, Eq, Debug)]
enum Reader {
    There,
    Gone,
}

impl JsonLines {
    /// To the file, or to stdout for `-`.
    pub(super) fn create(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::to(Box::new(io::stdout())));
        }
        let mut lines = Self::to(Box::new(existing.open(path)?));
        lines.path = Some(path.to_owned());
        Ok(lines)
    }

    /// Goes on in the file that is at its path now.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(path) = &self.path {
            let file = File::options().append(true).create(true).open(path)?;
            *self.out.get_mut() = Box::new(file);
        }
        Ok(())
    }

    fn to(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER, out),
            reader: Reader::There,
            path: None,
            line: Vec::new(),
            full: None,
            lost: 0,
        }
    }

    pub(super) fn write(&mut self, finding: &Finding) -> io::Result<()> {
        if self.reader == Reader::Gone {
            return Ok(());
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Row::from(finding))?;
        self.line.push(b'\n');
        if self.out.buffer().len() + self.line.len() > BUFFER && self.full.is_none() {
            self.flush()?;
        }
        // A line is there whole or not at all.
        if self.full.is_some() && self.out.buffer().len() + self.line.len() > BUFFER {
            self.lost += 1;
            return Ok(());
        }
        let written = self.out.write_all(&self.line);
        self.unless_gone(written)
    }

    /// What was left out, or waits still, because there was no room for it.
    pub(super) fn left_out(&self) -> Option<Message> {
        let waits = self.full.as_ref().map(ToString::to_string);
        let lost = (self.lost > 0).then(|| "there was no room for some time".to_owned());
        let why = waits.or(lost)?;
        let lost = self.lost;
        let text = format!("--json: {why}; {lost} findings and what waited are not in it");
        Some(Event::FindingsLost.says(text).with("findings", lost))
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.reader == Reader::Gone {
            return Ok(());
        }
        let flushed = self.out.flush();
        if flushed.is_ok() {
            self.full = None;
        }
        self.unless_gone(flushed)
    }

    fn unless_gone(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            // Whoever writes tries again in a second.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.full = Some(error);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader = Reader::Gone;
                Ok(())
            }
            other => other,
        }
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::samples;

    #[test]
    fn a_line_holds_the_columns_and_the_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.jsonl");
        let mut lines = JsonLines::create(&path, Existing::Empty).unwrap();
        lines
            .write(&Finding::SignalOpened(samples::signal(1, "10.0.0.1")))
            .unwrap();
        lines
            .write(&Finding::DetectionMade(samples::detection(1, "fe80::9")))
            .unwrap();
        lines.flush().unwrap();
        let want = [
            r#"{"type":"signal","event":"opened","signal_id":"00000000000000000000000000000001","signal_type":"PORT_SCAN","severity":"medium","src_ip":"10.0.0.1","dst_ip":null,"dst_port":null,"window_start":1700000000.000000,"window_end":1700000042.123457,"value":25.0,"threshold":20.0,"evidence":{"measure":"25 distinct ports in 60s, limit 20","approximate":false,"baseline":{"mean":10.0,"deviation":3.5,"windows":0,"prior":true},"numbers":[["hosts",1.0]],"peers":["10.9.9.9","fe80::1"],"ports":[22,445],"uids":["C00000000000000007","C00000000000000008"]},"suppressed_by":null}"#,
            r#"{"type":"detection","event":"made","detection_id":"00000000000000010000000000000000","rule_id":"LM-001","detection_type":"LATERAL_MOVEMENT","severity":"high","confidence":"high","src_ip":"fe80::9","dst_ip":null,"dst_port":445,"first_ts":1700000000.000000,"last_ts":1700000042.123457,"count":1,"signal_count":2,"status":"open","suppressed_by":null,"mitre":["TA0008","T1021"],"actions":["Isolate the host."],"summary":"fe80::9 scanned, spiked and logged in.","signals":["00000000000000000000000000000064","00000000000000000000000000000065"],"uids":["C00000000000000007"]}"#,
        ];
        let got = fs::read_to_string(&path).unwrap();
        assert_eq!(got.lines().collect::<Vec<_>>(), want);
    }

    #[test]
    fn a_reader_that_leaves_is_no_error_and_a_full_disk_is() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut lines = JsonLines::to(Box::new(writer));
        let finding = Finding::SignalOpened(samples::signal(1, "10.0.0.1"));
        (0..1_000).for_each(|_| lines.write(&finding).unwrap());
        lines.flush().unwrap();
        assert_eq!(lines.reader, Reader::Gone);

        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut lines = JsonLines::to(Box::new(full));
        (0..1_000).for_each(|_| lines.write(&finding).unwrap());
        lines.flush().unwrap();
        assert!(lines.lost > 0 && lines.out.buffer().len() <= BUFFER);
        let left_out = lines.left_out().unwrap();
        assert!(
            left_out.to_string().starts_with("--json: No space left"),
            "{left_out}"
        );
    }
}
