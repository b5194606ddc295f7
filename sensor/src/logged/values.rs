//! What stands in a row: one value for each column that is asked for.

use std::borrow::Cow;
use std::hash::Hasher;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use flow_table::protocol::Record;
use flow_table::{FlowId, IpProto, ProtocolRow, Span, Timestamp, Uid};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::Ends;

/// Why a row says nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Refused {
    /// It has fewer values than its log has columns: it was cut.
    Short,
    /// It is no JSON object.
    NoJson,
    /// It is longer than any row.
    Long,
    /// Who talked to whom, or when, cannot be told.
    Unclear,
    /// It is of a log that no detector asks for, among others.
    Other,
}

impl Refused {
    pub(crate) const ALL: [Self; 5] = [
        Self::Short,
        Self::NoJson,
        Self::Long,
        Self::Unclear,
        Self::Other,
    ];

    /// For counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Short => "row_cut_short",
            Self::NoJson => "not_json",
            Self::Long => "row_too_long",
            Self::Unclear => "no_time_or_address",
            Self::Other => "row_of_another_log",
        }
    }
}

/// A value, if it is set.
pub(super) type Value<'a> = Option<Cow<'a, [u8]>>;

/// The columns that every row has.
pub(super) const FLOW: [&str; 6] = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
];

/// What stands in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    ts: i64,
    uid: [u8; Uid::BYTES],
    ends: Ends,
}

impl Head {
    /// `proto` is that of the flow.
    pub(super) fn of(values: [&Value<'_>; 6], proto: IpProto) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p] = values;
        let ts = time(ts).ok_or(Refused::Unclear)?;
        let end = |host: &Value<'_>, port: &Value<'_>| {
            Some((parsed::<IpAddr>(host)?, u16::try_from(count(port)?).ok()?))
        };
        let orig = end(orig_h, orig_p).ok_or(Refused::Unclear)?;
        let resp = end(resp_h, resp_p).ok_or(Refused::Unclear)?;
        let proto = match orig.0 {
            IpAddr::V6(_) if proto == IpProto::ICMP => IpProto::ICMPV6,
            _ => proto,
        };
        let ends = Ends {
            orig,
            resp,
            proto: proto.0,
        };
        let uid = parsed::<Uid>(uid).unwrap_or_else(|| made_up(ts, &ends));
        Ok(Self {
            ts: ts.as_nanos(),
            uid: uid.to_bytes(),
            ends,
        })
    }

    pub(super) const fn ts(&self) -> Timestamp {
        Timestamp::from_nanos(self.ts)
    }

    pub(super) fn uid(&self) -> Uid {
        Uid::from_bytes(self.uid)
    }

    pub(super) fn id(&self) -> FlowId {
        self.ends.id()
    }

    pub(super) const fn proto(&self) -> IpProto {
        IpProto(self.ends.proto)
    }

    /// A protocol's row of this flow, told at `time`.
    pub(super) fn row(&self, time: Timestamp, record: Record) -> ProtocolRow {
        ProtocolRow {
            time,
            uid: self.uid(),
            seq: 0,
            id: self.id(),
            record,
        }
    }
}

/// A name for a flow whose log has none that can be kept.
fn made_up(ts: Timestamp, ends: &Ends) -> Uid {
    let mut hasher = SipHasher13::new();
    hasher.write_i64(ts.as_nanos());
    for (addr, port) in [ends.orig, ends.resp] {
        match addr {
            IpAddr::V4(addr) => hasher.write(&addr.octets()),
            IpAddr::V6(addr) => hasher.write(&addr.octets()),
        }
        hasher.write_u16(port);
    }
    Uid::from_bits(hasher.finish128().as_u128())
}

/// The protocol of that name in the column `proto`.
pub(super) fn proto(value: &Value<'_>) -> IpProto {
    match value.as_deref() {
        Some(b"tcp") => IpProto::TCP,
        Some(b"udp") => IpProto::UDP,
        Some(b"icmp") => IpProto::ICMP,
        // No detector asks which of the others.
        _ => IpProto(u8::MAX),
    }
}

/// A whole number.
pub(super) fn count(value: &Value<'_>) -> Option<u64> {
    let digits = value.as_deref()?;
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(number * 10 + u64::from(digit))
    })
}

/// What its type reads from text.
pub(super) fn parsed<T: FromStr>(value: &Value<'_>) -> Option<T> {
    str::from_utf8(value.as_deref()?).ok()?.parse().ok()
}

/// Seconds with up to nine decimals, or, of JSON, a date of RFC 3339.
pub(super) fn time(value: &Value<'_>) -> Option<Timestamp> {
    if let Some(nanos) = nanos(value) {
        return Some(Timestamp::from_nanos(nanos));
    }
    let text = str::from_utf8(value.as_deref()?).ok()?;
    let since = humantime::parse_rfc3339_weak(text).ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_nanos(i64::try_from(since.as_nanos()).ok()?))
}

/// Seconds, as conn.log writes a duration.
pub(super) fn interval(value: &Value<'_>) -> Option<Span> {
    nanos(value).map(Span::from_nanos)
}

/// Billionths of what is written with a point, or, of JSON, with an exponent.
fn nanos(value: &Value<'_>) -> Option<i64> {
    let text = value.as_deref()?;
    if text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'e')) {
        let seconds = Duration::try_from_secs_f64(parsed(value)?).ok()?;
        return i64::try_from(seconds.as_nanos()).ok();
    }
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, decimals) = match point {
        Some(point) => (text.get(..point)?, text.get(point + 1..)?),
        None => (text, &[][..]),
    };
    let number = |digits: &[u8]| {
        let digits = Cow::Borrowed(digits);
        i64::try_from(count(&Some(digits))?).ok()
    };
    let mut nanos = number(whole)?.checked_mul(1_000_000_000)?;
    if !decimals.is_empty() {
        let kept = decimals.get(..9).unwrap_or(decimals);
        let scale = 10_i64.pow(u32::try_from(9 - kept.len()).ok()?);
        nanos = nanos.checked_add(number(kept)? * scale)?;
    }
    Some(nanos)
}

/// Bytes of a text, which Zeek writes as `\xNN` where they are not printable.
pub(super) fn text(value: &Value<'_>) -> Option<Box<[u8]>> {
    let text = value.as_deref()?;
    if !text.contains(&b'\\') {
        return Some(text.into());
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match behind {
            [b'x', high, low, ..] if *first == b'\\' => hex(*high, *low),
            _ => None,
        };
        plain.push(escaped.unwrap_or(*first));
        let taken = if escaped.is_some() { 4 } else { 1 };
        rest = rest.get(taken..).unwrap_or_default();
    }
    Some(plain.into())
}

/// The texts of a list: with commas between, or as JSON writes it.
pub(super) fn list(value: &Value<'_>, most: usize) -> Vec<Box<[u8]>> {
    let written = value.as_deref().unwrap_or_default();
    let inner = written
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    let texts = inner.unwrap_or(written).split(|byte| *byte == b',');
    let plain = |text: &[u8]| {
        let text = text.trim_ascii();
        let bare = text
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        self::text(&Some(Cow::Borrowed(bare.unwrap_or(text))))
    };
    texts
        .filter(|text| !text.is_empty())
        .filter_map(plain)
        .take(most)
        .collect()
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a value that is set")]
    fn value(text: &str) -> Value<'_> {
        Some(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn numbers() {
        let cases = [
            ("0", Some(0)),
            ("65535", Some(65_535)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("99999999999999999999", None),
        ];
        for (text, want) in cases {
            assert_eq!(count(&value(text)), want, "{text}");
        }
        assert_eq!(count(&None), None);
    }

    #[test]
    fn times() {
        let cases = [
            ("1700000000.123456", Some(1_700_000_000_123_456_000)),
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000.1234567891", Some(1_700_000_000_123_456_789)),
            ("2023-11-14T22:13:20.5Z", Some(1_700_000_000_500_000_000)),
            (
                "2023-11-14T22:13:20.500000Z",
                Some(1_700_000_000_500_000_000),
            ),
            ("7e-6", Some(7_000)),
            ("9.5367431640625E-07", Some(954)),
            ("1.7e+09", Some(1_700_000_000_000_000_000)),
            ("1e300", None),
            ("-7e-6", None),
            ("99999999999", None),
            ("-5.0", None),
            ("yesterday", None),
        ];
        for (text, want) in cases {
            let got = time(&value(text)).map(Timestamp::as_nanos);
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn texts() {
        let cases: [(&str, &[u8]); 4] = [
            ("example.com", b"example.com"),
            (r"a\x09b\xffc", b"a\tb\xffc"),
            (r"a\xzzb\", br"a\xzzb\"),
            ("", b""),
        ];
        for (written, want) in cases {
            assert_eq!(text(&value(written)).as_deref(), Some(want), "{written}");
        }
    }

    #[test]
    fn a_uid_is_kept_or_made_up() {
        let head = |uid| {
            let texts = ["1.5", uid, "10.0.0.1", "1000", "fe80::1", "80"];
            let values = texts.map(value);
            let head = Head::of(values.each_ref(), IpProto::TCP).unwrap();
            Uid::from_bytes(head.uid).to_string()
        };
        assert_eq!(head("CHhAvVGS1DHFjwGM9"), "CHhAvVGS1DHFjwGM9");
        assert_eq!(head("a flow"), head("another"));
        let values = ["x", "C1", "10.0.0.1", "1", "10.0.0.2", "2"].map(value);
        let refused = Head::of(values.each_ref(), IpProto::TCP).err();
        assert_eq!(refused, Some(Refused::Unclear));
    }
}
