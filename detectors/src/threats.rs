//! Addresses, names and fingerprints that somebody calls malicious, and who does.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use flow_table::ProtocolRow;
use flow_table::protocol::Record;
use hashbrown::HashTable;
use ipnet::IpNet;

use crate::Config;
use crate::config::Network;
use crate::fetched::name_of;
use crate::hash::KeyedHash;
use crate::networks::Networks;

/// Something that a list names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Indicator {
    /// An address or a network.
    Network(IpNet),
    /// A domain and all below it, in lower case.
    Domain(Box<str>),
    /// A fingerprint of a TLS client, JA3 or JA4.
    Fingerprint(Box<str>),
}

impl Indicator {
    /// What a text names, by its shape; nothing if it has none of theirs.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(network) = text.parse::<Network>() {
            return Some(Self::Network(network.get()));
        }
        let text = text.trim_end_matches('.').to_ascii_lowercase();
        if is_fingerprint(&text) {
            return Some(Self::Fingerprint(text.into()));
        }
        is_domain(&text).then(|| Self::Domain(text.into()))
    }
}

/// JA3 is 32 hex digits; JA4 is of three parts: `t13d1516h2_8daaf6152771_02713d6af862`.
fn is_fingerprint(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = text.split('_').collect();
    match parts.as_slice() {
        [ja3] => ja3.len() == 32 && hex(ja3),
        [kind, ciphers, extensions] => {
            let sizes = (kind.len(), ciphers.len(), extensions.len());
            sizes == (10, 12, 12)
                && kind.starts_with(['t', 'q', 'd'])
                && hex(ciphers)
                && hex(extensions)
        }
        _ => false,
    }
}

/// Characters of a domain's name (RFC 1035, 2.3.4, without the root's dot).
const LONGEST_DOMAIN: usize = 253;

/// At least two labels, of which the last is no number.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(fits)
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let named = last.bytes().any(|byte| byte.is_ascii_alphabetic());
    text.contains('.') && text.len() <= LONGEST_DOMAIN && named && text.split('.').all(label)
}

/// What lists name. Where several name the same, the one added first is told.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ThreatLists {
    lists: Vec<Arc<str>>,
    indicators: Vec<(Indicator, ListId)>,
}

/// A list by its number, from 1.
pub(crate) type ListId = NonZeroU16;

impl ThreatLists {
    /// Adds a list under this name.
    pub fn add(&mut self, name: &str, indicators: impl IntoIterator<Item = Indicator>) {
        let next = u16::try_from(self.lists.len() + 1)
            .ok()
            .and_then(NonZeroU16::new);
        let Some(number) = next else {
            return;
        };
        self.lists.push(name.into());
        let of_list = indicators.into_iter().map(|indicator| (indicator, number));
        self.indicators.extend(of_list);
    }

    /// How many indicators there are.
    pub fn len(&self) -> usize {
        self.indicators.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indicators.is_empty()
    }

    /// Each, with the name of its list.
    pub fn iter(&self) -> impl Iterator<Item = (&Indicator, &str)> {
        { self.indicators.iter() }.map(|(indicator, list)| (indicator, self.name(*list)))
    }

    fn name(&self, list: ListId) -> &str {
        let name = self.lists.get(usize::from(list.get()) - 1);
        name.map_or("", |name| name)
    }
}

/// The lists, ready to be asked.
#[derive(Clone, Debug)]
pub struct Threats {
    hash: KeyedHash,
    lists: Vec<Arc<str>>,
    networks: Networks<ListId>,
    /// Domains and fingerprints, which no text can both be.
    texts: HashTable<(Box<str>, ListId)>,
}

/// What of a row a list names.
pub(crate) struct Match<'a> {
    pub(crate) list: ListId,
    /// The name or fingerprint, as the row has it.
    pub(crate) what: &'a [u8],
}

impl Threats {
    /// Takes some time where lists are long.
    pub fn with(config: &Config, lists: &ThreatLists) -> Self {
        Self::new(lists, &KeyedHash::new(config.hash_seed))
    }

    pub(crate) fn new(lists: &ThreatLists, hash: &KeyedHash) -> Self {
        let network = |(indicator, list): &(Indicator, ListId)| match indicator {
            Indicator::Network(network) => Some((*network, *list)),
            Indicator::Domain(_) | Indicator::Fingerprint(_) => None,
        };
        let networks = lists.indicators.iter().filter_map(network);
        let mut this = Self {
            hash: hash.clone(),
            lists: lists.lists.clone(),
            networks: Networks::new(hash, networks, |first, _| first),
            texts: HashTable::new(),
        };
        for (indicator, list) in &lists.indicators {
            if let Indicator::Domain(text) | Indicator::Fingerprint(text) = indicator
                && this.text(text.as_bytes()).is_none()
            {
                let (hasher, key) = (&this.hash, hash.name(text.as_bytes()));
                let entry = (text.clone(), *list);
                this.texts
                    .insert_unique(key, entry, |(text, _)| hasher.name(text.as_bytes()));
            }
        }
        this
    }

    pub(crate) fn name(&self, list: ListId) -> Arc<str> {
        let name = self.lists.get(usize::from(list.get()) - 1);
        name.map_or_else(|| "".into(), Arc::clone)
    }

    pub(crate) fn has_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    pub(crate) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Bytes taken.
    pub(crate) fn bytes(&self) -> usize {
        let texts = self.texts.iter().map(|(text, _)| text.len()).sum::<usize>();
        self.networks.bytes() + self.texts.allocation_size() + texts
    }

    /// The first list that names a network with this address.
    pub(crate) fn of(&self, addr: IpAddr) -> Option<ListId> {
        self.networks.of(addr).min()
    }

    fn text(&self, text: &[u8]) -> Option<ListId> {
        let found = self
            .texts
            .find(self.hash.name(text), |(known, _)| known.as_bytes() == text);
        found.map(|(_, list)| *list)
    }

    /// A name or one of the domains that it is in.
    fn domain(&self, name: &[u8]) -> Option<ListId> {
        let lower = name.to_ascii_lowercase();
        let mut rest: &[u8] = lower.strip_suffix(b".").unwrap_or(&lower);
        loop {
            // Strangers' names may be as long as they like; what is longer than any domain is in no list.
            if rest.len() <= LONGEST_DOMAIN
                && let Some(list) = self.text(rest)
            {
                return Some(list);
            }
            let dot = rest.iter().position(|byte| *byte == b'.')?;
            rest = rest.get(dot + 1..)?;
        }
    }

    /// What a row names that a list names.
    pub(crate) fn of_row<'a>(&self, row: &'a ProtocolRow) -> Option<Match<'a>> {
        let domain = |name: &'a [u8]| {
            let list = self.domain(name)?;
            Some(Match { list, what: name })
        };
        match &row.record {
            Record::Dns(dns) => domain(dns.query.as_deref()?),
            Record::Http(http) => domain(name_of(http.host.as_deref()?)?),
            Record::Ssl(ssl) => {
                let prints = [&ssl.ja3, &ssl.ja4].into_iter().flatten();
                let print = |text: &'a String| {
                    let list = self.text(text.as_bytes())?;
                    let what = text.as_bytes();
                    Some(Match { list, what })
                };
                let name = ssl.server_name.as_deref().and_then(domain);
                name.or_else(|| { prints }.find_map(print))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicators_are_known_by_their_shape() {
        let network = |text: &str| Some(Indicator::Network(text.parse().unwrap()));
        let domain = |text: &str| Some(Indicator::Domain(text.into()));
        let print = |text: &str| Some(Indicator::Fingerprint(text.into()));
        let (ja3, ja4) = (
            "e7d705a3286e19ea42f587b344ee6865",
            "t13d1516h2_8daaf6152771_02713d6af862",
        );
        let cases = [
            ("203.0.113.9", network("203.0.113.9/32")),
            ("203.0.113.9/24", network("203.0.113.0/24")),
            ("2001:db8::/32", network("2001:db8::/32")),
            ("Evil.Example.", domain("evil.example")),
            ("a.b.c.evil.example", domain("a.b.c.evil.example")),
            ("xn--80ak6aa92e.example", domain("xn--80ak6aa92e.example")),
            (ja3, print(ja3)),
            ("E7D705A3286E19EA42F587B344EE6865", print(ja3)),
            (ja4, print(ja4)),
            ("localhost", None),
            ("203.0.113.300", None),
            ("1.2.3.4.5", None),
            ("evil..example", None),
            ("http://evil.example/a", None),
            ("two words.example", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(Indicator::parse(text), want, "{text}");
        }
    }

    #[test]
    fn the_first_list_that_names_it_is_told() {
        let mut lists = ThreatLists::default();
        let parse = |texts: &[&str]| -> Vec<Indicator> {
            texts
                .iter()
                .filter_map(|text| Indicator::parse(text))
                .collect()
        };
        lists.add("one", parse(&["203.0.113.0/24", "evil.example"]));
        lists.add(
            "two",
            parse(&["203.0.113.9", "evil.example", "worse.evil.example"]),
        );
        let threats = Threats::new(&lists, &KeyedHash::new(1));
        let of_addr = |addr: &str| {
            threats
                .of(addr.parse().unwrap())
                .map(|list| threats.name(list))
        };
        assert_eq!(of_addr("203.0.113.9").as_deref(), Some("one"));
        assert_eq!(of_addr("203.0.114.9"), None);
        let of_name = |name: &str| {
            threats
                .domain(name.as_bytes())
                .map(|list| threats.name(list))
        };
        let long = format!("{}evil.example", "a.".repeat(30_000));
        let cases = [
            ("evil.example", Some("one")),
            ("WWW.Evil.Example.", Some("one")),
            ("a.worse.evil.example", Some("two")),
            ("notevil.example", None),
            ("example", None),
            ("", None),
            (&long, Some("one")),
        ];
        for (name, want) in cases {
            assert_eq!(of_name(name).as_deref(), want, "{name}");
        }
    }
}
