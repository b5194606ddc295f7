//! The summary on stderr, read back.

use std::collections::BTreeMap;

/// The numbers of a summary.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Summary {
    pub(crate) packets: u64,
    pub(crate) flows: u64,
    pub(crate) processed: u64,
    /// As the total says.
    pub(crate) dropped: u64,
    pub(crate) reasons: BTreeMap<String, u64>,
}

impl Summary {
    /// Reads it; `None` when there is no summary in `stderr`.
    pub(crate) fn of(stderr: &str) -> Option<Self> {
        let mut summary = Self::default();
        let mut found = false;
        let mut section = "";
        for line in stderr.lines() {
            let (head, rest) = if line.starts_with("  ") {
                ("", line)
            } else {
                line.split_at_checked(12).unwrap_or((line, ""))
            };
            section = if head.is_empty() {
                section
            } else {
                head.trim()
            };
            match (section, head.is_empty()) {
                ("read", false) => {
                    found = true;
                    summary.packets = number(rest.split(" packets").next()?)?;
                    summary.flows = number(rest.strip_suffix(" flows")?.rsplit(", ").next()?)?;
                }
                ("dropped", false) if rest == "nothing" => {}
                ("dropped", false) => summary.dropped = number(rest.split(" packets").next()?)?,
                ("dropped", true) => {
                    let (name, count) = rest.split(" packets").next()?.trim().split_once(' ')?;
                    summary.reasons.insert(name.to_owned(), number(count)?);
                }
                ("counted", true) => {
                    if let Some(count) = rest.trim().strip_prefix("packets processed") {
                        summary.processed = number(count)?;
                    }
                }
                _ => {}
            }
        }
        found.then_some(summary)
    }

    /// Every packet was processed or dropped for a reason.
    pub(crate) fn adds_up(&self) -> bool {
        self.packets == self.processed + self.dropped
            && self.dropped == self.reasons.values().sum::<u64>()
    }
}

/// `12 345`.
fn number(text: &str) -> Option<u64> {
    text.replace(' ', "").parse().ok()
}
