//! Community ID version 1: one name for a flow across tools
//! (<https://github.com/corelight/community-id-spec>).

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::{Endpoint, FlowId, IpProto};

/// The community id of a flow, with seed 0. For ICMP the ports are type and counterpart type, or
/// type and code where nobody answers; other protocols without ports hash none.
pub fn community_id(id: &FlowId) -> String {
    let (orig, resp) = (id.orig, id.resp);
    let (low, high) = if keeps_order(id) || precedes(orig, resp) {
        (orig, resp)
    } else {
        (resp, orig)
    };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    add_addr(&mut hash, low.addr);
    add_addr(&mut hash, high.addr);
    hash.update([id.proto.0, 0]);
    if has_ports(id.proto) {
        hash.update(low.port.to_be_bytes());
        hash.update(high.port.to_be_bytes());
    }
    format!("1:{}", STANDARD.encode(hash.finalize()))
}

fn precedes(a: Endpoint, b: Endpoint) -> bool {
    (a.addr, a.port) < (b.addr, b.port)
}

fn add_addr(hash: &mut Sha1, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => hash.update(addr.octets()),
        IpAddr::V6(addr) => hash.update(addr.octets()),
    }
}

const fn has_ports(proto: IpProto) -> bool {
    const SCTP: IpProto = IpProto(132);
    matches!(
        proto,
        IpProto::TCP | IpProto::UDP | IpProto::ICMP | IpProto::ICMPV6 | SCTP
    )
}

/// One-way ICMP is not turned round: each direction is a flow of its own.
const fn keeps_order(id: &FlowId) -> bool {
    let (kind, code) = (id.orig.port, id.resp.port);
    match id.proto {
        IpProto::ICMP => !matches!(
            (kind, code),
            (8, 0)
                | (0, 8)
                | (13, 14)
                | (14, 13)
                | (15, 16)
                | (16, 15)
                | (10, 9)
                | (9, 10)
                | (17, 18)
                | (18, 17)
        ),
        IpProto::ICMPV6 => !matches!(
            (kind, code),
            (128, 129)
                | (129, 128)
                | (133, 134)
                | (134, 133)
                | (135, 136)
                | (136, 135)
                | (130, 131)
                | (131, 130)
                | (139, 140)
                | (140, 139)
                | (144, 145)
                | (145, 144)
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_specification() {
        let id = |orig: &str, op, resp: &str, rp, proto| FlowId {
            orig: Endpoint::new(orig.parse::<IpAddr>().unwrap(), op),
            resp: Endpoint::new(resp.parse::<IpAddr>().unwrap(), rp),
            proto,
        };
        let cases = [
            (
                "1:yvyB8h+3dnggTZW0UEITWCst97w=",
                id("141.142.228.5", 59856, "192.150.187.43", 80, IpProto::TCP),
            ),
            (
                "1:yvyB8h+3dnggTZW0UEITWCst97w=",
                id("192.150.187.43", 80, "141.142.228.5", 59856, IpProto::TCP),
            ),
            (
                "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
                id("192.168.1.52", 54585, "8.8.8.8", 53, IpProto::UDP),
            ),
            (
                "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=",
                id("192.168.0.89", 8, "192.168.0.1", 0, IpProto::ICMP),
            ),
        ];
        for (want, id) in cases {
            assert_eq!(community_id(&id), want, "{id}");
        }
    }
}
