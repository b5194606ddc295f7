//! What is usual for a subject: mean and variance of a measure over its earlier windows.

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use crate::BaselineEvidence;

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
/// teach that it is usual.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Baseline {
    mean: f64,
    variance: f64,
    windows: u32,
    /// Where the current window ends, in nanoseconds since the epoch.
    ends: u64,
    sum: u64,
    tainted: bool,
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
        }
        self.sum = self.sum.saturating_add(amount);
    }

    /// The current window is not to be learnt from.
    pub(crate) fn taint(&mut self) {
        self.tainted = true;
    }

    fn learn(&mut self, measure: f64) {
        self.windows = self.windows.saturating_add(1);
        let weight = (1.0 / f64::from(self.windows)).max(MIN_WEIGHT);
        let difference = measure - self.mean;
        let step = weight * difference;
        self.mean += step;
        self.variance = (1.0 - weight) * (self.variance + difference * step);
    }

    /// What to hold a measure against.
    pub(crate) fn evidence(&self, prior: &Prior) -> BaselineEvidence {
        let windows = u64::from(self.windows);
        if windows < prior.min_history {
            let (mean, deviation) = (prior.mean, prior.deviation);
            return BaselineEvidence {
                mean,
                deviation,
                windows,
                prior: true,
            };
        }
        let deviation = self.variance.sqrt().max(prior.min_deviation);
        BaselineEvidence {
            mean: self.mean,
            deviation,
            windows,
            prior: false,
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
}
