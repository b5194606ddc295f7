//! A question to DNS as detectors see it: who asked whom for what, and how much the name hides.

use flow_table::protocol::dns::DnsRecord;
use flow_table::{ProtocolRow, Timestamp};

use crate::hash::{KeyedHash, join};
use crate::seen::Party;

/// What a row of dns.log says was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    record: &'a DnsRecord,
    name: &'a [u8],
}

impl<'a> Question<'a> {
    /// The question of a row, if it asks for a name.
    pub(crate) fn of(record: &'a DnsRecord) -> Option<Self> {
        let name = record.query.as_deref()?;
        (!record.netbios && !name.is_empty()).then_some(Self { record, name })
    }
}

/// One question with what every detector asks about it.
pub(crate) struct Asked<'a> {
    pub(crate) row: &'a ProtocolRow,
    /// When it was asked.
    pub(crate) at: Timestamp,
    pub(crate) client: Party,
    pub(crate) server: Party,
    /// The name asked for, in lower case.
    pub(crate) name: &'a [u8],
    pub(crate) name_key: u64,
    /// The registered domain it lies in (public suffix list), or all of it where there is none.
    pub(crate) domain: &'a [u8],
    /// Names client and domain.
    pub(crate) pair: u64,
    /// Type of the records asked for.
    pub(crate) qtype: u16,
    /// What stands left of the registered domain.
    pub(crate) left: Left<'a>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(
        row: &'a ProtocolRow,
        question: Question<'a>,
        (client, server): (Party, Party),
        hash: &KeyedHash,
    ) -> Self {
        let Question { record, name } = question;
        let (left, domain) = parts(name);
        Self {
            row,
            at: record.ts,
            client,
            server,
            name,
            name_key: hash.name(name),
            domain,
            pair: join(client.key, hash.name(domain)),
            qtype: record.qtype.unwrap_or_default(),
            left: Left::of(left),
        }
    }
}

/// The registered domain that a name lies in (public suffix list), or all of it where there is none.
pub(crate) fn registered(name: &[u8]) -> &[u8] {
    parts(name).1
}

/// The labels left of a name's registered domain, and that domain.
fn parts(name: &[u8]) -> (&[u8], &[u8]) {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let domain = psl::domain(name).map_or(name, |domain| domain.as_bytes());
    let left = name.len().saturating_sub(domain.len());
    name.split_at_checked(left).unwrap_or((&[], name))
}

/// Digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512.
const HASHES: [usize; 6] = [32, 40, 56, 64, 96, 128];
/// Labels beside a hash are shorter than this.
const BESIDE_HASH: usize = 8;

/// How long the labels left of the registered domain are, without the dots between, and how varied.
/// Tunnels split what they carry over several labels, so all of them count together.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Left<'a> {
    labels: &'a [u8],
    pub(crate) length: u64,
}

impl<'a> Left<'a> {
    fn of(labels: &'a [u8]) -> Self {
        let length = labels.iter().map(|byte| u64::from(*byte != b'.')).sum();
        Self { labels, length }
    }

    /// Shannon entropy, in bits for each character.
    pub(crate) fn entropy(self) -> f64 {
        let mut counts = [0_u16; 256];
        let mut length = 0_u16;
        for byte in self.labels.iter().filter(|byte| **byte != b'.') {
            if let Some(count) = counts.get_mut(usize::from(*byte)) {
                *count = count.saturating_add(1);
                length = length.saturating_add(1);
            }
        }
        let all = f64::from(length);
        let spread: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| f64::from(*count) * f64::from(*count).log2())
            .sum();
        if length > 0 {
            all.log2() - spread / all
        } else {
            0.0
        }
    }

    /// Whether it is a hash, and little else: something that a client wants to know about, not send.
    pub(crate) fn is_hash(self) -> bool {
        let labels = self.labels.split(|byte| *byte == b'.');
        let mut long = labels.filter(|label| label.len() >= BESIDE_HASH);
        let (Some(hash), None) = (long.next(), long.next()) else {
            return false;
        };
        HASHES.contains(&hash.len()) && hash.iter().all(u8::is_ascii_hexdigit)
    }

    /// Whether it looks like encoded data.
    pub(crate) fn is_encoded(self, min_length: u64, min_entropy: f64) -> bool {
        self.length >= min_length && self.entropy() >= min_entropy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_their_registered_domain() {
        let cases = [
            ("www.example.com", "www.", "example.com"),
            ("a.b.example.co.uk", "a.b.", "example.co.uk"),
            ("x.y.someone.duckdns.org", "x.y.", "someone.duckdns.org"),
            ("example.com", "", "example.com"),
            ("com", "", "com"),
            ("printer", "", "printer"),
            ("a.b.internal.lan.", "a.b.", "internal.lan"),
            ("..", "", "."),
        ];
        for (name, left, domain) in cases {
            let want = (left.as_bytes(), domain.as_bytes());
            assert_eq!(parts(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn entropy_is_that_of_all_labels_together() {
        let cases = [
            ("", 0, 0.0),
            ("aaaa.", 4, 0.0),
            ("ab.ab.", 4, 1.0),
            ("abcd.efgh.", 8, 3.0),
            ("0123456789abcdef.", 16, 4.0),
        ];
        for (labels, length, entropy) in cases {
            let left = Left::of(labels.as_bytes());
            assert_eq!(left.length, length, "{labels}");
            assert!(
                (left.entropy() - entropy).abs() < 1e-12,
                "{labels}: {left:?}"
            );
        }
    }
}
