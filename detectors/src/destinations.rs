//! What is known of destinations outside: since when they are contacted, and by how many hosts.
//!
//! A destination is a registered domain where the name is known that a client used (it asked DNS
//! for it, or named it to the server), otherwise an address. What is said of it reaches back to
//! [`Known::since`]: the beginning, or when something was forgotten that may have been it. State is
//! bounded: destinations contacted longest ago are forgotten first, counted.
//!
//! Of each host inside it is known how many domains it contacted by name: a host that goes by names
//! and contacts an address that nothing led to was told that address by something else.

use std::net::IpAddr;

use flow_table::{Span, Timestamp};

use serde::{Deserialize, Serialize};

use crate::config;
use crate::hash::join;
use crate::seen::Party;
use crate::state::state;
use crate::subjects::{Held, Pin, Subjects};

/// See the module.
#[derive(Debug)]
pub(crate) struct Destinations {
    addresses: Subjects<Option<IpAddr>, Use>,
    domains: Subjects<u64, Use>,
    /// The name that a client last used for an address.
    names: Subjects<(Option<IpAddr>, Option<IpAddr>), Name>,
    /// Hosts inside that contact anything outside.
    clients: Subjects<Option<IpAddr>, Client>,
    /// Hosts of which more make no difference.
    enough: usize,
    since: Option<Timestamp>,
}

state!(Destinations { addresses, domains, names, clients, since } of { enough });

/// Since when something is contacted, and by whom inside.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Use {
    since: Timestamp,
    first: Timestamp,
    last: Timestamp,
    /// Keys of hosts, up to as many as make a difference.
    #[serde(with = "crate::state::room")]
    hosts: Vec<u64>,
}

impl Held for Use {
    fn heap(&self) -> usize {
        self.hosts.capacity() * size_of::<u64>()
    }
}

/// Keys of a name: of the domain it lies in, and of all of it.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) domain: u64,
    pub(crate) full: u64,
}

impl Held for Name {
    fn heap(&self) -> usize {
        0
    }
}

/// How many domains a host contacted by name, of those that few others do.
#[derive(Default, Debug, Serialize, Deserialize)]
struct Client {
    domains: u32,
}

impl Held for Client {
    fn heap(&self) -> usize {
        0
    }
}

/// Whether a host contacts a destination by a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    Yes,
    /// No, though it contacts others by name.
    No,
    /// Nor does it contact many others by name, as far as was seen.
    Unknown,
    /// Nobody was seen to contact anything by name: as in a conn.log alone.
    Unseen,
}

/// Domains that a host contacts by name from which on it is said to go by names.
const GOES_BY_NAMES: u32 = 10;

/// What is known of a destination that is being contacted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// When it was first contacted.
    pub(crate) first: Timestamp,
    /// Hosts inside that contact it; of very many, not all.
    pub(crate) hosts: u64,
    /// Had it been contacted before then, from here on, that would be known.
    pub(crate) since: Timestamp,
    /// Whether the host that contacts it does so by name.
    pub(crate) named: Named,
    /// The key of that name.
    pub(crate) name: Option<u64>,
    /// Hosts inside that contact anything outside.
    pub(crate) inside: u64,
}

impl Known {
    /// How long everything had been watched when it was first contacted.
    pub(crate) const fn watched_before(&self) -> Span {
        self.first.since(self.since)
    }
}

impl Destinations {
    /// `enough`: how many hosts of one destination are told apart.
    pub(crate) fn new(config: &config::Destinations, enough: usize) -> Self {
        let (subjects, bytes) = (config.max_subjects.size(), config.max_memory.size());
        Self {
            addresses: Subjects::new(subjects, bytes / 16 * 6),
            domains: Subjects::new(subjects, bytes / 16 * 5),
            names: Subjects::new(subjects, bytes / 16 * 3),
            clients: Subjects::new(subjects, bytes / 16),
            enough,
            since: None,
        }
    }

    /// Something happened: watching has begun.
    pub(crate) fn watch(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// A client will open a connection soon: fetches what is asked for then.
    pub(crate) fn prefetch(&self, client: Party, server: Party) {
        self.addresses.prefetch(server.key);
        self.names.prefetch(join(client.key, server.key));
    }

    /// A client opens a connection.
    pub(crate) fn contact(&mut self, client: Party, server: Party, now: Timestamp) -> Known {
        let (by, before) = (self.visit(client, now), self.addresses.evicted());
        let taken = self
            .addresses
            .update(server.key, Some(server.addr), |used| used.take(by));
        let (known, is_new) = taken.unwrap_or((by.alone(), true));
        if is_new {
            self.clients.update(client.key, Some(client.addr), |_| ());
        }
        if self.addresses.evicted() != before {
            let oldest = self
                .addresses
                .oldest(Pin::InTurn)
                .map(|(.., used)| used.last);
            self.forget_before(oldest);
        }
        let pair = (Some(client.addr), Some(server.addr));
        let name = self.names.get(join(client.key, server.key), pair);
        match name.copied() {
            Some(name) => self.name(client, name, now),
            None => Known {
                named: self.goes_by_names(client),
                inside: self.inside(),
                ..known
            },
        }
    }

    /// What it means that a client contacts something without a name.
    fn goes_by_names(&self, client: Party) -> Named {
        let known = self.clients.get(client.key, Some(client.addr));
        if known.is_some_and(|client| client.domains >= GOES_BY_NAMES) {
            Named::No
        } else if self.domains.len() > 0 {
            Named::Unknown
        } else {
            Named::Unseen
        }
    }

    fn inside(&self) -> u64 {
        u64::try_from(self.clients.len()).unwrap_or(u64::MAX)
    }

    /// What is known of a destination that a client contacted before.
    pub(crate) fn known(&self, client: Party, server: Party) -> Option<Known> {
        let pair = (Some(client.addr), Some(server.addr));
        let name = self.names.get(join(client.key, server.key), pair);
        let by_name = name.and_then(|name| self.domains.get(name.domain, name.domain));
        let by_address = || self.addresses.get(server.key, Some(server.addr));
        let used = by_name.or_else(by_address)?;
        let named = match name {
            Some(_) => Named::Yes,
            None => self.goes_by_names(client),
        };
        Some(Known {
            named,
            name: name.map(|name| name.full),
            inside: self.inside(),
            ..used.known()
        })
    }

    /// A client contacts a server by its name.
    pub(crate) fn contact_by_name(
        &mut self,
        client: Party,
        server: Party,
        name: Name,
        now: Timestamp,
    ) -> Known {
        self.learn(client, server, name);
        self.name(client, name, now)
    }

    /// A client was told that a name leads to an address.
    pub(crate) fn learn(&mut self, client: Party, server: Party, name: Name) {
        let pair = (Some(client.addr), Some(server.addr));
        let key = join(client.key, server.key);
        self.names.update(key, pair, |known| *known = name);
    }

    fn name(&mut self, client: Party, name: Name, now: Timestamp) -> Known {
        let Name { domain, full } = name;
        let (by, before) = (self.visit(client, now), self.domains.evicted());
        let taken = self.domains.update(domain, domain, |used| used.take(by));
        let (known, is_new) = taken.unwrap_or((by.alone(), true));
        if is_new {
            let add = |client: &mut Client| client.domains = client.domains.saturating_add(1);
            self.clients.update(client.key, Some(client.addr), add);
        }
        if self.domains.evicted() != before {
            let oldest = self.domains.oldest(Pin::InTurn).map(|(.., used)| used.last);
            self.forget_before(oldest);
        }
        Known {
            named: Named::Yes,
            name: Some(full),
            inside: self.inside(),
            ..known
        }
    }

    /// What was not contacted since then may have been forgotten.
    fn forget_before(&mut self, oldest: Option<Timestamp>) {
        self.since = self.since.max(oldest);
    }

    fn visit(&self, client: Party, now: Timestamp) -> Visit {
        Visit {
            host: client.key,
            now,
            since: self.since.unwrap_or(now),
            enough: self.enough,
        }
    }

    /// Destinations held, the bytes they take, and how many were forgotten.
    pub(crate) fn usage(&self) -> (u64, u64, u64) {
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let held = self.addresses.len() + self.domains.len();
        let bytes = self.addresses.bytes() + self.domains.bytes() + self.names.bytes();
        let bytes = bytes + self.clients.bytes();
        let evicted = self.addresses.evicted() + self.domains.evicted() + self.names.evicted();
        (number(held), number(bytes), evicted)
    }
}

/// Somebody contacts it.
#[derive(Clone, Copy)]
struct Visit {
    host: u64,
    now: Timestamp,
    since: Timestamp,
    enough: usize,
}

impl Visit {
    /// What is known of a destination by this alone.
    const fn alone(self) -> Known {
        Known {
            first: self.now,
            hosts: 1,
            since: self.since,
            named: Named::Unknown,
            name: None,
            inside: 1,
        }
    }
}

impl Use {
    /// Adds a host, unless more are known than make a difference; returns whether it was added.
    fn take(&mut self, by: Visit) -> (Known, bool) {
        if self.hosts.is_empty() {
            (self.first, self.since) = (by.now, by.since);
            self.hosts.reserve_exact(1);
        }
        self.last = self.last.max(by.now);
        let is_new = self.hosts.len() < by.enough && !self.hosts.contains(&by.host);
        if is_new {
            self.hosts.push(by.host);
        }
        (self.known(), is_new)
    }

    /// What is known by this alone.
    fn known(&self) -> Known {
        Known {
            first: self.first,
            hosts: u64::try_from(self.hosts.len()).unwrap_or(u64::MAX),
            since: self.since,
            named: Named::Unknown,
            name: None,
            inside: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use flow_table::Span;

    use super::*;
    use crate::config::{Bytes, Count};
    use crate::hash::KeyedHash;
    use crate::roles::HasRoles;
    use crate::seen::Side;
    use crate::testing::at;

    fn party(addr: &str, side: Side) -> Party {
        let addr: IpAddr = addr.parse().unwrap();
        let key = KeyedHash::new(1).addr(addr);
        Party {
            addr,
            key,
            side,
            roles: HasRoles::NONE,
            listed: None,
        }
    }

    fn inside(number: u8) -> Party {
        party(&format!("10.0.0.{number}"), Side::Inside)
    }

    fn outside(number: u8) -> Party {
        party(&format!("203.0.113.{number}"), Side::Outside)
    }

    /// A name in that domain.
    fn name(domain: u64) -> Name {
        Name {
            domain,
            full: domain + 1_000,
        }
    }

    fn small(subjects: u32) -> Destinations {
        let config = config::Destinations {
            max_subjects: Count::new(subjects),
            max_memory: Bytes::new(1 << 20),
        };
        let mut destinations = Destinations::new(&config, 3);
        destinations.watch(at(0));
        destinations
    }

    #[test]
    fn hosts_are_counted_as_far_as_they_matter() {
        let mut destinations = small(100);
        for (host, hosts) in [(1, 1), (1, 1), (2, 2), (3, 3), (4, 3), (2, 3)] {
            let known = destinations.contact(inside(host), outside(1), at(1_000));
            assert_eq!(known.hosts, hosts, "{host}");
        }
        let known = destinations.contact(inside(1), outside(2), at(5_000));
        assert_eq!((known.hosts, known.first), (1, at(5_000)));
        assert_eq!(known.watched_before(), Span::from_secs(5));
    }

    #[test]
    fn a_name_stands_for_its_addresses() {
        let mut destinations = small(100);
        destinations.learn(inside(1), outside(1), name(77));
        destinations.learn(inside(2), outside(2), name(77));
        let first = destinations.contact(inside(1), outside(1), at(1_000));
        let second = destinations.contact(inside(2), outside(2), at(2_000));
        assert_eq!((first.hosts, second.hosts, second.first), (1, 2, at(1_000)));
        // Who was told nothing goes by the address.
        let third = destinations.contact(inside(3), outside(1), at(3_000));
        assert_eq!((third.hosts, third.first), (2, at(1_000)));
        let named = destinations.contact_by_name(inside(3), outside(1), name(77), at(4_000));
        assert_eq!((named.hosts, named.first), (3, at(1_000)));
    }

    #[test]
    fn who_goes_by_names_is_known() {
        let mut destinations = small(100);
        let contact = |destinations: &mut Destinations, number| {
            let known = destinations.contact(inside(1), outside(number), at(1_000));
            (known.named, known.inside)
        };
        assert_eq!(contact(&mut destinations, 1), (Named::Unseen, 1));
        for domain in 1..10 {
            destinations.contact_by_name(inside(1), outside(9), name(domain), at(1_000));
            assert_eq!(contact(&mut destinations, 1), (Named::Unknown, 1));
        }
        destinations.contact_by_name(inside(1), outside(9), name(10), at(1_000));
        assert_eq!(contact(&mut destinations, 1), (Named::No, 1));
        assert_eq!(contact(&mut destinations, 9), (Named::Yes, 1));
        let other = destinations.contact(inside(2), outside(1), at(1_000));
        assert_eq!((other.named, other.inside), (Named::Unknown, 2));
    }

    #[test]
    fn what_may_have_been_forgotten_is_not_called_new() {
        let mut destinations = small(2);
        for number in 1..=3 {
            destinations.contact(inside(1), outside(number), at(i64::from(number) * 1_000));
        }
        // 1 was forgotten; the oldest that is known was contacted at 2 s.
        let known = destinations.contact(inside(1), outside(1), at(9_000));
        assert_eq!((known.first, known.since), (at(9_000), at(2_000)));
        let (held, bytes, evicted) = destinations.usage();
        assert_eq!((held, evicted), (2, 2));
        assert!(bytes < 1 << 20);
    }
}
