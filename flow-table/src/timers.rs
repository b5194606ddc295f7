//! When a flow must be looked at without a packet of its own (`docs/conn-log.md`, A.6).

use crate::{Span, Timestamp};

/// Silence after which a TCP flow past its handshake leaves the table.
pub(crate) const TCP_TIMEOUT: Span = Span::from_mins(5);
/// Silence after which every other flow leaves it, and TCP in its handshake.
pub(crate) const DEFAULT_TIMEOUT: Span = Span::from_mins(1);
/// Silence allowed to services at which people type.
pub(crate) const INTERACTIVE_TIMEOUT: Span = Span::from_secs(3600);
/// Silence after which a tunnel that is named by its two addresses is forgotten.
pub(crate) const TUNNEL_TIMEOUT: Span = Span::from_secs(86_400);
/// How long an attempt waits for an answer.
pub(crate) const ATTEMPT_DELAY: Span = Span::from_secs(5);
/// How long a closed flow stays for stragglers.
pub(crate) const CLOSE_DELAY: Span = Span::from_secs(5);
/// First look at a flow's progress after it was made.
pub(crate) const SYN_TIMEOUT: Span = Span::from_secs(5);
/// Every further look.
pub(crate) const SESSION_TIMER: Span = Span::from_secs(6);
/// Silence that makes such a look mean something.
pub(crate) const LINGER: Span = Span::from_secs(5);
/// How often a DNS flow is looked at.
pub(crate) const DNS_INTERVAL: Span = Span::from_secs(10);
/// Silence after which a DNS flow leaves the table then.
pub(crate) const DNS_SILENCE: Span = Span::from_secs(9);

/// A timer that is not armed.
const OFF: Timestamp = Timestamp::MAX;

/// Which timer fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// The flow was silent for its time-out, perhaps.
    Inactivity,
    /// An attempt waited long enough.
    Attempt,
    /// Look at a half-closed or unused flow.
    Expire(ExpireSlot),
    /// A closed flow leaves.
    Delete,
    /// Look at a DNS flow.
    Dns,
    /// Tell the detectors what moved.
    Progress,
}

/// There can be two chains of expire timers: from the flow's beginning and from its first FIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExpireSlot {
    /// From the beginning.
    First,
    /// From the first FIN.
    Second,
}

/// A flow's timers, each with the time it is due.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    timeout: Span,
    inactivity: Timestamp,
    expire: [Timestamp; 2],
    pub attempt: Timestamp,
    pub delete: Timestamp,
    pub dns: Timestamp,
    pub progress: Timestamp,
}

impl Timers {
    /// Timers of a flow that begins at `start`: inactivity only.
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            inactivity: start + DEFAULT_TIMEOUT,
            expire: [OFF; 2],
            attempt: OFF,
            delete: OFF,
            dns: OFF,
            progress: OFF,
        }
    }

    /// Changes how long the flow may be silent, counted from `last`.
    pub(crate) fn set_timeout(&mut self, timeout: Span, last: Timestamp) {
        if timeout != self.timeout {
            self.timeout = timeout;
            self.inactivity = last + timeout;
        }
    }

    /// Arms a further chain of expire timers.
    pub(crate) fn add_expire(&mut self, due: Timestamp) {
        let [first, second] = &mut self.expire;
        *if *first == OFF { first } else { second } = due;
    }

    /// Arms one chain again.
    pub(crate) fn rearm_expire(&mut self, slot: ExpireSlot, due: Timestamp) {
        let [first, second] = &mut self.expire;
        *match slot {
            ExpireSlot::First => first,
            ExpireSlot::Second => second,
        } = due;
    }

    /// Switches off everything that belongs to TCP; silence still ends the flow.
    pub(crate) const fn cancel_tcp(&mut self) {
        self.attempt = OFF;
        self.expire = [OFF; 2];
        self.delete = OFF;
    }

    /// When the next one is due; [`Timestamp::MAX`] for never.
    pub(crate) fn due(&self) -> Timestamp {
        self.all()
            .into_iter()
            .map(|(due, _)| due)
            .min()
            .unwrap_or(OFF)
    }

    /// Puts off to `now` what a late packet made due before: a timer acts no earlier than the
    /// packet that armed it.
    pub(crate) fn not_before(&mut self, now: Timestamp) {
        let [first, second] = &mut self.expire;
        for due in [
            &mut self.inactivity,
            first,
            second,
            &mut self.attempt,
            &mut self.delete,
            &mut self.dns,
            &mut self.progress,
        ] {
            *due = (*due).max(now);
        }
    }

    fn all(&self) -> [(Timestamp, Timer); 7] {
        let [first, second] = self.expire;
        [
            (self.attempt, Timer::Attempt),
            (self.delete, Timer::Delete),
            (self.dns, Timer::Dns),
            (first, Timer::Expire(ExpireSlot::First)),
            (second, Timer::Expire(ExpireSlot::Second)),
            (self.inactivity, Timer::Inactivity),
            (self.progress, Timer::Progress),
        ]
    }

    /// Takes the timer that is due first, if one is due at or before `now`; what it means to
    /// do so is the caller's. Of timers due at once, the one that only reports goes last.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        let (due, timer) = self.all().into_iter().min_by_key(|(due, _)| *due)?;
        if due > now || due == OFF {
            return None;
        }
        *match timer {
            Timer::Attempt => &mut self.attempt,
            Timer::Delete => &mut self.delete,
            Timer::Dns => &mut self.dns,
            Timer::Inactivity => &mut self.inactivity,
            Timer::Progress => &mut self.progress,
            Timer::Expire(slot) => {
                self.rearm_expire(slot, OFF);
                return Some((due, timer));
            }
        } = OFF;
        Some((due, timer))
    }

    /// Whether silence since `last` has lasted long enough at `now`; arms the timer again if not.
    pub(crate) fn is_silent(&mut self, last: Timestamp, now: Timestamp) -> bool {
        let due = last + self.timeout;
        if due <= now {
            return true;
        }
        self.inactivity = due;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut timers = Timers::new(at(100));
        timers.add_expire(at(105));
        timers.add_expire(at(103));
        timers.attempt = at(105);
        timers.progress = at(103);
        assert_eq!(timers.due(), at(103));
        assert_eq!(timers.take_due(at(102)), None);
        let fired: Vec<Timer> =
            std::iter::from_fn(|| timers.take_due(at(200)).map(|(_, timer)| timer)).collect();
        let want = [
            Timer::Expire(ExpireSlot::Second),
            Timer::Progress,
            Timer::Attempt,
            Timer::Expire(ExpireSlot::First),
            Timer::Inactivity,
        ];
        assert_eq!(fired, want);
    }

    #[test]
    fn silence_is_measured_from_the_last_packet() {
        let mut timers = Timers::new(at(100));
        assert!(!timers.is_silent(at(150), at(160)));
        assert_eq!(timers.due(), at(210));
        assert!(
            timers.is_silent(at(150), at(210)),
            "the time-out itself is silence enough"
        );
        timers.set_timeout(TCP_TIMEOUT, at(150));
        assert_eq!(timers.due(), at(450));
    }
}
