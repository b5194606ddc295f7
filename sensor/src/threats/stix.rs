//! Indicators of STIX 2.1: patterns that only compare values with `=`, joined by OR.

use detectors::Indicator;
use serde::Deserialize;

use super::Read;

/// A bundle, or one object.
#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    objects: Vec<Self>,
    pattern: Option<String>,
    #[serde(default = "stix")]
    pattern_type: String,
    #[serde(default)]
    revoked: bool,
}

fn stix() -> String {
    "stix".to_owned()
}

pub(super) fn read(text: &str) -> Result<Read, String> {
    let top: Object = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut read = Read::default();
    let inner = top.objects.iter();
    for object in inner
        .chain(Some(&top))
        .filter(|object| object.kind == "indicator")
    {
        let pattern = object.pattern.as_deref().unwrap_or_default();
        let known = (object.pattern_type == "stix")
            .then(|| indicators(pattern))
            .flatten();
        match known {
            _ if object.revoked => {}
            Some(indicators) => read.indicators.extend(indicators),
            None => read.not_understood += 1,
        }
    }
    Ok(read)
}

/// What a pattern compares with; nothing if it does anything else.
fn indicators(pattern: &str) -> Option<Vec<Indicator>> {
    let mut rest = pattern.trim();
    let mut found = Vec::new();
    loop {
        rest = rest.strip_prefix('[')?.trim_start();
        loop {
            let (indicator, after) = comparison(rest)?;
            found.push(indicator);
            rest = after.trim_start();
            match rest.strip_prefix("OR") {
                Some(after) => rest = after.trim_start(),
                None => break,
            }
        }
        rest = rest.strip_prefix(']')?.trim_start();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix("OR")?.trim_start();
    }
}

/// `ipv4-addr:value = '203.0.113.9'`, and what comes after it.
fn comparison(text: &str) -> Option<(Indicator, &str)> {
    let (path, rest) = text.split_once('=')?;
    let rest = rest.trim_start().strip_prefix('\'')?;
    let (value, rest) = rest.split_once('\'')?;
    // Quotes and backslashes in a value are escaped; no indicator has any.
    if value.contains('\\') {
        return None;
    }
    let indicator = Indicator::parse(value)?;
    let path = path.trim();
    let fits = match &indicator {
        Indicator::Network(network) => {
            let own = if network.addr().is_ipv4() {
                "ipv4-addr:value"
            } else {
                "ipv6-addr:value"
            };
            path == own
                || [
                    "network-traffic:dst_ref.value",
                    "network-traffic:src_ref.value",
                ]
                .contains(&path)
        }
        Indicator::Domain(_) => path == "domain-name:value",
        Indicator::Fingerprint(_) => path.contains("ja3") || path.contains("ja4"),
    };
    fits.then_some((indicator, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_compare_are_understood_and_others_are_not() {
        let cases: [(&str, Option<usize>); 14] = [
            ("[ipv4-addr:value = '203.0.113.9']", Some(1)),
            ("[ipv4-addr:value='203.0.113.0/24']", Some(1)),
            ("[ipv6-addr:value = '2001:db8::1']", Some(1)),
            ("[domain-name:value = 'evil.example']", Some(1)),
            (
                "[domain-name:value = 'evil.example' OR ipv4-addr:value = '203.0.113.9']",
                Some(2),
            ),
            (
                "[domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']",
                Some(2),
            ),
            (
                "[network-traffic:extensions.'tls-ext'.ja3 = 'e7d705a3286e19ea42f587b344ee6865']",
                Some(1),
            ),
            (
                "[domain-name:value = 'a.example' AND ipv4-addr:value = '203.0.113.9']",
                None,
            ),
            ("[ipv4-addr:value != '203.0.113.9']", None),
            ("[ipv4-addr:value LIKE '203.0.113.%']", None),
            ("[url:value = 'http://evil.example/a']", None),
            ("[file:name = 'evil.example']", None),
            (
                "[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']",
                None,
            ),
            ("", None),
        ];
        for (pattern, want) in cases {
            assert_eq!(
                indicators(pattern).map(|found| found.len()),
                want,
                "{pattern}"
            );
        }
    }

    #[test]
    fn bundles_are_read_and_what_is_not_understood_is_counted() {
        let text = r#"{"type": "bundle", "id": "bundle--1", "objects": [
            {"type": "identity", "name": "x"},
            {"type": "indicator", "pattern_type": "stix", "pattern": "[domain-name:value = 'evil.example']"},
            {"type": "indicator", "pattern": "[ipv4-addr:value = '203.0.113.9']", "revoked": true},
            {"type": "indicator", "pattern_type": "yara", "pattern": "rule x {}"},
            {"type": "indicator", "pattern_type": "stix", "pattern": "[file:size > 5]"}]}"#;
        let found = read(text).unwrap();
        assert_eq!(found.indicators, [Indicator::Domain("evil.example".into())]);
        assert_eq!(found.not_understood, 2);
        assert!(read("[1").is_err());
    }
}
