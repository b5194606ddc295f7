//! ICMP echo: whether messages carry anything new.
//!
//! A reply brings back what its request brought (RFC 792; RFC 4443, 4.2), and what an ordinary program sends
//! stays the same from one request to the next, a timestamp at its beginning aside, whatever the
//! size. Messages of which that is not so carry something.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::Record;
use crate::{FlowId, IpProto, PerSide, Side, Span, Timestamp};

/// Bytes before the data: identifier and sequence number.
const NUMBERS: usize = 4;
/// What programs put their timestamp into.
const TIMESTAMP: usize = 16;
/// Bytes of data that are looked at.
const LOOK: usize = 64;
/// Requests that are remembered until they are answered.
const REQUESTS: usize = 16;
/// Contents that are remembered as not new: several programs may ask at the same time.
const CONTENTS: usize = 8;
/// Messages that carry something are told of once there are so many…
const MANY: u32 = 8;
/// …and this time has passed since the last were.
const PAUSE: Span = Span::from_secs(1);

/// Messages that carry something, since the last that were told of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Echoes {
    /// When the last of them came.
    pub last: Timestamp,
    /// How many of each side.
    pub messages: PerSide<u32>,
    /// Bytes of their data, after identifier and sequence number.
    pub bytes: u64,
}

/// A request that may be answered.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
struct Request {
    numbers: [u8; NUMBERS],
    len: usize,
    hash: u64,
}

/// What one side sent lately.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct Contents {
    known: [u64; CONTENTS],
    next: usize,
}

/// What looks into one flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Echo {
    asker: Side,
    requests: [Request; REQUESTS],
    next_request: usize,
    contents: PerSide<Contents>,
    /// Who has sent anything.
    begun: PerSide<bool>,
    told: Timestamp,
    found: Echoes,
}

impl Echo {
    /// For a flow of requests and replies; `None` for what else there is in ICMP.
    pub(super) fn new(id: FlowId) -> Option<Self> {
        let (request, reply) = if id.proto == IpProto::ICMPV6 {
            (128, 129)
        } else {
            (8, 0)
        };
        let asker = match (id.orig.port, id.resp.port) {
            (orig, resp) if (orig, resp) == (request, reply) => Side::Orig,
            (orig, resp) if (orig, resp) == (reply, request) => Side::Resp,
            _ => return None,
        };
        Some(Self {
            asker,
            requests: [Request::default(); REQUESTS],
            next_request: 0,
            contents: PerSide::default(),
            begun: PerSide::default(),
            told: Timestamp::ZERO,
            found: Echoes::default(),
        })
    }

    /// Takes a message from its identifier on; what is to be told.
    pub(super) fn data(&mut self, side: Side, ts: Timestamp, message: &[u8]) -> Option<Record> {
        let (numbers, data) = message.split_first_chunk::<NUMBERS>()?;
        let seen = Request {
            numbers: *numbers,
            len: data.len(),
            hash: hash(data.get(..LOOK).unwrap_or(data)),
        };
        let carries = if side == self.asker {
            self.ask(seen);
            self.contents.get_mut(side).is_new(data)
        } else {
            !self.is_answered_by(seen) && self.contents.get_mut(side).is_new(data)
        };
        if self.begun == PerSide::default() {
            self.told = ts;
        }
        // The first of each side is new in any case.
        if std::mem::replace(self.begun.get_mut(side), true) && carries {
            let count = self.found.messages.get_mut(side);
            *count = count.saturating_add(1);
            self.found.bytes = self.found.bytes.saturating_add(data.len() as u64);
            self.found.last = ts;
        }
        let due = ts.since(self.told) >= PAUSE;
        (due && self.count() >= MANY).then(|| {
            self.told = ts;
            self.tell()
        })
    }

    /// The flow ended: what is left to be told.
    pub(super) fn finish(&mut self) -> Option<Record> {
        (self.count() > 0).then(|| self.tell())
    }

    const fn count(&self) -> u32 {
        let PerSide { orig, resp } = self.found.messages;
        orig.saturating_add(resp)
    }

    fn tell(&mut self) -> Record {
        Record::Echoes(Box::new(std::mem::take(&mut self.found)))
    }

    fn ask(&mut self, request: Request) {
        if let Some(oldest) = self.requests.get_mut(self.next_request) {
            *oldest = request;
        }
        self.next_request = (self.next_request + 1) % REQUESTS;
    }

    /// Whether this is what some request with these numbers brought.
    fn is_answered_by(&self, reply: Request) -> bool {
        self.requests.iter().any(|request| {
            (request.numbers, request.len, request.hash) == (reply.numbers, reply.len, reply.hash)
        })
    }
}

impl Contents {
    /// Whether no message lately had this content, a timestamp aside; remembers it.
    fn is_new(&mut self, data: &[u8]) -> bool {
        let look = data.get(..LOOK).unwrap_or(data);
        let content = look.get(TIMESTAMP..).unwrap_or_default();
        if content.is_empty() {
            return false;
        }
        let hash = hash(content);
        if self.known.contains(&hash) {
            return false;
        }
        if let Some(oldest) = self.known.get_mut(self.next) {
            *oldest = hash;
        }
        self.next = (self.next + 1) % CONTENTS;
        true
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;
    use Side::{Orig, Resp};

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

    fn id(proto: IpProto, ports: [u16; 2]) -> FlowId {
        FlowId {
            orig: Endpoint::new([10, 0, 0, 1], ports[0]),
            resp: Endpoint::new([10, 0, 0, 2], ports[1]),
            proto,
        }
    }

    #[test]
    fn only_requests_and_replies_are_looked_into() {
        let cases = [
            (IpProto::ICMP, [8, 0], Some(Orig)),
            (IpProto::ICMP, [0, 8], Some(Resp)),
            (IpProto::ICMP, [3, 1], None),
            (IpProto::ICMP, [13, 14], None),
            (IpProto::ICMPV6, [128, 129], Some(Orig)),
            (IpProto::ICMPV6, [129, 128], Some(Resp)),
            (IpProto::ICMPV6, [8, 0], None),
        ];
        for (proto, ports, want) in cases {
            let echo = Echo::new(id(proto, ports));
            assert_eq!(echo.map(|echo| echo.asker), want, "{proto:?} {ports:?}");
        }
    }

    /// A message of a program that counts and tells the time.
    fn ping(number: u16, size: usize, filler: u8) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        let mut message = vec![7, 7, high, low];
        message.extend((0..size).map(|at| match at {
            0..TIMESTAMP => low.wrapping_mul(31).wrapping_add(u8::try_from(at).unwrap()),
            _ => u8::try_from(at & 0x3f).unwrap() ^ filler,
        }));
        message
    }

    /// What is told of these messages, a tenth of a second apart: of each side, and bytes.
    fn play(messages: impl IntoIterator<Item = (Side, Vec<u8>)>) -> (u32, u32, u64) {
        let mut echo = Echo::new(id(IpProto::ICMP, [8, 0])).unwrap();
        let mut all = Vec::new();
        for (number, (side, message)) in messages.into_iter().enumerate() {
            let ts = T0 + Span::from_millis(i64::try_from(number).unwrap() * 100);
            all.extend(echo.data(side, ts, &message));
        }
        all.extend(echo.finish());
        let mut sum = (0, 0, 0);
        for record in all {
            let Record::Echoes(found) = record else {
                panic!("{record:?}")
            };
            sum.0 += found.messages.orig;
            sum.1 += found.messages.resp;
            sum.2 += found.bytes;
        }
        sum
    }

    /// Each with its reply.
    fn answered(requests: impl Iterator<Item = Vec<u8>>) -> Vec<(Side, Vec<u8>)> {
        let both = |request: Vec<u8>| [(Orig, request.clone()), (Resp, request)];
        requests.flat_map(both).collect()
    }

    #[test]
    fn what_ordinary_programs_send_carries_nothing() {
        let cases = [
            ("ping", answered((0..500).map(|n| ping(n, 56, 0)))),
            ("short", answered((0..500).map(|n| ping(n, 16, 0)))),
            ("nothing at all", answered((0..500).map(|n| ping(n, 0, 0)))),
            (
                "any size",
                answered((64..500).map(|n| ping(n, n.into(), 0))),
            ),
            ("cut", vec![(Orig, vec![1, 2]); 50]),
            ("replies late", {
                let requests = (0..10).map(|n| (Orig, ping(n, 56, 0)));
                requests
                    .chain((0..10).map(|n| (Resp, ping(n, 56, 0))))
                    .collect()
            }),
        ];
        for (name, messages) in cases {
            assert_eq!(play(messages), (0, 0, 0), "{name}");
        }
        // What another program sends is new once.
        let two = (0..500).map(|n| ping(n, 56, u8::try_from(n & 1).unwrap()));
        assert_eq!(play(answered(two)), (1, 0, 56));
    }

    #[test]
    fn what_tunnels_send_is_counted() {
        let filler = |n: u16| u8::try_from(n % 251).unwrap();
        let changing = |n| ping(n, 100, filler(n));
        let other = |n| ping(n, 900, filler(n) ^ 0x80);
        let cases = [
            ("requests", answered((0..41).map(changing)), (40, 0, 4_000)),
            (
                "replies",
                (0..40)
                    .flat_map(|n| [(Orig, ping(n, 56, 1)), (Resp, other(n))])
                    .collect(),
                (0, 39, 35_100),
            ),
            (
                "both",
                (0..40)
                    .flat_map(|n| [(Orig, changing(n)), (Resp, other(n))])
                    .collect(),
                (39, 39, 39_000),
            ),
            (
                "replies nobody asked for",
                std::iter::once((Orig, ping(0, 56, 0)))
                    .chain((1..31).map(|n| (Resp, other(n))))
                    .collect(),
                (0, 29, 26_100),
            ),
        ];
        for (name, messages, want) in cases {
            assert_eq!(play(messages), want, "{name}");
        }
    }

    #[test]
    fn they_are_told_once_a_second() {
        let mut echo = Echo::new(id(IpProto::ICMP, [8, 0])).unwrap();
        let mut told = 0;
        for number in 0..10_000_u16 {
            let ts = T0 + Span::from_millis(number.into());
            let [high, low] = number.to_be_bytes();
            let message = [&[7, 7, high, low][..], &[0; 16], &[high, low, 1, 1]].concat();
            told += u32::from(echo.data(Orig, ts, &message).is_some());
        }
        assert_eq!(told, 9);
        assert!(echo.finish().is_some());
        assert!(echo.finish().is_none());
    }
}
