//! Text for people: numbers with separators, and hostile text made harmless.

use std::borrow::Cow;

/// A number as exact as it is, with thin groups: `12 345 678`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a unit: `1.23 GB`, `999 B`; decimal units, as network people count.
pub(crate) fn rough(number: f64, unit: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut number = number.max(0.0);
    let mut prefixes = PREFIXES.iter();
    let mut prefix = prefixes.next().copied().unwrap_or_default();
    while number >= 999.5 {
        let Some(next) = prefixes.next() else { break };
        (number, prefix) = (number / 1000.0, next);
    }
    let decimals = match number {
        n if prefix.is_empty() || n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$} {prefix}{unit}")
}

/// What came off the wire may hold anything, also what a terminal takes for commands.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    // Controls, and the marks that turn the direction of writing round.
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if bad(c) {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, want) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (12_345_678, "12 345 678"),
        ] {
            assert_eq!(grouped(number), want);
        }
        let cases = [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.00 kB"),
            (12_345.0, "12.3 kB"),
            (999_600.0, "1.00 MB"),
            (1.5e9, "1.50 GB"),
            (1e30, "1000000000000 EB"),
        ];
        for (number, want) in cases {
            assert_eq!(rough(number, "B"), want);
        }
    }

    #[test]
    fn terminals_get_no_commands() {
        let cases = [
            ("plain é", "plain é"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb", "a\\u{a}b"),
            ("x\u{202e}y", "x\\u{202e}y"),
        ];
        for (text, want) in cases {
            assert_eq!(printable(text), want);
        }
    }
}
