//! What Initial packets of QUIC carry: frames are encrypted here as clients and servers do (RFC 9001, 5),
//! as nothing that is made up at random can be decrypted. For any frames in any packets of either side:
//! what is held has a limit, and each connection that begins has one row.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::aes::{Aes128, Block};
use aes_gcm::{Aes128Gcm, Nonce};
use flow_table::protocol::quic::Quic;
use flow_table::protocol::{Findings, Parser, Progress};
use flow_table::{Side, Timestamp};
use hkdf::Hkdf;
use sha2::Sha256;

/// What a client calls its server at first.
const DCID: [u8; 8] = *b"01234567";
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// More than any parser may hold.
const MOST: usize = 64 << 20;

/// Checks packets: who sends one and whether it is encrypted, how many bytes it has, the bytes.
pub fn check(mut rest: &[u8]) {
    let keys = [Side::Orig, Side::Resp].map(Key::of);
    let (mut quic, mut findings) = (Quic::default(), Findings::default());
    let (mut progress, mut secs) = (Progress::Going, 1_700_000_000);
    while let ([what, len, after @ ..], Progress::Going) = (rest, progress) {
        secs += 1;
        let (bytes, after) = after.split_at(after.len().min(4 * usize::from(*len)));
        rest = after;
        let side = usize::from(what & 1);
        let packet = match what >> 1 & 7 {
            0 => bytes.to_vec(),
            _ => keys[side].seal(bytes),
        };
        let ts = Timestamp::new(secs, 0);
        progress = quic.data([Side::Orig, Side::Resp][side], ts, &packet, &mut findings);
        assert!(quic.held() <= MOST, "{} bytes held", quic.held());
    }
    quic.finish(Timestamp::new(secs + 1, 0), &mut findings);
    let rows = findings.records.len();
    quic.finish(Timestamp::new(secs + 2, 0), &mut findings);
    assert_eq!(rows, findings.records.len());
}

/// A seed: a message of TLS in a packet of the client's.
pub fn seed(message: &[u8]) -> Vec<u8> {
    let message = message.get(..900).unwrap_or(message);
    let two = |number: usize| (u16::try_from(number).unwrap_or(0) | 0x4000).to_be_bytes();
    let mut frames = [&[6], &two(0)[..], &two(message.len()), message].concat();
    frames.resize(frames.len().next_multiple_of(4), 0);
    let len = u8::try_from(frames.len() / 4).unwrap_or(u8::MAX);
    [&[2, len], frames.as_slice()].concat()
}

/// What one side encrypts with.
struct Key {
    side: Side,
    packets: Aes128Gcm,
    headers: Aes128,
    iv: [u8; 12],
}

impl Key {
    fn of(side: Side) -> Self {
        let who: &[u8] = match side {
            Side::Orig => b"client in",
            Side::Resp => b"server in",
        };
        let initial = Hkdf::<Sha256>::new(Some(&SALT), &DCID);
        let secret = Hkdf::from_prk(&expand::<32>(&initial, who)).expect("it is long enough");
        Self {
            side,
            packets: Aes128Gcm::new(&expand::<16>(&secret, b"quic key").into()),
            headers: Aes128::new(&expand::<16>(&secret, b"quic hp").into()),
            iv: expand(&secret, b"quic iv"),
        }
    }

    /// A packet with these frames.
    fn seal(&self, frames: &[u8]) -> Vec<u8> {
        let mut body = frames.to_vec();
        body.resize(body.len().max(20), 0);
        let to: &[u8] = match self.side {
            Side::Orig => &DCID,
            Side::Resp => b"abcd",
        };
        let len = u16::try_from(1 + body.len() + 16).unwrap_or(u16::MAX) | 0x4000;
        let ends = [&[u8::try_from(to.len()).unwrap_or(0)], to, b"\x04abcd"].concat();
        let header = [
            b"\xc0\0\0\0\x01",
            ends.as_slice(),
            &[0],
            &len.to_be_bytes(),
            &[0],
        ]
        .concat();
        let nonce = Nonce::from(self.iv);
        let sealed =
            self.packets
                .encrypt_inout_detached(&nonce, &header, body.as_mut_slice().into());
        body.extend(sealed.expect("it is short enough"));
        let sample: [u8; 16] = body[3..19].try_into().expect("there is a tag at least");
        let mut mask = Block::from(sample);
        self.headers.encrypt_block(&mut mask);
        let mut packet = header;
        let last = packet.len() - 1;
        packet[0] ^= mask[0] & 0x0f;
        packet[last] ^= mask[1];
        packet.extend(body);
        packet
    }
}

/// HKDF-Expand-Label without a context (RFC 8446, 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> [u8; N] {
    let lengths = [
        0,
        u8::try_from(N).unwrap_or(0),
        u8::try_from(label.len() + 6).unwrap_or(0),
    ];
    let mut out = [0; N];
    let info = [&lengths[..], b"tls13 ", label, &[0]].concat();
    secret.expand(&info, &mut out).expect("it is short enough");
    out
}
