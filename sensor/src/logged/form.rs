//! How the rows of a log are written, and taking the values out of one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::files::Kind;
use super::values::{FLOW, Refused, Value};
use super::{conn, dns, http, ssh, ssl};

/// Why the rows of a log cannot be told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum FormError {
    /// It begins neither with Zeek's header nor with a JSON object.
    #[error("not a log: it begins neither with #separator nor with {{")]
    NoLog,
    /// It is a log of something else.
    #[error("a log of {0}, of which detectors ask nothing; they read conn, dns, http, ssh and ssl")]
    Other(String),
    /// There is no telling whose rows they are.
    #[error(
        "whose rows these are shows neither in #path, nor in the file's name, nor in the columns"
    )]
    Nameless,
    /// A column that no row can do without is not there.
    #[error("a log of {kind} without the column {column}")]
    Column {
        kind: &'static str,
        column: &'static str,
    },
}

/// How a log is written, as far as its lines have told.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// What the file's name says it is.
    named: Option<Kind>,
    path: Option<Vec<u8>>,
    separator: u8,
    unset: Vec<u8>,
    empty: Vec<u8>,
    rows: Rows,
}

#[derive(Clone, Debug)]
enum Rows {
    /// That is not known yet.
    Unknown,
    /// Separated by a byte, in these columns.
    Separated(Layout),
    /// Objects.
    Json,
}

/// Which column of its kind each field of a row is, if it is any.
#[derive(Clone, Debug)]
struct Layout {
    kind: Kind,
    columns: Vec<Option<u8>>,
}

impl Form {
    pub(super) fn new(named: Option<Kind>) -> Self {
        Self {
            named,
            path: None,
            separator: b'\t',
            unset: b"-".to_vec(),
            empty: b"(empty)".to_vec(),
            rows: Rows::Unknown,
        }
    }

    /// Takes a line that begins with `#`.
    pub(super) fn header(&mut self, line: &[u8]) -> Result<(), FormError> {
        if let Some(separator) = line.strip_prefix(b"#separator ") {
            self.separator = unescaped(separator);
            return Ok(());
        }
        let separator = self.separator;
        let mut words = line.split(|byte| *byte == separator);
        let (name, value) = (words.next(), words.clone().next().unwrap_or_default());
        match name {
            Some(b"#unset_field") => self.unset = value.to_vec(),
            Some(b"#empty_field") => self.empty = value.to_vec(),
            Some(b"#path") => self.path = Some(value.to_vec()),
            Some(b"#fields") => self.rows = Rows::Separated(self.layout(words)?),
            _ => {}
        }
        Ok(())
    }

    fn layout<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<Layout, FormError> {
        let has = |kind: &Kind| {
            let column = kind.telling_column().as_bytes();
            fields.clone().any(|field| field == column)
        };
        let kind = match (&self.path, self.named) {
            (Some(said), _) => Kind::named(said)
                .ok_or_else(|| FormError::Other(String::from_utf8_lossy(said).into_owned()))?,
            (None, Some(kind)) => kind,
            (None, None) => Kind::ALL.into_iter().find(has).ok_or(FormError::Nameless)?,
        };
        let known = columns(kind);
        let column = |field: &[u8]| {
            let place = known.iter().position(|name| is_column(name, field))?;
            u8::try_from(place).ok()
        };
        let columns: Vec<Option<u8>> = fields.map(column).collect();
        let is_there = |name: &&str| {
            let mut there = columns.iter().flatten();
            there.any(|at| known.get(usize::from(*at)) == Some(name))
        };
        match needed(kind).find(|name| !is_there(name)) {
            Some(column) => Err(FormError::Column {
                kind: kind.name(),
                column,
            }),
            None => Ok(Layout { kind, columns }),
        }
    }

    /// Whether a line has told it.
    pub(super) const fn is_known(&self) -> bool {
        !matches!(self.rows, Rows::Unknown)
    }

    /// Before the first row: without a header it must be an object.
    pub(super) fn begin(&mut self, line: &[u8]) -> Result<(), FormError> {
        match self.rows {
            Rows::Unknown if line.starts_with(b"{") => self.rows = Rows::Json,
            Rows::Unknown => return Err(FormError::NoLog),
            Rows::Separated(_) | Rows::Json => {}
        }
        Ok(())
    }

    /// Whose row it is.
    pub(super) fn kind(&self, line: &[u8]) -> Result<Kind, Refused> {
        match (&self.rows, self.named) {
            (Rows::Separated(layout), _) => Ok(layout.kind),
            (Rows::Unknown | Rows::Json, Some(kind)) => Ok(kind),
            (Rows::Unknown | Rows::Json, None) => kind_of(line),
        }
    }

    /// What stands in a row under these names.
    pub(super) fn values<'a, const N: usize>(
        &self,
        line: &'a [u8],
        names: &[&'static str; N],
    ) -> Result<[Value<'a>; N], Refused> {
        let Rows::Separated(layout) = &self.rows else {
            return object(line, names);
        };
        let mut values: [Value<'a>; N] = [const { None }; N];
        let mut fields = line.split(|byte| *byte == self.separator);
        for column in &layout.columns {
            let field = fields.next().ok_or(Refused::Short)?;
            let Some(value) = column.and_then(|column| values.get_mut(usize::from(column))) else {
                continue;
            };
            *value = if field == self.unset {
                None
            } else if field == self.empty {
                Some(Cow::Borrowed(&[]))
            } else {
                Some(Cow::Borrowed(field))
            };
        }
        Ok(values)
    }
}

fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Conn => &conn::COLUMNS,
        Kind::Dns => &dns::COLUMNS,
        Kind::Http => &http::COLUMNS,
        Kind::Ssh => &ssh::COLUMNS,
        Kind::Ssl => &ssl::COLUMNS,
    }
}

/// Columns without which a row says nothing.
fn needed(kind: Kind) -> impl Iterator<Item = &'static str> {
    let own = match kind {
        Kind::Conn => "proto",
        Kind::Dns => "query",
        Kind::Http => "status_code",
        Kind::Ssh => "auth_success",
        Kind::Ssl => "server_name",
    };
    let shared = FLOW.into_iter().filter(|name| *name != "uid");
    shared.chain([own])
}

/// Whether a column is written so: Zeek may be told to put `_` for the point in `id.orig_h`.
fn is_column(column: &str, written: &[u8]) -> bool {
    let is_same = |(byte, as_is): (u8, &u8)| byte == *as_is || (byte, *as_is) == (b'.', b'_');
    column.len() == written.len() && column.bytes().zip(written).all(is_same)
}

/// The byte that `#separator` names: `\x09`, or itself.
fn unescaped(text: &[u8]) -> u8 {
    let hex = text
        .strip_prefix(br"\x")
        .and_then(|hex| str::from_utf8(hex).ok());
    let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
    byte.or_else(|| text.first().copied()).unwrap_or(b'\t')
}

/// Whose row an object is by what it says itself, or else by its columns.
fn kind_of(line: &[u8]) -> Result<Kind, Refused> {
    let [conn, dns, http, ssh, ssl] = Kind::ALL.map(Kind::telling_column);
    let [path, told @ ..] = object(line, &["_path", conn, dns, http, ssh, ssl])?;
    if let Some(path) = path {
        return Kind::named(&path).ok_or(Refused::Other);
    }
    let mut kinds = Kind::ALL.into_iter().zip(told);
    let kind = kinds.find_map(|(kind, told)| told.map(|_| kind));
    kind.ok_or(Refused::Other)
}

/// The values of these names in a JSON object.
fn object<'a, const N: usize>(
    line: &'a [u8],
    names: &[&'static str; N],
) -> Result<[Value<'a>; N], Refused> {
    let mut values = [const { None }; N];
    let mut json = serde_json::Deserializer::from_slice(line);
    let object = Object {
        names,
        values: &mut values,
    };
    object.deserialize(&mut json).map_err(|_| Refused::NoJson)?;
    Ok(values)
}

/// The name of a value.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Takes the values of these names out of a JSON object.
struct Object<'v, 'a, const N: usize> {
    names: &'v [&'static str; N],
    values: &'v mut [Value<'a>; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Object<'_, 'de, N> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let raw: &'de RawValue = map.next_value()?;
            let mut names = self.names.iter();
            let place = names.position(|known| is_column(known, name.as_bytes()));
            if let Some(value) = place.and_then(|place| self.values.get_mut(place)) {
                *value = scalar(raw.get());
            }
        }
        Ok(())
    }
}

/// A text without its quotes and escapes, or a number as it is written; unset if it is null.
fn scalar(raw: &str) -> Value<'_> {
    if !raw.starts_with('"') {
        return (raw != "null").then_some(Cow::Borrowed(raw.as_bytes()));
    }
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain.as_bytes())),
        _ => {
            let text: String = serde_json::from_str(raw).ok()?;
            Some(Cow::Owned(text.into_bytes()))
        }
    }
}
