//! DHCP for IPv4: who asked for an address, and what it was given (RFC 2131, RFC 2132).
//!
//! The messages of a transaction travel in several flows, since a client without an address
//! broadcasts: a flow's parser tells of single messages, and [`Transactions`], of which there is
//! one for all flows, makes rows of them.

mod transactions;

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::bytes::Reader;
use super::{At, Parser, Progress, Record, Service, Sink, Text};
use crate::{Side, Span, Timestamp};

pub use transactions::{DhcpRecord, MAX_TRANSACTIONS, Transactions};

const DHCP: Service = Service("dhcp");
const COOKIE: u32 = 0x6382_5363;
/// Room for a hardware address, the server's name and a boot file's.
const HARDWARE_LEN: usize = 16;
const NAMES_LEN: usize = 64 + 128;

/// A hardware address of six or eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac([u8; 8]);

impl Mac {
    /// `None` if there are not enough bytes.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut mac = [0; 8];
        let len = if bytes.len() < 8 { 6 } else { 8 };
        for (place, byte) in mac.iter_mut().zip(bytes).take(len) {
            *place = *byte;
        }
        (bytes.len() >= 6).then_some(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.0.ends_with(&[0, 0]);
        for (at, byte) in self.0.iter().enumerate().take(if short { 6 } else { 8 }) {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// What a message says, as far as rows need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DhcpMessage {
    /// When it was seen.
    pub ts: Timestamp,
    /// The flow's originator sent it.
    pub is_orig: bool,
    /// Names the transaction.
    pub xid: u32,
    /// What it is; see [`message_name`].
    pub kind: u8,
    /// Address that the client gets; zero for none.
    pub assigned: Ipv4Addr,
    /// The client's hardware address.
    pub hardware: Option<Mac>,
    /// The same by which the client wants to be known (option 61).
    pub client_id: Option<Mac>,
    /// The client's name (option 12).
    pub host_name: Option<Text>,
    /// The client's full name (option 81, RFC 4702).
    pub client_fqdn: Option<Text>,
    /// Domain the client is in (option 15).
    pub domain: Option<Text>,
    /// Address that the client wants (option 50).
    pub requested: Option<Ipv4Addr>,
    /// How long the address may be kept (option 51).
    pub lease: Option<Span>,
    /// What is wrong (option 56).
    pub message: Option<Text>,
}

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// They are of something else.
    Other,
    NoType,
}

impl DhcpMessage {
    fn read(ts: Timestamp, side: Side, bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let (mut message, cookie) = Self::fixed(ts, side, &mut reader).ok_or(Fault::Other)?;
        if cookie != COOKIE {
            return Err(Fault::Other);
        }
        while let Some(kind) = reader.u8().filter(|kind| *kind != 255) {
            if kind == 0 {
                continue;
            }
            let Some(data) = reader.sized8() else { break };
            message.option(kind, data);
        }
        if message.kind == 0 {
            return Err(Fault::NoType);
        }
        Ok(message)
    }

    fn fixed(ts: Timestamp, side: Side, reader: &mut Reader<'_>) -> Option<(Self, u32)> {
        let [op, _kind, len, _hops] = reader.u32()?.to_be_bytes();
        if !matches!(op, 1 | 2) {
            return None;
        }
        let xid = reader.u32()?;
        let (_secs_and_flags, _client) = (reader.u32()?, reader.u32()?);
        let assigned = reader.u32()?.into();
        let (_next, _relay) = (reader.u32()?, reader.u32()?);
        let hardware = reader.take(HARDWARE_LEN)?;
        reader.take(NAMES_LEN)?;
        let message = Self {
            ts,
            is_orig: side == Side::Orig,
            xid,
            kind: 0,
            assigned,
            hardware: (len != 0).then(|| Mac::read(hardware)).flatten(),
            client_id: None,
            host_name: None,
            client_fqdn: None,
            domain: None,
            requested: None,
            lease: None,
            message: None,
        };
        Some((message, reader.u32()?))
    }

    fn option(&mut self, kind: u8, data: &[u8]) {
        let number = Reader::new(data).u32();
        match kind {
            12 => self.host_name = Some(data.into()),
            15 => self.domain = Some(data.strip_suffix(b"\0").unwrap_or(data).into()),
            50 => self.requested = number.map(Ipv4Addr::from),
            51 => self.lease = number.map(|secs| Span::from_secs(secs.into())),
            53 => self.kind = data.first().copied().unwrap_or_default(),
            56 => self.message = Some(data.into()),
            61 => {
                if let Some((1, rest)) = data.split_first() {
                    self.client_id = Mac::read(rest);
                }
            }
            81 => self.client_fqdn = data.get(3..).map(Into::into),
            _ => {}
        }
    }
}

/// What Zeek's log calls a message.
pub fn message_name(kind: u8) -> std::borrow::Cow<'static, str> {
    const NAMES: [&str; 18] = [
        "DISCOVER",
        "OFFER",
        "REQUEST",
        "DECLINE",
        "ACK",
        "NAK",
        "RELEASE",
        "INFORM",
        "FORCERENEW",
        "LEASEQUERY",
        "LEASEUNASSIGNED",
        "LEASEUNKNOWN",
        "LEASEACTIVE",
        "BULKLEASEQUERY",
        "LEASEQUERYDONE",
        "ACTIVELEASEQUERY",
        "LEASEQUERYSTATUS",
        "TLS",
    ];
    match NAMES.get(usize::from(kind.wrapping_sub(1))) {
        Some(name) => (*name).into(),
        None => format!("Unknown_DHCP_message_{kind}").into(),
    }
}

/// The parser of one flow.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Dhcp {
    confirmed: bool,
}

impl Parser for Dhcp {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        match DhcpMessage::read(ts, side, bytes) {
            Ok(message) => {
                if !std::mem::replace(&mut self.confirmed, true) {
                    sink.confirm(DHCP);
                }
                sink.record(Record::Dhcp(Box::new(message)));
            }
            Err(Fault::NoType) => {
                At::new("DHCP", side, ts, sink).weird("DHCP_no_type_option");
            }
            Err(Fault::Other) => {
                At::new("DHCP", side, ts, sink).weird("DHCP_bad_message");
                sink.refute(DHCP);
                return Progress::Done;
            }
        }
        Progress::Going
    }
}

#[cfg(test)]
mod tests;
