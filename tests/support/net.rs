//! Network namespaces joined by wires, to listen on for real. They need root.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use super::root;
use super::run::{Ran, binary, installed};

/// The time, to tell how long something takes.
#[expect(clippy::disallowed_methods, reason = "how long a program takes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A capture that is not compressed, by its name.
pub(crate) fn capture(name: &str) -> PathBuf {
    root().join(format!("captures/{name}.pcap"))
}

/// Waits until it is so; panics if it never is.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A copy that an unprivileged user may run, with these capabilities.
pub(crate) fn copy_for_nobody(dir: &Path, capabilities: Option<&str>) -> PathBuf {
    let copy = dir.join("flowhawk");
    fs::copy(binary(), &copy).unwrap();
    if let Some(capabilities) = capabilities {
        let set = Command::new("setcap").arg(capabilities).arg(&copy).status();
        assert!(set.unwrap().success());
    }
    let open = Command::new("chmod").arg("0777").arg(dir).status();
    assert!(open.unwrap().success());
    copy
}

/// Wires from one namespace to another: `a0` is joined to `b0`, and so on. What is sent into one end
/// comes out of the other, and nothing answers.
pub(crate) struct Wires {
    name: String,
}

/// Whether wires can be made here; says so where they cannot.
pub(crate) fn can_be_wired() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let root = uids.is_some_and(|uids| uids.split_whitespace().all(|uid| uid == "0"));
    if !root {
        eprintln!("skipped: only root can make network namespaces");
    }
    root && ["tcpreplay", "tcpdump", "ip"].into_iter().all(installed) && may_unshare()
}

fn may_unshare() -> bool {
    let name = format!("fhlive-{}-try", process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made = made.is_ok_and(|made| made.status.success());
    if made {
        run("ip", &["netns", "del", &name]);
    } else {
        eprintln!("skipped: network namespaces cannot be made here");
    }
    made
}

/// Runs to the end; returns what it printed.
#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {out}{err}");
    out + &err
}

impl Wires {
    /// So many of them.
    pub(crate) fn new(count: usize) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("fhlive-{}-{}", process::id(), MADE.fetch_add(1, Relaxed));
        let wires = Self { name };
        let (a, b) = (wires.namespace("a"), wires.namespace("b"));
        for namespace in [&a, &b] {
            run("ip", &["netns", "add", namespace]);
            // The kernel is to say nothing of its own.
            let quiet = "net.ipv6.conf.all.disable_ipv6=1";
            let quiet = ["netns", "exec", namespace, "sysctl", "-qw", quiet];
            run("ip", &quiet);
        }
        (0..count).for_each(|n| wires.join(n));
        wires
    }

    /// Puts up the wire of this number.
    pub(crate) fn join(&self, n: usize) {
        let (a, b) = (self.namespace("a"), self.namespace("b"));
        let (one, other) = (format!("a{n}"), format!("b{n}"));
        let make = [
            "-n", &a, "link", "add", &one, "type", "veth", "peer", "name", &other,
        ];
        run("ip", &[&make[..], &["netns", &b]].concat());
        for (namespace, end) in [(&a, &one), (&b, &other)] {
            let up = [
                "-n", namespace, "link", "set", end, "arp", "off", "mtu", "9000", "up",
            ];
            run("ip", &up);
        }
    }

    /// Takes it away.
    pub(crate) fn cut(&self, n: usize) {
        let end = format!("a{n}");
        run("ip", &["-n", &self.namespace("a"), "link", "del", &end]);
    }

    fn namespace(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    /// Does something to the interface that is listened to.
    pub(crate) fn set(&self, interface: &str, what: &str) {
        let namespace = self.namespace("b");
        run("ip", &["-n", &namespace, "link", "set", interface, what]);
    }

    /// Sends a capture into the first wire; returns how many packets went out.
    pub(crate) fn send(&self, capture: &Path, options: &[&str]) -> u64 {
        self.replay(&[&["-i", "a0"], options, &[capture.to_str().unwrap()]].concat())
    }

    /// Sends a capture into two wires: into the first what `client` sends, the rest into the second.
    pub(crate) fn send_split(&self, capture: &Path, client: &str, dir: &Path) -> u64 {
        let cache = dir.join("split.cache");
        let (capture, cache) = (capture.to_str().unwrap(), cache.to_str().unwrap());
        let cidr = format!("--cidr={client}/32");
        run("tcpprep", &[&cidr, "-i", capture, "-o", cache]);
        self.replay(&["--cachefile", cache, "--intf1=a0", "--intf2=a1", capture])
    }

    fn replay(&self, args: &[&str]) -> u64 {
        let namespace = self.namespace("a");
        let replay = ["netns", "exec", &namespace, "tcpreplay", "--preload-pcap"];
        let told = run("ip", &[&replay[..], args].concat());
        let counted = |name: &str| -> u64 {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name));
            let count = line.unwrap_or_else(|| panic!("no {name} in {told}"));
            count.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert_eq!(counted("Failed packets:"), 0, "{told}");
        counted("Actual:")
    }

    /// Puts hosts at the ends of the first wire, so that programs can talk over it: each at the sending
    /// end with one at the listening end.
    pub(crate) fn put_hosts(&self, pairs: &[(&str, &str)]) {
        for (end, interface) in [("a", "a0"), ("b", "b0")] {
            let namespace = self.namespace(end);
            let ip = |args: &[&str]| run("ip", &[&["-n", &namespace], args].concat());
            ip(&["link", "set", "lo", "up"]);
            ip(&["link", "set", interface, "arp", "on", "mtu", "1500"]);
            for (one, other) in pairs {
                let (own, peer) = if end == "a" {
                    (one, other)
                } else {
                    (other, one)
                };
                ip(&["addr", "add", &format!("{own}/32"), "dev", interface]);
                ip(&["route", "add", peer, "dev", interface, "src", own]);
            }
        }
    }

    /// Runs a program at the sending end.
    pub(crate) fn at_the_beginning(&self, program: &str) -> Command {
        self.at("a", Path::new(program))
    }

    /// Runs a program at the listening end.
    pub(crate) fn at_the_end(&self, program: &Path) -> Command {
        self.at("b", program)
    }

    fn at(&self, end: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        let namespace = self.namespace(end);
        command.args(["netns", "exec", &namespace]).arg(program);
        command
    }

    /// `flowhawk live` on the first wire into `out`, by a user who has no rights.
    pub(crate) fn as_nobody(&self, program: &Path, out: &Path) -> Command {
        let mut command = self.at_the_end(Path::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(program)
            .args(["live", "-i", "b0", "-o"])
            .arg(out);
        command
    }

    /// Has `flowhawk live` listen on the first wire into `out`; returns when it does. Where tests do not
    /// say how large the kernel's buffer is, it is small: dozens of them listen at once.
    pub(crate) fn listen(&self, out: &Path, options: &[&str]) -> Listening {
        let mut command = self.at_the_end(&binary());
        command
            .args(["live", "-i", "b0", "-o"])
            .arg(out)
            .args(options);
        if !options.contains(&"--buffer-size") {
            command.args(["--buffer-size", "16MiB"]);
        }
        Listening::begin(command, out)
    }
}

impl Wires {
    /// Has tcpdump record what comes out of the first wire; returns when it does.
    pub(crate) fn record(&self, file: &Path) -> Listening {
        let mut command = self.at_the_end(Path::new("tcpdump"));
        // As root it would become a user who may not write here; stopped, it leaves what the kernel
        // still holds.
        let options = [
            "-i",
            "b0",
            "--nano",
            "--immediate-mode",
            "-B",
            "65536",
            "-s",
            "0",
            "-Z",
            "root",
            "-w",
        ];
        command.args(options).arg(file);
        Listening::begin(command, file)
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        for end in ["a", "b"] {
            let namespace = self.namespace(end);
            let _ = Command::new("ip")
                .args(["netns", "del", &namespace])
                .output();
        }
    }
}

/// `flowhawk live`, or another program that listens, at work.
pub(crate) struct Listening {
    child: Child,
    lines: Receiver<String>,
    said: String,
    pub(crate) out: PathBuf,
}

impl Listening {
    pub(crate) fn begin(mut command: Command, out: &Path) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || stderr.lines().try_for_each(|line| tell.send(line.unwrap())));
        let mut listening = Self {
            child,
            lines,
            said: String::new(),
            out: out.to_owned(),
        };
        listening.hears("listening on");
        listening
    }

    /// Waits until it says so.
    pub(crate) fn hears(&mut self, what: &str) {
        loop {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(20)) else {
                panic!("it never said {what:?}: {}", self.said);
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(what) {
                return;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        run("kill", &[signal, &self.pid().to_string()]);
    }

    /// Gives it time to hear what was sent, stops it, and waits for its end.
    pub(crate) fn finish(self) -> Ran {
        thread::sleep(Duration::from_millis(500));
        self.stop()
    }

    /// Stops it at once.
    pub(crate) fn stop(mut self) -> Ran {
        self.signal("-TERM");
        let rest = self.lines.iter().map(|line| line + "\n");
        let stderr = rest.fold(std::mem::take(&mut self.said), |said, line| said + &line);
        Ran {
            code: self.child.wait().unwrap().code(),
            stdout: String::new(),
            stderr,
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
