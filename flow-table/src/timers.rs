//! When a flow must be looked at without a packet of its own (`docs/conn-log.md`, A.6).

use serde::{Deserialize, Serialize};

use crate::{Span, Timestamp};

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
pub(crate) const OFF: Timestamp = Timestamp::MAX;

/// How long a flow may be silent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) enum Patience {
    /// Everything that is not said below, and TCP in its handshake: a minute.
    #[default]
    Minute,
    /// TCP past its handshake: five minutes.
    FiveMinutes,
    /// Services at which people type: an hour.
    Hour,
    /// A tunnel that its two addresses name: a day.
    Day,
}

impl Patience {
    pub(crate) const fn span(self) -> Span {
        Span::from_secs(match self {
            Self::Minute => 60,
            Self::FiveMinutes => 300,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }
}

/// Which timer fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// An attempt waited long enough.
    Attempt,
    /// A closed flow leaves.
    Delete,
    /// Look at a DNS flow.
    Dns,
    /// Look at a half-closed or unused flow.
    Expire,
    /// The flow was silent for as long as it may be.
    Inactivity,
}

/// What the timer that only some flows have is for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
enum Purpose {
    #[default]
    Nothing,
    Attempt,
    Delete,
    Dns,
}

/// A flow's timers. Silence needs none: it is due when the last packet is old enough. Packed,
/// because six bytes of padding in a million flows are six megabytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(Rust, packed(2))]
pub(crate) struct Timers {
    expire: Timestamp,
    special: Timestamp,
    purpose: Purpose,
    pub(crate) patience: Patience,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            expire: OFF,
            special: OFF,
            purpose: Purpose::Nothing,
            patience: Patience::default(),
        }
    }
}

impl Timers {
    fn set_special(&mut self, purpose: Purpose, due: Timestamp) {
        (self.purpose, self.special) = (purpose, due);
    }

    /// An attempt was made. One that is being closed already cannot fail any more.
    pub(crate) fn arm_attempt(&mut self, due: Timestamp) {
        if self.purpose != Purpose::Delete {
            self.set_special(Purpose::Attempt, due);
        }
    }

    /// The flow is closed: it leaves at `due`, and no other timer of TCP's means anything.
    pub(crate) fn arm_delete(&mut self, due: Timestamp) {
        self.expire = OFF;
        self.set_special(Purpose::Delete, due);
    }

    pub(crate) fn arm_dns(&mut self, due: Timestamp) {
        self.set_special(Purpose::Dns, due);
    }

    /// Looks at the flow at `due`, or before that if such a look is armed already.
    pub(crate) fn arm_expire(&mut self, due: Timestamp) {
        self.expire = self.expire.min(due);
    }

    /// Puts off to `now` what a late packet made due before: a timer acts no earlier than the
    /// packet that armed it.
    pub(crate) fn not_before(&mut self, now: Timestamp) {
        self.expire = self.expire.max(now);
        self.special = self.special.max(now);
    }

    fn all(&self, silence: Timestamp) -> [(Timestamp, Timer); 3] {
        let special = match self.purpose {
            Purpose::Attempt => Timer::Attempt,
            Purpose::Dns => Timer::Dns,
            Purpose::Nothing | Purpose::Delete => Timer::Delete,
        };
        [
            (self.special, special),
            (self.expire, Timer::Expire),
            (silence, Timer::Inactivity),
        ]
    }

    /// When the next one is due, the flow having been silent long enough at `silence`.
    pub(crate) fn due(&self, silence: Timestamp) -> Timestamp {
        let [special, expire, inactivity] = self.all(silence);
        special.0.min(expire.0).min(inactivity.0)
    }

    /// Takes the timer that is due first, if one is due at or before `now`. Silence is not taken:
    /// it lasts.
    pub(crate) fn take_due(
        &mut self,
        silence: Timestamp,
        now: Timestamp,
    ) -> Option<(Timestamp, Timer)> {
        let (due, timer) = self.all(silence).into_iter().min_by_key(|(due, _)| *due)?;
        if due > now || due == OFF {
            return None;
        }
        match timer {
            Timer::Inactivity => {}
            Timer::Expire => self.expire = OFF,
            Timer::Attempt | Timer::Delete | Timer::Dns => self.set_special(Purpose::Nothing, OFF),
        }
        Some((due, timer))
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
        let mut timers = Timers::default();
        timers.arm_expire(at(105));
        timers.arm_expire(at(107));
        timers.arm_attempt(at(103));
        assert_eq!(timers.due(at(160)), at(103));
        assert_eq!(timers.take_due(at(160), at(102)), None);
        let fired: Vec<Timer> =
            std::iter::from_fn(|| timers.take_due(at(160), at(110)).map(|(_, timer)| timer))
                .collect();
        assert_eq!(fired, [Timer::Attempt, Timer::Expire]);
        assert_eq!(timers.due(at(160)), at(160));
    }

    #[test]
    fn closing_ends_every_other_timer_but_silence() {
        let mut timers = Timers::default();
        timers.arm_expire(at(105));
        timers.arm_attempt(at(103));
        timers.arm_delete(at(120));
        timers.arm_attempt(at(104));
        assert_eq!(
            timers.take_due(at(160), at(200)),
            Some((at(120), Timer::Delete))
        );
        assert_eq!(
            timers.take_due(at(160), at(200)),
            Some((at(160), Timer::Inactivity))
        );
    }
}
