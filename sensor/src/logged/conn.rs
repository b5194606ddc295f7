//! Rows of conn.log.

use flow_table::{ConnState, FlowId, IpProto, PerSide, Span, Timestamp, Traffic, Uid};
use serde::{Deserialize, Serialize};

use super::values::{FLOW, Head, Refused, Value, count, interval, proto};

/// A flow as its row tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct LoggedFlow {
    head: Head,
    duration: i64,
    /// Payload bytes, packets and IP bytes of either end.
    orig: Moved,
    resp: Moved,
    steps: Steps,
    state: u8,
}

/// What one end sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Moved {
    bytes: u64,
    packets: u64,
    ip_bytes: u64,
}

/// How far the flow came.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Steps {
    /// It began with a SYN.
    pub(super) syn: bool,
    pub(super) answered: bool,
    pub(super) refused: bool,
    pub(super) completed: bool,
}

/// Those of [`FLOW`] come first.
pub(super) const COLUMNS: [&str; 16] = {
    let [ts, uid, orig_h, orig_p, resp_h, resp_p] = FLOW;
    [
        ts,
        uid,
        orig_h,
        orig_p,
        resp_h,
        resp_p,
        "proto",
        "duration",
        "orig_bytes",
        "resp_bytes",
        "conn_state",
        "history",
        "orig_pkts",
        "orig_ip_bytes",
        "resp_pkts",
        "resp_ip_bytes",
    ]
};

const STATES: [ConnState; 13] = [
    ConnState::S0,
    ConnState::S1,
    ConnState::S2,
    ConnState::S3,
    ConnState::Sf,
    ConnState::Rej,
    ConnState::Rsto,
    ConnState::Rstr,
    ConnState::Rstos0,
    ConnState::Rstrh,
    ConnState::Sh,
    ConnState::Shr,
    ConnState::Oth,
];

/// Where the usual one stands there.
const SF: usize = 4;

/// Bytes of a packet's headers, where a log does not count packets.
const HEADERS: u64 = 40;
/// Payload of a packet, likewise.
const PAYLOAD: u64 = 1_400;

impl LoggedFlow {
    pub(super) fn of(values: &[Value<'_>; COLUMNS.len()]) -> Result<Self, Refused> {
        let [ts, uid, orig_h, orig_p, resp_h, resp_p, rest @ ..] = values;
        let [transport, duration, rest @ ..] = rest;
        let [orig_bytes, resp_bytes, state, history, rest @ ..] = rest;
        let [orig_pkts, orig_ip_bytes, resp_pkts, resp_ip_bytes] = rest;
        let proto = proto(transport);
        let head = Head::of([ts, uid, orig_h, orig_p, resp_h, resp_p], proto)?;
        let orig = Moved::of(orig_bytes, orig_pkts, orig_ip_bytes);
        let resp = Moved::of(resp_bytes, resp_pkts, resp_ip_bytes);
        let place = STATES
            .iter()
            .position(|known| Some(known.name().as_bytes()) == state.as_deref());
        let place = place.unwrap_or(match resp.packets {
            // A log without states.
            0 => 0,
            _ => SF,
        });
        let steps = if proto == IpProto::TCP {
            let state = STATES.get(place).copied().unwrap_or(ConnState::Oth);
            Steps::of_tcp(state, history.as_deref().unwrap_or_default())
        } else {
            Steps {
                answered: resp.packets > 0,
                ..Steps::default()
            }
        };
        Ok(Self {
            head,
            duration: interval(duration).unwrap_or_default().as_nanos(),
            orig,
            resp,
            steps,
            state: u8::try_from(place).unwrap_or_default(),
        })
    }

    pub(super) const fn start(&self) -> Timestamp {
        self.head.ts()
    }

    pub(super) const fn duration(&self) -> Span {
        Span::from_nanos(self.duration)
    }

    pub(super) fn uid(&self) -> Uid {
        self.head.uid()
    }

    pub(super) fn id(&self) -> FlowId {
        self.head.id()
    }

    pub(super) const fn steps(&self) -> Steps {
        self.steps
    }

    pub(super) fn state(&self) -> ConnState {
        let state = STATES.get(usize::from(self.state)).copied();
        state.unwrap_or(ConnState::Oth)
    }

    /// What had moved when `part` of `whole` was over, if it moved evenly; the first packet moves
    /// at once.
    pub(super) fn moved(&self, part: i64, whole: i64) -> PerSide<Traffic> {
        PerSide {
            orig: self.orig.part(part, whole, 1),
            resp: self.resp.part(part, whole, 0),
        }
    }
}

impl Steps {
    fn of_tcp(state: ConnState, history: &[u8]) -> Self {
        use ConnState::{Rej, Rsto, Rstr, S1, S2, S3, Sf};
        let established = matches!(state, S1 | S2 | S3 | Sf | Rsto | Rstr);
        let history = history.strip_prefix(b"^").unwrap_or(history);
        let syn = match history.first() {
            Some(letter) => *letter == b'S',
            None => established || matches!(state, ConnState::S0 | Rej),
        };
        Self {
            syn,
            answered: established || history.contains(&b'h'),
            refused: state == Rej,
            completed: established,
        }
    }
}

impl Moved {
    fn of(bytes: &Value<'_>, packets: &Value<'_>, ip_bytes: &Value<'_>) -> Self {
        let bytes = count(bytes).unwrap_or_default();
        let packets = count(packets).unwrap_or_else(|| bytes.div_ceil(PAYLOAD));
        let ip_bytes = count(ip_bytes)
            .unwrap_or_else(|| bytes.saturating_add(packets.saturating_mul(HEADERS)));
        Self {
            bytes,
            packets,
            ip_bytes,
        }
    }

    /// `part` of `whole`, but no fewer than `least` packets, of what there is.
    fn part(self, part: i64, whole: i64, least: u64) -> Traffic {
        let share = |all: u64| {
            let share = i128::from(all) * i128::from(part) / i128::from(whole.max(1));
            u64::try_from(share).unwrap_or(all)
        };
        let packets = share(self.packets).max(least.min(self.packets));
        // The first packet's bytes come with it.
        let of_first = |all: u64| {
            if packets > 0 {
                all / self.packets.max(1)
            } else {
                0
            }
        };
        Traffic {
            packets,
            bytes: share(self.bytes),
            ip_bytes: share(self.ip_bytes).max(of_first(self.ip_bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// A flow from its row's columns behind the addresses.
    fn flow(columns: [&str; 10]) -> LoggedFlow {
        let head = ["1700000000.5", "C1", "10.0.0.1", "40000", "10.0.0.2", "443"];
        let mut values = head.iter().chain(&columns).map(|text| {
            let text: &'static str = String::from(*text).leak();
            (text != "-").then_some(Cow::Borrowed(text.as_bytes()))
        });
        LoggedFlow::of(&std::array::from_fn(|_| values.next().unwrap())).unwrap()
    }

    #[test]
    fn how_far_a_flow_came() {
        // proto, state, history, packets back; syn, answered, refused, completed.
        let cases = [
            ("tcp", "SF", "ShADadfF", "5", [true, true, false, true]),
            ("tcp", "S0", "S", "0", [true, false, false, false]),
            ("tcp", "REJ", "Sr", "1", [true, false, true, false]),
            ("tcp", "OTH", "DdA", "5", [false, false, false, false]),
            ("tcp", "RSTRH", "^hr", "2", [false, true, false, false]),
            ("tcp", "SF", "-", "5", [true, true, false, true]),
            ("tcp", "-", "-", "5", [true, true, false, true]),
            ("tcp", "-", "-", "0", [true, false, false, false]),
            ("udp", "SF", "Dd", "1", [false, true, false, false]),
            ("udp", "S0", "D", "0", [false, false, false, false]),
        ];
        for (proto, state, history, back, want) in cases {
            let flow = flow([proto, "1.0", "5", "5", state, history, "5", "9", back, "9"]);
            let Steps {
                syn,
                answered,
                refused,
                completed,
            } = flow.steps;
            let got = [syn, answered, refused, completed];
            assert_eq!(got, want, "{proto} {state} {history} {back}");
        }
    }

    #[test]
    fn what_moves_is_moved_once() {
        let flow = flow([
            "tcp", "90", "1000", "7", "SF", "ShAD", "10", "1400", "3", "127",
        ]);
        let first = flow.moved(0, 90);
        assert_eq!(
            (first.orig.packets, first.orig.bytes, first.orig.ip_bytes),
            (1, 0, 140)
        );
        assert_eq!(first.resp, Traffic::default());
        let half = flow.moved(45, 90);
        assert_eq!(
            (half.orig.packets, half.orig.bytes, half.resp.bytes),
            (5, 500, 3)
        );
        let all = flow.moved(90, 90);
        assert_eq!(
            (all.orig.packets, all.orig.bytes, all.orig.ip_bytes),
            (10, 1000, 1400)
        );
        assert_eq!(
            (all.resp.packets, all.resp.bytes, all.resp.ip_bytes),
            (3, 7, 127)
        );
    }

    #[test]
    fn a_log_without_packets_has_them_guessed() {
        let flow = flow(["tcp", "-", "3000", "-", "SF", "-", "-", "-", "-", "-"]);
        let all = flow.moved(1, 1);
        assert_eq!(
            (all.orig.packets, all.orig.ip_bytes, all.resp.packets),
            (3, 3120, 0)
        );
        assert_eq!(flow.duration(), Span::ZERO);
    }
}
