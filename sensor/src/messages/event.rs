//! What messages are about: each kind has a name that stays, a level, and fields of its own. docs/messages.md
//! has the same table.

/// How much a message matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// All is well.
    Info,
    /// Something is lost, or somebody should look.
    Warning,
    /// Something does not work.
    Error,
}

impl Level {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident = $level:ident $text:literal [$($field:literal)*],)+) => {
        /// A kind of message.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Event { $($(#[doc = $doc])+ $name,)+ }

        impl Event {
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub(super) const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)+ }
            }

            /// The names of fields that it may have.
            pub(super) const fn fields(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($field),*],)+ }
            }

            #[cfg(test)]
            const ALL: [(Self, &'static str); [$(Self::$name),+].len()] =
                [$((Self::$name, concat!($($doc),+)),)+];
        }
    };
}

events! {
    /// Interfaces are listened to from now on.
    Listening = Info "listening" ["interfaces"],
    /// Metrics are served at this address.
    MetricsServed = Info "metrics_served" ["address"],
    /// Nothing was heard for so long.
    InterfaceSilent = Warning "interface_silent" ["interface" "seconds"],
    /// An interface went down or away; it is listened to again once it is back.
    InterfaceGone = Warning "interface_gone" ["interface"],
    /// It is back.
    InterfaceBack = Info "interface_back" ["interface"],
    /// More than `too_much_loss` of packets was lost lately.
    PacketsLost = Warning "packets_lost" ["dropped" "of" "seconds"],
    /// More than `too_many_gaps` of what TCP's receivers acknowledged was never heard.
    TcpGaps = Warning "tcp_gaps" ["gaps" "acks"],
    /// After SIGHUP: logs are open again, and the configuration is in force.
    Reloaded = Info "reloaded" ["rules" "suppressions"],
    /// After SIGHUP: the configuration cannot be read, and stays as it was.
    ConfigurationKept = Warning "configuration_kept" ["problems"],
    /// After SIGHUP: this key takes a restart.
    RestartNeeded = Warning "restart_needed" ["key"],
    /// What detectors knew cannot be used: they begin anew.
    StatePutAside = Warning "state_put_aside" ["file" "aside"],
    /// Conversations under way cannot be gone on with, as another version kept them.
    ConversationsUnread = Warning "conversations_unread" ["file"],
    /// What detectors know cannot be kept; if it was a checkpoint, the next one tries again.
    StateNotWritten = Error "state_not_written" [],
    /// A log cannot be written; it is tried again.
    LogFailed = Error "log_failed" ["log"],
    /// Logs can be written again.
    LogsBack = Info "logs_back" ["lost"],
    /// A receiver of findings cannot be reached; it is tried again.
    ReceiverAway = Warning "receiver_away" ["receiver"],
    /// It got what it missed.
    ReceiverBack = Info "receiver_back" ["receiver"],
    /// A receiver does not take a finding, which is left out.
    FindingRefused = Warning "finding_refused" ["receiver"],
    /// A thread could not be kept on its CPU.
    NotPinned = Warning "not_pinned" ["cpu"],
    /// How far it is (`--progress always`).
    Progress = Info "progress" ["packets" "rows" "bytes" "flows" "detections"],
    /// At the end: everything that was counted.
    Summary = Info "summary" [
        "packets" "rows" "bytes" "flows" "first" "last" "seconds" "dropped" "counted" "signals" "detections" "written"
    ],
    /// At the end: what the kernel dropped because its buffer was full.
    KernelDropped = Warning "kernel_dropped" ["interface" "dropped" "of"],
    /// At the end: what an interface dropped before the kernel saw it.
    InterfaceDropped = Warning "interface_dropped" ["interface" "dropped"],
    /// At the end: what was left out because workers were behind.
    QueueFull = Warning "queue_full" ["packets" "bytes"],
    /// At the end: when an interface was not listened to.
    NotListened = Warning "not_listened" ["interface" "from" "to"],
    /// At the end: packets of an interface whose link type is one we cannot read.
    UnknownLink = Warning "unknown_link" ["interface" "link_type"],
    /// At the end: rows that are in no log.
    RowsLost = Warning "rows_lost" ["log" "rows"],
    /// At the end: findings that an output has not got.
    FindingsLost = Warning "findings_lost" ["findings"],
    /// At the end: findings that a receiver has not got.
    NotDelivered = Warning "not_delivered" ["receiver" "findings"],
    /// At the end: addresses that could not be looked up in files of `[enrichment]`.
    LookupsFailed = Warning "lookups_failed" ["failed"],
    /// At the end: what came before the time that detectors knew already.
    NotJudged = Warning "not_judged" ["events"],
    /// At the end: a capture or a log that could not be read, or in part.
    NotRead = Warning "not_read" [],
    /// At the end: detections are at least as severe as `--fail-on` asks.
    TooSevere = Warning "too_severe" ["limit"],
    /// At the end: detections are not those of `--expect`.
    Unexpected = Warning "unexpected" [],
    /// The configuration, or a file that it names, is wrong; nothing was begun.
    BadConfiguration = Error "bad_configuration" ["problems"],
    /// It could not start, or could not go on.
    NotStarted = Error "not_started" [],
    /// Of other commands, always as text: an answer could not be written to stdout.
    AnswerLost = Error "answer_lost" [],
    /// An error in the program itself.
    Panicked = Error "panicked" [],
}

impl Event {
    /// Whether its text stands alone: lines that begin with a file, for editors that jump there, and what is
    /// for people to look at.
    pub(super) const fn is_bare(self) -> bool {
        matches!(
            self,
            Self::BadConfiguration | Self::Progress | Self::Summary
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn names_are_in_snake_case_and_each_is_of_one() {
        let names: BTreeSet<&str> = Event::ALL.iter().map(|(event, _)| event.name()).collect();
        assert_eq!(names.len(), Event::ALL.len());
        let fields = Event::ALL.iter().flat_map(|(event, _)| event.fields());
        for name in names.iter().chain(fields.clone()) {
            let bad = |c: char| !(c.is_ascii_lowercase() || c == '_');
            assert!(!name.is_empty() && !name.contains(bad), "{name}");
        }
        let of_all = ["ts", "level", "event", "message"];
        assert!(fields.clone().all(|field| !of_all.contains(field)));
    }

    #[test]
    fn the_page_has_the_same_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/messages.md");
        let page = fs::read_to_string(page).unwrap();
        let told: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let row = |(event, meaning): &(Event, &str)| {
            let fields: Vec<String> = event
                .fields()
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            let (name, level, fields) = (event.name(), event.level().name(), fields.join(" "));
            let meaning = meaning.trim().trim_end_matches('.');
            format!("| `{name}` | {level} | {meaning} | {fields} |")
        };
        let rows: Vec<String> = Event::ALL.iter().map(row).collect();
        assert_eq!(
            told,
            rows,
            "docs/messages.md is to have\n{}",
            rows.join("\n")
        );
    }
}
