//! ICMP_TUNNEL: two hosts exchange echo messages that carry something.
//!
//! Fires when   within `window` at least `limit` requests or replies of ICMP between two hosts, one of
//!              them inside, carry something: a request whose data differs from those before (the
//!              first sixteen bytes aside, where programs put the time), or a reply that does not
//!              bring back what its request brought. Sizes alone tell nothing: MTU probes and large
//!              pings repeat themselves.
//! Blind to     tunnels slower than `limit` per window; those that hide in sixteen bytes, in other
//!              messages of ICMP, or in the timing; data beyond the first 64 bytes; messages not
//!              captured whole.
//! Known noise  programs that fill their pings at random.
//! State        per pair a count for each slice and the flow; pairs that came once are evicted first,
//!              counted.

use serde::{Deserialize, Serialize};

use super::{Detector, General, Usage, bytes_text, counted};
use crate::board::{About, Board, Facts, Over};
use crate::config::IcmpTunnel;
use crate::echoed::Echoed;
use crate::hash::join;
use crate::samples::{Sample, Samples};
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};
use crate::told::Topic;
use crate::wants::Wants;
use crate::window::{Slicing, SlidingSum};
use crate::{Severity, SignalKind, Subject};

pub(super) struct Tunnels {
    config: IcmpTunnel,
    general: General,
    slicing: Slicing,
    pairs: Subjects<Option<Subject>, Pair>,
}

state!(Tunnels { slicing, pairs } of { config, general });

#[derive(Default, Serialize, Deserialize)]
struct Pair {
    /// Requests and replies that carry something, and bytes of both.
    carried: SlidingSum<3>,
    samples: Samples,
}

impl Held for Pair {
    fn heap(&self) -> usize {
        self.carried.heap() + self.samples.heap()
    }

    fn came_back(&self) -> Option<bool> {
        Some(self.samples.several())
    }
}

impl Tunnels {
    pub(super) fn new(config: &IcmpTunnel, general: General) -> Self {
        Self {
            general,
            slicing: Slicing::of(config.window.get()),
            pairs: Subjects::new(config.max_subjects.size(), config.max_memory.size()),
            config: config.clone(),
        }
    }
}

impl Detector for Tunnels {
    fn wants(&self) -> Wants {
        Wants::NOTHING
    }

    fn topic(&self) -> Option<Topic> {
        Some(Topic::Echoes)
    }

    fn echoed(&mut self, echoed: &Echoed<'_>, board: &mut Board) {
        let Some(place) = self.slicing.place(echoed.echoes.last, board.now) else {
            return;
        };
        let (config, max_evidence, slicing) =
            (&self.config, self.general.max_evidence, self.slicing);
        let (src, dst) = (echoed.src, echoed.dst);
        let subject = Subject::pair(src.addr, dst.addr);
        let key = join(src.key, dst.key);
        self.pairs.judge(key, Some(subject), |pair| {
            let messages = echoed.echoes.messages;
            let amounts = [
                messages.orig.into(),
                messages.resp.into(),
                echoed.echoes.bytes,
            ];
            pair.carried.add(place.slice, amounts);
            pair.carried.expire(place.first);
            pair.samples
                .push(Sample::of_row(echoed.row, dst.addr), max_evidence);
            let [sent, received, bytes] = pair.carried.total();
            let messages = sent.saturating_add(received);
            let over = messages >= config.limit.get();
            if over {
                board.over(&Over {
                    kind: SignalKind::IcmpTunnel,
                    subject,
                    key,
                    severity: Severity::Medium,
                    value: messages as f64,
                    threshold: config.limit.get() as f64,
                    rank: messages as f64,
                    window: slicing.ending(board.now),
                    lasting: slicing.window(),
                    approximate: false,
                    baseline: None,
                    numbers: &[
                        ("messages_sent", sent as f64),
                        ("messages_received", received as f64),
                        ("bytes", bytes as f64),
                    ],
                    samples: &pair.samples,
                    about: About::default(),
                });
            }
            over
        });
    }

    fn closed(&mut self, subject: &Subject, key: u64) {
        self.pairs.pin(key, Some(*subject), Pin::InTurn);
    }

    fn usage(&self) -> Usage {
        Usage::of(&self.pairs)
    }
}

pub(super) fn clause(facts: &Facts<'_>) -> String {
    let messages = counted(facts.value, "echo message");
    let bytes = bytes_text(facts.number("bytes"));
    let (limit, window) = (facts.threshold, facts.window);
    format!("exchanged {messages} that carry something, {bytes} in all (limit {limit} in {window})")
}
