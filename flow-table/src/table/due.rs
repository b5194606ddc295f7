//! When the flows of a table are due: what the wheel is told, and what it tells.

use super::FlowTable;
use crate::Timestamp;
use crate::clock::Clock;
use crate::expiry::Step;
use crate::flow::{Common, Flow, Kind, PendingSlot};
use crate::record::{Evicted, FlowRecord, Known};
use crate::table::TableOutput;
use crate::tell::Teller;
use crate::timers::{DNS_INTERVAL, DNS_SILENCE, LINGER, SESSION_TIMER, Timer};

impl FlowTable {
    /// Finds the flows that may be due at `now` and fetches them: nobody has looked at them for a
    /// while. [`Self::fire_due`] must follow.
    pub(crate) fn find_due(&mut self, now: Timestamp) {
        self.wheel.advance(now, &mut self.due);
        for (_, slot) in &self.due {
            self.prefetch_slot(*slot);
        }
    }

    /// Fetches what these flows lead to. In between there is best something else to do.
    pub(crate) fn fetch_due(&self) {
        for flow in self
            .due
            .iter()
            .filter_map(|(_, slot)| self.flows.get(*slot))
        {
            self.index.prefetch(self.hasher.hash(&flow.common.key()));
            if let Some(slot) = flow.common.pending {
                self.pending.prefetch(slot.get() - 1);
            }
        }
    }

    /// Fires every timer of those flows that is due at or before `now`.
    pub(crate) fn fire_due(&mut self, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        let mut due = std::mem::take(&mut self.due);
        for (step, slot) in due.drain(..) {
            // Filed again since, or the slot has another flow now: that has an entry of its own.
            if self.filed_at(slot) == step {
                self.set_filed(slot, Step::NEVER);
                self.fire(slot, clock, now, out);
                self.file(slot);
            }
        }
        self.due = due;
    }

    pub(super) fn advance_to(&mut self, clock: &Clock<'_>, now: Timestamp, out: &mut TableOutput) {
        self.find_due(now);
        self.fire_due(clock, now, out);
    }

    /// Whether the flow in a slot has anything to do at `now` before its packet is taken.
    pub(super) fn is_due(&self, slot: u32, common: &Common, now: Timestamp) -> bool {
        // The wheel's entry is never later than that: most packets need look no further.
        let may_be_due = self.filed_at(slot).may_be_due(now) || !self.wheel.can_tell(now);
        let is_due = || common.due() <= now || self.tells_at(common).is_some_and(|due| due <= now);
        debug_assert!(may_be_due || !is_due());
        may_be_due && is_due()
    }

    pub(super) fn filed_at(&self, slot: u32) -> Step {
        let filed = usize::try_from(slot).ok().and_then(|at| self.filed.get(at));
        filed.copied().unwrap_or(Step::NEVER)
    }

    pub(super) fn set_filed(&mut self, slot: u32, step: Step) {
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        if let Some(filed) = self.filed.get_mut(at) {
            *filed = step;
            return;
        }
        if self.filed.len() == self.filed.capacity() {
            // Doubling would leave half of it empty.
            self.filed.reserve_exact(1024);
        }
        self.filed.push(step);
    }

    pub(super) fn report_due(&self, pending: Option<PendingSlot>) -> Option<Timestamp> {
        let since = self.pending.get(pending?.get() - 1)?.since;
        Some(since + self.config.progress_interval)
    }

    /// When the flow gets its next row as one that is still open.
    fn open_row_due(&self, common: &Common) -> Option<Timestamp> {
        let every = self.config.open_every?;
        Some(common.open_since() + every)
    }

    /// When something is to be told of the flow that does not end it.
    fn tells_at(&self, common: &Common) -> Option<Timestamp> {
        let report = self.report_due(common.pending);
        report.into_iter().chain(self.open_row_due(common)).min()
    }

    /// Makes sure the wheel looks at the flow when it is due: by its own timers, for the report of
    /// what it moved, or for its row while it is open.
    pub(super) fn file(&mut self, slot: u32) {
        self.file_sooner(slot, Timestamp::ZERO);
    }

    /// The same for a flow that was due at `before` until now: within one step of the wheel, what
    /// became due sooner needs an entry of its own.
    pub(super) fn file_sooner(&mut self, slot: u32, before: Timestamp) {
        let Some(due) = self.due_of(slot) else {
            return;
        };
        let filed = self.filed_at(slot);
        if filed.is_after(due) || (due < before && filed.has(due)) {
            let step = self.wheel.insert(due, slot);
            self.set_filed(slot, step);
            self.sweep();
        }
    }

    /// Entries of flows that left before they were due are swept out when they are too many:
    /// whoever makes flows come and go would fill the wheel otherwise.
    fn sweep(&mut self) {
        if self.wheel.len() > 2 * self.index.len() + 1024 {
            let filed = &self.filed;
            let is_filed = |step, slot| {
                let at = usize::try_from(slot).ok();
                at.and_then(|at: usize| filed.get(at)) == Some(&step)
            };
            self.wheel.retain(is_filed);
        }
    }

    fn due_of(&self, slot: u32) -> Option<Timestamp> {
        let common = &self.flows.get(slot)?.common;
        let own = common.due();
        Some(self.tells_at(common).map_or(own, |due| due.min(own)))
    }

    /// Fires the flow's timers that are due at or before `now`, each at the packet time at which
    /// it would have fired, and reports what it moved and that it is still open.
    pub(super) fn fire(
        &mut self,
        slot: u32,
        clock: &Clock<'_>,
        now: Timestamp,
        out: &mut TableOutput,
    ) {
        loop {
            let Some(common) = self.flows.get(slot).map(|flow| &flow.common) else {
                return;
            };
            let report = self.report_due(common.pending).filter(|due| *due <= now);
            let open = self.open_row_due(common).filter(|due| *due <= now);
            if let Some(due) = open.filter(|due| *due < common.due()) {
                self.tell_open(slot, clock.first_reaching(due, now), out);
                continue;
            }
            let Some(flow) = self.flows.get_mut(slot) else {
                return;
            };
            // Where both are due at once, whatever ends the flow reports as well.
            if let Some(due) = report.filter(|due| *due < flow.common.due()) {
                let mut teller = Teller {
                    config: &self.config,
                    pending: &mut self.pending,
                    out,
                };
                teller.report(flow, clock.first_reaching(due, now));
                continue;
            }
            let Some((due, timer)) = flow.common.take_due(now) else {
                return;
            };
            let time = clock.first_reaching(due, now);
            if is_over(flow, timer, time) {
                return self.remove(slot, time, Evicted::No, out);
            }
        }
    }

    /// Hands out how a flow that is still open stands.
    fn tell_open(&mut self, slot: u32, time: Timestamp, out: &mut TableOutput) {
        let (Some(flow), Some(every)) = (self.flows.get_mut(slot), self.config.open_every) else {
            return;
        };
        flow.common.tell_open(time, every);
        if !matches!(flow.kind, Kind::Tunnel) {
            let known = Known::of(flow, self.config.seed);
            let services = self.inspections.services(slot);
            let record = FlowRecord::of(flow.clone(), known, services, time, Evicted::No);
            out.open.push(record);
        }
    }
}

/// Whether a timer that fires at `time` ends the flow; arms it again if it does not.
fn is_over(flow: &mut Flow, timer: Timer, time: Timestamp) -> bool {
    let Flow { common, kind } = flow;
    match (timer, kind) {
        (Timer::Inactivity | Timer::Delete, _) => true,
        (Timer::Attempt, Kind::Tcp(tcp)) => tcp.attempt_failed(),
        (Timer::Dns, _) => {
            if time.since(common.last) >= DNS_SILENCE {
                return true;
            }
            common.timers.arm_dns(time + DNS_INTERVAL);
            false
        }
        (Timer::Expire, Kind::Tcp(tcp)) if tcp.is_active() => {
            if common.last + LINGER < time && tcp.has_expired() {
                return true;
            }
            common.timers.arm_expire(time + SESSION_TIMER);
            false
        }
        (Timer::Expire | Timer::Attempt, _) => false,
    }
}
