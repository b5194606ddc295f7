//! What `flowhawk live` is to do for months with nobody looking: it tells how it goes, loses nothing
//! silently, and goes on when what is around it fails. Needs what tests/live.rs needs; says so and passes
//! where that is missing.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use support::mmdb;
use support::net::{Wires, can_be_wired, capture, wait_until};
use support::root;
use support::rows::rows;
use support::run::{installed, said};
use support::summary::Summary;

/// What Prometheus asks for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// What Prometheus on the listening host is answered: the status and the text.
fn ask(wires: &Wires, path: &str) -> (u16, String) {
    ask_for(OPEN_METRICS, wires, path)
}

/// The same in the form that is accepted.
fn ask_for(form: &str, wires: &Wires, path: &str) -> (u16, String) {
    let mut curl = wires.at_the_end(Path::new("curl"));
    curl.args(["-s", "--max-time", "5", "-w", "\n%{http_code}"]);
    curl.args(["-H", &format!("Accept: {form}")]);
    let answer = curl
        .arg(format!("http://127.0.0.1:9617{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8(answer.stdout).unwrap();
    let (text, status) = text.rsplit_once('\n').unwrap_or_default();
    (status.parse().unwrap_or(0), text.to_owned())
}

/// The samples of a page of metrics: with labels as they stand, without `# ` lines.
#[derive(Debug)]
struct Samples(BTreeMap<String, f64>);

impl Samples {
    fn of(wires: &Wires) -> Self {
        let (status, text) = ask(wires, "/metrics");
        assert_eq!(status, 200, "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| {
                    let (name, value) = line.rsplit_once(' ').unwrap();
                    (name.to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        let value = self.0.get(name);
        *value.unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    #[track_caller]
    fn assert_is(&self, name: &str, want: f64) {
        let got = self.get(name);
        assert!(
            (got - want).abs() < 0.5,
            "{name} is {got}, not {want}: {self:#?}"
        );
    }

    /// Of all labels.
    fn sum(&self, name: &str) -> f64 {
        let of = |key: &&String| key.split('{').next() == Some(name);
        let keys = self.0.keys().filter(of);
        keys.map(|key| self.0[key]).sum()
    }

    /// Names without labels.
    fn names(&self) -> BTreeSet<&str> {
        let keys = self.0.keys();
        keys.map(|key| key.split('{').next().unwrap()).collect()
    }
}

#[test]
fn metrics_are_what_the_summary_says() {
    if !can_be_wired() || !installed("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let ear = wires.listen(dir.path(), &["--metrics", "9617", "--threads", "2"]);
    assert_eq!(ask(&wires, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(ask(&wires, "/").0, 404);
    let before = Samples::of(&wires);
    assert!(before.get("flowhawk_packets_total").abs() < 0.5);
    let sent = wires.send(&capture("lateral-movement"), &[]);
    // Everything but the flows that are open has been told after two seconds.
    thread::sleep(Duration::from_secs(3));
    let samples = Samples::of(&wires);
    let is = |name: &str, want: f64| samples.assert_is(name, want);
    is("flowhawk_packets_total", sent as f64);
    is(
        "flowhawk_interface_packets_total{interface=\"b0\"}",
        sent as f64,
    );
    is("flowhawk_signals_total{kind=\"PORT_SCAN\"}", 1.0);
    is("flowhawk_detections_total{rule=\"LM-001\"}", 1.0);
    is("flowhawk_packets_dropped_total{reason=\"kernel\"}", 0.0);
    is("flowhawk_packets_dropped_total{reason=\"queue_full\"}", 0.0);
    is(
        "flowhawk_finding_latency_seconds_count{finding=\"detection\"}",
        samples.sum("flowhawk_detections_total"),
    );
    is(
        "flowhawk_finding_latency_seconds_count{finding=\"signal\"}",
        samples.sum("flowhawk_signals_total"),
    );
    // What is found is found at once.
    is(
        "flowhawk_finding_latency_seconds_bucket{le=\"1.0\",finding=\"detection\"}",
        samples.sum("flowhawk_detections_total"),
    );
    let lag = samples.get("flowhawk_lag_seconds");
    assert!((0.0..2.5).contains(&lag), "{lag}");
    assert!(samples.get("process_resident_memory_bytes") > 1e6);
    let ran = ear.finish().exits(0);
    let summary = Summary::of(&ran.stderr).unwrap();
    let dropped = samples.sum("flowhawk_packets_dropped_total");
    assert_eq!(sent, summary.packets, "{ran:#?}");
    assert!((dropped - summary.dropped as f64).abs() < 0.5, "{ran:#?}");
    let flows = samples.sum("flowhawk_flows_total") + samples.sum("flowhawk_flows_active");
    assert!(
        flows <= summary.flows as f64 && flows > 0.0,
        "{flows} {ran:#?}"
    );
    assert!(
        ran.stderr
            .contains("metrics at http://127.0.0.1:9617/metrics"),
        "{ran:#?}"
    );
}

/// Those who do not ask for OpenMetrics get the older form, which promtool checks.
#[test]
fn promtool_finds_no_fault_with_metrics() {
    if !can_be_wired() || !installed("curl") || !installed("promtool") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let ear = wires.listen(
        dir.path(),
        &["--metrics", "9617", "--send", "udp://127.0.0.1:9"],
    );
    wires.send(&capture("lateral-movement"), &["--topspeed"]);
    thread::sleep(Duration::from_secs(3));
    let (status, page) = ask_for("*/*", &wires, "/metrics");
    let samples = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();
    let open_metrics = ask(&wires, "/metrics").1;
    assert_eq!((status, samples(&page)), (200, samples(&open_metrics)));
    let file = dir.path().join("page");
    fs::write(&file, &page).unwrap();
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");
    ear.finish();
}

/// Names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("flowhawk_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn the_dashboard_shows_only_what_is_served_and_all_of_it() {
    if !can_be_wired() || !installed("curl") {
        return;
    }
    let text = fs::read_to_string(root().join("docs/grafana/flowhawk.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let named = metrics_in(target["expr"].as_str().unwrap());
            assert!(!named.is_empty(), "{target}");
            shown.extend(named);
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        shown.extend(metrics_in(variable["query"].as_str().unwrap()));
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let options = ["--metrics", "9617", "--send", "udp://127.0.0.1:9"];
    let ear = wires.listen(dir.path(), &options);
    let mut told = Samples::of(&wires);
    wait_until("the kernel's counters are told", || {
        told = Samples::of(&wires);
        told.names().contains("flowhawk_interface_packets_total")
            && told.names().contains("flowhawk_signals_total")
    });
    let parts = [
        "flowhawk_finding_latency_seconds_sum",
        "flowhawk_finding_latency_seconds_count",
    ];
    let served: BTreeSet<&str> = told
        .names()
        .into_iter()
        .filter(|name| !parts.contains(name))
        .collect();
    assert_eq!(shown, served);
    if installed("promtool") {
        let (_, page) = ask(&wires, "/metrics");
        assert_promtool_agrees(&page);
    }
    ear.stop().exits(0);
}

fn assert_promtool_agrees(page: &str) {
    use std::io::Write as _;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let said = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        !said.contains("error while linting: text format parsing error"),
        "{said}"
    );
}

/// One who asks and says no more keeps others waiting for seconds only, and no packet.
#[test]
fn who_asks_slowly_or_nonsense_is_left() {
    if !can_be_wired() || !installed("curl") || !installed("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let ear = wires.listen(dir.path(), &["--metrics", "127.0.0.1:9617"]);
    let slow = "import socket,time\n\
        a=[socket.create_connection(('127.0.0.1',9617)) for _ in range(3)]\n\
        a[0].send(b'GET /metr')\na[1].send(b'\\x00'*20000)\nprint('there',flush=True)\ntime.sleep(30)";
    let mut python = wires.at_the_end(Path::new("python3"));
    let mut child = python
        .args(["-c", slow])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut there, told) = (String::new(), child.stdout.take().unwrap());
    BufReader::new(told).read_line(&mut there).unwrap();
    assert_eq!(there, "there\n");
    wait_until("somebody else is answered", || {
        ask(&wires, "/healthz").0 == 200
    });
    let sent = wires.send(&capture("vlan"), &[]);
    let ran = ear.finish().exits(0);
    assert_eq!(Summary::of(&ran.stderr).unwrap().packets, sent, "{ran:#?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn metrics_that_cannot_be_served_are_said_at_once() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let ear = wires.listen(&dir.path().join("first"), &["--metrics", "9617"]);
    let out = dir.path().join("second");
    let mut command = wires.at_the_end(Path::new("timeout"));
    command.arg("10").arg(support::run::binary());
    command.args(["live", "-i", "b0", "--metrics", "9617", "-o"]);
    let ran: support::run::Ran = command.arg(&out).output().unwrap().into();
    let ran = ran.exits(2);
    let want = "cannot serve metrics at 127.0.0.1:9617: Address already in use";
    assert!(ran.stderr.contains(want), "{ran:#?}");
    assert!(!out.exists(), "nothing is written");
    ear.stop().exits(0);
}

/// Numbers of a column of all rows of stats.log.
fn column(log: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(log).unwrap();
    let fields = text
        .lines()
        .find_map(|line| line.strip_prefix("#fields\t"))
        .unwrap();
    let at = fields.split('\t').position(|field| field == name).unwrap();
    rows(log)
        .iter()
        .map(|row| row.split('\t').nth(at).unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn stats_log_tells_every_loss() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("small.toml");
    fs::write(&config, "memory_limit = \"64MiB\"\n").unwrap();
    let config = config.to_str().unwrap();
    let small = [
        "--config",
        config,
        "--buffer-size",
        "1MiB",
        "--threads",
        "1",
    ];
    let two = [&small[..], &["-i", "b1"]].concat();
    for (name, options) in [("one", &small[..]), ("two", &two)] {
        let wires = Wires::new(2);
        let out = dir.path().join(name);
        let ear = wires.listen(&out, options);
        wires.send(&capture("syn-flood"), &["--topspeed", "--loop", "40"]);
        let ran = ear.finish();
        let summary = Summary::of(&ran.stderr).unwrap();
        let counted = |what: &str| -> u64 {
            let lines = ran.stderr.lines().map(str::trim);
            let counts = lines.filter_map(|line| {
                line.split_once(what)
                    .filter(|(name, _)| name.ends_with(": "))
            });
            counts
                .map(|(_, count)| count.replace(' ', "").parse::<u64>().unwrap())
                .sum()
        };
        let by_kernel = counted("dropped by the kernel") + counted("dropped by the interface");
        let log = out.join("stats.log");
        let behind = summary.reasons.get("queue_full").copied().unwrap_or(0);
        assert_eq!(column(&log, "dropped_queue_full"), behind, "{ran:#?}");
        assert_eq!(column(&log, "pkts_proc"), summary.packets, "{ran:#?}");
        assert_eq!(column(&log, "pkts_dropped"), by_kernel, "{ran:#?}");
        assert_eq!(
            column(&log, "pkts_link"),
            summary.packets + by_kernel,
            "{ran:#?}"
        );
        assert!(behind + by_kernel > 0, "{ran:#?}");
    }
}

#[test]
fn loss_is_said_while_it_happens() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("small.toml");
    fs::write(&config, "memory_limit = \"64MiB\"\n").unwrap();
    let config = config.to_str().unwrap();
    let wires = Wires::new(1);
    let small = [
        "--config",
        config,
        "--buffer-size",
        "1MiB",
        "--threads",
        "1",
    ];
    let mut ear = wires.listen(dir.path(), &small);
    wires.send(&capture("syn-flood"), &["--topspeed", "--loop", "40"]);
    ear.hears("losing packets: ");
    let ran = ear.finish().exits(1);
    let notices = rows(&dir.path().join("notice.log"));
    let [notice] = &notices[..] else {
        panic!("{notices:?} {ran:#?}");
    };
    let cells: Vec<&str> = notice.split('\t').collect();
    assert_eq!(
        (cells.len(), cells[10]),
        (26, "PacketFilter::Dropped_Packets")
    );
    assert!(ran.stderr.contains(cells[11]), "{notice} {ran:#?}");
}

/// Whatever happens: loss, reloads that succeed and that fail, the end.
#[test]
fn all_that_is_said_can_be_json() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (config, out) = (dir.path().join("small.toml"), dir.path().join("out"));
    let small = "memory_limit = \"64MiB\"\n";
    fs::write(&config, small).unwrap();
    let options = [
        "--config",
        config.to_str().unwrap(),
        "--buffer-size",
        "1MiB",
        "--threads",
        "1",
        "--metrics",
        "127.0.0.1:0",
        "--messages",
        "json",
    ];
    let wires = Wires::new(1);
    let mut ear = wires.listen(&out, &options);
    let sent = wires.send(&capture("syn-flood"), &["--topspeed", "--loop", "40"]);
    ear.hears("losing packets: ");
    for (settings, said) in [
        ("tick = \"200ms\"\n", "tick changed: "),
        ("tick = 7\n", "the configuration stays as it was"),
    ] {
        fs::write(&config, small.to_owned() + settings).unwrap();
        ear.signal("-HUP");
        ear.hears(said);
    }
    let ran = ear.finish().exits(1);
    let said = said(&ran.stderr);
    let events: Vec<&str> = said.iter().map(event).collect();
    let first = [
        "metrics_served",
        "listening",
        "packets_lost",
        "reloaded",
        "restart_needed",
        "configuration_kept",
        "summary",
    ];
    assert_eq!(events[..first.len()], first, "{ran:#?}");
    let [_, listening, loss, reloaded, key, kept, summary, ends @ ..] = &said[..] else {
        panic!("{ran:#?}");
    };
    assert_eq!(listening["interfaces"], json!(["b0"]));
    assert!(number(&loss["dropped"]) > 0 && number(&loss["of"]) >= number(&loss["dropped"]));
    assert_eq!(number(&reloaded["suppressions"]), 0);
    assert_eq!(key["key"], "tick");
    assert_eq!(number(&kept["problems"]), 1);
    assert_adds_up(summary, ends, sent);
}

/// A summary that says where each packet is that was sent, and messages after it of each loss.
#[track_caller]
fn assert_adds_up(summary: &Value, ends: &[Value], sent: u64) {
    let (packets, counted) = (number(&summary["packets"]), &summary["counted"]);
    let by_kernel = number(&counted["b0: dropped by the kernel"]);
    let missed = number(&counted["b0: dropped by the interface"]);
    assert_eq!(packets + by_kernel + missed, sent, "{summary}");
    let dropped = summary["dropped"].as_object().unwrap().values().map(number);
    let processed = number(&counted["packets processed"]);
    assert_eq!(processed + dropped.sum::<u64>(), packets, "{summary}");
    let told = |kind: &str, field: &str| {
        let of_kind = ends.iter().filter(|message| event(message) == kind);
        of_kind.map(|message| number(&message[field])).sum::<u64>()
    };
    assert_eq!(told("kernel_dropped", "dropped"), by_kernel, "{ends:?}");
    assert_eq!(told("interface_dropped", "dropped"), missed, "{ends:?}");
    let behind = number(&summary["dropped"]["queue_full"]);
    assert_eq!(told("queue_full", "packets"), behind, "{ends:?}");
}

fn event(message: &Value) -> &str {
    message["event"].as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Acknowledgements tell of bytes that the filter keeps away.
#[test]
fn what_only_receivers_had_is_said() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let ear = wires.listen(dir.path(), &["--filter", "len < 200"]);
    wires.send(&capture("malware-delivery"), &["--topspeed"]);
    let ran = ear.finish().exits(0);
    let notices = rows(&dir.path().join("notice.log"));
    let [notice] = &notices[..] else {
        panic!("{notices:?} {ran:#?}");
    };
    let cells: Vec<&str> = notice.split('\t').collect();
    assert_eq!(cells[10], "CaptureLoss::Too_Much_Loss", "{notice}");
    assert!(
        ran.stderr.contains("was never heard (capture_loss.log)"),
        "{ran:#?}"
    );
}

/// A small disk.
struct Disk(PathBuf);

impl Disk {
    fn new(path: &Path, size: &str) -> Self {
        fs::create_dir(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", size, "flowhawk-test"]);
        assert!(mount.arg(path).status().unwrap().success());
        Self(path.to_owned())
    }

    /// Takes all room that is left.
    fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let filler = self.0.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        while file.write_all(&[7]).is_ok() {}
        filler
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// While a disk is full nothing is logged, everything is heard and found; then it goes on by itself.
#[test]
fn a_full_disk_pauses_logs_and_nothing_else() {
    if !can_be_wired() || !installed("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(&dir.path().join("disk"), "size=2m");
    let (out, json) = (disk.0.join("out"), dir.path().join("found.jsonl"));
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let options = ["--metrics", "9617", "--json", json.to_str().unwrap()];
    let mut ear = wires.listen(&out, &options);
    let mut sent = wires.send(&capture("horizontal-scan"), &["--topspeed"]);
    thread::sleep(Duration::from_secs(7));
    let filler = disk.fill();
    sent += wires.send(&capture("syn-flood"), &["--topspeed"]);
    sent += wires.send(&capture("lateral-movement"), &[]);
    ear.hears("cannot write on: No space left on device");
    assert_eq!(
        ask(&wires, "/healthz"),
        (200, "ok\nlogs cannot be written\n".to_owned())
    );
    assert!(Samples::of(&wires).get("flowhawk_logs_paused") > 0.5);
    let found = || {
        fs::read_to_string(&json)
            .unwrap()
            .contains("\"rule_id\":\"LM-001\"")
    };
    wait_until("it is found all the same", found);
    fs::remove_file(filler).unwrap();
    ear.hears("logs are written again");
    sent += wires.send(&capture("near-miss-port-scan"), &[]);
    let ran = ear.finish().exits(1);
    let summary = Summary::of(&ran.stderr).unwrap();
    assert_eq!(
        (summary.packets, summary.adds_up()),
        (sent, true),
        "{ran:#?}"
    );
    let text = fs::read_to_string(out.join("conn.log")).unwrap();
    assert!(
        text.lines().last().unwrap().starts_with("#close\t"),
        "{text}"
    );
    let columns = text.lines().filter(|line| !line.starts_with('#'));
    assert!(
        columns.into_iter().all(|row| row.split('\t').count() == 23),
        "no row in part"
    );
    // Of every log, rows are there or counted.
    let lost = ran
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix("log rows left out"));
    let lost: u64 = lost.unwrap().replace(' ', "").parse().unwrap();
    let written = rows(&out.join("conn.log")).len() as u64;
    assert!(lost > 0 && written < summary.flows, "{ran:#?}");
    assert!(written + lost >= summary.flows, "{written} {ran:#?}");
    assert!(
        has_detection(&out.join("flowhawk.db"), "LM-001"),
        "{ran:#?}"
    );
}

/// Whether the database has one of this rule.
fn has_detection(database: &Path, rule: &str) -> bool {
    let database = rusqlite::Connection::open(database).unwrap();
    let count = "SELECT count(*) FROM detections WHERE rule_id = ?1";
    let count: i64 = database.query_row(count, [rule], |row| row.get(0)).unwrap();
    count == 1
}

#[test]
fn logs_rotate_by_size_and_the_oldest_go() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    let options = [
        "--rotate-size",
        "32KiB",
        "--keep-size",
        "40KiB",
        "--keep",
        "1h",
    ];
    let ear = wires.listen(dir.path(), &options);
    let mut sizes = Vec::new();
    for _ in 0..14 {
        wires.send(&capture("horizontal-scan"), &["--topspeed", "--loop", "3"]);
        thread::sleep(Duration::from_millis(2_200));
        sizes.push(put_away(dir.path()));
    }
    let ran = ear.finish().exits(0);
    let most = sizes.iter().map(|(_, bytes)| *bytes).max().unwrap();
    assert!(
        sizes.iter().any(|(files, _)| *files > 1),
        "{sizes:?} {ran:#?}"
    );
    // Looked at every ten seconds: by then one or two more may have come.
    assert!(most < 120 * 1024, "{sizes:?}");
}

/// How many logs were put away, and their bytes.
fn put_away(dir: &Path) -> (usize, u64) {
    let entries = |dir: &Path| fs::read_dir(dir).unwrap().flatten();
    let days = entries(dir).filter(|entry| entry.path().is_dir());
    let sizes = days.flat_map(|day| entries(&day.path()).collect::<Vec<_>>());
    let sizes: Vec<u64> = sizes
        .filter_map(|log| Some(log.metadata().ok()?.len()))
        .collect();
    (sizes.len(), sizes.iter().sum())
}

/// How many signals of this kind say that they are about somebody on this list.
fn listed(database: &Path, kind: &str, list: &str) -> i64 {
    let database = rusqlite::Connection::open(database).unwrap();
    let count = "SELECT count(*) FROM signals WHERE signal_type = ?1 \
                 AND json_extract(evidence_json, '$.listed') = ?2";
    database
        .query_row(count, [kind, list], |row| row.get(0))
        .unwrap()
}

#[test]
fn threat_lists_and_databases_are_read_again_without_a_restart() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (config, out) = (file("flowhawk.toml"), file("out"));
    let database = |code| mmdb::database("Test-Country", &[("128.0.0.0/1", mmdb::country(code))]);
    let (before, after) = (database("AQ"), database("BV"));
    fs::write(file("c.mmdb"), before).unwrap();
    fs::write(file("bad.txt"), "192.0.2.1\n").unwrap();
    let named = "threat_lists = ['bad.txt']\nenrichment.country = 'c.mmdb'\n";
    fs::write(&config, named).unwrap();
    let wires = Wires::new(1);
    let mut ear = wires.listen(&out, &["--config", config.to_str().unwrap()]);
    // Where one is broken, all stays as it was.
    fs::write(file("bad.txt"), b"198.51.100.66\n\xff\n").unwrap();
    fs::write(file("c.mmdb"), "garbage").unwrap();
    ear.signal("-HUP");
    ear.hears("the configuration stays as it was");
    ear.hears("bad.txt: is not UTF-8 text");
    ear.hears("c.mmdb: is no database in MaxMind's format");
    fs::write(file("bad.txt"), "198.51.100.66\n198.51.100.67\n").unwrap();
    fs::write(file("c.mmdb"), after).unwrap();
    ear.signal("-HUP");
    ear.hears("0 suppressions in force, 2 indicators");
    wires.send(&capture("malware-delivery"), &["--multiplier", "5"]);
    let ran = ear.finish();
    ran.exits(0);
    let found = out.join("flowhawk.db");
    assert_eq!(listed(&found, "THREAT_LIST_MATCH", "bad.txt"), 1);
    assert_eq!(listed(&found, "POST_DOWNLOAD_BEACON", "bad.txt"), 1);
    let found = rusqlite::Connection::open(&found).unwrap();
    let said = "SELECT country FROM v_detection_outside WHERE ip = '198.51.100.66'";
    let country: String = found.query_row(said, [], |row| row.get(0)).unwrap();
    assert_eq!(country, "BV");
}

#[test]
fn rules_are_read_again_without_a_restart() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (config, rules, out) = (
        dir.path().join("flowhawk.toml"),
        dir.path().join("rules"),
        dir.path().join("out"),
    );
    fs::create_dir(&rules).unwrap();
    fs::write(&config, "rules = [\"rules\"]\n").unwrap();
    let wires = Wires::new(1);
    let mut ear = wires.listen(&out, &["--config", config.to_str().unwrap()]);
    let recon = root().join("detectors/rules/network_scan.yml");
    let own = fs::read_to_string(recon)
        .unwrap()
        .replace("RECON-001", "OWN-001");
    fs::write(rules.join("own.yml"), own).unwrap();
    ear.signal("-HUP");
    let rules = detectors::BUILTIN_RULES.len() + 1;
    ear.hears(&format!("{rules} rules and 0 suppressions in force"));
    wires.send(&capture("horizontal-scan"), &[]);
    ear.finish().exits(0);
    for rule in ["RECON-001", "OWN-001"] {
        assert!(has_detection(&out.join("flowhawk.db"), rule), "{rule}");
    }
}
