//! What of a configuration can be put into force while a run goes on.

use toml::Table;

use super::Config;

impl Config {
    /// This, with all of another that a run can take on as it goes.
    pub(crate) fn reloaded(&self, now: &Self) -> Self {
        let mut detectors = self.detectors.with_limits_of(&now.detectors);
        detectors
            .suppressions
            .clone_from(&now.detectors.suppressions);
        Self {
            detectors,
            suppressions: now.suppressions.clone(),
            known_from: now.known_from.clone(),
            built_in_suppressions: now.built_in_suppressions,
            rulebook: now.rulebook.clone(),
            rules: now.rules.clone(),
            threats: now.threats.clone(),
            threat_lists: now.threat_lists.clone(),
            origins: now.origins.clone(),
            enrichment: now.enrichment.clone(),
            ..self.clone()
        }
    }

    /// The keys of which another says something else, dotted.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let table = |config| Table::try_from(config).unwrap_or_default();
        let mut keys = Vec::new();
        compare("", &table(self), &table(other), &mut keys);
        keys
    }
}

fn compare(within: &str, one: &Table, other: &Table, keys: &mut Vec<String>) {
    let only_there = other.iter().filter(|(key, _)| !one.contains_key(*key));
    for (key, _) in one.iter().chain(only_there) {
        match (one.get(key), other.get(key)) {
            (one, other) if one == other => {}
            (Some(toml::Value::Table(one)), Some(toml::Value::Table(other))) => {
                compare(&format!("{within}{key}."), one, other, keys);
            }
            _ => keys.push(format!("{within}{key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let cases: [(&str, &[&str]); 4] = [
            ("", &[]),
            (
                "built_in_suppressions = false\n[detectors]\ndisabled_signals = [\"STROBE\"]\n[detectors.port_scan]\nlimit = 7",
                &[],
            ),
            (
                "memory_limit = \"2GiB\"\ntick = \"1s\"\n[live]\nsend = [\"udp://x:1\"]",
                &["live.send", "memory_limit", "tick"],
            ),
            (
                "[detectors]\nhash_seed = 7\ninternal_networks = []\n[detectors.rules]\nmax_partial = 7\n[detectors.syn_burst]\nwindow = \"20s\"",
                &[
                    "detectors.hash_seed",
                    "detectors.internal_networks",
                    "detectors.rules.max_partial",
                ],
            ),
        ];
        for (text, want) in cases {
            let now: Config = toml::from_str(text).unwrap();
            let before = Config::default();
            let in_force = before.reloaded(&now);
            let mut keys = in_force.differences(&now);
            keys.sort();
            assert_eq!(keys, want, "{text}");
            assert_eq!(in_force == now, want.is_empty(), "{text}");
        }
    }
}
