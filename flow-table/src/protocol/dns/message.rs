//! One DNS message (RFC 1035, 4.1).

use super::super::bytes::Reader;
use super::answer::{Data, Rr};
use super::name::{self, LabelLimit};
use super::{Answer, DnsRecord, MAX_ANSWERS};
use crate::{Span, Timestamp};

const QUERY: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;

/// The fixed part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) id: u16,
    flags: u16,
    pub(super) questions: u16,
    answers: u16,
    authorities: u16,
    additional: u16,
}

impl Header {
    /// The header, and what comes after it.
    pub(super) fn read(message: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(message);
        let header = Self {
            id: reader.u16()?,
            flags: reader.u16()?,
            questions: reader.u16()?,
            answers: reader.u16()?,
            authorities: reader.u16()?,
            additional: reader.u16()?,
        };
        Some((header, reader.rest()))
    }

    pub(super) const fn is_reply(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) const fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0x0f) as u8
    }

    /// Whether messages like this one get rows.
    pub(super) const fn is_tracked(&self) -> bool {
        matches!(self.opcode(), QUERY | NOTIFY | UPDATE)
    }

    pub(super) const fn rcode(&self) -> u8 {
        (self.flags & 0x0f) as u8
    }

    const fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;

/// What comes after the header, read as far as it makes sense.
pub(super) struct Message<'a> {
    whole: &'a [u8],
    reader: Reader<'a>,
    netbios: bool,
    /// The name read last.
    name: Vec<u8>,
    /// What was odd but did not stop anything; few, each told once.
    pub(super) oddities: Vec<&'static str>,
}

impl<'a> Message<'a> {
    pub(super) const fn new(whole: &'a [u8], body: &'a [u8], netbios: bool) -> Self {
        Self {
            whole,
            reader: Reader::new(body),
            netbios,
            name: Vec::new(),
            oddities: Vec::new(),
        }
    }

    const fn limit(&self) -> LabelLimit {
        if self.netbios {
            LabelLimit::None
        } else {
            LabelLimit::Rfc1035
        }
    }

    fn read_name(&mut self) -> Result<(), &'static str> {
        let limit = self.limit();
        name::read(&mut self.reader, self.whole, limit, &mut self.name)
    }

    /// Reads the questions; a query's go into `row`.
    pub(super) fn questions(
        &mut self,
        header: &Header,
        row: &mut DnsRecord,
    ) -> Result<(), &'static str> {
        for _ in 0..header.questions {
            self.read_name()?;
            let (Some(qtype), Some(qclass)) = (self.reader.u16(), self.reader.u16()) else {
                return Err("DNS_truncated_quest_too_short");
            };
            if header.is_reply() {
                // A reply without any record refuses, whatever its code says.
                row.rejected |=
                    header.answers == 0 && header.authorities == 0 && header.additional == 0;
                continue;
            }
            row.rd = header.has(RD);
            row.tc = header.has(TC);
            row.z = (header.flags >> 4 & 0x07) as u8;
            (row.qtype, row.qclass) = (Some(qtype), Some(qclass));
            let name = Some(&self.name).filter(|_| self.netbios);
            let name = name.and_then(|name| name::netbios(name));
            row.query = Some(name.map_or_else(|| self.name.as_slice().into(), Vec::into));
        }
        Ok(())
    }

    /// Reads the answers; a reply's go into `row`.
    pub(super) fn answers(
        &mut self,
        header: &Header,
        row: &mut DnsRecord,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        for _ in 0..header.answers {
            self.read_name()?;
            let rr = self.record()?;
            let data = rr.data(self.whole, self.limit(), self.netbios, &self.name)?;
            if !header.is_reply() {
                continue;
            }
            let text = match data {
                Data::Untold => continue,
                Data::Nothing => None,
                Data::Text(text) => Some(text),
            };
            self.answered(header, row, now);
            if let Some(text) = text {
                self.push(row, text.into(), rr.ttl);
            }
        }
        Ok(())
    }

    fn record(&mut self) -> Result<Rr<'a>, &'static str> {
        const SHORT: &str = "DNS_truncated_ans_too_short";
        let rtype = self.reader.u16().ok_or(SHORT)?;
        let _class = self.reader.u16().ok_or(SHORT)?;
        let ttl = self.reader.u32().ok_or(SHORT)?;
        let len = usize::from(self.reader.u16().ok_or(SHORT)?);
        // Names in the data may point back, so it is read with all that follows in view.
        let from_here = self.reader.rest();
        self.reader
            .take(len)
            .ok_or("DNS_truncated_RR_rdlength_lt_len")?;
        Ok(Rr {
            rtype,
            ttl,
            len,
            from_here,
        })
    }

    fn answered(&self, header: &Header, row: &mut DnsRecord, now: Timestamp) {
        if row.query.is_none() {
            row.query = Some(self.name.as_slice().into());
        }
        row.aa = header.has(AA);
        row.ra = header.has(RA);
        // No time at all: only the reply was seen.
        row.rtt = row
            .rtt
            .or_else(|| Some(now.since(row.ts)).filter(|rtt| *rtt != Span::ZERO));
    }

    fn push(&mut self, row: &mut DnsRecord, text: super::Text, ttl: u32) {
        const FULL: &str = "DNS_answers_not_shown";
        if row.answers.len() < MAX_ANSWERS {
            row.answers.push(Answer { text, ttl });
        } else if !self.oddities.contains(&FULL) {
            self.oddities.push(FULL);
        }
    }
}
