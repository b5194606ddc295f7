//! What is usual in each hour of the week, from Monday 00:00 UTC: twelve bytes for each hour in which
//! anything was learnt, 2,016 for a host that never rests.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::weighed;
use crate::state::room;
pub(super) use room::serialize;

const HOUR: u64 = 3_600 * 1_000_000_000;
/// Hours of a week.
const WEEK: u64 = 168;
/// 1970-01-01 was a Thursday.
const BEFORE_EPOCH: u64 = 72;
/// An hour is known once something was learnt of it in so many weeks before this one.
const ENOUGH: u8 = 2;
/// Room is made for so many hours at once: a whole number of times fills a week.
const MORE: usize = 12;

/// When in the week, and in which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct When {
    hour: u8,
    /// Modulo 256.
    week: u8,
}

impl When {
    /// So many nanoseconds after the epoch.
    pub(super) fn of(nanos: u64) -> Self {
        let hours = nanos / HOUR + BEFORE_EPOCH;
        Self {
            hour: u8::try_from(hours % WEEK).unwrap_or_default(),
            week: u8::try_from(hours / WEEK % 256).unwrap_or_default(),
        }
    }
}

/// What is usual in one hour of the week.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Hour {
    pub(super) mean: f32,
    pub(super) deviation: f32,
    /// Which hour.
    pub(super) number: u8,
    /// Windows learnt from; more than 255 are not told apart, so each weighs at least a 255th.
    pub(super) windows: u8,
    /// Weeks in which there were any, but for the latest.
    weeks: u8,
    /// Which that is, as [`When`] has it.
    latest: u8,
}

impl Hour {
    /// Whether enough was learnt of it by then.
    pub(super) fn is_known(&self, when: When, min_history: u64) -> bool {
        let earlier = self
            .weeks
            .saturating_add(u8::from(self.latest != when.week));
        earlier >= ENOUGH && u64::from(self.windows) >= min_history.min(u8::MAX.into())
    }

    fn learn(&mut self, week: u8, measure: f64) {
        if self.windows > 0 && self.latest != week {
            self.weeks = self.weeks.saturating_add(1);
        }
        self.latest = week;
        self.windows = self.windows.saturating_add(1);
        let (mean, deviation) = (f64::from(self.mean), f64::from(self.deviation));
        let weight = 1.0 / f64::from(self.windows);
        let (mean, variance) = weighed((mean, deviation * deviation), weight, measure);
        (self.mean, self.deviation) = (short(mean), short(variance.sqrt()));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "24 bits tell what is usual"
)]
const fn short(number: f64) -> f32 {
    number as f32
}

/// Learns from a window of that time; `hours` are in order.
pub(super) fn learn(hours: &mut Vec<Hour>, when: When, measure: f64) {
    let found = hours.binary_search_by_key(&when.hour, |hour| hour.number);
    let at = found.unwrap_or_else(|at| {
        if hours.len() == hours.capacity() {
            hours.reserve_exact(MORE);
        }
        let number = when.hour;
        hours.insert(
            at,
            Hour {
                number,
                ..Hour::default()
            },
        );
        at
    });
    if let Some(hour) = hours.get_mut(at) {
        hour.learn(when.week, measure);
    }
}

/// Where the hour of that time stands, if anything was learnt of it.
pub(super) fn place(hours: &[Hour], when: When) -> Option<u8> {
    let found = hours.binary_search_by_key(&when.hour, |hour| hour.number);
    u8::try_from(found.ok()?).ok()
}

/// Hours that are none are not believed.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hour>, D::Error> {
    let hours: Vec<Hour> = room::deserialize(from)?;
    let ordered = hours.is_sorted_by(|one, next| one.number < next.number);
    let sound = |hour: &Hour| {
        u64::from(hour.number) < WEEK && hour.mean.is_finite() && hour.deviation.is_finite()
    };
    if ordered && hours.iter().all(sound) {
        Ok(hours)
    } else {
        Err(D::Error::custom("no hours of a week"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_the_week() {
        let monday = 1_764_547_200; // 2025-12-01
        let cases = [
            ("Monday", monday, 0),
            ("its last second", monday + 3_599, 0),
            ("one o'clock", monday + 3_600, 1),
            ("Sunday's last", monday - 1, 167),
            ("the epoch", 0, 72),
        ];
        for (name, secs, hour) in cases {
            assert_eq!(When::of(secs * 1_000_000_000).hour, hour, "{name}");
        }
        let week = |secs: u64| When::of(secs * 1_000_000_000).week;
        assert_eq!(week(monday), week(monday + 7 * 86_400 - 1));
        assert_eq!(week(monday), week(monday - 1).wrapping_add(1));
    }

    #[test]
    fn an_hour_takes_what_it_is_said_to() {
        assert_eq!(size_of::<Hour>(), 12);
        let mut hours = Vec::new();
        for hour in (0..168).rev() {
            learn(&mut hours, When { hour, week: 0 }, 1.0);
        }
        assert_eq!((hours.len(), hours.capacity()), (168, 168));
        assert!(hours.is_sorted_by_key(|hour| hour.number));
    }

    #[test]
    fn what_is_no_week_is_not_believed() {
        #[derive(Serialize, Deserialize)]
        struct Saved(#[serde(with = "super")] Vec<Hour>);
        let hour = |number| Hour {
            number,
            ..Hour::default()
        };
        let endless = Hour {
            mean: f32::INFINITY,
            ..hour(0)
        };
        let cases = [
            ("none", vec![], true),
            ("some", vec![hour(0), hour(167)], true),
            ("one twice", vec![hour(3), hour(3)], false),
            ("out of order", vec![hour(3), hour(2)], false),
            ("no hour", vec![hour(168)], false),
            ("no number", vec![endless], false),
        ];
        for (name, hours, sound) in cases {
            let bytes = postcard::to_stdvec(&Saved(hours)).unwrap();
            let read = postcard::from_bytes::<Saved>(&bytes);
            assert_eq!(read.is_ok(), sound, "{name}");
        }
    }
}
