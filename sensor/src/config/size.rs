//! An amount of memory, written with its unit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes. In configuration it is written with a unit: `"512MiB"`, `"2GiB"`, `"500MB"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ByteSize(pub(crate) u64);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    pub(crate) const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that says it in whole numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an amount of memory; write a whole number and a unit, such as \"512MiB\", \"2GiB\""
)]
pub(crate) struct ByteSizeError(String);

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let bad = || ByteSizeError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit = unit.trim_start();
        let known = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (_, unit) = known.ok_or_else(bad)?;
        number.checked_mul(*unit).map(Self).ok_or_else(bad)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        let cases = [
            ("512MiB", Some(512 << 20), "512MiB"),
            ("1024 MiB", Some(1 << 30), "1GiB"),
            ("2gib", Some(2 << 30), "2GiB"),
            ("500MB", Some(500_000_000), "500MB"),
            ("7B", Some(7), "7B"),
            ("0B", Some(0), "0B"),
            ("512", None, ""),
            ("1.5GiB", None, ""),
            ("-1MiB", None, ""),
            ("99999999999TiB", None, ""),
            ("", None, ""),
        ];
        for (text, want, shown) in cases {
            let got: Option<ByteSize> = text.parse().ok();
            assert_eq!(got.map(|size| size.0), want, "{text}");
            if let Some(size) = got {
                assert_eq!(size.to_string(), shown, "{text}");
            }
        }
    }
}
