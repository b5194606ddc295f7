//! `flowhawk interfaces`: what can be listened to, and what stands in the way.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use comfy_table::{Table, presets};

use crate::answered;
use crate::exit::Exit;
use crate::live::Rights;

/// Where the kernel tells of interfaces.
const SYS: &str = "/sys/class/net";
/// Bit of an interface's flags that says it is up.
const UP: u32 = 1;
const HEADER: [&str; 6] = [
    "INTERFACE",
    "STATE",
    "SPEED",
    "RX RING",
    "MERGES",
    "TO CAPTURE",
];

/// Prints a line for each interface.
pub(crate) fn run() -> Exit {
    let found = interfaces(Path::new(SYS));
    let rights = Rights::of_this_process();
    let told = write(&mut io::stdout().lock(), &found, rights.advice().as_deref());
    answered(told.map_err(Into::into))
}

/// What is known of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Interface {
    name: String,
    state: State,
    /// In Mb/s, where it has one.
    speed: Option<u32>,
    ring: Option<Ring>,
    /// What merges packets before they are heard; `None` where nobody could tell.
    merges: Option<Vec<&'static str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Up,
    /// Up, but nothing is plugged in.
    NoLink,
    Down,
}

/// The receiving ring of the card: how many packets it holds, and how many it could.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ring {
    now: u32,
    most: u32,
}

fn interfaces(sys: &Path) -> Vec<Interface> {
    let entries = fs::read_dir(sys).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // The directory has files beside interfaces where bonding is loaded.
    let names = names.filter(|name| sys.join(name).join("flags").exists());
    let mut found: Vec<_> = names.map(|name| Interface::of(sys, name)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

impl Interface {
    fn of(sys: &Path, name: String) -> Self {
        let read = |what: &str| fs::read_to_string(sys.join(&name).join(what)).unwrap_or_default();
        Self {
            state: State::of(&read("flags"), &read("operstate")),
            speed: read("speed").trim().parse().ok().filter(|speed| *speed > 0),
            ring: ethtool("-g", &name).as_deref().and_then(Ring::of),
            merges: ethtool("-k", &name).as_deref().map(merges),
            name,
        }
    }

    fn cells(&self, rights: Rights) -> [String; 6] {
        let unknown = || "unknown".to_owned();
        let merges = self.merges.as_ref().map(|merges| match merges.as_slice() {
            [] => "nothing".to_owned(),
            merges => merges.join(", "),
        });
        [
            self.name.clone(),
            self.state.name().to_owned(),
            self.speed
                .map_or_else(|| "-".to_owned(), |speed| format!("{speed} Mb/s")),
            self.ring.map_or_else(
                || "-".to_owned(),
                |ring| format!("{} of {}", ring.now, ring.most),
            ),
            merges.unwrap_or_else(unknown),
            self.missing(rights),
        ]
    }

    fn missing(&self, rights: Rights) -> String {
        match (self.state, rights) {
            (State::Down, _) => format!("ip link set {} up", self.name),
            (_, Rights::Missing) => "rights are missing, see below".to_owned(),
            (State::NoLink, Rights::There) => "ready, but nothing is plugged in".to_owned(),
            (State::Up, Rights::There) => "ready".to_owned(),
        }
    }
}

impl State {
    fn of(flags: &str, operstate: &str) -> Self {
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
        match (flags, operstate.trim()) {
            (Ok(flags), _) if flags & UP == 0 => Self::Down,
            (_, "down" | "lowerlayerdown" | "notpresent") => Self::NoLink,
            _ => Self::Up,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::NoLink => "no link",
            Self::Down => "down",
        }
    }
}

impl Ring {
    /// From what `ethtool -g` says: the most first, then what is set.
    fn of(told: &str) -> Option<Self> {
        let mut sizes = told.lines().filter_map(|line| line.strip_prefix("RX:"));
        let mut size = || sizes.next()?.trim().parse().ok();
        let most = size()?;
        Some(Self { now: size()?, most })
    }
}

/// What of `ethtool -k` merges packets.
fn merges(told: &str) -> Vec<&'static str> {
    let is_on = |feature: &str| {
        let lines = told
            .lines()
            .filter_map(|line| line.trim().strip_prefix(feature));
        lines.filter(|rest| rest.starts_with(": on")).count() > 0
    };
    let known = [
        ("generic-receive-offload", "GRO"),
        ("large-receive-offload", "LRO"),
        ("rx-gro-hw", "GRO in hardware"),
    ];
    known
        .into_iter()
        .filter(|(feature, _)| is_on(feature))
        .map(|(_, name)| name)
        .collect()
}

/// What ethtool says, where it is installed and has something to say.
fn ethtool(option: &str, name: &str) -> Option<String> {
    let asked = ["ethtool", "/usr/sbin/ethtool"]
        .into_iter()
        .find_map(|program| {
            let mut command = Command::new(program);
            command
                .args([option, name])
                .stdin(Stdio::null())
                .output()
                .ok()
        })?;
    let told = String::from_utf8(asked.stdout).ok()?;
    asked.status.success().then_some(told)
}

fn write(out: &mut dyn Write, found: &[Interface], advice: Option<&str>) -> io::Result<()> {
    let rights = if advice.is_some() {
        Rights::Missing
    } else {
        Rights::There
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for interface in found {
        table.add_row(interface.cells(rights));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
    if let Some(advice) = advice {
        writeln!(out, "\nRights are missing: {advice}.")?;
    }
    if found.iter().any(|interface| interface.merges.is_none()) {
        writeln!(
            out,
            "\nUnknown is what ethtool would tell; is it installed?"
        )?;
    }
    let merging = found
        .iter()
        .find(|interface| interface.merges.as_ref().is_some_and(|m| !m.is_empty()));
    if let Some(Interface { name, .. }) = merging {
        writeln!(
            out,
            "\nMerged packets are fewer and larger than they were on the wire: run\n\
             `ethtool -K {name} gro off lro off` to count them as they came."
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let sys = tempfile::tempdir().unwrap();
        let put = |name: &str, files: &[(&str, &str)]| {
            fs::create_dir(sys.path().join(name)).unwrap();
            for (file, text) in files {
                fs::write(sys.path().join(name).join(file), text).unwrap();
            }
        };
        put(
            "zz-eth",
            &[
                ("flags", "0x1003\n"),
                ("operstate", "up\n"),
                ("speed", "10000\n"),
            ],
        );
        put(
            "zz-down",
            &[
                ("flags", "0x1002\n"),
                ("operstate", "down\n"),
                ("speed", "-1\n"),
            ],
        );
        put(
            "zz-loose",
            &[("flags", "0x1003\n"), ("operstate", "lowerlayerdown\n")],
        );
        put(
            "zz-tun",
            &[("flags", "0x10d1\n"), ("operstate", "unknown\n")],
        );
        fs::write(sys.path().join("bonding_masters"), "").unwrap();
        let found = interfaces(sys.path());
        let told: Vec<_> = found
            .iter()
            .map(|i| (i.name.as_str(), i.state, i.speed))
            .collect();
        let want = [
            ("zz-down", State::Down, None),
            ("zz-eth", State::Up, Some(10_000)),
            ("zz-loose", State::NoLink, None),
            ("zz-tun", State::Up, None),
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn what_ethtool_tells_is_read() {
        let features = "Features for eth0:\nrx-checksumming: on [fixed]\n\
            generic-receive-offload: on\nlarge-receive-offload: off [fixed]\nrx-gro-hw: on\n";
        assert_eq!(merges(features), ["GRO", "GRO in hardware"]);
        assert_eq!(
            merges("Features for lo:\ngeneric-receive-offload: off\n"),
            [""; 0]
        );
        let ring = "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\tn/a\n\
            TX:\t\t4096\nCurrent hardware settings:\nRX:\t\t512\nTX:\t\t512\n";
        let want = Ring {
            now: 512,
            most: 4_096,
        };
        assert_eq!(Ring::of(ring), Some(want));
        assert_eq!(Ring::of("Pre-set maximums:\nRX:\t\tn/a\n"), None);
    }

    #[test]
    fn a_line_for_each_and_what_to_run() {
        let interface = |name: &str, state, merges| Interface {
            name: name.to_owned(),
            state,
            speed: Some(1_000),
            ring: Some(Ring {
                now: 256,
                most: 4_096,
            }),
            merges,
        };
        let found = [
            interface("eth0", State::Up, Some(vec!["GRO"])),
            interface("eth1", State::Down, None),
        ];
        let shown = |advice| {
            let mut out = Vec::new();
            write(&mut out, &found, advice).unwrap();
            String::from_utf8(out).unwrap()
        };
        let want = "\
INTERFACE  STATE  SPEED      RX RING      MERGES   TO CAPTURE
eth0       up     1000 Mb/s  256 of 4096  GRO      ready
eth1       down   1000 Mb/s  256 of 4096  unknown  ip link set eth1 up

Unknown is what ethtool would tell; is it installed?

Merged packets are fewer and larger than they were on the wire: run
`ethtool -K eth0 gro off lro off` to count them as they came.
";
        assert_eq!(shown(None), want);
        let shown = shown(Some("run `x`"));
        assert!(
            shown.contains("\nRights are missing: run `x`.\n"),
            "{shown}"
        );
        assert!(shown.contains("GRO      rights are missing"), "{shown}");
    }
}
