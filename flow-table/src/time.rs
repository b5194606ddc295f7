//! Packet time: the only clock the libraries know.
//!
//! Both types count nanoseconds and saturate instead of overflowing, because capture files may
//! claim any time at all.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A moment of packet time, in nanoseconds since 1970-01-01 UTC. Never negative.
///
/// In saved state it is that number.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(i64);

impl From<i64> for Timestamp {
    fn from(nanos: i64) -> Self {
        Self::from_nanos(nanos)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl Timestamp {
    /// The epoch; earlier than or equal to every other timestamp.
    pub const ZERO: Self = Self(0);
    /// The latest moment that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// A timestamp from nanoseconds since the epoch; negative ones become [`Timestamp::ZERO`].
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// A timestamp from whole seconds and nanoseconds (which may exceed a second).
    pub const fn new(secs: i64, nanos: i64) -> Self {
        Self::from_nanos(secs.saturating_mul(NANOS_PER_SEC).saturating_add(nanos))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the epoch, rounded to the nearest, as logs print them.
    pub const fn as_micros_rounded(self) -> i64 {
        self.0.saturating_add(500) / 1_000
    }

    /// Seconds since the epoch, for outputs whose columns are floating point.
    pub fn as_secs_f64(self) -> f64 {
        self.as_micros_rounded() as f64 / 1e6
    }

    /// Time since `earlier`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        let nanos = self.0.saturating_sub(earlier.0);
        Span(if nanos < 0 { 0 } else { nanos })
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    #[inline]
    fn add(self, span: Span) -> Self {
        // Neither is negative.
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self::from_nanos(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Timestamp {
    /// Epoch seconds with six decimals, as Zeek writes a `time`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros_rounded();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// A length of packet time in nanoseconds; never negative.
///
/// In configuration it is written with a unit: `"500ms"`, `"60s"`, `"5min"`, `"24h"`, `"7d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of nanoseconds; negative ones become zero.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(if nanos < 0 { 0 } else { nanos })
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// A span of whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_nanos(secs.saturating_mul(NANOS_PER_SEC))
    }

    /// A span of whole minutes.
    pub const fn from_mins(mins: i64) -> Self {
        Self::from_secs(mins.saturating_mul(60))
    }

    /// Length in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Length in microseconds, rounded to the nearest, as logs print it.
    pub const fn as_micros_rounded(self) -> i64 {
        self.0.saturating_add(500) / 1_000
    }

    /// Length in seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }
}

/// The units of a [`Span`], longest first.
const UNITS: [(&str, i64); 6] = [
    ("d", 86_400 * NANOS_PER_SEC),
    ("h", 3_600 * NANOS_PER_SEC),
    ("min", 60 * NANOS_PER_SEC),
    ("s", NANOS_PER_SEC),
    ("ms", 1_000_000),
    ("us", 1_000),
];

impl fmt::Display for Span {
    /// The longest unit that says it in whole numbers: `90s`, `5min`, `24h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, unit)| self.0 != 0 && self.0 % unit == 0);
        match whole {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None if self.0 == 0 => f.write_str("0s"),
            None => write!(f, "{}ns", self.0),
        }
    }
}

/// Why a text is no [`Span`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time span; write a number and a unit, such as \"60s\", \"5min\", \"24h\"")]
pub struct SpanError(String);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let bad = || SpanError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let number: i64 = number.parse().map_err(|_| bad())?;
        let unit = match unit.trim_start() {
            "ns" => 1,
            "m" => 60 * NANOS_PER_SEC,
            name => UNITS.iter().find(|(n, _)| *n == name).ok_or_else(bad)?.1,
        };
        number.checked_mul(unit).map(Self).ok_or_else(bad)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        let cases = [
            ("60s", Ok(Span::from_secs(60)), "1min"),
            ("90s", Ok(Span::from_secs(90)), "90s"),
            ("24h", Ok(Span::from_secs(86_400)), "1d"),
            ("500 ms", Ok(Span::from_millis(500)), "500ms"),
            ("5m", Ok(Span::from_mins(5)), "5min"),
            ("0s", Ok(Span::ZERO), "0s"),
            ("60", Err(SpanError("60".into())), ""),
            ("-1s", Err(SpanError("-1s".into())), ""),
            ("1 fortnight", Err(SpanError("1 fortnight".into())), ""),
            (
                "9223372036854775807d",
                Err(SpanError("9223372036854775807d".into())),
                "",
            ),
        ];
        for (text, want, shown) in cases {
            let got: Result<Span, _> = text.parse();
            assert_eq!(got, want, "{text}");
            if let Ok(span) = got {
                assert_eq!(span.to_string(), shown, "{text}");
            }
        }
    }

    #[test]
    fn timestamps_saturate_and_round() {
        assert_eq!(Timestamp::MAX + Span::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO - Span::from_secs(1), Timestamp::ZERO);
        assert_eq!(Timestamp::new(i64::MAX, 5), Timestamp::MAX);
        assert_eq!(Timestamp::new(1, 999_999_500).to_string(), "2.000000");
        assert_eq!(Timestamp::new(1, 2_000).to_string(), "1.000002");
    }
}
