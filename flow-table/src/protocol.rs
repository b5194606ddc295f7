//! What runs inside flows: which protocol it is, and what its parsers make of it.
//!
//! Parsers see bytes in order ([`stream`]), borrowed from where they were captured, and push what
//! they find into a [`Sink`]. Each flow has its own parser, whose state has a cap; a parser that
//! gives up says so with a [`Weird`] and answers [`Progress::Done`]: from then on it wants nothing
//! and can be dropped. What a record says is what Zeek's log of that name says
//! (`docs/conn-log.md`); who talked to whom is added by the caller.

mod bytes;
pub mod dhcp;
pub mod dns;
pub mod echo;
mod entity;
pub mod files;
mod firsts;
mod frames;
pub mod ftp;
pub mod http;
pub mod inspect;
mod lines;
pub mod mime;
mod names;
pub mod ntp;
pub mod quic;
pub mod rdp;
pub mod recognise;
pub mod smtp;
pub mod socks;
pub mod ssh;
pub mod stream;
pub mod tls;
pub mod windows;
pub mod x509;

use std::any::Any;

use crate::{OddFrame, Side, Timestamp};

/// Bytes off the wire that a log shows as text; the log's writer escapes what is not.
pub type Text = Box<[u8]>;

/// A constant of the program. (Under a name of its own, as serde takes every reference for a borrowed one.)
pub type Name = &'static str;

/// Whether a parser wants more of its flow.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It does.
    Going,
    /// It does not: it is finished or has given up. `finish` is still to be called.
    Done,
    /// It does not, because from here on (both sides) the flow carries another protocol: so many
    /// of the bytes it was given were its own. `finish` is still to be called.
    Inner(usize),
}

/// A protocol as conn.log's `service` names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Service(pub &'static str);

/// Something a protocol does not allow, as weird.log tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weird {
    /// When.
    pub ts: Timestamp,
    /// Zeek's name for it, or ours where Zeek has none.
    pub name: &'static str,
    /// What exactly, where that says more.
    pub addl: Option<Text>,
    /// Which parser says so, as Zeek names its analyzers.
    pub source: &'static str,
}

/// A row of a protocol's log.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// A flow that is to come, of no log.
    Announced(Box<ftp::DataChannel>),
    /// What may be a file, if the flow was announced; of no log.
    Carried(Box<ftp::Carried>),
    /// A message; [`dhcp::Transactions`] makes rows of dhcp.log of it.
    Dhcp(Box<dhcp::DhcpMessage>),
    /// Of dns.log.
    Dns(Box<dns::DnsRecord>),
    /// Messages of ICMP that carry something; of no log.
    Echoes(Box<echo::Echoes>),
    /// Of files.log.
    File(Box<files::FileRecord>),
    /// Of ftp.log.
    Ftp(Box<ftp::FtpRecord>),
    /// Of http.log.
    Http(Box<http::HttpRecord>),
    /// A service on a port that is not its own; of no log.
    Misplaced(Box<Service>),
    /// Of files.log once it is joined with others; of no log by itself.
    Part(Box<files::FilePart>),
    /// Of ntp.log.
    Ntp(Box<ntp::NtpRecord>),
    /// Of quic.log.
    Quic(Box<quic::QuicRecord>),
    /// Somebody tried to sign in; of no log.
    SignIn(Box<SignIn>),
    /// Of smtp.log.
    Smtp(Box<smtp::SmtpRecord>),
    /// Of ssh.log.
    Ssh(Box<ssh::SshRecord>),
    /// Of ssl.log.
    Ssl(Box<tls::SslRecord>),
    /// Of x509.log: a certificate that was seen in the clear.
    X509(Box<x509::X509Record>),
    /// Of weird.log: what is odd about a frame of no flow that is known.
    Odd(Box<OddFrame>),
    /// Of weird.log. Parsers have a [way of their own](Sink::weird) to say it.
    Weird(Box<Weird>),
}

impl Record {
    /// Whether it is for a log, and not for what is to be known of other flows.
    pub const fn is_told(&self) -> bool {
        !matches!(
            self,
            Self::Announced(_)
                | Self::Carried(_)
                | Self::Echoes(_)
                | Self::Misplaced(_)
                | Self::Part(_)
                | Self::SignIn(_)
        )
    }
}

/// An attempt to sign in, or for SSH all attempts of a session: what is tried there is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignIn {
    /// To what.
    pub service: Service,
    /// Whether it was let in.
    pub outcome: SignInOutcome,
}

/// What came of an attempt to sign in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignInOutcome {
    /// It was let in.
    Accepted,
    /// It was not.
    Refused,
}

/// What is said of a body before it comes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BodyHead<'a> {
    /// What carries it, as Zeek names its analyzers.
    pub source: &'static str,
    /// Its length as announced.
    pub length: Option<u64>,
    /// The name it is to be saved under.
    pub filename: Option<&'a [u8]>,
    /// Its media type as announced.
    pub content_type: Option<&'a [u8]>,
    /// Which part of a mail it is, counting those that hold others; 0 of what is no mail.
    pub depth: u32,
    /// It is a part of a file that comes in several.
    pub range: Option<files::Range>,
}

/// A part of what an HTTP message or the like carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// A body begins.
    Begin(BodyHead<'a>),
    /// Its next bytes, as they are once transfer encodings are taken off.
    Data(&'a [u8]),
    /// As many of its bytes were missed.
    Gap(u64),
    /// It ends.
    End,
    /// No more of it is seen, though there may be more.
    Cut,
}

/// Who takes what parsers find.
pub trait Sink {
    /// A row is complete.
    fn record(&mut self, record: Record);

    /// Something is odd.
    fn weird(&mut self, weird: Weird);

    /// The flow speaks this protocol, said once per parser.
    fn confirm(&mut self, service: Service);

    /// The flow does not speak this protocol after all, even if that was confirmed: conn.log does
    /// not name it.
    fn refute(&mut self, service: Service);

    /// Another flow is to come.
    fn expect(&mut self, channel: ftp::DataChannel) {
        let _ = channel;
    }

    /// Somebody tried to sign in.
    fn signed_in(&mut self, sign_in: SignIn) {
        let _ = sign_in;
    }

    /// Content that `side` sends, for who looks into files.
    fn body(&mut self, side: Side, part: Body<'_>) {
        let _ = (side, part);
    }
}

/// What every parser is to the flow it belongs to. To be kept from one run to the next it has to be
/// listed in `inspect/parsers.rs`.
pub trait Parser: Any + std::fmt::Debug + Send {
    /// Takes a datagram, or the next bytes of a TCP stream: a segment's, as `side` sent it.
    fn data(&mut self, side: Side, ts: Timestamp, bytes: &[u8], sink: &mut dyn Sink) -> Progress;

    /// So many bytes of `side` are missing from a TCP stream.
    fn gap(&mut self, side: Side, ts: Timestamp, len: u64, sink: &mut dyn Sink) -> Progress {
        let _ = (side, ts, len, sink);
        Progress::Done
    }

    /// `side` has sent all it will.
    fn end_of(&mut self, side: Side, ts: Timestamp, sink: &mut dyn Sink) {
        let _ = (side, ts, sink);
    }

    /// The flow ended.
    fn finish(&mut self, ts: Timestamp, sink: &mut dyn Sink) {
        let _ = (ts, sink);
    }

    /// Bytes held for what is to come, about.
    fn held(&self) -> usize {
        0
    }
}

/// Where and when, and who is told.
struct At<'a> {
    side: Side,
    ts: Timestamp,
    /// Who tells it, as Zeek names its analyzers.
    source: &'static str,
    sink: &'a mut dyn Sink,
}

impl<'a> At<'a> {
    fn new(source: &'static str, side: Side, ts: Timestamp, sink: &'a mut dyn Sink) -> Self {
        Self {
            side,
            ts,
            source,
            sink,
        }
    }

    fn weird(&mut self, name: &'static str) {
        self.weird_about(name, None);
    }

    fn weird_about(&mut self, name: &'static str, addl: Option<Text>) {
        self.sink.weird(Weird {
            ts: self.ts,
            name,
            addl,
            source: self.source,
        });
    }
}

/// A [`Sink`] that keeps everything.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Findings {
    /// In the order they were completed.
    pub records: Vec<Record>,
    /// In order.
    pub weirds: Vec<Weird>,
    /// In the order of confirmation.
    pub services: Vec<Service>,
    /// Flows that were announced.
    pub channels: Vec<ftp::DataChannel>,
    /// Attempts to sign in.
    pub sign_ins: Vec<SignIn>,
}

impl Sink for Findings {
    fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    fn weird(&mut self, weird: Weird) {
        self.weirds.push(weird);
    }

    fn expect(&mut self, channel: ftp::DataChannel) {
        self.channels.push(channel);
    }

    fn signed_in(&mut self, sign_in: SignIn) {
        self.sign_ins.push(sign_in);
    }

    fn confirm(&mut self, service: Service) {
        if !self.services.contains(&service) {
            self.services.push(service);
        }
    }

    fn refute(&mut self, service: Service) {
        self.services.retain(|known| *known != service);
    }
}
