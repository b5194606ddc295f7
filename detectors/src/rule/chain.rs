//! Rules that take what other rules detect.

use std::collections::BTreeMap;

use super::{Rule, Source};

/// Why rules do not fit together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainProblem {
    /// The rule whose input it is.
    pub rule_id: String,
    /// Where its file names the input.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

/// Inputs that no rule makes, and rules that would wait for themselves; by rule and line.
pub fn chain_problems(rules: &[Rule]) -> Vec<ChainProblem> {
    let depths = depths(rules);
    let mut problems = Vec::new();
    for (rule, depth) in rules.iter().zip(&depths) {
        for input in &rule.inputs {
            let Source::Rule(id) = &input.source else {
                continue;
            };
            let known = rules.iter().any(|other| other.info.id == *id);
            let problem = match depth {
                _ if !known => format!("there is no rule {id}"),
                None => format!("{} waits for {id}, which waits for it", rule.info.id),
                Some(_) => continue,
            };
            problems.push(ChainProblem {
                rule_id: rule.info.id.clone(),
                line: input.line,
                problem,
            });
        }
    }
    problems
}

/// For each rule how many rules stand before it, one behind the other; none for rules that wait for
/// themselves, or for such a rule.
pub(crate) fn depths(rules: &[Rule]) -> Vec<Option<usize>> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    // Each round settles at least one rule, or nothing is left that can be settled.
    loop {
        let before = known.len();
        for rule in rules {
            if !known.contains_key(rule.info.id.as_str())
                && let Some(depth) = depth(rule, rules, &known)
            {
                known.insert(&rule.info.id, depth);
            }
        }
        if known.len() == before {
            break;
        }
    }
    let of = |rule: &Rule| known.get(rule.info.id.as_str()).copied();
    rules.iter().map(of).collect()
}

/// One more than the deepest of its inputs, once all of them are known; rules that do not exist
/// do not count.
fn depth(rule: &Rule, rules: &[Rule], known: &BTreeMap<&str, usize>) -> Option<usize> {
    let mut depth = 0;
    for source in rule.inputs() {
        if let Source::Rule(id) = source
            && rules.iter().any(|other| other.info.id == *id)
        {
            depth = depth.max(known.get(id.as_str())? + 1);
        }
    }
    Some(depth)
}
