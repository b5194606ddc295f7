//! Rule files: any text is either rules that detectors take, or one error on one line that says
//! where in the text it is. (libFuzzer's time and memory limits see to it that neither takes long,
//! whatever aliases and nesting there are.)

use detectors::{Config, Detectors, Rule};
use flow_table::Timestamp;

/// Checks one text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Rule::parse("rules.yml", text) {
        Ok(rules) => sound(rules),
        Err(error) => {
            let lines = text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 1;
            assert!(error.line <= lines as u64, "{lines} lines: {error}");
            assert!(!error.problem.trim().is_empty(), "{error:?}");
            assert!(!error.problem.contains('\n'), "{error:?}");
        }
    }
}

fn sound(rules: Vec<Rule>) {
    assert!(!rules.is_empty(), "a file without rules was taken");
    for rule in &rules {
        assert!(!rule.info.id.is_empty() && !rule.info.detection_type.is_empty());
        assert!(
            !rule
                .info
                .id
                .contains(|c: char| c.is_whitespace() || c.is_control())
        );
    }
    let mut detectors = Detectors::new(&Config::default(), rules);
    detectors.advance(Timestamp::new(1_700_000_000, 0));
    detectors.finish();
    assert_eq!(detectors.drain().count(), 0, "found something in nothing");
}
