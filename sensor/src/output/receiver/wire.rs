//! The ways to a receiver. A connection is made when there is something to deliver, and made anew after a
//! failure.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use detectors::Severity;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use syslog_fmt::Facility;
use syslog_fmt::v5424::{self, Formatter, Msg};
use ureq::Agent;

use super::Parcel;
use super::trust::Trust;
use crate::clock::{Stopwatch, time_of_day};
use crate::config::Target;

/// Longest that a receiver may take to answer or to take in.
const PATIENCE: Duration = Duration::from_secs(2);
/// Letters of a message's kind, as RFC 5424 bounds it.
const LONGEST_LABEL: usize = 32;

/// Why something was not delivered.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be there later.
    Away(String),
    /// It is there and does not want this one.
    Refused(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // A datagram that is too long will not get shorter.
        if error.raw_os_error() == Some(libc::EMSGSIZE) {
            Self::Refused(error.to_string())
        } else {
            Self::Away(error.to_string())
        }
    }
}

/// See the module.
pub(super) enum Wire {
    Lines(Link),
    Syslog(Link, Formatter),
    Webhook { agent: Agent, url: String },
}

impl Wire {
    pub(super) fn to(target: &Target, trust: &Trust) -> Self {
        let tls = |host: &String| Place::Tls(host.clone(), Arc::clone(&trust.client));
        match target {
            Target::Tcp(host) => Self::Lines(Link::to(Place::Tcp(host.clone()))),
            Target::Tls(host) => Self::Lines(Link::to(tls(host))),
            Target::Udp(host) => Self::Lines(Link::to(Place::Udp(host.clone()))),
            Target::Unix(path) => Self::Lines(Link::to(Place::Unix(path.clone()))),
            Target::UnixDatagram(path) => Self::Lines(Link::to(Place::UnixDatagram(path.clone()))),
            Target::SyslogTcp(host) => Self::syslog(Place::Tcp(host.clone())),
            Target::SyslogTls(host) => Self::syslog(tls(host)),
            Target::SyslogUdp(host) => Self::syslog(Place::Udp(host.clone())),
            Target::SyslogUnix(path) => Self::syslog(Place::UnixDatagram(path.clone())),
            Target::Webhook(url) => Self::Webhook {
                agent: Agent::config_builder()
                    .timeout_global(Some(PATIENCE))
                    .http_status_as_error(false)
                    .max_redirects(0)
                    .max_redirects_will_error(false)
                    .proxy(None)
                    .tls_config(trust.for_posts())
                    .user_agent(concat!("flowhawk/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .new_agent(),
                url: url.clone(),
            },
        }
    }

    fn syslog(place: Place) -> Self {
        let system = rustix::system::uname();
        let process = std::process::id().to_string();
        let config = v5424::Config {
            facility: Facility::Local0,
            hostname: system.nodename().to_str().ok(),
            app_name: Some("flowhawk"),
            proc_id: Some(&process),
        };
        Self::Syslog(Link::to(place), config.into_formatter())
    }

    pub(super) fn deliver(&mut self, parcel: &Parcel) -> Result<(), Failure> {
        match self {
            Self::Lines(link) => {
                let line = format!("{}\n", parcel.json);
                Ok(link.send(line.as_bytes())?)
            }
            Self::Syslog(link, formatter) => {
                let message = syslog(formatter, parcel)?;
                Ok(link.send(&link.framed(message))?)
            }
            Self::Webhook { agent, url } => post(agent, url, &parcel.json),
        }
    }
}

fn syslog(formatter: &Formatter, parcel: &Parcel) -> io::Result<Vec<u8>> {
    let since = Duration::from_nanos(time_of_day().as_nanos().unsigned_abs());
    let time = humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string();
    let label = parcel.label.chars().filter(char::is_ascii_graphic);
    let label: String = label.take(LONGEST_LABEL).collect();
    let mut message = Vec::with_capacity(parcel.json.len() + 128);
    formatter.write_without_data(
        &mut message,
        match parcel.severity {
            Severity::Low => syslog_fmt::Severity::Notice,
            Severity::Medium => syslog_fmt::Severity::Warning,
            Severity::High => syslog_fmt::Severity::Err,
            Severity::Critical => syslog_fmt::Severity::Crit,
        },
        time,
        Msg::NonUnicodeBytes(parcel.json.as_bytes()),
        (!label.is_empty()).then_some(label.as_str()),
    )?;
    Ok(message)
}

fn post(agent: &Agent, url: &str, json: &str) -> Result<(), Failure> {
    let answer = agent.post(url).content_type("application/json").send(json);
    let status = match answer {
        Ok(answer) => answer.status(),
        Err(ureq::Error::Http(_) | ureq::Error::BadUri(_)) => {
            return Err(Failure::Refused("this is no URL".to_owned()));
        }
        Err(error) => return Err(Failure::Away(error.to_string())),
    };
    match status.as_u16() {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(Failure::Away(format!("answered {status}"))),
        _ => Err(Failure::Refused(format!("answered {status}"))),
    }
}

/// Where a connection goes.
enum Place {
    Tcp(String),
    /// The same, if it is who it says.
    Tls(String, Arc<ClientConfig>),
    Udp(String),
    Unix(PathBuf),
    UnixDatagram(PathBuf),
}

/// A connection, when there is one.
pub(super) struct Link {
    place: Place,
    open: Option<Open>,
}

/// Whether a connection waits for the other side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocking {
    Yes,
    No,
}

enum Open {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Udp(UdpSocket),
    Unix(UnixStream),
    UnixDatagram(UnixDatagram),
}

impl Link {
    const fn to(place: Place) -> Self {
        Self { place, open: None }
    }

    /// A message of syslog as this way needs it: in a stream its length comes first (RFC 6587; over
    /// TLS RFC 5425).
    fn framed(&self, message: Vec<u8>) -> Vec<u8> {
        match self.place {
            Place::Tcp(_) | Place::Tls(..) | Place::Unix(_) => {
                let mut framed = format!("{} ", message.len()).into_bytes();
                framed.extend(message);
                framed
            }
            Place::Udp(_) | Place::UnixDatagram(_) => message,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.open.as_mut().is_some_and(Open::is_closed) {
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::to(&self.place)?),
        };
        let sent = open.send(bytes);
        if sent.is_err() {
            self.open = None;
        }
        sent
    }
}

impl Open {
    fn to(place: &Place) -> io::Result<Self> {
        Ok(match place {
            Place::Tcp(host) => Self::Tcp(connect(host)?),
            Place::Tls(host, client) => Self::Tls(Box::new(shake_hands(host, client)?)),
            Place::Udp(host) => {
                let address = host.to_socket_addrs()?.next();
                let address = address.ok_or(io::ErrorKind::NotFound)?;
                let any = if address.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Self::Udp(socket)
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Self::Unix(stream)
            }
            Place::UnixDatagram(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Self::UnixDatagram(socket)
            }
        })
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Udp(socket) => socket.send(bytes).map(drop),
            Self::UnixDatagram(socket) => socket.send(bytes).map(drop),
        }
    }

    /// Whether the other side has gone: what is written then would go nowhere without a word.
    fn is_closed(&mut self) -> bool {
        if self.block(Blocking::No).is_err() {
            return true;
        }
        // What it says is of no interest.
        let read = match self {
            Self::Tcp(stream) => stream.peek(&mut [0]),
            Self::Tls(stream) => stream.read(&mut [0; 64]),
            Self::Udp(_) | Self::Unix(_) | Self::UnixDatagram(_) => return false,
        };
        let open = match read {
            Ok(read) => read > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        !open || self.block(Blocking::Yes).is_err()
    }

    fn block(&self, blocking: Blocking) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(blocking == Blocking::No),
            Self::Tls(stream) => stream.sock.set_nonblocking(blocking == Blocking::No),
            Self::Udp(_) | Self::Unix(_) | Self::UnixDatagram(_) => Ok(()),
        }
    }
}

fn connect(host: &str) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::NotFound.into();
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Connects to one who can prove to be this host.
fn shake_hands(
    host: &str,
    client: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    let mut stream = connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let begun = Stopwatch::start();
    while connection.is_handshaking() {
        // Who says little at a time has no more of it.
        if begun.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !connection.wants_write() {
            if connection.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = connection.process_new_packets() {
                // It is told why.
                let _ = connection.write_tls(&mut stream);
                return Err(io::Error::other(error));
            }
        }
        while connection.wants_write() {
            connection.write_tls(&mut stream)?;
        }
    }
    Ok(StreamOwned::new(connection, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_syslog() {
        let trust = Trust::in_nobody().unwrap();
        let target = "syslog+tls://x:1".parse().unwrap();
        let Wire::Syslog(link, formatter) = Wire::to(&target, &trust) else {
            panic!("no syslog");
        };
        let parcel = Parcel {
            json: "{\"a\":1}".to_owned(),
            label: "MY RULE\u{e9}-1".to_owned(),
            severity: Severity::Critical,
        };
        let message = syslog(&formatter, &parcel).unwrap();
        let framed = String::from_utf8(link.framed(message)).unwrap();
        let (len, message) = framed.split_once(' ').unwrap();
        assert_eq!(len.parse(), Ok(message.len()));
        // local0 is 16, critical is 2.
        assert!(message.starts_with("<130>1 20"), "{message}");
        assert!(message.ends_with(" MYRULE-1 - {\"a\":1}"), "{message}");
        let pid = format!(" flowhawk {} ", std::process::id());
        assert!(message.contains(&pid), "{message}");
    }
}
