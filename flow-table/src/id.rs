//! Who talks to whom.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One end of a flow. For ICMP the port holds the type (originator) or the counterpart's type or
/// code (responder), as in conn.log; protocols without ports have 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its address.
    pub addr: IpAddr,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint at `addr`, `port`.
    pub fn new(addr: impl Into<IpAddr>, port: u16) -> Self {
        Self {
            addr: addr.into(),
            port,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            IpAddr::V4(addr) => write!(f, "{addr}:{}", self.port),
            IpAddr::V6(addr) => write!(f, "[{addr}]:{}", self.port),
        }
    }
}

/// An IP protocol number (IANA registry), or IPv6 next header that is no extension.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct IpProto(pub u8);

impl IpProto {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// IPv4 inside IP.
    pub const IPV4: Self = Self(4);
    /// IPv6 inside IP.
    pub const IPV6: Self = Self(41);
    /// Generic routing encapsulation.
    pub const GRE: Self = Self(47);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);

    /// The word Zeek's `proto` column has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::ICMP | Self::ICMPV6 => "icmp",
            _ => "unknown_transport",
        }
    }
}

/// A flow's two ends as they stand now (a flow may still be turned round, see `FlowEventKind`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FlowId {
    /// Who opened the flow.
    pub orig: Endpoint,
    /// Who was asked.
    pub resp: Endpoint,
    /// The protocol above IP.
    pub proto: IpProto,
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.orig, self.resp, self.proto.name())
    }
}
