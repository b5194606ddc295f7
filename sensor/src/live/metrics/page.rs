//! The page of metrics. Names end as Prometheus's do; what is counted by reason, kind or place has a
//! label for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use detectors::Counters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Sources;
use super::form::{self, Form};
use super::process::Process;
use crate::clock::time_of_day;
use crate::live::listen::Kernel;
use crate::output::ReceiverTally;
use crate::pipeline::StageNow;

/// See the module.
pub(super) struct Page(Registry);

impl Page {
    pub(super) fn of(sources: Arc<Sources>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Sensor(sources)));
        Self(registry)
    }

    /// As it is now.
    pub(super) fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(match form {
            Form::OpenMetrics => text,
            Form::Text => form::plain(&text),
        })
    }
}

#[derive(Debug)]
struct Sensor(Arc<Sources>);

impl Collector for Sensor {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out(encoder);
        let stage = self.0.live.now.stage();
        self.packets(&mut out, &stage)?;
        self.interfaces(&mut out)?;
        flows(&mut out, &stage)?;
        self.waiting(&mut out, &stage)?;
        findings(&mut out, &stage.detectors)?;
        detectors(&mut out, &stage.detectors)?;
        self.logs(&mut out)?;
        self.receivers(&mut out)?;
        self.latency(&mut out)?;
        process(&mut out)
    }
}

impl Sensor {
    fn packets(&self, out: &mut Out<'_>, stage: &StageNow) -> fmt::Result {
        let Sources {
            live,
            missing,
            memory_limit,
            ..
        } = self.0.as_ref();
        let load = |count: &AtomicU64| count.load(Relaxed);
        out.count(
            "flowhawk_packets",
            "Packets that workers took up",
            load(&live.packets),
        )?;
        out.count(
            "flowhawk_captured_bytes",
            "Bytes that were heard",
            load(&live.bytes),
        )?;
        let reasons = stage.dropped.iter();
        let reasons = reasons.map(|(reason, packets, _)| (reason.name(), packets));
        let kernel = [("kernel", load(&missing.dropped))];
        out.counts(
            "flowhawk_packets_dropped",
            "Packets of which nothing was made, by where or why; kernel is kernel and interface",
            "reason",
            reasons.chain(kernel),
        )?;
        out.count(
            "flowhawk_tcp_acks",
            "Acknowledgements of TCP that told of something new",
            stage.loss.acks,
        )?;
        out.count(
            "flowhawk_tcp_gaps",
            "Acknowledgements of TCP of what was never heard",
            stage.loss.gaps,
        )?;
        out.level(
            "flowhawk_memory_limit_bytes",
            "What flows, parsers, detectors and queues may take",
            *memory_limit as f64,
        )
    }

    fn interfaces(&self, out: &mut Out<'_>) -> fmt::Result {
        let all = self.0.interfaces.all();
        let each = |of: fn(&Kernel) -> u64| all.iter().map(move |(name, k)| (name.as_str(), of(k)));
        let label = "interface";
        out.counts(
            "flowhawk_interface_packets",
            "Packets that the kernel saw on the interface",
            label,
            each(|kernel| kernel.received),
        )?;
        out.counts(
            "flowhawk_interface_kernel_drops",
            "Packets that the kernel dropped because its buffer was full",
            label,
            each(|kernel| kernel.dropped),
        )?;
        out.counts(
            "flowhawk_interface_drops",
            "Packets that the interface dropped before the kernel saw them",
            label,
            each(|kernel| kernel.missed),
        )?;
        out.counts(
            "flowhawk_interface_freezes",
            "Times at which no part of the kernel's buffer was free",
            label,
            each(|kernel| kernel.freezes),
        )
    }

    fn waiting(&self, out: &mut Out<'_>, stage: &StageNow) -> fmt::Result {
        let depth = (self.0.depth)();
        let queues = [
            ("workers", depth.used),
            ("stage", stage.queues.stage),
            ("order", stage.queues.unsorted),
            ("logs", stage.queues.logs),
            ("findings", stage.queues.findings),
        ];
        out.levels(
            "flowhawk_queue_depth",
            "What waits: blocks for workers and stage, events for their turn, rows for logs, batches of findings",
            "queue",
            queues.map(|(name, depth)| (name, depth as f64)),
        )?;
        out.level(
            "flowhawk_worker_queue_limit",
            "Blocks that may wait for workers; more are left out as queue_full",
            depth.most as f64,
        )?;
        let behind = time_of_day().since(stage.sealed).as_nanos().max(0) as f64 / 1e9;
        let known = stage.sealed.as_nanos() > 0;
        out.level(
            "flowhawk_lag_seconds",
            "How far detection is behind the time of day",
            if known { behind } else { 0.0 },
        )
    }

    fn logs(&self, out: &mut Out<'_>) -> fmt::Result {
        let logs = &self.0.live.logs;
        let load = |count: &AtomicU64| count.load(Relaxed);
        out.count(
            "flowhawk_log_rows",
            "Rows that were written to logs",
            load(&logs.written),
        )?;
        out.counts(
            "flowhawk_log_rows_lost",
            "Rows that are in no log: files could not be written, or too many waited",
            "reason",
            [
                ("unwritten", load(&logs.unwritten)),
                ("queue_full", load(&logs.crowded)),
            ],
        )?;
        let paused = if logs.is_paused() { 1.0 } else { 0.0 };
        out.level(
            "flowhawk_logs_paused",
            "1 while logs cannot be written",
            paused,
        )
    }

    fn receivers(&self, out: &mut Out<'_>) -> fmt::Result {
        let all = &self.0.receivers;
        let each = |of: fn(&ReceiverTally) -> &AtomicU64| {
            let load = move |tally: &ReceiverTally| of(tally).load(Relaxed);
            all.iter()
                .map(move |(name, tally)| (name.as_str(), load(tally)))
        };
        let label = "receiver";
        out.counts(
            "flowhawk_receiver_findings",
            "Findings that were delivered",
            label,
            each(|tally| &tally.delivered),
        )?;
        out.counts(
            "flowhawk_receiver_findings_lost",
            "Findings that were not and will not be",
            label,
            each(|tally| &tally.lost),
        )?;
        out.counts(
            "flowhawk_receiver_failures",
            "Attempts to deliver that failed",
            label,
            each(|tally| &tally.failures),
        )
    }

    fn latency(&self, out: &mut Out<'_>) -> fmt::Result {
        let now = &self.0.live.now;
        let mut metric = out.begin(
            "flowhawk_finding_latency_seconds",
            "From the packet that was too much to what was found by it",
            MetricType::Histogram,
        )?;
        for (what, histogram) in [("signal", &now.signals), ("detection", &now.detections)] {
            histogram.encode(metric.encode_family(&[("finding", what)])?)?;
        }
        Ok(())
    }
}

fn flows(out: &mut Out<'_>, stage: &StageNow) -> fmt::Result {
    let totals = &stage.totals;
    out.count(
        "flowhawk_flows",
        "Flows that ended: rows of conn.log",
        totals.flows,
    )?;
    let active = [
        ("tcp", stage.active.tcp),
        ("udp", stage.active.udp),
        ("icmp", stage.active.icmp),
    ];
    out.levels(
        "flowhawk_flows_active",
        "Flows that have not ended",
        "proto",
        active.map(|(proto, count)| (proto, count as f64)),
    )?;
    out.count(
        "flowhawk_flows_evicted",
        "Flows that were ended for want of memory",
        totals.evicted,
    )?;
    out.count(
        "flowhawk_flow_events",
        "Events of flows for the detectors",
        totals.events,
    )?;
    out.count(
        "flowhawk_protocol_rows",
        "Rows of protocols' logs",
        totals.protocol_rows,
    )?;
    out.count(
        "flowhawk_inspections_given_up",
        "Flows that were not looked into to the end for want of memory",
        totals.given_up,
    )?;
    out.count(
        "flowhawk_segments_not_held",
        "Segments of TCP that came too early and could not be held",
        totals.not_held,
    )
}

fn findings(out: &mut Out<'_>, counters: &Counters) -> fmt::Result {
    let (signals, rules) = (&counters.signals, &counters.rules);
    out.counts(
        "flowhawk_signals",
        "Signals that opened",
        "kind",
        signals.iter().map(|of| (of.kind.name(), of.opened)),
    )?;
    out.counts(
        "flowhawk_signals_suppressed",
        "Signals that opened and are known",
        "kind",
        signals.iter().map(|of| (of.kind.name(), of.suppressed)),
    )?;
    out.counts(
        "flowhawk_detections",
        "Detections that were made",
        "rule",
        rules.iter().map(|of| (of.rule_id.as_str(), of.made)),
    )?;
    out.counts(
        "flowhawk_detections_suppressed",
        "Detections that were made and are known",
        "rule",
        rules.iter().map(|of| (of.rule_id.as_str(), of.suppressed)),
    )
}

fn detectors(out: &mut Out<'_>, counters: &Counters) -> fmt::Result {
    let signals = &counters.signals;
    out.levels(
        "flowhawk_detector_subjects",
        "Subjects that are watched",
        "kind",
        signals
            .iter()
            .map(|of| (of.kind.name(), of.subjects as f64)),
    )?;
    out.levels(
        "flowhawk_detector_bytes",
        "Memory of what is watched",
        "kind",
        signals.iter().map(|of| (of.kind.name(), of.bytes as f64)),
    )?;
    out.counts(
        "flowhawk_detector_evictions",
        "Subjects that were forgotten because there were too many",
        "kind",
        signals.iter().map(|of| (of.kind.name(), of.evicted)),
    )?;
    out.level(
        "flowhawk_destinations",
        "Destinations outside that are known",
        counters.destinations as f64,
    )?;
    out.count(
        "flowhawk_late_events",
        "Events that came too late to count",
        counters.late_events,
    )
}

fn process(out: &mut Out<'_>) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    out.levels(
        "flowhawk_build_info",
        "Always 1",
        version[0].0,
        [(version[0].1, 1.0)],
    )?;
    let Some(process) = Process::now() else {
        return Ok(());
    };
    out.level(
        "process_resident_memory_bytes",
        "Memory in use",
        process.resident_bytes as f64,
    )?;
    out.level("process_open_fds", "Open files", process.open_files as f64)?;
    let seconds = ConstCounter::new(process.cpu_seconds);
    let name = "process_cpu_seconds";
    seconds.encode(out.begin(name, "Processor time", MetricType::Counter)?)
}

/// Writes metrics.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn begin(
        &mut self,
        name: &'static str,
        help: &str,
        kind: MetricType,
    ) -> Result<prometheus_client::encoding::MetricEncoder<'_>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    /// What only grows. Its name on the page ends with `_total`.
    fn count(&mut self, name: &'static str, help: &str, value: u64) -> fmt::Result {
        let metric = self.begin(name, help, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn counts<'l>(
        &mut self,
        name: &'static str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'l str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, MetricType::Counter)?;
        values.into_iter().try_for_each(|(of, value)| {
            ConstCounter::new(value).encode(metric.encode_family(&[(label, of)])?)
        })
    }

    /// What goes up and down.
    fn level(&mut self, name: &'static str, help: &str, value: f64) -> fmt::Result {
        let metric = self.begin(name, help, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn levels<'l>(
        &mut self,
        name: &'static str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'l str, f64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(of, value)| {
            ConstGauge::new(value).encode(metric.encode_family(&[(label, of)])?)
        })
    }
}
