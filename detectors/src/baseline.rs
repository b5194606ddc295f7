//! What is usual for a subject: mean and variance of a measure over its earlier windows, or those of
//! this hour of the week once enough of them are known.

mod hours;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use crate::BaselineEvidence;
use hours::{Hour, When};

/// Newer windows weigh at least this much, so that a habit of months ago fades.
const MIN_WEIGHT: f64 = 1.0 / 64.0;

/// What stands in until enough was seen, and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) min_deviation: f64,
    pub(crate) min_history: u64,
}

/// An exponentially weighted mean and variance (West 1979) over consecutive windows of packet time.
///
/// Only windows with traffic are learnt from: a host that sleeps at night would otherwise look
/// suspicious every morning. Windows during which a signal was open are left out: an attack must not
/// teach that it is usual. Each window is learnt from twice: as one of all, and as one of its hour of the
/// week, which goes before once it is known.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Baseline {
    mean: f64,
    variance: f64,
    windows: u32,
    /// Where the current window ends, in nanoseconds since the epoch.
    ends: u64,
    sum: u64,
    tainted: bool,
    /// Where the hour of the current window stands among `hours`, if anything was learnt of it.
    now: Option<u8>,
    #[serde(with = "hours")]
    hours: Vec<Hour>,
}

/// Mean and variance after one more measure of this weight.
fn weighed((mean, variance): (f64, f64), weight: f64, measure: f64) -> (f64, f64) {
    let difference = measure - mean;
    let step = weight * difference;
    (mean + step, (1.0 - weight) * (variance + difference * step))
}

impl Baseline {
    /// Adds to the window that `time` falls into; a window is learnt from once a later one begins.
    pub(crate) fn add(&mut self, window: Span, time: Timestamp, amount: u64) {
        let time = time.as_nanos().unsigned_abs();
        if time >= self.ends {
            if self.sum > 0 && !self.tainted {
                self.learn(self.sum as f64);
            }
            let length = window.as_nanos().unsigned_abs().max(1);
            let ends = (time / length + 1).saturating_mul(length);
            (self.ends, self.sum, self.tainted) = (ends, 0, false);
            self.now = hours::place(&self.hours, self.when());
        }
        self.sum = self.sum.saturating_add(amount);
    }

    /// The current window is not to be learnt from.
    pub(crate) fn taint(&mut self) {
        self.tainted = true;
    }

    /// When the current window ends.
    fn when(&self) -> When {
        When::of(self.ends.saturating_sub(1))
    }

    fn learn(&mut self, measure: f64) {
        self.windows = self.windows.saturating_add(1);
        let weight = (1.0 / f64::from(self.windows)).max(MIN_WEIGHT);
        (self.mean, self.variance) = weighed((self.mean, self.variance), weight, measure);
        let when = self.when();
        hours::learn(&mut self.hours, when, measure);
    }

    /// What is usual in the hour of the current window, if that is known.
    fn hour(&self, min_history: u64) -> Option<&Hour> {
        let hour = self.hours.get(usize::from(self.now?))?;
        hour.is_known(self.when(), min_history).then_some(hour)
    }

    pub(crate) const fn heap(&self) -> usize {
        self.hours.capacity() * size_of::<Hour>()
    }

    /// What to hold a measure against.
    pub(crate) fn evidence(&self, prior: &Prior) -> BaselineEvidence {
        if let Some(hour) = self.hour(prior.min_history) {
            return BaselineEvidence {
                mean: hour.mean.into(),
                deviation: f64::from(hour.deviation).max(prior.min_deviation),
                windows: hour.windows.into(),
                prior: false,
                hour_of_week: Some(hour.number),
            };
        }
        let windows = u64::from(self.windows);
        if windows < prior.min_history {
            let (mean, deviation) = (prior.mean, prior.deviation);
            return BaselineEvidence {
                mean,
                deviation,
                windows,
                prior: true,
                hour_of_week: None,
            };
        }
        let deviation = self.variance.sqrt().max(prior.min_deviation);
        BaselineEvidence {
            mean: self.mean,
            deviation,
            windows,
            prior: false,
            hour_of_week: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior {
        mean: 10.0,
        deviation: 3.0,
        min_deviation: 2.0,
        min_history: 5,
    };

    fn learn(measures: &[u64]) -> Baseline {
        let mut baseline = Baseline::default();
        for (minute, measure) in (1..).zip(measures) {
            baseline.add(Span::from_mins(1), Timestamp::new(minute * 60, 0), *measure);
        }
        baseline
    }

    #[test]
    fn the_prior_stands_in_until_there_is_history() {
        let short = learn(&[100, 100, 100, 100, 100]).evidence(&PRIOR);
        assert_eq!(
            (short.mean, short.deviation, short.windows, short.prior),
            (10.0, 3.0, 4, true)
        );
        let long = learn(&[100, 100, 100, 100, 100, 100]).evidence(&PRIOR);
        assert_eq!(
            (long.mean, long.deviation, long.windows, long.prior),
            (100.0, 2.0, 5, false)
        );
        let varied = learn(&[80, 120, 80, 120, 80, 120, 80]).evidence(&PRIOR);
        assert!((varied.mean - 100.0).abs() < 1e-9 && (varied.deviation - 20.0).abs() < 1e-9);
    }

    #[test]
    fn tainted_and_idle_windows_teach_nothing() {
        let minute = Span::from_mins(1);
        let mut baseline = learn(&[5, 5, 5, 5, 5, 5]);
        baseline.add(minute, Timestamp::new(100_000, 0), 1_000_000);
        baseline.taint();
        baseline.add(minute, Timestamp::new(200_000, 0), 5);
        let evidence = baseline.evidence(&PRIOR);
        assert_eq!((evidence.mean, evidence.windows), (5.0, 6));
    }

    /// A host's weeks: hours of the week with what happens in each of their minutes.
    fn weeks(number: i64, hours: &[(i64, u64)]) -> Baseline {
        let mut baseline = Baseline::default();
        for week in 0..number {
            for (hour, amount) in hours {
                for minute in 0..60 {
                    baseline.add(Span::from_mins(1), minute_of(week, *hour, minute), *amount);
                }
            }
        }
        baseline
    }

    fn minute_of(week: i64, hour: i64, minute: i64) -> Timestamp {
        const MONDAY: i64 = 1_764_547_200;
        Timestamp::new(MONDAY + (week * 168 + hour) * 3_600 + minute * 60, 0)
    }

    #[test]
    fn an_hour_of_the_week_counts_once_it_is_known() {
        /// Weeks before, when, and what is learnt from: windows, and the hour with its mean.
        type Case<'a> = (&'a str, i64, (i64, i64), (u64, Option<(u8, f64)>));
        let hours = [(9, 100), (10, 5), (33, 5)];
        let cases: [Case<'_>; 7] = [
            ("one week", 1, (1, 9), (180, None)),
            ("two weeks", 2, (2, 9), (120, Some((9, 100.0)))),
            ("another hour", 2, (2, 33), (120, Some((33, 5.0)))),
            ("an hour without any", 2, (2, 12), (360, None)),
            ("the second week", 2, (1, 34), (360, None)),
            ("a week was left out", 2, (3, 9), (120, Some((9, 100.0)))),
            ("many weeks", 9, (9, 10), (255, Some((10, 5.0)))),
        ];
        for (name, number, (week, hour), want) in cases {
            let mut baseline = weeks(number, &hours);
            baseline.add(Span::from_mins(1), minute_of(week, hour, 0), 1);
            let evidence = baseline.evidence(&PRIOR);
            let of_hour = evidence.hour_of_week.map(|hour| (hour, evidence.mean));
            assert_eq!((evidence.windows, of_hour), want, "{name}");
            assert!(!evidence.prior);
        }
    }

    #[test]
    fn habits_of_an_hour_fade_too() {
        let mut baseline = weeks(8, &[(9, 100)]);
        for week in 8..16 {
            for minute in 0..60 {
                baseline.add(Span::from_mins(1), minute_of(week, 9, minute), 10);
            }
        }
        let mean = baseline.evidence(&PRIOR).mean;
        assert!((10.0..30.0).contains(&mean), "{mean}");
    }

    #[test]
    fn hours_are_known_after_a_restart() {
        let before = weeks(2, &[(9, 100), (10, 5)]);
        let bytes = postcard::to_stdvec(&before).unwrap();
        let mut after: Baseline = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(postcard::to_stdvec(&after).unwrap(), bytes);
        assert_eq!(after.heap(), before.heap());
        after.add(Span::from_mins(1), minute_of(2, 9, 0), 1);
        assert_eq!(after.evidence(&PRIOR).hour_of_week, Some(9));
    }
}
