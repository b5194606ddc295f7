//! What a flow carries in which only one side says anything, and nothing that is recognised. If it
//! was announced to carry a file, this is the file: whoever sees all flows can tell.

use serde::{Deserialize, Serialize};

use crate::protocol::files::{Digests, Hasher, Hashes};
use crate::protocol::ftp::Carried;
use crate::protocol::mime;
use crate::protocol::recognise::{LOOK, Recogniser};
use crate::protocol::{Record, Sink};
use crate::{Side, Timestamp};

/// How much was told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
enum Told {
    #[default]
    Nothing,
    /// How it begins.
    Begin,
    /// When it ended, too.
    End,
}

/// See the module.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(super) struct Lone {
    /// When the first and the last bytes came.
    times: Option<(Timestamp, Timestamp)>,
    told: Told,
    hashes: Hashes,
    /// Of all that was said so far, as long as only one side said it.
    /// Does not outlive the run.
    #[serde(skip)]
    hasher: Option<Box<Hasher>>,
}

impl Lone {
    /// With these digests.
    pub(super) fn hashing(hashes: Hashes) -> Self {
        Self {
            hashes,
            hasher: Hasher::new(hashes),
            ..Self::default()
        }
    }

    /// Whether digests can still be told.
    pub(super) const fn is_hashing(&self) -> bool {
        self.hasher.is_some()
    }

    /// Bytes held for what is to come, about.
    pub(super) const fn held(&self) -> usize {
        if self.is_hashing() {
            size_of::<Hasher>()
        } else {
            0
        }
    }

    /// Bytes of `side` came, which the recogniser took.
    pub(super) fn data(
        &mut self,
        side: Side,
        ts: Timestamp,
        bytes: &[u8],
        recogniser: &Recogniser,
        sink: &mut dyn Sink,
    ) {
        let (first, _) = self.times.unwrap_or((ts, ts));
        self.times = Some((first, ts));
        self.goes_on(side, bytes, recogniser);
        if self.told == Told::Nothing
            && let Some((_, beginning)) = alone(recogniser)
            && beginning.len() >= LOOK
        {
            self.tell(recogniser, Told::Begin, sink);
        }
    }

    /// Bytes came that nobody looks at, because some before them are missing.
    pub(super) const fn passed_over(&mut self, ts: Timestamp) {
        if let Some((_, last)) = &mut self.times {
            *last = ts;
        }
    }

    /// Bytes of `side` came; whether all that was said may still be a file that is hashed.
    pub(super) fn goes_on(&mut self, side: Side, bytes: &[u8], recogniser: &Recogniser) -> bool {
        let Some(hasher) = &mut self.hasher else {
            return false;
        };
        let is_alone = alone(recogniser).is_some_and(|(sender, _)| sender == side);
        if is_alone {
            hasher.data(bytes);
        } else {
            self.lose();
        }
        is_alone
    }

    /// Some of it is missing, or nobody knows whether that was all.
    pub(super) fn lose(&mut self) {
        self.hasher = None;
    }

    /// `side` has sent all it will, of which the beginning was told.
    pub(super) fn carried(&mut self, side: Side, recogniser: &Recogniser, sink: &mut dyn Sink) {
        let is_alone = alone(recogniser).is_some_and(|(sender, _)| sender == side);
        if is_alone && self.is_hashing() {
            let digests = self.digests();
            self.say(recogniser, None, digests, sink);
        }
    }

    /// No more is looked at.
    pub(super) fn leave(&mut self, recogniser: &Recogniser, sink: &mut dyn Sink) {
        self.tell(recogniser, Told::Begin, sink);
    }

    /// `side` has sent all it will.
    pub(super) fn end_of(&mut self, side: Side, recogniser: &Recogniser, sink: &mut dyn Sink) {
        if alone(recogniser).is_some_and(|(sender, _)| sender == side) {
            self.tell(recogniser, Told::End, sink);
        }
    }

    fn tell(&mut self, recogniser: &Recogniser, told: Told, sink: &mut dyn Sink) {
        if self.told >= told || alone(recogniser).is_none() {
            return;
        }
        self.told = told;
        let last = self.times.map(|(_, last)| last);
        let digests = match told {
            Told::End => self.digests(),
            Told::Begin | Told::Nothing => Digests::default(),
        };
        self.say(
            recogniser,
            last.filter(|_| told == Told::End),
            digests,
            sink,
        );
    }

    fn digests(&mut self) -> Digests {
        let hasher = self.hasher.take();
        hasher.map(|hasher| hasher.end()).unwrap_or_default()
    }

    fn say(
        &self,
        recogniser: &Recogniser,
        last: Option<Timestamp>,
        digests: Digests,
        sink: &mut dyn Sink,
    ) {
        let (Some((side, beginning)), Some((first, _))) = (alone(recogniser), self.times) else {
            return;
        };
        sink.record(Record::Carried(Box::new(Carried {
            side,
            first,
            last,
            mime_type: mime::sniff(beginning),
            hashes: self.hashes,
            digests,
        })));
    }
}

/// Who is the only one that says anything, and how that begins.
fn alone(recogniser: &Recogniser) -> Option<(Side, &[u8])> {
    let (first, held) = recogniser.held();
    let (mine, other) = match first {
        Side::Orig => (&held.orig, &held.resp),
        Side::Resp => (&held.resp, &held.orig),
    };
    (other.is_empty() && !mine.is_empty()).then_some((first, mine))
}
