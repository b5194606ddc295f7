//! Flows live again, as far as their rows tell: opened, answered, completed or refused at once,
//! moving evenly until they end, and reporting at the usual interval.
//!
//! What a row does not say: when within a flow its bytes moved, how often its ends took turns (of
//! what moved both ways between two reports, one turn is assumed), and when the answer came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use flow_table::{FlowEvent, FlowEventKind, PerSide, ProtocolRow, Span, Timestamp, Traffic, Uid};

use super::{Logged, LoggedFlow};

/// Flows that live at once; when more do, the one to report next ends there and then.
const MAX_LIVE: usize = 1 << 20;
/// Reports of one flow: one that is said to have lasted for years reports less often.
const MAX_REPORTS: i64 = 8_640;

/// What happens next, in the order (time, uid, sequence number).
#[derive(Debug)]
pub(crate) enum Happening {
    Event(FlowEvent),
    Row(ProtocolRow),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Again {
    progress_interval: Span,
    next: BinaryHeap<Reverse<Place>>,
    living: Vec<Option<Living>>,
    free: Vec<usize>,
    /// Flows whose end came early, for want of room.
    pub(crate) cut_short: u64,
}

/// When a flow or row has its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    time: Timestamp,
    uid: Uid,
    seq: u32,
    slot: usize,
}

#[derive(Debug)]
enum Living {
    Flow(Box<Flow>),
    Row(ProtocolRow),
}

/// A flow that is told again.
#[derive(Debug)]
struct Flow {
    row: LoggedFlow,
    seq: u32,
    /// Moved so far, and until when.
    moved: PerSide<Traffic>,
    until: Timestamp,
}

impl Again {
    pub(crate) const fn new(progress_interval: Span) -> Self {
        Self {
            progress_interval,
            next: BinaryHeap::new(),
            living: Vec::new(),
            free: Vec::new(),
            cut_short: 0,
        }
    }

    /// Takes what the next row says. Rows come in the order of their times; what happens before
    /// must have been taken out.
    pub(crate) fn put(&mut self, logged: Logged, mut tell: impl FnMut(Happening)) {
        if self.living.len() - self.free.len() >= MAX_LIVE {
            self.cut_short(&mut tell);
        }
        let time = logged.time();
        let (living, uid) = match logged {
            Logged::Flow(row) => {
                let uid = row.uid();
                let flow = Flow {
                    until: row.start(),
                    seq: 0,
                    moved: PerSide::default(),
                    row,
                };
                (Living::Flow(Box::new(flow)), uid)
            }
            Logged::Question(question) => of_row(question.row()),
            Logged::Reply(reply) => of_row(reply.row()),
            Logged::Hello(hello) => of_row(hello.row()),
            Logged::SignIn(sign_in) => match sign_in.row() {
                Some(row) => of_row(row),
                None => return,
            },
        };
        let slot = self.free.pop().unwrap_or(self.living.len());
        match self.living.get_mut(slot) {
            Some(place) => *place = Some(living),
            None => self.living.push(Some(living)),
        }
        self.next.push(Reverse(Place {
            time,
            uid,
            seq: 0,
            slot,
        }));
    }

    /// Tells all that happens before `time`.
    pub(crate) fn tell_before(&mut self, time: Timestamp, mut tell: impl FnMut(Happening)) {
        while let Some(Reverse(place)) = self.next.peek().copied()
            && place.time < time
        {
            self.next.pop();
            self.step(place, &mut tell);
        }
    }

    /// Tells the rest.
    pub(crate) fn finish(&mut self, mut tell: impl FnMut(Happening)) {
        while let Some(Reverse(place)) = self.next.pop() {
            self.step(place, &mut tell);
        }
    }

    /// What is at `place` happens.
    fn step(&mut self, place: Place, tell: &mut impl FnMut(Happening)) {
        let Some(living) = self.living.get_mut(place.slot) else {
            return;
        };
        let next = match living {
            Some(Living::Flow(flow)) => flow.step(place.time, self.progress_interval, tell),
            _ => None,
        };
        if let Some((time, seq)) = next {
            self.next.push(Reverse(Place { time, seq, ..place }));
            return;
        }
        if let Some(Living::Row(row)) = living.take() {
            tell(Happening::Row(row));
        }
        self.free.push(place.slot);
    }

    /// What would happen next ends at once.
    fn cut_short(&mut self, tell: &mut impl FnMut(Happening)) {
        let Some(Reverse(place)) = self.next.pop() else {
            return;
        };
        if let Some(Some(Living::Flow(flow))) = self.living.get_mut(place.slot) {
            flow.close(place.time, tell);
            self.cut_short += 1;
            self.free.push(place.slot);
        } else {
            self.step(place, tell);
        }
    }
}

fn of_row(row: ProtocolRow) -> (Living, Uid) {
    let uid = row.uid;
    (Living::Row(row), uid)
}

impl Flow {
    /// What happens to it at `now`; and when something happens next.
    fn step(
        &mut self,
        now: Timestamp,
        interval: Span,
        tell: &mut impl FnMut(Happening),
    ) -> Option<(Timestamp, u32)> {
        if self.seq == 0 {
            self.open(now, tell);
        } else if now < self.end() {
            let moved = self.moved_by(now);
            if moved != self.moved {
                tell(Happening::Event(self.event(
                    now,
                    moved,
                    FlowEventKind::Progress,
                )));
            }
        } else {
            self.close(now, tell);
            return None;
        }
        let interval = interval
            .as_nanos()
            .max(self.row.duration().as_nanos() / MAX_REPORTS);
        let next = now + Span::from_nanos(interval.max(1));
        Some((next.min(self.end()), self.seq))
    }

    fn open(&mut self, now: Timestamp, tell: &mut impl FnMut(Happening)) {
        let steps = self.row.steps();
        let moved = self.row.moved(0, 1);
        let opened = FlowEventKind::Opened { syn: steps.syn };
        tell(Happening::Event(self.event(now, moved, opened)));
        for (happened, kind) in [
            (steps.answered, FlowEventKind::Answered),
            (steps.refused, FlowEventKind::Refused),
            (steps.completed, FlowEventKind::Completed),
        ] {
            if happened {
                tell(Happening::Event(self.event(now, moved, kind)));
            }
        }
    }

    fn close(&mut self, now: Timestamp, tell: &mut impl FnMut(Happening)) {
        let closed = FlowEventKind::Closed {
            state: self.row.state(),
            last: self.end(),
        };
        let moved = self.row.moved(1, 1);
        tell(Happening::Event(self.event(now, moved, closed)));
    }

    fn end(&self) -> Timestamp {
        self.row.start() + self.row.duration()
    }

    fn moved_by(&self, now: Timestamp) -> PerSide<Traffic> {
        let part = now.since(self.row.start()).as_nanos();
        self.row.moved(part, self.row.duration().as_nanos())
    }

    /// The next event, with what moved since the one before.
    fn event(
        &mut self,
        time: Timestamp,
        moved: PerSide<Traffic>,
        kind: FlowEventKind,
    ) -> FlowEvent {
        let since = std::mem::replace(&mut self.until, time);
        let before = std::mem::replace(&mut self.moved, moved);
        let (orig, resp) = (
            apart(moved.orig, before.orig),
            apart(moved.resp, before.resp),
        );
        let seq = self.seq;
        self.seq = seq.saturating_add(1);
        FlowEvent {
            time,
            since,
            start: self.row.start(),
            uid: self.row.uid(),
            seq,
            id: self.row.id(),
            orig,
            resp,
            turns: u32::from(orig.bytes > 0 && resp.bytes > 0),
            kind,
        }
    }
}

fn apart(now: Traffic, before: Traffic) -> Traffic {
    Traffic {
        packets: now.packets.saturating_sub(before.packets),
        bytes: now.bytes.saturating_sub(before.bytes),
        ip_bytes: now.ip_bytes.saturating_sub(before.ip_bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::conn;
    use super::*;

    /// A TCP flow that lasts so long and moves so much.
    fn flow(start: &str, duration: &str, sent: &str) -> Logged {
        let texts = [
            start, "C1", "10.0.0.1", "4000", "10.0.0.2", "443", "tcp", duration, sent, "90", "SF",
            "ShADad", "1000", "50000", "9", "450",
        ];
        let values = texts.map(|text| Some(Cow::Borrowed(text.as_bytes())));
        const { assert!(conn::COLUMNS.len() == 16) };
        Logged::Flow(LoggedFlow::of(&values).unwrap())
    }

    fn events(rows: Vec<Logged>) -> Vec<FlowEvent> {
        let mut again = Again::new(Span::from_secs(10));
        let mut told = Vec::new();
        let mut tell = |happening| match happening {
            Happening::Event(event) => told.push(event),
            Happening::Row(row) => panic!("{row:?}"),
        };
        for row in rows {
            again.tell_before(row.time(), &mut tell);
            again.put(row, &mut tell);
        }
        again.finish(&mut tell);
        assert_eq!(again.free.len(), again.living.len());
        told
    }

    #[test]
    fn a_flow_reports_while_it_lives() {
        let told = events(vec![flow("100.5", "35", "70000")]);
        let times: Vec<i64> = told
            .iter()
            .map(|event| event.time.as_nanos() / 1_000_000)
            .collect();
        assert_eq!(
            times,
            [
                100_500, 100_500, 100_500, 110_500, 120_500, 130_500, 135_500
            ]
        );
        let sent: Vec<u64> = told.iter().map(|event| event.orig.bytes).collect();
        assert_eq!(sent, [0, 0, 0, 20_000, 20_000, 20_000, 10_000]);
        let packets: u64 = told.iter().map(|event| event.orig.packets).sum();
        let back: u64 = told.iter().map(|event| event.resp.ip_bytes).sum();
        assert_eq!((packets, back), (1_000, 450));
        assert!(told.iter().zip(0..).all(|(event, seq)| event.seq == seq));
        assert!(told.is_sorted_by_key(|event| (event.since, event.time)));
    }

    #[test]
    fn flows_are_told_in_turn() {
        let told = events(vec![
            flow("1.0", "20", "7"),
            flow("2.0", "0", "7"),
            flow("2.0", "4", "7"),
        ]);
        assert!(told.is_sorted_by_key(|event| event.time));
        let closed = |event: &&FlowEvent| matches!(event.kind, FlowEventKind::Closed { .. });
        assert_eq!(told.iter().filter(closed).count(), 3);
    }

    #[test]
    fn a_flow_of_years_reports_so_often() {
        let told = events(vec![flow("1.0", "315360000", "100000000")]);
        let most = usize::try_from(MAX_REPORTS).unwrap() + 5;
        assert!((1_000..most).contains(&told.len()), "{}", told.len());
    }
}
