//! What both sides offer (RFC 4253, 7.1), and what they agree on.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::super::Text;
use super::super::bytes::Reader;
use super::super::tls::fingerprint::hex;
use crate::Side;

/// Names of a list that are looked at.
const MAX_NAMES: usize = 200;
const FAILED: &[u8] = b"Algorithm negotiation failed";

/// A side's offer. Lists are names with commas between them, the best one first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Offer {
    kex: Text,
    host_key: Text,
    cipher: Directed,
    mac: Directed,
    compression: Directed,
}

impl Offer {
    /// Bytes it takes.
    pub(super) fn size(&self) -> usize {
        let directed = [&self.cipher, &self.mac, &self.compression];
        let directed = directed.map(|lists| lists.to_server.len() + lists.to_client.len());
        size_of::<Self>() + self.kex.len() + self.host_key.len() + directed.iter().sum::<usize>()
    }
}

/// A list for each direction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Directed {
    to_server: Text,
    to_client: Text,
}

/// What was agreed on.
pub(super) struct Agreed {
    pub(super) kex: Text,
    pub(super) host_key: Text,
    pub(super) cipher: Text,
    pub(super) mac: Text,
    pub(super) compression: Text,
}

fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = list.split(|byte| *byte == b',');
    names.filter(|name| !name.is_empty()).take(MAX_NAMES)
}

impl Offer {
    pub(super) fn read(body: &[u8], mut weird: impl FnMut(&'static str, Text)) -> Option<Self> {
        let mut reader = Reader::new(body);
        let _cookie = reader.take(16)?;
        let mut list = |exceeded: &'static str| {
            let len = reader.u32()?;
            let list = reader.take(usize::try_from(len).ok()?)?;
            let count = list.split(|byte| *byte == b',').count();
            if count > MAX_NAMES {
                let addl = format!("{count} > {MAX_NAMES}");
                weird(exceeded, addl.into_bytes().into());
            }
            Some(Text::from(list))
        };
        let kex = list("SSH_max_kexinit_kex_algorithms_exceeded")?;
        let host_key = list("SSH_max_kexinit_hostkey_algorithms_exceeded")?;
        let mut directed = |exceeded| {
            Some(Directed {
                to_server: list(exceeded)?,
                to_client: list(exceeded)?,
            })
        };
        let cipher = directed("SSH_max_kexinit_encryption_algorithms_exceeded")?;
        let mac = directed("SSH_max_kexinit_mac_algorithms_exceeded")?;
        let compression = directed("SSH_max_kexinit_compression_algorithms_exceeded")?;
        let _languages = directed("SSH_max_kexinit_languages_exceeded");
        Some(Self {
            kex,
            host_key,
            cipher,
            mac,
            compression,
        })
    }

    /// MD5 of `kex;cipher;mac;compression` for the direction that `side` sends in.
    pub(super) fn hassh(&self, side: Side) -> String {
        let of = |lists: &Directed| match side {
            Side::Orig => lists.to_server.clone(),
            Side::Resp => lists.to_client.clone(),
        };
        let lists = [of(&self.cipher), of(&self.mac), of(&self.compression)];
        let mut hash = Md5::new();
        hash.update(&self.kex);
        for list in lists {
            hash.update(b";");
            hash.update(list);
        }
        hex(&hash.finalize())
    }
}

/// The client's first name that the server has, too.
fn first_common(client: &[u8], server: &[u8]) -> Text {
    let mut wanted = names(client);
    let common = wanted.find(|name| names(server).any(|known| known == *name));
    common.unwrap_or(FAILED).into()
}

fn both_ways(client: &Directed, server: &Directed) -> Text {
    let to_server = first_common(&client.to_server, &server.to_server);
    let to_client = first_common(&client.to_client, &server.to_client);
    if to_server == to_client {
        return to_server;
    }
    [b"To server: ", &*to_server, b", to client: ", &*to_client]
        .concat()
        .into()
}

pub(super) fn agree(client: &Offer, server: &Offer) -> Agreed {
    Agreed {
        kex: first_common(&client.kex, &server.kex),
        host_key: first_common(&client.host_key, &server.host_key),
        cipher: both_ways(&client.cipher, &server.cipher),
        mac: both_ways(&client.mac, &server.mac),
        compression: both_ways(&client.compression, &server.compression),
    }
}
