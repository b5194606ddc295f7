//! What conn.log's `local_orig` and `local_resp` call local: Zeek's list of addresses that no
//! public network uses (IANA special-purpose registries). Not to be confused with the
//! `internal_networks` of the detectors, which are the operator's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V6: [(Ipv6Addr, u32); 10] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
];

/// Whether Zeek's default configuration calls `addr` local.
pub(crate) fn is_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => is_local_v4(addr),
        IpAddr::V6(addr) => {
            let is_in =
                |net: &(Ipv6Addr, u32)| (addr.to_bits() ^ net.0.to_bits()) >> (128 - net.1) == 0;
            V6.iter().any(is_in) || six_to_four(addr).is_some_and(is_local_v4)
        }
    }
}

const fn is_local_v4(addr: Ipv4Addr) -> bool {
    matches!(
        addr.octets(),
        [0 | 10 | 127 | 239..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224, 0, 0, _]
    )
}

/// The IPv4 address inside a 6to4 one (RFC 3056).
const fn six_to_four(addr: Ipv6Addr) -> Option<Ipv4Addr> {
    match addr.octets() {
        [0x20, 0x02, a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_local() {
        let cases = [
            ("10.1.2.3", true),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("100.63.0.1", false),
            ("100.127.255.255", true),
            ("8.8.8.8", false),
            ("224.0.0.251", true),
            ("224.0.1.1", false),
            ("238.255.255.255", false),
            ("239.0.0.0", true),
            ("240.0.0.1", true),
            ("255.255.255.255", true),
            ("0.1.2.3", true),
            ("127.0.0.1", true),
            ("169.254.0.1", true),
            ("169.253.0.1", false),
            ("192.0.0.1", true),
            ("192.0.1.1", false),
            ("192.0.2.1", true),
            ("192.168.255.1", true),
            ("198.17.255.255", false),
            ("198.19.255.255", true),
            ("198.51.100.7", true),
            ("203.0.113.7", true),
            ("203.0.114.7", false),
            ("::1", true),
            ("::2", false),
            ("fe80::1", true),
            ("2001:db8::1", true),
            ("2001:500::1", false),
            ("2a00::1", false),
            ("2002:0a00:0001::1", true),
            ("2002:0808:0808::1", false),
        ];
        for (addr, local) in cases {
            assert_eq!(is_local(addr.parse().unwrap()), local, "{addr}");
        }
    }
}
