//! Compressed bodies, decompressed piece by piece and not kept.

use flate2::{Decompress, FlushDecompress, Status};

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
    /// The stream ended, was damaged, or is a bomb: the rest is not looked at.
    over: bool,
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
            over: false,
        }))
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
        while !self.over {
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
                    self.over = true;
                    return Err("inflate_failed");
                }
                Ok(Status::StreamEnd) => self.over = true,
                Ok(_) if self.zip.total_out() > MAX_INFLATED => {
                    self.over = true;
                    return Err("HTTP_inflated_body_too_large");
                }
                Ok(_) if made < OUT && (bytes.is_empty() || taken == 0) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }
}
