//! Messages of one transaction, put together into a row.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::{DhcpMessage, Mac};
use crate::protocol::Text;
use crate::{FlowId, Span, Timestamp};

/// Transactions that are put together at a time; of more, the one that is due next gets its row.
pub const MAX_TRANSACTIONS: usize = 4_096;
/// Flows of a transaction; with so many it gets its row.
const MAX_FLOWS: usize = 10;
/// Messages of a transaction; with so many it gets its row.
const MAX_MESSAGES: usize = 50;
/// How long a transaction is left alone at first, and then between looks at it.
const FIRST_LOOK: Span = Span::from_secs(10);
const LOOK: Span = Span::from_secs(5);
/// A transaction without messages for so long is over.
const QUIET: Span = Span::from_secs(5);
/// A transaction that takes longer gets its row.
const MAX_AGE: Span = Span::from_secs(30);

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;

/// A row of dhcp.log. `U` names flows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpRecord<U> {
    /// When the first message was seen.
    pub ts: Timestamp,
    /// The flows it came in.
    pub uids: Vec<U>,
    /// The client's address.
    pub client_addr: Option<IpAddr>,
    /// Of the server that gave an address.
    pub server_addr: Option<IpAddr>,
    /// The client's hardware address.
    pub mac: Option<Mac>,
    /// The client's name.
    pub host_name: Option<Text>,
    /// The client's full name.
    pub client_fqdn: Option<Text>,
    /// Domain the client is in.
    pub domain: Option<Text>,
    /// Address that the client wants.
    pub requested_addr: Option<Ipv4Addr>,
    /// Address that it got.
    pub assigned_addr: Option<Ipv4Addr>,
    /// For how long.
    pub lease_time: Option<Span>,
    /// What the client finds wrong.
    pub client_message: Option<Text>,
    /// What the server finds wrong.
    pub server_message: Option<Text>,
    /// What was said; see [`super::message_name`].
    pub msg_types: Vec<u8>,
    /// From the first message to the last.
    pub duration: Span,
    /// Hardware address that a client gave in passing.
    fallback_mac: Option<Mac>,
}

impl<U> DhcpRecord<U> {
    const fn new(ts: Timestamp) -> Self {
        Self {
            ts,
            uids: Vec::new(),
            client_addr: None,
            server_addr: None,
            mac: None,
            host_name: None,
            client_fqdn: None,
            domain: None,
            requested_addr: None,
            assigned_addr: None,
            lease_time: None,
            client_message: None,
            server_message: None,
            msg_types: Vec::new(),
            duration: Span::ZERO,
            fallback_mac: None,
        }
    }

    fn is_full(&self) -> bool {
        self.uids.len() >= MAX_FLOWS || self.msg_types.len() >= MAX_MESSAGES
    }

    fn add(&mut self, id: &FlowId, message: DhcpMessage) {
        self.duration = message.ts.since(self.ts);
        self.msg_types.push(message.kind);
        let from_client = message.is_orig
            && (id.orig.addr.is_unspecified()
                || id.orig.port == CLIENT_PORT
                || id.resp.port == SERVER_PORT);
        if from_client {
            self.of_client(id, message);
        } else {
            self.of_server(id, message);
        }
    }

    fn of_client(&mut self, id: &FlowId, message: DhcpMessage) {
        let addr = id.orig.addr;
        if !addr.is_unspecified() && addr != IpAddr::V4(Ipv4Addr::BROADCAST) {
            self.client_addr = Some(addr);
        }
        update(&mut self.client_message, message.message);
        update(&mut self.host_name, message.host_name);
        update(&mut self.client_fqdn, message.client_fqdn);
        update(&mut self.requested_addr, message.requested);
        if message.client_id.is_some() {
            self.mac = message.client_id;
        } else {
            self.fallback_mac = message.hardware;
        }
    }

    fn of_server(&mut self, id: &FlowId, message: DhcpMessage) {
        update(&mut self.server_message, message.message);
        update(&mut self.domain, message.domain);
        update(&mut self.lease_time, message.lease);
        self.mac = self.mac.or(message.hardware);
        if !message.assigned.is_unspecified() {
            let server = if message.is_orig { id.orig } else { id.resp };
            self.server_addr = Some(server.addr);
            self.assigned_addr = Some(message.assigned);
        }
        self.client_addr = self.client_addr.or(self.assigned_addr.map(IpAddr::V4));
    }
}

fn update<T>(known: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *known = new;
    }
}

/// A transaction under way.
#[derive(Clone, Debug)]
struct Pending<U> {
    row: DhcpRecord<U>,
    last: Timestamp,
    due: Timestamp,
}

/// All transactions under way.
#[derive(Clone, Debug)]
pub struct Transactions<U> {
    pending: BTreeMap<u32, Pending<U>>,
    /// When to look at which.
    due: BTreeSet<(Timestamp, u32)>,
}

impl<U> Default for Transactions<U> {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }
}

impl<U: PartialEq> Transactions<U> {
    /// Takes a message that the flow `uid` carried; `row` gets what is complete by now.
    pub fn message(
        &mut self,
        uid: U,
        id: &FlowId,
        message: DhcpMessage,
        mut row: impl FnMut(DhcpRecord<U>),
    ) {
        self.advance(message.ts, &mut row);
        let (xid, ts) = (message.xid, message.ts);
        if self.pending.len() >= MAX_TRANSACTIONS
            && !self.pending.contains_key(&xid)
            && let Some((_, oldest)) = self.due.first()
        {
            self.close(*oldest, &mut row);
        }
        let due = &mut self.due;
        let pending = self.pending.entry(xid).or_insert_with(|| {
            let first = ts + FIRST_LOOK;
            due.insert((first, xid));
            Pending {
                row: DhcpRecord::new(ts),
                last: ts,
                due: first,
            }
        });
        pending.last = ts;
        if !pending.row.uids.contains(&uid) {
            pending.row.uids.push(uid);
        }
        pending.row.add(id, message);
        if pending.row.is_full() {
            self.close(xid, &mut row);
        }
    }

    /// Time goes on to `now`; `row` gets what is complete by now.
    pub fn advance(&mut self, now: Timestamp, mut row: impl FnMut(DhcpRecord<U>)) {
        while let Some((due, xid)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            let over = self.pending.get_mut(&xid).is_none_or(|pending| {
                pending.due = now + LOOK;
                now.since(pending.last) > QUIET || now.since(pending.row.ts) > MAX_AGE
            });
            self.due.remove(&(due, xid));
            // What cannot be put off any further is over too.
            if over || now + LOOK <= now {
                self.close(xid, &mut row);
            } else {
                self.due.insert((now + LOOK, xid));
            }
        }
    }

    /// There are no more messages.
    pub fn finish(&mut self, row: impl FnMut(DhcpRecord<U>)) {
        self.due.clear();
        let all = std::mem::take(&mut self.pending);
        all.into_values().map(complete).for_each(row);
    }

    /// Transactions under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn close(&mut self, xid: u32, mut row: impl FnMut(DhcpRecord<U>)) {
        if let Some(pending) = self.pending.remove(&xid) {
            self.due.remove(&(pending.due, xid));
            row(complete(pending));
        }
    }
}

fn complete<U>(pending: Pending<U>) -> DhcpRecord<U> {
    let mut row = pending.row;
    row.mac = row.mac.or(row.fallback_mac);
    row
}
