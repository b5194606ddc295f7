use super::*;

const RULE: &str = "\
title: Test
level: high
correlation:
  type: temporal
  rules: [PORT_SCAN, FAN_IN_DDOS]
  group-by: [host]
  aliases:
    host: {PORT_SCAN: src_ip, FAN_IN_DDOS: dst_ip}
  timespan: 15m
flowhawk:
  rule_id: T-1
  detection_type: TEST
  confidence: low
  mitre: []
  actions: []
";

#[test]
fn builtin_rules_are_sound() {
    for (file, yaml) in BUILTIN_RULES {
        let rules = Rule::parse(file, yaml).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rules.len(), 1, "{file}");
    }
    let mut ids: Vec<String> = builtin_rules()
        .iter()
        .map(|rule| rule.info.id.clone())
        .collect();
    ids.sort();
    let want = [
        "BRUTE-001",
        "C2-BEACON-001",
        "C2-BEACON-002",
        "DDOS-001",
        "DNS-EXFIL-001",
        "DNS-EXFIL-002",
        "EXFIL-001",
        "EXFIL-002",
        "LM-001",
        "MALWARE-DELIVERY-001",
        "RANSOM-BACKUP-001",
        "RECON-001",
    ];
    assert_eq!(ids, want);
}

/// For each step which inputs satisfy it.
fn any_of(rule: &Rule) -> Vec<Vec<usize>> {
    rule.steps.iter().map(|step| step.any_of.clone()).collect()
}

#[test]
fn reads_aliases_steps_and_conditions() {
    let rule = Rule::parse("t.yml", RULE).unwrap().remove(0);
    let fields: Vec<&[Field]> = rule.inputs.iter().map(|input| &*input.group_by).collect();
    assert_eq!(fields, [&[Field::SrcIp][..], &[Field::DstIp]]);
    assert_eq!(
        (any_of(&rule), rule.timespan),
        (vec![vec![0], vec![1]], Span::from_mins(15))
    );
    let counted = RULE.replace(
        "type: temporal",
        "type: value_count\n  condition: {field: dst_port, gt: 4}",
    );
    let rule = Rule::parse("t.yml", &counted).unwrap().remove(0);
    assert_eq!(
        rule.logic,
        Logic::Values {
            field: Field::DstPort,
            least: 5
        }
    );
    let two = format!("{RULE}---\n{RULE}");
    assert_eq!(Rule::parse("t.yml", &two).unwrap().len(), 2);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn refuses_with_line_and_what_is_allowed() {
    let cases = [
        (
            "level: high",
            "level: extreme",
            2,
            "low, medium, high, critical",
        ),
        ("title: Test", "titel: Test", 1, "titel"),
        (
            "  type: temporal",
            "  type: sometimes",
            4,
            "temporal_ordered",
        ),
        (
            "  type: temporal",
            "  type: event_count",
            4,
            "needs a condition",
        ),
        (
            "  type: temporal",
            "  type: temporal\n  condition: {gte: 3}",
            5,
            "takes no condition",
        ),
        (
            "  type: temporal",
            "  type: event_count\n  condition: {lt: 3}",
            5,
            "lt",
        ),
        (
            "  type: temporal",
            "  type: event_count\n  condition: {gte: 0}",
            5,
            "1 to 1000",
        ),
        (
            "  type: temporal",
            "  type: value_count\n  condition: {gte: 2}",
            5,
            "needs the field",
        ),
        (
            "[PORT_SCAN, FAN_IN_DDOS]",
            "[PORT_SCAM]",
            5,
            "known are PORT_SCAN, CONNECTION_SPIKE",
        ),
        (
            "[PORT_SCAN, FAN_IN_DDOS]",
            "[PORT_SCAN, PORT_SCAN]",
            5,
            "named twice",
        ),
        ("[PORT_SCAN, FAN_IN_DDOS]", "[]", 5, "at least one"),
        (
            "group-by: [host]",
            "group-by: [src]",
            6,
            "src_ip, dst_ip, dst_port",
        ),
        ("group-by: [host]", "group-by: []", 6, "one to three"),
        (
            "{PORT_SCAN: src_ip, FAN",
            "{SYN_BURST: src_ip, FAN",
            8,
            "not among the rules",
        ),
        ("timespan: 15m", "timespan: 15 minutes", 9, "s, m, h, d"),
        ("timespan: 15m", "timespan: 0m", 9, "above 0"),
        ("rule_id: T-1", "rule_id: T 1", 11, "such as LM-001"),
        ("confidence: low", "confidence: sure", 13, "sure"),
        (
            "  actions: []",
            "  actions: []\n  any_of: [[SYN_BURST]]",
            16,
            "not among the rules",
        ),
        (
            "  actions: []",
            "  actions: []\n  sustained_windows: 0",
            16,
            "1 or more",
        ),
        (
            "  actions: []",
            "  actions: []\n  minimum_severity: {SYN_BURST: low}",
            16,
            "not among",
        ),
        (
            "  actions: []",
            "  actions: []\n  colour: red",
            16,
            "colour",
        ),
    ];
    for (from, to, line, about) in cases {
        let yaml = RULE.replace(from, to);
        assert_ne!(yaml, RULE, "{from}");
        let error = Rule::parse("t.yml", &yaml).expect_err(to);
        assert_eq!(error.line, line, "{to}: {error}");
        assert!(error.problem.contains(about), "{to}: {error}");
        assert!(
            error.to_string().starts_with(&format!("t.yml:{line}: ")),
            "{error}"
        );
    }
    assert!(Rule::parse("t.yml", "").is_err());
    let second = format!("{RULE}---\n{}", RULE.replace("level: high", "level: none"));
    assert_eq!(Rule::parse("t.yml", &second).expect_err("none").line, 18);
}
