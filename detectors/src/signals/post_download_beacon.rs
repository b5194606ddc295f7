//! POST_DOWNLOAD_BEACON: an internal host that fetched a program calls somebody new.
//!
//! Fires when   within `window` after an internal client fetched a program (EXECUTABLE_FILE_DOWNLOAD
//!              says what that is), it opens at least `limit` connections to one outside destination
//!              that no internal host had contacted before the download, at least `min_gap` apart,
//!              which moved at most `max_bytes` each on average. A destination is the registered domain
//!              that the client asked DNS for, else the address. Evidence says for how long everything
//!              had been watched before the destination was first contacted.
//! Blind to     programs whose download is not seen; calls to destinations already in use, such as
//!              shared content networks by address; calls that begin later.
//! Known noise  new sites that people visit right after they installed something.
//! State        per client when it fetched programs, up to [`MOST`] times; per client and destination a
//!              few numbers and `max_evidence` flows. What came once is evicted first, counted.

use std::collections::VecDeque;
use std::net::IpAddr;

use flow_table::Timestamp;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::PostDownloadBeacon;
use crate::content::Kind;
use crate::destinations::Known;
use crate::fetched::Fetched;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::{Wants, What};
use crate::{Severity, SignalKind, Subject, Window};

/// Downloads of one client that are remembered; of more, the first.
const MOST: usize = 8;

pub(super) struct Beacons {
    config: PostDownloadBeacon,
    general: General,
    clients: Subjects<Option<IpAddr>, Client>,
    calls: Subjects<Option<Subject>, Calls>,
}

state!(Beacons { clients, calls } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Client {
    #[serde(with = "crate::state::room")]
    downloads: VecDeque<Timestamp>,
    names: Names,
}

impl Held for Client {
    fn heap(&self) -> usize {
        self.downloads.capacity() * size_of::<Timestamp>() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.names.several())
    }
}

/// Connections to one destination since a download.
#[derive(Default, Serialize, Deserialize)]
struct Calls {
    downloaded: Timestamp,
    connections: u64,
    last: Timestamp,
    bytes: u64,
    samples: Samples,
}

impl Held for Calls {
    fn heap(&self) -> usize {
        self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Calls {
    /// Those after another download are counted anew.
    fn begin(&mut self, downloaded: Timestamp) {
        if self.downloaded != downloaded {
            *self = Self {
                downloaded,
                ..Self::default()
            };
        }
    }

    /// Tells whether a connection counts for itself.
    fn connect(&mut self, time: Timestamp, config: &PostDownloadBeacon) -> bool {
        let apart = self.connections == 0 || time.since(self.last) >= config.min_gap;
        if apart {
            self.connections += 1;
            self.last = time;
        }
        apart
    }

    /// Of the newest connection nobody knows yet how much it moves.
    fn is_over(&self, config: &PostDownloadBeacon) -> bool {
        let before = self.connections.saturating_sub(1).max(1);
        let most = config.max_bytes.get().saturating_mul(before);
        self.connections >= config.limit.get() && self.bytes <= most
    }
}

impl Beacons {
    pub(super) fn new(config: &PostDownloadBeacon, general: General) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            general,
            clients: Subjects::new(subjects, bytes / 2),
            calls: Subjects::new(subjects, bytes / 2),
            config: config.clone(),
        }
    }

    /// The download that a connection to a destination comes after: the earliest that counts.
    fn download(&self, seen: &Seen<'_>) -> Option<Timestamp> {
        let client = self.clients.get(seen.src.key, Some(seen.src.addr))?;
        let (time, window) = (seen.event.time, self.config.window.get());
        let counts = |at: &&Timestamp| time >= **at && time.since(**at) <= window;
        client.downloads.iter().find(counts).copied()
    }

    fn connected(&mut self, seen: &Seen<'_>, known: Known, board: &mut Board) {
        let downloaded = self.download(seen);
        let Some(downloaded) = downloaded.filter(|at| known.first >= *at) else {
            return;
        };
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        let names = self.clients.get(seen.src.key, Some(seen.src.addr));
        let names = names.map_or(&[][..], |client| client.names.all());
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        self.calls.judge(seen.pair, Some(subject), |calls| {
            calls.begin(downloaded);
            let counts = calls.connect(seen.event.time, config);
            calls
                .samples
                .push(Sample::of(seen.event, seen.dst.addr), max_evidence);
            let over = counts && calls.is_over(config);
            if over {
                let connections = calls.connections as f64;
                board.over(&Over {
                    kind: SignalKind::PostDownloadBeacon,
                    subject,
                    key: seen.pair,
                    severity: Severity::Critical,
                    value: connections,
                    threshold: config.limit.get() as f64,
                    rank: connections,
                    window: Window {
                        start: downloaded,
                        end: board.now,
                    },
                    lasting: config.window.get(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("connections", connections),
                        ("bytes", calls.bytes as f64),
                        ("download", downloaded.as_secs_f64()),
                        (
                            "seconds_after_download",
                            known.first.since(downloaded).as_secs_f64(),
                        ),
                        (
                            "seconds_watched_before",
                            known.watched_before().as_secs_f64(),
                        ),
                    ],
                    samples: &calls.samples,
                    about: About { domain: "", names },
                });
            }
            over
        });
    }

    /// What a connection moved counts with those to its destination.
    fn moved(&mut self, seen: &Seen<'_>) {
        let bytes = seen.event.orig.bytes + seen.event.resp.bytes;
        let subject = Subject::pair(seen.src.addr, seen.dst.addr);
        self.calls.amend(seen.pair, Some(subject), |calls| {
            calls.bytes = calls.bytes.saturating_add(bytes);
        });
    }
}

impl Detector for Beacons {
    fn wants(&self) -> Wants {
        Wants {
            what: What::CONNECTS.or(What::SENT).or(What::RECEIVED),
            between: Wants::INSIDE_OUT,
        }
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Fetches)
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if self.clients.len() == 0 {
            return;
        }
        if let Some(known) = seen.known.filter(|_| seen.connects) {
            self.connected(seen, known, board);
        }
        if self.calls.len() > 0 {
            self.moved(seen);
        }
    }

    fn fetched(&mut self, fetched: &Fetched<'_>, _board: &mut Board) {
        if fetched.kind() != Kind::Program {
            return;
        }
        let (time, window) = (fetched.row.time, self.config.window.get());
        let client = Some(fetched.client.addr);
        self.clients.update(fetched.client.key, client, |client| {
            while (client.downloads.front()).is_some_and(|at| time.since(*at) > window) {
                client.downloads.pop_front();
            }
            if client.downloads.len() < MOST {
                client.downloads.push_back(time);
            }
            client.names.push(&fetched.label());
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.calls.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.calls).and(&self.clients)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let connections = counted(facts.value, "connection");
    let (bytes, after) = (
        bytes_text(facts.number("bytes")),
        facts.number("seconds_after_download"),
    );
    format!(
        "made {connections} of {bytes} in all to a destination first contacted {after:.0} s after it \
         fetched a program (limit {} in {})",
        facts.threshold, facts.window
    )
}
