//! PROTOCOL_ON_WRONG_PORT: a service that was recognised by what it says, on a port that is not its own.
//!
//! Fires when   a flow between two hosts, one of them inside, speaks a protocol on a port where one does
//!              not expect it (SSH on 443, HTTP on 53). What runs `anywhere` (HTTP and TLS, by default)
//!              is expected on every port from `first_free_port` on. What is inside another protocol
//!              (STARTTLS, CONNECT, proxies) has no port of its own.
//! Blind to     protocols that are not recognised; those whose peers agree on ports (RTP, STUN,
//!              BitTorrent, DCE/RPC); flows picked up midstream; HTTP on a port of TLS and the like
//!              from `first_free_port` on.
//! Known noise  services that are hidden on purpose, such as SSH on 2222: suppress them by port.
//! State        per source, destination and port `max_evidence` flows and a name; those that came once
//!              are evicted first, counted.

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::ProtocolOnWrongPort;
use crate::hash::join;
use crate::misplaced::Misplaced;
use crate::names::Names;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Strays {
    config: ProtocolOnWrongPort,
    general: General,
    slicing: Slicing,
    services: Subjects<Option<Subject>, Service>,
}

state!(Strays { slicing, services } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Service {
    flows: SlidingSum,
    samples: Samples,
    names: Names,
}

impl Held for Service {
    fn heap(&self) -> usize {
        self.flows.heap() + self.samples.heap() + self.names.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several() || self.names.several())
    }
}

impl Strays {
    pub(super) fn new(config: &ProtocolOnWrongPort, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            services: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }

    fn is_expected(&self, service: &str, port: u16) -> bool {
        let runs_anywhere = self.config.anywhere.iter().any(|name| name == service);
        runs_anywhere && port >= self.config.first_free_port
    }
}

impl Detector for Strays {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Misplaced)
    }

    fn misplaced(&mut self, misplaced: &Misplaced<'_>, board: &mut Board) {
        let port = misplaced.row.id.resp.port;
        let place = self.slicing.place(misplaced.row.time, board.now);
        let expected = self.is_expected(misplaced.service, port);
        let Some(place) = place.filter(|_| !expected) else {
            return;
        };
        let (max_evidence, slicing) = (self.general.max_evidence, self.slicing);
        let (src, dst) = (misplaced.src, misplaced.dst);
        let subject = Subject::service(src.addr, dst.addr, port);
        let key = join(join(src.key, dst.key), port.into());
        self.services.judge(key, Some(subject), |service| {
            service.flows.add(place.slice, [1]);
            service.flows.expire(place.first);
            service
                .samples
                .push(Sample::of_row(misplaced.row, dst.addr), max_evidence);
            service.names.set(misplaced.service);
            let [flows] = service.flows.total();
            board.over(&Over {
                kind: SignalKind::ProtocolOnWrongPort,
                subject,
                key,
                severity: Severity::Medium,
                value: flows as f64,
                threshold: 1.0,
                rank: flows as f64,
                window: slicing.ending(board.now),
                lasting: slicing.window(),
                approximate: false,
                baseline: None,
                numbers: &[("flows", flows as f64), ("port", port.into())],
                samples: &service.samples,
                about: About {
                    domain: "",
                    names: service.names.all(),
                },
            });
            true
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.services.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.services)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let (flows, port) = (counted(facts.value, "flow"), facts.number("port"));
    let service = facts.names.first().map_or("a service", |name| name);
    format!(
        "spoke {service} at port {port} in {flows} within {}",
        facts.window
    )
}
