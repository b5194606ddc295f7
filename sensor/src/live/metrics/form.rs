//! The forms in which metrics are written.

use std::collections::HashSet;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As Prometheus asks for it.
    OpenMetrics,
    /// As Prometheus had it before, and everybody reads it.
    Text,
}

impl Form {
    /// What it is served as.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::OpenMetrics => Self::OPEN_METRICS,
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Of what is accepted, as a header says it.
    pub(super) fn accepted(header: &[u8]) -> Self {
        let (name, _) = Self::OPEN_METRICS.split_once(';').unwrap_or_default();
        let mut names = header.windows(name.len());
        if names.any(|accepted| accepted.eq_ignore_ascii_case(name.as_bytes())) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// A page of OpenMetrics in the older form: there a counter has the name of its samples, which end in `_total`, and
/// nothing says that it is over.
pub(super) fn plain(page: &str) -> String {
    let described = |line: &str| {
        let rest = line.strip_prefix("# ")?;
        let (what, rest) = rest.split_once(' ')?;
        let (name, rest) = rest.split_once(' ')?;
        Some([what, name, rest].map(str::to_owned))
    };
    let types = page.lines().filter_map(described);
    let counters = types.filter(|[what, _, kind]| what == "TYPE" && kind == "counter");
    let counters: HashSet<String> = counters.map(|[_, name, _]| name).collect();
    let lines = page.lines().filter(|line| *line != "# EOF");
    let lines = lines.map(|line| match described(line) {
        Some([what, name, rest]) if counters.contains(&name) => {
            format!("# {what} {name}_total {rest}\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_of_their_samples() {
        let page = "# HELP a Some \"a\"\n# TYPE a counter\na_total{x=\"# HELP a b\"} 1\n\
                    # HELP a_b Level\n# TYPE a_b gauge\na_b 2.0\n# EOF\n";
        let want = "# HELP a_total Some \"a\"\n# TYPE a_total counter\na_total{x=\"# HELP a b\"} 1\n\
                    # HELP a_b Level\n# TYPE a_b gauge\na_b 2.0\n";
        assert_eq!(plain(page), want);
    }
}
