//! What is told of bodies, and noted of them for rows.

use serde::{Deserialize, Serialize};

use super::BodyNote;
use crate::Side;
use crate::protocol::files::Place;
use crate::protocol::mime::Sniffer;
use crate::protocol::{Body, BodyHead, Sink, Text};

/// Bodies of one message that a row notes, as in Zeek's logs.
const MAX_NOTES: usize = 15;
/// Bytes of a media type that are kept.
const MAX_TYPE: usize = 128;

/// The bodies of one side.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(super) struct Bodies {
    count: u32,
    open: bool,
    filename: Option<Text>,
    place: Option<Place>,
    content_type: Option<Text>,
    sniffer: Sniffer,
    notes: Vec<BodyNote>,
}

impl Bodies {
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) const fn held(&self) -> usize {
        self.sniffer.held()
    }

    /// What was noted of the bodies of a message.
    pub(super) fn notes(&mut self) -> Vec<BodyNote> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn tell(&mut self, side: Side, part: Body<'_>, sink: &mut dyn Sink) {
        match part {
            Body::Begin(head) => self.begin(&head),
            Body::Data(bytes) => self.sniffer.data(bytes),
            Body::Gap(_) => {
                self.sniffer.end();
            }
            Body::End | Body::Cut => self.end(),
        }
        // Parts of what HTTP carries are files like others.
        sink.body(
            side,
            match part {
                Body::Begin(head) => Body::Begin(BodyHead {
                    source: "HTTP",
                    depth: 0,
                    ..head
                }),
                other => other,
            },
        );
    }

    fn begin(&mut self, head: &BodyHead<'_>) {
        self.count = self.count.saturating_add(1);
        self.open = true;
        self.filename = head.filename.map(Into::into);
        self.place = head.range.and_then(|range| range.of);
        let short = |kind: &[u8]| kind.get(..MAX_TYPE).unwrap_or(kind).into();
        self.content_type = head.content_type.map(short);
        self.sniffer = Sniffer::of(head);
    }

    fn end(&mut self) {
        self.open = false;
        let note = BodyNote {
            number: self.count,
            place: self.place.take(),
            mime_type: self.sniffer.end(),
            filename: self.filename.take(),
            content_type: self.content_type.take(),
        };
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}
