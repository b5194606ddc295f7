//! Says the deserializer's messages in an operator's words.

/// The parser takes a word that begins as `true` or `false` do for one of them.
pub(super) fn syntax(message: &str) -> String {
    let boolean = message.starts_with("invalid boolean");
    let hint = if boolean {
        "; text must be in quotes"
    } else {
        ""
    };
    message.lines().collect::<Vec<_>>().join(", ") + hint
}

/// What is said of a number, a list or a date where one of several names belongs.
pub(super) const NO_ENUM: &str = "wanted string or table";

/// For messages about a name that does not exist: what may be meant instead. `name` is the key the
/// problem stands at. `None` when the message is about something else.
pub(super) fn unknown_name(message: &str, name: &str) -> Option<String> {
    let (what, rest) = match message.strip_prefix("unknown field `") {
        Some(rest) => ("key", rest),
        None => ("value", message.strip_prefix("unknown variant `")?),
    };
    let (given, expected) = rest.split_once('`')?;
    // `a`, `b` or `c`: the names are every other piece.
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let shown = if what == "key" && given == name {
        String::new()
    } else {
        format!(" `{given}`")
    };
    Some(format!("unknown {what}{shown}{}", hint(given, &known)))
}

fn hint(given: &str, known: &[&str]) -> String {
    const SHOWN: usize = 12;
    match nearest(given, known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => "; nothing can be set here".to_owned(),
        None if known.len() > SHOWN => {
            let some = known.get(..SHOWN).unwrap_or(known);
            format!(
                "; known here: {}, … ({} in all)",
                some.join(", "),
                known.len()
            )
        }
        None => format!("; known here: {}", known.join(", ")),
    }
}

/// The known name that `given` may be a slip of.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    let slips = |name: &str| strsim::osa_distance(&given, &name.to_lowercase());
    let best = known.iter().copied().min_by_key(|name| slips(name))?;
    (slips(best) <= given.chars().count() / 3 + 1).then_some(best)
}

/// The names of Rust types become what a person would write.
pub(super) fn plain(message: &str) -> String {
    const TYPES: [(&str, &str); 12] = [
        ("u8", "a whole number from 0 to 255"),
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number, 0 or more"),
        ("usize", "a whole number, 0 or more"),
        ("i64", "a whole number"),
        ("f32", "a number"),
        ("f64", "a number"),
        ("a string", "text in quotes"),
        ("a boolean", "true or false"),
        ("a sequence", "a list in brackets"),
        ("a map", "a table of settings"),
    ];
    if message == NO_ENUM {
        return "must be one word in quotes".to_owned();
    }
    let Some((found, expected)) = message.split_once(", expected ") else {
        return message.lines().collect::<Vec<_>>().join(" ");
    };
    let expected = match TYPES.iter().find(|(name, _)| *name == expected) {
        Some((_, words)) => words,
        None if expected.starts_with("struct ") => "a table of settings",
        None => expected,
    };
    format!("{found}, expected {expected}")
}
