//! Findings reach other programs: real ones receive them. Needs what tests/live.rs needs, and nc, python3,
//! logger's counterpart in Python and openssl; says so and passes where that is missing.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use support::net::{Wires, can_be_wired, capture, now, wait_until};
use support::run::{binary, installed};

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

/// Takes lines, syslog and posts, each over TLS, at a port and the two after it; shows a certificate.
const TLS: &str = "
import http.server, socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1])
port = int(sys.argv[2])
def told(way, text): print(way + ' ' + text, end='', flush=True)
def lines(file):
    for line in file: told('lines', line.decode())
def syslog(file):
    while True:
        digits = b''
        while (c := file.read(1)) not in (b' ', b''): digits += c
        if not digits: break
        told('syslog', file.read(int(digits)).decode().split(' - ', 1)[1] + '\\n')
def serve(port, take):
    listening = socket.create_server(('127.0.0.1', port))
    while True:
        try: take(context.wrap_socket(listening.accept()[0], server_side=True).makefile('rb'))
        except OSError: pass
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told('hook', self.rfile.read(int(self.headers['Content-Length'])).decode() + '\\n')
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args): pass
for n, take in enumerate((lines, syslog)):
    threading.Thread(target=serve, args=(port + n, take)).start()
hook = http.server.HTTPServer(('127.0.0.1', port + 2), Hook)
hook.socket = context.wrap_socket(hook.socket, server_side=True)
hook.serve_forever()
";

/// An authority that signs certificates with openssl.
struct Authority {
    dir: PathBuf,
}

impl Authority {
    fn new(dir: PathBuf) -> Self {
        fs::create_dir(&dir).unwrap();
        let this = Self { dir };
        // Two of one name would be taken for each other.
        let name = this.dir.file_name().unwrap().to_str().unwrap();
        this.openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN={name} -days 2"
        ));
        this
    }

    fn openssl(&self, args: &str) {
        let mut command = Command::new("openssl");
        let ran = command.args(args.split(' ')).current_dir(&self.dir);
        let ran = ran.output().unwrap();
        assert!(ran.status.success(), "openssl {args}: {ran:?}");
    }

    /// A file with a key, and a certificate that says who has it.
    fn vouches_for(&self, whom: &str, file: &str) -> PathBuf {
        let names = format!("subjectAltName = {whom}\n");
        fs::write(self.dir.join("names"), names).unwrap();
        self.openssl("req -newkey rsa:2048 -nodes -keyout key -out asked -subj /CN=receiver");
        self.openssl(
            "x509 -req -in asked -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out signed",
        );
        let both = ["key", "signed"].map(|file| fs::read_to_string(self.dir.join(file)).unwrap());
        let file = self.dir.join(file);
        fs::write(&file, both.concat()).unwrap();
        file
    }
}

/// What came this way.
fn told(receiving: &Receiving, way: &str) -> Vec<String> {
    let text = receiving.text();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(way)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

const HERE: &str = "IP:127.0.0.1, DNS:localhost";

/// A program that takes lines, syslog and posts at this port and the two after it.
fn receive_over_tls(wires: &Wires, certificate: &Path, port: &str, into: PathBuf) -> Receiving {
    let command = python(wires, TLS, &[certificate, Path::new(port)]);
    Receiving::begin(command, into)
}

/// Who can prove who they are, get everything, also after they were away.
#[test]
fn who_an_authority_vouches_for_is_told_over_tls() {
    if !can_be_wired() || !installed("python3") || !installed("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let certificate = Authority::new(at("known")).vouches_for(HERE, "here");
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let first = receive_over_tls(&wires, &certificate, "7001", at("first"));
    let (config, json) = (at("flowhawk.toml"), at("found.jsonl"));
    fs::write(&config, "[live]\nca_file = \"known/ca.pem\"\n").unwrap();
    let mut options = vec!["--config", config.to_str().unwrap()];
    options.extend(["--json", json.to_str().unwrap()]);
    let targets = [
        "tls://127.0.0.1:7001",
        "syslog+tls://localhost:7002",
        "https://localhost:7003/hook",
    ];
    options.extend(targets.iter().flat_map(|target| ["--send", target]));
    let ear = wires.listen(&at("out"), &options);
    let got = |receiving: &Receiving| ["lines", "syslog", "hook"].map(|way| told(receiving, way));
    let is_told = |receiving: &Receiving| got(receiving).iter().all(|lines| !lines.is_empty());
    wires.send(&capture(CAPTURE), &["--topspeed"]);
    wait_until("the first is told", || is_told(&first));
    // What was found besides is on its way.
    thread::sleep(Duration::from_secs(1));
    let before = got(&first);
    drop(first);
    let second = receive_over_tls(&wires, &certificate, "7001", at("second"));
    wires.send(&capture("lateral-movement"), &["--topspeed"]);
    wait_until("the second is told", || is_told(&second));
    let ran = ear.finish().exits(0);
    let (all, detections) = found(&json);
    let want = [all, detections.clone(), detections];
    let both = || {
        let both = before.iter().zip(got(&second));
        both.map(|(first, second)| [first.clone(), second].concat())
            .collect::<Vec<_>>()
    };
    wait_until("the second has all", || {
        let mut ways = both().into_iter().zip(&want);
        ways.all(|(got, want)| got.len() >= want.len())
    });
    assert_eq!(both(), want, "{ran:#?}");
}

/// Whom nobody could believe, nobody begins to tell.
#[test]
fn without_authorities_nothing_begins() {
    if !can_be_wired() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("flowhawk.toml");
    fs::write(&config, "[live]\nca_file = \"none.pem\"\n").unwrap();
    let wires = Wires::new(1);
    let mut live = wires.at_the_end(&binary());
    live.args([
        "live",
        "-i",
        "b0",
        "--send",
        "tls://127.0.0.1:1",
        "--config",
    ])
    .arg(&config)
    .current_dir(dir.path());
    let ran = live.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains("TLS: no certificate of an authority in") && said.contains("none.pem"),
        "{said}"
    );
}

/// Who cannot, gets nothing, and what is not delivered is counted.
#[test]
fn nothing_is_told_to_strangers_over_tls() {
    if !can_be_wired() || !installed("python3") || !installed("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (known, stranger) = (Authority::new(at("known")), Authority::new(at("stranger")));
    let unknown = stranger.vouches_for(HERE, "here");
    let elsewhere = known.vouches_for("DNS:elsewhere", "elsewhere");
    let wires = Wires::new(1);
    wires.set("lo", "up");
    let unknown = receive_over_tls(&wires, &unknown, "7101", at("unknown"));
    let elsewhere = receive_over_tls(&wires, &elsewhere, "7201", at("elsewhere"));
    let (config, json) = (at("flowhawk.toml"), at("found.jsonl"));
    fs::write(&config, "[live]\nca_file = \"known/ca.pem\"\n").unwrap();
    let mut options = vec!["--config", config.to_str().unwrap()];
    options.extend(["--json", json.to_str().unwrap()]);
    let targets = [
        ("tls://127.0.0.1:7101", "UnknownIssuer"),
        ("syslog+tls://localhost:7102", "UnknownIssuer"),
        ("https://localhost:7103/", "UnknownIssuer"),
        ("tls://127.0.0.1:7201", "not valid for name"),
        ("syslog+tls://localhost:7202", "not valid for name"),
        ("https://localhost:7203/", "not valid for name"),
    ];
    options.extend(targets.iter().flat_map(|(target, _)| ["--send", target]));
    let ear = wires.listen(&at("out"), &options);
    wires.send(&capture(CAPTURE), &["--topspeed"]);
    let ran = ear.finish().exits(1);
    let (all, detections) = found(&json);
    for (target, reason) in targets {
        let begins = format!("flowhawk: {target}: ");
        let mut told = { ran.stderr.lines() }.filter_map(|line| line.strip_prefix(&begins));
        let why = told.next().unwrap();
        assert!(
            why.contains(reason) && why.ends_with("; it is tried again"),
            "{why}"
        );
        let lost = match target.split_once("://") {
            Some(("tls", _)) => all.len(),
            _ => detections.len(),
        };
        let lost = format!("{lost} findings were not delivered");
        assert_eq!(told.next(), Some(lost.as_str()), "{target}: {ran:#?}");
    }
    assert_eq!(unknown.text() + &elsewhere.text(), "");
}
