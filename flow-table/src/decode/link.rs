//! Link layers: where in a frame the IP header begins.

use super::{DropReason, be16, be32, wireless};

/// What a frame's first header is, by its number in the registry of pcap link types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkType {
    /// BSD loopback: a protocol family in the byte order of the machine that captured (0), or in
    /// network order (108).
    Loopback,
    /// Ethernet (1).
    Ethernet,
    /// FDDI (10).
    Fddi,
    /// PPP, with or without HDLC framing (9, 50).
    Ppp,
    /// An IP packet, nothing before it (12, 14, 101, 228, 229).
    RawIp,
    /// Linux "cooked" capture, version 1 (113).
    LinuxSll,
    /// Linux "cooked" capture, version 2 (276).
    LinuxSll2,
    /// 802.11 (105).
    Ieee80211,
    /// 802.11 after a Prism header (119).
    Prism,
    /// 802.11 after a radiotap header (127).
    Radiotap,
    /// Linux netfilter log (239).
    NfLog,
}

impl LinkType {
    /// The link type with this number, if we can read it.
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            10 => Self::Fddi,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            105 => Self::Ieee80211,
            119 => Self::Prism,
            127 => Self::Radiotap,
            239 => Self::NfLog,
            _ => return None,
        })
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
/// Headers stacked deeper than this are no network, but an attack on the decoder.
const MAX_DEPTH: usize = 16;

/// Where the IP header begins.
pub(super) fn ip_offset(link: LinkType, bytes: &[u8]) -> Result<usize, DropReason> {
    let cut = DropReason::TruncatedLink;
    match link {
        LinkType::RawIp => Ok(0),
        LinkType::Ethernet => ether(bytes, be16(bytes, 12).ok_or(cut)?, 14),
        LinkType::LinuxSll => ether(bytes, be16(bytes, 14).ok_or(cut)?, 16),
        LinkType::LinuxSll2 => ether(bytes, be16(bytes, 0).ok_or(cut)?, 20),
        LinkType::Loopback => loopback(be32(bytes, 0).ok_or(cut)?),
        LinkType::Fddi => snap(bytes, 13),
        LinkType::Ppp => ppp_framed(bytes),
        LinkType::Ieee80211 => snap(bytes, wireless::ieee80211(bytes, 0)?),
        LinkType::Prism => snap(bytes, wireless::prism(bytes)?),
        LinkType::Radiotap => snap(bytes, wireless::radiotap(bytes)?),
        LinkType::NfLog => nflog(bytes),
    }
}

/// Peels what an EtherType announces, until IP or the end of what we know.
pub(super) fn ether(bytes: &[u8], ether_type: u16, offset: usize) -> Result<usize, DropReason> {
    let cut = DropReason::TruncatedLink;
    let (mut ether_type, mut offset) = (ether_type, offset);
    for _ in 0..MAX_DEPTH {
        match ether_type {
            IPV4 | IPV6 => return Ok(offset),
            // 802.1Q, 802.1ad, and the number some switches used before it.
            0x8100 | 0x88a8 | 0x9100 => {
                ether_type = be16(bytes, offset + 2).ok_or(cut)?;
                offset += 4;
            }
            // Cisco FabricPath: sixteen bytes, then Ethernet.
            0x8903 => {
                ether_type = be16(bytes, offset + 14).ok_or(cut)?;
                offset += 16;
            }
            // 802.1BR / VN-Tag: four bytes.
            0x8926 => {
                ether_type = be16(bytes, offset + 4).ok_or(cut)?;
                offset += 6;
            }
            // 802.1ah: a service tag, then Ethernet.
            0x88e7 => {
                ether_type = be16(bytes, offset + 16).ok_or(cut)?;
                offset += 18;
            }
            0x8847 | 0x8848 => return mpls(bytes, offset),
            // PPPoE session (RFC 2516): six bytes, then PPP.
            0x8864 => return ppp(be16(bytes, offset + 6).ok_or(cut)?, offset + 8),
            // A length, not a type: LLC, which names a protocol only with SNAP (RFC 1042).
            0..=1500 => return snap(bytes, offset),
            _ => return Err(DropReason::NotIp),
        }
    }
    Err(DropReason::NotIp)
}

/// LLC with SNAP (RFC 1042) at `offset`; LLC without it names no protocol of ours.
fn snap(bytes: &[u8], offset: usize) -> Result<usize, DropReason> {
    if bytes.get(offset..offset + 3) != Some(&[0xaa, 0xaa, 0x03]) {
        return Err(DropReason::NotIp);
    }
    match be16(bytes, offset + 6).ok_or(DropReason::TruncatedLink)? {
        0..=1500 => Err(DropReason::NotIp),
        ether_type => ether(bytes, ether_type, offset + 8),
    }
}

/// Netfilter log: type-length-value fields, one of which is the packet.
fn nflog(bytes: &[u8]) -> Result<usize, DropReason> {
    const PAYLOAD: u16 = 9;
    let cut = DropReason::TruncatedLink;
    let field = |at: usize| {
        let bytes = bytes.get(at..at + 2)?;
        bytes.try_into().ok().map(u16::from_le_bytes)
    };
    let mut at = 4;
    loop {
        let len = usize::from(field(at).ok_or(cut)?);
        let kind = field(at + 2).ok_or(cut)?;
        if len < 4 {
            return Err(cut);
        }
        if kind == PAYLOAD {
            return Ok(at + 4);
        }
        at += len.next_multiple_of(4);
    }
}

/// Pops MPLS labels (RFC 3032) down to the bottom of the stack.
fn mpls(bytes: &[u8], offset: usize) -> Result<usize, DropReason> {
    const BOTTOM: u32 = 0x100;
    let mut offset = offset;
    for _ in 0..MAX_DEPTH {
        let label = be32(bytes, offset).ok_or(DropReason::TruncatedLink)?;
        offset += 4;
        if label & BOTTOM != 0 {
            let version = bytes.get(offset).ok_or(DropReason::TruncatedLink)? >> 4;
            return if matches!(version, 4 | 6) {
                Ok(offset)
            } else {
                Err(DropReason::NotIp)
            };
        }
    }
    Err(DropReason::NotIp)
}

/// PPP with its optional HDLC address and control bytes (RFC 1662).
fn ppp_framed(bytes: &[u8]) -> Result<usize, DropReason> {
    let start = if bytes.starts_with(&[0xff, 0x03]) {
        2
    } else {
        0
    };
    ppp(
        be16(bytes, start).ok_or(DropReason::TruncatedLink)?,
        start + 2,
    )
}

const fn ppp(protocol: u16, offset: usize) -> Result<usize, DropReason> {
    match protocol {
        PPP_IPV4 | PPP_IPV6 => Ok(offset),
        _ => Err(DropReason::NotIp),
    }
}

/// The family is 2 for IPv4 everywhere; every BSD has its own for IPv6.
const fn loopback(family: u32) -> Result<usize, DropReason> {
    let family = if family > 0xffff {
        family.swap_bytes()
    } else {
        family
    };
    match family {
        2 | 24 | 28 | 30 => Ok(4),
        _ => Err(DropReason::NotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ethernet(after_addresses: &[u8]) -> Vec<u8> {
        [&[0; 12], after_addresses].concat()
    }

    type Case = (&'static str, LinkType, Vec<u8>, Result<usize, DropReason>);

    #[expect(clippy::too_many_lines, reason = "a flat table")]
    fn cases() -> Vec<Case> {
        use DropReason::{NotIp, TruncatedLink};
        use LinkType::{Ethernet, LinuxSll, LinuxSll2, Loopback, Ppp, RawIp};
        let sll = [&[0; 14][..], &[0x86, 0xdd]].concat();
        let sll2 = [&[0x08, 0x00][..], &[0; 18]].concat();
        let deep = ethernet(&[0x81, 0, 0, 1].repeat(40));
        vec![
            ("ipv4", Ethernet, ethernet(&[8, 0]), Ok(14)),
            ("ipv6", Ethernet, ethernet(&[0x86, 0xdd]), Ok(14)),
            ("arp", Ethernet, ethernet(&[8, 6]), Err(NotIp)),
            ("cut", Ethernet, vec![0; 13], Err(TruncatedLink)),
            ("empty", Ethernet, vec![], Err(TruncatedLink)),
            ("vlan", Ethernet, ethernet(&[0x81, 0, 0, 5, 8, 0]), Ok(18)),
            (
                "qinq",
                Ethernet,
                ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]),
                Ok(22),
            ),
            (
                "vlan cut",
                Ethernet,
                ethernet(&[0x81, 0, 0, 5]),
                Err(TruncatedLink),
            ),
            ("vlans without end", Ethernet, deep, Err(NotIp)),
            (
                "snap",
                Ethernet,
                ethernet(&[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]),
                Ok(22),
            ),
            (
                "llc",
                Ethernet,
                ethernet(&[0, 60, 0x42, 0x42, 3]),
                Err(NotIp),
            ),
            (
                "mpls",
                Ethernet,
                ethernet(&[0x88, 0x47, 0, 0, 0, 9, 0, 0, 1, 9, 0x45]),
                Ok(22),
            ),
            (
                "pppoe",
                Ethernet,
                ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0, 0x57]),
                Ok(22),
            ),
            (
                "pppoe lcp",
                Ethernet,
                ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 9, 0xc0, 0x21]),
                Err(NotIp),
            ),
            ("sll", LinuxSll, sll, Ok(16)),
            ("sll2", LinuxSll2, sll2, Ok(20)),
            ("raw", RawIp, vec![], Ok(0)),
            ("loopback", Loopback, vec![2, 0, 0, 0], Ok(4)),
            (
                "loopback, big-endian ipv6",
                Loopback,
                vec![0, 0, 0, 30],
                Ok(4),
            ),
            ("ppp", Ppp, vec![0xff, 3, 0, 0x21], Ok(4)),
        ]
    }

    #[test]
    fn finds_the_ip_header() {
        for (name, link, bytes, want) in cases() {
            assert_eq!(ip_offset(link, &bytes), want, "{name}");
        }
    }
}
