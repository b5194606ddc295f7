//! Programs that attack, for real, while `flowhawk live` listens with one capability and no other right: what they
//! do is in the database within seconds. Needs root, iproute2, setcap and the programs; says so and passes
//! where they are missing.

#![cfg(test)]

#[allow(dead_code, reason = "shared with the other tests")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use support::net::{Listening, Wires, can_be_wired, copy_for_nobody, now};
use support::run::installed;

/// Whom programs attack.
const SCANNED: &str = "203.0.113.61";
const CALLED: &str = "203.0.113.62";
const RESOLVER: &str = "203.0.113.63";
const GUESSED: &str = "203.0.113.64";
/// From where, whom, and what that is.
const ATTACKS: [(&str, &str, &str); 4] = [
    ("10.1.0.61", SCANNED, "RECON-001"),
    ("10.1.0.62", CALLED, "C2-BEACON-001"),
    ("10.1.0.63", RESOLVER, "DNS-EXFIL-001"),
    ("10.1.0.64", GUESSED, "BRUTE-001"),
];

/// From the last packet that a detection rests on to its row.
const SOON: f64 = 5.0;
/// All of them are done by then.
const LONGEST: Duration = Duration::from_mins(2);

/// A program at work, until this is dropped.
struct Working(Child);

impl Working {
    fn begin(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(quiet.stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A shell's line.
fn shell(mut command: Command, line: &str) -> Working {
    Working::begin(command.args(["-c", line]))
}

/// Servers at the listening end: pages for the beacon, the tunnel's other end, and one that asks for passwords.
fn servers(wires: &Wires, dir: &Path) -> [Working; 3] {
    let at_the_end = |line: &str| shell(wires.at_the_end(Path::new("sh")), line);
    let dir = dir.display();
    fs::write(format!("{dir}/tasks.json"), "x".repeat(2_400)).unwrap();
    let settings =
        "listen=YES\nbackground=NO\nlocal_enable=YES\nanonymous_enable=NO\nseccomp_sandbox=NO\n";
    fs::write(format!("{dir}/vsftpd.conf"), settings).unwrap();
    fs::create_dir_all("/var/run/vsftpd/empty").unwrap();
    [
        at_the_end(&format!(
            "exec python3 -m http.server --bind {CALLED} --directory {dir} 80"
        )),
        at_the_end(&format!(
            "exec iodined -f -c -P secret -l {RESOLVER} 172.31.98.1/27 t.tunnel.example"
        )),
        at_the_end(&format!("exec vsftpd {dir}/vsftpd.conf")),
    ]
}

/// A scan of ports, calls every other second, pings through a tunnel of DNS, and guesses of a password.
fn attacks(wires: &Wires, dir: &Path) -> [Working; 5] {
    let from_inside = |line: &str| shell(wires.at_the_beginning("sh"), line);
    let words: Vec<String> = (0..70).map(|n| format!("summer{n}")).collect();
    fs::write(dir.join("words"), words.join("\n")).unwrap();
    let words = dir.join("words").display().to_string();
    [
        from_inside(&format!(
            "exec nmap -n -Pn -sT -p 1-100 --max-retries 0 {SCANNED}"
        )),
        from_inside(&format!(
            "while sleep 2; do curl -s -m 5 -A x http://{CALLED}/tasks.json; done"
        )),
        from_inside(&format!(
            "exec iodine -f -r -T txt -P secret -m 300 {RESOLVER} t.tunnel.example"
        )),
        from_inside("while sleep 0.2; do ping -q -c 1 -W 1 -s 120 172.31.98.1; done"),
        from_inside(&format!(
            "exec hydra -I -q -t 4 -l clerk -P {words} ftp://{GUESSED}"
        )),
    ]
}

/// `flowhawk live` as nobody.
fn listen(wires: &Wires, dir: &Path) -> Listening {
    let program = copy_for_nobody(dir, Some("cap_net_raw=ep"));
    let out = dir.join("out");
    let mut command = wires.as_nobody(&program, &out);
    // Who talks is at the wire's end: checksums are never filled in.
    command.arg("-C");
    Listening::begin(command, &out)
}

#[expect(clippy::disallowed_methods, reason = "how late a row is")]
fn time_of_day() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// Rules of detections in the database, with whom they are about and the last of what they rest on.
fn detections(database: &PathBuf) -> Vec<(String, String, f64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(connection) = Connection::open_with_flags(database, flags) else {
        return Vec::new();
    };
    let query = connection.prepare("SELECT rule_id, src_ip, last_ts FROM detections");
    let Ok(mut query) = query else {
        return Vec::new();
    };
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().filter_map(Result::ok).collect()
}

#[test]
fn what_programs_do_is_in_the_database_within_seconds() {
    const PROGRAMS: [&str; 10] = [
        "nmap", "curl", "iodine", "iodined", "ping", "hydra", "vsftpd", "python3", "setcap",
        "setpriv",
    ];
    if !can_be_wired() || !PROGRAMS.into_iter().all(installed) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let wires = Wires::new(1);
    wires.put_hosts(&ATTACKS.map(|(from, whom, _)| (from, whom)));
    let ear = listen(&wires, dir.path());
    let _servers = servers(&wires, dir.path());
    thread::sleep(Duration::from_secs(1));
    let _attacks = attacks(&wires, dir.path());
    let (begun, mut late) = (now(), BTreeMap::new());
    while late.len() < ATTACKS.len() && begun.elapsed() < LONGEST {
        thread::sleep(Duration::from_millis(100));
        for (rule, from, last) in detections(&ear.out.join("flowhawk.db")) {
            let after = time_of_day() - last;
            late.entry((rule, from)).or_insert(after);
        }
    }
    let found: Vec<(&str, &str)> = { late.keys() }
        .map(|(rule, from)| (rule.as_str(), from.as_str()))
        .collect();
    let mut want = ATTACKS.map(|(from, _, rule)| (rule, from));
    want.sort_unstable();
    assert_eq!(found, want);
    assert!(late.values().all(|late| *late < SOON), "{late:?}");
}
