//! What an announced flow carries: a file, and nothing else.

use serde::{Deserialize, Serialize};

use crate::protocol::{Body, BodyHead, Parser, Progress, Sink};
use crate::{Side, Timestamp};

/// The parser of a data channel. Only one side sends.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(in crate::protocol) struct Transfer {
    began: Option<Side>,
}

impl Parser for Transfer {
    fn data(&mut self, side: Side, _: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let from = *self.began.get_or_insert_with(|| {
            let head = BodyHead {
                source: "FTP_DATA",
                ..BodyHead::default()
            };
            sink.body(side, Body::Begin(head));
            side
        });
        if from == side {
            sink.body(side, Body::Data(bytes));
        }
        Progress::Going
    }

    fn gap(&mut self, side: Side, _: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        if self.began == Some(side) {
            sink.body(side, Body::Gap(len));
        }
        Progress::Going
    }

    fn end_of(&mut self, side: Side, _: Timestamp, sink: &mut dyn Sink) {
        if self.began == Some(side) {
            self.began = None;
            sink.body(side, Body::End);
        }
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        if let Some(side) = self.began.take() {
            sink.body(side, Body::Cut);
        }
    }
}
