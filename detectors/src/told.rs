//! What a row of a protocol's log tells detectors, and who wants to hear it.

use std::net::IpAddr;

use flow_table::ProtocolRow;
use flow_table::protocol::Record;
use flow_table::protocol::dns::DnsRecord;

use crate::asked::{Asked, Question, registered};
use crate::config::Role;
use crate::deleted::{Deleted, deletes};
use crate::destinations::{Destinations, Name};
use crate::echoed::Echoed;
use crate::fetched::{Fetch, Fetched, name_of};
use crate::hash::KeyedHash;
use crate::misplaced::Misplaced;
use crate::seen::{Observer, Party, Side};
use crate::signals::Matched;
use crate::signals::threat_list_match::label;
use crate::signed_in::SignedIn;
use crate::threats::Match;
use crate::wants::Set;

/// What a row is about, as far as detectors care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    /// [`Told::Asked`].
    Questions,
    /// [`Told::Fetched`].
    Fetches,
    /// [`Told::SignedIn`].
    SignIns,
    /// [`Told::Echoed`].
    Echoes,
    /// [`Told::Misplaced`].
    Misplaced,
    /// [`Told::Deleted`].
    Deletions,
    /// [`Told::Matched`].
    Threats,
}

/// One row with what every detector asks about it.
pub(crate) enum Told<'a> {
    /// A host inside asked for a name.
    Asked(Asked<'a>),
    /// A host inside fetched content.
    Fetched(Fetched<'a>),
    /// Somebody tried to sign in.
    SignedIn(SignedIn<'a>),
    /// Messages of ICMP carry something.
    Echoed(Echoed<'a>),
    /// A service is on a port that is not its own.
    Misplaced(Misplaced<'a>),
    /// A host with the role `backup` was told to delete something, and did.
    Deleted(Deleted<'a>),
    /// A row names what a threat list names.
    Matched(Matched<'a>),
}

impl Told<'_> {
    pub(crate) const fn topic(&self) -> Topic {
        match self {
            Self::Asked(_) => Topic::Questions,
            Self::Fetched(_) => Topic::Fetches,
            Self::SignedIn(_) => Topic::SignIns,
            Self::Echoed(_) => Topic::Echoes,
            Self::Misplaced(_) => Topic::Misplaced,
            Self::Deleted(_) => Topic::Deletions,
            Self::Matched(_) => Topic::Threats,
        }
    }
}

/// For each topic the detectors that want to hear of it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Listeners([Set; 7]);

impl Listeners {
    /// Of detectors that want to hear of these, in this order.
    pub(crate) fn new(topics: impl Iterator<Item = Option<Topic>>) -> Self {
        let mut this = Self::default();
        for (number, topic) in topics.enumerate() {
            let who = topic.and_then(|topic| this.0.get_mut(topic as usize));
            if let Some(who) = who {
                *who |= 1 << number;
            }
        }
        this
    }

    pub(crate) fn to(self, topic: Topic) -> Set {
        self.0.get(topic as usize).copied().unwrap_or(0)
    }
}

impl Observer {
    /// What a row tells, if that concerns a detector.
    pub(crate) fn told<'a>(&'a mut self, row: &'a ProtocolRow) -> Option<Told<'a>> {
        self.channels.note(row, &self.hash);
        let client = self.party(row.id.orig.addr);
        let server = self.party(row.id.resp.addr);
        if client.side == Side::Neither || server.side == Side::Neither {
            return None;
        }
        match &row.record {
            Record::SignIn(sign_in) => Some(Told::SignedIn(SignedIn {
                row,
                client,
                server,
                service: sign_in.service.0,
                outcome: sign_in.outcome,
            })),
            Record::Echoes(echoes) if client.inside() || server.inside() => {
                Some(Told::Echoed(Echoed {
                    row,
                    src: client,
                    dst: server,
                    echoes,
                }))
            }
            Record::Misplaced(service) if client.inside() || server.inside() => {
                Some(Told::Misplaced(Misplaced {
                    row,
                    src: client,
                    dst: server,
                    service: service.0,
                }))
            }
            _ if client.inside() => self.told_of_inside(row, client, server),
            _ => None,
        }
    }

    /// What a row names that a threat list names.
    pub(crate) fn matched<'a>(&mut self, row: &'a ProtocolRow) -> Option<Told<'a>> {
        if !self.threats.has_texts() {
            return None;
        }
        let Match { list, what } = self.threats.of_row(row)?;
        let label = label(&self.threats, &what.to_ascii_lowercase(), list);
        Some(Told::Matched(Matched {
            row,
            client: self.party(row.id.orig.addr),
            server: self.party(row.id.resp.addr),
            label,
        }))
    }

    /// What a row tells of a client inside.
    fn told_of_inside<'a>(
        &'a mut self,
        row: &'a ProtocolRow,
        client: Party,
        server: Party,
    ) -> Option<Told<'a>> {
        let ends = (client, server);
        match &row.record {
            Record::Dns(dns) => {
                let asked = Asked::new(row, Question::of(dns)?, (client, server), &self.hash);
                let name = Name {
                    domain: self.hash.name(asked.domain),
                    full: asked.name_key,
                };
                self.answered(client, dns, name);
                Some(Told::Asked(asked))
            }
            Record::Http(http) if server.roles.has(Role::Backup) && deletes(http) => {
                Some(Told::Deleted(Deleted {
                    row,
                    client,
                    server,
                    path: http.uri.as_deref().unwrap_or_default(),
                }))
            }
            Record::Http(http) => {
                let host = http.host.as_deref().unwrap_or_default();
                let fetched = Fetch::of_http(http);
                fetched_by(&mut self.destinations, &self.hash, row, ends, host, fetched)
            }
            Record::Ftp(ftp) => {
                let (channels, hash) = (&self.channels, &self.hash);
                let carried = ftp.transfer.and_then(|to| channels.carried(to, hash));
                let fetched = Some(Fetch::of_ftp(ftp, carried)?);
                fetched_by(&mut self.destinations, hash, row, ends, b"", fetched)
            }
            Record::Ssl(ssl) => {
                let name = ssl.server_name.as_deref().unwrap_or_default();
                fetched_by(&mut self.destinations, &self.hash, row, ends, name, None)
            }
            _ => None,
        }
    }

    /// A client learns the addresses of a name.
    fn answered(&mut self, client: Party, dns: &DnsRecord, name: Name) {
        const ADDRESSES: [Option<u16>; 2] = [Some(1), Some(28)];
        if !ADDRESSES.contains(&dns.qtype) {
            return;
        }
        let asked = dns.query.as_deref().unwrap_or_default();
        let texts = dns
            .answers
            .iter()
            .map(|answer| str::from_utf8(&answer.text));
        for addr in texts.filter_map(|text| text.ok()?.parse::<IpAddr>().ok()) {
            let server = self.party(addr);
            if server.side == Side::Outside {
                self.destinations.learn(client, server, name);
                self.answers.learn(server, asked);
            }
        }
    }
}

/// A client contacts a server by what may be a name, and may fetch something.
fn fetched_by<'a>(
    destinations: &mut Destinations,
    hash: &KeyedHash,
    row: &'a ProtocolRow,
    (client, server): (Party, Party),
    host: &'a [u8],
    fetch: Option<Fetch<'a>>,
) -> Option<Told<'a>> {
    let name = name_of(host).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let domain = registered(&lower);
    let known = if server.side != Side::Outside {
        None
    } else if !domain.is_empty() {
        let name = Name {
            domain: hash.name(domain),
            full: hash.name(&lower),
        };
        Some(destinations.contact_by_name(client, server, name, row.time))
    } else if fetch.is_some() {
        Some(destinations.contact(client, server, row.time))
    } else {
        None
    };
    Some(Told::Fetched(Fetched {
        row,
        client,
        server,
        fetch: fetch?,
        domain: domain.into(),
        known,
    }))
}
