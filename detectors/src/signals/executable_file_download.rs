//! EXECUTABLE_FILE_DOWNLOAD: an internal host fetches a program, a script or an installer.
//!
//! Fires when   an internal client fetches at least `limit` of them within `window`, over HTTP or FTP,
//!              from anywhere: by how the content begins (PE, ELF, Mach-O, Java, scripts, packages);
//!              where that tells nothing, by the announced type or the name's ending. What is known
//!              to be something else, such as an error page called setup.exe, is none. Evidence names
//!              what came and from where, and counts those whose type or name says something harmless.
//! Blind to     what is encrypted (HTTPS, archives with a password), SMB, mail; programs in
//!              archives; uploads to a host inside.
//! Known noise  updates and package managers over HTTP: alone it is no alert.
//! State        per client a count for each slice, `max_evidence` flows and a few names; clients that
//!              came once are evicted first, counted.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::ExecutableFileDownload;
use crate::content::Kind;
use crate::fetched::Fetched;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Downloads {
    config: ExecutableFileDownload,
    general: General,
    slicing: Slicing,
    clients: Subjects<Option<IpAddr>, Client>,
}

state!(Downloads { slicing, clients } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Client {
    /// Programs, and those that are disguised.
    programs: SlidingSum<2>,
    samples: Samples,
    names: Names,
}

impl Held for Client {
    fn heap(&self) -> usize {
        self.programs.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Downloads {
    pub(super) fn new(config: &ExecutableFileDownload, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            clients: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Downloads {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Fetches)
    }

    fn fetched(&mut self, fetched: &Fetched<'_>, board: &mut Board) {
        let place = self.slicing.place(fetched.row.time, board.now);
        let Some(place) = place.filter(|_| fetched.kind() == Kind::Program) else {
            return;
        };
        let (config, max_evidence, slicing) =
            (&self.config, self.general.max_evidence, self.slicing);
        let (key, addr) = (fetched.client.key, fetched.client.addr);
        self.clients.judge(key, Some(addr), |client| {
            let disguised = fetched.fetch.content.is_disguised();
            client.programs.add(place.slice, [1, disguised.into()]);
            client.programs.expire(place.first);
            client.samples.push(
                Sample::of_row(fetched.row, fetched.server.addr),
                max_evidence,
            );
            client.names.push(&fetched.label());
            let [programs, disguised] = client.programs.total();
            let over = programs >= config.limit.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::ExecutableFileDownload,
                    subject: Subject::source(addr),
                    key,
                    severity: Severity::High,
                    value: programs as f64,
                    threshold: config.limit.get() as f64,
                    rank: programs as f64,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("programs", programs as f64),
                        ("disguised", disguised as f64),
                    ],
                    samples: &client.samples,
                    about: About {
                        domain: "",
                        names: client.names.all(),
                    },
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.clients.pin(key, subject.src, Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.clients)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let programs = counted(facts.value, "program");
    let disguised = facts.number("disguised");
    let disguise = if disguised > 0.0 {
        format!(", {disguised:.0} of them called something else")
    } else {
        String::new()
    };
    let (limit, window) = (facts.threshold, facts.window);
    format!("fetched {programs}{disguise} (limit {limit} in {window})")
}
