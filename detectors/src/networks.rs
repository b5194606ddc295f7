//! What is said of networks, found by an address that is in them.

use std::net::IpAddr;

use hashbrown::HashTable;
use ipnet::IpNet;

use crate::hash::{KeyedHash, join};

/// Networks with what is said of each: a table for each length of prefix there is, so that a lookup
/// takes as long for a million networks as for one of each length.
#[derive(Clone, Debug)]
pub(crate) struct Networks<T> {
    hash: KeyedHash,
    v4: Vec<OfLength<T>>,
    v6: Vec<OfLength<T>>,
}

#[derive(Clone, Debug)]
struct OfLength<T> {
    mask: u128,
    /// The bits of each network, masked.
    networks: HashTable<(u128, T)>,
}

impl<T: Copy> Networks<T> {
    /// Where a network is named more than once, `merge` says what holds.
    pub(crate) fn new(
        hash: &KeyedHash,
        networks: impl Iterator<Item = (IpNet, T)>,
        merge: impl Fn(T, T) -> T,
    ) -> Self {
        let mut this = Self {
            hash: hash.clone(),
            v4: Vec::new(),
            v6: Vec::new(),
        };
        for (network, what) in networks {
            this.add(network, what, &merge);
        }
        this
    }

    fn add(&mut self, network: IpNet, what: T, merge: impl Fn(T, T) -> T) {
        let bits = bits(network.addr());
        let (mask, lengths) = match network {
            IpNet::V4(v4) => (u128::from(v4.netmask().to_bits()), &mut self.v4),
            IpNet::V6(v6) => (v6.netmask().to_bits(), &mut self.v6),
        };
        let at = lengths.iter().position(|length| length.mask == mask);
        let at = at.unwrap_or_else(|| {
            lengths.push(OfLength {
                mask,
                networks: HashTable::new(),
            });
            lengths.len() - 1
        });
        let Some(length) = lengths.get_mut(at) else {
            return;
        };
        let (key, hasher) = (bits & mask, &self.hash);
        let hash = |key: u128| join(hasher.bits(key), 0);
        let found = { &mut length.networks }.find_mut(hash(key), |(other, _)| *other == key);
        if let Some((_, known)) = found {
            *known = merge(*known, what);
            return;
        }
        { &mut length.networks }.insert_unique(hash(key), (key, what), |(key, _)| hash(*key));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// What is said of every network that holds this address, in no stated order.
    pub(crate) fn of(&self, addr: IpAddr) -> impl Iterator<Item = T> + '_ {
        let lengths = if addr.is_ipv4() { &self.v4 } else { &self.v6 };
        let bits = bits(addr);
        lengths.iter().filter_map(move |length| {
            let key = bits & length.mask;
            let hash = join(self.hash.bits(key), 0);
            let found = length.networks.find(hash, |(other, _)| *other == key);
            found.map(|(_, what)| *what)
        })
    }

    /// Bytes taken.
    pub(crate) fn bytes(&self) -> usize {
        let lengths = self.v4.iter().chain(&self.v6);
        lengths
            .map(|length| length.networks.allocation_size())
            .sum()
    }
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_every_network_that_holds_it() {
        let networks = [
            ("10.0.0.0/8", 1),
            ("10.1.0.0/16", 2),
            ("10.1.0.30/32", 4),
            ("10.1.0.30/32", 8),
            ("0.0.0.0/0", 16),
            ("fd00::/8", 32),
            ("::a01:1e/128", 64),
        ];
        let parsed = networks.map(|(network, what)| (network.parse().unwrap(), what));
        let hash = KeyedHash::new(7);
        let known = Networks::new(&hash, parsed.into_iter(), |a: u32, b| a | b);
        let cases = [
            ("10.1.0.30", 1 | 2 | 4 | 8 | 16),
            ("10.1.0.31", 1 | 2 | 16),
            ("10.2.0.30", 1 | 16),
            ("192.0.2.1", 16),
            ("fd12::1", 32),
            ("::a01:1e", 64),
            ("2001:db8::1", 0),
        ];
        for (addr, want) in cases {
            let found = known.of(addr.parse().unwrap()).fold(0, |a, b| a | b);
            assert_eq!(found, want, "{addr}");
        }
        assert!(known.bytes() > 0);
    }
}
