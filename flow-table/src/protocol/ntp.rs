//! NTP: what clocks tell each other (RFC 5905, 7.3).
//!
//! Every message of a clock is a row; those for its management (modes 6 and 7) are none.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::bytes::Reader;
use super::{At, Parser, Progress, Record, Service, Sink};
use crate::{Side, Timestamp};

/// What a message authentication code takes at most (RFC 7822, 3).
const MAX_MAC: usize = 24;
/// Seconds from 1900, where NTP begins to count, to 1970.
const TO_1970: f64 = 2_208_988_800.0;

/// A row of ntp.log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NtpRecord {
    /// When it was seen.
    pub ts: Timestamp,
    /// 1 to 4.
    pub version: u8,
    /// 1 to 5: symmetric active and passive, client, server, broadcast.
    pub mode: u8,
    /// How far from a clock that needs no other; 0 is unknown.
    pub stratum: u8,
    /// How long between messages: logarithm to base 2 of seconds.
    pub poll: i8,
    /// Of the clock: logarithm to base 2 of seconds.
    pub precision: i8,
    /// To that clock and back, in seconds.
    pub root_delay: Short,
    /// How far that clock may be off, in seconds.
    pub root_disp: Short,
    /// What the clock goes by.
    pub ref_id: Reference,
    /// When the clock was last set.
    pub ref_time: Moment,
    /// When the request left, by the client's clock.
    pub org_time: Moment,
    /// When it arrived, by the server's clock.
    pub rec_time: Moment,
    /// When this message left.
    pub xmt_time: Moment,
    /// Number of extension fields.
    pub num_exts: u32,
}

/// Seconds with a fraction of 16 bits (RFC 5905, 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short(pub u32);

impl Short {
    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        f64::from(self.0) / 65_536.0
    }
}

/// Seconds since 1900 with a fraction of 32 bits (RFC 5905, 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(pub u64);

impl Moment {
    /// In seconds since 1970; zero if it is not known.
    pub fn as_secs_f64(self) -> f64 {
        if self.0 == 0 {
            return 0.0;
        }
        let [secs, fraction] = [self.0 >> 32, self.0 & 0xffff_ffff].map(|half| half as f64);
        secs - TO_1970 + fraction / 4_294_967_296.0
    }
}

/// What a clock goes by. It shows as text: what kind, or an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reference {
    /// Four letters: of stratum 1 the kind of clock, of stratum 0 why there is none.
    Kind([u8; 4]),
    /// The other clock, or a hash of its IPv6 address.
    Clock(Ipv4Addr),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(letters) => letters.iter().try_for_each(|byte| match byte {
                b' '..=b'~' => write!(f, "{}", char::from(*byte)),
                _ => write!(f, "\\x{byte:02x}"),
            }),
            Self::Clock(addr) => addr.fmt(f),
        }
    }
}

/// The parser of one flow.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Ntp {
    confirmed: bool,
}

impl Parser for Ntp {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        let mode = bytes.first().map_or(0, |first| first & 7);
        let row = NtpRecord::read(ts, bytes);
        if row.is_none() && mode < 6 {
            At::new("NTP", side, ts, sink).weird("truncated_NTP");
            return Progress::Going;
        }
        if !std::mem::replace(&mut self.confirmed, true) {
            sink.confirm(Service("ntp"));
        }
        if let Some(row) = row {
            sink.record(Record::Ntp(Box::new(row)));
        }
        Progress::Going
    }
}

impl NtpRecord {
    fn read(ts: Timestamp, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let first = reader.u8()?;
        let (version, mode) = (first >> 3 & 7, first & 7);
        if !(1..=5).contains(&mode) || !(1..=4).contains(&version) {
            return None;
        }
        let stratum = reader.u8()?;
        let [poll, precision] = [reader.u8()?, reader.u8()?].map(u8::cast_signed);
        let [root_delay, root_disp] = [reader.u32()?, reader.u32()?].map(Short);
        let id = reader.u32()?;
        let [ref_time, org_time] = [reader.u64()?, reader.u64()?].map(Moment);
        let [rec_time, xmt_time] = [reader.u64()?, reader.u64()?].map(Moment);
        let ref_id = match stratum {
            0 | 1 => Reference::Kind(id.to_be_bytes()),
            _ => Reference::Clock(id.into()),
        };
        let num_exts = if version == 4 { extensions(reader) } else { 0 };
        Some(Self {
            ts,
            version,
            mode,
            stratum,
            poll,
            precision,
            root_delay,
            root_disp,
            ref_id,
            ref_time,
            org_time,
            rec_time,
            xmt_time,
            num_exts,
        })
    }
}

/// Extension fields before what may be a message authentication code (RFC 7822, 3).
fn extensions(mut reader: Reader<'_>) -> u32 {
    let mut count = 0;
    while reader.len() > MAX_MAC {
        let (Some(_kind), Some(len)) = (reader.u16(), reader.u16()) else {
            break;
        };
        if len < 16 || reader.take(usize::from(len) - 4).is_none() {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests;
