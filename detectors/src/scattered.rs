//! Tells attempts that are scattered over the world, as peer-to-peer clients make them, from a scan.
//!
//! Such a client has a list of peers, each at a port of its own choice: nearly every attempt goes to
//! another host outside, and the ports are about as many as the hosts. Who scans tries a few ports at
//! many hosts, or many ports at each.

use serde::{Deserialize, Serialize};

use crate::window::{Place, Slice, SlidingSum};

/// A scan of many hosts mostly tries fewer ports.
const MANY_PORTS: u64 = 10;
/// Hosts to each port, at most.
const HOSTS_TO_A_PORT: u64 = 8;
/// Attempts to each host, at most, on average.
const TRIES: u64 = 2;
/// Of ten hosts so many at least are outside.
const OUTSIDE: u64 = 9;

/// How often a source inside tried hosts outside, within a window.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Outward(SlidingSum);

impl Outward {
    /// An attempt.
    pub(crate) fn count(&mut self, place: Place) {
        self.0.add(place.slice, [1]);
        self.0.expire(place.first);
    }

    /// Whether attempts since a slice at so many hosts, wherever they are, and ports are scattered.
    pub(crate) fn is_scattered(&mut self, first: Slice, hosts: u64, ports: u64) -> bool {
        self.0.expire(first);
        let [attempts] = self.0.total();
        ports >= MANY_PORTS
            && ports * HOSTS_TO_A_PORT >= hosts
            && attempts <= hosts * TRIES
            && attempts * 10 >= hosts * OUTSIDE
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.0.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_or_not() {
        let cases = [
            ("a peer each, at ports of their own", 60, 60, 60, true),
            ("some tried twice", 90, 60, 50, true),
            ("some share a port", 188, 160, 37, true),
            ("one port", 60, 60, 1, false),
            ("a port more than few", 60, 60, 10, true),
            ("ports that are few for so many hosts", 500, 500, 40, false),
            ("each port at each host", 600, 60, 10, false),
            ("one host", 60, 1, 60, false),
            ("most hosts are inside", 10, 60, 60, false),
        ];
        for (name, attempts, hosts, ports, want) in cases {
            let mut outward = Outward::default();
            for slice in (0..attempts).map(|n| 100 + n / 20) {
                outward.count(Place { slice, first: 60 });
            }
            assert_eq!(outward.is_scattered(60, hosts, ports), want, "{name}");
        }
    }

    #[test]
    fn attempts_are_forgotten() {
        let mut outward = Outward::default();
        for slice in [1, 1, 1, 50] {
            outward.count(Place { slice, first: 1 });
        }
        assert!(!outward.is_scattered(1, 1, 10), "one host, four times");
        assert!(outward.is_scattered(2, 1, 10), "once since then");
        assert!(!outward.is_scattered(51, 1, 10), "never since then");
    }
}
