//! Ports that tell something before any payload does. Lists are those of Zeek's default scripts
//! (`docs/conn-log.md`, A.4 and A.6).

/// Whether a TCP server probably listens here.
pub(crate) const fn is_likely_tcp_server(port: u16) -> bool {
    matches!(
        port,
        21 | 22
            | 25
            | 53
            | 79
            | 80
            | 81
            | 88
            | 135
            | 139
            | 143
            | 389
            | 443
            | 445
            | 465
            | 502
            | 514
            | 563
            | 585
            | 587
            | 614
            | 631
            | 636
            | 989
            | 990
            | 992
            | 993
            | 995
            | 1080
            | 1434
            | 1883
            | 2811
            | 3128
            | 3268
            | 3306
            | 3389
            | 5222
            | 5223
            | 5269
            | 5432
            | 6379
            | 6666..=6669 | 8000 | 8080 | 8888 | 20000
    )
}

/// Whether a UDP server probably listens here; tunnels count.
pub(crate) const fn is_likely_udp_server(port: u16) -> bool {
    matches!(
        port,
        53 | 67
            | 88
            | 123
            | 137
            | 161
            | 162
            | 389
            | 443
            | 514
            | 1812
            | 3389
            | 4011
            | 5060
            | 5353
            | 5355
            | 20000
            | 2123
            | 2152
            | 3544
            | 4754
            | 4789
            | 5072
            | 6081
    )
}

/// Whether people type at this service, so that it may be silent for long.
pub(crate) const fn is_interactive(port: u16) -> bool {
    matches!(port, 21 | 22 | 23 | 513)
}

/// Whether UDP here is DNS, mDNS, LLMNR or NetBIOS names: one answer ends the matter.
pub(crate) const fn is_dns(port: u16) -> bool {
    matches!(port, 53 | 137 | 5353 | 5355)
}
