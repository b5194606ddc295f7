//! RDP: what it turns into, TLS or its own encryption (MS-RDPBCGR, 1.3.1.1).

use serde::{Deserialize, Serialize};

use super::{Parser, Progress, Service, Sink, recognise};
use crate::{Side, Timestamp};

/// Segments that are looked at before either shows.
const MAX_SEGMENTS: u8 = 20;

/// The parser of one flow.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Rdp {
    segments: u8,
}

impl Parser for Rdp {
    fn data(&mut self, _: Side, _: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        if recognise::is_client_hello(bytes) {
            return Progress::Inner(0);
        }
        // A data unit (X.224, 13.7) with the first message of the conference (T.125, 7).
        if let [3, 0, _, _, 2, 0xf0, 0x80, 0x7f, 0x65 | 0x66, ..] = bytes {
            sink.confirm(Service("rdp"));
            return Progress::Done;
        }
        self.segments += 1;
        if self.segments < MAX_SEGMENTS {
            Progress::Going
        } else {
            Progress::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Findings;
    use super::*;

    #[test]
    fn it_turns_into_one_or_the_other() {
        let hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";
        let own = b"\x03\x00\x01\xac\x02\xf0\x80\x7f\x65\x82";
        let cases: [(&str, &[u8], usize, Progress); 3] = [
            ("TLS", hello, 0, Progress::Inner(0)),
            ("its own", own, 1, Progress::Done),
            ("not yet", b"\x03\x00\x00\x13", 0, Progress::Going),
        ];
        for (name, bytes, services, progress) in cases {
            let mut findings = Findings::default();
            let got = Rdp::default().data(Side::Orig, Timestamp::ZERO, bytes, &mut findings);
            assert_eq!(
                (findings.services.len(), got),
                (services, progress),
                "{name}"
            );
        }
        let (mut rdp, mut findings) = (Rdp::default(), Findings::default());
        let mut feed = || rdp.data(Side::Orig, Timestamp::ZERO, b"x", &mut findings);
        let going = (0..40).take_while(|_| feed() == Progress::Going).count();
        assert_eq!(going, 19);
    }
}
