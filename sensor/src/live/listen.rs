//! The thread that listens to one interface.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use flow_table::{Span, Timestamp};

use super::merge::Lane;
use super::ring::{Filled, HELD, Lately, Ring};
use super::{Ear, PATIENCE};
use crate::capture::Block;
use crate::clock::{Stopwatch, time_of_day};
use crate::messages::{Event, Message, rfc3339, say};
use crate::pipeline::{Fed, Feeder};
use crate::summary::time;

/// How often the kernel's counters are read.
const LOOK: Span = Span::from_secs(1);
/// Silence that is told.
const SILENCE: Span = Span::from_secs(10);
/// Longest that is listened on when told to stop.
const LAST: Span = Span::from_secs(1);
/// How often an interface that went away is looked for.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked whether workers that are behind have caught up.
const MOMENT: Duration = Duration::from_millis(1);

/// Where blocks go.
pub(super) enum Outlet {
    Workers(Feeder),
    Merger(Lane),
}

impl Outlet {
    /// Passes on a block, which is empty afterwards.
    fn put(&mut self, block: &mut Block, until: Timestamp) {
        match self {
            Self::Workers(feeder) => feeder.put(block, until),
            Self::Merger(lane) => lane.put(block, until),
        }
    }

    /// Whether the next block will be passed on.
    fn has_room(&self) -> bool {
        match self {
            Self::Workers(feeder) => feeder.has_room(),
            Self::Merger(lane) => lane.has_room(),
        }
    }

    /// Nothing more comes.
    fn end(&mut self) {
        // Of several, the merger tells when all are over.
        if let Self::Workers(feeder) = self {
            feeder.end();
        }
    }

    const fn fed(&self) -> Fed {
        match self {
            Self::Workers(feeder) => feeder.fed(),
            Self::Merger(lane) => lane.fed(),
        }
    }
}

/// What the kernel counted.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Kernel {
    pub(super) received: u64,
    pub(super) dropped: u64,
    /// Dropped before they reached it.
    pub(super) missed: u64,
    /// Times at which its buffer was full.
    pub(super) freezes: u64,
    /// Packets that were taken out of its buffer.
    taken: u64,
    /// Its own counters when they were read last: they have 32 bits.
    last: [u32; 3],
}

impl Kernel {
    /// What several rings of an interface counted.
    pub(super) const fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.dropped += other.dropped;
        self.missed += other.missed;
        self.freezes += other.freezes;
        self.taken += other.taken;
    }

    /// Packets that lie in its buffer.
    const fn waiting(&self) -> u64 {
        self.received.saturating_sub(self.dropped + self.taken)
    }

    fn add(&mut self, now: Option<pcap::Stat>, lately: Lately) {
        self.received += u64::from(lately.packets);
        self.dropped += u64::from(lately.drops);
        self.freezes += u64::from(lately.freezes);
        let Some(now) = now else { return };
        let now = [now.received, now.dropped, now.if_dropped];
        let counts = [&mut self.received, &mut self.dropped, &mut self.missed];
        for ((count, now), last) in counts.into_iter().zip(now).zip(self.last) {
            *count += u64::from(now.wrapping_sub(last));
        }
        self.last = now;
    }

    /// The interface was opened again.
    const fn begin_again(&mut self) {
        self.last = [0; 3];
        self.taken = self.received.saturating_sub(self.dropped);
    }

    /// What it has that another has not: packets on the link, and what was dropped of them.
    fn since(&self, before: &Self) -> (u64, u64) {
        let all = |kernel: &Self| {
            (
                kernel.received + kernel.missed,
                kernel.dropped + kernel.missed,
            )
        };
        let (now, then) = (all(self), all(before));
        (now.0 - then.0, now.1 - then.1)
    }

    pub(super) fn named(&self, name: &str) -> [(String, u64); 4] {
        [
            (format!("{name}: seen by the kernel"), self.received),
            (format!("{name}: dropped by the kernel"), self.dropped),
            (format!("{name}: dropped by the interface"), self.missed),
            (
                format!("{name}: times the kernel's buffer was full"),
                self.freezes,
            ),
        ]
    }
}

/// What came of listening.
#[derive(Debug)]
pub(super) struct Report {
    /// Of this interface.
    pub(super) name: String,
    pub(super) kernel: Kernel,
    pub(super) fed: Fed,
    /// Why it was not listened to all the time.
    pub(super) gaps: Vec<Message>,
}

impl Report {
    /// Adds what another ring of the same interface reports.
    pub(super) fn merge(&mut self, other: Self) {
        self.kernel.merge(&other.kernel);
        self.gaps.extend(other.gaps);
    }

    /// A sentence for everything that was lost.
    pub(super) fn losses(self) -> impl Iterator<Item = Message> {
        let name = self.name;
        let Kernel {
            received,
            dropped,
            missed,
            ..
        } = self.kernel;
        let dropped = (dropped > 0).then(|| {
            let message = Event::KernelDropped.says(format_args!(
                "{name}: the kernel dropped {dropped} of {received} packets because its buffer was full; \
                 a larger --buffer-size may help"
            ));
            let message = message.with("interface", name.as_str());
            message.with("dropped", dropped).with("of", received)
        });
        let missed = (missed > 0).then(|| {
            let message = Event::InterfaceDropped.says(format_args!(
                "{name}: the interface dropped {missed} packets before the kernel saw them"
            ));
            let message = message.with("interface", name.as_str());
            message.with("dropped", missed)
        });
        self.gaps.into_iter().chain(dropped).chain(missed)
    }
}

/// See the module.
pub(super) struct Listener {
    ring: Ring,
    outlet: Outlet,
    ear: Ear,
    block: Block,
    kernel: Kernel,
    gaps: Vec<Message>,
    /// Bytes of a packet of the block before.
    mean: u64,
    next_look: Timestamp,
    /// Since when nothing was heard, until something is or that was told.
    silent_since: Option<Timestamp>,
}

impl Listener {
    pub(super) fn new(ring: Ring, outlet: Outlet, ear: Ear) -> Self {
        let now = time_of_day();
        Self {
            ring,
            outlet,
            ear,
            block: Block::default(),
            kernel: Kernel::default(),
            gaps: Vec::new(),
            mean: 0,
            next_look: now + LOOK,
            silent_since: Some(now),
        }
    }

    /// Listens until told to stop, and a moment longer: the kernel may still hold what came before.
    pub(super) fn run(mut self) -> Report {
        if let Some(number) = self.ring.unknown_link() {
            let name = self.ring.name();
            let message = Event::UnknownLink.says(format_args!(
                "{name}: link type {number} is not supported; its packets were counted and left out"
            ));
            let message = message.with("interface", name);
            self.gaps.push(message.with("link_type", number));
        }
        let mut told = None;
        loop {
            let now = time_of_day();
            if self.ear.stop.asked() {
                told = told.or(Some(now));
            }
            let deadline = told.map_or(now + self.ear.tick, |told| told + HELD);
            self.hold_back();
            let filled = self.listen(deadline);
            let quiet = matches!(filled, Filled::Quiet(_));
            if told.is_some_and(|told| quiet || now >= told + LAST) {
                break;
            }
            self.look(now);
        }
        self.count();
        self.outlet.end();
        Report {
            name: self.ring.name().to_owned(),
            kernel: self.kernel,
            fed: self.outlet.fed(),
            gaps: self.gaps,
        }
    }

    /// While the workers are behind, packets are best left in the kernel's buffer, until that is half full.
    fn hold_back(&mut self) {
        let watch = Stopwatch::start();
        while !self.outlet.has_room() && watch.elapsed() < PATIENCE {
            self.count();
            if self.ring.is_half_full(self.kernel.waiting(), self.mean) {
                break;
            }
            thread::sleep(MOMENT);
        }
    }

    /// Passes on one block.
    fn listen(&mut self, deadline: Timestamp) -> Filled {
        let filled = self.ring.fill(&mut self.block, deadline);
        let (packets, bytes) = (
            self.block.records.len() as u64,
            self.block.bytes.len() as u64,
        );
        if let Some(mean) = bytes.checked_div(packets) {
            (self.silent_since, self.mean) = (None, mean);
        }
        self.kernel.taken += packets;
        self.ear.live.bytes.fetch_add(bytes, Relaxed);
        let until = match filled {
            Ok(Filled::Quiet(now)) => now - HELD,
            Ok(Filled::Full) | Err(_) => Timestamp::ZERO,
        };
        self.outlet.put(&mut self.block, until);
        filled.unwrap_or_else(|error| self.wait_for_interface(&error))
    }

    /// The interface went down or away: listens again once it is back.
    fn wait_for_interface(&mut self, error: &pcap::Error) -> Filled {
        let name = self.ring.name().to_owned();
        let gone = time_of_day();
        let text = format!("{name}: {error}; waiting for it to come back");
        let message = Event::InterfaceGone.says(text);
        say(&message.with("interface", name.as_str()));
        self.count();
        let mut back = false;
        while !back && !self.ear.stop.asked() {
            thread::sleep(PAUSE);
            self.outlet.put(&mut self.block, time_of_day() - HELD);
            if let Ok(ring) = self.ring.again() {
                (self.ring, back) = (ring, true);
                self.kernel.begin_again();
                let message = Event::InterfaceBack.says(format_args!("{name}: it is back"));
                say(&message.with("interface", name.as_str()));
            }
        }
        let now = time_of_day();
        let message = Event::NotListened.says(format_args!(
            "{name}: not listened to from {} to {}: {error}",
            time(gone),
            time(now)
        ));
        let message = message.with("interface", name);
        let message = message.with("from", rfc3339(gone));
        self.gaps.push(message.with("to", rfc3339(now)));
        Filled::Quiet(now)
    }

    /// Looks once a second whether all is well.
    fn look(&mut self, now: Timestamp) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        self.count();
        if self
            .silent_since
            .is_some_and(|since| now >= since + SILENCE)
        {
            self.silent_since = None;
            if !self.ear.talk.quiet {
                let name = self.ring.name();
                let text = format!("{name}: no packets in 10 s; is the mirror port up?");
                let message = Event::InterfaceSilent.says(text);
                let message = message.with("interface", name);
                say(&message.with("seconds", SILENCE.as_secs_f64()));
            }
        }
    }

    fn count(&mut self) {
        let before = self.kernel;
        let (stats, lately) = self.ring.stats();
        self.kernel.add(stats, lately);
        let (seen, dropped) = self.kernel.since(&before);
        self.ear.missing.add(seen, dropped);
        let ring = (self.ring.name().to_owned(), self.ring.nth());
        self.ear.interfaces.tell(ring, self.kernel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counters_may_overflow_and_begin_again() {
        let stat = |received, dropped, if_dropped| {
            Some(pcap::Stat {
                received,
                dropped,
                if_dropped,
            })
        };
        let none = Lately::default();
        let lately = Lately {
            packets: 10,
            drops: 1,
            freezes: 2,
        };
        let mut kernel = Kernel::default();
        kernel.add(stat(u32::MAX, 5, 0), none);
        kernel.add(stat(9, 6, 1), none);
        kernel.begin_again();
        let before = kernel;
        kernel.add(stat(3, 2, 0), lately);
        assert_eq!(kernel.since(&before), (13, 3));
        // What was in the buffer before is gone; the other ring has ten of which one was dropped.
        assert_eq!((before.waiting(), kernel.waiting()), (0, 10));
        kernel.taken += 10;
        assert_eq!(kernel.waiting(), 0);
        let named = kernel.named("eth0").map(|(_, count)| count);
        assert_eq!(named, [(1 << 32) + 9 + 3 + 10, 9, 1, 2]);
        let report = Report {
            name: "eth0".to_owned(),
            kernel,
            fed: Fed::default(),
            gaps: vec![Event::NotListened.says("a gap")],
        };
        let losses: Vec<_> = report.losses().map(|loss| loss.to_string()).collect();
        assert_eq!(losses.len(), 3, "{losses:?}");
        assert!(
            losses[1].contains("dropped 9 of 4294967318 packets"),
            "{losses:?}"
        );
    }
}
