//! The row of a log under construction, value by value in the order of its columns: a line of a
//! table, or an object. Text goes straight into the log's block.
//!
//! Values off the wire are escaped as Zeek does: in a table, what is neither printable nor valid
//! UTF-8 becomes `\xNN`, and so does a comma in a list; a value that looks like "unset" or "empty"
//! does not stay so. JSON has its own escapes, and `\\xNN` for the rest.

use std::io::Write as _;
use std::net::IpAddr;

use flow_table::{FlowId, Span, Timestamp, Uid};

use super::line::Line;
use super::zeek::Column;
use crate::cli::LogFormat;

/// Who talked to whom, which most rows begin with.
pub(super) const FLOW: [Column; 6] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
];

const HEX: &[u8; 16] = b"0123456789abcdef";

/// See the module.
pub(super) struct Fields<'a> {
    out: &'a mut Vec<u8>,
    line: Line,
    format: LogFormat,
    columns: std::slice::Iter<'a, Column>,
    begun: bool,
}

impl<'a> Fields<'a> {
    /// A row with these columns, to be appended to `out`.
    pub(super) fn new(out: &'a mut Vec<u8>, format: LogFormat, columns: &'a [Column]) -> Self {
        if format == LogFormat::Json {
            out.push(b'{');
        }
        Self {
            out,
            line: Line::new(),
            format,
            columns: columns.iter(),
            begun: false,
        }
    }

    /// The row is complete.
    pub(super) fn end(self) {
        debug_assert!(self.columns.len() == 0, "a column has no value");
        if self.format == LogFormat::Json {
            self.out.push(b'}');
        }
        self.out.push(b'\n');
    }

    /// Goes to the next column, which has a value.
    fn next(&mut self) {
        let column = self.columns.next();
        if self.format == LogFormat::Tsv {
            if self.begun {
                self.out.push(b'\t');
            }
        } else {
            if self.begun {
                self.out.push(b',');
            }
            self.out.push(b'"');
            let name = column.map_or("", |column| column.0);
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        }
        self.begun = true;
    }

    /// The next column has no value.
    pub(super) fn unset(&mut self) {
        if self.format == LogFormat::Json {
            self.columns.next();
        } else {
            self.next();
            self.out.push(b'-');
        }
    }

    /// Columns of [`FLOW`].
    pub(super) fn flow(&mut self, ts: Timestamp, uid: Uid, id: &FlowId) {
        self.time(ts);
        self.ends(uid, id);
    }

    /// The same without the time.
    pub(super) fn ends(&mut self, uid: Uid, id: &FlowId) {
        self.next();
        self.quote();
        self.out.extend_from_slice(&uid.text());
        self.quote();
        for end in [id.orig, id.resp] {
            self.next();
            self.addr(end.addr);
            self.count(end.port.into());
        }
    }

    /// Two hosts where ends are told, of whom no ports are known.
    pub(super) fn hosts(&mut self, src: IpAddr, dst: IpAddr) {
        for addr in [src, dst] {
            self.next();
            self.addr(addr);
            self.count(0);
        }
    }

    /// Seconds since 1970.
    pub(super) fn time(&mut self, time: Timestamp) {
        self.next();
        self.micros(time.as_micros_rounded());
    }

    /// Whole seconds since 1970.
    pub(super) fn seconds(&mut self, seconds: i64) {
        self.next();
        self.micros(seconds.saturating_mul(1_000_000));
    }

    pub(super) fn interval(&mut self, span: Option<Span>) {
        match span {
            Some(span) => {
                self.next();
                self.micros(span.as_micros_rounded());
            }
            None => self.unset(),
        }
    }

    /// Seconds off the wire, which may be any number. A table has six decimals of it.
    pub(super) fn fraction(&mut self, seconds: f64) {
        self.next();
        // Writing to a vector does not fail. `Debug` has a point or an exponent in it.
        let _ = match self.format {
            LogFormat::Tsv => write!(self.out, "{seconds:.6}"),
            LogFormat::Json => write!(self.out, "{seconds:?}"),
        };
    }

    pub(super) fn count(&mut self, count: u64) {
        self.next();
        self.line.number(count);
        self.line.move_to(self.out);
    }

    pub(super) fn maybe_count(&mut self, count: Option<impl Into<u64>>) {
        match count {
            Some(count) => self.count(count.into()),
            None => self.unset(),
        }
    }

    pub(super) fn flag(&mut self, flag: impl Into<Option<bool>>) {
        let Some(flag) = flag.into() else {
            return self.unset();
        };
        self.next();
        let text: &[u8] = match (self.format, flag) {
            (LogFormat::Tsv, true) => b"T",
            (LogFormat::Tsv, false) => b"F",
            (LogFormat::Json, true) => b"true",
            (LogFormat::Json, false) => b"false",
        };
        self.out.extend_from_slice(text);
    }

    /// One of our own names: nothing in it is to be escaped.
    pub(super) fn name<'n>(&mut self, name: impl Into<Option<&'n str>>) {
        let Some(name) = name.into() else {
            return self.unset();
        };
        self.next();
        self.quote();
        self.out.extend_from_slice(name.as_bytes());
        self.quote();
    }

    /// Bytes off the wire.
    pub(super) fn text<T: AsRef<[u8]> + ?Sized>(&mut self, text: Option<&T>) {
        let Some(text) = text else {
            return self.unset();
        };
        self.next();
        self.value(text.as_ref(), None);
    }

    /// A list of them; an empty one is unset.
    pub(super) fn texts<T: AsRef<[u8]>>(&mut self, texts: &[T]) {
        if texts.is_empty() {
            return self.unset();
        }
        self.list(texts.iter(), |fields, text| {
            fields.value(text.as_ref(), Some(b','));
        });
    }

    /// Bytes in hexadecimal digits.
    pub(super) fn digest<const N: usize>(&mut self, digest: Option<[u8; N]>) {
        let Some(digest) = digest else {
            return self.unset();
        };
        self.next();
        self.quote();
        for byte in digest {
            self.out.extend(digits(byte));
        }
        self.quote();
    }

    /// A list that may be empty, or unset.
    pub(super) fn maybe_texts<T: AsRef<[u8]>>(&mut self, texts: Option<&[T]>) {
        match texts {
            Some([]) => self.empty_list(),
            Some(texts) => self.texts(texts),
            None => self.unset(),
        }
    }

    /// A list of whole seconds; an empty one is unset.
    pub(super) fn intervals(&mut self, seconds: impl ExactSizeIterator<Item = u32>) {
        if seconds.len() == 0 {
            return self.unset();
        }
        self.list(seconds, |fields, seconds| {
            fields.micros(i64::from(seconds).saturating_mul(1_000_000));
        });
    }

    /// A list of addresses; an empty one is unset.
    pub(super) fn addrs(&mut self, addrs: &[IpAddr]) {
        if addrs.is_empty() {
            return self.unset();
        }
        self.list(addrs.iter(), |fields, addr| fields.addr(*addr));
    }

    pub(super) fn maybe_addr(&mut self, addr: Option<IpAddr>) {
        let Some(addr) = addr else {
            return self.unset();
        };
        self.next();
        self.addr(addr);
    }

    /// A list that is there and has nothing in it.
    pub(super) fn empty_list(&mut self) {
        self.next();
        let text: &[u8] = match self.format {
            LogFormat::Tsv => b"(empty)",
            LogFormat::Json => b"[]",
        };
        self.out.extend_from_slice(text);
    }

    fn list<T>(&mut self, things: impl Iterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.next();
        self.bracket(b'[');
        for (nth, thing) in things.enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            write(self, thing);
        }
        self.bracket(b']');
    }

    fn bracket(&mut self, bracket: u8) {
        if self.format == LogFormat::Json {
            self.out.push(bracket);
        }
    }

    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.out.push(b'"');
        }
    }

    fn addr(&mut self, addr: IpAddr) {
        self.quote();
        self.line.addr(addr);
        self.line.move_to(self.out);
        self.quote();
    }

    fn micros(&mut self, micros: i64) {
        if micros < 0 {
            self.line.bytes(*b"-");
        }
        self.line.micros(micros.unsigned_abs());
        self.line.move_to(self.out);
    }

    /// A text by the rules of the format; `also` is not to stand in it either.
    fn value(&mut self, text: &[u8], also: Option<u8>) {
        if self.format == LogFormat::Json {
            self.out.push(b'"');
            escape_json(self.out, text);
            self.out.push(b'"');
            return;
        }
        match text {
            b"" => self.out.extend_from_slice(b"(empty)"),
            b"-" | b"(empty)" => {
                let (first, rest) = text.split_at(1);
                for byte in first {
                    hex(self.out, *byte);
                }
                self.out.extend_from_slice(rest);
            }
            _ => escape(self.out, text, also),
        }
    }
}

/// Printable text stays as it is, and so does what is no ASCII but valid.
fn escape(out: &mut Vec<u8>, text: &[u8], also: Option<u8>) {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        let is_special =
            |byte: &u8| byte.is_ascii_control() || *byte == b'\\' || Some(*byte) == also;
        while let Some(at) = rest.iter().position(is_special) {
            let (plain, special) = rest.split_at(at);
            out.extend_from_slice(plain);
            let Some((byte, after)) = special.split_first() else {
                break;
            };
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                byte => hex(out, *byte),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        for byte in chunk.invalid() {
            hex(out, *byte);
        }
    }
}

fn escape_json(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        let is_special = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'\\' | b'"');
        while let Some(at) = rest.iter().position(is_special) {
            let (plain, special) = rest.split_at(at);
            out.extend_from_slice(plain);
            let Some((byte, after)) = special.split_first() else {
                break;
            };
            out.push(b'\\');
            match byte {
                b'\\' | b'"' => out.push(*byte),
                b'\x08' => out.push(b'b'),
                b'\t' => out.push(b't'),
                b'\n' => out.push(b'n'),
                b'\x0c' => out.push(b'f'),
                b'\r' => out.push(b'r'),
                byte => hex(out, *byte),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        for byte in chunk.invalid() {
            out.push(b'\\');
            hex(out, *byte);
        }
    }
}

/// `\x1f`.
fn hex(out: &mut Vec<u8>, byte: u8) {
    let [high, low] = digits(byte);
    out.extend_from_slice(&[b'\\', b'x', high, low]);
}

/// `1f`.
fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|value| HEX.get(usize::from(value)).copied().unwrap_or(b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 5] = [
        ("a", "string"),
        ("b", "count"),
        ("c", "bool"),
        ("d", "vector[string]"),
        ("e", "interval"),
    ];

    fn row(format: LogFormat, text: Option<&[u8]>, list: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut fields = Fields::new(&mut out, format, &COLUMNS);
        fields.text(text);
        fields.maybe_count(text.map(|text| text.len() as u64));
        fields.flag(text.map(<[u8]>::is_empty));
        fields.texts(list);
        fields.interval(text.map(|_| Span::from_nanos(1_500_000_000)));
        fields.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digests_are_hexadecimal() {
        for (format, want) in [
            (LogFormat::Tsv, "0aff\t-\n"),
            (LogFormat::Json, "{\"a\":\"0aff\"}\n"),
        ] {
            let mut out = Vec::new();
            let mut fields = Fields::new(&mut out, format, &COLUMNS[..2]);
            fields.digest(Some([0x0a, 0xff]));
            fields.digest::<16>(None);
            fields.end();
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn values_are_escaped_by_the_rules_of_the_format() {
        // A text, a list, the row in a table and as JSON.
        type Case<'a> = (Option<&'a [u8]>, &'a [&'a [u8]], &'a str, &'a str);
        let cases: [Case<'_>; 6] = [
            (None, &[], "-\t-\t-\t-\t-\n", "{}\n"),
            (
                Some(b"ab"),
                &[b"x,y", b"z"],
                "ab\t2\tF\tx\\x2cy,z\t1.500000\n",
                "{\"a\":\"ab\",\"b\":2,\"c\":false,\"d\":[\"x,y\",\"z\"],\"e\":1.500000}\n",
            ),
            (
                Some(b"-"),
                &[b"-"],
                "\\x2d\t1\tF\t\\x2d\t1.500000\n",
                "{\"a\":\"-\",\"b\":1,\"c\":false,\"d\":[\"-\"],\"e\":1.500000}\n",
            ),
            (
                Some(b""),
                &[b"(empty)"],
                "(empty)\t0\tT\t\\x28empty)\t1.500000\n",
                "{\"a\":\"\",\"b\":0,\"c\":true,\"d\":[\"(empty)\"],\"e\":1.500000}\n",
            ),
            (
                Some(b"a\tb\\c\"\xff,"),
                &[],
                "a\\x09b\\\\c\"\\xff,\t8\tF\t-\t1.500000\n",
                "{\"a\":\"a\\tb\\\\c\\\"\\\\xff,\",\"b\":8,\"c\":false,\"e\":1.500000}\n",
            ),
            (
                Some("é\u{7f}".as_bytes()),
                &[],
                "é\\x7f\t3\tF\t-\t1.500000\n",
                "{\"a\":\"é\\\\x7f\",\"b\":3,\"c\":false,\"e\":1.500000}\n",
            ),
        ];
        for (text, list, tsv, json) in cases {
            assert_eq!(row(LogFormat::Tsv, text, list), tsv);
            assert_eq!(row(LogFormat::Json, text, list), json);
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
            assert!(parsed.is_ok(), "{json}");
        }
    }
}
