//! Which protocol a flow speaks, from the first bytes of both sides, on any port.
//!
//! Fires when   the beginning of one side, or of both together, is that of a protocol and of no
//!              ordinary text. Ports count only for what cannot be told by content (DNS, NTP and
//!              RADIUS have hardly any), and never against it.
//! Blind to     what begins with more than [`LOOK`] bytes of something else; flows picked up
//!              midstream; protocols inside others, which get a recogniser of their own.
//! Known noise  four fixed bytes are enough for some (SSH, DNP3 with its checksum); a peer that
//!              wants to can imitate each.
//! State        up to [`LOOK`] bytes of each side, until it is decided.

mod ber;
mod binary;
mod datagram;
mod home;
mod names;
mod text;

use serde::{Deserialize, Serialize};

pub use home::is_at_home;
pub use names::Protocol;

use super::firsts::{ByFirst, Firsts, Set};
use crate::{PerSide, Side};

/// Bytes of each side that are looked at.
pub const LOOK: usize = 160;

/// Segments of a flow that are looked at while only one side says anything new.
const MAX_SEGMENTS: u8 = 200;

/// Whether bytes begin with the hello of a TLS client.
pub fn is_client_hello(bytes: &[u8]) -> bool {
    bytes.get(5) == Some(&1) && binary::tls(bytes) == Match::Yes
}

/// How bytes compare with what a protocol begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Match {
    Yes,
    /// As far as they go.
    Maybe,
    No,
}

impl Match {
    /// `Yes` if `known`.
    const fn yes_if(known: Option<bool>) -> Self {
        match known {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Maybe,
        }
    }

    /// The better of two.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Maybe, _) | (_, Self::Maybe) => Self::Maybe,
            (Self::No, Self::No) => Self::No,
        }
    }

    /// The worse of two.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Maybe, _) | (_, Self::Maybe) => Self::Maybe,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}

/// Whether `bytes` begin with `start`.
fn begins(bytes: &[u8], start: &[u8]) -> Match {
    // Nearly always the first byte decides.
    match bytes.first() {
        None => Match::Maybe,
        first if first != start.first() => Match::No,
        _ if bytes.starts_with(start) => Match::Yes,
        _ if start.starts_with(bytes) => Match::Maybe,
        _ => Match::No,
    }
}

/// Whether `bytes` begin with `word`, which is in upper case, in either case.
fn begins_word(bytes: &[u8], word: &[u8]) -> Match {
    let len = bytes.len().min(word.len());
    match (bytes.get(..len), word.get(..len)) {
        (Some(bytes), Some(start)) if bytes.eq_ignore_ascii_case(start) => {
            Match::yes_if((len == word.len()).then_some(true))
        }
        _ => Match::No,
    }
}

/// Words, one of which something may begin with: in upper case where case does not matter.
struct Words {
    words: &'static [&'static [u8]],
    /// What they begin with.
    firsts: Firsts,
}

impl Words {
    const fn of(words: &'static [&'static [u8]]) -> Self {
        let (mut firsts, mut rest) = (Firsts::of(b""), words);
        while let [word, more @ ..] = rest {
            if let [first, ..] = *word {
                firsts = firsts.or(&[*first]);
            }
            rest = more;
        }
        Self { words, firsts }
    }

    /// Whether `bytes` begin with one of them.
    fn begin(&self, bytes: &[u8]) -> Match {
        self.compare(bytes, bytes.first().copied(), begins)
    }

    /// The same in either case.
    fn begin_in_any_case(&self, bytes: &[u8]) -> Match {
        let first = bytes.first().map(u8::to_ascii_uppercase);
        self.compare(bytes, first, begins_word)
    }

    fn compare(
        &self,
        bytes: &[u8],
        first: Option<u8>,
        with: impl Fn(&[u8], &[u8]) -> Match,
    ) -> Match {
        match first {
            None => Match::Maybe,
            Some(first) if !self.firsts.has(first) => Match::No,
            Some(_) => {
                let tests = self.words.iter().map(|word| with(bytes, word));
                tests.fold(Match::No, Match::or)
            }
        }
    }
}

/// Whether a flow speaks a protocol. Where neither side begins with one of these bytes it does not,
/// unless a side has said nothing yet.
type Test = (Protocol, Firsts, fn(&Starts<'_>) -> Match);

/// Tests, in the order in which they are asked.
struct Tests {
    all: &'static [Test],
    by_first: ByFirst,
}

static WHOLE: [Tests; 2] = [Tests::of(&text::TESTS), Tests::of(&binary::TESTS)];
static MIDSTREAM: [Tests; 1] = [Tests::of(&binary::MIDSTREAM)];

impl Tests {
    const fn of(all: &'static [Test]) -> Self {
        let (mut by_first, mut rest) = (ByFirst::EMPTY, all);
        while let [(_, firsts, _), more @ ..] = rest {
            by_first = by_first.with(all.len() - rest.len(), *firsts);
            rest = more;
        }
        Self { all, by_first }
    }

    /// Those that a flow may pass whose sides begin so.
    fn for_sides(&self, firsts: [Option<u8>; 2]) -> impl Iterator<Item = &Test> {
        let sets = firsts.into_iter().flatten();
        let sets = sets.map(|first| self.by_first.of(first));
        let set = sets.fold(Set::EMPTY, Set::or);
        set.places().filter_map(|nth| self.all.get(nth))
    }
}

/// How a TCP flow came to be known.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum Begun {
    /// With its handshake.
    #[default]
    Whole,
    /// In the middle. Few protocols are read from there, as in Zeek.
    Midstream,
}

/// What both sides of a TCP flow began with.
#[derive(Clone, Copy, Debug)]
struct Starts<'a> {
    begun: Begun,
    orig: &'a [u8],
    resp: &'a [u8],
    /// The responder spoke before the originator did.
    server_first: bool,
    port: u16,
}

impl Starts<'_> {
    /// What holds for either side.
    fn either(&self, test: impl Fn(&[u8]) -> Match) -> Match {
        test(self.orig).or(test(self.resp))
    }

    const fn tests(&self) -> &'static [Tests] {
        match self.begun {
            Begun::Whole => &WHOLE,
            Begun::Midstream => &MIDSTREAM,
        }
    }

    fn verdict(&self) -> Verdict {
        let firsts = [self.orig, self.resp].map(|bytes| bytes.first().copied());
        let tests = self.tests().iter();
        match self.first_of(tests.flat_map(|tests| tests.for_sides(firsts))) {
            // A side that has said nothing yet may say anything.
            Verdict::Unknown if firsts.contains(&None) => Verdict::Undecided,
            verdict => verdict,
        }
    }

    /// What the first of these tests that says yes is for.
    fn first_of<'t>(&self, tests: impl IntoIterator<Item = &'t Test>) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for (protocol, _, test) in tests {
            match test(self) {
                Match::Yes => return Verdict::Is(*protocol),
                Match::Maybe => verdict = Verdict::Undecided,
                Match::No => {}
            }
        }
        verdict
    }
}

/// What is known of a flow.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It speaks this.
    Is(Protocol),
    /// More has to be seen.
    Undecided,
    /// Nothing that is known here.
    Unknown,
}

/// The recogniser of one TCP flow.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Recogniser {
    begun: Begun,
    first: Option<Side>,
    held: PerSide<Vec<u8>>,
    seen: u8,
    over: bool,
}

impl Recogniser {
    /// Of a flow that nothing is known of.
    pub fn new(begun: Begun) -> Self {
        Self {
            begun,
            ..Self::default()
        }
    }

    /// Looks at the next bytes of `side` of a flow to `port`. Once the verdict is not
    /// [`Verdict::Undecided`], it is final. A parser is then to be given what was
    /// [held](Self::held), and these bytes.
    pub fn data(&mut self, side: Side, bytes: &[u8], port: u16) -> Verdict {
        if self.over || bytes.is_empty() {
            return self.undecided();
        }
        let first = *self.first.get_or_insert(side);
        self.seen = self.seen.saturating_add(1);
        let held = self.held.get_mut(side);
        if held.len() >= LOOK {
            self.over = self.seen >= MAX_SEGMENTS;
            return self.undecided();
        }
        let verdict = {
            let joined;
            let start = if held.is_empty() {
                bytes.get(..LOOK).unwrap_or(bytes)
            } else {
                joined = [held, bytes].concat();
                joined.get(..LOOK).unwrap_or(&joined)
            };
            let (orig, resp) = match side {
                Side::Orig => (start, self.held.resp.as_slice()),
                Side::Resp => (self.held.orig.as_slice(), start),
            };
            let server_first = first == Side::Resp;
            let starts = Starts {
                begun: self.begun,
                orig,
                resp,
                server_first,
                port,
            };
            starts.verdict()
        };
        if verdict == Verdict::Undecided {
            let held = self.held.get_mut(side);
            let room = LOOK.saturating_sub(held.len());
            held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            self.over = self.held.orig.len() >= LOOK && self.held.resp.len() >= LOOK;
            return self.undecided();
        }
        self.over = verdict == Verdict::Unknown;
        verdict
    }

    const fn undecided(&self) -> Verdict {
        if self.over {
            Verdict::Unknown
        } else {
            Verdict::Undecided
        }
    }

    /// Bytes held.
    pub const fn held_len(&self) -> usize {
        self.held.orig.len() + self.held.resp.len()
    }

    /// What each side sent before the bytes that decided, and who spoke first. If more than
    /// [`LOOK`] bytes came undecided from a side, the rest of them is gone: what parses that side
    /// has a gap there.
    pub fn held(&self) -> (Side, &PerSide<Vec<u8>>) {
        (self.first.unwrap_or(Side::Orig), &self.held)
    }
}

/// The recogniser of one UDP flow. Most protocols show in any datagram; RTP shows only in several.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct DatagramRecogniser {
    rtp: datagram::Rtp,
    seen: u8,
}

/// Datagrams of a flow that are looked at.
const MAX_DATAGRAMS: u8 = 8;

impl DatagramRecogniser {
    /// Looks at a datagram between these ports, the originator's first.
    pub fn data(&mut self, bytes: &[u8], ports: (u16, u16)) -> Verdict {
        if self.seen >= MAX_DATAGRAMS {
            return Verdict::Unknown;
        }
        self.seen += 1;
        match datagram::protocol(bytes, ports).or_else(|| self.rtp.protocol(bytes)) {
            Some(protocol) => Verdict::Is(protocol),
            None if self.seen >= MAX_DATAGRAMS => Verdict::Unknown,
            None => Verdict::Undecided,
        }
    }
}

#[cfg(test)]
mod tests;
