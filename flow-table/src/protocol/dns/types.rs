//! Zeek's names for DNS's numbers.

use std::borrow::Cow;

/// Name of a query class.
pub fn class_name(class: u16) -> Cow<'static, str> {
    match class {
        1 => "C_INTERNET".into(),
        2 => "C_CSNET".into(),
        3 => "C_CHAOS".into(),
        4 => "C_HESIOD".into(),
        254 => "C_NONE".into(),
        255 => "C_ANY".into(),
        other => format!("qclass-{other}").into(),
    }
}

/// Name of a response code.
pub const fn rcode_name(rcode: u8) -> &'static str {
    match rcode & 0x0f {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSet",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "unassigned-11",
        12 => "unassigned-12",
        13 => "unassigned-13",
        14 => "unassigned-14",
        _ => "unassigned-15",
    }
}

/// Name of an operation; `netbios` tells whose.
pub fn opcode_name(opcode: u8, netbios: Naming) -> Cow<'static, str> {
    match (netbios, opcode) {
        (Naming::Dns, 0) => "query".into(),
        (Naming::Dns, 1) => "iquery".into(),
        (Naming::Dns, 2) => "server-status".into(),
        (Naming::Dns, 4) => "notify".into(),
        (Naming::Dns, 5) => "dynamic-update".into(),
        (Naming::Dns, 6) => "dso".into(),
        (Naming::Dns, other) => format!("opcode-{other}").into(),
        (Naming::Netbios, 0) => "netbios-query".into(),
        (Naming::Netbios, 5) => "netbios-registration".into(),
        (Naming::Netbios, 6) => "netbios-release".into(),
        (Naming::Netbios, 7) => "netbios-wack".into(),
        (Naming::Netbios, 8) => "netbios-refresh".into(),
        (Naming::Netbios, other) => format!("netbios-opcode-{other}").into(),
    }
}

/// Whose name service it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// DNS itself, mDNS, LLMNR.
    Dns,
    /// NetBIOS (RFC 1002).
    Netbios,
}

/// Name of a record type.
pub fn type_name(qtype: u16) -> Cow<'static, str> {
    let low = usize::from(qtype);
    let known = match qtype {
        1..=53 => LOW.get(low - 1).copied(),
        55..=65 => HIGHER.get(low - 55).copied(),
        99..=109 => NINETIES.get(low - 99).copied(),
        249..=257 => META.get(low - 249).copied(),
        32768 => Some("TA"),
        32769 => Some("DLV"),
        65281 => Some("WINS"),
        65282 => Some("WINS-R"),
        65422 => Some("XPF"),
        65521 => Some("INTEGRITY"),
        _ => None,
    };
    known.map_or_else(|| format!("query-{qtype}").into(), Cow::Borrowed)
}

const LOW: [&str; 53] = [
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "NULL",
    "WKS",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AFSDB",
    "X25",
    "ISDN",
    "RT",
    "NSAP",
    "NSAP-PTR",
    "SIG",
    "KEY",
    "PX",
    "GPOS",
    "AAAA",
    "LOC",
    "NXT",
    "EID",
    "NIMLOC",
    "SRV",
    "ATMA",
    "NAPTR",
    "KX",
    "CERT",
    "A6",
    "DNAME",
    "SINK",
    "OPT",
    "APL",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "DHCID",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SMIMEA",
];
const HIGHER: [&str; 11] = [
    "HIP",
    "NINFO",
    "RKEY",
    "TALINK",
    "CDS",
    "CDNSKEY",
    "OPENPGPKEY",
    "CSYNC",
    "ZONEMD",
    "SVCB",
    "HTTPS",
];
const NINETIES: [&str; 11] = [
    "SPF", "UINFO", "UID", "GID", "UNSPEC", "NID", "L32", "L64", "LP", "EUI48", "EUI64",
];
const META: [&str; 9] = [
    "TKEY", "TSIG", "IXFR", "AXFR", "MAILB", "MAILA", "*", "URI", "CAA",
];
