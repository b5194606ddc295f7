//! Which parser reads which protocol.

use super::super::Parser;
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
use crate::FlowId;

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
