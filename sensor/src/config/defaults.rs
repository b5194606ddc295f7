//! The default configuration as a file to start from.

use std::fmt::Write as _;

use super::Config;

/// What each setting outside the detectors is for.
const NOTES: [(&str, &str); 24] = [
    (
        "memory_limit",
        "Divided among flow tables, fragments, parsers, detectors and queues.",
    ),
    (
        "progress_interval",
        "How often a living flow reports what it moved, in packet time.",
    ),
    (
        "open_connections_every",
        "How often a connection that is still open gets a row in open_conn.log, such as \"1h\"; never if \"0s\".",
    ),
    (
        "tick",
        "The steps in which packet time moves for the detectors.",
    ),
    (
        "log_format",
        "Format of conn.log and the others: \"tsv\" as Zeek's, or \"json\".",
    ),
    (
        "ignore_checksums",
        "Take segments with a wrong checksum for good (offloading hosts).",
    ),
    (
        "disabled_logs",
        "Logs that are not written: [\"known_hosts\", \"weird\"]; conn.log always is.",
    ),
    (
        "parse_protocols",
        "Look into flows. Without it: no service in conn.log, no logs or signals of what flows carry.",
    ),
    (
        "disabled_signals",
        "Signals that are not looked for: [\"STROBE\"]; no rule that needs one can come about.",
    ),
    (
        "file_hashes",
        "Digests in files.log, any of \"md5\", \"sha1\", \"sha256\"; they cost more than all else that is done with files.",
    ),
    (
        "rules",
        "Rule files, or directories of them, beside the built-in rules; relative to this file.",
    ),
    (
        "suppressions",
        "Files of suppressions, kept by `flowhawk suppress`; relative to this file.",
    ),
    (
        "built_in_suppressions",
        "Take what scanners, resolvers and time servers always do for known, once roles say who they are.",
    ),
    (
        "threat_lists",
        "Threat lists: plain text, .csv, or .json as STIX 2.1; relative to this file.",
    ),
    (
        "state_file",
        "Where live keeps what detectors know, for the next start; relative to this file. Nowhere if empty.",
    ),
    (
        "checkpoint_interval",
        "How often live does so, besides at a clean end.",
    ),
    (
        "cpus",
        "CPUs that capture threads and workers stay on, one each in turn: \"0,2-3\"; as the kernel likes if empty.",
    ),
    (
        "metrics",
        "Address and port of metrics for Prometheus; a port alone is one of this host.",
    ),
    (
        "too_much_loss",
        "The share of packets that may be lost in ten seconds before notice.log and stderr tell.",
    ),
    (
        "too_many_gaps",
        "The share of TCP's acknowledgements that may be of what was never heard, likewise.",
    ),
    (
        "country",
        "File in MaxMind's format that says in which country addresses are; relative to this file.",
    ),
    ("asn", "The same of whose autonomous system they are in."),
    (
        "send",
        "Programs that findings go to, as --send has it: [\"syslog+udp://10.0.0.9:514\"].",
    ),
    (
        "ca_file",
        "Certificates (PEM) of who may say who receivers with TLS are, if not the system's; relative to this file.",
    ),
];

/// Every setting with its default, commented out, so that a line takes effect once it is changed.
pub(crate) fn commented_defaults() -> Result<String, toml::ser::Error> {
    let mut file = String::from(
        "# Every setting of flowhawk with its default. Remove the '#' before what you change;\n\
         # `flowhawk check --config FILE` tells whether the result is sound.\n\n",
    );
    for line in toml::to_string(&Config::default())?.lines() {
        let key = line.split(' ').next().unwrap_or_default();
        if let Some((_, note)) = NOTES.iter().find(|(name, _)| *name == key) {
            let _ = writeln!(file, "# {note}");
        }
        let comment = if line.is_empty() || line.starts_with('[') {
            ""
        } else {
            "# "
        };
        let _ = writeln!(file, "{comment}{line}");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::problems;
    use super::*;

    #[test]
    fn they_are_the_defaults_with_and_without_the_comments() {
        let commented = commented_defaults().unwrap();
        let bare = |line: &str| {
            line.strip_prefix("# ")
                .filter(|rest| !rest.contains(' ') || rest.contains(" = "))
                .unwrap_or("")
                .to_owned()
        };
        let active: Vec<String> = commented
            .lines()
            .map(|line| {
                if line.starts_with('#') {
                    bare(line)
                } else {
                    line.to_owned()
                }
            })
            .collect();
        for text in [commented.clone(), active.join("\n")] {
            let read: problems::Document<Config> =
                problems::read(Path::new("x"), &text, Config::together).unwrap();
            assert_eq!(read.value, Config::default(), "{text}");
        }
        for (key, _) in NOTES {
            assert!(
                commented.contains(&format!("\n# {key} = ")),
                "{key} is no setting"
            );
        }
    }
}
