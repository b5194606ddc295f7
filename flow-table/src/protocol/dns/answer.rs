//! What a resource record says, as dns.log shows it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::bytes::Reader;
use super::name::{self, LabelLimit};

/// A resource record whose name was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rr<'a> {
    pub(super) rtype: u16,
    pub(super) ttl: u32,
    pub(super) len: usize,
    /// The message from its data on.
    pub(super) from_here: &'a [u8],
}

/// What dns.log shows of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Data {
    /// Nothing, not even that something was answered.
    Untold,
    /// That something was answered.
    Nothing,
    /// This.
    Text(Vec<u8>),
}

const MISMATCH: &str = "DNS_RR_length_mismatch";

impl<'a> Rr<'a> {
    /// Reads its data. `owner` is the record's name.
    pub(super) fn data(
        &self,
        whole: &'a [u8],
        limit: LabelLimit,
        netbios: bool,
        owner: &[u8],
    ) -> Result<Data, &'static str> {
        let data = Reader::new(self.from_here.get(..self.len).unwrap_or_default());
        let short = "DNS_RR_bad_length";
        let text = match self.rtype {
            1 => return address_v4(data).ok_or(short),
            28 | 38 => return address_v6(data).ok_or(short),
            2 | 5 | 6 | 12 => self.name_at(0, whole, limit)?,
            15 => self.name_at(2, whole, limit)?,
            33 if netbios => return Ok(Data::Untold),
            33 => self.name_at(6, whole, limit)?,
            11 => return Ok(Data::Nothing),
            16 => strings(data, "TXT"),
            99 => strings(data, "SPF"),
            29 => location(data).ok_or("dns_invalid_loc_length")?,
            35 => self.naptr(data, whole, limit)?,
            43 => delegation(data).ok_or(short)?,
            44 => fingerprint(data).ok_or(short)?,
            46 => self.signature(data, whole, limit)?,
            47 => self.next_secure(owner, whole, limit)?,
            48 => key(data).ok_or(short)?,
            50 => b"NSEC3".to_vec(),
            51 => b"NSEC3PARAM".to_vec(),
            65534 => b"BIND9 signing signal".to_vec(),
            // Known to Zeek, which shows nothing of them: HINFO, NetBIOS names, OPT, SVCB, HTTPS,
            // TSIG, CAA.
            13 | 32 | 41 | 64 | 65 | 250 | 257 => return Ok(Data::Untold),
            other => format!("<unknown type={other}>").into_bytes(),
        };
        Ok(Data::Text(text))
    }

    /// The name that begins so many bytes into the data.
    fn name_at(
        &self,
        skip: usize,
        whole: &[u8],
        limit: LabelLimit,
    ) -> Result<Vec<u8>, &'static str> {
        let mut name = Vec::new();
        let mut reader = Reader::new(self.from_here.get(skip..).ok_or(MISMATCH)?);
        name::read(&mut reader, whole, limit, &mut name)?;
        Ok(name)
    }

    /// RFC 4034, 3.1.
    fn signature(
        &self,
        mut data: Reader<'_>,
        whole: &[u8],
        limit: LabelLimit,
    ) -> Result<Vec<u8>, &'static str> {
        let covered = data.u16().ok_or(MISMATCH)?;
        let signer = self.name_at(18, whole, limit)?;
        let signer = if signer.is_empty() {
            b"<Root>"
        } else {
            signer.as_slice()
        };
        Ok([format!("RRSIG {covered} ").as_bytes(), signer].concat())
    }

    /// RFC 4034, 4.1.
    fn next_secure(
        &self,
        owner: &[u8],
        whole: &[u8],
        limit: LabelLimit,
    ) -> Result<Vec<u8>, &'static str> {
        let next = self.name_at(0, whole, limit)?;
        Ok([b"NSEC ", owner, b" ", &next].concat())
    }

    /// RFC 3403, 4.1.
    fn naptr(
        &self,
        mut data: Reader<'_>,
        whole: &[u8],
        limit: LabelLimit,
    ) -> Result<Vec<u8>, &'static str> {
        let order = data.u16().ok_or(MISMATCH)?;
        let preference = data.u16().ok_or(MISMATCH)?;
        let mut string = || {
            let len = data.u8().ok_or(MISMATCH)?;
            data.take(usize::from(len)).ok_or(MISMATCH)
        };
        let (flags, service, regexp) = (string()?, string()?, string()?);
        let replacement = self.name_at(self.len - data.len(), whole, limit)?;
        let mut text = format!("NAPTR {order} {preference} ").into_bytes();
        for part in [flags, b" ", service, b" ", regexp] {
            text.extend_from_slice(part);
        }
        if !regexp.is_empty() && !replacement.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(&replacement);
        Ok(text)
    }
}

fn address_v4(mut data: Reader<'_>) -> Option<Data> {
    let addr = data.u32().filter(|_| data.is_empty())?;
    Some(Data::Text(
        Ipv4Addr::from_bits(addr).to_string().into_bytes(),
    ))
}

fn address_v6(data: Reader<'_>) -> Option<Data> {
    let addr: &[u8; 16] = data.rest().first_chunk()?;
    Some(Data::Text(Ipv6Addr::from(*addr).to_string().into_bytes()))
}

/// Character strings (RFC 1035, 3.3): `TXT 5 hello TXT 5 world`.
fn strings(mut data: Reader<'_>, kind: &str) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some(len) = data.u8() {
        let string = data
            .take(usize::from(len))
            .unwrap_or_else(|| std::mem::replace(&mut data, Reader::new(&[])).rest());
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a vector does not fail.
        let _ = write!(text, "{space}{kind} {} ", string.len());
        text.extend_from_slice(string);
    }
    text
}

/// RFC 1876, 2.
fn location(mut data: Reader<'_>) -> Option<Vec<u8>> {
    if data.len() != 16 {
        return None;
    }
    let [_version, size, horizontal, vertical] = [data.u8()?, data.u8()?, data.u8()?, data.u8()?];
    Some(format!("LOC:  {size} {horizontal} {vertical}").into_bytes())
}

/// RFC 4034, 5.1.
fn delegation(mut data: Reader<'_>) -> Option<Vec<u8>> {
    let (_key_tag, algorithm, digest) = (data.u16()?, data.u8()?, data.u8()?);
    Some(format!("DS {algorithm} {digest}").into_bytes())
}

/// RFC 4034, 2.1.
fn key(mut data: Reader<'_>) -> Option<Vec<u8>> {
    let (_flags, _protocol, algorithm) = (data.u16()?, data.u8()?, data.u8()?);
    Some(format!("DNSKEY {algorithm}").into_bytes())
}

/// RFC 4255, 3.1.
fn fingerprint(mut data: Reader<'_>) -> Option<Vec<u8>> {
    let (_algorithm, _kind) = (data.u8()?, data.u8()?);
    let mut text = String::from("SSHFP: ");
    for byte in data.rest() {
        let _ = write!(text, "{byte:02x}");
    }
    Some(text.into_bytes())
}
