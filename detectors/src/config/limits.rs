//! Numbers that cannot be nonsense: each refuses, where it is read, what its place cannot mean.

use flow_table::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// A count of at least one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Count(u32);

impl Count {
    /// `count`, or one when it is zero.
    pub const fn new(count: u32) -> Self {
        Self(if count == 0 { 1 } else { count })
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0 as u64
    }

    /// The number, for sizes in memory.
    pub const fn size(self) -> usize {
        self.0 as usize
    }
}

impl TryFrom<i64> for Count {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        match u32::try_from(number) {
            Ok(count) if count > 0 => Ok(Self(count)),
            _ => Err(format!(
                "{number} is no such count; allowed are 1 to {}",
                u32::MAX
            )),
        }
    }
}

impl From<Count> for i64 {
    fn from(count: Count) -> Self {
        Self::from(count.0)
    }
}

/// A share of a whole, 0 to 1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    pub(crate) const fn known(ratio: f64) -> Self {
        Self(ratio)
    }

    /// The share.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("{number} is no ratio; allowed are 0.0 to 1.0"))
        }
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

/// A finite number above zero: a factor, a mean, a number of standard deviations.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Positive(f64);

impl Positive {
    pub(crate) const fn known(number: f64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Positive {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if number.is_finite() && number > 0.0 {
            Ok(Self(number))
        } else {
            Err(format!(
                "{number} cannot stand here; allowed are finite numbers above 0"
            ))
        }
    }
}

impl From<Positive> for f64 {
    fn from(number: Positive) -> Self {
        number.0
    }
}

/// The length of a window: a second to thirty days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct WindowSpan(Span);

impl WindowSpan {
    pub(crate) const fn secs(secs: i64) -> Self {
        Self(Span::from_secs(secs))
    }

    /// The length.
    pub const fn get(self) -> Span {
        self.0
    }
}

impl TryFrom<Span> for WindowSpan {
    type Error = String;

    fn try_from(span: Span) -> Result<Self, String> {
        if (Span::from_secs(1)..=Span::from_secs(30 * 86_400)).contains(&span) {
            Ok(Self(span))
        } else {
            Err(format!(
                "a window of {span} is not possible; allowed are \"1s\" to \"30d\""
            ))
        }
    }
}

impl From<WindowSpan> for Span {
    fn from(window: WindowSpan) -> Self {
        window.0
    }
}

/// An amount of bytes: a number, or text with a unit such as `"500MB"` (10⁶) or `"32MiB"` (2²⁰).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "BytesText", into = "String")]
pub struct Bytes(u64);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a number of bytes, or text such as \"500MB\" or \"32MiB\""
)]
enum BytesText {
    Number(u64),
    Text(String),
}

const BYTE_UNITS: [(&str, u64); 9] = [
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

impl Bytes {
    /// This many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes, for sizes in memory.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl TryFrom<BytesText> for Bytes {
    type Error = String;

    fn try_from(text: BytesText) -> Result<Self, String> {
        let text = match text {
            BytesText::Number(bytes) => return Ok(Self(bytes)),
            BytesText::Text(text) => text,
        };
        let bad =
            || format!("{text:?} is no amount of bytes; write \"500MB\", \"32MiB\" or a number");
        let unit = BYTE_UNITS.iter().find(|(name, _)| text.ends_with(name));
        let (name, factor) = unit.copied().unwrap_or(("", 1));
        let digits = text.trim_end_matches(name).trim_end();
        let number: u64 = digits.parse().map_err(|_| bad())?;
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = BYTE_UNITS
            .iter()
            .find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// A moment of packet time, written as in RFC 3339 with `Z`: `"2027-01-31T12:00:00Z"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(Timestamp);

impl Moment {
    /// The timestamp.
    pub const fn get(self) -> Timestamp {
        self.0
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("{text:?} is no moment; write it in UTC as \"2027-01-31T12:00:00Z\"");
        let part = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<i64>().ok());
        let separators = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'Z'),
        ];
        let shaped = text.len() == 20
            && separators
                .iter()
                .all(|(at, byte)| text.as_bytes().get(*at) == Some(byte));
        let fields = [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)];
        let [
            Some(year),
            Some(month),
            Some(day),
            Some(hour),
            Some(minute),
            Some(second),
        ] = fields.map(|(from, to)| part(from, to))
        else {
            return Err(bad());
        };
        let possible = (1970..=2200).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        if !shaped || !possible {
            return Err(bad());
        }
        let secs =
            days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Ok(Self(Timestamp::new(secs, 0)))
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        let secs = moment.0.as_nanos() / 1_000_000_000;
        let (year, month, day) = civil(secs.div_euclid(86_400));
        let rest = secs.rem_euclid(86_400);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counting years from March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_since_epoch`].
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'a> Deserialize<'a>>(json: &str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn nonsense_is_refused_with_what_is_allowed() {
        assert!(read::<Count>("0").unwrap_err().contains("1 to 4294967295"));
        assert!(
            read::<Count>("-3")
                .unwrap_err()
                .contains("-3 is no such count")
        );
        assert!(read::<Ratio>("1.5").unwrap_err().contains("0.0 to 1.0"));
        assert!(read::<Positive>("0.0").unwrap_err().contains("above 0"));
        assert!(
            read::<WindowSpan>("\"10ms\"")
                .unwrap_err()
                .contains("\"1s\" to \"30d\"")
        );
        assert!(read::<Bytes>("\"5 apples\"").unwrap_err().contains("500MB"));
        assert!(
            read::<Moment>("\"tomorrow\"")
                .unwrap_err()
                .contains("2027-01-31")
        );
    }

    #[test]
    fn bytes_and_moments_read_and_print() {
        for (text, bytes, shown) in [
            ("\"500MB\"", 500_000_000, "500MB"),
            ("\"32 MiB\"", 32 << 20, "32MiB"),
            ("1500", 1_500, "1500B"),
            ("0", 0, "0B"),
        ] {
            let read: Bytes = read(text).unwrap();
            assert_eq!(
                (read.get(), read.to_string().as_str()),
                (bytes, shown),
                "{text}"
            );
        }
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-21T00:32:09Z", 1_795_221_129),
        ];
        for (text, secs) in cases {
            let moment = Moment::try_from(text.to_owned()).unwrap();
            assert_eq!(moment.get(), Timestamp::new(secs, 0), "{text}");
            assert_eq!(String::from(moment), text);
        }
    }
}
