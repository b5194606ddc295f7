//! Which parser reads which protocol.

use std::any::Any;

use serde::{Deserialize, Serialize};

use super::super::Parser;
use super::super::dhcp::Dhcp;
use super::super::dns::Dns;
use super::super::ftp::{Ftp, Transfer};
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

/// Parsers as they are kept from one run to the next.
macro_rules! kept {
    ($($parser:ident),*) => {
        #[derive(Serialize)]
        enum Keeps<'a> {
            $($parser(&'a $parser),)*
        }

        #[derive(Deserialize)]
        enum Kept {
            $($parser(Box<$parser>),)*
        }

        impl<'a> Keeps<'a> {
            fn of(parser: &'a dyn Any) -> Option<Self> {
                $(if let Some(parser) = parser.downcast_ref() {
                    return Some(Self::$parser(parser));
                })*
                None
            }
        }

        impl From<Kept> for Box<dyn Parser> {
            fn from(kept: Kept) -> Self {
                match kept {
                    $(Kept::$parser(parser) => parser,)*
                }
            }
        }
    };
}

kept!(
    DceRpc, Dhcp, Dns, Dtls, Ftp, Http, Ntp, Quic, Rdp, Smb, Smtp, Socks, Ssh, Tls, Transfer
);

/// For fields that hold one of them.
pub(super) mod kept {
    use std::any::Any;

    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Keeps, Kept, Parser};

    #[expect(clippy::borrowed_box, reason = "as serde calls it")]
    pub(in crate::protocol::inspect) fn serialize<S: Serializer>(
        parser: &Box<dyn Parser>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let parser: &dyn Any = parser.as_ref();
        let keeps = Keeps::of(parser);
        keeps
            .ok_or_else(|| S::Error::custom("a parser that is not listed"))?
            .serialize(to)
    }

    pub(in crate::protocol::inspect) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Box<dyn Parser>, D::Error> {
        Kept::deserialize(from).map(Into::into)
    }
}
