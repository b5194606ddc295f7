//! What makes connections a beacon, in four parts of 0 to 1.

use flow_table::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Hours of a day.
const HOURS: usize = 24;
const A_DAY_AGO: u32 = 23;
const HOUR_NS: u64 = 3_600_000_000_000;
/// Hours with connections without which two heights of bars mean nothing.
const FEWEST_HOURS: usize = 6;
/// Bars that differ by no more than this part of the highest are of one height.
const ONE_HEIGHT: f64 = 0.05;
/// Hours on end that make a beacon last.
const LONG_RUN: f64 = 12.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    /// How even the gaps are.
    pub(super) timing: f64,
    /// How even what is sent is.
    pub(super) size: f64,
    /// How even the hours are.
    pub(super) histogram: f64,
    /// For how long it lasts.
    pub(super) duration: f64,
}

impl Score {
    /// Of gaps and sizes alone.
    pub(super) fn rhythm(self) -> f64 {
        f64::midpoint(self.timing, self.size)
    }

    pub(super) fn mean(self) -> f64 {
        (self.timing + self.size + self.histogram + self.duration) / 4.0
    }
}

/// Connections in each of the last 24 hours. When the latest was is for others to remember.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Hours([u16; HOURS]);

impl Hours {
    /// Whether it is the first of its hour; the latest before it was at `last`.
    pub(super) fn count(&mut self, last: Timestamp, time: Timestamp) -> bool {
        let (latest, hour) = (hour_of(last), hour_of(time));
        let passed = hour.saturating_sub(latest) as usize;
        // Hours that nothing was heard of are empty, and no longer those of a day before.
        for ahead in 1..=passed.min(HOURS) {
            self.set(latest as usize + ahead, |_| 0);
        }
        self.set(hour as usize, |count| count.saturating_add(1));
        passed > 0
    }

    fn set(&mut self, hour: usize, to: impl FnOnce(u16) -> u16) {
        if let Some(count) = self.0.get_mut(hour % HOURS) {
            *count = to(*count);
        }
    }

    fn bars(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|count| f64::from(*count))
    }

    /// One less the coefficient of variation of all bars, or the share of bars that are of one of the
    /// two commonest heights, whichever is more.
    pub(super) fn evenness(&self) -> f64 {
        let hours = HOURS as f64;
        let mean = self.bars().sum::<f64>() / hours;
        let variance = self
            .bars()
            .map(|bar| (bar - mean) * (bar - mean))
            .sum::<f64>()
            / hours;
        let steady = if mean > 0.0 {
            1.0 - variance.sqrt() / mean
        } else {
            0.0
        };
        steady.max(self.two_heights())
    }

    fn two_heights(&self) -> f64 {
        let mut bars: Vec<f64> = self.bars().filter(|bar| *bar > 0.0).collect();
        if bars.len() < FEWEST_HOURS {
            return 0.0;
        }
        bars.sort_unstable_by(f64::total_cmp);
        let near = bars.last().copied().unwrap_or_default() * ONE_HEIGHT;
        let (at, most) = commonest(&bars, near);
        let (before, rest) = bars.split_at_checked(at).unwrap_or((&bars, &[]));
        let after = rest.get(most..).unwrap_or_default();
        let next = commonest(before, near).1.max(commonest(after, near).1);
        (most + next) as f64 / bars.len() as f64
    }

    /// The share of `window` that they span until `last`, or of half a day that hours on end with
    /// connections make, whichever is more.
    pub(super) fn duration(&self, last: Timestamp, span: Span, window: Span) -> f64 {
        let latest = hour_of(last);
        let covered = span.as_secs_f64() / window.as_secs_f64();
        let (mut run, mut longest) = (0_u32, 0_u32);
        for back in (0..=A_DAY_AGO).rev() {
            let hour = latest.saturating_sub(back) as usize % HOURS;
            let busy = self.0.get(hour).is_some_and(|count| *count > 0);
            run = if busy { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        covered.max(f64::from(longest) / LONG_RUN).min(1.0)
    }
}

/// Since the epoch.
fn hour_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_nanos().unsigned_abs() / HOUR_NS).unwrap_or(u32::MAX)
}

/// Of ascending bars, where those of the commonest height begin, and how many they are.
fn commonest(bars: &[f64], near: f64) -> (usize, usize) {
    let alike = |(at, lowest): (usize, &f64)| {
        let rest = bars.get(at..).unwrap_or_default();
        let alike = rest.iter().take_while(|bar| **bar - lowest <= near);
        (at, alike.count())
    };
    let all = bars.iter().enumerate().map(alike);
    all.rev()
        .max_by_key(|(_, count)| *count)
        .unwrap_or_default()
}

/// Gaps and sizes of which only so many are kept, at even distances: every one, every second, every
/// fourth, and so on.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Rhythm {
    kept: [Beat; KEPT],
    len: u8,
    /// One in so many is kept, as a power of two.
    thinned: u8,
    /// How many came since the last that was kept.
    since: u32,
}

/// The gap before a connection, in milliseconds, and what was sent since the one before. Each
/// in two bytes, exact to a thousandth.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Beat {
    gap: u16,
    size: u16,
}

const KEPT: usize = 24;
const MOST_THINNED: u8 = 31;

impl Rhythm {
    pub(super) fn put(&mut self, gap: u64, size: u64) {
        self.since = self.since.saturating_add(1);
        if self.since < 1 << self.thinned.min(MOST_THINNED) {
            return;
        }
        self.since = 0;
        if usize::from(self.len) == KEPT {
            self.thin();
        }
        if let Some(place) = self.kept.get_mut(usize::from(self.len)) {
            *place = Beat {
                gap: short(gap),
                size: short(size),
            };
            self.len += 1;
        }
    }

    /// Keeps every second.
    fn thin(&mut self) {
        let mut kept = [Beat::default(); KEPT];
        for (place, beat) in kept.iter_mut().zip(self.kept.iter().skip(1).step_by(2)) {
            *place = *beat;
        }
        self.kept = kept;
        self.len /= 2;
        self.thinned = self.thinned.saturating_add(1).min(MOST_THINNED);
    }

    /// Whether there were more than are kept.
    pub(super) const fn is_thinned(&self) -> bool {
        self.thinned > 0
    }

    pub(super) fn gaps(&self) -> Few<'_> {
        self.few(|beat| beat.gap)
    }

    pub(super) fn sizes(&self) -> Few<'_> {
        self.few(|beat| beat.size)
    }

    fn few(&self, number: fn(&Beat) -> u16) -> Few<'_> {
        let kept = self.kept.get(..self.len.into()).unwrap_or_default();
        Few { kept, number }
    }
}

/// Either number of beats.
#[derive(Clone, Copy)]
pub(super) struct Few<'a> {
    kept: &'a [Beat],
    number: fn(&Beat) -> u16,
}

impl Few<'_> {
    pub(super) fn median(&self) -> f64 {
        quantile(&self.sorted(), 0.5)
    }

    /// The mean of how little the quartiles are askew (Bowley) and of how near to the median the
    /// numbers are (median absolute deviation).
    pub(super) fn evenness(&self) -> f64 {
        let numbers = self.sorted();
        let [low, median, high] = [0.25, 0.5, 0.75].map(|part| quantile(&numbers, part));
        let deviation = deviation(&numbers, median);
        let spread = high - low;
        let askew = if spread > 0.0 {
            ((low + high - 2.0 * median) / spread).abs()
        } else {
            0.0
        };
        let near = if median > 0.0 {
            ((median - deviation) / median).max(0.0)
        } else if deviation > 0.0 {
            0.0
        } else {
            // Nothing at all, every time.
            1.0
        };
        f64::midpoint(1.0 - askew, near)
    }

    /// The median absolute deviation, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        let numbers = self.sorted();
        let median = quantile(&numbers, 0.5);
        if median > 0.0 {
            deviation(&numbers, median) / median
        } else {
            0.0
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.kept.len() as u64
    }

    /// The coefficient of variation: standard deviation over mean. Of a few numbers it says more
    /// than quartiles do.
    pub(super) fn variation(&self) -> f64 {
        let count = self.kept.len() as f64;
        let mean = self.numbers().sum::<f64>() / count;
        let apart = self.numbers().map(|number| (number - mean).powi(2));
        let deviation = (apart.sum::<f64>() / count).sqrt();
        if mean > 0.0 { deviation / mean } else { 1.0 }
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.kept.iter().map(|beat| long((self.number)(beat)))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut numbers: Vec<f64> = self.numbers().collect();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers
    }
}

/// How far from their median half of the numbers are at most.
fn deviation(numbers: &[f64], median: f64) -> f64 {
    let apart = numbers.iter().map(|number| (number - median).abs());
    let mut apart: Vec<f64> = apart.collect();
    apart.sort_unstable_by(f64::total_cmp);
    quantile(&apart, 0.5)
}

/// Between the two numbers that lie next to that part of ascending ones.
fn quantile(numbers: &[f64], part: f64) -> f64 {
    let place = numbers.len().saturating_sub(1) as f64 * part;
    let at = |place: f64| {
        let nth = numbers
            .iter()
            .zip(0_u32..)
            .find(|(_, nth)| f64::from(*nth) >= place);
        nth.map_or(0.0, |(number, _)| *number)
    };
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

/// Bits of a number below its highest that are kept.
const MANTISSA: u32 = 10;

/// A number in two bytes: its size as a power of two, and the bits after the first.
fn short(number: u64) -> u16 {
    let size = number.checked_ilog2().unwrap_or_default();
    if size < MANTISSA {
        return u16::try_from(number).unwrap_or(u16::MAX);
    }
    let bits = (number >> (size - MANTISSA)) & ((1 << MANTISSA) - 1);
    let size = u64::from(size - MANTISSA + 1);
    u16::try_from(size << MANTISSA | bits).unwrap_or(u16::MAX)
}

fn long(short: u16) -> f64 {
    let (size, bits) = (u32::from(short) >> MANTISSA, short & ((1 << MANTISSA) - 1));
    if size == 0 {
        return bits.into();
    }
    f64::from(bits | 1 << MANTISSA) * f64::from(size - 1).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(numbers: impl IntoIterator<Item = u64>) -> Rhythm {
        let mut rhythm = Rhythm::default();
        numbers.into_iter().for_each(|gap| rhythm.put(gap, 7 * gap));
        rhythm
    }

    /// And when the latest was.
    fn hours(counts: &[u16]) -> (Hours, Timestamp) {
        let (mut hours, mut last) = (Hours::default(), Timestamp::default());
        for (count, hour) in counts.iter().zip(470_000_i64..) {
            for second in 0..*count {
                let time = Timestamp::new(hour * 3_600 + i64::from(second), 0);
                hours.count(std::mem::replace(&mut last, time), time);
            }
        }
        (hours, last)
    }

    #[test]
    fn numbers_are_kept_to_a_thousandth() {
        for number in [0, 1, 7, 1_023, 1_024, 1_025, 99_999, 86_400_000, 1 << 40] {
            let kept = long(short(number));
            let off = (kept - number as f64).abs() / (number as f64).max(1.0);
            assert!(off < 0.001, "{number}: {kept}");
        }
        let ascending: Vec<u16> = (0..100_000).map(short).collect();
        assert!(ascending.is_sorted());
    }

    #[test]
    fn few_are_kept_of_many() {
        let every = few(1..=20);
        assert!(!every.is_thinned());
        assert!((every.gaps().median() - 10.5).abs() < 1e-9);
        assert!((every.sizes().median() - 73.5).abs() < 1e-9);
        let many = few(1..=10_000);
        assert!(many.is_thinned() && many.len >= 12);
        let median = many.gaps().median();
        assert!((median / 5_000.0 - 1.0).abs() < 0.1, "{median}");
    }

    #[test]
    fn variation_is_deviation_over_mean() {
        let cases: [(&str, Rhythm, f64); 4] = [
            ("always the same", few([300; 5]), 0.0),
            ("a third up or down", few([200, 400, 200, 400]), 1.0 / 3.0),
            ("nothing, always", few([0; 5]), 1.0),
            ("none", few([]), 1.0),
        ];
        for (name, few, want) in cases {
            assert!((few.gaps().variation() - want).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn evenness_is_that_of_gaps() {
        let cases: [(&str, Rhythm, std::ops::Range<f64>); 5] = [
            ("always the same", few([300; 50]), 0.99..1.01),
            (
                "a third up or down",
                few((0..50).map(|n| 200 + n * 37 % 200)),
                0.7..0.95,
            ),
            ("nothing, always", few([0; 50]), 0.99..1.01),
            (
                "mostly short, some long",
                few((0..50).map(|n| if n % 3 == 0 { 9_000 } else { 1 + n })),
                0.0..0.4,
            ),
            ("none", few([]), 0.99..1.01),
        ];
        for (name, few, want) in cases {
            let got = few.gaps().evenness();
            assert!(want.contains(&got), "{name}: {got}");
        }
    }

    #[test]
    fn hours_are_even_if_all_or_two_kinds_are() {
        let cases: [(&str, Vec<u16>, f64, f64); 7] = [
            ("every hour", vec![12; 24], 1.0, 1.0),
            ("half the day", vec![12; 12], 1.0, 1.0),
            ("eight hours", vec![12; 8], 1.0, 8.0 / 12.0),
            (
                "by day and by night",
                [[2; 12], [12; 12]].concat(),
                1.0,
                1.0,
            ),
            ("three hours", vec![12; 3], 0.0, 3.0 / 12.0),
            (
                "a day later",
                [vec![9; 24], vec![0; 30], vec![7; 2]].concat(),
                0.0,
                2.0 / 12.0,
            ),
            ("every other hour", [5, 0].repeat(12), 1.0, 1.0 / 12.0),
        ];
        for (name, counts, even, lasts) in cases {
            let (hours, last) = hours(&counts);
            let (got, run) = (
                hours.evenness().max(0.0),
                hours.duration(last, Span::ZERO, Span::from_mins(1440)),
            );
            assert!((got - even).abs() < 1e-9, "{name}: {got}");
            assert!((run - lasts).abs() < 1e-9, "{name}: {run}");
        }
        let (uneven, _) = hours(&[1, 30, 7, 55, 19, 3, 90, 41]);
        assert!(uneven.evenness() < 0.6);
    }
}
