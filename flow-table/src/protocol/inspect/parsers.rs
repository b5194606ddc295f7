//! Which parser reads which protocol.

use super::super::dhcp::Dhcp;
use super::super::dns::Dns;
use super::super::ftp::Ftp;
use super::super::http::{Http, Measure};
use super::super::ntp::Ntp;
use super::super::quic::Quic;
use super::super::rdp::Rdp;
use super::super::recognise::Protocol;
use super::super::smtp::Smtp;
use super::super::socks::Socks;
use super::super::ssh::Ssh;
use super::super::tls::{Dtls, Tls};
use super::super::windows::{DceRpc, Smb};
use super::super::{Parser, Progress, Sink};
use crate::{FlowId, Side, Timestamp};

/// The parser of a flow that speaks `protocol`, if there is one.
pub(super) fn of(protocol: Protocol, id: FlowId, measure: Measure) -> Option<Box<dyn Parser>> {
    Some(match protocol {
        Protocol::Dhcp => Box::new(Dhcp::default()),
        Protocol::Dns => Box::new(Dns::new(id.proto, id.resp)),
        Protocol::Ftp => Box::new(Ftp::new(id)),
        Protocol::Http => Box::new(Http::new(measure)),
        Protocol::Tls => Box::new(Tls::default()),
        Protocol::Dtls => Box::new(Dtls::default()),
        Protocol::Quic => Box::new(Quic::default()),
        Protocol::DceRpc => Box::new(DceRpc::default()),
        Protocol::Rdp => Box::new(Rdp::default()),
        Protocol::Smb => Box::new(Smb::default()),
        Protocol::Socks => Box::new(Socks::default()),
        Protocol::Smtp => Box::new(Smtp::new(id)),
        Protocol::Ssh => Box::new(Ssh::default()),
        Protocol::Ntp => Box::new(Ntp::default()),
        _ => return None,
    })
}

impl Parser for Dns {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        Self::data(self, side, ts, bytes, sink)
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        Self::finish(self, sink);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Parser for Http {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        Self::data(self, side, ts, bytes, sink)
    }

    fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        Self::gap(self, side, ts, len, sink)
    }

    fn end_of(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) {
        Self::end_of(self, side, ts, sink);
    }

    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        Self::finish(self, ts, sink);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Parser for Tls {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        Self::data(self, side, ts, bytes, sink)
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        Self::finish(self, sink);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Parser for Dtls {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        Self::data(self, side, ts, bytes, sink)
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        Self::finish(self, sink);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Parser for Ssh {
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress {
        Self::data(self, side, ts, bytes, sink)
    }

    fn finish(&mut self, _: Timestamp, sink: &mut dyn Sink) {
        Self::finish(self, sink);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}
