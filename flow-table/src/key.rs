//! The name of a conversation inside the flow table, equal for both directions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline, rapidhash_v3_seeded};
use serde::{Deserialize, Serialize};

use crate::{Endpoint, FlowId, IpProto};

/// An IP address as two words: IPv4 in its IPv6-mapped form (RFC 4291, 2.5.5.2), so that one
/// comparison and one hash serve both families.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Addr {
    high: u64,
    low: u64,
}

impl Addr {
    const V4_PREFIX: u64 = 0xffff_0000_0000;

    /// From the four bytes of an IPv4 header.
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self {
            high: 0,
            low: Self::V4_PREFIX | u32::from_be_bytes(bytes) as u64,
        }
    }

    /// From the sixteen bytes of an IPv6 header.
    pub const fn v6(bytes: [u8; 16]) -> Self {
        let whole = u128::from_be_bytes(bytes);
        Self {
            high: (whole >> 64) as u64,
            low: low_word(whole),
        }
    }

    /// Whether this is an IPv4 address (or one mapped into IPv6, which is the same here).
    pub const fn is_v4(self) -> bool {
        self.high == 0 && self.low >> 32 == Self::V4_PREFIX >> 32
    }

    /// The address of an IPv4 host.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is the address"
    )]
    const fn v4_word(self) -> u32 {
        self.low as u32
    }

    /// Its sixteen-bit words added up, for checksums over pseudo headers. The prefix of an IPv4
    /// address adds all ones, which is nothing in ones' complement.
    pub(crate) const fn sum(self) -> u64 {
        const LOW_HALVES: u64 = 0x0000_ffff_0000_ffff;
        let pairs = (self.high & LOW_HALVES)
            + (self.high >> 16 & LOW_HALVES)
            + (self.low & LOW_HALVES)
            + (self.low >> 16 & LOW_HALVES);
        (pairs >> 32) + (pairs & 0xffff_ffff)
    }

    /// Whether this is 255.255.255.255.
    pub const fn is_broadcast(self) -> bool {
        self.high == 0 && self.low == Self::V4_PREFIX | 0xffff_ffff
    }

    /// Whether this is a multicast address of either family.
    pub fn is_multicast(self) -> bool {
        IpAddr::from(self).is_multicast()
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> Self {
        if addr.is_v4() {
            let [.., a, b, c, d] = addr.low.to_be_bytes();
            return Self::V4(Ipv4Addr::new(a, b, c, d));
        }
        let whole = (u128::from(addr.high) << 64) | u128::from(addr.low);
        Self::V6(Ipv6Addr::from_bits(whole))
    }
}

impl From<IpAddr> for Addr {
    fn from(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(addr) => Self::v4(addr.octets()),
            IpAddr::V6(addr) => Self::v6(addr.octets()),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low word is what is wanted"
)]
const fn low_word(whole: u128) -> u64 {
    whole as u64
}

/// One end as a packet names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct End {
    /// Its address.
    pub addr: Addr,
    /// Its port (for ICMP: type, counterpart type or code).
    pub port: u16,
}

impl From<End> for Endpoint {
    fn from(end: End) -> Self {
        Self {
            addr: end.addr.into(),
            port: end.port,
        }
    }
}

/// Which of a key's ends a packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Way {
    /// From the low end to the high one.
    Up,
    /// From the high end to the low one.
    Down,
}

/// Names a conversation. Ends are kept sorted: who spoke first is a fact about the flow, not
/// part of its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FlowKey {
    // Two ends, laid out without gaps.
    low: Addr,
    high: Addr,
    low_port: u16,
    high_port: u16,
    proto: IpProto,
}

impl FlowKey {
    /// Between nobody and nobody.
    pub(crate) const EMPTY: Self = {
        let nobody = End {
            addr: Addr { high: 0, low: 0 },
            port: 0,
        };
        Self::sorted(nobody, nobody, IpProto(0))
    };

    /// The key of a packet from `src` to `dst`, and which way it travels.
    #[inline]
    pub fn of(src: End, dst: End, proto: IpProto) -> (Self, Way) {
        if src <= dst {
            (Self::sorted(src, dst, proto), Way::Up)
        } else {
            (Self::sorted(dst, src, proto), Way::Down)
        }
    }

    /// The same for addresses and ports of IPv4.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "words are taken apart")]
    pub(crate) fn of_v4(src: (u32, u16), dst: (u32, u16), proto: IpProto) -> (Self, Way) {
        let whole = |(addr, port): (u32, u16)| u64::from(addr) << 16 | u64::from(port);
        let (src, dst) = (whole(src), whole(dst));
        let (low, high) = (src.min(dst), src.max(dst));
        let addr = |whole: u64| Addr {
            high: 0,
            low: Addr::V4_PREFIX | whole >> 16,
        };
        let key = Self {
            low: addr(low),
            high: addr(high),
            low_port: low as u16,
            high_port: high as u16,
            proto,
        };
        (key, if src <= dst { Way::Up } else { Way::Down })
    }

    /// The key of a message that nobody answers (one-way ICMP): each direction is a flow of its
    /// own, so the ends stay as the packet has them.
    pub const fn one_way(src: End, dst: End, proto: IpProto) -> (Self, Way) {
        (Self::sorted(src, dst, proto), Way::Up)
    }

    /// The key whose ends are sorted already.
    #[inline]
    pub(crate) const fn sorted(low: End, high: End, proto: IpProto) -> Self {
        Self {
            low: low.addr,
            high: high.addr,
            low_port: low.port,
            high_port: high.port,
            proto,
        }
    }

    /// The protocol above IP.
    pub const fn proto(&self) -> IpProto {
        self.proto
    }

    /// The end a packet travelling `way` comes from.
    pub const fn source(&self, way: Way) -> End {
        match way {
            Way::Up => self.low(),
            Way::Down => self.high(),
        }
    }

    /// The end a packet travelling `way` goes to.
    pub const fn destination(&self, way: Way) -> End {
        match way {
            Way::Up => self.high(),
            Way::Down => self.low(),
        }
    }

    const fn low(&self) -> End {
        End {
            addr: self.low,
            port: self.low_port,
        }
    }

    const fn high(&self) -> End {
        End {
            addr: self.high,
            port: self.high_port,
        }
    }

    /// The ids of a flow whose originator sends `way`.
    pub fn id(&self, way: Way) -> FlowId {
        FlowId {
            orig: self.source(way).into(),
            resp: self.destination(way).into(),
            proto: self.proto,
        }
    }

    #[inline]
    fn bytes_v4(&self) -> [u8; 16] {
        let whole = u128::from(self.low.v4_word())
            | u128::from(self.high.v4_word()) << 32
            | u128::from(self.low_port) << 64
            | u128::from(self.high_port) << 80
            | u128::from(self.proto.0) << 96;
        whole.to_le_bytes()
    }

    fn bytes(&self) -> [u8; 37] {
        let mut bytes = [0; 37];
        let parts: [&[u8]; 7] = [
            &self.low.high.to_le_bytes(),
            &self.low.low.to_le_bytes(),
            &self.high.high.to_le_bytes(),
            &self.high.low.to_le_bytes(),
            &self.low_port.to_le_bytes(),
            &self.high_port.to_le_bytes(),
            &[self.proto.0],
        ];
        let mut rest = bytes.as_mut_slice();
        for part in parts {
            if let Some((place, after)) = std::mem::take(&mut rest).split_at_mut_checked(part.len())
            {
                place.copy_from_slice(part);
                rest = after;
            }
        }
        bytes
    }
}

/// Hashes keys with a seed that an attacker does not know, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct KeyHasher {
    secrets: RapidSecrets,
}

impl KeyHasher {
    /// A hasher for `seed`: fixed for replay, random for live capture.
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            secrets: RapidSecrets::seed(seed),
        }
    }

    /// The hash of `key`: its top six bits are the key's group, see [`group_of`].
    #[inline]
    pub(crate) fn hash(&self, key: &FlowKey) -> u64 {
        if key.low.is_v4() && key.high.is_v4() {
            self.hash_v4(key)
        } else {
            rapidhash_v3_seeded(&key.bytes(), &self.secrets)
        }
    }

    /// The hash of the key of an IPv4 packet.
    #[inline]
    pub(crate) fn hash_v4(&self, key: &FlowKey) -> u64 {
        rapidhash_v3_inline::<true, false, false>(&key.bytes_v4(), &self.secrets)
    }
}

/// Number of slices of the hash space. Quotas belong to a slice, not to a thread, so that what
/// is evicted does not depend on how many threads run.
pub const KEY_GROUPS: usize = 64;

/// The slice a hash belongs to, below [`KEY_GROUPS`].
pub(crate) const fn group_of(hash: u64) -> usize {
    (hash >> 58) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(addr: &str, port: u16) -> End {
        End {
            addr: addr.parse::<IpAddr>().unwrap().into(),
            port,
        }
    }

    #[test]
    fn both_directions_have_one_key() {
        for (a, b) in [
            ("10.0.0.1", "10.0.0.2"),
            ("2001:db8::1", "fe80::9"),
            ("::1", "10.0.0.1"),
        ] {
            let (a, b) = (end(a, 1000), end(b, 53));
            let (there, up) = FlowKey::of(a, b, IpProto::UDP);
            let (back, down) = FlowKey::of(b, a, IpProto::UDP);
            assert_eq!(there, back);
            assert_ne!(up, down);
            assert_eq!((there.source(up), there.destination(up)), (a, b));
            let hasher = KeyHasher::new(7);
            assert_eq!(hasher.hash(&there), hasher.hash(&back));
            assert_ne!(hasher.hash(&there), KeyHasher::new(8).hash(&there));
            if a.addr.is_v4() && b.addr.is_v4() {
                let [a, b] = [a, b].map(|end| (end.addr.v4_word(), end.port));
                assert_eq!(FlowKey::of_v4(a, b, IpProto::UDP), (there, up));
                assert_eq!(FlowKey::of_v4(b, a, IpProto::UDP), (there, down));
                assert_eq!(hasher.hash_v4(&there), hasher.hash(&there));
            }
        }
    }

    #[test]
    fn addresses_keep_their_family() {
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "::",
            "::1",
            "2001:db8::ffff:1",
        ] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Addr::from(addr)), addr);
        }
        assert!(Addr::v4([255; 4]).is_broadcast());
        assert!(!Addr::v4([255, 255, 255, 0]).is_broadcast());
    }
}
