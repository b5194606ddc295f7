//! Two hashes: a keyed one for tables whose keys strangers choose, a fixed one for stable ids.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::StableId;

/// Turns addresses into 64-bit keys nobody outside can foresee. Keys are computed once per event
/// and stand for the address wherever only equality counts: that two of a few thousand addresses
/// share one is less likely than a bit flip in memory.
#[derive(Clone, Debug)]
pub(crate) struct KeyedHash {
    hasher: SipHasher13,
    /// What a port's key is made with.
    ports: u64,
}

impl KeyedHash {
    pub(crate) fn new(seed: u64) -> Self {
        let with = seed.rotate_left(29) ^ 0x9e37_79b9_7f4a_7c15;
        let hasher = SipHasher13::new_with_keys(seed, with);
        Self {
            ports: hasher.hash(b"ports"),
            hasher,
        }
    }

    pub(crate) fn addr(&self, addr: IpAddr) -> u64 {
        let bits = match addr {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        self.bits(bits)
    }

    pub(crate) fn name(&self, name: &[u8]) -> u64 {
        self.hasher.hash(name)
    }

    pub(crate) fn bits(&self, bits: u128) -> u64 {
        self.hasher.hash(&bits.to_le_bytes())
    }

    /// Ports are so few that mixing will do: no two of them share a key.
    pub(crate) const fn port(&self, port: u16) -> u64 {
        join(join(self.ports, port as u64), 0)
    }
}

/// Joins a key with another one or with a plain number, in this order.
pub(crate) const fn join(key: u64, with: u64) -> u64 {
    let mixed = (key.rotate_left(32) ^ with.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 32)
}

/// Collects what a stable id is made of. Its keys are fixed: the same capture gives the same ids
/// everywhere.
pub(crate) struct IdHash(SipHasher128);

impl IdHash {
    pub(crate) fn new(domain: &str) -> Self {
        Self(SipHasher128::new_with_keys(
            0x666c_6f77_6861_776b,
            0x7369_676e_616c_6964,
        ))
        .text(domain)
    }

    /// Text, closed by a byte that text does not contain, so that parts do not run together.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.write(text.as_bytes());
        self.0.write_u8(0xff);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.write(bytes);
        self
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.write(&number.to_le_bytes());
        self
    }

    pub(crate) fn id(mut self, id: StableId) -> Self {
        self.0.write(&id.0.to_le_bytes());
        self
    }

    pub(crate) fn addr(self, addr: Option<IpAddr>) -> Self {
        match addr {
            None => self.number(0),
            Some(IpAddr::V4(v4)) => self.number(4).number(u64::from(v4.to_bits())),
            Some(IpAddr::V6(v6)) => {
                let mut next = self.number(6);
                next.0.write(&v6.octets());
                next
            }
        }
    }

    /// A name, if it is one.
    pub(crate) fn about(self, name: &str) -> Self {
        if name.is_empty() {
            self
        } else {
            self.text(name)
        }
    }

    pub(crate) fn finish(self) -> StableId {
        StableId(self.0.finish128().as_u128())
    }
}
