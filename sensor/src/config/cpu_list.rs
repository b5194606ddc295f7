//! CPUs by their numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// As taskset writes them, each once: `"0,2-3"`. They are given out in this order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct CpuList(Vec<usize>);

impl CpuList {
    /// No CPU has this number, or a higher one.
    pub(crate) const END: usize = 1_024;

    pub(crate) const fn all(&self) -> &[usize] {
        self.0.as_slice()
    }
}

impl FromIterator<usize> for CpuList {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|one, next| one + 1 == *next);
        for (n, run) in runs.enumerate() {
            let comma = if n > 0 { "," } else { "" };
            match run {
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [only] => write!(f, "{comma}{only}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no list of CPUs; write it such as \"0,2-3\"");
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.trim().parse::<usize>().map_err(|_| bad());
            let (first, last) = (number(first)?, number(last)?);
            if last >= Self::END {
                let most = Self::END - 1;
                return Err(format!("{text:?}: the last CPU there can be is {most}"));
            }
            if first > last {
                return Err(bad());
            }
            if let Some(cpu) = (first..=last).find(|cpu| cpus.contains(cpu)) {
                return Err(format!("{text:?}: CPU {cpu} is named twice"));
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }
}

impl Serialize for CpuList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CpuList {
    /// None, where it says nothing.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_and_print() {
        let cases = [
            ("0", Ok("0")),
            ("0,2-3", Ok("0,2-3")),
            ("0, 1, 2", Ok("0-2")),
            ("3,0-1", Ok("3,0-1")),
            ("1023", Ok("1023")),
            ("1024", Err("the last CPU there can be is 1023")),
            ("0-99999999999", Err("the last CPU there can be is 1023")),
            ("0-2,1", Err("CPU 1 is named twice")),
            ("3-2", Err("is no list of CPUs")),
            ("0,", Err("is no list of CPUs")),
            ("-1", Err("is no list of CPUs")),
            ("all", Err("is no list of CPUs")),
            ("", Err("is no list of CPUs")),
        ];
        for (text, want) in cases {
            match (text.parse::<CpuList>(), want) {
                (Ok(list), Ok(want)) => assert_eq!(list.to_string(), want, "{text}"),
                (Err(error), Err(want)) => assert!(error.contains(want), "{text}: {error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
