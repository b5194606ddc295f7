//! `--expect`: the detections a capture must give, no fewer and no more.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use detectors::Subject;

use crate::config::{Problem, Problems};
use crate::findings::Made;

/// The detections listed in a file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Expected(Vec<Line>);

/// One detection, as far as it is stated.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    rule: String,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    port: Option<u16>,
}

impl Line {
    fn fits(&self, made: &Made) -> bool {
        let Subject { src, dst, dst_port } = made.subject;
        self.rule == made.rule.id
            && (self.src.is_none() || self.src == src)
            && (self.dst.is_none() || self.dst == dst)
            && (self.port.is_none() || self.port == dst_port)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(
            f,
            &self.rule,
            Subject {
                src: self.src,
                dst: self.dst,
                dst_port: self.port,
            },
        )
    }
}

/// As a line of the file that would match exactly.
fn show(f: &mut fmt::Formatter<'_>, rule: &str, subject: Subject) -> fmt::Result {
    f.write_str(rule)?;
    let Subject { src, dst, dst_port } = subject;
    src.map_or(Ok(()), |src| write!(f, " src={src}"))?;
    dst.map_or(Ok(()), |dst| write!(f, " dst={dst}"))?;
    dst_port.map_or(Ok(()), |port| write!(f, " port={port}"))
}

impl Expected {
    /// Reads `file`; every malformed line is a problem.
    pub(crate) fn read(file: &Path) -> Result<Self, Problems> {
        let text = fs::read_to_string(file)
            .map_err(|error| Problems(vec![Problem::of_file(file, error)]))?;
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let stated = line.split('#').next().unwrap_or_default();
            match parse_line(stated) {
                Ok(parsed) => lines.extend(parsed),
                Err(message) => {
                    problems.push(Problem {
                        line: n + 1,
                        ..Problem::of_file(file, message)
                    });
                }
            }
        }
        if problems.is_empty() {
            Ok(Self(lines))
        } else {
            Err(Problems(problems))
        }
    }

    /// Holds what was made against what is listed; `None` when they agree.
    pub(crate) fn differs(&self, made: &[&Made]) -> Option<Difference> {
        let taken_by = self.assign(made);
        let missing = (0..self.0.len()).filter(|n| !taken_by.contains(&Some(*n)));
        let missing: Vec<String> = missing
            .filter_map(|n| self.0.get(n))
            .map(ToString::to_string)
            .collect();
        let left = made.iter().zip(&taken_by).filter(|(_, by)| by.is_none());
        let unexpected: Vec<Unexpected> = left.map(|(made, _)| Unexpected::from(*made)).collect();
        let differs = !(missing.is_empty() && unexpected.is_empty());
        let expected = self.0.len();
        differs.then_some(Difference {
            missing,
            unexpected,
            expected,
            made: made.len(),
        })
    }

    /// For each detection the line that stands for it. As many lines as can be are given one: a
    /// line that states little gives way when another could stand only for its detection.
    fn assign(&self, made: &[&Made]) -> Vec<Option<usize>> {
        let mut taken_by = vec![None; made.len()];
        for line in 0..self.0.len() {
            self.place(line, made, &mut taken_by, &mut vec![false; made.len()]);
        }
        taken_by
    }

    /// Gives `line` a detection, moving others where it must (an augmenting path).
    fn place(
        &self,
        line: usize,
        made: &[&Made],
        taken_by: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        for (at, made_here) in made.iter().enumerate() {
            let fits = self.0.get(line).is_some_and(|line| line.fits(made_here));
            let Some(tried_here) = tried.get_mut(at).filter(|tried| fits && !**tried) else {
                continue;
            };
            *tried_here = true;
            let holder = taken_by.get(at).copied().flatten();
            if holder.is_none_or(|other| self.place(other, made, taken_by, tried)) {
                if let Some(slot) = taken_by.get_mut(at) {
                    *slot = Some(line);
                }
                return true;
            }
        }
        false
    }
}

fn parse_line(text: &str) -> Result<Option<Line>, String> {
    let mut words = text.split_whitespace();
    let Some(rule) = words.next() else {
        return Ok(None);
    };
    if rule.contains('=') {
        return Err(format!(
            "begins with {rule:?}; a rule id, such as LM-001, must come first"
        ));
    }
    let mut line = Line {
        rule: rule.to_owned(),
        src: None,
        dst: None,
        port: None,
    };
    for word in words {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word:?} is not key=value; keys are src, dst and port"))?;
        let bad = |what: &str| format!("{key}={value}: not {what}");
        match key {
            "src" => set(
                &mut line.src,
                key,
                value.parse().map_err(|_| bad("an address"))?,
            )?,
            "dst" => set(
                &mut line.dst,
                key,
                value.parse().map_err(|_| bad("an address"))?,
            )?,
            "port" => set(
                &mut line.port,
                key,
                value.parse().map_err(|_| bad("a port"))?,
            )?,
            _ => return Err(format!("unknown key {key:?}; keys are src, dst and port")),
        }
    }
    Ok(Some(line))
}

fn set<T>(place: &mut Option<T>, key: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{key} is stated twice")),
    }
}

/// Where detections and expectations part.
#[derive(Debug)]
pub(crate) struct Difference {
    missing: Vec<String>,
    unexpected: Vec<Unexpected>,
    expected: usize,
    made: usize,
}

#[derive(Debug)]
struct Unexpected {
    rule: String,
    subject: Subject,
    summary: String,
}

impl From<&Made> for Unexpected {
    fn from(made: &Made) -> Self {
        let rule = made.rule.id.clone();
        Self {
            rule,
            subject: made.subject,
            summary: made.summary.clone(),
        }
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.rule, self.subject)?;
        write!(f, "  # {}", crate::text::printable(&self.summary))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            missing,
            unexpected,
            expected,
            made,
        } = self;
        write!(f, "detections differ: {expected} expected, {made} made")?;
        missing
            .iter()
            .try_for_each(|line| write!(f, "\n  missing:    {line}"))?;
        unexpected
            .iter()
            .try_for_each(|line| write!(f, "\n  unexpected: {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn parse(text: &str) -> Result<Expected, String> {
        Expected::parse(Path::new("e.txt"), text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn malformed_lines_are_named() {
        let cases = [
            ("", Ok(0)),
            ("# nothing\n\n   \n", Ok(0)),
            (
                "LM-001\nLM-001 src=10.0.0.1 dst=fe80::1 port=445 # why\r\n",
                Ok(2),
            ),
            (
                "src=10.0.0.1\n",
                Err(
                    "e.txt:1: begins with \"src=10.0.0.1\"; a rule id, such as LM-001, must come first",
                ),
            ),
            (
                "\nA src=ten\nB what\n",
                Err(
                    "e.txt:2: src=ten: not an address\ne.txt:3: \"what\" is not key=value; keys are src, dst and port",
                ),
            ),
            ("A port=70000", Err("e.txt:1: port=70000: not a port")),
            (
                "A sport=7",
                Err("e.txt:1: unknown key \"sport\"; keys are src, dst and port"),
            ),
            (
                "A src=1.1.1.1 src=1.1.1.2",
                Err("e.txt:1: src is stated twice"),
            ),
        ];
        for (text, want) in cases {
            let got = parse(text).map(|expected| expected.0.len());
            assert_eq!(got, want.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn what_differs_is_told() {
        // Detections are LM-001 on port 445 from the hosts given.
        let cases: [(&str, &str, &[&str], &[&str]); 8] = [
            ("none, none", "", &[], &[]),
            (
                "as listed, in any order",
                "LM-001 src=10.0.0.2\nLM-001 port=445",
                &["10.0.0.1", "10.0.0.2"],
                &[],
            ),
            (
                "the vague line gives way",
                "LM-001\nLM-001 src=10.0.0.1",
                &["10.0.0.1", "10.0.0.2"],
                &[],
            ),
            (
                "missing",
                "LM-001 src=10.0.0.1\nRECON-001",
                &["10.0.0.1"],
                &[
                    "detections differ: 2 expected, 1 made",
                    "  missing:    RECON-001",
                ],
            ),
            (
                "unexpected",
                "",
                &["10.0.0.1"],
                &[
                    "detections differ: 0 expected, 1 made",
                    "  unexpected: LM-001 src=10.0.0.1 port=445  # 10.0.0.1 scanned, spiked and logged in.",
                ],
            ),
            (
                "one line stands for one detection",
                "LM-001",
                &["10.0.0.1", "10.0.0.1"],
                &[
                    "detections differ: 1 expected, 2 made",
                    "  unexpected: LM-001 src=10.0.0.1 port=445  # 10.0.0.1 scanned, spiked and logged in.",
                ],
            ),
            (
                "listed twice, made once",
                "LM-001\nLM-001",
                &["10.0.0.1"],
                &[
                    "detections differ: 2 expected, 1 made",
                    "  missing:    LM-001",
                ],
            ),
            (
                "a stated field that the detection lacks",
                "LM-001 src=10.0.0.1 dst=10.0.0.9",
                &["10.0.0.1"],
                &[
                    "detections differ: 1 expected, 1 made",
                    "  missing:    LM-001 src=10.0.0.1 dst=10.0.0.9",
                    "  unexpected: LM-001 src=10.0.0.1 port=445  # 10.0.0.1 scanned, spiked and logged in.",
                ],
            ),
        ];
        for (name, text, hosts, want) in cases {
            let made: Vec<Made> = hosts
                .iter()
                .map(|host| Made::from(&samples::detection(1, host)))
                .collect();
            let made: Vec<&Made> = made.iter().collect();
            let got = parse(text).unwrap().differs(&made).map(|d| d.to_string());
            let want = (!want.is_empty()).then(|| want.join("\n"));
            assert_eq!(got, want, "{name}");
        }
    }
}
