//! What people are told at the end of a run, on stderr.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use detectors::Severity;
use flow_table::{DropReason, Span, Timestamp};
use serde_json::Value;

use crate::cli::TalkArgs;
use crate::findings::{Made, Tally};
use crate::messages::{Event, Message, rfc3339, say};
use crate::text::{grouped, printable, rough};

/// Detections shown one by one unless more is asked for.
const MOST_SHOWN: usize = 100;
/// One packet in so many with a wrong checksum is a hint.
const MANY_WRONG: u64 = 20;

/// What a run reads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Unit {
    #[default]
    Packets,
    /// Of logs.
    Rows,
}

impl Unit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Rows => "rows",
        }
    }
}

/// The totals of a run.
#[derive(Clone, Default, Debug)]
pub(crate) struct RunSummary {
    pub(crate) unit: Unit,
    /// Packets, or what else is read.
    pub(crate) packets: u64,
    /// Their bytes on the wire.
    pub(crate) bytes: u64,
    pub(crate) flows: u64,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    /// How long the run took.
    pub(crate) wall: Duration,
    /// What was not looked at, and why.
    pub(crate) dropped: Vec<Dropped>,
    /// Evictions, late events and whatever else was counted, by name.
    pub(crate) counters: Vec<(String, u64)>,
    /// Where the outputs are.
    pub(crate) written: Vec<String>,
}

impl RunSummary {
    /// The numbers, beside a text that has them.
    fn count(&self, message: Message) -> Message {
        let dropped = self.dropped.iter();
        let dropped = dropped.map(|dropped| (dropped.reason.to_owned(), dropped.packets.into()));
        let counted = self.counters.iter();
        let counted = counted.map(|(name, count)| (name.clone(), (*count).into()));
        message
            .with(self.unit.name(), self.packets)
            .with("bytes", self.bytes)
            .with("flows", self.flows)
            .with("first", self.first.map(rfc3339))
            .with("last", self.last.map(rfc3339))
            .with("seconds", self.wall.as_secs_f64())
            .with("dropped", Value::Object(dropped.collect()))
            .with("counted", Value::Object(counted.collect()))
            .with("written", self.written.clone())
    }
}

impl Tally {
    /// How many there are of each signal and each severity, beside a text that says it.
    fn count(&self, message: Message) -> Message {
        let signals = self.signals();
        let signals = signals.map(|(name, count)| (name.to_owned(), count.opened.into()));
        let made = self.detections();
        let of = |severity: Severity| made.iter().filter(|made| made.severity == severity).count();
        let all = [
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        let detections = all.map(|severity| (severity.name().to_owned(), of(severity).into()));
        message
            .with("signals", Value::Object(signals.collect()))
            .with(
                "detections",
                Value::Object(detections.into_iter().collect()),
            )
    }
}

/// Packets that were dropped for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dropped {
    pub(crate) reason: &'static str,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Prints the summary, unless nothing is to be said.
pub(crate) fn print(talk: &TalkArgs, run: &RunSummary, tally: &Tally) {
    if talk.quiet {
        return;
    }
    let detail = if talk.verbose {
        Detail::Everything
    } else {
        Detail::Usual
    };
    let mut text = Vec::new();
    // Memory takes all of it, and it is text.
    let _ = write(&mut text, detail, run, tally);
    let message = Event::Summary.says(String::from_utf8_lossy(&text));
    say(&run.count(tally.count(message)));
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Detail {
    Usual,
    Everything,
}

fn write(out: &mut impl Write, detail: Detail, run: &RunSummary, tally: &Tally) -> io::Result<()> {
    write_totals(out, run)?;
    write_dropped(out, detail, run)?;
    write_hint(out, run)?;
    write_counters(out, detail, &run.counters)?;
    write_signals(out, tally)?;
    write_detections(out, detail, tally)?;
    run.written
        .iter()
        .try_for_each(|place| writeln!(out, "{:<11} {place}", "written"))
}

fn write_totals(out: &mut impl Write, run: &RunSummary) -> io::Result<()> {
    let RunSummary {
        unit,
        packets,
        bytes,
        flows,
        wall,
        ..
    } = run;
    let unit = unit.name();
    writeln!(
        out,
        "{:<11} {} {unit}, {} bytes ({}), {} flows",
        "read",
        grouped(*packets),
        grouped(*bytes),
        rough(*bytes as f64, "B"),
        grouped(*flows),
    )?;
    if let (Some(first), Some(last)) = (run.first, run.last) {
        let length = length(last.since(first));
        writeln!(
            out,
            "{:<11} {length}, {} to {}",
            "packet time",
            time(first),
            time(last)
        )?;
    }
    let seconds = wall.as_secs_f64().max(1e-6);
    let packet_rate = rough(*packets as f64 / seconds, &format!("{unit}/s"));
    let byte_rate = rough(*bytes as f64 / seconds, "B/s");
    writeln!(
        out,
        "{:<11} {seconds:.3} s, {packet_rate}, {byte_rate}",
        "took"
    )
}

fn write_dropped(out: &mut impl Write, detail: Detail, run: &RunSummary) -> io::Result<()> {
    let (unit, dropped) = (run.unit.name(), &run.dropped);
    let packets: u64 = dropped.iter().map(|dropped| dropped.packets).sum();
    let bytes: u64 = dropped.iter().map(|dropped| dropped.bytes).sum();
    if packets == 0 && detail == Detail::Usual {
        return writeln!(out, "{:<11} nothing", "dropped");
    }
    writeln!(
        out,
        "{:<11} {} {unit}, {} bytes",
        "dropped",
        grouped(packets),
        grouped(bytes)
    )?;
    let shown = dropped
        .iter()
        .filter(|d| d.packets > 0 || detail == Detail::Everything);
    for Dropped {
        reason,
        packets,
        bytes,
    } in shown
    {
        writeln!(
            out,
            "  {reason:<32} {:>14} {unit} {:>18} bytes",
            grouped(*packets),
            grouped(*bytes)
        )?;
    }
    Ok(())
}

/// Many wrong checksums are mostly those of packets that the capturing host sends itself: hardware
/// fills them in later.
fn write_hint(out: &mut impl Write, run: &RunSummary) -> io::Result<()> {
    let mut dropped = run.dropped.iter();
    let wrong = dropped.find(|dropped| dropped.reason == DropReason::BadChecksum.name());
    let wrong = wrong.map_or(0, |dropped| dropped.packets);
    if wrong == 0 || wrong.saturating_mul(MANY_WRONG) < run.packets {
        return Ok(());
    }
    writeln!(
        out,
        "{:<11} {} % of packets have wrong checksums, as where the host that sends them is captured: \
         -C takes them as they are",
        "hint",
        wrong.saturating_mul(100) / run.packets.max(1),
    )
}

fn write_counters(
    out: &mut impl Write,
    detail: Detail,
    counters: &[(String, u64)],
) -> io::Result<()> {
    let mut shown = counters
        .iter()
        .filter(|(name, count)| detail == Detail::Everything || (*count > 0 && matters(name)))
        .peekable();
    if shown.peek().is_some() {
        writeln!(out, "counted")?;
    }
    shown.try_for_each(|(name, count)| writeln!(out, "  {name:<32} {:>14}", grouped(*count)))
}

/// Whether a counter tells that something was left out; the others are for the curious.
fn matters(name: &str) -> bool {
    const TELLING: [&str; 13] = [
        "processed",
        "evicted",
        "given up",
        "not held",
        "not kept",
        "left out",
        "late_events",
        "closed_early",
        "hurried",
        "suppressed",
        "in tunnels",
        "by the kernel",
        "by the interface",
    ];
    TELLING.iter().any(|end| name.ends_with(end))
}

fn write_signals(out: &mut impl Write, tally: &Tally) -> io::Result<()> {
    let total: u64 = tally.signals().map(|(_, count)| count.opened).sum();
    if total == 0 {
        return writeln!(out, "{:<11} none", "signals");
    }
    writeln!(out, "{:<11} {}", "signals", grouped(total))?;
    for (name, count) in tally.signals() {
        let suppressed = match count.suppressed {
            0 => String::new(),
            n => format!("  ({} suppressed)", grouped(n)),
        };
        writeln!(
            out,
            "  {name:<32} {:>14}{suppressed}",
            grouped(count.opened)
        )?;
    }
    Ok(())
}

fn write_detections(out: &mut impl Write, detail: Detail, tally: &Tally) -> io::Result<()> {
    let made = tally.detections();
    let suppressed = match tally.suppressed() {
        0 => String::new(),
        n => format!(" ({n} suppressed)"),
    };
    if made.is_empty() {
        return writeln!(out, "{:<11} none{suppressed}", "detections");
    }
    writeln!(
        out,
        "{:<11} {}{suppressed}",
        "detections",
        grouped(made.len() as u64)
    )?;
    let most = if detail == Detail::Everything {
        usize::MAX
    } else {
        MOST_SHOWN
    };
    made.iter()
        .take(most)
        .try_for_each(|made| write_detection(out, made))?;
    if made.len() > most {
        writeln!(
            out,
            "  and {} more; `flowhawk detections` shows them",
            made.len() - most
        )?;
    }
    if tally.not_kept() > 0 {
        writeln!(
            out,
            "  and more than can be counted here; the outputs have them"
        )?;
    }
    Ok(())
}

fn write_detection(out: &mut impl Write, made: &Made) -> io::Result<()> {
    let style = style(made.severity);
    let id = made.id.to_string();
    writeln!(
        out,
        "  {style}{:<8}{style:#}  {}  {}  {}  {}",
        made.severity.name(),
        id.get(..8).unwrap_or(&id),
        time(made.detected),
        made.rule.id,
        printable(&made.summary),
    )
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Low => Style::new(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Critical => AnsiColor::Red.on_default().bold(),
    }
}

/// `2023-11-14 22:13:20Z`.
pub(crate) fn time(time: Timestamp) -> String {
    let since = Duration::from_nanos(u64::try_from(time.as_nanos()).unwrap_or_default());
    // Packet time ends in 2262, long before what can be printed does.
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since)
        .to_string()
        .replace('T', " ")
}

/// Whole seconds of what is long, milliseconds of what is short.
fn length(span: Span) -> String {
    let exact = Duration::from_nanos(u64::try_from(span.as_nanos()).unwrap_or_default());
    let rounded = match exact.as_secs() {
        0..10 => Duration::from_millis(exact.as_millis().try_into().unwrap_or(u64::MAX)),
        seconds => Duration::from_secs(seconds),
    };
    humantime::format_duration(rounded).to_string()
}

#[cfg(test)]
mod tests {
    use detectors::Finding;

    use super::*;
    use crate::samples;

    fn shown(detail: Detail, run: &RunSummary, tally: &Tally) -> String {
        let mut out = Vec::new();
        write(&mut out, detail, run, tally).unwrap();
        anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string()
    }

    fn run() -> RunSummary {
        RunSummary {
            unit: Unit::Packets,
            packets: 12_345_678,
            bytes: 5_210_123_456,
            flows: 1_234,
            first: Some(Timestamp::new(1_700_000_000, 0)),
            last: Some(Timestamp::new(1_700_003_725, 500_000_000)),
            wall: Duration::from_millis(1_500),
            dropped: vec![
                Dropped {
                    reason: "not IP",
                    packets: 12,
                    bytes: 720,
                },
                Dropped {
                    reason: "cut short",
                    packets: 0,
                    bytes: 0,
                },
            ],
            counters: vec![
                ("flows evicted".to_owned(), 0),
                ("late_events".to_owned(), 7),
            ],
            written: vec!["out/flowhawk.db".to_owned()],
        }
    }

    #[test]
    fn a_summary() {
        let mut tally = Tally::default();
        let mut suppressed = samples::signal(2, "10.0.0.1");
        suppressed.suppressed_by = Some("known".into());
        tally.add(&Finding::SignalOpened(samples::signal(1, "10.0.0.1")));
        tally.add(&Finding::SignalOpened(suppressed));
        let mut hostile = samples::detection(1, "10.0.0.1");
        hostile.summary = "a\u{1b}[31mb".to_owned();
        tally.add(&Finding::DetectionMade(hostile));
        let want = "\
read        12 345 678 packets, 5 210 123 456 bytes (5.21 GB), 1 234 flows
packet time 1h 2m 5s, 2023-11-14 22:13:20Z to 2023-11-14 23:15:25Z
took        1.500 s, 8.23 Mpackets/s, 3.47 GB/s
dropped     12 packets, 720 bytes
  not IP                                       12 packets                720 bytes
counted
  late_events                                   7
signals     2
  PORT_SCAN                                     2  (1 suppressed)
detections  1
  high      00000000  2023-11-14 22:13:50Z  LM-001  a\\u{1b}[31mb
written     out/flowhawk.db
";
        assert_eq!(shown(Detail::Usual, &run(), &tally), want);
        let everything = shown(Detail::Everything, &run(), &tally);
        assert!(everything.contains("cut short") && everything.contains("flows evicted"));
    }

    #[test]
    fn an_empty_run() {
        let want = "\
read        0 packets, 0 bytes (0 B), 0 flows
took        0.000 s, 0 packets/s, 0 B/s
dropped     nothing
signals     none
detections  none
";
        assert_eq!(
            shown(Detail::Usual, &RunSummary::default(), &Tally::default()),
            want
        );
    }

    #[test]
    fn many_wrong_checksums_are_explained() {
        let shown_of = |packets, wrong| {
            let dropped = vec![Dropped {
                reason: DropReason::BadChecksum.name(),
                packets: wrong,
                bytes: 60 * wrong,
            }];
            let run = RunSummary {
                packets,
                dropped,
                ..RunSummary::default()
            };
            shown(Detail::Usual, &run, &Tally::default())
        };
        let want = "hint        8 % of packets have wrong checksums, as where the host that sends them is \
                    captured: -C takes them as they are\n";
        assert!(shown_of(3_443, 288).contains(want));
        for (packets, wrong) in [(1_000, 0), (1_000, 49), (0, 0)] {
            assert!(!shown_of(packets, wrong).contains("hint"), "{wrong}");
        }
    }

    #[test]
    fn a_long_list_is_cut_unless_asked_for() {
        let mut tally = Tally::default();
        (1..=120)
            .for_each(|n| tally.add(&Finding::DetectionMade(samples::detection(n, "10.0.0.1"))));
        let lines = |detail| {
            shown(detail, &RunSummary::default(), &tally)
                .lines()
                .count()
        };
        assert_eq!(lines(Detail::Everything) - lines(Detail::Usual), 19);
    }
}
