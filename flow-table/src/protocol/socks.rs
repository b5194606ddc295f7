//! SOCKS: a proxy is asked for a connection, and from then on the flow is that connection
//! (RFC 1928, RFC 1929, and version 4 before them).

use serde::{Deserialize, Serialize};

use super::bytes::Reader;
use super::{Parser, Progress, Service, Sink};
use crate::{Side, Timestamp};

/// Bytes of a message.
const MAX_MESSAGE: usize = 1_024;

const SOCKS: Service = Service("socks");

/// What is expected next.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
enum State {
    /// The client's first message, which tells the version.
    #[default]
    Begin,
    /// Which way to sign in the server chooses.
    Method,
    /// Name and password.
    SignIn,
    SignedIn,
    Request,
    Reply,
    /// The reply of version 4.
    OldReply,
}

/// The parser of one flow. The originator is the client.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Socks {
    state: State,
    held: Vec<u8>,
}

/// What a message leads to.
enum Step {
    To(State),
    /// The connection is there.
    Connected,
    /// It will not be, or this is something else.
    Over,
}

impl State {
    /// Whose turn it is.
    const fn side(self) -> Side {
        match self {
            Self::Begin | Self::SignIn | Self::Request => Side::Orig,
            Self::Method | Self::SignedIn | Self::Reply | Self::OldReply => Side::Resp,
        }
    }

    /// Reads the message that is expected; `None` if it is not all there.
    fn step(self, reader: &mut Reader<'_>) -> Option<Step> {
        let first = reader.u8()?;
        let step = match self {
            Self::Begin if first == 4 => {
                let (_command, _port, addr) = (reader.u8()?, reader.u16()?, reader.u32()?);
                text(reader)?;
                // A name instead of an address: version 4a.
                if (1..256).contains(&addr) {
                    text(reader)?;
                }
                Step::To(Self::OldReply)
            }
            Self::Begin => {
                reader.sized8()?;
                Step::To(Self::Method)
            }
            Self::Method => match reader.u8()? {
                0 => Step::To(Self::Request),
                2 => Step::To(Self::SignIn),
                _ => Step::Over,
            },
            Self::SignIn => {
                reader.sized8()?;
                reader.sized8()?;
                Step::To(Self::SignedIn)
            }
            Self::SignedIn => match reader.u8()? {
                0 => Step::To(Self::Request),
                _ => Step::Over,
            },
            Self::Request | Self::Reply => {
                let code = reader.u8()?;
                let _reserved = reader.u8()?;
                address(reader)?;
                match (self, code) {
                    (Self::Request, 1..=3) => Step::To(Self::Reply),
                    (Self::Reply, 0) => Step::Connected,
                    _ => Step::Over,
                }
            }
            Self::OldReply => {
                let code = reader.u8()?;
                reader.take(6)?;
                if code == 0x5a {
                    Step::Connected
                } else {
                    Step::Over
                }
            }
        };
        let versions: &[u8] = match self {
            Self::Begin => &[4, 5],
            Self::SignIn | Self::SignedIn => &[1],
            Self::OldReply => &[0],
            Self::Method | Self::Request | Self::Reply => &[5],
        };
        Some(if versions.contains(&first) {
            step
        } else {
            Step::Over
        })
    }
}

/// Bytes up to a zero.
fn text(reader: &mut Reader<'_>) -> Option<()> {
    let end = memchr::memchr(0, reader.rest())?;
    reader.take(end + 1).map(|_| ())
}

/// An address and a port (RFC 1928, 4). Of a kind that is not known there is none.
fn address(reader: &mut Reader<'_>) -> Option<()> {
    match reader.u8()? {
        1 => reader.take(4)?,
        3 => reader.sized8()?,
        4 => reader.take(16)?,
        _ => &[],
    };
    reader.u16().map(|_| ())
}

impl Parser for Socks {
    fn data(&mut self, side: Side, _: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Going;
            }
            // Nobody speaks out of turn.
            if side != self.state.side() || self.held.len() + rest.len() > MAX_MESSAGE {
                return Progress::Done;
            }
            let before = self.held.len();
            self.held.extend_from_slice(rest);
            let mut reader = Reader::new(&self.held);
            let Some(step) = self.state.step(&mut reader) else {
                return Progress::Going;
            };
            used += (self.held.len() - reader.len()).saturating_sub(before);
            self.held.clear();
            match step {
                Step::To(state) => self.state = state,
                Step::Connected => {
                    sink.confirm(SOCKS);
                    return Progress::Inner(used);
                }
                Step::Over => return Progress::Done,
            }
        }
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Findings;
    use super::*;

    use Side::{Orig, Resp};

    const T0: Timestamp = Timestamp::new(1_700_000_000, 0);

    type Parts = &'static [(Side, &'static [u8])];

    fn play(parts: Parts, cut: usize) -> (usize, Progress) {
        let (mut socks, mut findings) = (Socks::default(), Findings::default());
        let mut progress = Progress::Going;
        for (side, bytes) in parts {
            for part in bytes.chunks(cut) {
                if progress == Progress::Going {
                    progress = socks.data(*side, T0, part, &mut findings);
                }
            }
        }
        (findings.services.len(), progress)
    }

    const CASES: [(&str, Parts, usize, Progress); 7] = [
        (
            "version 5",
            &[
                (Orig, b"\x05\x01\x00"),
                (Resp, b"\x05\x00"),
                (Orig, b"\x05\x01\x00\x03\x01h\x01\xbb"),
                (Resp, b"\x05\x00\x00\x01\x00\x00\x00\x00\x01\xbb"),
            ],
            1,
            Progress::Inner(10),
        ),
        (
            "with a password",
            &[
                (Orig, b"\x05\x02\x00\x02"),
                (Resp, b"\x05\x02"),
                (Orig, b"\x01\x01u\x01p"),
                (Resp, b"\x01\x00"),
                (Orig, b"\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb"),
                (Resp, b"\x05\x00\x00\x01\x00\x00\x00\x00\x01\xbb"),
            ],
            1,
            Progress::Inner(10),
        ),
        (
            "version 4",
            &[
                (Orig, b"\x04\x01\x01\xbb\x01\x02\x03\x04me\x00"),
                (Resp, b"\x00\x5a\x00\x00\x00\x00\x00\x00"),
            ],
            1,
            Progress::Inner(8),
        ),
        (
            "version 4a",
            &[
                (Orig, b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00host\x00"),
                (Resp, b"\x00\x5a\x00\x00\x00\x00\x00\x00"),
            ],
            1,
            Progress::Inner(8),
        ),
        (
            "refused",
            &[
                (Orig, b"\x04\x01\x01\xbb\x01\x02\x03\x04me\x00"),
                (Resp, b"\x00\x5b\x00\x00\x00\x00\x00\x00"),
            ],
            0,
            Progress::Done,
        ),
        (
            "no way to sign in",
            &[(Orig, b"\x05\x01\x00"), (Resp, b"\x05\xff")],
            0,
            Progress::Done,
        ),
        (
            "out of turn",
            &[(Orig, b"\x05\x01\x00"), (Orig, b"\x05\x01")],
            0,
            Progress::Done,
        ),
    ];

    #[test]
    fn connections_are_asked_for() {
        for (name, parts, services, progress) in CASES {
            assert_eq!(play(parts, usize::MAX), (services, progress), "{name}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(case in 0..6_usize, cut in 1..9_usize) {
            let (_, parts, services, progress) = CASES[case];
            let (got, end) = play(parts, cut);
            let is_inner = matches!(end, Progress::Inner(_));
            prop_assert_eq!((got, is_inner), (services, matches!(progress, Progress::Inner(_))));
        }

        #[test]
        fn random_bytes_do_no_harm(parts in prop::collection::vec((any::<bool>(), prop::collection::vec(0..8_u8, 0..60)), 0..9)) {
            let (mut socks, mut findings) = (Socks::default(), Findings::default());
            for (orig, bytes) in parts {
                let side = if orig { Orig } else { Resp };
                let _ = socks.data(side, T0, &bytes, &mut findings);
                prop_assert!(socks.held() <= MAX_MESSAGE);
            }
        }
    }
}
