//! What this process may do.

use std::fs;

/// `CAP_NET_RAW` in the bits of `/proc/self/status`.
const NET_RAW: u64 = 1 << 13;

/// Rights to capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rights {
    There,
    Missing,
}

impl Rights {
    pub(crate) fn of_this_process() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::in_status(&status)
    }

    /// Those that `/proc/PID/status` tells. Without an answer nothing is known to be missing.
    fn in_status(status: &str) -> Self {
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let bits = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        if bits.is_some_and(|bits| bits & NET_RAW == 0) {
            Self::Missing
        } else {
            Self::There
        }
    }

    /// What to run, where something is missing.
    pub(crate) fn advice(self) -> Option<String> {
        if self == Self::There {
            return None;
        }
        let program = std::env::current_exe()
            .map_or_else(|_| "flowhawk".to_owned(), |path| path.display().to_string());
        Some(format!(
            "run `sudo setcap cap_net_raw=ep {program}` once, or start it as root"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_status() {
        let cases = [
            ("CapEff:\t0000000000000000\n", Rights::Missing),
            ("Name:\tx\nCapEff:\t0000000000001000\n", Rights::Missing),
            ("CapEff:\t0000000000002000\n", Rights::There),
            ("CapEff:\t000001ffffffffff\n", Rights::There),
            ("", Rights::There),
        ];
        for (status, want) in cases {
            assert_eq!(Rights::in_status(status), want, "{status:?}");
            assert_eq!(want.advice().is_some(), want == Rights::Missing);
        }
    }
}
