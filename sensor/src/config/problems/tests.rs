use flow_table::Span;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    memory_limit: u64,
    mode: Mode,
    networks: Vec<std::net::Ipv4Addr>,
    port_scan: PortScan,
    nested: Nested,
    suppressions: Vec<Suppression>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Tsv,
    Json,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Nested {
    port_scan: PortScan,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PortScan {
    enabled: bool,
    limit: u16,
    window: Span,
    ratio: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppression {
    name: String,
    reason: String,
    #[serde(default)]
    port: Option<u16>,
}

impl Sample {
    fn together(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.memory_limit == 13 {
            problems.push("memory_limit: is unlucky".to_owned());
        }
        if self.nested.port_scan.limit > 100 && !self.nested.port_scan.enabled {
            problems.push("nested.port_scan.limit, enabled: a limit for nothing".to_owned());
        }
        let same = self
            .suppressions
            .iter()
            .enumerate()
            .filter(|(_, s)| s.name == s.reason);
        problems.extend(same.map(|(n, _)| format!("suppressions[{n}]: explains itself")));
        problems
    }
}

fn messages(text: &str) -> Vec<String> {
    match read(Path::new("f.toml"), text, Sample::together) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn every_problem_is_named_where_it_stands() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("an empty file", "", &[]),
        (
            "sound",
            "memory_limit = 1\n[port_scan]\nlimit = 3\nwindow = '60s'\n",
            &[],
        ),
        (
            "five different mistakes",
            "memory_limt = 5\nmode = \"jsn\"\n\n[port_scan]\nlimit = 70000\nwindow = \"60\"\nratio = \"x\"\n",
            &[
                "f.toml:1: memory_limt: unknown key; did you mean `memory_limit`?",
                "f.toml:2: mode: unknown value `jsn`; did you mean `json`?",
                "f.toml:5: port_scan.limit: invalid value: integer `70000`, expected a whole number from 0 to 65535",
                "f.toml:6: port_scan.window: \"60\" is not a time span; write a number and a unit, such as \"60s\", \"5min\", \"24h\"",
                "f.toml:7: port_scan.ratio: invalid type: string \"x\", expected a number",
            ],
        ),
        (
            "an unknown section is named once, whatever is in it",
            "[port_scam]\nlimit = 'x'\nwhat = 1\n[elsewhere]\na = 1\n",
            &[
                "f.toml:1: port_scam: unknown key; did you mean `port_scan`?",
                "f.toml:4: elsewhere: unknown key; known here: memory_limit, mode, networks, port_scan, nested, suppressions",
            ],
        ),
        (
            "an unknown section with a known name inside an unknown one",
            "[nestd.port_scan]\nlimit = 'x'\n[nested.port_scan]\nlimit = 'x'\nlimits.x = 1\n",
            &[
                "f.toml:1: nestd: unknown key; did you mean `nested`?",
                "f.toml:4: nested.port_scan.limit: invalid type: string \"x\", expected a whole number from 0 to 65535",
                "f.toml:5: nested.port_scan.limits: unknown key; did you mean `limit`?",
            ],
        ),
        (
            "elements of a list",
            "networks = [\n  '10.0.0.1',\n  'ten',\n  7,\n]\n",
            &[
                "f.toml:3: networks[1]: invalid IPv4 address syntax",
                "f.toml:4: networks[2]: invalid type: integer `7`, expected IPv4 address",
            ],
        ),
        (
            "tables of a list: what was wrong is not also missing",
            "[[suppressions]]\nname = 'a'\nreason = 5\n[[suppressions]]\nname = 'b'\nprt = 1\n\
             [[suppressions]]\nport = -1\nname = 'c'\nreason = 'r'\n",
            &[
                "f.toml:3: suppressions[0].reason: invalid type: integer `5`, expected text in quotes",
                "f.toml:4: suppressions[1]: missing field `reason`",
                "f.toml:6: suppressions[1].prt: unknown key; did you mean `port`?",
                "f.toml:8: suppressions[2].port: invalid value: integer `-1`, expected a whole number from 0 to 65535",
            ],
        ),
        (
            "a value where a table belongs and the other way round",
            "port_scan = 3\n[memory_limit]\na = 1\n[[mode]]\nb = 1\n",
            &[
                "f.toml:1: port_scan: invalid type: integer `3`, expected a table of settings",
                "f.toml:2: memory_limit: invalid type: map, expected a whole number, 0 or more",
                "f.toml:4: mode: must be one word in quotes",
            ],
        ),
        (
            "inline and dotted",
            "port_scan = { limit = true, windw = '1s' }\nnested.port_scan.enabled = 1\n",
            &[
                "f.toml:1: port_scan.limit: invalid type: boolean `true`, expected a whole number from 0 to 65535",
                "f.toml:1: port_scan.windw: unknown key; did you mean `window`?",
                "f.toml:2: nested.port_scan.enabled: invalid type: integer `1`, expected true or false",
            ],
        ),
        (
            "syntax",
            "mode = 'tsv'\nnetworks = [1,\n",
            &["f.toml:2:15: unclosed array, expected `]`"],
        ),
        (
            "unquoted",
            "\nmode = tsv\n",
            &["f.toml:2:8: invalid boolean, expected `true`; text must be in quotes"],
        ),
        (
            "twice",
            "mode = 'tsv'\nmode = 'tsv'\n",
            &["f.toml:2:1: duplicate key"],
        ),
    ];
    for (name, text, want) in cases {
        assert_eq!(messages(text), *want, "{name}");
    }
}

#[test]
fn settings_are_counted() {
    let text = "mode = 'json'\nnetworks = ['1.1.1.1', '2.2.2.2']\n[port_scan]\nlimit = 1\n\
                [[suppressions]]\nname = 'a'\nreason = 'b'\n";
    assert_eq!(
        read(Path::new("f"), text, Sample::together)
            .unwrap()
            .settings,
        5
    );
}
