//! What there is to say against a destination, beside that it is called evenly.
//!
//! Much that is harmless calls one place at even intervals all day long, so that alone is a signal
//! and no more. What makes it more is that few hosts call the destination over TCP, and that
//!
//! - nobody told the host where it is, though the host goes by names otherwise, or
//! - no names were seen at all, the port is none that much else uses, and the calls are even as such:
//!   who shares files with strangers meets some of them at times that look even in the long run, or
//! - it is new to a network that had been watched, and either the port is such a one, or somebody
//!   took care that the calls be not quite even: clocks are exact, and people far from it. Where no
//!   names were seen, an address is new where else a domain is.

use flow_table::{IpProto, Span};

use super::Pair;
use crate::config::LongBeacon;
use crate::destinations::{Known, Named};
use crate::evenness::chance;
use crate::seen::Seen;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// It was found without a name.
    Unnamed,
    /// Its port.
    Port,
    /// It is new, and its port is one that little else uses.
    NewPort,
    /// It is new, and called with jitter.
    NewJitter,
}

/// For how long something new must have been called with jitter, once there are enough for a score.
const LONG_ENOUGH: Span = Span::from_mins(120);

/// Of many gaps those are even, too, whose median absolute deviation is at most this part of the median, as one of
/// them may be long: of twelve made by chance one or two in a thousand are below.
const MOST_SPREAD: f64 = 0.15;

impl Doubt {
    const ALL: [Self; 4] = [Self::Unnamed, Self::Port, Self::NewPort, Self::NewJitter];

    pub(super) fn of(
        seen: &Seen<'_>,
        known: Known,
        pair: &Pair,
        config: &LongBeacon,
    ) -> Option<Self> {
        let few = (known.inside as f64 * config.rare.get()).max(config.few_hosts.get() as f64);
        if seen.event.id.proto != IpProto::TCP || known.hosts as f64 > few {
            return None;
        }
        let odd = !config.usual_ports.contains(&seen.port());
        let new = known.watched_before() >= config.min_history.get()
            && known.inside >= config.min_hosts.get();
        match known.named {
            Named::No => Some(Self::Unnamed),
            Named::Unknown | Named::Unseen if odd => is_even(pair, config).then_some(Self::Port),
            _ if !new => None,
            Named::Yes if odd => Some(Self::NewPort),
            _ => is_jittered(pair, config).then_some(Self::NewJitter),
        }
    }

    /// For evidence, which is numbers.
    pub(super) fn number(self) -> f64 {
        f64::from(self as u8) + 1.0
    }

    /// As part of a sentence.
    pub(super) fn told(number: f64) -> &'static str {
        let doubt = Self::ALL
            .iter()
            .find(|doubt| (doubt.number() - number).abs() < 0.5);
        match doubt {
            None => "",
            Some(Self::Unnamed) => ", without having asked for a name,",
            Some(Self::Port) => ", on a port that little else uses,",
            Some(Self::NewPort) => ", new and on a port that little else uses,",
            Some(Self::NewJitter) => ", new and never quite evenly,",
        }
    }
}

/// Whether the gaps themselves are about the same: all of them, or of many most.
fn is_even(pair: &Pair, config: &LongBeacon) -> bool {
    let gaps = pair.rhythm.gaps();
    let by_chance = chance(gaps.count(), 1.0, gaps.variation(), Span::ZERO);
    by_chance <= config.max_chance.get()
        || (pair.rhythm.is_thinned() && gaps.spread() <= MOST_SPREAD)
}

fn is_jittered(pair: &Pair, config: &LongBeacon) -> bool {
    if pair.is_young(config) {
        return pair.rhythm.gaps().variation() >= config.min_variation.get();
    }
    let spread = pair.rhythm.gaps().spread();
    let lasting = pair.span() >= LONG_ENOUGH;
    lasting && (config.least_jitter.get()..=config.most_jitter.get()).contains(&spread)
}
