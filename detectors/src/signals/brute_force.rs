//! BRUTE_FORCE: a host tries to sign in to another again and again, and is refused.
//!
//! Fires when   within `window` a source is refused at least `limit` times by one service of one host:
//!              a password of FTP (530) or SMTP (535), a session of SSH that ended without anybody
//!              getting in (guessed from sizes: an attempt there may be a key that the client merely
//!              offers, so sessions count, not attempts), or, on `ports`, where nobody can tell, a
//!              session that was over within `short`. Critical if the source then gets in, or on
//!              `ports` stays for `long`. Or, the long form, at least `long_limit` times within
//!              `long_window`: high.
//! Blind to     passwords tried over many hosts or from many; slower than that; SMB,
//!              Kerberos, HTTP; SSH with compression; what is inside TLS, on `ports` aside.
//! Known noise  a program whose password was changed; on `ports`, monitoring that opens sessions.
//! State        per source, host and port a count for each slice and `max_evidence` flows; those that
//!              came once are evicted first, counted.

use flow_table::protocol::SignInOutcome;
use flow_table::{FlowEventKind, IpProto, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, reaching};
use crate::board::{About, Board, Facts, Over};
use crate::config::BruteForce;
use crate::hash::join;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::seen::Seen;
use crate::signed_in::SignedIn;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::{Wants, What};
use crate::window::{Place, Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Guesses {
    config: BruteForce,
    general: General,
    slicing: Slicing,
    long_slicing: Slicing,
    services: Subjects<Option<Subject>, Service>,
}

state!(Guesses { slicing, long_slicing, services } of { config, general });

/// One service, as one source tries it.
#[derive(Default, Serialize, Deserialize)]
struct Service {
    /// Refusals, and those of them that are guessed from how short a session was.
    refused: SlidingSum<2>,
    /// The same for the long form.
    long: SlidingSum<2>,
    /// When the first of them came.
    began: Timestamp,
    samples: Samples,
    /// What it speaks, where that is known.
    names: Names,
}

impl Held for Service {
    fn heap(&self) -> usize {
        self.refused.heap() + self.long.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

/// Over which window a limit was exceeded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    Long,
}

/// A limit that was exceeded.
struct Exceeded {
    form: Form,
    /// Refusals, and those of them that are guessed.
    refused: [u64; 2],
    limit: u64,
}

impl Service {
    /// The limit that is exceeded; of both, the long form's, as it says more.
    fn over(&self, config: &BruteForce) -> Option<Exceeded> {
        let forms = [
            (Form::Long, self.long.total(), config.long_limit.get()),
            (Form::Short, self.refused.total(), config.limit.get()),
        ];
        let exceeded = |(form, refused, limit): (Form, [u64; 2], u64)| Exceeded {
            form,
            refused,
            limit,
        };
        let mut all = forms.into_iter().map(exceeded);
        all.find(|form| form.refused[0] >= form.limit)
    }
}

/// What came of a session or an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Refused,
    /// So it seems.
    Short,
    /// Somebody got in, or so it seems.
    In,
}

/// Whose, at which service, and what came of it.
struct Attempt {
    subject: Subject,
    key: u64,
    sample: Sample,
    /// When it began, as far as known.
    began: Timestamp,
    service: Option<&'static str>,
    came: Came,
}

impl Guesses {
    pub(super) fn new(config: &BruteForce, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            long_slicing: Slicing::of(config.long_window.get()),
            services: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one judgement, and all that it tells"
    )]
    fn take(&mut self, attempt: &Attempt, place: Place, board: &mut Board) {
        let subject = Some(attempt.subject);
        if attempt.came == Came::In && self.services.get(attempt.key, subject).is_none() {
            return;
        }
        let (config, max_evidence) = (&self.config, self.general.max_evidence);
        let (slicing, long_slicing) = (self.slicing, self.long_slicing);
        let long_place = long_slicing.place(slicing.start(place.slice), board.now);
        self.services.judge(attempt.key, subject, |service| {
            let of_kind = match attempt.came {
                Came::Refused => [1, 0],
                Came::Short => [1, 1],
                Came::In => [0, 0],
            };
            service.refused.expire(place.first);
            if service.refused.total() == [0, 0] {
                service.began = attempt.began;
            }
            if attempt.came == Came::In && attempt.began < service.began {
                return false;
            }
            service.refused.add(place.slice, of_kind);
            if let Some(place) = long_place {
                service.long.add(place.slice, of_kind);
                service.long.expire(place.first);
            }
            service.samples.push(attempt.sample, max_evidence);
            if let Some(name) = attempt.service {
                service.names.set(name);
            }
            let Some(over) = service.over(config) else {
                return false;
            };
            let [refused, short] = over.refused;
            let slicing = match over.form {
                Form::Short => slicing,
                Form::Long => long_slicing,
            };
            let got_in = f64::from(u8::from(attempt.came == Came::In));
            board.over(&Over {
                kind: SignalKind::BruteForce,
                subject: attempt.subject,
                key: attempt.key,
                severity: severity(&over, attempt.came, config),
                value: refused as f64,
                threshold: over.limit as f64,
                rank: refused as f64 + got_in * 1e9,
                window: slicing.ending(board.now),
                lasting: config.window.get(),
                approximate: false,
                baseline: None,
                numbers: &[
                    ("refused", refused as f64),
                    ("refused_by_shortness", short as f64),
                    ("got_in", got_in),
                    ("port", f64::from(attempt.subject.dst_port.unwrap_or(0))),
                ],
                samples: &service.samples,
                about: About {
                    domain: "",
                    names: service.names.all(),
                },
            });
            true
        });
    }

    /// What the length of a session tells, where nothing else does.
    fn judged_by_length(&self, seen: &Seen<'_>) -> Option<Came> {
        let event = seen.event;
        let both = event.orig.bytes > 0 && event.resp.bytes > 0;
        match event.kind {
            FlowEventKind::Closed { last, .. } if last.since(event.start) <= self.config.short => {
                both.then_some(Came::Short)
            }
            FlowEventKind::Closed { .. } | FlowEventKind::Progress => {
                let stays = event.time.since(event.start) >= self.config.long;
                (stays && both).then_some(Came::In)
            }
            _ => None,
        }
    }
}

impl Detector for Guesses {
    fn wants(&self) -> Wants {
        Wants {
            what: What::RECEIVED,
            between: Wants::HOSTS,
        }
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::SignIns)
    }

    fn put(&mut self, seen: &Seen<'_>, board: &mut Board) {
        if !self.config.ports.contains(&seen.port()) || seen.event.id.proto != IpProto::TCP {
            return;
        }
        let place = self.slicing.place(seen.event.time, board.now);
        let (Some(came), Some(place)) = (self.judged_by_length(seen), place) else {
            return;
        };
        let attempt = Attempt {
            subject: Subject::service(seen.src.addr, seen.dst.addr, seen.port()),
            key: seen.service_key(),
            sample: Sample::of(seen.event, seen.dst.addr),
            began: seen.event.start,
            service: None,
            came,
        };
        self.take(&attempt, place, board);
    }

    fn signed_in(&mut self, signed_in: &SignedIn<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(signed_in.row.time, board.now) else {
            return;
        };
        let (client, server) = (signed_in.client, signed_in.server);
        let port = signed_in.row.id.resp.port;
        let attempt = Attempt {
            subject: Subject::service(client.addr, server.addr, port),
            key: join(join(client.key, server.key), port.into()),
            sample: Sample::of_row(signed_in.row, server.addr),
            began: signed_in.row.time,
            service: Some(signed_in.service),
            came: match signed_in.outcome {
                SignInOutcome::Accepted => Came::In,
                SignInOutcome::Refused => Came::Refused,
            },
        };
        self.take(&attempt, place, board);
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.services.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.services)
    }
}

fn severity(over: &Exceeded, came: Came, config: &BruteForce) -> Severity {
    let [refused, _] = over.refused;
    match (came, over.form) {
        (Came::In, _) => Severity::Critical,
        (_, Form::Long) => Severity::High,
        (_, Form::Short) => reaching(refused as f64, config.high.get() as f64, f64::INFINITY),
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (limit, window, port) = (facts.threshold, facts.window, facts.number("port"));
    let service = facts.names.first().map(|name| format!("{name} at "));
    let service = service.unwrap_or_default();
    let short = facts.number("refused_by_shortness");
    let guess = if short > 0.0 {
        format!(", {short:.0} of them judged by how short they were")
    } else {
        String::new()
    };
    let then = if facts.number("got_in") > 0.0 {
        ", and then got in"
    } else {
        ""
    };
    format!(
        "was refused {:.0} times by {service}port {port} (limit {limit} in {window}{guess}){then}",
        facts.value
    )
}
