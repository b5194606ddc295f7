//! The thread that writes findings.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, tick};
use detectors::Finding;
use flow_table::Span;

use super::batch::Batch;
use super::jsonl::JsonLines;
use super::sqlite::SqliteStore;
use super::{Outputs, Receivers, RunRecord};
use crate::clock::{Stopwatch, time_of_day};
use crate::findings::Tally;
use crate::messages::{self, Event};
use crate::origins::{Enricher, Origins};
use crate::progress::Live;

/// Batches that may wait; then whoever finds waits for whoever writes.
const QUEUE: usize = 256;
/// How long more is waited for once something has come: waking a thread costs more than writing
/// what most messages hold.
const GATHER: Duration = Duration::from_millis(5);
/// Rows that make a transaction, if a second does not make one first.
const TRANSACTION: usize = 4_096;
/// Findings that wait for a database which cannot be written; with more it is given up.
const MOST_PENDING: usize = 65_536;
/// How often old findings are forgotten.
const TIDY: Duration = Duration::from_mins(1);
/// A crash loses no more than this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Hands findings to the outputs.
#[derive(Clone, Debug)]
pub(crate) struct FindingSender(Sender<Message>);

/// The outputs' thread is gone, which it never is before [`Sink::finish`].
#[derive(Debug, thiserror::Error)]
#[error("the output thread has stopped")]
pub(crate) struct SinkGone;

impl FindingSender {
    /// Waits while the queue is full.
    pub(crate) fn send(&self, findings: Vec<Finding>) -> Result<(), SinkGone> {
        if findings.is_empty() {
            return Ok(());
        }
        self.0
            .send(Message::Findings(findings))
            .map_err(|_| SinkGone)
    }

    /// Batches that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Has files that findings are written to opened again: somebody moved them.
    pub(crate) fn reopen(&self) -> Result<(), SinkGone> {
        self.0.send(Message::Reopen).map_err(|_| SinkGone)
    }

    /// From now on these say where addresses are.
    pub(crate) fn ask(&self, origins: Arc<Origins>) -> Result<(), SinkGone> {
        self.0.send(Message::Ask(origins)).map_err(|_| SinkGone)
    }
}

#[derive(Debug)]
enum Message {
    Findings(Vec<Finding>),
    Reopen,
    Ask(Arc<Origins>),
    End(Box<RunRecord>),
}

/// The outputs at work on a thread of their own.
#[derive(Debug)]
pub(crate) struct Sink {
    sender: FindingSender,
    thread: JoinHandle<SinkReport>,
}

/// What became of the findings.
#[derive(Clone, Default, Debug)]
pub(crate) struct SinkReport {
    pub(crate) tally: Tally,
    /// A sentence for each output that failed. The others have everything.
    pub(crate) lost: Vec<messages::Message>,
}

impl Sink {
    /// Starts the thread; it tells `live` how many detections there are.
    pub(crate) fn spawn(outputs: Outputs, live: Arc<Live>) -> std::io::Result<Self> {
        let (sender, receiver) = bounded(QUEUE);
        let thread = thread::Builder::new()
            .name("findings".to_owned())
            .spawn(move || Writer::new(outputs, live).run(&receiver))?;
        Ok(Self {
            sender: FindingSender(sender),
            thread,
        })
    }

    pub(crate) fn sender(&self) -> FindingSender {
        self.sender.clone()
    }

    /// Writes what is left and the run's record, and closes the outputs. Every sender must have
    /// sent its last.
    pub(crate) fn finish(self, run: RunRecord) -> SinkReport {
        let Self { sender, thread } = self;
        // The thread is there until it has this; if it panicked, joining tells.
        let _ = sender.0.send(Message::End(Box::new(run)));
        drop(sender);
        thread.join().unwrap_or_else(|_| SinkReport {
            lost: vec![Event::Panicked.says("findings: the output thread panicked")],
            ..SinkReport::default()
        })
    }
}

struct Writer {
    jsonl: Option<JsonLines>,
    store: Option<SqliteStore>,
    receivers: Receivers,
    enricher: Enricher,
    /// How long findings are kept, and since when nothing was forgotten.
    keep: Option<Span>,
    tidied: Stopwatch,
    /// Not yet in the database.
    pending: Batch,
    /// Why, if they could not be written.
    failing: Option<String>,
    live: Arc<Live>,
    report: SinkReport,
}

impl Writer {
    fn new(outputs: Outputs, live: Arc<Live>) -> Self {
        let Outputs {
            jsonl,
            store,
            receivers,
            enricher,
            keep,
        } = outputs;
        Self {
            jsonl,
            store,
            receivers,
            enricher,
            keep,
            tidied: Stopwatch::start(),
            pending: Batch::default(),
            failing: None,
            live,
            report: SinkReport::default(),
        }
    }

    fn run(mut self, receiver: &Receiver<Message>) -> SinkReport {
        let clock = tick(LONGEST_WAIT);
        loop {
            select! {
                recv(receiver) -> message => {
                    // The run broke off: keep what was found, but there is no record to make.
                    let Ok(message) = message else { return self.end(None) };
                    if let Some(run) = self.take_all(message, receiver) {
                        return self.end(Some(&run));
                    }
                    thread::sleep(GATHER);
                }
                recv(clock) -> _ => self.flush(),
            }
        }
    }

    /// Takes a message and those that wait behind it. Returns the run's record once that comes.
    fn take_all(&mut self, first: Message, receiver: &Receiver<Message>) -> Option<Box<RunRecord>> {
        let waiting = receiver.try_iter().take(QUEUE);
        for message in iter::once(first).chain(waiting) {
            match message {
                Message::Findings(findings) => self.take(findings),
                Message::Reopen => {
                    let reopened = self.jsonl.as_mut().map_or(Ok(()), JsonLines::reopen);
                    self.check_jsonl(reopened);
                }
                Message::Ask(origins) => self.enricher.ask(origins),
                Message::End(run) => return Some(run),
            }
        }
        None
    }

    fn take(&mut self, mut findings: Vec<Finding>) {
        for finding in &mut findings {
            self.enricher.enrich(finding);
            self.report.tally.add(finding);
            let written = self
                .jsonl
                .as_mut()
                .map_or(Ok(()), |jsonl| jsonl.write(finding));
            self.check_jsonl(written);
            self.receivers.tell(finding);
        }
        self.live
            .detections
            .store(self.report.tally.made() as u64, Relaxed);
        if self.store.is_some() {
            self.pending.extend(findings);
        }
        if self.pending.len() >= TRANSACTION && self.failing.is_none() {
            self.write_pending();
        }
    }

    fn flush(&mut self) {
        let flushed = self.jsonl.as_mut().map_or(Ok(()), JsonLines::flush);
        self.check_jsonl(flushed);
        self.write_pending();
        self.forget();
    }

    /// Forgets findings that are too old, now and then.
    fn forget(&mut self) {
        let (Some(age), Some(store)) = (self.keep, &mut self.store) else {
            return;
        };
        if self.tidied.elapsed() < TIDY {
            return;
        }
        self.tidied = Stopwatch::start();
        // What cannot be forgotten now is tried again.
        let _ = store.forget(time_of_day() - age);
    }

    fn write_pending(&mut self) {
        let Some(store) = &mut self.store else { return };
        match store.write(&self.pending) {
            Ok(()) => {}
            // It is tried again in a second.
            Err(error) if error.may_pass() && self.pending.len() < MOST_PENDING => {
                self.failing = Some(error.to_string());
                return;
            }
            Err(error) => {
                let rows = self.pending.len();
                let text = format!("{error}; {rows} findings and all later ones are not in it");
                let message = Event::FindingsLost.says(text);
                self.report.lost.push(message.with("findings", rows));
                self.store = None;
            }
        }
        self.failing = None;
        self.pending.clear();
    }

    fn check_jsonl(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            let text = format!("--json: {error}; later findings are not in it");
            self.report.lost.push(Event::FindingsLost.says(text));
            self.jsonl = None;
        }
    }

    fn end(mut self, run: Option<&RunRecord>) -> SinkReport {
        self.flush();
        let left_out = self.jsonl.as_ref().and_then(JsonLines::left_out);
        self.report.lost.extend(left_out);
        if let Some(error) = self.failing.take() {
            let rows = self.pending.len();
            let text = format!("{error}; {rows} findings are not in it");
            let message = Event::FindingsLost.says(text);
            self.report.lost.push(message.with("findings", rows));
        }
        if let (Some(store), Some(run)) = (self.store.take(), run)
            && let Err(error) = store.finish(run)
        {
            self.report.lost.push(Event::FindingsLost.says(error));
        }
        self.report.lost.extend(self.receivers.finish());
        let lost = self.enricher.lost();
        let lost =
            lost.map(|(failed, text)| Event::LookupsFailed.says(text).with("failed", failed));
        self.report.lost.extend(lost);
        self.report
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::Existing;
    use super::*;
    use crate::cli::FindingArgs;
    use crate::samples;

    fn outputs(dir: &Path, json: &str) -> Outputs {
        let args = FindingArgs {
            out: dir.to_owned(),
            db: None,
            baseline: None,
            no_db: false,
            json: Some(json.into()),
        };
        Outputs::open(&args, &[], Existing::Empty).unwrap()
    }

    fn record() -> RunRecord {
        RunRecord {
            command: "replay",
            config_digest: String::new(),
            inputs: vec!["a.pcap".to_owned()],
            first: None,
            last: None,
            packets: 3,
            bytes: 4,
            flows: 1,
            counters: vec![("late".to_owned(), 0)],
        }
    }

    #[test]
    fn every_output_gets_everything_and_the_database_is_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("f.jsonl");
        let live = Arc::new(Live::default());
        let outputs = outputs(dir.path(), json.to_str().unwrap());
        let sink = Sink::spawn(outputs, Arc::clone(&live)).unwrap();
        let sender = sink.sender();
        let total: u32 = 10_000;
        for n in 1..=total {
            let signal = samples::signal(u128::from(n), "10.0.0.1");
            sender.send(vec![Finding::SignalOpened(signal)]).unwrap();
        }
        sender
            .send(vec![Finding::DetectionMade(samples::detection(
                1, "10.0.0.1",
            ))])
            .unwrap();
        let report = sink.finish(record());
        assert!(report.lost.is_empty(), "{:?}", report.lost);
        assert_eq!(report.tally.made(), 1);
        assert_eq!(live.detections.load(Relaxed), 1);
        assert_eq!(fs::read_to_string(&json).unwrap().lines().count(), 10_001);
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["f.jsonl", "flowhawk.db"]);
        let db = super::super::open_for_reading(&dir.path().join("flowhawk.db")).unwrap();
        let count = |table: &str| -> u32 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap()
        };
        assert_eq!(
            [count("signals"), count("detections"), count("runs")],
            [total, 1, 1]
        );
    }

    #[test]
    fn a_full_disk_is_told_and_spoils_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs(dir.path(), "/dev/full");
        let sink = Sink::spawn(outputs, Arc::new(Live::default())).unwrap();
        let signal = samples::signal(1, "10.0.0.1");
        sink.sender()
            .send(vec![Finding::SignalOpened(signal)])
            .unwrap();
        let report = sink.finish(record());
        assert_eq!(report.lost.len(), 1, "{:?}", report.lost);
        let lost = report.lost[0].to_string();
        assert!(lost.starts_with("--json: No space left"), "{lost}");
        let db = super::super::open_for_reading(&dir.path().join("flowhawk.db")).unwrap();
        let signals: u32 = db
            .query_row("SELECT count(*) FROM signals", [], |r| r.get(0))
            .unwrap();
        assert_eq!(signals, 1);
    }

    #[test]
    fn a_run_that_breaks_off_keeps_what_it_found() {
        let dir = tempfile::tempdir().unwrap();
        let outputs = outputs(dir.path(), "/dev/null");
        let Sink { sender, thread } = Sink::spawn(outputs, Arc::new(Live::default())).unwrap();
        let signal = samples::signal(1, "10.0.0.1");
        sender.send(vec![Finding::SignalOpened(signal)]).unwrap();
        drop(sender);
        thread.join().unwrap();
        let db = super::super::open_for_reading(&dir.path().join("flowhawk.db")).unwrap();
        let found: (u32, u32) = db
            .query_row(
                "SELECT (SELECT count(*) FROM signals), (SELECT count(*) FROM runs)",
                [],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .unwrap();
        assert_eq!(found, (1, 0));
    }
}
