//! The name that a flow carries through every log.

use std::net::IpAddr;

use siphasher::sip128::SipHasher13;

use crate::key::{FlowKey, Way};
use crate::{IpProto, Timestamp, Uid};

/// Names a flow after its ends, its first packet and a seed: the same on every run.
pub(super) fn uid(
    key: &FlowKey,
    way: Way,
    ts: Timestamp,
    now: Timestamp,
    seed: u64,
    nth: u64,
) -> Uid {
    let hasher = SipHasher13::new_with_keys(seed, 0x666c_6f77_6861_776b);
    let (from, to) = (key.source(way), key.destination(way));
    let numbers = [
        ts.as_nanos().cast_unsigned(),
        now.as_nanos().cast_unsigned(),
        nth,
    ];
    // The hash is that of all bytes in a row; in one piece it takes them much faster.
    let hash = match (IpAddr::from(from.addr), IpAddr::from(to.addr)) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let ends = [
                (u32::from_le_bytes(src.octets()), from.port),
                (u32::from_le_bytes(dst.octets()), to.port),
            ];
            hasher.hash(&short(ends, key.proto(), numbers))
        }
        (src, dst) => {
            let mut bytes = Bytes::default();
            bytes.end(src, from.port);
            bytes.end(dst, to.port);
            bytes.push(&[key.proto().0]);
            for number in numbers {
                bytes.push(&number.to_le_bytes());
            }
            hasher.hash(bytes.get())
        }
    };
    Uid::from_bits(hash.as_u128())
}

/// Two addresses and ports, a protocol, two timestamps and a number; of IPv4, and of IPv6.
const SHORT: usize = 2 * (4 + 2) + 1 + 2 * 8 + 8;
const MOST: usize = 2 * (16 + 2) + 1 + 2 * 8 + 8;

/// What is hashed of a flow over IPv4, put together in words: a processor that reads a word which
/// was written in pieces waits for all of them.
fn short(ends: [(u32, u16); 2], proto: IpProto, numbers: [u64; 3]) -> [u8; SHORT] {
    let [(src, from), (dst, to)] = ends.map(|(addr, port)| (u64::from(addr), u64::from(port)));
    let [ts, now, nth] = numbers;
    let words = [
        src | from << 32 | dst << 48,
        dst >> 16 | to << 16 | u64::from(proto.0) << 32 | ts << 40,
        ts >> 24 | now << 40,
        now >> 24 | nth << 40,
        nth >> 24,
    ];
    let words = words.map(u64::to_le_bytes);
    let mut bytes = [0; SHORT];
    for (byte, from) in bytes.iter_mut().zip(words.as_flattened()) {
        *byte = *from;
    }
    bytes
}

/// What is hashed of any other flow.
struct Bytes {
    memory: [u8; MOST],
    len: usize,
}

impl Default for Bytes {
    fn default() -> Self {
        Self {
            memory: [0; MOST],
            len: 0,
        }
    }
}

impl Bytes {
    fn end(&mut self, addr: IpAddr, port: u16) {
        match addr {
            IpAddr::V4(addr) => self.push(&addr.octets()),
            IpAddr::V6(addr) => self.push(&addr.octets()),
        }
        self.push(&port.to_le_bytes());
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(place) = self.memory.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn get(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}
