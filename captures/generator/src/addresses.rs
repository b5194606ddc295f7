//! Addresses: which are inside, which can be spoofed, and how a copy of a capture gets its own.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The benchmarking range, kept for the ordinary clients of a flood; it is outside and never spoofed.
pub(crate) const CLIENTS: u32 = 0xc612_0000;

/// Whether the address is in the networks that count as internal unless configured otherwise.
pub(crate) fn is_inside(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || (a == 100 && b & 0xc0 == 64)
}

/// Whether the address is some outside host's own.
pub(crate) fn is_outside(address: Ipv4Addr) -> bool {
    let [a, ..] = address.octets();
    a != 0 && a < 224 && !address.is_loopback() && !is_inside(address)
}

/// The first `count` outside addresses of a sequence that visits every address once, in an order
/// that depends on the seed.
pub(crate) fn spoofed(seed: u64) -> impl Iterator<Item = Ipv4Addr> {
    let offset = scramble(u32::try_from(seed & 0xffff_ffff).unwrap_or_default());
    (0..=u32::MAX)
        .map(move |index| Ipv4Addr::from(scramble(index.wrapping_add(offset))))
        .filter(|&address| is_outside(address) && u32::from(address) & 0xfffe_0000 != CLIENTS)
}

/// A permutation of the 32-bit numbers: every step can be undone.
pub(crate) fn scramble(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// How one copy of a capture renames its hosts. Hosts of one network stay in one network, inside
/// stays inside, and two copies below 65,536 share no address, except what is nobody's own
/// (multicast, broadcast, loopback, link-local).
#[derive(Clone, Copy)]
pub(crate) struct Renaming(u16);

impl Renaming {
    /// The renaming of the given copy; copy 0 changes nothing.
    pub(crate) fn of(copy: u16) -> Self {
        // An odd factor permutes the 16-bit numbers, so keys of different copies differ.
        Self(copy.wrapping_mul(0x9e35))
    }

    /// The IPv4 address this copy uses instead.
    pub(crate) fn v4(self, address: Ipv4Addr) -> Ipv4Addr {
        if self.0 == 0 || address.is_link_local() || !(is_inside(address) || is_outside(address)) {
            return address;
        }
        let [a, b, c, d] = address.octets();
        let [high, low] = self.0.to_be_bytes();
        if is_inside(address) {
            return Ipv4Addr::new(10, b ^ high, c ^ low, d);
        }
        let renamed = Ipv4Addr::new(a, b ^ high, c ^ low, d);
        if is_outside(renamed) {
            renamed
        } else {
            Ipv4Addr::new(203, b ^ high, c ^ low, d)
        }
    }

    /// The IPv6 address this copy uses instead.
    pub(crate) fn v6(self, address: Ipv6Addr) -> Ipv6Addr {
        let mut groups = address.segments();
        let [first, ..] = groups;
        let own = first & 0xfe00 == 0xfc00 || first & 0xe000 == 0x2000;
        if own && let Some(group) = groups.get_mut(2) {
            *group ^= self.0;
        }
        Ipv6Addr::from(groups)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn spoofed_sources_are_distinct_and_outside() {
        let sources: HashSet<_> = spoofed(7).take(200_000).collect();
        assert_eq!(sources.len(), 200_000);
        assert!(sources.iter().all(|&a| is_outside(a)));
        assert_ne!(spoofed(7).next(), spoofed(8).next());
    }

    #[test]
    fn renaming_keeps_inside_and_outside() {
        let inside = ["10.1.0.66", "172.20.0.10", "192.168.3.4", "100.64.0.1"];
        let outside = [
            "203.0.113.66",
            "198.51.100.10",
            "192.0.2.1",
            "172.64.0.1",
            "100.1.0.1",
            "1.1.1.1",
        ];
        for copy in 0..=u16::MAX {
            let renaming = Renaming::of(copy);
            for address in inside {
                assert!(
                    is_inside(renaming.v4(address.parse().unwrap())),
                    "{address} copy {copy}"
                );
            }
            for address in outside {
                assert!(
                    is_outside(renaming.v4(address.parse().unwrap())),
                    "{address} copy {copy}"
                );
            }
        }
    }

    #[test]
    fn copies_share_no_address() {
        let renamed: HashSet<_> = (0..=u16::MAX)
            .map(|copy| Renaming::of(copy).v4(Ipv4Addr::new(10, 1, 0, 66)))
            .collect();
        assert_eq!(renamed.len(), 1 << 16);
    }

    #[test]
    fn addresses_of_nobody_stay() {
        for address in [
            "255.255.255.255",
            "224.0.0.251",
            "0.0.0.0",
            "127.0.0.1",
            "169.254.1.1",
        ] {
            let address = address.parse().unwrap();
            assert_eq!(Renaming::of(9).v4(address), address);
        }
        for (address, changes) in [
            ("fe80::1", false),
            ("ff02::1", false),
            ("fd00:1::9", true),
            ("2001:db8::9", true),
        ] {
            let address: Ipv6Addr = address.parse().unwrap();
            assert_eq!(Renaming::of(9).v6(address) != address, changes, "{address}");
        }
    }
}
