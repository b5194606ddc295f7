//! Community ID version 1: one name for a flow across tools
//! (<https://github.com/corelight/community-id-spec>).

use std::net::IpAddr;
use std::slice;

use sha1::block_api::compress;

use crate::{Endpoint, FlowId, IpProto};

/// Length of every community id: `1:` and the base64 of twenty bytes.
const LENGTH: usize = 30;
/// What SHA-1 begins with (FIPS 180-4, 5.3.1).
const SHA1_START: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// The community id of a flow, with seed 0. For ICMP the ports are type and counterpart type, or
/// type and code where nobody answers; other protocols without ports hash none.
pub fn community_id(id: &FlowId) -> String {
    String::from_utf8_lossy(&community_id_text(id)).into_owned()
}

/// As [`community_id`], without allocating.
pub fn community_id_text(id: &FlowId) -> [u8; LENGTH] {
    let (orig, resp) = (id.orig, id.resp);
    let (low, high) = if keeps_order(id) || precedes(orig, resp) {
        (orig, resp)
    } else {
        (resp, orig)
    };
    let mut block = Block::default();
    block.add([0, 0]);
    block.add_addr(low.addr);
    block.add_addr(high.addr);
    block.add([id.proto.0, 0]);
    if has_ports(id.proto) {
        block.add(low.port.to_be_bytes());
        block.add(high.port.to_be_bytes());
    }
    let mut text = [b'='; LENGTH];
    if let Some((prefix, rest)) = text.split_first_chunk_mut() {
        *prefix = *b"1:";
        base64(block.sha1(), rest);
    }
    text
}

/// Base64 (RFC 4648, 4) into what holds nothing but padding yet.
fn base64(hash: [u8; 20], text: &mut [u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| {
        DIGITS
            .get((bits & 63) as usize)
            .copied()
            .unwrap_or_default()
    };
    let (whole, rest) = hash.as_chunks();
    let (places, _) = text.as_chunks_mut();
    let mut places = places.iter_mut();
    for ([a, b, c], place) in whole.iter().zip(places.by_ref()) {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        *place = [18, 12, 6, 0].map(|shift| digit(bits >> shift));
    }
    if let (Some([first, second, third, _]), [a, b]) = (places.next(), rest) {
        let bits = u32::from_be_bytes([0, *a, *b, 0]);
        [*first, *second, *third] = [18, 12, 6].map(|shift| digit(bits >> shift));
    }
}

/// All that is hashed: at most forty bytes, which with their padding are a single block.
struct Block {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            bytes: [0; 64],
            len: 0,
        }
    }
}

impl Block {
    fn add<const N: usize>(&mut self, bytes: [u8; N]) {
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        if let Some(place) = rest.first_chunk_mut() {
            *place = bytes;
            self.len += N;
        }
    }

    fn add_addr(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.add(addr.octets()),
            IpAddr::V6(addr) => self.add(addr.octets()),
        }
    }

    /// Padded (FIPS 180-4, 5.1.1) and hashed.
    fn sha1(mut self) -> [u8; 20] {
        let bits = self.len as u64 * 8;
        self.add([0x80]);
        if let Some(place) = self.bytes.last_chunk_mut() {
            *place = bits.to_be_bytes();
        }
        let mut state = SHA1_START;
        compress(&mut state, slice::from_ref(&self.bytes));
        let mut hash = [0; 20];
        for (place, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
            *place = word.to_be_bytes();
        }
        hash
    }
}

fn precedes(a: Endpoint, b: Endpoint) -> bool {
    (a.addr, a.port) < (b.addr, b.port)
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
    fn a_block_is_hashed_as_the_whole_message() {
        use sha1::{Digest, Sha1};
        let (v4, v6) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([0xfe; 16]));
        for addrs in [[v4, v4], [v6, v6], [v4, v6]] {
            let mut block = Block::default();
            block.add([0, 0]);
            for addr in addrs {
                block.add_addr(addr);
            }
            block.add([0xff, 0, 0x12, 0x34]);
            let message = block.bytes[..block.len].to_vec();
            assert_eq!(block.sha1(), *Sha1::digest(message));
        }
    }

    #[test]
    fn base64_has_every_digit() {
        for (hash, want) in [
            ([0; 20], "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ([255; 20], "//////////////////////////8="),
            (*b"any carnal pleasure.", "YW55IGNhcm5hbCBwbGVhc3VyZS4="),
        ] {
            let mut text = [b'='; 28];
            base64(hash, &mut text);
            assert_eq!(str::from_utf8(&text), Ok(want));
        }
    }

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
