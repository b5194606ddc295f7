//! Logs that Zeek or flowhawk wrote, read back: what their rows say, in one order by time.
//!
//! A row of conn.log is written when its flow is over, so rows come in no order of what happened.
//! All of them are read first ([`mod@read`]), piece by piece ([`pieces`]), kept compact and sorted ([`order`]), on disk where they are
//! more than memory is to hold; then flows live again ([`again`]), as far as their rows tell.

mod again;
mod conn;
mod dns;
mod files;
mod form;
mod http;
mod order;
mod pieces;
mod read;
mod ssh;
mod ssl;
mod values;

use std::net::IpAddr;

use flow_table::{Endpoint, FlowId, IpProto, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use again::{Again, Happening};
pub(crate) use files::find;
pub(crate) use order::{Order, OrderError};
pub(crate) use read::{Rows, read};
pub(crate) use values::Refused;

use conn::LoggedFlow;
use dns::LoggedQuestion;
use files::LogFile;
use http::LoggedReply;
use ssh::LoggedSignIn;
use ssl::LoggedHello;

/// What a row says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) enum Logged {
    /// Of conn.log.
    Flow(LoggedFlow),
    /// Of dns.log.
    Question(LoggedQuestion),
    /// Of http.log.
    Reply(LoggedReply),
    /// Of ssh.log.
    SignIn(LoggedSignIn),
    /// Of ssl.log.
    Hello(LoggedHello),
}

impl Logged {
    /// When what it tells begins to matter: rows are put into this order.
    pub(crate) fn time(&self) -> Timestamp {
        match self {
            Self::Flow(flow) => flow.start(),
            Self::Question(question) => question.told(),
            Self::Reply(reply) => reply.told(),
            Self::SignIn(sign_in) => sign_in.told(),
            Self::Hello(hello) => hello.told(),
        }
    }
}

/// Who talked to whom, as every row says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Ends {
    orig: (IpAddr, u16),
    resp: (IpAddr, u16),
    proto: u8,
}

impl Ends {
    fn id(&self) -> FlowId {
        FlowId {
            orig: Endpoint::new(self.orig.0, self.orig.1),
            resp: Endpoint::new(self.resp.0, self.resp.1),
            proto: IpProto(self.proto),
        }
    }
}
