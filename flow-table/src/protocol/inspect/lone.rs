//! What a flow carries in which only one side says anything, and nothing that is recognised. If it
//! was announced to carry a file, this is the file: whoever sees all flows can tell.

use crate::protocol::ftp::Carried;
use crate::protocol::mime;
use crate::protocol::recognise::{LOOK, Recogniser};
use crate::protocol::{Record, Sink};
use crate::{Side, Timestamp};

/// How much was told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
enum Told {
    #[default]
    Nothing,
    /// How it begins.
    Begin,
    /// When it ended, too.
    End,
}

/// See the module.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Lone {
    /// When the first and the last bytes came.
    times: Option<(Timestamp, Timestamp)>,
    told: Told,
}

impl Lone {
    /// Bytes came, which the recogniser took.
    pub(super) fn data(&mut self, ts: Timestamp, recogniser: &Recogniser, sink: &mut dyn Sink) {
        let (first, _) = self.times.unwrap_or((ts, ts));
        self.times = Some((first, ts));
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
        let (Some((side, beginning)), Some((first, last))) = (alone(recogniser), self.times) else {
            return;
        };
        if self.told >= told {
            return;
        }
        self.told = told;
        sink.record(Record::Carried(Box::new(Carried {
            side,
            first,
            last: (told == Told::End).then_some(last),
            mime_type: mime::sniff(beginning),
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
