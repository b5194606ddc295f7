//! Says so while too much is lost: on stderr and in notice.log, once when it begins, and again an hour
//! later if it goes on.

use std::sync::Arc;

use crossbeam_channel::Sender;
use flow_table::{Span, Timestamp};

use crate::messages::{Event, say};
use crate::output::{Note, Notice, QUIET};
use crate::pipeline::Missing;

/// How long packets are counted before they are judged.
const EVERY: Span = Span::from_secs(10);

/// See the module.
pub(super) struct LossWatch {
    missing: Arc<Missing>,
    /// The share of packets that is too much.
    limit: f64,
    notices: Sender<Notice>,
    judge: Judge,
}

impl LossWatch {
    pub(super) fn new(missing: Arc<Missing>, limit: f64, notices: Sender<Notice>) -> Self {
        Self {
            missing,
            limit,
            notices,
            judge: Judge::default(),
        }
    }

    pub(super) fn look(&mut self, now: Timestamp) {
        let Some(told) = self
            .judge
            .look(now, self.missing.seen_and_lost(), self.limit)
        else {
            return;
        };
        let text = format!("losing packets: {told}");
        let message = Event::PacketsLost.says(text).with("dropped", told.lost);
        let message = message.with("of", told.seen);
        say(&message.with("seconds", EVERY.as_secs_f64()));
        let notice = Notice {
            ts: now,
            note: Note::DroppedPackets,
            msg: told.to_string(),
            count: told.lost,
        };
        // While more wait than are written, one more says nothing new.
        let _ = self.notices.try_send(notice);
    }
}

/// What is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Told {
    seen: u64,
    lost: u64,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 * self.lost as f64 / self.seen.max(self.lost).max(1) as f64;
        let Self { seen, lost } = self;
        write!(
            f,
            "{lost} of {seen} ({share:.1} %) in 10 s were dropped before they could be looked at"
        )
    }
}

/// When to say it.
#[derive(Default, Debug)]
struct Judge {
    next: Option<Timestamp>,
    before: (u64, u64),
    /// Until when it is not said again.
    quiet: Timestamp,
}

impl Judge {
    fn look(&mut self, now: Timestamp, (seen, lost): (u64, u64), limit: f64) -> Option<Told> {
        let next = *self.next.get_or_insert(now + EVERY);
        if now < next {
            return None;
        }
        let told = Told {
            seen: seen - self.before.0,
            lost: lost - self.before.1,
        };
        (self.next, self.before) = (Some(now + EVERY), (seen, lost));
        let much = told.lost > 0 && told.lost as f64 >= limit * told.seen as f64;
        if !much || now < self.quiet {
            return None;
        }
        self.quiet = now + QUIET;
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_told_when_it_begins_and_an_hour_later() {
        let mut judge = Judge::default();
        let steps = [
            (0, (0, 0), None),
            (9, (900, 900), None),
            (10, (1_000, 9), None),
            (20, (2_000, 19), Some((1_000, 10))),
            (30, (3_000, 1_019), None),
            (4_000, (4_000, 1_019), None),
            (4_010, (4_000, 1_020), Some((0, 1))),
        ];
        for (secs, counts, want) in steps {
            let told = judge.look(Timestamp::new(1_700_000_000 + secs, 0), counts, 0.01);
            let want = want.map(|(seen, lost)| Told { seen, lost });
            assert_eq!(told, want, "{secs}");
        }
        let told = Told {
            seen: 1_000,
            lost: 10,
        };
        assert!(
            told.to_string().starts_with("10 of 1000 (1.0 %) in 10 s"),
            "{told}"
        );
    }
}
