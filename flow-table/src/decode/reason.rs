//! Why a packet was not processed, and how many were not.

use crate::packet::Body;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a packet added nothing to any flow.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// Every reason, in the order of the summary.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The name in the summary.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The name of its column in stats.log.
            pub const fn column(self) -> &'static str {
                match self { $(Self::$name => concat!("dropped_", $text),)+ }
            }
        }
    };
}

reasons! {
    /// The capture filter did not match.
    Filtered = "filtered",
    /// Packets came faster than they could be looked at.
    QueueFull = "queue_full",
    /// The interface's link type is one we cannot read.
    UnknownLink = "unknown_link_type",
    /// The capture was cut inside the link-layer headers.
    TruncatedLink = "truncated_link_header",
    /// Neither IPv4 nor IPv6: ARP, LLDP, spanning tree, …
    NotIp = "not_ip",
    /// The capture was cut inside the IP header, or the header claims an impossible length.
    BadIpHeader = "bad_ip_header",
    /// The IP header claims more bytes than the packet had on the wire.
    TruncatedIp = "truncated_ip",
    /// The IP header's length field is zero.
    ZeroLength = "zero_ip_length",
    /// The IPv4 header checksum is wrong.
    BadIpChecksum = "bad_ip_checksum",
    /// A fragment whose datagram never was complete.
    Fragment = "incomplete_fragment",
    /// A tunnel inside which there is nothing we can read.
    Tunnel = "tunnel",
    /// A tunnel whose headers contradict themselves or what is inside.
    BadTunnel = "bad_tunnel",
    /// Tunnels nested too deep.
    TunnelDepth = "tunnel_too_deep",
    /// ESP, mobility headers, "no next header": nothing a flow could be made of.
    NoTransport = "no_transport",
    /// The capture was cut before the ports.
    TruncatedTransport = "truncated_transport_header",
    /// The transport header claims an impossible length.
    BadTransportHeader = "bad_transport_header",
    /// The TCP, UDP or ICMP checksum is wrong.
    BadChecksum = "bad_checksum",
}

impl DropReason {
    /// Why a packet that names a flow adds nothing to it, if it adds nothing.
    pub const fn of(body: &Body) -> Option<Self> {
        match body {
            Body::BadChecksum { .. } => Some(Self::BadChecksum),
            Body::BadHeader { .. } => Some(Self::BadTransportHeader),
            _ => None,
        }
    }
}

/// Packets and bytes by [`DropReason`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DropCounts {
    counts: [(u64, u64); DropReason::ALL.len()],
}

impl DropCounts {
    /// Nothing counted.
    pub const fn new() -> Self {
        Self {
            counts: [(0, 0); DropReason::ALL.len()],
        }
    }

    /// Counts so many packets of so many bytes.
    pub fn add_many(&mut self, reason: DropReason, (packets, bytes): (u64, u64)) {
        if let Some(count) = self.counts.get_mut(reason as usize) {
            count.0 += packets;
            count.1 += bytes;
        }
    }

    /// Counts one packet of `bytes` captured bytes.
    pub fn add(&mut self, reason: DropReason, bytes: usize) {
        self.add_many(reason, (1, bytes as u64));
    }

    /// Adds what somebody else counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
    }

    /// Every reason with its packets and bytes, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .zip(self.counts)
            .map(|(reason, (p, b))| (reason, p, b))
    }

    /// All packets dropped, and their bytes.
    pub fn total(&self) -> (u64, u64) {
        self.counts
            .iter()
            .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }
}
