//! Compressed bodies, decompressed piece by piece and not kept.

use flate2::{Decompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};

use super::Measure;
use super::head::Coding;

/// Decompressed bytes of one body; what goes beyond is a bomb, and is not unfolded.
pub(super) const MAX_INFLATED: u64 = 64 << 20;
const OUT: usize = 16 * 1024;
/// What a decompressor takes, about: its window and tables, and what is above.
pub(super) const SIZE: usize = OUT + 48 * 1024;
const WINDOW_BITS: u8 = 15;

#[derive(Debug)]
pub(super) struct Inflate {
    zip: Decompress,
    buffer: Box<[u8]>,
    coding: Coding,
    state: State,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum State {
    Going,
    /// The stream ended.
    Whole,
    /// It was damaged, is a bomb, or something came after its end: the rest is not looked at.
    Cut,
}

impl Inflate {
    pub(super) fn of(coding: Coding, measure: Measure) -> Option<Box<Self>> {
        let zip = match (measure, coding) {
            (Measure::AsSent, _) | (_, Coding::Identity) => return None,
            (_, Coding::Gzip) => Decompress::new_gzip(WINDOW_BITS),
            (_, Coding::Deflate) => Decompress::new(true),
        };
        Some(Box::new(Self {
            zip,
            buffer: vec![0; OUT].into(),
            coding,
            state: State::Going,
        }))
    }

    /// Whether all that was to come was unfolded.
    pub(super) fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// Hands what `bytes` unfold to, to `out`.
    pub(super) fn data(
        &mut self,
        mut bytes: &[u8],
        mut out: impl FnMut(&[u8]),
    ) -> Result<(), &'static str> {
        // What is called deflate has a header (RFC 9110, 8.4.1.2), except where it has not.
        if self.coding == Coding::Deflate && self.zip.total_in() == 0 {
            let bare = bytes.first().is_some_and(|first| first & 0x0f != 8);
            if bare {
                self.zip = Decompress::new(false);
            }
        }
        if self.state == State::Whole && !bytes.is_empty() {
            self.state = State::Cut;
        }
        while self.state == State::Going {
            let (before_in, before_out) = (self.zip.total_in(), self.zip.total_out());
            let status = self
                .zip
                .decompress(bytes, &mut self.buffer, FlushDecompress::None);
            let taken = usize::try_from(self.zip.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(self.zip.total_out() - before_out).unwrap_or(usize::MAX);
            if let Some(made) = self.buffer.get(..made).filter(|made| !made.is_empty()) {
                out(made);
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            match status {
                Err(_) => {
                    self.state = State::Cut;
                    return Err("inflate_failed");
                }
                Ok(Status::StreamEnd) if bytes.is_empty() => self.state = State::Whole,
                Ok(Status::StreamEnd) => self.state = State::Cut,
                Ok(_) if self.zip.total_out() > MAX_INFLATED => {
                    self.state = State::Cut;
                    return Err("HTTP_inflated_body_too_large");
                }
                Ok(_) if made < OUT && (bytes.is_empty() || taken == 0) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// A decompressor does not outlive the run: of a body that it has begun, the rest is not looked at.
pub(super) mod kept {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Coding, Decompress, Inflate, Measure, State};

    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub(in crate::protocol::http) fn serialize<S: Serializer>(
        inflate: &Option<Box<Inflate>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let kept = inflate.as_ref().map(|inflate| {
            let begun = inflate.zip.total_in() > 0;
            let state = match inflate.state {
                State::Going if begun => State::Cut,
                state => state,
            };
            (inflate.coding, state)
        });
        kept.serialize(to)
    }

    pub(in crate::protocol::http) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Box<Inflate>>, D::Error> {
        let kept = Option::<(Coding, State)>::deserialize(from)?;
        Ok(kept.and_then(|(coding, state)| match state {
            State::Going => Inflate::of(coding, Measure::Decompressed),
            State::Whole | State::Cut => Some(Box::new(Inflate {
                zip: Decompress::new(false),
                buffer: Box::default(),
                coding,
                state,
            })),
        }))
    }
}
