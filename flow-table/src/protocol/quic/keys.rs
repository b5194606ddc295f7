//! Keys of packets of type Initial (RFC 9001, 5).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce, Tag};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::packet::VERSION_2;
use crate::{PerSide, Side};

/// Bytes of a packet's number at most, after which the sample begins (RFC 9001, 5.4.2).
const MAX_NUMBER: usize = 4;
const SAMPLE: usize = 16;
const TAG: usize = 16;

const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];
/// Of drafts 29 to 32.
const SALT_DRAFT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
    0x43, 0x90, 0xa8, 0x99,
];
/// Of drafts 23 to 28.
const SALT_DRAFT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65,
    0xbe, 0xf9, 0xf5, 0x02,
];
/// Of draft 22.
const SALT_DRAFT_22: [u8; 20] = [
    0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd,
    0x7a, 0x02, 0x64, 0x4a,
];

/// What both sides encrypt with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Origin", into = "Origin")]
pub(super) struct Keys {
    of: Origin,
    sides: PerSide<Key>,
}

/// What keys are derived from, which is what is kept of them.
#[derive(Clone, Serialize, Deserialize)]
struct Origin {
    version: u32,
    dcid: Box<[u8]>,
}

impl From<Keys> for Origin {
    fn from(keys: Keys) -> Self {
        keys.of
    }
}

impl TryFrom<Origin> for Keys {
    type Error = &'static str;

    fn try_from(of: Origin) -> Result<Self, Self::Error> {
        Self::new(of.version, &of.dcid).ok_or("no keys of this version are known")
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Of one side.
#[derive(Clone)]
struct Key {
    packets: Aes128Gcm,
    headers: Aes128,
    iv: [u8; 12],
}

impl Keys {
    /// For the connection whose client first called its server `dcid`. `None` for versions whose
    /// keys are not known.
    pub(super) fn new(version: u32, dcid: &[u8]) -> Option<Self> {
        let salt = match version {
            1 | 0xff00_0021 | 0xff00_0022 => SALT_1,
            VERSION_2 => SALT_2,
            0xff00_001d..=0xff00_0020 => SALT_DRAFT_29,
            // Facebook's mvfst says which of its own versions it speaks; they follow these drafts.
            0xff00_0017..=0xff00_001c | 0xface_b002 | 0xface_b00e => SALT_DRAFT_23,
            0xff00_0016 | 0xface_b001 => SALT_DRAFT_22,
            _ => return None,
        };
        let initial = Hkdf::<Sha256>::new(Some(&salt), dcid);
        let key = |who: &[u8]| {
            let secret = expand::<32>(&initial, who)?;
            Key::new(&Hkdf::from_prk(&secret).ok()?, version)
        };
        let sides = PerSide {
            orig: key(b"client in")?,
            resp: key(b"server in")?,
        };
        let dcid = dcid.into();
        Some(Self {
            of: Origin { version, dcid },
            sides,
        })
    }

    /// Decrypts a packet, of which what is behind its length begins at `protected`.
    pub(super) fn open(&self, side: Side, packet: &[u8], protected: usize) -> Option<Vec<u8>> {
        self.sides.of(side).open(packet, protected)
    }
}

impl Key {
    fn new(secret: &Hkdf<Sha256>, version: u32) -> Option<Self> {
        let [key, iv, hp]: [&[u8]; 3] = if version == VERSION_2 {
            [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"]
        } else {
            [b"quic key", b"quic iv", b"quic hp"]
        };
        Some(Self {
            packets: Aes128Gcm::new(&expand::<16>(secret, key)?.into()),
            headers: Aes128::new(&expand::<16>(secret, hp)?.into()),
            iv: expand(secret, iv)?,
        })
    }

    fn open(&self, packet: &[u8], protected: usize) -> Option<Vec<u8>> {
        let sampled = packet.get(protected.checked_add(MAX_NUMBER)?..)?;
        let mut mask = aes_gcm::aes::Block::from(*sampled.first_chunk::<SAMPLE>()?);
        self.headers.encrypt_block(&mut mask);
        let mask: [u8; SAMPLE] = mask.into();
        let [first_mask, number_mask @ ..] = mask;
        let (header, body) = packet.split_at_checked(protected)?;
        let mut header = header.to_vec();
        let first = header.first_mut()?;
        *first ^= first_mask & 0x0f;
        let len = usize::from(*first & 0x03) + 1;
        let (number, body) = body.split_at_checked(len)?;
        let number = number
            .iter()
            .zip(number_mask)
            .map(|(byte, mask)| byte ^ mask);
        header.extend(number);
        let mut nonce = self.iv;
        let digits = header.iter().rev().take(len);
        for (place, digit) in nonce.iter_mut().rev().zip(digits) {
            *place ^= digit;
        }
        let (body, tag) = body.split_at_checked(body.len().checked_sub(TAG)?)?;
        let mut plain = body.to_vec();
        let tag = Tag::from(*tag.first_chunk::<TAG>()?);
        self.packets
            .decrypt_inout_detached(
                &Nonce::from(nonce),
                &header,
                plain.as_mut_slice().into(),
                &tag,
            )
            .ok()?;
        Some(plain)
    }
}

/// HKDF-Expand-Label without a context (RFC 8446, 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let len = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = u8::try_from(label.len() + 6).ok()?;
    let info = [&len[..], &[label_len], b"tls13 ", label, &[0]].concat();
    secret.expand(&info, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
impl Keys {
    /// Encrypts what [`Keys::open`] decrypts: a header that ends with a number of one byte, and
    /// what follows it.
    pub(super) fn seal(&self, side: Side, header: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = self.sides.of(side);
        let (mut nonce, mut body) = (key.iv, plain.to_vec());
        nonce[11] ^= header[header.len() - 1];
        let tag = key
            .packets
            .encrypt_inout_detached(&Nonce::from(nonce), header, body.as_mut_slice().into())
            .unwrap();
        body.extend(tag);
        let sample: [u8; SAMPLE] = body[MAX_NUMBER - 1..][..SAMPLE].try_into().unwrap();
        let mut mask = aes_gcm::aes::Block::from(sample);
        key.headers.encrypt_block(&mut mask);
        let mut packet = header.to_vec();
        packet[0] ^= mask[0] & 0x0f;
        packet[header.len() - 1] ^= mask[1];
        packet.extend(body);
        packet
    }
}
