//! What was done and, above all, what was not.

use crate::SignalKind;

/// Totals since it was made, or restored: what came before was counted there.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Flow events put in.
    pub events: u64,
    /// Events further behind the latest than `allowed_lateness`: counted here and in no measure.
    pub late_events: u64,
    /// Destinations outside that are known now.
    pub destinations: u64,
    /// Destinations, and names of theirs, that were forgotten because there were too many.
    pub destinations_evicted: u64,
    /// Addresses outside whose names were forgotten because there were too many.
    pub answers_evicted: u64,
    /// Channels of FTP that were forgotten because there were too many.
    pub channels_evicted: u64,
    /// Signals and rules that began anew on [`crate::Detectors::restore`], or signals on
    /// [`crate::Detectors::replace_limits`], as they measure or say something else than before.
    pub state_dropped: u64,
    /// For each signal, in the order of [`SignalKind::ALL`].
    pub signals: Vec<SignalCounters>,
    /// For each rule, in the order of their ids.
    pub rules: Vec<RuleCounters>,
}

/// Totals of one kind of signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignalCounters {
    /// Which.
    pub kind: SignalKind,
    /// Signals opened.
    pub opened: u64,
    /// Rises in severity.
    pub raised: u64,
    /// Signals opened that a suppression marks.
    pub suppressed: u64,
    /// Signals closed before their time because too many were open.
    pub closed_early: u64,
    /// Subjects, or what else its tables hold, evicted because they were full.
    pub evicted: u64,
    /// Judged before their grace was over because too many were waiting.
    pub hurried: u64,
    /// Subjects held now.
    pub subjects: u64,
    /// Bytes held now.
    pub bytes: u64,
}

impl SignalCounters {
    pub(crate) const fn new(kind: SignalKind) -> Self {
        Self {
            kind,
            opened: 0,
            raised: 0,
            suppressed: 0,
            closed_early: 0,
            evicted: 0,
            hurried: 0,
            subjects: 0,
            bytes: 0,
        }
    }
}

/// Totals of one rule.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RuleCounters {
    /// Which, such as `LM-001`.
    pub rule_id: String,
    /// Detections made.
    pub made: u64,
    /// Detections updated.
    pub updated: u64,
    /// Detections made that a suppression marks.
    pub suppressed: u64,
    /// Groups of signals that expired before they were complete, or whose detection can no longer
    /// be repeated.
    pub expired: u64,
    /// Groups evicted because the table was full.
    pub evicted: u64,
    /// Groups held now.
    pub groups: u64,
}

impl Counters {
    /// Every counter by name, in a fixed order: `events`, `PORT_SCAN.evicted`, `LM-001.made`.
    pub fn named(&self) -> Vec<(String, u64)> {
        let mut named = vec![
            ("events".to_owned(), self.events),
            ("late_events".to_owned(), self.late_events),
            ("destinations".to_owned(), self.destinations),
            ("destinations.evicted".to_owned(), self.destinations_evicted),
            ("answers.evicted".to_owned(), self.answers_evicted),
            ("channels.evicted".to_owned(), self.channels_evicted),
            ("state.dropped".to_owned(), self.state_dropped),
        ];
        for signal in &self.signals {
            let SignalCounters {
                kind,
                opened,
                raised,
                suppressed,
                closed_early,
                evicted,
                ..
            } = *signal;
            let parts = [
                ("opened", opened),
                ("raised", raised),
                ("suppressed", suppressed),
                ("closed_early", closed_early),
                ("evicted", evicted),
                ("hurried", signal.hurried),
                ("subjects", signal.subjects),
                ("bytes", signal.bytes),
            ];
            named.extend(parts.map(|(name, count)| (format!("{kind}.{name}"), count)));
        }
        for rule in &self.rules {
            let parts = [
                ("made", rule.made),
                ("updated", rule.updated),
                ("suppressed", rule.suppressed),
                ("expired", rule.expired),
                ("evicted", rule.evicted),
                ("groups", rule.groups),
            ];
            named.extend(parts.map(|(name, count)| (format!("{}.{name}", rule.rule_id), count)));
        }
        named
    }
}
