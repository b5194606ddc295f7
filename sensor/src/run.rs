//! From packets to outputs.

use std::sync::Arc;

use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::findings::Tally;
use crate::output::{FindingSender, OutputDir, Outputs, RunRecord, Sink, SinkReport};
use crate::progress::{Live, Progress};
use crate::summary::{self, RunSummary};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// A sentence for everything that was lost or could not be read.
    pub(crate) losses: Vec<String>,
    pub(crate) found: Tally,
}

/// Reads the captures.
pub(crate) fn replay(args: &ReplayArgs, config: &Config) -> anyhow::Result<Outcome> {
    let talk = &args.common.talk;
    let dir = OutputDir::create(&args.common.output.out)?;
    let live = Arc::new(Live::default());
    let outputs = Outputs::open(&args.common.output, &args.files)?;
    let sink = Sink::spawn(outputs, Arc::clone(&live))?;
    let progress = Progress::start(talk, None, live);
    let conn_log = dir.create_file("conn.log")?;
    let sender: FindingSender = sink.sender();
    sender.send(Vec::new())?;
    let record = RunRecord {
        command: "replay",
        config_digest: config.digest(),
        inputs: args
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
        first: None,
        last: None,
        packets: 0,
        bytes: 0,
        flows: 0,
        counters: Vec::new(),
    };
    let report: SinkReport = sink.finish(record);
    progress.finish();
    drop(conn_log);
    let written = vec![dir.path().display().to_string()];
    summary::print(
        talk,
        &RunSummary {
            written,
            ..RunSummary::default()
        },
        &report.tally,
    );
    Ok(Outcome {
        losses: report.lost,
        found: report.tally,
    })
}
