//! Findings reach other programs: real ones receive them. Needs what tests/live.rs needs, and nc, python3 and
//! logger's counterpart in Python; says so and passes where that is missing.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use support::net::{Wires, can_be_wired, capture, now, wait_until};
use support::run::installed;

/// A capture with signals and one detection, and what replaying it writes as JSON lines.
const CAPTURE: &str = "horizontal-scan";

/// A program that receives into a file, until it is dropped.
struct Receiving {
    child: Child,
    into: PathBuf,
}

impl Receiving {
    fn begin(mut command: Command, into: PathBuf) -> Self {
        let file = fs::File::create(&into).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap();
        // It has no way to say that it listens.
        thread::sleep(Duration::from_millis(700));
        Self { child, into }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.into).unwrap()
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that was found, as `--json` has it, and the detections in it.
fn found(json: &Path) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(json).unwrap();
    let all: Vec<String> = text.lines().map(str::to_owned).collect();
    let detections = all
        .iter()
        .filter(|line| line.starts_with("{\"type\":\"detection\""));
    let detections = detections.cloned().collect();
    (all, detections)
}

/// Takes requests and prints their bodies; refuses the first two, as one that is overloaded.
const HOOK: &str = "
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    seen = 0
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        Hook.seen += 1
        busy = Hook.seen <= 2
        if not busy:
            assert self.headers['Content-Type'] == 'application/json'
            print(body.decode(), flush=True)
        self.send_response(503 if busy else 204)
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(('127.0.0.1', 8080), Hook).serve_forever()
";

/// Takes what syslog is sent: over a stream, datagrams, and a socket such as /dev/log. Checks each
/// message against the grammar of RFC 5424 and prints the kind and the text.
const SYSLOG: &str = "
import re, socket, sys, threading
form = re.compile(rb'<(\\d{1,3})>1 \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z (\\S{1,255}) flowhawk \\d+ (\\S{1,32}) - (.*)', re.S)
lock = threading.Lock()
def take(way, message):
    match = form.fullmatch(message)
    with lock:
        print(way, match[1].decode(), match[3].decode(), match[4].decode() if match else message, flush=True)
def datagrams(way, s):
    while True: take(way, s.recv(65536))
def stream():
    s = socket.create_server(('127.0.0.1', 601))
    while True:
        f = s.accept()[0].makefile('rb')
        while True:
            digits = b''
            while (c := f.read(1)) not in (b' ', b''): digits += c
            if not digits: break
            take('tcp', f.read(int(digits)))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('127.0.0.1', 514))
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); log.bind(sys.argv[1])
for work in (stream, lambda: datagrams('udp', udp), lambda: datagrams('unix', log)):
    threading.Thread(target=work).start()
";

fn python(wires: &Wires, script: &str, args: &[&Path]) -> Command {
    let mut command = wires.at_the_end(Path::new("python3"));
    command.args(["-u", "-c", script]).args(args);
    command
}

fn nc(wires: &Wires, args: &[&str]) -> Command {
    let mut command = wires.at_the_end(Path::new("nc"));
    command.args(args);
    command
}

#[test]
fn findings_reach_every_kind_of_receiver() {
    if !can_be_wired() || !installed("python3") || !installed("nc") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let (socket, log) = (at("socket"), at("log"));
    let tcp = Receiving::begin(nc(&wires, &["-l", "127.0.0.1", "7001"]), at("tcp"));
    let udp = Receiving::begin(nc(&wires, &["-u", "-l", "127.0.0.1", "7002"]), at("udp"));
    let unix = Receiving::begin(nc(&wires, &["-lU", socket.to_str().unwrap()]), at("unix"));
    let syslog = Receiving::begin(python(&wires, SYSLOG, &[&log]), at("syslog"));
    let hook = Receiving::begin(python(&wires, HOOK, &[]), at("hook"));
    let targets = [
        "tcp://127.0.0.1:7001".to_owned(),
        "udp://127.0.0.1:7002".to_owned(),
        format!("unix://{}", socket.display()),
        "syslog+tcp://127.0.0.1:601".to_owned(),
        "syslog+udp://127.0.0.1:514".to_owned(),
        format!("syslog+unixgram://{}", log.display()),
        "http://127.0.0.1:8080/hook".to_owned(),
    ];
    let json = at("found.jsonl");
    let mut options = vec!["--json", json.to_str().unwrap()];
    options.extend(targets.iter().flat_map(|target| ["--send", target]));
    let ear = wires.listen(&at("out"), &options);
    wires.send(&capture(CAPTURE), &["--topspeed"]);
    // Until the hook that was busy is tried again.
    wait_until("the hook is told", || !hook.text().is_empty());
    let ran = ear.finish().exits(0);
    assert!(
        ran.stderr.contains(
            "http://127.0.0.1:8080/hook: answered 503 Service Unavailable; it is tried again"
        ),
        "{ran:#?}"
    );
    let (all, detections) = found(&json);
    assert!(
        all.len() > detections.len() && !detections.is_empty(),
        "{all:#?}"
    );
    for receiving in [&tcp, &udp, &unix] {
        wait_until("all lines are there", || {
            receiving.text().lines().count() >= all.len()
        });
        assert_eq!(receiving.text().lines().collect::<Vec<_>>(), all);
    }
    wait_until("all are posted", || {
        hook.text().lines().count() >= detections.len()
    });
    assert_eq!(hook.text().lines().collect::<Vec<_>>(), detections);
    wait_until("syslog has all", || {
        syslog.text().lines().count() >= 3 * detections.len()
    });
    assert_syslog_told(&syslog.text(), &detections);
}

/// Each way of syslog brought every detection, under its rule.
fn assert_syslog_told(text: &str, detections: &[String]) {
    for way in ["tcp", "udp", "unix"] {
        let lines = text.lines().filter_map(|line| line.strip_prefix(way));
        let told: Vec<&str> = lines
            .map(|line| line.splitn(4, ' ').nth(3).unwrap())
            .collect();
        assert_eq!(told, detections, "{text}");
        let label = text.lines().next().unwrap().split(' ').nth(2).unwrap();
        assert!(
            detections[0].contains(&format!("\"rule_id\":\"{label}\"")),
            "{text}"
        );
    }
}

/// One that is away holds nobody up, gets what waits when it is there, and is counted at the end.
#[test]
fn a_receiver_that_is_away_is_tried_again() {
    if !can_be_wired() || !installed("nc") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let json = at("found.jsonl");
    let options = [
        "--json",
        json.to_str().unwrap(),
        "--send",
        "tcp://127.0.0.1:7001",
        "--send",
        "http://127.0.0.1:7009/",
    ];
    let mut ear = wires.listen(&at("out"), &options);
    wires.send(&capture(CAPTURE), &["--topspeed"]);
    ear.hears("tcp://127.0.0.1:7001: Connection refused (os error 111); it is tried again");
    let tcp = Receiving::begin(nc(&wires, &["-l", "127.0.0.1", "7001"]), at("tcp"));
    ear.hears("tcp://127.0.0.1:7001: it is there again");
    let begun = now();
    let ran = ear.finish().exits(1);
    assert!(begun.elapsed() < Duration::from_secs(6), "{ran:#?}");
    let (all, detections) = found(&json);
    wait_until("all lines are there", || {
        tcp.text().lines().count() >= all.len()
    });
    assert_eq!(tcp.text().lines().collect::<Vec<_>>(), all);
    let lost = format!(
        "http://127.0.0.1:7009/: {} findings were not delivered",
        detections.len()
    );
    assert!(ran.stderr.contains(&lost), "{lost}: {ran:#?}");
}
